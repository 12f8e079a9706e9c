//! Who has an address.

use std::net::IpAddr;

use crate::cluster::ServicePort;
use crate::journey::{Network, Party, Place};
use crate::report::trace::Name;

/// Who has an address, if that is known.
pub(super) fn name(network: &Network<'_, '_>, ip: IpAddr) -> Option<Name> {
    match network.place(ip) {
        Place::Node(node) => Some(Name::Node(network.name(node).to_owned())),
        Place::Pod(node) => network
            .pod_name(ip)
            .map(|name| Name::Pod { name: name.to_owned(), node: network.name(node).to_owned() }),
        Place::ClusterIp => {
            network.ports().find(|port| port.cluster_ip == ip).map(|port| Name::ClusterIp(service(port)))
        }
        Place::SomePod | Place::Outside => external(network, ip),
    }
}

fn external(network: &Network<'_, '_>, ip: IpAddr) -> Option<Name> {
    network.ports().find_map(|port| {
        let has = |ips: &[crate::cluster::Indexed<IpAddr>]| ips.iter().any(|known| known.value == ip);
        if has(&port.load_balancer_ips) {
            return Some(Name::LoadBalancerIp(service(port)));
        }
        has(&port.external_ips).then(|| Name::ExternalIp(service(port)))
    })
}

fn service(port: &ServicePort) -> String {
    port.name.service_name().to_string()
}

/// What is known about an address.
pub(super) fn party(party: Party, network: &Network<'_, '_>) -> String {
    match party {
        Party::Ip(ip) => ip.to_string(),
        Party::OfNode(node) => {
            format!("an address of {}", crate::diagnostic::Inert(network.name(node)))
        }
        Party::Unknown => "another address".to_owned(),
    }
}
