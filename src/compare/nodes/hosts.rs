//! What is known about each node apart from its rules.

use std::collections::HashMap;
use std::net::IpAddr;

use super::frames::Frames;
use super::known_pods::{KnownPods, most_endpoints};
use crate::cluster::{Cluster, Node};
use crate::net::{Cidr, Family};
use crate::node::{Host, merged};
use crate::parallel;

/// Every node as it is in both states.
pub(super) fn hosts(nodes: &[(&Node, &Node)], frames: (&Frames<'_>, &Frames<'_>)) -> Vec<(Host, Host)> {
    let most = |frames: &Frames<'_>| most_endpoints(frames.state.cluster, frames.family);
    // One more than a Service can have on both sides together.
    let enough = most(frames.0) + most(frames.1) + 1;
    let (old, new) = (Hosts::new(frames.0, enough), Hosts::new(frames.1, enough));
    let pairs: Vec<_> = nodes.iter().enumerate().collect();
    parallel::each(&pairs, |(i, (before, after))| {
        (old.host(*i, before).unwrap_or_default(), new.host(*i, after).unwrap_or_default())
    })
}

/// What the hosts of one state are made from.
struct Hosts<'f, 'a> {
    frames: &'f Frames<'a>,
    networks: Vec<Cidr>,
    local_endpoints: LocalEndpoints<'a>,
    known_elsewhere: KnownPods<'a>,
}

impl<'f, 'a> Hosts<'f, 'a> {
    fn new(frames: &'f Frames<'a>, enough: usize) -> Hosts<'f, 'a> {
        let cluster = frames.state.cluster;
        Hosts {
            frames,
            networks: cluster_networks(cluster),
            local_endpoints: local_endpoints(cluster, frames.family),
            known_elsewhere: KnownPods::new(cluster, frames.family, enough),
        }
    }

    fn host(&self, i: usize, node: &Node) -> Option<Host> {
        let endpoints = self.local_endpoints.get(node.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let mut host = Host::of_frame(node, self.frames.plans.get(i)?, &self.networks, endpoints);
        host.remote_pods = self.known_elsewhere.around(&host, &node.name, self.frames.family);
        Some(host)
    }
}

/// Addresses of endpoints, by the node that they name.
type LocalEndpoints<'a> = HashMap<&'a str, Vec<IpAddr>>;

fn local_endpoints(cluster: &Cluster, family: Family) -> LocalEndpoints<'_> {
    let mut local: LocalEndpoints<'_> = HashMap::new();
    for endpoint in cluster.family(family).service_ports.iter().flat_map(|port| &port.endpoints) {
        if let Some(node) = &endpoint.node_name {
            local.entry(node.as_str()).or_default().push(endpoint.ip);
        }
    }
    local
}

fn cluster_networks(cluster: &Cluster) -> Vec<Cidr> {
    merged(cluster.nodes.iter().flat_map(|node| &node.pod_cidrs).copied().collect())
}
