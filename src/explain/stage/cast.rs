//! Who is on the stage: nodes, endpoints, clients, addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::{Policy, StageAddress};
use crate::cluster::{Cluster, ServicePort, TrafficPolicy};
use crate::explain::clients::{last_addresses, outside};
use crate::journey::{Client, ClientPlace, Network, NodeIndex};

/// At most this many nodes are drawn.
const MOST_NODES: usize = 3;

/// A client of one of the kinds on the page.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) id: &'static str,
    /// Index among the nodes that are drawn.
    pub(super) node: usize,
    pub(super) client: Client,
}

/// The nodes that are drawn, in the cluster's order: the requested one, those with endpoints, and others up to two.
pub(super) fn nodes(network: &Network<'_, '_>, home: &str, port: &ServicePort) -> Vec<NodeIndex> {
    let home = network.find(home);
    let with_endpoints = port.endpoints.iter().filter_map(|e| network.find(e.node_name.as_deref()?));
    let mut chosen: BTreeSet<NodeIndex> = home.into_iter().collect();
    for node in with_endpoints {
        if chosen.len() < MOST_NODES {
            chosen.insert(node);
        }
    }
    for node in network.nodes() {
        if chosen.len() < 2 {
            chosen.insert(node);
        }
    }
    chosen.into_iter().collect()
}

/// The addresses that a client can use; node ports for each node that is drawn.
pub(super) fn addresses(
    network: &Network<'_, '_>,
    nodes: &[NodeIndex],
    port: &ServicePort,
) -> Vec<(StageAddress, SocketAddr)> {
    let mut all = Vec::new();
    let mut add = |id: String, words: String, ip: IpAddr, number: u16| {
        let to = SocketAddr::new(ip, number);
        all.push((StageAddress { id, words, text: to.to_string() }, to));
    };
    let number = port.port.get();
    add("cluster-ip".to_owned(), "cluster IP".to_owned(), port.cluster_ip, number);
    for (i, ip) in port.external_ips.iter().enumerate() {
        add(format!("external-ip-{}", i + 1), "external IP".to_owned(), ip.value, number);
    }
    for (i, ip) in port.load_balancer_ips.iter().enumerate() {
        add(format!("load-balancer-ip-{}", i + 1), "load-balancer IP".to_owned(), ip.value, number);
    }
    let Some(node_port) = port.node_port else { return all };
    for (i, node) in nodes.iter().enumerate() {
        let host = network.rules(*node).map(|rules| &rules.host);
        if let Some(ip) = host.and_then(|host| host.primary_address(network.family())) {
            let words = format!("node port on {}", crate::diagnostic::Inert(network.name(*node)));
            add(format!("node-port-{}", i + 1), words, ip, node_port.get());
        }
    }
    let loopback = network.family().loopback();
    add("node-port-loopback".to_owned(), "node port on loopback".to_owned(), loopback, node_port.get());
    all
}

/// Whether a client can use an address at all: packets to a loopback address only exist on the sender's own host.
pub(super) fn may_ask(asker: &Asker, to: SocketAddr) -> bool {
    asker.id == "node" || !to.ip().is_loopback()
}

/// The clients of every kind.
pub(super) fn askers(network: &Network<'_, '_>, nodes: &[NodeIndex], port: &ServicePort) -> Vec<Asker> {
    let own: BTreeSet<IpAddr> = port.endpoints.iter().map(|endpoint| endpoint.ip).collect();
    let mut all = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let Some(rules) = network.rules(*node) else { continue };
        let used = |endpoint: &&crate::cluster::Endpoint| {
            endpoint.is_usable() && rules.host.is_local_pod(endpoint.ip) && !rules.host.is_local(endpoint.ip)
        };
        let here = port.endpoints.iter().find(used);
        let mut add = |id, ip, place| all.push(Asker { id, node: i, client: Client { ip, place } });
        if let Some(ip) = pod(network, *node, &own) {
            add("pod", ip, ClientPlace::Pod(*node));
            if here.is_some() {
                add("same-node", ip, ClientPlace::Pod(*node));
            }
        }
        if let Some(endpoint) = here {
            add("self", endpoint.ip, ClientPlace::Pod(*node));
        }
        if let Some(ip) = rules.host.primary_address(network.family()) {
            add("node", ip, ClientPlace::Node(*node));
        }
        if let Some(ip) = rules.plan.as_ref().and_then(|plan| outside(plan, &rules.host)) {
            add("outside", ip, ClientPlace::Outside);
        }
    }
    all
}

/// A Pod on a node that is not an endpoint of the Service: a known one, or an address that one might have.
fn pod(network: &Network<'_, '_>, node: NodeIndex, own: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let rules = network.rules(node)?;
    let is_pod = |ip: &IpAddr| !own.contains(ip) && !rules.host.is_local(*ip);
    let known = network.pods_on(node).find(|ip| is_pod(ip) && network.pod_name(*ip).is_some());
    let networks = rules.host.pod_networks.iter().copied().filter(|net| net.family() == network.family());
    known.or_else(|| {
        networks.flat_map(last_addresses).find(|ip| is_pod(ip) && network.pod_name(*ip).is_none())
    })
}

/// The policy that decides for a port: for addresses from outside if it has any, else for its cluster IP.
pub(super) fn policy(port: &ServicePort) -> Policy {
    let external = is_external(port);
    let (field, value) = match external {
        true => ("externalTrafficPolicy", port.external_policy),
        false => ("internalTrafficPolicy", port.internal_policy),
    };
    let value = match value {
        TrafficPolicy::Cluster => "Cluster",
        TrafficPolicy::Local => "Local",
    };
    Policy { field, value, given: true }
}

fn is_external(port: &ServicePort) -> bool {
    port.node_port.is_some() || !port.external_ips.is_empty() || !port.load_balancer_ips.is_empty()
}

/// Switches the policy that decides for each Service port to the other one: what if.
pub fn turn_policies(cluster: &mut Cluster) {
    let tables = [&mut cluster.ipv4, &mut cluster.ipv6];
    tables.into_iter().flat_map(|table| &mut table.service_ports).for_each(turn_policy);
}

fn turn_policy(port: &mut ServicePort) {
    let other = |policy| match policy {
        TrafficPolicy::Cluster => TrafficPolicy::Local,
        TrafficPolicy::Local => TrafficPolicy::Cluster,
    };
    match is_external(port) {
        true => port.external_policy = other(port.external_policy),
        false => port.internal_policy = other(port.internal_policy),
    }
}
