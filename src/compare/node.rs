//! What differs on one node between two states of a cluster.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::consequence::{self, ServiceOnNode};
use super::diff::{self, FamilyChange, NodeChange, TrafficChange};
use super::{traffic, unchanged};
use crate::cluster::{Cluster, Node};
use crate::names::ServiceName;
use crate::net::Family;
use crate::node::{self, NodePlan, NodeRules};
use crate::parallel::both;
use crate::settings::Settings;
use crate::walk::Walker;

/// What is compared.
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
    /// What is worth comparing: between modes or releases nearly every rule differs, so traffic only.
    pub fn between(old: &Settings, new: &Settings) -> Level {
        let same = old.mode == new.mode && old.release == new.release;
        if same { Level::All } else { Level::Traffic }
    }
}

/// The nodes of two states.
#[derive(Debug, Default)]
pub struct NodePairs<'o, 'n> {
    /// Nodes that are in both, by name.
    pub both: Vec<(&'o Node, &'n Node)>,
    /// Names of nodes that only the new state has.
    pub added: Vec<String>,
    /// Names of nodes that only the old state has.
    pub removed: Vec<String>,
}

impl<'o, 'n> NodePairs<'o, 'n> {
    /// Pairs the nodes of two states by name.
    pub fn of(old: &'o Cluster, new: &'n Cluster) -> NodePairs<'o, 'n> {
        let names = |cluster: &'_ Cluster| -> BTreeSet<_> {
            cluster.nodes.iter().map(|node| node.name.clone()).collect()
        };
        let (before, after) = (names(old), names(new));
        NodePairs {
            both: before.iter().filter_map(|name| Some((old.node(name)?, new.node(name)?))).collect(),
            added: after.difference(&before).map(ToString::to_string).collect(),
            removed: before.difference(&after).map(ToString::to_string).collect(),
        }
    }
}

/// The families to compare: those that either state asks for or has Services in. A side without Services in one of them
/// is compared as a node that serves nothing there.
pub fn families(old: (&Cluster, &Settings), new: (&Cluster, &Settings)) -> Vec<Family> {
    let (before, after) = (node::families(old.0, old.1), node::families(new.0, new.1));
    Family::ALL.into_iter().filter(|family| before.contains(family) || after.contains(family)).collect()
}

/// What to compare, and how to name what is found.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is compared.
    pub level: Level,
    /// Addresses of Pods that nobody gave them but `--assume`.
    pub assumed: Arc<BTreeSet<IpAddr>>,
}

impl From<Level> for Options {
    fn from(level: Level) -> Options {
        Options { level, assumed: Arc::default() }
    }
}

/// Compares a node, family by family, each pair of plans for the same one.
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
        let (old, new) = both(|| old.compile(), || new.compile());
        let FamilyFound { change, classes, services } = find(&old, &new, &options);
        found.families.push(change);
        found.classes += classes;
        found.services.extend(services);
    }
    found
}

/// What differs on a node in one family.
#[derive(Debug)]
pub struct FamilyFound {
    /// What changes.
    pub change: FamilyChange,
    /// How many kinds of connections were compared.
    pub classes: u64,
    /// What happens to the Services that change.
    pub services: Vec<ServiceOnNode>,
}

/// Compares a node's rules in one family; tells also how many kinds of connections were compared. Rules of different
/// languages cannot be compared one by one, traffic can.
pub fn family(old: &NodeRules<'_>, new: &NodeRules<'_>, level: Level) -> (FamilyChange, u64) {
    let found = find(old, new, &level.into());
    (found.change, found.classes)
}

/// The same, with what happens to the Services that change.
pub fn find(old: &NodeRules<'_>, new: &NodeRules<'_>, options: &Options) -> FamilyFound {
    let level = options.level;
    let with_rules = level != Level::Traffic && old.ruleset.mode() == new.ruleset.mode();
    let plans = (old.plan.as_ref(), new.plan.as_ref());
    let walkers = (&Walker::of(old), &Walker::of(new));
    let (rules, traffic) = both(
        || with_rules.then(|| diff::rules(old, new)),
        || {
            let compare =
                || traffic::flows_of_plans(walkers, new.family(), plans, &options.assumed, &|_| None);
            (level != Level::Rules).then(compare)
        },
    );
    let classes = traffic.as_ref().map_or(0, |traffic| traffic.classes);
    let traffic = traffic.map(TrafficChange::new);
    let change = FamilyChange { family: new.family().lower_name(), rules, traffic };
    let services = match &change.traffic {
        Some(_) => {
            let changed = changed_services(&change, (old, new));
            consequence::on_node(&changed, (old, new), walkers, &options.assumed)
        }
        None => Vec::new(),
    };
    FamilyFound { change, classes, services }
}

/// Services of which anything changes.
fn changed_services(
    change: &FamilyChange,
    (old, new): (&NodeRules<'_>, &NodeRules<'_>),
) -> BTreeSet<ServiceName> {
    let groups = change.rules.iter().flat_map(|rules| &rules.groups);
    let flows = change.traffic.iter().flat_map(|traffic| &traffic.flows);
    let of_flows = flows.filter(|flow| !flow.target.is_empty()).filter_map(|flow| flow.service.as_deref());
    let named = groups.filter_map(|group| group.service.as_deref()).chain(of_flows);
    let mut changed: BTreeSet<ServiceName> = named.filter_map(ServiceName::parse).collect();
    // No rule tells of the sockets that kube-proxy opens itself.
    if let (Some(old), Some(new)) = (&old.plan, &new.plan)
        && old.loopback_node_ports() != new.loopback_node_ports()
    {
        let with_node_port = new.service_ports().iter().filter(|port| port.node_port().is_some());
        changed.extend(with_node_port.map(|port| port.service_port().name.service_name()));
    }
    changed
}
