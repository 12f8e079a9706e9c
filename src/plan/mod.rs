//! What one node must forward, in one IP family: the intermediate representation that both compilers read. It knows
//! nothing of iptables or nft; every decision is made here, once, and carries its reason.

mod build;
mod endpoint_rules;
mod endpoints;
pub mod json;
mod listener;
mod node;
pub mod origin;
pub mod reasons;
#[cfg(test)]
pub(crate) mod samples;
mod service_port;
mod unchanged;

use std::net::IpAddr;

use compact_str::CompactString;

use crate::names::ServiceName;
use crate::net::{Cidr, Family, Protocol};
use crate::settings::{NodePortAddresses, ProxyMode, Release};
pub(crate) use build::is_large;
pub use build::{LARGE_CLUSTER_ENDPOINTS, endpoint_count};
pub use endpoint_rules::{EndpointRule, EndpointRules, PlannedPort, rule_that_differs};
pub use listener::Listener;
pub use node::loopback_node_ports;
pub use service_port::{
    Basis, Choice, EndpointSet, External, ExternalRoute, HintUse, HintsIgnored, LocalRoute, Route,
    ServicePortPlan, SourceRanges,
};
pub(crate) use unchanged::is_planned_alike;

/// What one node forwards in one family.
#[derive(Debug)]
pub struct Plan<'c> {
    common: Common,
    own: Own,
    service_ports: Vec<ServicePortPlan<'c>>,
}

/// What the rules of every Service port depend on.
#[derive(Debug, Clone, PartialEq)]
struct Common {
    family: Family,
    release: Release,
    mode: ProxyMode,
    masquerade: Masquerade,
    local_traffic: Option<LocalTraffic>,
    localhost_node_ports: bool,
    loopback_node_ports: LoopbackNodePorts,
    large_cluster: bool,
    nfacct: bool,
    drop_invalid: bool,
}

/// What differs from node to node, besides Service ports. No iptables rule of a Service port depends on it.
#[derive(Debug, Clone, PartialEq)]
struct Own {
    node_name: CompactString,
    node_ip: IpAddr,
    interface_addresses: Vec<IpAddr>,
    node_ports: NodePorts,
    service_cidrs: Vec<Cidr>,
    zone: Option<CompactString>,
    rules: EndpointRules,
    external_ips_are_served: bool,
    node_port_addresses: NodePortAddresses,
}

impl<'c> Plan<'c> {
    /// The family.
    pub fn family(&self) -> Family {
        self.common.family
    }

    /// The release of kube-proxy.
    pub fn release(&self) -> Release {
        self.common.release
    }

    /// The mode that it was made for.
    pub fn mode(&self) -> ProxyMode {
        self.common.mode
    }

    /// The node's name.
    pub fn node_name(&self) -> &CompactString {
        &self.own.node_name
    }

    /// The node's own address in this family, as kube-proxy takes it from the Node object; loopback where unknown.
    pub fn node_ip(&self) -> IpAddr {
        self.own.node_ip
    }

    /// Every address known to be on an interface of the node in this family, including loopback, sorted.
    pub fn interface_addresses(&self) -> &[IpAddr] {
        &self.own.interface_addresses
    }

    /// How packets are marked and masqueraded.
    pub fn masquerade(&self) -> Masquerade {
        self.common.masquerade
    }

    /// Uses another mark than the configured one, such as one found on the node.
    pub fn set_mark(&mut self, mark: u32) {
        self.common.masquerade.mark = mark;
    }

    /// How traffic of local pods is recognized; none if kube-proxy has no detector for the family.
    pub fn local_traffic(&self) -> Option<&LocalTraffic> {
        self.common.local_traffic.as_ref()
    }

    /// On which addresses node ports are served.
    pub fn node_ports(&self) -> &NodePorts {
        &self.own.node_ports
    }

    /// Whether node ports are served on 127.0.0.1, with a rule that protects them from outside (iptables mode, IPv4
    /// only).
    pub fn localhost_node_ports(&self) -> bool {
        self.common.localhost_node_ports
    }

