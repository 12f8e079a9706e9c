//! Names of addresses, and names much like a wrong one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::scene::Scene;
use crate::cluster::ServicePort;
use crate::net::Family;
use crate::report::trace::Names;
use crate::walk::{Outcome, Packet};

/// Names of all addresses that traces show.
pub(super) fn of(scene: &Scene<'_>, traced: &[(Packet, Vec<Outcome<'_>>)]) -> Names {
    let shown = traced.iter().flat_map(|(packet, outcomes)| {
        let ends = outcomes.iter().map(|outcome| outcome.destination.ip());
        [packet.source, packet.destination.ip()].into_iter().chain(ends)
    });
    names(scene, &shown.collect())
}

/// Names of these addresses, from the cluster.
fn names(scene: &Scene<'_>, shown: &BTreeSet<IpAddr>) -> Names {
    let mut names = Names::default();
    let Some(cluster) = scene.cluster() else {
        for port in scene.services().iter().filter(|port| shown.contains(&port.address.ip())) {
            let service = format!("Service {}/{}", port.name.namespace(), port.name.service());
            names.add(port.address.ip(), || service);
        }
        return names;
    };
    for node in &cluster.nodes {
        for ip in node.internal_ips.iter().chain(&node.external_ips).filter(|ip| shown.contains(ip)) {
            names.add(*ip, || format!("node {}", node.name));
        }
    }
    for pod in scene.snapshot().into_iter().flat_map(|snapshot| &snapshot.pods) {
        let pod = &pod.object;
        let ips = pod.ips.iter().filter_map(|ip| ip.parse().ok()).filter(|ip| shown.contains(ip));
        ips.for_each(|ip| {
            names.add(ip, || pod_name(&pod.metadata.namespace, &pod.metadata.name, &pod.node_name))
        });
    }
    for port in Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports) {
        name_service_port(port, shown, &mut names);
    }
    names
}

fn name_service_port(port: &ServicePort, shown: &BTreeSet<IpAddr>, names: &mut Names) {
    let service = format!("Service {}/{}", port.name.namespace(), port.name.service());
    let mut add = |ip: IpAddr, what: &str| {
        if shown.contains(&ip) {
            names.add(ip, || format!("{what}{service}"));
        }
    };
    add(port.cluster_ip, "");
    port.external_ips.iter().for_each(|ip| add(ip.value, "external IP of "));
    port.load_balancer_ips.iter().for_each(|ip| add(ip.value, "load-balancer IP of "));
    for endpoint in port.endpoints.iter().filter(|endpoint| shown.contains(&endpoint.ip)) {
        names.add(endpoint.ip, || match &endpoint.pod {
            Some(pod) => {
                pod_name(port.name.namespace(), pod, endpoint.node_name.as_deref().unwrap_or_default())
            }
            None => format!("endpoint of {service}"),
        });
    }
}

fn pod_name(namespace: &str, name: &str, node: &str) -> String {
    match node {
        "" => format!("pod {namespace}/{name}"),
        node => format!("pod {namespace}/{name} on {node}"),
    }
}
