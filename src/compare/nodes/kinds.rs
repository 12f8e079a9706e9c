//! Which nodes get the same answer but for their own names: the kinds of nodes.
//!
//! What a node has of a part of the Services depends on its zone, where hints ask for it; on which endpoints it has; and
//! on its addresses and networks of Pods. Two nodes are of one kind if all that stays the same when the one's addresses
//! and networks take the place of the other's: they lie alike in every range that a rule asks for, no one else has them,
//! and none of them is an address of a part. A node of which that cannot be said is of no kind: it is compared by itself.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use compact_str::CompactString;

use crate::cluster::{Cluster, Node};
use crate::net::{Cidr, Family};
use crate::plan::{LocalTraffic, NodePorts, Plan};
use crate::settings::Settings;
use crate::walk::Host;

/// What nodes of one kind agree in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    zone: Option<Option<CompactString>>,
    sides: [KindOfSide; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct KindOfSide {
    /// The addresses that the settings name are those of all nodes; of the others, in which ranges they lie.
    addresses: Vec<Result<IpAddr, Vec<bool>>>,
    node_ip_is_known: bool,
    node_ports: Option<Vec<Result<usize, IpAddr>>>,
    networks: Vec<(u8, Vec<Lies>)>,
    local_traffic: Option<Result<usize, Cidr>>,
    /// In which ranges Pods of the node lie that are in none of its networks, and whether it is one or several.
    pods: BTreeSet<(Vec<bool>, bool)>,
}

/// How a network lies to a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lies {
    Apart,
    Inside,
    Around,
}

/// What the kinds of nodes depend on beside the nodes.
pub(super) struct Kinds {
    /// Ranges that rules ask for.
    pub(super) ranges: Vec<Cidr>,
    /// Addresses of the parts.
    pub(super) addresses: HashSet<IpAddr>,
    /// Whether hints tell zones apart.
    pub(super) zones_matter: bool,
    pub(super) owners: Owners,
}

impl Kinds {
    /// The kind of a node; none where it is to be compared by itself.
    pub(super) fn of(
        &self,
        (old, new): (&Node, &Node),
        plans: (&Plan<'_>, &Plan<'_>),
        hosts: (&Host, &Host),
        settings: (&Settings, &Settings),
    ) -> Option<Kind> {
        let same = old.internal_ips == new.internal_ips
            && old.external_ips == new.external_ips
            && old.pod_cidrs == new.pod_cidrs
            && old.zone == new.zone;
        if !same || hosts.0.pod_interface.is_some() || hosts.1.pod_interface.is_some() {
            return None;
        }
        Some(Kind {
            zone: self.zones_matter.then(|| old.zone.clone()),
            sides: [self.side(plans.0, hosts.0, settings.0)?, self.side(plans.1, hosts.1, settings.1)?],
        })
    }

    fn side(&self, plan: &Plan<'_>, host: &Host, settings: &Settings) -> Option<KindOfSide> {
        let family = plan.family();
        let of_settings =
            |ip: IpAddr| settings.bind_address == Some(ip) || settings.host.addresses.contains(&ip);
        let mut addresses = Vec::new();
        for ip in host.addresses.iter().copied() {
            let is_shared = self.owners.of_address(ip) > 1 || self.owners.network(ip).is_some();
            if self.addresses.contains(&ip) || (is_shared && !of_settings(ip)) {
                return None;
            }
            addresses.push(if of_settings(ip) { Ok(ip) } else { Err(self.within(ip)) });
        }
        let place = |ip: &IpAddr| host.addresses.iter().position(|own| own == ip).ok_or(*ip);
        let node_ports = match plan.node_ports() {
            NodePorts::AllLocal => None,
            NodePorts::Addresses(addresses) => Some(addresses.iter().map(place).collect()),
        };
        let networks: Vec<Cidr> =
            host.pod_networks.iter().copied().filter(|net| net.family() == family).collect();
        if networks.iter().any(|net| self.owners.overlapping.contains(net)) {
            return None;
        }
        let local_traffic = plan.local_traffic().and_then(|local| match local {
            LocalTraffic::From(net) => Some(networks.iter().position(|own| own == net).ok_or(*net)),
            LocalTraffic::Interface(_) | LocalTraffic::InterfacePrefix(_) => None,
        });
        Some(KindOfSide {
            addresses,
            node_ip_is_known: !plan.node_ip().is_loopback(),
            node_ports,
            networks: networks.iter().map(|net| (net.length(), self.lies(*net))).collect(),
            local_traffic,
            pods: self.pods(host, family),
        })
    }

    fn pods(&self, host: &Host, family: Family) -> BTreeSet<(Vec<bool>, bool)> {
        let mut counts: HashMap<Vec<bool>, usize> = HashMap::new();
        for ip in host.local_pods.iter().filter(|ip| Family::of(**ip) == family) {
            *counts.entry(self.within(*ip)).or_default() += 1;
        }
        counts.into_iter().map(|(within, count)| (within, count > 1)).collect()
    }

    fn within(&self, ip: IpAddr) -> Vec<bool> {
        self.ranges.iter().map(|range| range.contains(ip)).collect()
    }

    fn lies(&self, net: Cidr) -> Vec<Lies> {
        let lies = |range: &Cidr| {
            if range.contains(net.network()) && range.contains(net.last()) {
                Lies::Inside
            } else if net.contains(range.network()) {
                Lies::Around
            } else {
                Lies::Apart
            }
        };
        self.ranges.iter().map(lies).collect()
    }
}

/// Whose the addresses and networks of the nodes are.
#[derive(Debug, Default)]
pub(super) struct Owners {
    addresses: HashMap<IpAddr, Vec<usize>>,
    /// First and last address of each network and its node, ascending.
    networks: Vec<(IpAddr, IpAddr, usize)>,
    /// Networks that others have a part of.
    overlapping: HashSet<Cidr>,
}

impl Owners {
    /// Of the nodes of both sides, by their number in the list of pairs; nodes of one side alone have none.
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
    fn network(&self, ip: IpAddr) -> Option<usize> {
        let holds = |net: &&(IpAddr, IpAddr, usize)| net.0 <= ip && ip <= net.1;
        if !self.overlapping.is_empty() {
            return self.networks.iter().find(holds).map(|net| net.2);
        }
        let upto = self.networks.partition_point(|(first, ..)| *first <= ip);
        self.networks.get(upto.checked_sub(1)?).filter(holds).map(|net| net.2)
    }

    /// Nodes to which an address belongs, or in whose networks it lies.
    pub(super) fn nodes(&self, ip: IpAddr) -> impl Iterator<Item = usize> {
        self.addresses.get(&ip).into_iter().flatten().copied().chain(self.network(ip))
    }
}
