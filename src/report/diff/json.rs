//! As JSON: each part of what changes (a chain, a kind of connections, a statement) stands once, with the set of nodes
//! on which it holds. What a node has is what its sets have, and one node compared alone has the same parts.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use serde::Serialize;

use super::node_sets::{NodeSetJson, NodeSets};
use super::rules;
use crate::compare::change::{KnownReason, TrafficChange};
use crate::compare::consequence::Statement;
use crate::compare::diff::{Advice, Diff, ReleaseChange, ServiceReport};
use crate::compare::migration::{KnownDifference, Migration, Proxy};
use crate::compare::pre_flight::PreFlight;
use crate::compare::rules_change::PlaceChange;
use crate::compare::traffic::{Flow, Unknown};

/// Name and version of the JSON form.
pub const SCHEMA: &str = "kuberules.diff/v3";

/// What differs between two states of a cluster.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DiffJson<'d> {
    /// Name and version of this form.
    schema: &'static str,
    /// What the old side is, such as `before.yaml` or `1.33`.
    old: &'d str,
    /// What the new side is.
    new: &'d str,
    /// How many nodes were compared.
    nodes: usize,
    /// Their names.
    node_names: &'d [String],
    /// Sets of these nodes. A `nodeSet` anywhere below is a position in this list, from 0.
    node_sets: Vec<NodeSetJson>,
    /// The change of kube-proxy's mode or release, if the sides differ in it: then known differences are expected.
    migration: Option<MigrationJson<'d>>,
    /// How many Services there are on either side.
    service_count: usize,
    /// What happens to each Service that changes, the worst first.
    services: Vec<ServiceJson<'d>>,
    /// The rules, if they were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<RulesJson<'d>>,
    /// The traffic, if it was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic: Option<TrafficJson<'d>>,
    /// Nodes that only the new side has.
    nodes_added: &'d [String],
    /// Nodes that only the old side has.
    nodes_removed: &'d [String],
    /// How many kinds of connections were compared on all nodes, that is, could be followed on both sides; none if
    /// traffic was not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<u64>,
    /// Service ports that are the same on both sides, counted for each node and family.
    unchanged_service_ports: usize,
    /// Which changes come only from the release, if the nodes of the two snapshots report different ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'d ReleaseChange>,
    /// What to look at before an upgrade of kube-proxy.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    before_upgrade: &'d [Advice],
}

/// Something that holds on some nodes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "{T}OnNodes"))]
#[serde(rename_all = "camelCase")]
struct OnNodes<T> {
    /// The nodes, by the position of their set in `nodeSets`.
    node_set: usize,
    #[serde(flatten)]
    part: T,
}

/// The same in one IP family.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "{T}InFamily"))]
struct InFamily<T> {
    /// `ipv4` or `ipv6`
    family: &'static str,
    #[serde(flatten)]
    part: T,
}

/// A change of kube-proxy's mode or release.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct MigrationJson<'d> {
    /// Before.
    from: &'d Proxy,
    /// After.
    to: &'d Proxy,
    /// The known differences that affect some connection, with the nodes where they apply.
    known: Vec<OnNodes<&'d KnownDifference>>,
    /// What was checked on the nodes, and the result.
    pre_flight: &'d [PreFlight],
}

/// What happens to a Service, and why.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ServiceJson<'d> {
    #[serde(flatten)]
    report: &'d ServiceReport,
    /// What changes, the worst first.
    statements: Vec<OnNodes<&'d Statement>>,
}

/// What changes in the rules. What several nodes share is counted once.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RulesJson<'d> {
    /// Rules and elements added.
    added: usize,
    /// Rules and elements removed.
    removed: usize,
    /// Rules in which only the probability differs.
    rewritten: usize,
    /// By Service and family; what every node has comes last.
    groups: Vec<GroupJson<'d>>,
}

/// What changes in the rules of one Service, or in those that every node has.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct GroupJson<'d> {
    /// `namespace/name`; none for rules that every node has.
    service: Option<&'d str>,
    /// `ipv4` or `ipv6`
    family: &'static str,
    /// What changed about the Service itself, in words.
    changes: Vec<OnNodes<Remark<'d>>>,
    /// The chains and sets.
    places: Vec<OnNodes<&'d PlaceChange>>,
}

/// What changed about a Service itself.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Remark<'d> {
    /// In words.
    words: &'d str,
}

/// What changes for packets of new connections. Addresses of a node are named by their role, such as `the node's IP`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TrafficJson<'d> {
    /// The connections whose outcome changes.
    flows: Vec<OnNodes<InFamily<&'d Flow>>>,
    /// The known differences between modes and releases that explain some of them.
    reasons: Vec<&'d KnownReason>,
    /// Kinds of connections that could not be compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<OnNodes<InFamily<&'d Unknown>>>,
}

/// What is printed as JSON.
pub fn document(diff: &Diff) -> DiffJson<'_> {
    let mut sets = NodeSets::new(diff);
    let migration = diff.migration.as_ref().map(|migration| of_migration(migration, &mut sets));
    let services = diff.services.iter().map(|report| service(report, &mut sets)).collect();
    let rules = diff.compares_rules.then(|| of_rules(diff, &mut sets));
    let traffic = diff.classes.map(|_| of_traffic(diff, &mut sets));
    DiffJson {
        schema: SCHEMA,
        old: &diff.old,
        new: &diff.new,
        nodes: diff.nodes,
        node_names: &diff.node_names,
        node_sets: sets.finish(),
        migration,
        service_count: diff.service_count,
        services,
        rules,
        traffic,
        nodes_added: &diff.nodes_added,
        nodes_removed: &diff.nodes_removed,
        classes: diff.classes,
        unchanged_service_ports: diff.unchanged_service_ports,
        release: diff.release.as_ref(),
        before_upgrade: &diff.before_upgrade,
    }
}

