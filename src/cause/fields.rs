//! Fields of a Service that changed.

use std::collections::BTreeMap;

use super::{Cause, Change};
use crate::input::{Located, api};

/// A field's path and value; none where the object does not have it.
type Values = BTreeMap<String, String>;

/// Fields that differ, in the order of their paths.
pub(super) fn causes(
    change: &Change<'_>,
    old: &Located<api::Service>,
    new: &Located<api::Service>,
) -> Vec<Cause> {
    let (before, after) = (values(&old.object), values(&new.object));
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let differs = |path: &&&String| before.get(path.as_str()) != after.get(path.as_str());
    let field = |path: &&String| {
        let (path, old_value, new_value) =
            (path.as_str(), before.get(path.as_str()), after.get(path.as_str()));
        let written = path_as_written(path, &new.object);
        let place = match new_value {
            Some(_) => change.new.snapshot.sources.field_place(new.position, &written),
            None => {
                change.old.snapshot.sources.field_place(old.position, &path_as_written(path, &old.object))
            }
        };
        Cause::Field {
            object: new.object.metadata.object_ref("Service"),
            field: path.to_owned(),
            old: old_value.cloned(),
            new: new_value.cloned(),
            place,
        }
    };
    let differing: Vec<&String> = paths.iter().filter(differs).copied().collect();
    let mut causes: Vec<Cause> = differing.iter().map(field).collect();
    causes.sort_by_key(weight);
    let written = causes.iter().filter(|cause| weight(cause) == 0).count();
    if written > 0 {
        causes.truncate(written);
    }
    causes
}

/// What somebody wrote says why; what follows from it does so only where that is all there is.
fn weight(cause: &Cause) -> usize {
    let Cause::Field { field, .. } = cause else { return 0 };
    let late = ["spec.clusterIP", "spec.healthCheckNodePort", "spec.ipFamilies", "status."];
    usize::from(late.iter().any(|prefix| field.starts_with(prefix)))
}

/// Ports are identified by name or number; their place by their index.
fn path_as_written(path: &str, service: &api::Service) -> String {
    let Some(rest) = path.strip_prefix("spec.ports[") else { return path.to_owned() };
    let Some((name, rest)) = rest.split_once(']') else { return path.to_owned() };
    let index = service.spec.ports.iter().position(|port| port_name(port) == name).unwrap_or_default();
    format!("spec.ports[{index}]{rest}")
}

fn port_name(port: &api::ServicePort) -> String {
    if port.name.is_empty() { port.port.to_string() } else { port.name.to_string() }
}

fn values(service: &api::Service) -> Values {
    let spec = &service.spec;
    let list = |values: &[api::Text]| values.join(", ");
    let selector: Vec<String> = spec.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let ingress: Vec<&str> = service.ingress.iter().map(|ingress| ingress.ip.as_str()).collect();
    let mut values = Values::new();
    let mut put = |path: &str, value: String| {
        if !value.is_empty() {
            values.insert(path.to_owned(), value);
        }
    };
    let number = |number: i64| if number == 0 { String::new() } else { number.to_string() };
    put("spec.type", spec.type_.to_string());
    put("spec.selector", selector.join(","));
    put(
        "spec.clusterIPs",
        if spec.cluster_ips.is_empty() { spec.cluster_ip.to_string() } else { list(&spec.cluster_ips) },
    );
    put("spec.ipFamilies", list(&spec.ip_families));
    put("spec.ipFamilyPolicy", spec.ip_family_policy.to_string());
    put("spec.externalIPs", list(&spec.external_ips));
    put("spec.sessionAffinity", spec.session_affinity.to_string());
    let timeout = spec.affinity_timeout_seconds.filter(|_| spec.session_affinity == "ClientIP");
    put("spec.sessionAffinityConfig.clientIP.timeoutSeconds", timeout.map_or(String::new(), number));
    put("spec.externalTrafficPolicy", spec.external_traffic_policy.to_string());
    put("spec.internalTrafficPolicy", spec.internal_traffic_policy.to_string());
    put("spec.healthCheckNodePort", number(spec.health_check_node_port));
    put("spec.loadBalancerClass", spec.load_balancer_class.to_string());
    put("spec.loadBalancerSourceRanges", list(&spec.load_balancer_source_ranges));
    put("spec.trafficDistribution", spec.traffic_distribution.to_string());
    if spec.publish_not_ready_addresses {
        put("spec.publishNotReadyAddresses", "true".to_owned());
    }
    put("status.loadBalancer.ingress", ingress.join(", "));
    for port in &spec.ports {
        let path = |field: &str| format!("spec.ports[{}].{field}", port_name(port));
        put(&path("port"), number(port.port));
        put(&path("protocol"), port.protocol.to_string());
        put(&path("nodePort"), number(port.node_port));
        let target = port.target_port.as_ref().map(|target| match target {
            api::IntOrString::Int(number) => number.to_string(),
            api::IntOrString::String(name) => name.to_string(),
        });
        put(&path("targetPort"), target.unwrap_or_default());
    }
    values
}
