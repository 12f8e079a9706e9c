//! The node at which the first packet of a connection arrives.

use std::net::SocketAddr;

use super::connection::{ClientPlace, Connection};
use super::network::{Network, NodeIndex, Place};
use crate::cluster::{ServicePort, TrafficPolicy};

/// At most this many nodes are followed if the packet may arrive at any.
const MOST_ENTRIES: usize = 8;

/// The nodes at which the first packet of a connection can arrive, each equally likely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The nodes that are followed.
    pub nodes: Vec<NodeIndex>,
    /// How many more there are.
    pub not_followed: usize,
    /// What decides it.
    pub by: EntryBy,
}

/// What decides at which node a connection arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryBy {
    /// The client is on it.
    ClientsNode,
    /// The node has the address, or the Pod with the address.
    Address,
    /// The user chose it, where a load balancer or a router would choose.
    Chosen,
    /// Assumed: any node, all equally likely.
    AllNodes,
    /// Assumed: the nodes whose health check answers, all equally likely. This many of all nodes have an endpoint.
    HealthyNodes,
    /// No node's health check answers, so any node is assumed.
    NoHealthyNode,
    /// No node: the address is neither a node's nor a Service's.
    NoNode,
}

/// The nodes at which a connection arrives; `chosen` is the one that the load balancer, or the route to a cluster IP,
/// leads to.
pub(super) fn entry(network: &Network<'_, '_>, connection: &Connection, chosen: Option<NodeIndex>) -> Entry {
    let only = |node, by| Entry { nodes: vec![node], not_followed: 0, by };
    if let ClientPlace::Pod(node) | ClientPlace::Node(node) = connection.client.place {
        return only(node, EntryBy::ClientsNode);
    }
    match (network.place(connection.destination.ip()), chosen) {
        (Place::Node(node) | Place::Pod(node), _) => only(node, EntryBy::Address),
        (_, Some(node)) => only(node, EntryBy::Chosen),
        _ => spread(network, connection),
    }
}

/// From outside, to an address that no node has.
fn spread(network: &Network<'_, '_>, connection: &Connection) -> Entry {
    let to = connection.destination;
    let is_at = |port: &&ServicePort| serves(port, to) && port.name.protocol() == connection.protocol;
    let Some(port) = network.ports().find(is_at).or_else(|| network.ports().find(|port| has_ip(port, to)))
    else {
        return Entry { nodes: Vec::new(), not_followed: 0, by: EntryBy::NoNode };
    };
    let checked = port.external_policy == TrafficPolicy::Local
        && port.load_balancer_ips.iter().any(|ip| ip.value == to.ip());
    if !checked {
        return first_of(network.nodes().collect(), EntryBy::AllNodes);
    }
    let healthy: Vec<NodeIndex> = network.nodes().filter(|node| answers(network.name(*node), port)).collect();
    match healthy.is_empty() {
        true => first_of(network.nodes().collect(), EntryBy::NoHealthyNode),
        false => first_of(healthy, EntryBy::HealthyNodes),
    }
}

fn first_of(mut nodes: Vec<NodeIndex>, by: EntryBy) -> Entry {
    let not_followed = nodes.len().saturating_sub(MOST_ENTRIES);
    nodes.truncate(MOST_ENTRIES);
    Entry { nodes, not_followed, by }
}

fn serves(port: &ServicePort, to: SocketAddr) -> bool {
    port.port.get() == to.port() && has_ip(port, to)
}

fn has_ip(port: &ServicePort, to: SocketAddr) -> bool {
    let listed = port.external_ips.iter().chain(&port.load_balancer_ips);
    port.cluster_ip == to.ip() || listed.into_iter().any(|ip| ip.value == to.ip())
}

/// Whether kube-proxy's health check on a node reports endpoints: those that are ready count
/// (pkg/proxy/endpointschangetracker.go, `localReadyEndpoints`).
fn answers(node: &str, port: &ServicePort) -> bool {
    port.endpoints.iter().any(|endpoint| endpoint.ready && endpoint.node_name.as_deref() == Some(node))
}