fn of_migration<'d>(migration: &'d Migration, sets: &mut NodeSets<'_>) -> MigrationJson<'d> {
    let Migration { from, to, known, pre_flight } = migration;
    let known = known.iter().map(|known| OnNodes { node_set: sets.of(&known.nodes), part: known }).collect();
    MigrationJson { from, to, known, pre_flight }
}

fn service<'d>(report: &'d ServiceReport, sets: &mut NodeSets<'d>) -> ServiceJson<'d> {
    let statements = report.consequence.statements.iter();
    let statements = statements.map(|part| OnNodes { node_set: sets.of_shared(&part.nodes), part }).collect();
    ServiceJson { report, statements }
}

fn of_rules<'d>(diff: &'d Diff, sets: &mut NodeSets<'_>) -> RulesJson<'d> {
    let groups = rules::groups(diff);
    let (added, removed) = rules::counts(&groups);
    let rewritten = groups.iter().flat_map(|group| &group.places).map(|on| on.place.rewritten).sum();
    let mut group = |group: rules::Group<'d>| GroupJson {
        service: group.service,
        family: group.family,
        changes: group
            .remarks
            .iter()
            .map(|(words, nodes)| OnNodes { node_set: sets.of(nodes), part: Remark { words } })
            .collect(),
        places: group
            .places
            .iter()
            .map(|on| OnNodes { node_set: sets.of(&on.nodes), part: on.place })
            .collect(),
    };
    RulesJson { added, removed, rewritten, groups: groups.into_iter().map(&mut group).collect() }
}

fn of_traffic<'d>(diff: &'d Diff, sets: &mut NodeSets<'_>) -> TrafficJson<'d> {
    let (mut flows, mut unknown) = (Parts::default(), Parts::default());
    let mut reasons = BTreeSet::new();
    for (number, family, traffic) in traffic_of_changes(diff) {
        traffic.flows.iter().for_each(|flow| flows.add(number, family, flow.as_ref()));
        traffic.unknown.iter().for_each(|one| unknown.add(number, family, one));
        reasons.extend(&traffic.reasons);
    }
    TrafficJson {
        flows: flows.finish(in_order, sets),
        reasons: reasons.into_iter().collect(),
        unknown: unknown.finish(|a, b| (&a.reason, a.side).cmp(&(&b.reason, b.side)), sets),
    }
}

/// The traffic of each change and family, with the number of the change.
fn traffic_of_changes(diff: &Diff) -> impl Iterator<Item = (usize, &'static str, &TrafficChange)> {
    diff.changes.iter().enumerate().flat_map(|(number, change)| {
        let families = change.families.iter();
        families.filter_map(move |family| Some((number, family.family, family.traffic.as_ref()?)))
    })
}

/// By Service, those of none last; what goes to a port of a Service, and what people ask about, comes first.
fn in_order(a: &Flow, b: &Flow) -> Ordering {
    let rank = |flow: &Flow| (flow.target.is_empty(), flow.special, flow.place);
    let words = |a: &Flow, b: &Flow| {
        let ends = (&a.target, &a.to, &a.from).cmp(&(&b.target, &b.to, &b.from));
        ends.then_with(|| (&a.before, &a.after, &a.source).cmp(&(&b.before, &b.after, &b.source)))
    };
    let service = (a.service.is_none(), &a.service).cmp(&(b.service.is_none(), &b.service));
    service.then_with(|| rank(a).cmp(&rank(b))).then_with(|| words(a, b))
}

/// What changes have in common, each once.
struct Parts<'d, T> {
    /// Thousands of nodes can share one value, which is looked at only once.
    by_place: HashMap<(&'static str, *const T), usize>,
    by_value: HashMap<(&'static str, &'d T), usize>,
    parts: Vec<(InFamily<&'d T>, BTreeSet<usize>)>,
}

impl<T> Default for Parts<'_, T> {
    fn default() -> Self {
        Parts { by_place: HashMap::new(), by_value: HashMap::new(), parts: Vec::new() }
    }
}

impl<'d, T: Hash + Eq> Parts<'d, T> {
    fn add(&mut self, change: usize, family: &'static str, part: &'d T) {
        let next = self.parts.len();
        let by_value = &mut self.by_value;
        let find = || *by_value.entry((family, part)).or_insert(next);
        let number = *self.by_place.entry((family, std::ptr::from_ref(part))).or_insert_with(find);
        if number == next {
            self.parts.push((InFamily { family, part }, BTreeSet::new()));
        }
        if let Some((_, changes)) = self.parts.get_mut(number) {
            changes.insert(change);
        }
    }

    fn finish(
        mut self,
        order: impl Fn(&T, &T) -> Ordering,
        sets: &mut NodeSets<'_>,
    ) -> Vec<OnNodes<InFamily<&'d T>>> {
        self.parts.sort_by(|(a, _), (b, _)| a.family.cmp(b.family).then_with(|| order(a.part, b.part)));
        let on_nodes = |(part, changes)| OnNodes { node_set: sets.of_changes(&changes), part };
        self.parts.into_iter().map(on_nodes).collect()
    }
}
