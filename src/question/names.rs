//! Names of addresses, and names much like a wrong one.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::scene::Scene;
use crate::cluster::ServicePort;
use crate::names::ServicePortName;
use crate::net::Family;
use crate::report::trace::{Name, Names};
use crate::walk::{Outcome, Packet};

/// Names of all addresses that traces show.
pub fn of(scene: &Scene<'_>, traced: &[(Packet, Vec<Outcome<'_>>)]) -> Names {
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
            names.add(port.address.ip(), || Name::ClusterIp(service(&port.name)));
        }
        return names;
    };
    for node in &cluster.nodes {
        for ip in node.internal_ips.iter().chain(&node.external_ips).filter(|ip| shown.contains(ip)) {
            names.add(*ip, || Name::Node(node.name.to_string()));
        }
    }
    for pod in scene.objects.into_iter().flat_map(|objects| &objects.snapshot.pods) {
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
    let mut add = |ip: IpAddr, name: fn(String) -> Name| {
        if shown.contains(&ip) {
            names.add(ip, || name(service(&port.name)));
        }
    };
    add(port.cluster_ip, Name::ClusterIp);
    let at = SocketAddr::new(port.cluster_ip, port.port.get());
    port.external_ips.iter().for_each(|ip| add(ip.value, Name::ExternalIp));
    port.load_balancer_ips.iter().for_each(|ip| add(ip.value, Name::LoadBalancerIp));
    if shown.contains(&at.ip()) {
        names.add_port(at, port.name.protocol());
    }
    for endpoint in port.endpoints.iter().filter(|endpoint| shown.contains(&endpoint.ip)) {
        names.add(endpoint.ip, || match &endpoint.pod {
            Some(pod) => {
                pod_name(port.name.namespace(), pod, endpoint.node_name.as_deref().unwrap_or_default())
            }
            None => Name::Endpoint(service(&port.name)),
        });
    }
}

fn service(name: &ServicePortName) -> String {
    name.service_name().to_string()
}

fn pod_name(namespace: &str, name: &str, node: &str) -> Name {
    Name::Pod { name: format!("{namespace}/{name}"), node: node.to_owned() }
}
