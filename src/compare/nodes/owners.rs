//! Which node has an address, or has it in its Pod network.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use crate::cluster::{Cluster, Node};
use crate::net::Cidr;

/// Which node has which addresses and networks.
#[derive(Debug, Default)]
pub(super) struct Owners {
    addresses: HashMap<IpAddr, Vec<usize>>,
    /// First and last address of each network, and its node, sorted.
    networks: Vec<(IpAddr, IpAddr, usize)>,
    /// Networks that overlap with others.
    pub(super) overlapping: HashSet<Cidr>,
}

impl Owners {
    /// Those of the nodes of both sides, by their index in the list of pairs; nodes of only one side have none.
    pub(super) fn new(clusters: [&Cluster; 2], nodes: &[(&Node, &Node)]) -> Owners {
        let numbers: HashMap<&str, usize> =
            (0..).zip(nodes).map(|(i, (_, new))| (new.name.as_str(), i)).collect();
        let mut owners = Owners::default();
        let mut networks: BTreeSet<(IpAddr, IpAddr, usize)> = BTreeSet::new();
        for node in clusters.into_iter().flat_map(|cluster| &cluster.nodes) {
            let number = numbers.get(node.name.as_str()).copied().unwrap_or(usize::MAX);
            for ip in node.internal_ips.iter().chain(&node.external_ips) {
                let holders = owners.addresses.entry(*ip).or_default();
                if !holders.contains(&number) {
                    holders.push(number);
                }
            }
            networks.extend(node.pod_cidrs.iter().map(|net| (net.network(), net.last(), number)));
        }
        owners.networks = networks.into_iter().collect();
        owners.find_overlapping(clusters);
        owners
    }

    fn find_overlapping(&mut self, clusters: [&Cluster; 2]) {
        let mut shared: HashSet<IpAddr> = HashSet::new();
        let mut widest: Option<(IpAddr, IpAddr)> = None;
        for (first, last, _) in &self.networks {
            if let Some((from, to)) = widest.filter(|(_, to)| first <= to) {
                shared.extend([from, *first]);
                widest = Some((from, to.max(*last)));
            } else {
                widest = Some((*first, *last));
            }
        }
        let networks =
            clusters.into_iter().flat_map(|cluster| &cluster.nodes).flat_map(|node| &node.pod_cidrs);
        self.overlapping = networks.filter(|net| shared.contains(&net.network())).copied().collect();
    }

    pub(super) fn of_address(&self, ip: IpAddr) -> usize {
        self.addresses.get(&ip).map_or(0, Vec::len)
    }

    /// The node in whose networks an address lies.
    pub(super) fn network(&self, ip: IpAddr) -> Option<usize> {
        let holds = |net: &&(IpAddr, IpAddr, usize)| net.0 <= ip && ip <= net.1;
        if !self.overlapping.is_empty() {
            return self.networks.iter().find(holds).map(|net| net.2);
        }
        let upto = self.networks.partition_point(|(first, ..)| *first <= ip);
        self.networks.get(upto.checked_sub(1)?).filter(holds).map(|net| net.2)
    }

    /// Nodes that an address belongs to, or in whose networks it is.
    pub(super) fn nodes(&self, ip: IpAddr) -> impl Iterator<Item = usize> {
        self.addresses.get(&ip).into_iter().flatten().copied().chain(self.network(ip))
    }
}
