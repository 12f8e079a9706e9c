//! By what the ways of packets through two Service ports can touch: why that is all is told in [`super::unchanged`].

use std::net::IpAddr;

use crate::plan::{EndpointSet, Plan, ServicePortPlan};

/// Something by which the ways of packets through two Service ports can touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Link {
    /// An address, its own or an endpoint's.
    Address(IpAddr),
    /// A port on every address of the node.
    NodePort(u16),
    /// Any other port.
    Port(u16),
    /// Some node port.
    AnyNodePort,
    /// An address of the node itself, claimed.
    NodeAddress,
}

impl Link {
    /// What touches it.
    pub(super) fn counterparts(self) -> impl Iterator<Item = Link> {
        let (one, other) = match self {
            Link::Address(_) => (self, None),
            Link::NodePort(port) => (self, Some(Link::Port(port))),
            Link::Port(port) => (Link::NodePort(port), None),
            Link::AnyNodePort => (Link::NodeAddress, None),
            Link::NodeAddress => (Link::AnyNodePort, None),
        };
        [Some(one), other].into_iter().flatten()
    }
}

/// Tells every link that a Service port has.
pub(super) fn links(port: &ServicePortPlan<'_>, plan: &Plan<'_>, mut tell: impl FnMut(Link)) {
    let service_port = port.service_port();
    let listed = service_port.external_ips.iter().chain(&service_port.load_balancer_ips).map(|ip| ip.value);
    for ip in std::iter::once(service_port.cluster_ip).chain(listed) {
        tell(Link::Address(ip));
        if ip.is_loopback() || ip == plan.node_ip() || plan.interface_addresses().contains(&ip) {
            tell(Link::NodeAddress);
        }
    }
    for node_port in [service_port.node_port, service_port.health_check_node_port].into_iter().flatten() {
        tell(Link::NodePort(node_port.get()));
        tell(Link::AnyNodePort);
    }
    tell(Link::Port(service_port.port.get()));
    let sets = [EndpointSet::Cluster, EndpointSet::Local].map(|set| port.endpoints(set));
    for endpoint in sets.into_iter().flatten() {
        tell(Link::Address(endpoint.ip));
        tell(Link::Port(endpoint.port.get()));
    }
}
