//! Owners of addresses and ports: those of connections and of packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::pod::Pod;
use crate::cluster::{AddressKind, Cluster, ServicePort};
use crate::names::ServicePortName;
use crate::net::Protocol;

/// Addresses of a cluster.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    services: BTreeMap<(Protocol, SocketAddr), (ServicePortName, AddressKind)>,
    node_ports: BTreeMap<(Protocol, u16), ServicePortName>,
    nodes: BTreeSet<IpAddr>,
    endpoints: BTreeSet<(ServicePortName, SocketAddr)>,
    pub(super) pods: BTreeMap<IpAddr, Pod>,
}

impl Addresses {
    pub(super) fn add(&mut self, port: &ServicePort) {
        let protocol = port.name.protocol();
        let external = port.external_ips.iter().map(|ip| (ip.value, AddressKind::ExternalIp));
        let balanced = port.load_balancer_ips.iter().map(|ip| (ip.value, AddressKind::LoadBalancerIp));
        let all = std::iter::once((port.cluster_ip, AddressKind::ClusterIp)).chain(external).chain(balanced);
        for (ip, kind) in all {
            let address = SocketAddr::new(ip, port.port.get());
            self.services.entry((protocol, address)).or_insert_with(|| (port.name.clone(), kind));
        }
        if let Some(node_port) = port.node_port {
            self.node_ports.insert((protocol, node_port.get()), port.name.clone());
        }
        for endpoint in &port.endpoints {
            self.endpoints.insert((port.name.clone(), SocketAddr::new(endpoint.ip, endpoint.port.get())));
            if let Some(pod) = Pod::behind(port, endpoint) {
                self.pods.entry(endpoint.ip).or_insert(pod);
            }
        }
    }

    pub(super) fn add_nodes(&mut self, cluster: &Cluster) {
        let ips = cluster.nodes.iter().flat_map(|node| node.internal_ips.iter().chain(&node.external_ips));
        self.nodes.extend(ips);
    }

    /// The Service port at a destination.
    pub(super) fn service(
        &self,
        protocol: Protocol,
        to: SocketAddr,
    ) -> Option<(&ServicePortName, AddressKind)> {
        if let Some((name, kind)) = self.services.get(&(protocol, to)) {
            return Some((name, *kind));
        }
        let is_node = to.ip().is_loopback() || self.nodes.contains(&to.ip());
        let port = self.node_ports.get(&(protocol, to.port())).filter(|_| is_node)?;
        Some((port, AddressKind::NodePort))
    }

    pub(super) fn is_endpoint(&self, service: &ServicePortName, address: SocketAddr) -> bool {
        self.endpoints.contains(&(service.clone(), address))
    }
}
