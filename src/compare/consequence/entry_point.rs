//! Where connections to a Service enter, and from whom.

use std::net::{IpAddr, SocketAddr};

use compact_str::{CompactString, format_compact};
use serde::Serialize;

use super::neighbours::{Neighbours, last_addresses};
use crate::cluster::ServicePort;
use crate::net::{Cidr, Family, Protocol};
use crate::node::{ClientKind, Host};

/// An address and port at which a Service can be reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EntryPoint {
    /// What it is.
    pub kind: EntryKind,
    /// The IP family: `ipv4` or `ipv6`.
    #[serde(serialize_with = "family_name")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub family: Family,
    /// The address; none for node ports, which every node has on its own addresses.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// The protocol.
    #[serde(serialize_with = "protocol_name")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub protocol: Protocol,
}

/// What an entry point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// The cluster IP.
    ClusterIp,
    /// The node port, on the node's own address.
    NodePort,
    /// An external IP.
    ExternalIp,
    /// The IP of a load balancer.
    LoadBalancerIp,
    /// The node port, on another address of the node.
    NodePortOnOtherAddress,
    /// The node port, on a loopback address.
    NodePortOnLoopback,
}

fn family_name<S: serde::Serializer>(family: &Family, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(family.lower_name())
}

fn protocol_name<S: serde::Serializer>(protocol: &Protocol, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(protocol)
}

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// Pods on the node whose rules the connection meets.
    PodsHere,
    /// Pods on other nodes.
    PodsElsewhere,
    /// The node itself, and Pods in its network namespace.
    Node,
    /// Clients outside the cluster.
    Outside,
    /// Clients outside the cluster that `loadBalancerSourceRanges` includes.
    #[serde(serialize_with = "range_text")]
    OutsideFrom(#[cfg_attr(test, schemars(with = "String"))] Cidr),
}

fn range_text<S: serde::Serializer>(range: &Cidr, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(range)
}

/// An entry point on one node, and the Service port behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Probe {
    pub(super) entry: EntryPoint,
    pub(super) service_port: CompactString,
    pub(super) to: SocketAddr,
}

/// The name of a Service port within its Service: its own, or its number.
pub(super) fn port_label(port: &ServicePort) -> CompactString {
    match port.name.port() {
        "" => format_compact!("{}", port.port),
        name => name.into(),
    }
}

/// All entry points of a Service port on a node.
pub(super) fn probes(port: &ServicePort, host: &Host) -> Vec<Probe> {
    let (protocol, family) = (port.name.protocol(), Family::of(port.cluster_ip));
    let probe = |kind, address, at: IpAddr, number: u16| Probe {
        entry: EntryPoint { kind, family, address, port: number, protocol },
        service_port: port_label(port),
        to: SocketAddr::new(at, number),
    };
    let own = |kind, ip: IpAddr| probe(kind, Some(ip), ip, port.port.get());
    let mut probes = vec![own(EntryKind::ClusterIp, port.cluster_ip)];
    probes.extend(port.external_ips.iter().map(|ip| own(EntryKind::ExternalIp, ip.value)));
    probes.extend(port.load_balancer_ips.iter().map(|ip| own(EntryKind::LoadBalancerIp, ip.value)));
    if let Some(node_port) = port.node_port {
        let primary = host.primary_address(family);
        let mut addresses: Vec<(EntryKind, IpAddr)> =
            primary.map(|ip| (EntryKind::NodePort, ip)).into_iter().collect();
        let others = host.addresses.iter().copied().filter(|ip| Family::of(*ip) == family);
        let others = others.filter(|ip| Some(*ip) != primary && !ip.is_loopback());
        addresses.extend(others.map(|ip| (EntryKind::NodePortOnOtherAddress, ip)));
        addresses.push((EntryKind::NodePortOnLoopback, family.loopback()));
        probes.extend(addresses.into_iter().map(|(kind, ip)| probe(kind, None, ip, node_port.get())));
    }
    probes
}

/// One client of each kind that can use an entry point.
pub(super) fn clients(
    probe: &Probe,
    (host, neighbours): (&Host, &Neighbours<'_>),
    ranges: &[Cidr],
    endpoints: &[IpAddr],
) -> Vec<(Client, IpAddr)> {
    let node = (Client::Node, host.source_to(probe.to));
    if probe.entry.kind == EntryKind::NodePortOnLoopback {
        return vec![node];
    }
    let family = probe.entry.family;
    let is_free = |ip: &IpAddr| !endpoints.contains(ip);
    let mut clients: Vec<(Client, IpAddr)> = Vec::new();
    let (here, elsewhere) = (neighbours.here(family, is_free), neighbours.elsewhere(family, is_free));
    clients.extend(here.map(|ip| (Client::PodsHere, ip)));
    clients.extend(elsewhere.map(|ip| (Client::PodsElsewhere, ip)));
    clients.push(node);
    let is_outside = |ip: &IpAddr| host.client_kind(*ip) == ClientKind::Outside;
    let unnamed = |ip: &IpAddr| !ranges.iter().any(|range| range.contains(*ip));
    let outside = strangers(family).into_iter().filter(is_outside).find(unnamed);
    clients.extend(outside.map(|ip| (Client::Outside, ip)));
    if probe.entry.kind == EntryKind::LoadBalancerIp {
        let narrower = |range: &Cidr, ip: &IpAddr| {
            ranges.iter().any(|other| other.length() > range.length() && other.contains(*ip))
        };
        let of_range = |range: &Cidr| {
            let mut ips = [range.last(), range.network()].into_iter().chain(last_addresses(range));
            ips.find(|ip| is_outside(ip) && !narrower(range, ip)).map(|ip| (Client::OutsideFrom(*range), ip))
        };
        clients.extend(ranges.iter().filter(|range| range.family() == family).filter_map(of_range));
    }
    clients
}

/// Addresses for documentation and a few others, of clients somewhere else.
fn strangers(family: Family) -> Vec<IpAddr> {
    let texts: &[&str] = match family {
        Family::Ipv4 => &["198.51.100.7", "192.0.2.7", "203.0.113.7", "11.7.7.7", "45.7.7.7", "133.7.7.7"],
        Family::Ipv6 => &["2001:db8:7::7", "2001:db8:9::9", "2a0e:7::7", "2620:7::7"],
    };
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
