//! What differs on all nodes between two states of a cluster, without a comparison for each of them.
//!
//! Most nodes differ only in their names and addresses. So the Services that differ, with all that is linked to them,
//! are found once for the cluster ([`super::unchanged`]), and put into parts of which no packet meets two
//! (`super::parts`). A part is compared once for each kind of node (`kinds`), and once for each node that it concerns:
//! because of an endpoint on it, a hint for it, an address in its networks. The pieces of a node's answer are then
//! looked up, and nodes with the same answer are grouped. Addresses that differ from node to node are named by their
//! role ("the node's IP").
//!
//! # An example
//!
//! One endpoint of `shop/web`, which has 25, moves in a cluster of 1,000 nodes. That Service is the only part; the 26
//! nodes that have an endpoint of it are compared, and one of the 974 others.
//!
//! # What is compared node by node
//!
//! Nodes without a kind, such as one whose address is an endpoint, or one that itself changes; and all nodes if rules
//! recognize Pods by their interface. `tests` compares the answers with separate comparisons of every node, on random
//! clusters.

mod cluster_part;
mod frames;
mod hosts;
mod kinds;
mod known_pods;
mod owners;
mod part_answer;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

pub use self::state::State;

use self::cluster_part::{ClusterPart, cluster_parts};
use self::frames::Frames;
use self::hosts::hosts;
use self::kinds::{Kind, Kinds};
use self::owners::Owners;
use self::part_answer::{PartAnswer, PartAnswers, exceptions};
use super::change::{FamilyChange, NodesAnswer, TrafficChange};
use super::consequence::Neighbours;
use super::node::{self, Level, Options};
use super::part_comparison::{PartChange, PartComparison};
use super::parts::{self, Part, Parts};
use super::rules_change::RulesChange;
use super::traffic::{Alike, Ground, Naming, Scope, Traffic};
use super::unchanged;
use crate::cluster::{Node, ServicePort};
use crate::diagnostic::{Checked, Diagnostics};
use crate::net::Family;
use crate::node::NodePlan;
use crate::parallel;
use crate::plan::{Plan, ServicePortPlan};
use crate::settings::DetectLocal;
use crate::walk::Host;

/// Compares nodes that both states have, in the order of their names. Answers are in the order of their first nodes.
///
/// # Errors
/// kube-proxy does not start on one of them.
pub fn compare(
    old: State<'_>,
    new: State<'_>,
    nodes: &[(&Node, &Node)],
    options: impl Into<Options>,
) -> Checked<Vec<NodesAnswer>> {
    let options = Options { naming: Naming::Role, ..options.into() };
    let families = node::families((old.cluster, old.settings), (new.cluster, new.settings));
    let mut found = Diagnostics::default();
    let of_family = |family| FamilyNodes::new(old, new, nodes, family, options.clone());
    let mut all: Vec<FamilyNodes<'_>> = families.iter().map(|family| of_family(*family)).collect();
    for (before, after) in nodes {
        for family in &mut all {
            found.append(family.frames.0.add(before)?.1);
        }
        for family in &mut all {
            found.append(family.frames.1.add(after)?.1);
        }
    }
    let answers: Vec<Vec<NodeAnswer>> = all.iter_mut().map(FamilyNodes::answers).collect();
    let mut sets: Vec<NodesAnswer> = Vec::new();
    let mut places: HashMap<Vec<usize>, usize> = HashMap::new();
    let is_only = families.len() == 1;
    for i in 0..nodes.len() {
        let of_node: Vec<&NodeAnswer> = answers.iter().filter_map(|answers| answers.get(i)).collect();
        let key = of_node.iter().map(|answer| answer.number).collect();
        let place = *places.entry(key).or_insert(sets.len());
        if place == sets.len() {
            let change = |(family, answer): (&mut FamilyNodes<'_>, &&NodeAnswer)| {
                let change = family.changes.get_mut(answer.number)?;
                // With only one family, every change belongs to one group.
                Some(if is_only { std::mem::take(change) } else { change.clone() })
            };
            let families = all.iter_mut().zip(&of_node).filter_map(change).collect();
            sets.push(NodesAnswer { nodes: Vec::new(), families, classes: 0, unchanged_service_ports: 0 });
        }
        if let Some(set) = sets.get_mut(place) {
            set.nodes.push(i);
            set.classes += of_node.iter().map(|answer| answer.classes).sum::<u64>();
            set.unchanged_service_ports += of_node.iter().map(|answer| answer.unchanged).sum::<usize>();
        }
    }
    found.check(sets)
}

