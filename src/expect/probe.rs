//! Finds what happens on nodes to packets to one address. Nodes with the same rules for it give the same answer, so
//! only one of them is used.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::clients::Sender;
use super::endings::Endings;
use super::ground::{Address, Ground, Here};
use super::parts::Parts;
use crate::node::{Host, NodeRules};
use crate::plan::{NodePorts, Plan};
use crate::ruleset::Ruleset;
use crate::walk::{ClientKind, Packet, Walker};

/// The rules for an address, on every node that was used.
pub(super) struct Probe<'p> {
    ground: &'p Ground<'p>,
    address: &'p Address,
    parts: &'p Parts,
    /// Whether sources are told apart by network: then one node's answer does not hold for another.
    tells_sources: bool,
    answers: Vec<Group<'p>>,
    /// By node, and whether a similar node may represent it.
    group_of: BTreeMap<(usize, bool), usize>,
    known: BTreeMap<(usize, ClientKind), Endings>,
}

/// Nodes with the same rules for an address.
struct Group<'p> {
    /// The node that the rules are from.
    node: usize,
    side: usize,
    rules: NodeRules<'p>,
}

impl<'p> Probe<'p> {
    pub(super) fn new(ground: &'p Ground<'p>, address: &'p Address, parts: &'p Parts) -> Probe<'p> {
        Probe {
            ground,
            address,
            parts,
            tells_sources: !parts.source_ranges().is_empty(),
            answers: Vec::new(),
            group_of: BTreeMap::new(),
            known: BTreeMap::new(),
        }
    }

    /// What happens to packets of a sender on a node, with one of them; no packet if the sender has no address.
    pub(super) fn ask(&mut self, node: usize, sender: &Sender) -> (Option<Packet>, Endings) {
        let Some(here) = self.ground.nodes.get(node).copied() else { return (None, Endings::NOT_KNOWN) };
        let Some(packet) = self.packet(here, sender) else { return (None, Endings::NOT_KNOWN) };
        let is_alike = sender.stands_for_kind && !self.tells_sources;
        let Some(group) = self.group(node, here, is_alike) else { return (Some(packet), Endings::NOT_KNOWN) };
        let key = (group, packet.client);
        if let Some(known) = self.known.get(&key).filter(|_| is_alike) {
            return (Some(packet), *known);
        }
        let Some(Group { rules, .. }) = self.answers.get(group) else {
            return (Some(packet), Endings::NOT_KNOWN);
        };
        // A group's rules are those of its first node: another node's packet may meet that node's own addresses.
        let packet_there = match is_alike {
            true => self.packet_on(rules, sender, packet),
            false => packet,
        };
        let endings = Endings::of(&Walker::of(rules), rules.plan.as_ref(), &packet_there);
        if is_alike {
            self.known.insert(key, endings);
        }
        (Some(packet), endings)
    }

    fn packet(&self, here: Here<'_>, sender: &Sender) -> Option<Packet> {
        let own = own_address(here, self.address, self.ground);
        let destination = self.address.at(own)?;
        let protocol = self.address.protocol;
        let source = match sender.ip {
            Some(ip) => ip,
            None if destination.ip().is_loopback() => self.address.family.loopback(),
            None => self.ground.node_ips.get(&destination.ip()).map_or(own, |_| {
                let is_own = here.node.internal_ips.contains(&destination.ip())
                    || here.node.external_ips.contains(&destination.ip());
                if is_own { Some(destination.ip()) } else { own }
            })?,
        };
        Some(Packet::plain(protocol, source, destination, sender.kind))
    }

    /// The same packet on the node whose rules represent others.
    fn packet_on(&self, rules: &NodeRules<'_>, sender: &Sender, packet: Packet) -> Packet {
        let own = rules.host.primary_address(self.address.family);
        let destination = self.address.at(own).unwrap_or(packet.destination);
        let source = match sender.ip {
            Some(ip) => ip,
            None => rules.host.source_to(destination),
        };
        Packet { destination, source, ..packet }
    }

    /// The group of a node: that of a similar node, if that is allowed, or its own.
    fn group(&mut self, node: usize, here: Here<'p>, may_be_alike: bool) -> Option<usize> {
        if let Some(group) = self.group_of.get(&(node, may_be_alike)) {
            return Some(*group);
        }
        let settings = self.ground.sides.get(here.side)?.settings;
        let part = self.parts.of_side(here.side)?;
        let (plan, _) = Plan::new(part, settings, here.node, self.address.family).ok()?;
        let is_alike = |group: &Group<'_>| {
            let known = group.rules.plan.as_ref();
            group.node == node
                || may_be_alike
                    && group.side == here.side
                    && known.is_some_and(|known| are_alike(known, &plan))
        };
        let group = self.answers.iter().position(is_alike).unwrap_or_else(|| {
            let host = Host::of_node(part, here.node, [&plan]);
            let ruleset = Ruleset::compile(&plan);
            let mut rules = NodeRules::new(ruleset, host);
            rules.plan = Some(plan);
            self.answers.push(Group { node, side: here.side, rules });
            self.answers.len() - 1
        });
        self.group_of.insert((node, may_be_alike), group);
        Some(group)
    }
}

/// The address that identifies a node, in the family of an address.
pub(super) fn own_address(here: Here<'_>, address: &Address, ground: &Ground<'_>) -> Option<IpAddr> {
    let settings = ground.sides.get(here.side)?.settings;
    let of_family = |ip: &IpAddr| crate::net::Family::of(*ip) == address.family;
    let bind = settings.bind_address.filter(of_family).filter(|ip| !ip.is_loopback());
    let listed = here.node.internal_ips.iter().chain(&here.node.external_ips).copied().find(of_family);
    bind.or(listed).or_else(|| settings.host.addresses.iter().copied().find(of_family))
}

/// Whether two nodes do the same with packets to an address from similar clients, except for their own addresses.
fn are_alike(one: &Plan<'_>, other: &Plan<'_>) -> bool {
    let ports = || one.service_ports().iter().zip(other.service_ports());
    one.has_rules_in_common_with(other)
        && one.service_ports().len() == other.service_ports().len()
        && ports().all(|(a, b)| a.is_unchanged(b))
        && serves_own_address(one) == serves_own_address(other)
        && !claims_node(one)
        && !claims_node(other)
}

/// Whether node ports are served at the node's own address; none if it has none.
fn serves_own_address(plan: &Plan<'_>) -> Option<bool> {
    let own = plan.node_ip();
    let is_served = || match plan.node_ports() {
        NodePorts::AllLocal => true,
        NodePorts::Addresses(addresses) => addresses.contains(&own),
    };
    (!own.is_loopback()).then(is_served)
}

/// Whether a Service port or an endpoint has an address of the node.
fn claims_node(plan: &Plan<'_>) -> bool {
    let own = plan.interface_addresses();
    plan.service_ports().iter().map(|port| port.service_port()).any(|port| {
        let external = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value);
        let endpoints = port.endpoints.iter().map(|endpoint| endpoint.ip);
        external.chain([port.cluster_ip]).chain(endpoints).any(|ip| own.contains(&ip))
    })
}
