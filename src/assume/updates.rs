//! Services that stood in an earlier state of the cluster: what the API server carries over when they are applied
//! again, and what it refuses (pkg/registry/core/service/storage, patchAllocatedValues and dropTypeDependentFields;
//! pkg/apis/core/validation, ValidateServiceUpdate).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::service::{is_external_name, object_ref};
use super::{Refusal, Rule, Run};
use crate::diagnostic::ObjectRef;
use crate::input::Snapshot;
use crate::input::api::{self, Text};

/// By which rule the values of the earlier state were assumed, by object and field.
type Rules<'a> = BTreeMap<(&'a ObjectRef, &'a str), Rule>;

/// What the API server would say.
type Faults = Vec<String>;

pub(super) fn fill(snapshot: &mut Snapshot, run: &mut Run<'_>) {
    let Some(previous) = &run.options.previous else { return };
    let rules: Rules<'_> =
        previous.values.iter().map(|value| ((&value.object, value.field.as_str()), value.rule)).collect();
    for located in &mut snapshot.services {
        let new = &mut located.object;
        let key = (new.metadata.namespace.clone(), new.metadata.name.clone());
        let Some(old) = previous.services.get(&key) else { continue };
        let mut faults = Faults::new();
        let mut updated = new.clone();
        cluster_ips(old, &mut updated, &mut faults);
        node_ports(&old.spec, &mut updated.spec);
        health_check_node_port(&old.spec, &mut updated.spec, &mut faults);
        load_balancer(old, &mut updated, &mut faults);
        if !needs_traffic_policy(&updated.spec)
            && updated.spec.external_traffic_policy == old.spec.external_traffic_policy
        {
            updated.spec.external_traffic_policy = Text::default();
        }
        if faults.is_empty() {
            record(new, &updated, &rules, run);
            *new = updated;
        } else {
            let refusals = faults.into_iter().map(|message| Refusal { object: object_ref(new), message });
            run.assumed.refusals.extend(refusals);
            *new = old.clone();
        }
    }
}

fn has_type(spec: &api::ServiceSpec, name: &str) -> bool {
    spec.type_ == name
}

fn cluster_ips(old: &api::Service, new: &mut api::Service, faults: &mut Faults) {
    if is_external_name(old) || is_external_name(new) {
        return drop_cluster_ips(old, new);
    }
    let (old, new) = (&old.spec, &mut new.spec);
    let given: Vec<Text> = match new.cluster_ips.as_slice() {
        [] => Some(new.cluster_ip.clone()).filter(|ip| !ip.is_empty()).into_iter().collect(),
        ips => ips.to_vec(),
    };
    for (i, (was, is)) in old.cluster_ips.iter().zip(&given).enumerate() {
        if was != is {
            faults.push(changed(&format!("spec.clusterIPs[{i}]"), &given));
        }
    }
    for (i, (was, is)) in old.ip_families.iter().zip(&new.ip_families).enumerate() {
        if was != is {
            faults.push(changed(&format!("spec.ipFamilies[{i}]"), &new.ip_families));
        }
    }
    if new.ip_family_policy.is_empty() {
        new.ip_family_policy = old.ip_family_policy.clone();
    }
    let single = new.ip_family_policy == "SingleStack";
    if single && new.ip_families.len() > old.ip_families.len() {
        faults.push(format!(
            "spec.ipFamilyPolicy: Invalid value: {:?}: must be 'PreferDualStack' or 'RequireDualStack' when \
             multiple IP families are specified",
            new.ip_family_policy
        ));
    }
    if new.ip_families.len() < old.ip_families.len() {
        new.ip_families.clone_from(&old.ip_families);
    }
    if given.len() < old.cluster_ips.len() {
        new.cluster_ips.clone_from(&old.cluster_ips);
    }
    if single {
        new.ip_families.truncate(1);
        new.cluster_ips.truncate(1);
    }
    if let Some(first) = new.cluster_ips.first() {
        new.cluster_ip = first.clone();
    }
}

/// A Service that becomes an ExternalName, or was one. What is as before goes.
fn drop_cluster_ips(old: &api::Service, new: &mut api::Service) {
    if is_external_name(new) && new.spec.cluster_ip == old.spec.cluster_ip {
        new.spec.cluster_ip = Text::default();
        new.spec.cluster_ips.clear();
        new.spec.ip_families.clear();
        new.spec.ip_family_policy = Text::default();
    }
}

/// In the API server's words.
fn changed(field: &str, value: &[Text]) -> String {
    format!("{field}: Invalid value: {}: may not change once set", json!(value))
}

