//! Services, EndpointSlices and Nodes as kube-proxy sees them: checked, typed, joined, one table per IP family. The
//! same for every node of the cluster.

mod address_kind;
mod build;
mod duplicates;
mod endpoints;
mod nodes;
mod pod_network;
mod report;
mod services;
mod values;

use std::fmt;
use std::net::IpAddr;

use compact_str::CompactString;

use crate::input::Position;
use crate::names::ServicePortName;
use crate::net::{Cidr, Family, Port, Protocol};

pub use address_kind::AddressKind;
pub(crate) use duplicates::decided_by_chance;

/// The checked cluster.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Service ports with a cluster IP in IPv4.
    pub ipv4: FamilyTable,
    /// Service ports with a cluster IP in IPv6.
    pub ipv6: FamilyTable,
    /// Nodes, by name.
    pub nodes: Vec<Node>,
    /// Networks of all ServiceCIDR objects.
    pub service_cidrs: Vec<Cidr>,
}

impl Cluster {
    /// The table of one family.
    pub fn family(&self, family: Family) -> &FamilyTable {
        match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        }
    }

    /// The Node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// Service ports of one family.
#[derive(Debug, Default)]
pub struct FamilyTable {
    /// Sorted by namespace, Service name, port name, protocol.
    pub service_ports: Vec<ServicePort>,
    /// Number of endpoints of Service ports that are left out, if the table is part of another.
    pub endpoints_elsewhere: usize,
}

/// One entry of a Service's `spec.ports` in one family, with its endpoints.
#[derive(Debug, Clone)]
pub struct ServicePort {
    /// Its identity.
    pub name: ServicePortName,
    /// Where the Service was read.
    pub position: Position,
    /// Index in `spec.ports`.
    pub port_index: usize,
    /// Index of the cluster IP in `spec.clusterIPs`; none if `spec.clusterIP` was used.
    pub cluster_ip_index: Option<usize>,
    /// The cluster IP of this family.
    pub cluster_ip: IpAddr,
    /// `port`
    pub port: Port,
    /// `nodePort`
    pub node_port: Option<Port>,
    /// `spec.externalIPs` of this family, in order.
    pub external_ips: Vec<Indexed<IpAddr>>,
    /// IPs of `status.loadBalancer.ingress` of this family that are virtual (`ipMode: VIP`), in order.
    pub load_balancer_ips: Vec<Indexed<IpAddr>>,
    /// `spec.loadBalancerSourceRanges` of this family that restrict anything, in order.
    pub source_ranges: Vec<Indexed<Cidr>>,
    /// `internalTrafficPolicy`
    pub internal_policy: TrafficPolicy,
    /// `externalTrafficPolicy`, if it applies to the Service's type.
    pub external_policy: TrafficPolicy,
    /// Seconds of `sessionAffinity: ClientIP`.
    pub affinity_seconds: Option<u32>,
    /// `healthCheckNodePort`, where it counts.
    pub health_check_node_port: Option<Port>,
    /// Whether an annotation asks for zone hints to be used; up to 1.30 they are not used without it.
    pub asks_for_zone_hints: bool,
    /// Whether it has the label `service.kubernetes.io/headless`, because of which kube-proxy ignores it up to 1.35.
    pub has_headless_label: bool,
    /// All endpoints, sorted by their text `ip:port`, bytewise; duplicates are adjacent, in visiting order.
    pub endpoints: Vec<Endpoint>,
}

/// An address and port that a Service port uses; no two may use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// The address; none for a node port.
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: Port,
    /// The protocol.
    pub protocol: Protocol,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => write!(f, "{ip} port {}/{}", self.port, self.protocol),
            None => write!(f, "node port {}/{}", self.port, self.protocol),
        }
    }
}

impl ServicePort {
    /// What it claims, and by which field.
    pub fn claims(&self) -> Vec<(Claim, String)> {
        let protocol = self.name.protocol();
        let at = |ip| Claim { ip: Some(ip), port: self.port, protocol };
        let cluster_ip =
            self.cluster_ip_index.map_or("spec.clusterIP".into(), |i| format!("spec.clusterIPs[{i}]"));
        let external = self.external_ips.iter().map(|ip| (ip, "spec.externalIPs", ""));
        let ingress = self.load_balancer_ips.iter().map(|ip| (ip, "status.loadBalancer.ingress", ".ip"));
        let listed = external
            .chain(ingress)
            .map(|(ip, list, end)| (at(ip.value), format!("{list}[{}]{end}", ip.index)));
        let node_port = self.node_port.map(|port| {
            (Claim { ip: None, port, protocol }, format!("spec.ports[{}].nodePort", self.port_index))
        });
        std::iter::once((at(self.cluster_ip), cluster_ip)).chain(listed).chain(node_port).collect()
    }
}

/// A value and its index in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indexed<T> {
    /// Index in the object's list.
    pub index: usize,
    /// The value.
    pub value: T,
}

/// `internalTrafficPolicy`, `externalTrafficPolicy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrafficPolicy {
    /// Endpoints on any node.
    Cluster,
    /// Endpoints on this node only.
    Local,
}

/// One endpoint of a Service port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `ip:port`, IPv6 as `[ip]:port`. The address as the release prints it: up to 1.30, as written in the slice.
    pub text: CompactString,
    /// The address.
    pub ip: IpAddr,
    /// The port, from the slice.
    pub port: Port,
    /// `conditions.ready`, absent counts as true.
    pub ready: bool,
    /// `conditions.serving`, absent counts as true.
    pub serving: bool,
    /// `conditions.terminating`, absent counts as false.
    pub terminating: bool,
    /// `nodeName`
    pub node_name: Option<CompactString>,
    /// `hints`
    pub hints: Option<Box<Hints>>,
    /// Name of the Pod in `targetRef`.
    pub pod: Option<CompactString>,
    /// Whether its slice has the label `service.kubernetes.io/service-proxy-name`, because of which kube-proxy ignores
    /// it up to 1.35.
    pub has_proxy_name_label: bool,
    /// Where it was read.
    pub place: EndpointPlace,
}

impl Endpoint {
    /// Whether traffic can be sent to it at all: it is ready, or it still serves while it is terminating, which counts
    /// if none is ready (pkg/proxy/topology.go, CategorizeEndpoints).
    pub fn is_usable(&self) -> bool {
        self.ready || (self.serving && self.terminating)
    }

    /// The address part of [`Endpoint::text`], without brackets.
    pub fn ip_text(&self) -> &str {
        ip_of(&self.text)
    }
}

/// The address part of `ip:port` or `[ip]:port`.
fn ip_of(text: &str) -> &str {
    let address = text.rsplit_once(':').map_or(text, |(address, _)| address);
    address.trim_start_matches('[').trim_end_matches(']')
}

/// The slice and index of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointPlace {
    /// Where the slice was read.
    pub slice: Position,
    /// Index in `endpoints`.
    pub index: u32,
}

/// `hints` of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// `forZones`
    pub zones: Vec<CompactString>,
    /// `forNodes`
    pub nodes: Vec<CompactString>,
}

/// A Node.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// `metadata.name`
    pub name: CompactString,
    /// Where it was read.
    pub position: Option<Position>,
    /// The label `topology.kubernetes.io/zone`.
    pub zone: Option<CompactString>,
    /// `status.addresses` of type InternalIP.
    pub internal_ips: Vec<IpAddr>,
    /// `status.addresses` of type ExternalIP.
    pub external_ips: Vec<IpAddr>,
    /// `spec.podCIDRs`
    pub pod_cidrs: Vec<Cidr>,
}
