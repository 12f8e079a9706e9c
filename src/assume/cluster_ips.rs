//! Cluster IPs.

use std::collections::BTreeSet;

use super::service::{is_external_name, is_headless, object_ref};
use super::{Rule, Run, families, ranges};
use crate::diagnostic::{Diagnostic, message};
use crate::input::api::{self, Text};
use crate::input::{Located, Sources};
use crate::net::{Family, parse_ip_lenient};

pub(super) fn fill(services: &mut [Located<api::Service>], sources: &Sources, run: &mut Run<'_>) {
    for family in Family::ALL {
        assign(services, family, run);
    }
    for located in services.iter_mut() {
        if let Err(fault) = write(&mut located.object, run) {
            run.find(fault, object_ref(&located.object), located.position, sources);
        }
    }
}

fn assign(services: &[Located<api::Service>], family: Family, run: &mut Run<'_>) {
    let mut pool = ranges::service_pool(&run.service_cidrs, family);
    let given = services.iter().flat_map(|located| {
        let spec = &located.object.spec;
        spec.cluster_ips.iter().chain([&spec.cluster_ip]).filter_map(|text| parse_ip_lenient(text))
    });
    given.filter(|ip| Family::of(*ip) == family).for_each(|ip| pool.reserve(ranges::number(ip)));
    let lacking = services.iter().filter(|located| lacks(&located.object).contains(&family));
    let claims: BTreeSet<String> = lacking.map(|located| claim(&located.object, family)).collect();
    run.assign(&mut pool, &claims);
}

/// Families of which a Service has no cluster IP yet.
fn lacks(service: &api::Service) -> Vec<Family> {
    if is_external_name(service) || is_headless(service) {
        return Vec::new();
    }
    families::of(&service.spec).into_iter().skip(service.spec.cluster_ips.len()).collect()
}

fn claim(service: &api::Service, family: Family) -> String {
    let api::Metadata { namespace, name, .. } = &service.metadata;
    format!("{family} clusterIP of {namespace}/{name}")
}

fn write(service: &mut api::Service, run: &mut Run<'_>) -> Result<(), Box<Diagnostic>> {
    let object = object_ref(service);
    for family in lacks(service) {
        let number = run.assumed.held.get(&claim(service, family));
        let Some(ip) = number.and_then(|number| ranges::address(number, family)) else {
            let message = message!("spec.clusterIPs: the service network has no free {family} address");
            return Err(Diagnostic::error(message).help("name a larger network with --service-cidr").into());
        };
        let text = Text::from(ip.to_string());
        let spec = &mut service.spec;
        run.record(&object, &format!("spec.clusterIPs[{}]", spec.cluster_ips.len()), ip, Rule::ClusterIp);
        if spec.cluster_ip.is_empty() {
            spec.cluster_ip = text.clone();
        }
        spec.cluster_ips.push(text);
    }
    Ok(())
}
