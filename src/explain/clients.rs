//! One address for each kind of client.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Client;
use crate::diagnostic::Inert;
use crate::net::{Cidr, Family};
use crate::plan::{Plan, ServicePortPlan};
use crate::walk::{ClientKind, Host};

/// A client and where its packets come from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) words: String,
    /// None for the node, which chooses its address depending on the destination.
    pub(super) ip: Option<IpAddr>,
    pub(super) kind: ClientKind,
}

impl Source {
    /// As shown in the explanation; the node with its own address.
    pub(super) fn client(&self, host: &Host, plan: &Plan<'_>) -> Client {
        let ip = self.ip.or_else(|| host.primary_address(plan.family()));
        let name = match self.kind {
            ClientKind::Node => format!("node {}", Inert(plan.node_name())),
            _ => ip.and_then(|ip| pod_name(plan, ip)).unwrap_or_default(),
        };
        Client {
            name,
            words: self.words.clone(),
            ip: ip.map(|ip| ip.to_string()).unwrap_or_default(),
            origin: self.kind.name(),
        }
    }
}

/// The kinds of clients that a Service port can have on this node.
pub(super) fn sources(plan: &Plan<'_>, port: &ServicePortPlan<'_>, host: &Host) -> Vec<Source> {
    let pods = Pods::new(plan, port, host);
    let mut sources = Vec::new();
    let mut add = |words: &str, ip: Option<IpAddr>, kind| {
        sources.push(Source { words: words.to_owned(), ip, kind });
    };
    if let Some(ip) = pods.on(ClientKind::LocalPod).or_else(|| local_pod(plan.family(), host, &pods)) {
        add(ClientKind::LocalPod.words(), Some(ip), ClientKind::LocalPod);
    }
    if let Some(ip) = own_endpoint(port, host) {
        add("the endpoint pod itself", Some(ip), ClientKind::LocalPod);
    }
    if let Some(ip) = pods.on(ClientKind::RemotePod).or_else(|| remote_pod(plan.family(), host, &pods)) {
        add(ClientKind::RemotePod.words(), Some(ip), ClientKind::RemotePod);
    }
    add(ClientKind::Node.words(), None, ClientKind::Node);
    if let Some(ip) = outside(plan, host) {
        add(ClientKind::Outside.words(), Some(ip), ClientKind::Outside);
    }
    if let Some((ip, range)) = within_ranges(port, host) {
        add(&format!("outside, from {range}"), Some(ip), ClientKind::Outside);
    }
    sources
}

/// The Pod with an address, if an endpoint names it.
fn pod_name(plan: &Plan<'_>, ip: IpAddr) -> Option<String> {
    plan.service_ports().iter().map(ServicePortPlan::service_port).find_map(|port| {
        let endpoint = port.endpoints.iter().find(|endpoint| endpoint.ip == ip)?;
        let pod = endpoint.pod.as_ref()?;
        Some(format!("pod {}/{}", port.name.namespace(), Inert(pod)))
    })
}

/// Pods that are known as endpoints.
struct Pods {
    /// With as few networks as possible: every endpoint of a cluster of thousands of nodes may be looked up.
    host: Host,
    /// Of every Service port.
    all: BTreeSet<IpAddr>,
    /// Those of the Service that is explained: they are another kind of client.
    own: BTreeSet<IpAddr>,
}

impl Pods {
    fn new(plan: &Plan<'_>, port: &ServicePortPlan<'_>, host: &Host) -> Pods {
        let ips = |port: &&ServicePortPlan<'_>| {
            let pods = port.service_port().endpoints.iter().filter(|endpoint| endpoint.pod.is_some());
            pods.map(|endpoint| endpoint.ip).collect::<Vec<_>>()
        };
        let name = |port: &ServicePortPlan<'_>| {
            (port.service_port().name.namespace().to_owned(), port.service_port().name.service().to_owned())
        };
        let of_service = plan.service_ports().iter().filter(|other| name(other) == name(port));
        Pods {
            host: Host { remote_pods: host.remote_pods.clone(), ..host.with_merged_networks() },
            all: plan.service_ports().iter().flat_map(|port| ips(&port)).collect(),
            own: of_service.flat_map(|port| ips(&port)).collect(),
        }
    }

    /// A pod of another Service.
    fn on(&self, kind: ClientKind) -> Option<IpAddr> {
        self.all.difference(&self.own).copied().find(|ip| self.host.client_kind(*ip) == kind)
    }
}

fn local_pod(family: Family, host: &Host, pods: &Pods) -> Option<IpAddr> {
    let networks = host.pod_networks.iter().chain(&host.cluster_networks);
    let network = networks.copied().find(|net| net.family() == family)?;
    last_addresses(network).find(|ip| !host.is_local(*ip) && !pods.all.contains(ip))
}

/// An endpoint on this node that the port uses: it can be its own client.
fn own_endpoint(port: &ServicePortPlan<'_>, host: &Host) -> Option<IpAddr> {
    let endpoints = port.reachable_endpoints().iter().map(|endpoint| endpoint.ip);
    endpoints.into_iter().find(|ip| host.is_local_pod(*ip) && !host.is_local(*ip))
}

fn remote_pod(family: Family, host: &Host, pods: &Pods) -> Option<IpAddr> {
    let networks = host.cluster_networks.iter().copied().filter(|net| net.family() == family);
    let is_free = |ip: &IpAddr| host.client_kind(*ip) == ClientKind::RemotePod && !pods.all.contains(ip);
    networks.flat_map(last_addresses).find(is_free)
}

/// An address from the documentation networks (RFC 5737, RFC 3849) that is in no source range.
pub(super) fn outside(plan: &Plan<'_>, host: &Host) -> Option<IpAddr> {
    let ranges = || plan.service_ports().iter().flat_map(|port| &port.service_port().source_ranges);
    let is_free = |ip: &IpAddr| {
        host.client_kind(*ip) == ClientKind::Outside && !ranges().any(|range| range.value.contains(*ip))
    };
    documentation_addresses(plan.family()).find(is_free)
}

fn documentation_addresses(family: Family) -> Box<dyn Iterator<Item = IpAddr>> {
    match family {
        Family::Ipv4 => {
            let nets = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];
            Box::new(
                nets.into_iter()
                    .flat_map(|[a, b, c]| (7..=254u8).map(move |d| IpAddr::V4(Ipv4Addr::new(a, b, c, d)))),
            )
        }
        Family::Ipv6 => Box::new(
            (7..=254u16).map(|host| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, host))),
        ),
    }
}

/// A client outside that the source ranges include, if there are any.
fn within_ranges(port: &ServicePortPlan<'_>, host: &Host) -> Option<(IpAddr, Cidr)> {
    let ranges = port.external()?.source_ranges()?.ranges().iter().map(|range| range.value);
    let mut found = ranges.flat_map(|range| last_addresses(range).map(move |ip| (ip, range)));
    found.find(|(ip, _)| host.client_kind(*ip) == ClientKind::Outside)
}

/// The last addresses of a network, in reverse order, except the very last.
pub(super) fn last_addresses(net: Cidr) -> impl Iterator<Item = IpAddr> {
    let back = move |n: u8| match net.last() {
        IpAddr::V4(ip) => Some(IpAddr::V4(Ipv4Addr::from(u32::from(ip).checked_sub(u32::from(n))?))),
        IpAddr::V6(ip) => Some(IpAddr::V6(Ipv6Addr::from(u128::from(ip).checked_sub(u128::from(n))?))),
    };
    (1..=64u8).filter_map(back).filter(move |ip| net.contains(*ip))
}