fn needs_node_ports(spec: &api::ServiceSpec) -> bool {
    has_type(spec, "NodePort") || has_type(spec, "LoadBalancer")
}

/// By the port's name, as the API server does, else by its number, as kubectl does when it merges.
fn node_ports(old: &api::ServiceSpec, new: &mut api::ServiceSpec) {
    if !needs_node_ports(old) {
        return;
    }
    if !needs_node_ports(new) {
        let same = |port: &api::ServicePort| old.ports.iter().any(|was| was.node_port == port.node_port);
        new.ports.iter_mut().filter(|port| same(port)).for_each(|port| port.node_port = 0);
        return;
    }
    let mut used: BTreeSet<i64> = new.ports.iter().map(|port| port.node_port).collect();
    let by_name = |was: &api::ServicePort, is: &api::ServicePort| was.name == is.name;
    let by_number =
        |was: &api::ServicePort, is: &api::ServicePort| was.port == is.port && protocol(was) == protocol(is);
    for is_same in [by_name as fn(&api::ServicePort, &api::ServicePort) -> bool, by_number] {
        for port in new.ports.iter_mut().filter(|port| port.node_port == 0) {
            let was = old.ports.iter().find(|was| is_same(was, port) && !used.contains(&was.node_port));
            port.node_port = was.map(|was| was.node_port).unwrap_or_default();
            used.insert(port.node_port);
        }
    }
}

fn protocol(port: &api::ServicePort) -> &str {
    if port.protocol.is_empty() { "TCP" } else { &port.protocol }
}

fn health_check_node_port(old: &api::ServiceSpec, new: &mut api::ServiceSpec, faults: &mut Faults) {
    let needs =
        |spec: &api::ServiceSpec| has_type(spec, "LoadBalancer") && spec.external_traffic_policy == "Local";
    let (was, is) = (old.health_check_node_port, new.health_check_node_port);
    match (needs(old), needs(new)) {
        (true, true) if is == 0 => new.health_check_node_port = was,
        (true, true) if is != was => {
            faults.push("spec.healthCheckNodePort: Forbidden: field is immutable".to_owned());
        }
        (true, false) if is == was => new.health_check_node_port = 0,
        _ => {}
    }
}

fn load_balancer(old: &api::Service, new: &mut api::Service, faults: &mut Faults) {
    if !(has_type(&old.spec, "LoadBalancer") && has_type(&new.spec, "LoadBalancer")) {
        return;
    }
    let (was, is) = (&old.spec.load_balancer_class, &mut new.spec.load_balancer_class);
    if is.is_empty() {
        *is = was.clone();
    } else if was != is {
        faults.push(format!("spec.loadBalancerClass: Invalid value: {is:?}: may not change once set"));
    }
    if new.ingress.is_empty() {
        new.ingress.clone_from(&old.ingress);
    }
}

fn needs_traffic_policy(spec: &api::ServiceSpec) -> bool {
    needs_node_ports(spec) || !spec.external_ips.is_empty()
}

/// Lists what was carried over.
fn record(before: &api::Service, after: &api::Service, rules: &Rules<'_>, run: &mut Run<'_>) {
    let object = object_ref(after);
    let mut tell = |field: &str, value: &dyn ToString| {
        let rule = rules.get(&(&object, field)).copied().unwrap_or(Rule::CarriedOver);
        run.record(&object, field, value.to_string(), rule);
    };
    let (was, is) = (&before.spec, &after.spec);
    for (i, ip) in is.cluster_ips.iter().enumerate().skip(was.cluster_ips.len()) {
        tell(&format!("spec.clusterIPs[{i}]"), ip);
    }
    for (i, family) in is.ip_families.iter().enumerate().skip(was.ip_families.len()) {
        tell(&format!("spec.ipFamilies[{i}]"), family);
    }
    if was.ip_family_policy != is.ip_family_policy {
        tell("spec.ipFamilyPolicy", &is.ip_family_policy);
    }
    for (i, (was, is)) in was.ports.iter().zip(&is.ports).enumerate() {
        if was.node_port != is.node_port && is.node_port != 0 {
            tell(&format!("spec.ports[{i}].nodePort"), &is.node_port);
        }
    }
    if was.health_check_node_port != is.health_check_node_port && is.health_check_node_port != 0 {
        tell("spec.healthCheckNodePort", &is.health_check_node_port);
    }
    for (i, ingress) in after.ingress.iter().enumerate().skip(before.ingress.len()) {
        let address = if ingress.ip.is_empty() { &ingress.hostname } else { &ingress.ip };
        tell(&format!("status.loadBalancer.ingress[{i}]"), address);
    }
}
