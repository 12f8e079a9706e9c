//! The protocol of a packet where none is given: that of the Service port at its destination, else TCP.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::inference::Inference;
use super::scene::Scene;
use crate::cluster::ServicePort;
use crate::net::{Family, Protocol};
use crate::walk::{Host, Packet};

/// The protocol to speak to an address: the only one that a Service has there; TCP among several, or where no Service has
/// the address.
pub(super) fn infer(scene: &Scene<'_>, host: &Host, to: SocketAddr) -> Protocol {
    let served = served(scene, host, to);
    let first = served.iter().next().copied().unwrap_or(Protocol::Tcp);
    if served.contains(&Protocol::Tcp) { Protocol::Tcp } else { first }
}

/// What to say of a packet whose protocol was inferred; none where that surprises nobody.
pub fn inference(scene: &Scene<'_>, host: &Host, packet: &Packet) -> Option<Inference> {
    let (to, protocol) = (packet.destination, packet.protocol);
    let mut others = served(scene, host, to).into_iter().filter(|other| *other != protocol);
    match others.next() {
        Some(other) => Some(Inference::OneProtocol { to, protocol, other }),
        None if protocol != Protocol::Tcp => Some(Inference::Protocol { to, protocol }),
        None => None,
    }
}

/// The protocols for which Services have an address and port.
fn served(scene: &Scene<'_>, host: &Host, to: SocketAddr) -> BTreeSet<Protocol> {
    let Some(cluster) = scene.cluster() else {
        let services = scene.services();
        return services.iter().filter(|port| port.address == to).map(|port| port.name.protocol()).collect();
    };
    let ports = cluster.family(Family::of(to.ip())).service_ports.iter();
    ports.filter(|port| is_at(port, host, to)).map(|port| port.name.protocol()).collect()
}

/// Whether a Service port is at an address, its node port at one of the node's.
pub fn is_at(port: &ServicePort, host: &Host, to: SocketAddr) -> bool {
    let ip = to.ip();
    let has = port.cluster_ip == ip
        || port.external_ips.iter().any(|external| external.value == ip)
        || port.load_balancer_ips.iter().any(|ingress| ingress.value == ip);
    let is_node_port = || port.node_port.is_some_and(|number| number.get() == to.port()) && host.is_local(ip);
    (has && port.port.get() == to.port()) || is_node_port()
}