/// What is known of a node in one family.
#[derive(Debug, Clone, Copy)]
struct NodeAnswer {
    /// The index of its change.
    number: usize,
    classes: u64,
    unchanged: usize,
}

/// The nodes in one family.
struct FamilyNodes<'a> {
    old: State<'a>,
    new: State<'a>,
    nodes: &'a [(&'a Node, &'a Node)],
    family: Family,
    options: Options,
    /// What is planned on each node apart from Service ports.
    frames: (Frames<'a>, Frames<'a>),
    changes: Vec<FamilyChange>,
}

impl<'a> FamilyNodes<'a> {
    fn new(
        old: State<'a>,
        new: State<'a>,
        nodes: &'a [(&'a Node, &'a Node)],
        family: Family,
        options: Options,
    ) -> FamilyNodes<'a> {
        FamilyNodes {
            old,
            new,
            nodes,
            family,
            options,
            frames: (Frames::new(old, family), Frames::new(new, family)),
            changes: Vec::new(),
        }
    }

    /// The answer of each node.
    fn answers(&mut self) -> Vec<NodeAnswer> {
        let owners = Owners::new([self.old.cluster, self.new.cluster], self.nodes);
        let trims = self.frames.0.is_large == self.frames.1.is_large
            && self.old.cluster.service_cidrs == self.new.cluster.service_cidrs
            && self.old.settings.makes_the_same_as(self.new.settings);
        let (parts, left_out) = cluster_parts((self.old, self.new), self.family, trims, &owners);
        let kinds = Kinds::new((&self.frames.0, &self.frames.1), &parts, owners);
        let hosts = hosts(self.nodes, (&self.frames.0, &self.frames.1));
        let mut numbers: HashMap<Kind, usize> = HashMap::new();
        let kind_of: Vec<Option<usize>> = (0..self.nodes.len())
            .map(|i| {
                let kind = self.kind(i, &kinds, hosts.get(i)?, trims)?;
                let next = numbers.len();
                Some(*numbers.entry(kind).or_insert(next))
            })
            .collect();
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); numbers.len()];
        for (i, kind) in kind_of.iter().enumerate() {
            kind.and_then(|kind| members.get_mut(kind)).into_iter().for_each(|members| members.push(i));
        }
        let base: Vec<PartAnswer> = parallel::each(&members, |members| {
            members.first().map(|node| self.base(*node, &hosts, &kinds)).unwrap_or_default()
        });
        let answers: Vec<PartAnswers> =
            parallel::each(&parts, |part| self.part_answers(part, &hosts, &kinds, (&kind_of, &members)));
        let by_kind: Vec<Vec<Option<usize>>> = (0..members.len())
            .map(|kind| answers.iter().map(|part| part.by_kind.get(kind).copied().flatten()).collect())
            .collect();
        let mut places: HashMap<(usize, Vec<(usize, usize)>), NodeAnswer> = HashMap::new();
        let mut found = Vec::with_capacity(self.nodes.len());
        for (i, kind) in kind_of.iter().enumerate() {
            let Some(kind) = *kind else {
                found.push(self.alone(i));
                continue;
            };
            let of_kind = by_kind.get(kind).map(Vec::as_slice).unwrap_or_default();
            let exceptions = exceptions(i, &answers, of_kind);
            let answer = match places.get(&(kind, exceptions.clone())) {
                Some(known) => *known,
                None => {
                    let mut all: Vec<Option<usize>> = of_kind.to_vec();
                    for (part, answer) in &exceptions {
                        all.get_mut(*part).into_iter().for_each(|entry| *entry = Some(*answer));
                    }
                    let parts = answers.iter().zip(&all).filter_map(|(part, at)| part.answers.get((*at)?));
                    let whole: Vec<&PartAnswer> = base.get(kind).into_iter().chain(parts).collect();
                    let answer = self.put_together(&whole, left_out);
                    places.insert((kind, exceptions), answer);
                    answer
                }
            };
            found.push(answer);
        }
        found
    }

    fn put_together(&mut self, parts: &[&PartAnswer], left_out: usize) -> NodeAnswer {
        let rules =
            self.with_rules().then(|| RulesChange::of_parts(parts.iter().map(|part| part.rules.clone())));
        let traffic = (self.options.level != Level::Rules)
            .then(|| TrafficChange::new(Traffic::of_parts(parts.iter().map(|part| part.traffic.clone()))));
        let change = FamilyChange {
            family: self.family.lower_name(),
            rules,
            traffic,
            services: parts.iter().flat_map(|part| part.services.iter().cloned()).collect(),
        };
        NodeAnswer {
            number: self.add(change),
            classes: parts.iter().map(|part| part.traffic.classes).sum(),
            unchanged: left_out + parts.iter().map(|part| part.unchanged).sum::<usize>(),
        }
    }

    /// Nodes of different kinds can have the same answer; with many answers, that is not searched for.
    fn add(&mut self, change: FamilyChange) -> usize {
        let known = self.changes.iter().take(MANY).position(|other| *other == change);
        known.unwrap_or_else(|| {
            self.changes.push(change);
            self.changes.len() - 1
        })
    }

    fn with_rules(&self) -> bool {
        self.options.level != Level::Traffic && self.old.settings.mode == self.new.settings.mode
    }

    /// Compares a node separately.
    fn alone(&mut self, i: usize) -> NodeAnswer {
        let plans = self.nodes.get(i).and_then(|(old, new)| {
            let plan = |state: State<'a>, node| {
                NodePlan::new(state.cluster, state.settings, state.sources, node, self.family).ok()
            };
            Some((plan(self.old, old)?.0, plan(self.new, new)?.0))
        });
        let found = node::compare(plans, self.options.clone());
        let change = found.families.into_iter().next();
        let empty = FamilyChange {
            family: self.family.lower_name(),
            rules: None,
            traffic: None,
            services: Vec::new(),
        };
        NodeAnswer {
            number: self.add(change.unwrap_or(empty)),
            classes: found.classes,
            unchanged: found.unchanged_service_ports,
        }
    }

    fn kind(&self, i: usize, kinds: &Kinds, hosts: &(Host, Host), trims: bool) -> Option<Kind> {
        let plans = (self.frames.0.plans.get(i)?, self.frames.1.plans.get(i)?);
        if trims
            && !(plans.0.is_same_beside_service_ports(plans.1) && unchanged::same_ways(&hosts.0, &hosts.1))
        {
            return None;
        }
        // When every node differs, a kind of connections can consist of only an address of a part that no rule of this
        // node matches on.
        let is_of_part = |ip: &IpAddr| kinds.addresses.contains(ip);
        if !trims && hosts.0.local_pods.iter().chain(&hosts.1.local_pods).any(is_of_part) {
            return None;
        }
        // Rules with the node's own network are different on each node.
        if self.with_rules() && self.new.settings.detect_local == DetectLocal::NodeCidr {
            return None;
        }
        let nodes = self.nodes.get(i)?;
        kinds.of(*nodes, plans, (&hosts.0, &hosts.1), (self.old.settings, self.new.settings))
    }

    /// What a node has without Services.
    fn base(&self, node: usize, hosts: &[(Host, Host)], kinds: &Kinds) -> PartAnswer {
        let of_parts: BTreeSet<IpAddr> = kinds.addresses.iter().copied().collect();
        self.compared(node, hosts, |comparison, old, new| {
            let part =
                Part { old: old.with_service_ports(Vec::new()), new: new.with_service_ports(Vec::new()) };
            vec![comparison.of(part, Scope::Rest(&of_parts), &Alike::default(), None)]
        })
    }

    fn compared(
        &self,
        node: usize,
        hosts: &[(Host, Host)],
        work: impl FnOnce(&PartComparison<'_>, &Plan<'a>, &Plan<'a>) -> Vec<PartChange>,
    ) -> PartAnswer {
        let frames = self.frames.0.plans.get(node).zip(self.frames.1.plans.get(node));
        let Some(((old, new), (old_host, new_host))) =
            frames.zip(hosts.get(node).map(|(old, new)| (old, new)))
        else {
            return PartAnswer::default();
        };
        let ground = Ground::new(old_host, new_host, self.family).named_by(Naming::Role);
        let comparison = PartComparison {
            ground: &ground,
            neighbours: &Neighbours::of(new_host),
            with_rules: self.with_rules(),
            with_traffic: self.options.level != Level::Rules,
            assumed: &self.options.assumed,
        };
        let mut all = PartChange::default();
        work(&comparison, old, new).into_iter().for_each(|part| all.absorb(part));
        PartAnswer {
            rules: all.rules.into_iter().flatten().collect(),
            traffic: Traffic::of_parts(all.traffic),
            services: all.services,
            unchanged: 0,
        }
    }

    fn part_answers(
        &self,
        part: &ClusterPart<'a>,
        hosts: &[(Host, Host)],
        kinds: &Kinds,
        (kind_of, members): (&[Option<usize>], &[Vec<usize>]),
    ) -> PartAnswers {
        let special = self.special(part, kinds);
        let mut answers = PartAnswers::default();
        for members in members {
            let first = members.iter().find(|node| !special.contains(node));
            let answer = first.map(|node| answers.add(self.part_answer(part, *node, hosts)));
            answers.by_kind.push(answer);
        }
        for node in special {
            if kind_of.get(node).is_some_and(Option::is_some) {
                let answer = answers.add(self.part_answer(part, node, hosts));
                answers.by_node.insert(node, answer);
            }
        }
        answers
    }

    /// Nodes that a part concerns.
    fn special(&self, part: &ClusterPart<'_>, kinds: &Kinds) -> BTreeSet<usize> {
        let number = |name: &str| self.nodes.binary_search_by(|(_, new)| new.name.as_str().cmp(name)).ok();
        let mut special: BTreeSet<usize> = part
            .addresses
            .iter()
            .flat_map(|ip| kinds.owners.nodes(*ip))
            .filter(|i| *i < self.nodes.len())
            .collect();
        for endpoint in part.old.iter().chain(&part.new).flat_map(|port| &port.endpoints) {
            special.extend(endpoint.node_name.as_deref().and_then(number));
            let hinted = endpoint.hints.iter().flat_map(|hints| &hints.nodes);
            special.extend(hinted.filter_map(|name| number(name)));
        }
        special
    }

    fn part_answer(&self, part: &ClusterPart<'a>, node: usize, hosts: &[(Host, Host)]) -> PartAnswer {
        let Some((old_node, new_node)) = self.nodes.get(node) else { return PartAnswer::default() };
        let planned = |ports: &[&'a ServicePort], settings, node| -> Vec<ServicePortPlan<'a>> {
            ports.iter().map(|port| ServicePortPlan::new(port, settings, node)).collect()
        };
        let mut unchanged = 0;
        let mut answer = self.compared(node, hosts, |comparison, old, new| {
            let mut old = old.with_service_ports(planned(&part.old, self.old.settings, old_node));
            let mut new = new.with_service_ports(planned(&part.new, self.new.settings, new_node));
            let (old_host, new_host) = comparison.ground.hosts();
            if old.mode() == new.mode() && unchanged::same_ways(old_host, new_host) {
                unchanged = unchanged::leave_out_of_plans(&mut old, &mut new);
            }
            let Parts { parts, .. } = parts::split(old, new);
            comparison.of_parts(parts)
        });
        answer.unchanged = unchanged;
        answer
    }
}

/// With more different answers than this, they are not compared with each other.
const MANY: usize = 64;
