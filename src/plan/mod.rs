//! What one node must forward, in one IP family: the intermediate representation that both compilers read. It knows
//! nothing of iptables or nft; every decision is made here, once, and carries its reason.

mod build;
mod endpoints;
pub mod json;
mod likeness;
mod listener;
mod node;
pub mod origin;
pub mod reasons;

use std::net::IpAddr;

use compact_str::CompactString;

use crate::cluster::{Endpoint, ServicePort, TrafficPolicy};
use crate::net::{Cidr, Family, Port, Protocol};
use crate::settings::{ProxyMode, Release};
pub use build::{LARGE_CLUSTER_ENDPOINTS, endpoint_count};
pub use listener::Listener;
pub use node::loopback_node_ports;

/// What one node forwards in one family.
#[derive(Debug)]
pub struct Plan<'c> {
    /// The family.
    pub family: Family,
    /// The mode of kube-proxy.
    pub mode: ProxyMode,
    /// The release of kube-proxy.
    pub release: Release,
    /// The node's name.
    pub node_name: CompactString,
    /// The node's own address in this family, as kube-proxy takes it from the Node object; loopback where unknown.
    pub node_ip: IpAddr,
    /// Every address known to be on an interface of the node in this family, loopback included, ascending.
    pub interface_addresses: Vec<IpAddr>,
    /// How packets are marked and masqueraded.
    pub masquerade: Masquerade,
    /// How traffic of local pods is told from other traffic; none where kube-proxy has no detector for the family.
    pub local_traffic: Option<LocalTraffic>,
    /// On which addresses node ports are served.
    pub node_ports: NodePorts,
    /// Node ports are served on 127.0.0.1, and a rule protects against the outside (iptables mode, IPv4 only).
    pub localhost_node_ports: bool,
    /// What happens to node ports on loopback addresses in nftables mode.
    pub loopback_node_ports: LoopbackNodePorts,
    /// More than 1000 endpoints: iptables comments are left out.
    pub large_cluster: bool,
    /// Packets are counted by nfacct.
    pub nfacct: bool,
    /// Packets of an invalid conntrack state are dropped.
    pub drop_invalid: bool,
    /// Networks from which cluster IPs are allocated, where kube-proxy reads them.
    pub service_cidrs: Vec<Cidr>,
    /// Sorted by namespace, Service name, port name, protocol.
    pub service_ports: Vec<ServicePortPlan<'c>>,
}

/// How packets are marked and masqueraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Masquerade {
    /// The firewall mark: one bit.
    pub mark: u32,
    /// All cluster IP traffic is masqueraded.
    pub all: bool,
    /// The source port is fully randomised.
    pub random_fully: bool,
}

/// How traffic of local pods is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalTraffic {
    /// Its source lies in a network.
    From(Cidr),
    /// It comes in by this interface.
    Interface(CompactString),
    /// It comes in by an interface whose name begins so.
    InterfacePrefix(CompactString),
}

/// On which addresses node ports are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodePorts {
    /// On every local address; on loopback only where [`Plan::localhost_node_ports`] says so.
    AllLocal,
    /// On these addresses of the node, ascending.
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

/// What the node does with one Service port.
#[derive(Debug)]
pub struct ServicePortPlan<'c> {
    /// The Service port.
    pub service_port: &'c ServicePort,
    /// Endpoints that the policy Cluster balances over.
    pub cluster_endpoints: Vec<&'c Endpoint>,
    /// Endpoints that the policy Local balances over.
    pub local_endpoints: Vec<&'c Endpoint>,
    /// Endpoints that some traffic on this node can reach, sorted by their text.
    pub reachable_endpoints: Vec<&'c Endpoint>,
    /// Some endpoint somewhere is usable.
    pub has_endpoints: bool,
    /// Endpoints of policy Cluster are used at all: internal policy Cluster, or reachable from outside.
    pub uses_cluster_endpoints: bool,
    /// Endpoints of policy Local are used at all.
    pub uses_local_endpoints: bool,
    /// It has a node port, an external IP or a load-balancer IP in this family.
    pub externally_accessible: bool,
    /// External IPs for which there are rules (none where the gate AllowServiceExternalIPs is off).
    pub serves_external_ips: bool,
    /// Load-balancer IPs are open to the source ranges only.
    pub source_restricted: bool,
    /// The node's own address lies in a source range, so load-balancer IPs are allowed as sources too.
    pub allow_from_node: bool,
    /// Where traffic to the cluster IP goes.
    pub internal: Route,
    /// Where traffic from outside to node port, external and load-balancer IPs goes.
    pub external: Route,
    /// Why the cluster endpoints are those.
    pub cluster_choice: Choice,
    /// Why the local endpoints are those.
    pub local_choice: Choice,
}

impl<'c> ServicePortPlan<'c> {
    /// The endpoints of a set.
    pub fn endpoints(&self, set: EndpointSet) -> &[&'c Endpoint] {
        match set {
            EndpointSet::Cluster => &self.cluster_endpoints,
            EndpointSet::Local => &self.local_endpoints,
        }
    }

    /// The node port, if any.
    pub fn node_port(&self) -> Option<Port> {
        self.service_port.node_port
    }
}

/// Where traffic of one kind goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The policy that rules it.
    pub policy: TrafficPolicy,
    /// What happens to it.
    pub reach: Reach,
}

/// What happens to traffic of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is balanced over a set of endpoints.
    Balance(EndpointSet),
    /// It is dropped: the policy is Local and no endpoint is on this node.
    DropNoLocalEndpoints,
    /// It is rejected: there is no usable endpoint anywhere.
    RejectNoEndpoints,
}

/// A set of endpoints of a Service port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointSet {
    /// [`ServicePortPlan::cluster_endpoints`]
    Cluster,
    /// [`ServicePortPlan::local_endpoints`]
    Local,
}

/// Why a set holds the endpoints it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The rule by which endpoints were taken.
    pub basis: Basis,
    /// What became of topology hints.
    pub hints: HintUse,
}

/// The rule by which endpoints were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The set is not used by this Service port.
    Unused,
    /// Those that are ready.
    Ready,
    /// None is ready; those that terminate but still serve.
    Terminating,
    /// None is usable.
    Nothing,
}

/// What became of topology hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintUse {
    /// No ready endpoint has one.
    None,
    /// Only endpoints hinted for this node were taken.
    SameNode,
    /// Only endpoints hinted for this zone were taken.
    SameZone,
    /// There are hints, but they were not used.
    Ignored(HintsIgnored),
}

/// Why hints were not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HintsIgnored {
    /// A gate or a missing annotation switches them off (to 1.32).
    SwitchedOff,
    /// Some ready endpoint has none.
    EndpointWithoutHint,
    /// The node has no zone.
    NodeWithoutZone,
    /// No ready endpoint is hinted for this node's zone or name.
    NoneForHere,
    /// Terminating endpoints are used, for which hints do not count.
    FallbackToTerminating,
}