    /// What happens to node ports on loopback addresses in nftables mode.
    pub fn loopback_node_ports(&self) -> LoopbackNodePorts {
        self.common.loopback_node_ports
    }

    /// Whether there are more than 1000 endpoints: then iptables rules have no comments.
    pub fn large_cluster(&self) -> bool {
        self.common.large_cluster
    }

    /// Packets are counted by nfacct.
    pub fn nfacct(&self) -> bool {
        self.common.nfacct
    }

    /// Whether packets with an invalid conntrack state are dropped.
    pub fn drop_invalid(&self) -> bool {
        self.common.drop_invalid
    }

    /// Networks from which cluster IPs are allocated, if kube-proxy reads them.
    pub fn service_cidrs(&self) -> &[Cidr] {
        &self.own.service_cidrs
    }

    /// `nodePortAddresses` as configured.
    pub fn node_port_addresses(&self) -> &NodePortAddresses {
        &self.own.node_port_addresses
    }

    /// Sorted by namespace, Service name, port name, protocol.
    pub fn service_ports(&self) -> &[ServicePortPlan<'c>] {
        &self.service_ports
    }

    /// Those of one Service.
    pub fn ports_of(&self, service: &ServiceName) -> &[ServicePortPlan<'c>] {
        let key = |port: &ServicePortPlan<'c>| {
            let name = &port.service_port().name;
            (name.namespace(), name.service()).cmp(&(service.namespace(), service.name()))
        };
        let first = self.service_ports.partition_point(|port| key(port).is_lt());
        let end = self.service_ports.partition_point(|port| key(port).is_le());
        self.service_ports.get(first..end).unwrap_or_default()
    }

    /// Keeps the Service ports for which `keep`, called in their order, returns true.
    pub(crate) fn retain_service_ports(&mut self, keep: impl FnMut(&ServicePortPlan<'c>) -> bool) {
        self.service_ports.retain(keep);
    }

    /// Takes out all Service ports.
    pub(crate) fn take_service_ports(&mut self) -> Vec<ServicePortPlan<'c>> {
        std::mem::take(&mut self.service_ports)
    }

    /// The same node with other Service ports, in their order.
    pub(crate) fn with_service_ports<'d>(&self, service_ports: Vec<ServicePortPlan<'d>>) -> Plan<'d> {
        Plan { common: self.common.clone(), own: self.own.clone(), service_ports }
    }
}

/// How packets are marked and masqueraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Masquerade {
    /// The firewall mark: one bit.
    pub mark: u32,
    /// Whether all cluster IP traffic is masqueraded.
    pub all: bool,
    /// Whether the source port is fully randomized.
    pub random_fully: bool,
}

/// How traffic of local pods is recognized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalTraffic {
    /// Its source is in a network.
    From(Cidr),
    /// It comes in by this interface.
    Interface(CompactString),
    /// It comes in by an interface whose name begins with this.
    InterfacePrefix(CompactString),
}

/// On which addresses node ports are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodePorts {
    /// On every local address; on loopback only if [`Plan::localhost_node_ports`] says so.
    AllLocal,
    /// On these addresses of the node, sorted.
    Addresses(Vec<IpAddr>),
}

/// What happens to node ports on loopback addresses in nftables mode (KEP-6032; the gate
/// KubeProxyNFTablesLocalhostNodePorts of 1.37).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopbackNodePorts {
    /// No rule of kube-proxy sees them: the gate is off, or the release does not have it.
    Untouched,
    /// A rule rejects them, of every protocol.
    Rejected,
    /// kube-proxy itself listens on 127.0.0.1 or ::1 for those of TCP; a rule rejects the others.
    Proxied,
}

impl LoopbackNodePorts {
    /// The protocols that a rule rejects, in the order in which kube-proxy makes its objects.
    pub fn rejected(self) -> &'static [Protocol] {
        match self {
            LoopbackNodePorts::Untouched => &[],
            LoopbackNodePorts::Rejected => &[Protocol::Tcp, Protocol::Udp, Protocol::Sctp],
            LoopbackNodePorts::Proxied => &[Protocol::Udp, Protocol::Sctp],
        }
    }
}
