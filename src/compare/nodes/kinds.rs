//! Which nodes get the same answer apart from their names and addresses: the kinds of nodes.
//!
//! What a node has of a part of the Services depends on its zone, if hints matter; on which endpoints it has; and on
//! its addresses and Pod networks. Two nodes are of one kind if nothing else changes when the addresses and networks of
//! one replace those of the other: each is in the same ranges that rules match on as its counterpart, no other node has
//! them, and none of them is an address of a part. A node for which that is not certain has no kind: it is compared
//! separately.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use compact_str::CompactString;

use super::cluster_part::ClusterPart;
use super::frames::Frames;
use super::owners::Owners;
use crate::cluster::{Node, ServicePort};
use crate::compare::consequence::Neighbours;
use crate::compare::traffic::Ground;
use crate::net::{Cidr, Family};
use crate::plan::{LocalTraffic, NodePorts, Plan};
use crate::settings::{DetectLocal, Settings};
use crate::walk::Host;

/// What nodes of one kind have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    zone: Option<Option<CompactString>>,
    sides: [KindOfSide; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct KindOfSide {
    /// Addresses that the settings name are the same on all nodes; for others, in which ranges they are.
    addresses: Vec<Result<IpAddr, Vec<bool>>>,
    node_ip_is_known: bool,
    node_ports: Option<Vec<Result<usize, IpAddr>>>,
    networks: Vec<(u8, Vec<Lies>)>,
    local_traffic: Option<Result<usize, Cidr>>,
    /// In which ranges those Pods of the node are that are in none of its networks, and whether each is one or several.
    pods: BTreeSet<(Vec<bool>, bool)>,
    /// The same for Pods that are known to be on other nodes although no network shows it.
    remote_pods: BTreeSet<(Vec<bool>, bool)>,
    /// In which ranges a Pod on the node is, and one on another node.
    clients: [Option<Vec<bool>>; 2],
}

/// How a network relates to a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lies {
    Apart,
    Inside,
    Around,
}

/// What the kinds of nodes depend on besides the nodes.
pub(super) struct Kinds {
    /// Ranges that rules match on.
    ranges: Vec<Cidr>,
    /// Addresses of the parts.
    pub(super) addresses: HashSet<IpAddr>,
    /// Whether hints make zones different.
    zones_matter: bool,
    pub(super) owners: Owners,
}

impl Kinds {
    /// What kinds of nodes depend on when these parts are compared.
    pub(super) fn new(
        (old, new): (&Frames<'_>, &Frames<'_>),
        parts: &[ClusterPart<'_>],
        owners: Owners,
    ) -> Kinds {
        let ports = || parts.iter().flat_map(|part| part.old.iter().chain(&part.new));
        let mut ranges: BTreeSet<(IpAddr, u8)> = BTreeSet::new();
        let mut add = |net: Cidr| _ = ranges.insert((net.network(), net.length()));
        ports().flat_map(|port| &port.source_ranges).for_each(|range| add(range.value));
        for state in [old.state, new.state] {
            state.cluster.service_cidrs.iter().for_each(|net| add(*net));
        }
        let frames = old.plans.first().into_iter().chain(new.plans.first());
        for frame in frames {
            if let (Some(LocalTraffic::From(net)), DetectLocal::ClusterCidr(_)) =
                (frame.local_traffic(), &new.state.settings.detect_local)
            {
                add(*net);
            }
        }
        Ground::named_addresses(new.family).into_iter().for_each(&mut add);
        let hinted = |port: &ServicePort| {
            port.endpoints.iter().any(|e| e.hints.as_ref().is_some_and(|hints| !hints.zones.is_empty()))
        };
        Kinds {
            ranges: ranges.into_iter().filter_map(|(ip, length)| Cidr::new(ip, length)).collect(),
            addresses: parts.iter().flat_map(|part| &part.addresses).copied().collect(),
            zones_matter: ports().any(|port| hinted(port)),
            owners,
        }
    }

    /// The kind of a node; none if it must be compared separately.
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
            pods: self.pods(&host.local_pods, family),
            remote_pods: self.pods(&host.remote_pods, family),
            clients: self.clients(host, family),
        })
    }

    fn pods(&self, pods: &BTreeSet<IpAddr>, family: Family) -> BTreeSet<(Vec<bool>, bool)> {
        let mut counts: HashMap<Vec<bool>, usize> = HashMap::new();
        for ip in pods.iter().filter(|ip| Family::of(**ip) == family) {
            *counts.entry(self.within(*ip)).or_default() += 1;
        }
        counts.into_iter().map(|(within, count)| (within, count > 1)).collect()
    }

    fn clients(&self, host: &Host, family: Family) -> [Option<Vec<bool>>; 2] {
        let neighbours = Neighbours::of(host);
        let found = [neighbours.here(family, |_| true), neighbours.elsewhere(family, |_| true)];
        found.map(|ip| Some(self.within(ip?)))
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
