//! Cluster IPs, IP families and their policy (pkg/apis/core/validation, ValidateServiceClusterIPsRelatedFields;
//! pkg/registry/core/service/storage/alloc.go, initIPFamilyFields).

use std::collections::BTreeSet;

use super::fault::{Class, Faults};
use super::field::Field;
use super::view::View;
use super::{Facts, rules};
use crate::net::{Family, parse_ip_lenient};

pub(super) fn check(view: &View<'_>, facts: &Facts, faults: &mut Faults) {
    if view.type_ == "ExternalName" {
        return;
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    faults.unless_one_of(Class::Families, &view.spec.child("ipFamilyPolicy"), &policies);
    families(&view.spec.child("ipFamilies"), faults);
    first_matches(view, faults);
    let ips = view.spec.child("clusterIPs");
    let given = if ips.items().is_empty() { vec![view.cluster_ip()] } else { ips.items() };
    let given: Vec<Field<'_>> = given.into_iter().filter(|ip| !ip.text().is_empty()).collect();
    let sound = all_sound(&given, &ips, facts, faults);
    if given.len() > 2 {
        faults.invalid(Class::Families, &ips, "may only hold up to 2 values");
    }
    if sound {
        of_their_families(view, &given, &ips, faults);
    }
    policy(view, &given, faults);
}

fn families(families: &Field<'_>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for family in families.items() {
        faults.unless_one_of(Class::Families, &family, &["IPv4", "IPv6"]);
        if !seen.insert(family.text()) {
            faults.duplicate(Class::Families, &family, &family.shown());
        }
    }
}

fn first_matches(view: &View<'_>, faults: &mut Faults) {
    let (ip, ips) = (view.spec.child("clusterIP"), view.spec.child("clusterIPs"));
    if ips.items().is_empty() {
        return;
    }
    if ip.text().is_empty() {
        faults.invalid(Class::Families, &ips, "must be empty when `clusterIP` is not specified");
    } else if ips.index(0).text() != ip.text() {
        faults.invalid(Class::Families, &ips, "first value must match `clusterIP`");
    }
}

fn all_sound(given: &[Field<'_>], ips: &Field<'_>, facts: &Facts, faults: &mut Faults) -> bool {
    let before = faults.found.len();
    for (i, ip) in given.iter().enumerate() {
        if i == 0 && ip.text() == "None" {
            if given.len() > 1 {
                faults.invalid(Class::Families, ips, "'None' must be the first and only value");
            }
        } else {
            faults.all_invalid(Class::Address, ip, rules::ip(ip.text(), facts.strict_addresses));
        }
    }
    faults.found.len() == before
}

fn of_their_families(view: &View<'_>, given: &[Field<'_>], ips: &Field<'_>, faults: &mut Faults) {
    let of = |ip: &Field<'_>| parse_ip_lenient(ip.text()).map(Family::of);
    if let [first, second] = given
        && of(first) == of(second)
    {
        faults.invalid(Class::Families, ips, "may specify no more than one IP for each IP family");
    }
    for (i, (ip, wanted)) in given.iter().zip(view.spec.child("ipFamilies").items()).enumerate() {
        if let Some(family) = of(ip).filter(|family| family.api_name() != wanted.text()) {
            let detail =
                format!("expected an {} value as indicated by `ipFamilies[{i}]`", family.other().api_name());
            faults.invalid(Class::Families, ip, &detail);
        }
    }
}

/// Without a policy the server takes SingleStack, but for headless Services without a selector.
fn policy(view: &View<'_>, given: &[Field<'_>], faults: &mut Faults) {
    let policy = view.spec.child("ipFamilyPolicy");
    let is_unset = policy.text().is_empty();
    let any_family = view.is_headless() && view.spec.child("selector").pairs().is_empty();
    if !(policy.text() == "SingleStack" || (is_unset && !any_family)) {
        return;
    }
    let too_many = [
        (
            given.len() == 2,
            "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified",
        ),
        (
            view.spec.child("ipFamilies").items().len() == 2,
            "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
        ),
    ];
    for (_, detail) in too_many.into_iter().filter(|(holds, _)| *holds) {
        faults.invalid_value(Class::Families, &policy, "\"SingleStack\"", detail);
    }
}
