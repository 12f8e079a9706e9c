//! Pods that are known to be on other nodes although their networks would say otherwise.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use crate::cluster::{Cluster, ServicePort};
use crate::compare::consequence::Neighbours;
use crate::net::{Cidr, Family};
use crate::node::{ClientKind, Host};

/// The endpoints of a cluster that name their node.
pub(super) struct KnownPods<'c> {
    /// Sorted, without addresses of nodes.
    by_address: Vec<(IpAddr, &'c str)>,
    enough: usize,
}

impl<'c> KnownPods<'c> {
    /// The endpoints of a cluster. If a node has no network of its own, every endpoint of other nodes is such a Pod,
    /// and `enough` of them suffice.
    pub(super) fn new(cluster: &'c Cluster, family: Family, enough: usize) -> KnownPods<'c> {
        let nodes = cluster.nodes.iter();
        let of_nodes: HashSet<IpAddr> =
            nodes.flat_map(|node| node.internal_ips.iter().chain(&node.external_ips)).copied().collect();
        let endpoints = cluster.family(family).service_ports.iter().flat_map(|port| &port.endpoints);
        let named = endpoints.filter_map(|endpoint| Some((endpoint.ip, endpoint.node_name.as_deref()?)));
        let mut by_address: Vec<_> = named.filter(|(ip, _)| !of_nodes.contains(ip)).collect();
        by_address.sort_unstable();
        by_address.dedup();
        KnownPods { by_address, enough }
    }

    /// Those around a node that would otherwise be taken for its own.
    pub(super) fn around(&self, host: &Host, node: &str, family: Family) -> BTreeSet<IpAddr> {
        let of_family = |networks: &[Cidr]| -> Vec<Cidr> {
            networks.iter().copied().filter(|net| net.family() == family).collect()
        };
        let own = of_family(&host.pod_networks);
        let bound = if own.is_empty() { self.enough } else { usize::MAX };
        let networks = if own.is_empty() { of_family(&host.cluster_networks) } else { own };
        let is_misplaced =
            |ip: &IpAddr| !host.local_pods.contains(ip) && host.client_kind(*ip) == ClientKind::LocalPod;
        let mut found: BTreeSet<IpAddr> = networks
            .iter()
            .flat_map(|net| self.elsewhere(*net, node))
            .filter(is_misplaced)
            .take(bound)
            .collect();
        // Those in the networks that examples are taken from must be known, however many come before.
        let neighbours = Neighbours::of(host);
        let examples = neighbours.of_networks(family).map(Cidr::host);
        found.extend(examples.flat_map(|ip| self.elsewhere(ip, node)).filter(is_misplaced));
        found
    }

    /// Endpoints in a network that name another node.
    fn elsewhere(&self, net: Cidr, node: &str) -> impl Iterator<Item = IpAddr> {
        let from = self.by_address.partition_point(|(ip, _)| *ip < net.network());
        let rest = self.by_address.get(from..).unwrap_or_default().iter();
        let within = rest.take_while(move |(ip, _)| *ip <= net.last());
        within.filter(move |(_, of)| *of != node).map(|(ip, _)| *ip)
    }
}

/// The greatest number of endpoints that a Service has.
pub(super) fn most_endpoints(cluster: &Cluster, family: Family) -> usize {
    let of_one_service = |a: &ServicePort, b: &ServicePort| {
        (a.name.namespace(), a.name.service()) == (b.name.namespace(), b.name.service())
    };
    let services = cluster.family(family).service_ports.chunk_by(of_one_service);
    services.map(|ports| ports.iter().map(|port| port.endpoints.len()).sum()).max().unwrap_or(0)
}
