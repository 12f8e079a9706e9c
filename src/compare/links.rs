//! What can connect two Service ports, so that one packet meets rules of both; [`super::unchanged`] explains why
//! nothing else can.

use std::net::IpAddr;

use crate::cluster::ServicePort;
use crate::names::ServicePortName;
use crate::net::Port;
use crate::plan::{EndpointSet, Plan, ServicePortPlan};

/// Something because of which one packet can meet rules of two Service ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Link {
    /// An address, the Service port's own or an endpoint's.
    Address(IpAddr),
    /// A port on every address of the node.
    NodePort(u16),
    /// Any other port.
    Port(u16),
    /// Some node port.
    AnyNodePort,
    /// An address of the node itself, used by the Service port.
    NodeAddress,
}

impl Link {
    /// The links that connect to this one.
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

/// The Service ports of one side, of a plan or of a cluster, in the order of their names.
pub(super) struct Side<'a, T> {
    pub(super) ports: &'a [T],
    pub(super) name: &'a (dyn Fn(&T) -> &ServicePortName + Sync),
    /// Calls back with every link of a Service port.
    #[allow(clippy::type_complexity, reason = "a callback that calls back")]
    pub(super) links: &'a (dyn Fn(&T, &mut dyn FnMut(Link)) + Sync),
}

/// Calls back with every link of a Service port of a plan.
pub(super) fn links(port: &ServicePortPlan<'_>, plan: &Plan<'_>, tell: &mut dyn FnMut(Link)) {
    let is_own = |ip| ip == plan.node_ip() || plan.interface_addresses().contains(&ip);
    let sets = [EndpointSet::Cluster, EndpointSet::Local].map(|set| port.endpoints(set));
    let endpoints = sets.into_iter().flatten().map(|endpoint| (endpoint.ip, endpoint.port));
    links_of(port.service_port(), endpoints, is_own, tell);
}

/// Calls back with every link of a Service port with some of its endpoints, on nodes with some addresses.
pub(super) fn links_of(
    port: &ServicePort,
    endpoints: impl Iterator<Item = (IpAddr, Port)>,
    is_own: impl Fn(IpAddr) -> bool,
    tell: &mut dyn FnMut(Link),
) {
    let listed = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value);
    for ip in std::iter::once(port.cluster_ip).chain(listed) {
        tell(Link::Address(ip));
        if ip.is_loopback() || is_own(ip) {
            tell(Link::NodeAddress);
        }
    }
    for node_port in [port.node_port, port.health_check_node_port].into_iter().flatten() {
        tell(Link::NodePort(node_port.get()));
        tell(Link::AnyNodePort);
    }
    tell(Link::Port(port.port.get()));
    for (ip, port) in endpoints {
        tell(Link::Address(ip));
        tell(Link::Port(port.get()));
    }
}
