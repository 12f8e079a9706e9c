//! What kube-proxy is given besides the cluster: its configuration, its release, and facts about the host.

mod check;
pub mod configuration;
pub mod duration;
mod gates;
mod origin;
pub mod release;
mod resolve;
mod section;
mod validate;

use std::net::IpAddr;

use compact_str::CompactString;

use crate::diagnostic::Place;
use crate::net::{Cidr, Family};
pub use configuration::{Configuration, Flags};
pub use gates::{parse_feature_gates, parse_go_bool};
pub use origin::Origin;
pub use release::Release;

/// Which kind of rules kube-proxy writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyMode {
    /// `mode: iptables`
    Iptables,
    /// `mode: nftables`
    Nftables,
}

impl ProxyMode {
    /// The value of `mode` and `--proxy-mode`.
    pub fn name(self) -> &'static str {
        match self {
            ProxyMode::Iptables => "iptables",
            ProxyMode::Nftables => "nftables",
        }
    }
}

/// Settings of one run, checked and with the release's defaults filled in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The release of kube-proxy.
    pub release: Release,
    /// The mode.
    pub mode: ProxyMode,
    /// `mode` as written in the configuration; none if it, or the whole configuration, is missing.
    pub configured_mode: Option<CompactString>,
    /// Where the configuration was read; none if there was none.
    pub configuration: Option<Place>,
    /// The node's name from the command line or `hostnameOverride`, trimmed and lower-cased.
    pub node_name: Option<CompactString>,
    /// How kube-proxy tells traffic of local pods.
    pub detect_local: DetectLocal,
    /// `nodePortAddresses`
    pub node_port_addresses: NodePortAddresses,
    /// `masqueradeBit` of the mode, 0 to 31.
    pub masquerade_bit: u8,
    /// `masqueradeAll` of the mode.
    pub masquerade_all: bool,
    /// `iptables.localhostNodePorts`
    pub localhost_node_ports: bool,
    /// `bindAddress`, unless it is the unspecified address.
    pub bind_address: Option<IpAddr>,
    /// Feature gates that affect the rules.
    pub gates: Gates,
    /// Facts of the host.
    pub host: HostFacts,
    /// Families to compile; none means every family in which the cluster has a Service address.
    pub families: Option<Vec<Family>>,
}

impl Settings {
    /// Whether both make the same rules for the same cluster, on every node.
    pub(crate) fn makes_the_same_as(&self, other: &Settings) -> bool {
        let Settings {
            release,
            mode,
            configured_mode: _,
            configuration: _,
            node_name: _,
            detect_local,
            node_port_addresses,
            masquerade_bit,
            masquerade_all,
            localhost_node_ports,
            bind_address,
            gates,
            host,
            families: _,
        } = self;
        (release, mode) == (&other.release, &other.mode)
            && (detect_local, node_port_addresses) == (&other.detect_local, &other.node_port_addresses)
            && (masquerade_bit, masquerade_all) == (&other.masquerade_bit, &other.masquerade_all)
            && (localhost_node_ports, bind_address) == (&other.localhost_node_ports, &other.bind_address)
            && (gates, host) == (&other.gates, &other.host)
    }
}

/// `detectLocalMode` and related fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetectLocal {
    /// The first network of each family in `clusterCIDR`.
    ClusterCidr(Vec<Cidr>),
    /// The first network of each family in the Node's `spec.podCIDRs`.
    NodeCidr,
    /// `detectLocal.bridgeInterface`
    BridgeInterface(CompactString),
    /// `detectLocal.interfaceNamePrefix`, without a wildcard.
    InterfaceNamePrefix(CompactString),
}

/// `nodePortAddresses`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodePortAddresses {
    /// Nothing was set.
    Unset,
    /// At least one, in the order given.
    Listed(Vec<NodePortAddress>),
}

impl NodePortAddresses {
    /// What was listed.
    pub fn listed(&self) -> &[NodePortAddress] {
        match self {
            NodePortAddresses::Unset => &[],
            NodePortAddresses::Listed(addresses) => addresses,
        }
    }
}

/// An entry of `nodePortAddresses`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodePortAddress {
    /// The word `primary`: the node's own addresses.
    Primary,
    /// A network; the words `localhost` and `all` are two each. The text is kept: up to 1.33 only the exact texts
    /// `0.0.0.0/0` and `::/0` mean "everything".
    Network(WrittenCidr),
}

/// A network and the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenCidr {
    /// The network.
    pub cidr: Cidr,
    /// As written.
    pub text: CompactString,
}

/// Feature gates that change the model (spec: kube-proxy `pkg/features/kube_features.go` of each release), after the
/// release's defaults and `featureGates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gates {
    /// `TopologyAwareHints`
    pub topology_aware_hints: bool,
    /// `ServiceTrafficDistribution`
    pub service_traffic_distribution: bool,
    /// `PreferSameTrafficDistribution`
    pub prefer_same_traffic_distribution: bool,
    /// `NFTablesProxyMode`
    pub nftables_proxy_mode: bool,
    /// `LoadBalancerIPMode`
    pub load_balancer_ip_mode: bool,
    /// `MultiCIDRServiceAllocator`
    pub multi_cidr_service_allocator: bool,
    /// `AllowServiceExternalIPs`
    pub allow_service_external_ips: bool,
    /// `KubeProxyNFTablesLocalhostNodePorts`
    pub kube_proxy_nftables_localhost_node_ports: bool,
    /// `NFTablesNetlink`, which has no effect on rules.
    pub nftables_netlink: bool,
    /// `KubeProxyIPVS`
    pub kube_proxy_ipvs: bool,
}

/// What no object says: facts about the node's kernel and tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// Addresses on interfaces other than loopback and the Node's own (`--host-ip`).
    pub addresses: Vec<IpAddr>,
    /// The kernel has nfacct counters (kube-proxy checks from 1.31 on).
    pub nfacct: bool,
    /// iptables supports `--random-fully` (1.6.2 and later).
    pub random_fully: bool,
    /// `net.netfilter.nf_conntrack_tcp_be_liberal` is not 0, or `conntrack.tcpBeLiberal` sets it.
    pub conntrack_liberal: bool,
}

impl Default for HostFacts {
    fn default() -> Self {
        HostFacts { addresses: Vec::new(), nfacct: true, random_fully: true, conntrack_liberal: false }
    }
}
