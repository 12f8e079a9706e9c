//! Services: the API server's defaults (pkg/apis/core/v1/defaults.go, pkg/registry/core/service/storage).

use super::service::{is_external_name, object_ref};
use super::{Rule, Run, cluster_ips, families, node_ports};
use crate::diagnostic::ObjectRef;
use crate::input::Snapshot;
use crate::input::api::{self, IntOrString, Text};

pub(super) fn fill(snapshot: &mut Snapshot, run: &mut Run<'_>) {
    let Snapshot { services, sources, .. } = snapshot;
    for located in services.iter_mut() {
        defaults(&mut located.object, run);
        if is_external_name(&located.object) {
            continue;
        }
        if let Err(fault) = families::fill(&mut located.object, run) {
            run.find(fault, object_ref(&located.object), located.position, sources);
        }
    }
    cluster_ips::fill(services, sources, run);
    node_ports::fill(services, sources, run);
}

fn defaults(service: &mut api::Service, run: &mut Run<'_>) {
    let object = object_ref(service);
    let mut fill = |field: &mut Text, path: &str, value: &str| {
        if field.is_empty() {
            *field = value.into();
            run.record(&object, path, value, Rule::Default);
        }
    };
    let spec = &mut service.spec;
    fill(&mut spec.type_, "spec.type", "ClusterIP");
    fill(&mut spec.session_affinity, "spec.sessionAffinity", "None");
    let forwards = spec.type_ != "ExternalName";
    if forwards {
        fill(&mut spec.internal_traffic_policy, "spec.internalTrafficPolicy", "Cluster");
    }
    if forwards && (spec.type_ != "ClusterIP" || !spec.external_ips.is_empty()) {
        fill(&mut spec.external_traffic_policy, "spec.externalTrafficPolicy", "Cluster");
    }
    for (i, port) in spec.ports.iter_mut().enumerate() {
        fill(&mut port.protocol, &format!("spec.ports[{i}].protocol"), "TCP");
    }
    for (i, ingress) in service.ingress.iter_mut().enumerate().filter(|(_, ingress)| !ingress.ip.is_empty()) {
        let mode = ingress.ip_mode.get_or_insert_default();
        fill(mode, &format!("status.loadBalancer.ingress[{i}].ipMode"), "VIP");
    }
    numbers(spec, &object, run);
}

/// Defaults that are no words.
fn numbers(spec: &mut api::ServiceSpec, object: &ObjectRef, run: &mut Run<'_>) {
    if spec.session_affinity == "ClientIP" && spec.affinity_timeout_seconds.is_none() {
        spec.affinity_timeout_seconds = Some(10_800);
        run.record(object, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", 10_800, Rule::Default);
    }
    if spec.type_ == "LoadBalancer" && spec.allocate_load_balancer_node_ports.is_none() {
        spec.allocate_load_balancer_node_ports = Some(true);
        run.record(object, "spec.allocateLoadBalancerNodePorts", true, Rule::Default);
    }
    for (i, port) in spec.ports.iter_mut().enumerate() {
        let absent = match &port.target_port {
            None | Some(IntOrString::Int(0)) => true,
            Some(IntOrString::String(name)) => name.is_empty(),
            Some(IntOrString::Int(_)) => false,
        };
        if absent {
            port.target_port = Some(IntOrString::Int(port.port));
            run.record(object, &format!("spec.ports[{i}].targetPort"), port.port, Rule::Default);
        }
    }
}
