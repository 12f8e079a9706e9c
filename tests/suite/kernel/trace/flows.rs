//! Who connects to whom: every kind of source, every address of every Service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use kuberules::cluster::ServicePort;
use kuberules::net::{Cidr, Family, Protocol, parse_ip_lenient};
use kuberules::plan::{Plan, ServicePortPlan};
use kuberules::walk::{ClientKind, Host, Packet};

use super::scenario::Built;
use super::world::World;

/// A packet to send, and the Service port that it is for.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) packet: Packet,
    /// Index in the plan's list; none if it is for no Service.
    pub(crate) service: Option<usize>,
    /// Whether its clients are forgotten so soon that it may happen between two packets.
    pub(crate) forgets_soon: bool,
}

/// All flows of a family, without repetition.
pub(crate) fn flows(built: &Built, host: &Host, plan: &Plan<'_>, world: &World) -> Vec<Flow> {
    let common = sources(built, host, plan);
    let mut flows: BTreeMap<(IpAddr, SocketAddr, u8), Flow> = BTreeMap::new();
    for (number, port) in plan.service_ports().iter().enumerate() {
        let service = port.service_port();
        let mut sources = common.clone();
        sources.extend(own_sources(host, port));
        for destination in destinations(built, host, plan, service) {
            let mut add = |packet: Packet| {
                let key = (packet.source, packet.destination, packet.protocol.number());
                let forgets_soon = service.affinity_seconds.is_some_and(|seconds| seconds < 60);
                flows.entry(key).or_insert(Flow { packet, service: Some(number), forgets_soon });
            };
            for source in &sources {
                add(Packet::new(host, service.name.protocol(), *source, destination).unwrap());
            }
            add(from_node(host, world, service.name.protocol(), destination));
        }
    }
    flows.into_values().collect()
}

/// As the walk predicts that the node's kernel sends it, which must be right.
fn from_node(host: &Host, world: &World, protocol: Protocol, destination: SocketAddr) -> Packet {
    let packet = Packet::from_node(host, protocol, destination);
    assert_eq!(world.source_to(destination), Some(packet.source), "the node's source to {destination}");
    packet
}

/// Sources for every Service: pods on this node and on others, the outside.
fn sources(built: &Built, host: &Host, plan: &Plan<'_>) -> BTreeSet<IpAddr> {
    let family = plan.family();
    let mut sources = BTreeSet::new();
    let own = host.pod_networks.iter().find(|network| network.family() == family);
    sources.extend(own.and_then(|network| nth(*network, 200)));
    sources.extend(host.local_pods.iter().copied().find(|pod| Family::of(*pod) == family));
    let elsewhere = built.cluster.nodes.iter().filter(|node| node.name != plan.node_name());
    let mut elsewhere = elsewhere.flat_map(|node| &node.pod_cidrs).filter(|net| net.family() == family);
    sources.extend(elsewhere.next().and_then(|network| nth(*network, 9)));
    sources.insert(outsider(family));
    sources
}

/// Sources that matter to one Service: one of its own endpoints, clients in its source ranges, its load-balancer IPs.
fn own_sources(host: &Host, port: &ServicePortPlan<'_>) -> BTreeSet<IpAddr> {
    let service = port.service_port();
    let local = service.endpoints.iter().map(|endpoint| endpoint.ip).filter(|ip| host.is_local_pod(*ip));
    let mut sources: BTreeSet<IpAddr> = local.take(1).collect();
    sources.extend(service.source_ranges.iter().filter_map(|range| nth(range.value, 5)));
    if port.external().is_some_and(|external| external.source_ranges().is_some()) {
        sources.extend(service.load_balancer_ips.iter().map(|ip| ip.value));
    }
    sources
        .retain(|ip| host.client_kind(*ip) != ClientKind::Node && !ip.is_loopback() && !ip.is_unspecified());
    sources
}

fn destinations(built: &Built, host: &Host, plan: &Plan<'_>, service: &ServicePort) -> BTreeSet<SocketAddr> {
    let family = plan.family();
    let mut addresses: BTreeSet<IpAddr> = service.external_ips.iter().map(|ip| ip.value).collect();
    addresses.extend(service.load_balancer_ips.iter().map(|ip| ip.value));
    addresses.extend(ingress(built, service).filter(|ip| Family::of(*ip) == family));
    addresses.insert(service.cluster_ip);
    let port = service.port.get();
    let mut found: BTreeSet<SocketAddr> = addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    let unknown = port.checked_add(7).unwrap_or(7);
    found.extend(addresses.iter().map(|ip| SocketAddr::new(*ip, unknown)));
    found.extend(unallocated(built, service).map(|ip| SocketAddr::new(ip, port)));
    if let Some(node_port) = service.node_port {
        let node_addresses = node_addresses(built, host, family);
        found.extend(node_addresses.iter().map(|ip| SocketAddr::new(*ip, node_port.get())));
    }
    if let Some(node_port) = service.health_check_node_port {
        found.extend(host.primary_address(family).map(|ip| SocketAddr::new(ip, node_port.get())));
    }
    found
}

/// Load-balancer IPs of every `ipMode`.
fn ingress<'b>(built: &'b Built, service: &ServicePort) -> impl Iterator<Item = IpAddr> + 'b {
    let position = service.position;
    let objects = built.snapshot.services.iter().filter(move |located| located.position == position);
    objects.flat_map(|located| &located.object.ingress).filter_map(|ingress| parse_ip_lenient(&ingress.ip))
}

/// Every address of the node, loopback addresses, and one of another node.
fn node_addresses(built: &Built, host: &Host, family: Family) -> BTreeSet<IpAddr> {
    let mut found: BTreeSet<IpAddr> =
        host.addresses.iter().copied().filter(|ip| Family::of(*ip) == family).collect();
    found.insert(family.loopback());
    if family == Family::Ipv4 {
        found.insert("127.0.0.2".parse().unwrap());
    }
    let others = built.cluster.nodes.iter().flat_map(|node| &node.internal_ips);
    found.extend(others.copied().find(|ip| Family::of(*ip) == family && !host.is_local(*ip)));
    found
}

/// The address after the cluster IP, if no Service has it.
fn unallocated(built: &Built, service: &ServicePort) -> impl Iterator<Item = IpAddr> {
    let next = nth(Cidr::host(service.cluster_ip), 1);
    let ports = &built.cluster.family(Family::of(service.cluster_ip)).service_ports;
    next.into_iter().filter(|ip| !ports.iter().any(|port| port.cluster_ip == *ip))
}

/// The nth address of a network, or the first if the network is too small.
fn nth(network: Cidr, n: u8) -> Option<IpAddr> {
    let first = network.network();
    let nth = match first {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip).checked_add(u32::from(n))?).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip).checked_add(u128::from(n))?).into()),
    };
    Some(if network.contains(nth) || network.is_host() && n == 1 { nth } else { first })
}

fn outsider(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => "198.51.100.7".parse().unwrap(),
        Family::Ipv6 => "2001:db8:77::7".parse().unwrap(),
    }
}
