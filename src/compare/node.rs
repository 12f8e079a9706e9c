//! What differs on one node between two states of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::change::{FamilyChange, NodeChange, TrafficChange};
use super::consequence::{self, Neighbours};
use super::part_comparison::{PartChange, PartComparison, changed_services};
use super::parts::{self, Part, Parts};
use super::rules_change::{RulesChange, rules};
use super::traffic::{Alike, Ground, Naming, Scope, Traffic};
use super::{traffic, unchanged};
use crate::cluster::{Cluster, Node};
use crate::names::ServiceName;
use crate::net::Family;
use crate::node::{self, NodePlan, NodeRules};
use crate::parallel::both;
use crate::settings::Settings;
use crate::walk::Walker;

/// What to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Rule by rule.
    Rules,
    /// What happens to packets.
    Traffic,
    /// Both.
    All,
}

impl Level {
    /// What is worth comparing: between modes or releases nearly every rule differs, so only traffic.
    pub fn between(old: &Settings, new: &Settings) -> Level {
        let same = old.mode == new.mode && old.release == new.release;
        if same { Level::All } else { Level::Traffic }
    }
}

/// The nodes of two states.
#[derive(Debug, Default)]
pub struct NodePairs<'o, 'n> {
    /// Nodes that both states have, by name.
    pub both: Vec<(&'o Node, &'n Node)>,
    /// Names of nodes that only the new state has.
    pub added: Vec<String>,
    /// Names of nodes that only the old state has.
    pub removed: Vec<String>,
}

impl<'o, 'n> NodePairs<'o, 'n> {
    /// Pairs the nodes of two states by name.
    pub fn of(old: &'o Cluster, new: &'n Cluster) -> NodePairs<'o, 'n> {
        let before: BTreeMap<&str, &Node> = by_name(old);
        let after: BTreeMap<&str, &Node> = by_name(new);
        let missing = |nodes: &BTreeMap<&str, &Node>, others: &BTreeMap<&str, &Node>| {
            nodes.keys().filter(|name| !others.contains_key(*name)).map(ToString::to_string).collect()
        };
        NodePairs {
            both: before.iter().filter_map(|(name, node)| Some((*node, *after.get(name)?))).collect(),
            added: missing(&after, &before),
            removed: missing(&before, &after),
        }
    }
}

/// Where several nodes have the same name, the first.
fn by_name(cluster: &Cluster) -> BTreeMap<&str, &Node> {
    let mut nodes = BTreeMap::new();
    cluster.nodes.iter().for_each(|node| _ = nodes.entry(node.name.as_str()).or_insert(node));
    nodes
}

/// The families to compare: those that either state asks for or has Services in. A side without Services in a family is
/// compared as a node that serves nothing there.
pub fn families(old: (&Cluster, &Settings), new: (&Cluster, &Settings)) -> Vec<Family> {
    let (before, after) = (node::families(old.0, old.1), node::families(new.0, new.1));
    Family::ALL.into_iter().filter(|family| before.contains(family) || after.contains(family)).collect()
}

/// What to compare, and how to name what is found.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is compared.
    pub level: Level,
    /// Addresses that only `--assume` gave to Pods and Services.
    pub assumed: Arc<BTreeSet<IpAddr>>,
    /// How a node that is compared alone has its addresses named; with several, they are named by role.
    pub naming: Naming,
}

impl From<Level> for Options {
    fn from(level: Level) -> Options {
        Options { level, assumed: Arc::default(), naming: Naming::Address }
    }
}

/// Compares a node family by family, with a pair of plans for each.
pub fn compare<'o, 'n>(
    plans: impl IntoIterator<Item = (NodePlan<'o>, NodePlan<'n>)>,
    options: impl Into<Options>,
) -> NodeChange {
    let options = options.into();
    let mut found = NodeChange::default();
    for (mut old, mut new) in plans {
        if old.plan.mode() == new.plan.mode() {
            found.unchanged_service_ports += unchanged::leave_out(&mut old, &mut new);
        }
        let (change, classes) = by_parts(old, new, &options);
        found.families.push(change);
        found.classes += classes;
    }
    found
}

/// Compares a node's rules in one family, each part separately.
fn by_parts(old: NodePlan<'_>, new: NodePlan<'_>, options: &Options) -> (FamilyChange, u64) {
    let family = new.plan.family();
    let level = options.level;
    let comparison = PartComparison {
        ground: &Ground::new(&old.host, &new.host, family).named_by(options.naming),
        neighbours: &Neighbours::of(&new.host),
        with_rules: level != Level::Traffic && old.plan.mode() == new.plan.mode(),
        with_traffic: level != Level::Rules,
        assumed: &options.assumed,
    };
    let Parts { base, parts } = parts::split(old.plan, new.plan);
    let of_parts: BTreeSet<IpAddr> = parts.iter().flat_map(Part::addresses).collect();
    let base = Part { old: base.0, new: base.1 };
    let base = comparison.of(base, Scope::Rest(&of_parts), &Alike::default(), None);
    let parts = comparison.of_parts(parts);
    let mut all = PartChange::default();
    std::iter::once(base).chain(parts).for_each(|part| all.absorb(part));
    let rules = comparison.with_rules.then(|| RulesChange::of_parts(all.rules));
    let traffic = comparison.with_traffic.then(|| Traffic::of_parts(all.traffic));
    let classes = traffic.as_ref().map_or(0, |traffic| traffic.classes);
    let traffic = traffic.map(TrafficChange::new);
    (FamilyChange { family: family.lower_name(), rules, traffic, services: all.services }, classes)
}

/// Compares a node's rules in one family, and counts the kinds of connections compared. Rules of different languages
/// cannot be compared one by one; traffic can.
pub fn family(old: &NodeRules<'_>, new: &NodeRules<'_>, level: Level) -> (FamilyChange, u64) {
    let with_rules = level != Level::Traffic && old.ruleset.mode() == new.ruleset.mode();
    let plans = (old.plan.as_ref(), new.plan.as_ref());
    let walkers = (&Walker::of(old), &Walker::of(new));
    let assumed = Arc::default();
    let (rules, traffic) = both(
        || with_rules.then(|| rules(old, new)),
        || {
            let flows = || traffic::flows_of_plans(walkers, new.family(), plans, &assumed, &|_| None);
            (level != Level::Rules).then(flows)
        },
    );
    let mut services = Vec::new();
    if let Some(traffic) = &traffic {
        let groups = rules.iter().flat_map(|rules| &rules.groups);
        let named = groups.filter_map(|group| ServiceName::parse(group.service.as_deref()?)).collect();
        let changed = changed_services(named, traffic, plans);
        let around = ((&old.host, &new.host), &Neighbours::of(&new.host));
        let found = consequence::on_node(&changed, plans, around, walkers, None, &assumed);
        services.extend(found.into_iter().map(Arc::new));
    }
    let classes = traffic.as_ref().map_or(0, |traffic| traffic.classes);
    let traffic = traffic.map(|traffic| TrafficChange::new(traffic.into()));
    (FamilyChange { family: new.family().lower_name(), rules, traffic, services }, classes)
}
