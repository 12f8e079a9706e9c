//! `ipFamilies` and `ipFamilyPolicy` of a Service (pkg/registry/core/service/storage/alloc.go, initIPFamilyFields).

use super::service::{is_headless, object_ref};
use super::{Rule, Run};
use crate::diagnostic::{Diagnostic, message};
use crate::input::api::{self, Text};
use crate::net::{Family, parse_ip_lenient};

/// Fills in both fields, where the cluster can have what the Service asks for.
pub(super) fn fill(service: &mut api::Service, run: &mut Run<'_>) -> Result<(), Box<Diagnostic>> {
    let object = object_ref(service);
    let available = run.families();
    let headless_elsewhere = is_headless(service) && service.spec.selector.is_empty();
    let spec = &mut service.spec;
    if spec.cluster_ips.is_empty() && !spec.cluster_ip.is_empty() {
        spec.cluster_ips.push(spec.cluster_ip.clone());
        run.record(&object, "spec.clusterIPs[0]", &spec.cluster_ip, Rule::Default);
    } else if let (Some(first), true) = (spec.cluster_ips.first(), spec.cluster_ip.is_empty()) {
        spec.cluster_ip = first.clone();
        run.record(&object, "spec.clusterIP", first, Rule::Default);
    }
    let mut families = given(spec);
    if families.is_empty() {
        families.extend(available.first());
    }
    let required = spec.ip_family_policy == "RequireDualStack";
    if spec.ip_family_policy.is_empty() {
        let dual = families.len() > 1 || headless_elsewhere;
        spec.ip_family_policy = if dual { "RequireDualStack" } else { "SingleStack" }.into();
        run.record(&object, "spec.ipFamilyPolicy", &spec.ip_family_policy, Rule::Default);
    }
    if let ([only], true) = (families.as_slice(), spec.ip_family_policy != "SingleStack") {
        let other = only.other();
        if available.contains(&other) {
            families.push(other);
        } else if required {
            return Err(Diagnostic::error(message!(
                "spec.ipFamilyPolicy: RequireDualStack needs a service network of {other}, and there is none"
            ))
            .help("name one of each family with --service-cidr")
            .into());
        }
    }
    for (i, family) in families.iter().enumerate().skip(spec.ip_families.len()) {
        spec.ip_families.push(Text::from(family.api_name()));
        run.record(&object, &format!("spec.ipFamilies[{i}]"), family.api_name(), Rule::Default);
    }
    Ok(())
}

/// The families that the Service itself names.
fn given(spec: &api::ServiceSpec) -> Vec<Family> {
    if spec.ip_families.is_empty() {
        return spec.cluster_ips.iter().filter_map(|ip| parse_ip_lenient(ip)).map(Family::of).collect();
    }
    of(spec)
}

/// What stands in `ipFamilies`.
pub(super) fn of(spec: &api::ServiceSpec) -> Vec<Family> {
    let family = |text: &Text| Family::ALL.into_iter().find(|family| family.api_name() == text);
    spec.ip_families.iter().filter_map(family).collect()
}
