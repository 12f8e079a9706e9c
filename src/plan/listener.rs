//! Node ports on loopback that kube-proxy itself answers, in user space (KEP-6032).

use std::net::SocketAddr;

use super::{EndpointSet, LoopbackNodePorts, Plan, ServicePortPlan};
use crate::cluster::{Endpoint, TrafficPolicy};
use crate::net::Protocol;

/// A socket on which kube-proxy itself listens, copying what arrives to an endpoint. It connects from the node: the
/// endpoint sees the node's address, and no rule for node ports or Services applies.
#[derive(Debug, Clone, Copy)]
pub struct Listener<'p> {
    /// Whose node port it is.
    pub service_port: &'p ServicePortPlan<'p>,
    /// One of these is chosen at random; with ClientIP affinity, all local clients share one.
    pub endpoints: &'p [&'p Endpoint],
}

impl Plan<'_> {
    /// kube-proxy's own listener at an address; none if kube-proxy does not listen there.
    pub fn listener<'p>(&'p self, to: SocketAddr, protocol: Protocol) -> Option<Listener<'p>> {
        let is_served = self.loopback_node_ports() == LoopbackNodePorts::Proxied
            && protocol == Protocol::Tcp
            && to.ip() == self.family().loopback();
        let is_meant = |port: &&ServicePortPlan<'_>| {
            port.service_port().name.protocol() == protocol
                && port.node_port().is_some_and(|number| number.get() == to.port())
        };
        let service_port = self.service_ports().iter().find(is_meant).filter(|_| is_served)?;
        let endpoints = match service_port.service_port().external_policy {
            TrafficPolicy::Cluster => service_port.endpoints(EndpointSet::Cluster),
            TrafficPolicy::Local => service_port.endpoints(EndpointSet::Local),
        };
        (!endpoints.is_empty()).then_some(Listener { service_port, endpoints })
    }
}
