//! What changes on the nodes of a cluster, as the outputs print it: nodes with the same change are grouped.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use super::change::{FamilyChange, NodeChange, NodesAnswer, NodesChange};
use super::consequence::{Consequences, ServiceConsequence};
use super::migration::{self, Migration};
use super::rules::Presence;
use super::traffic::Flow;
use crate::cause::{Cause, Change};
use crate::cluster::Cluster;
use crate::names::ServiceName;
use crate::net::Family;
use crate::parallel;

/// What differs between two states of a cluster.
#[derive(Debug, Clone)]
pub struct Diff {
    /// What the old side is, such as `before.yaml` or `1.33`.
    pub old: String,
    /// What the new side is.
    pub new: String,
    /// How many nodes were compared.
    pub nodes: usize,
    /// Their names.
    pub node_names: Vec<String>,
    /// The change of kube-proxy's mode or release, if the sides differ in it: then known differences are expected.
    pub migration: Option<Migration>,
    /// How many Services there are on either side.
    pub service_count: usize,
    /// What happens to each Service that changes, the worst first.
    pub services: Vec<ServiceReport>,
    /// What `services` is made of.
    pub gathered: Consequences,
    /// The changes; each node is in at most one of them.
    pub changes: Vec<NodesChange>,
    /// Nodes that only the new side has.
    pub nodes_added: Vec<String>,
    /// Nodes that only the old side has.
    pub nodes_removed: Vec<String>,
    /// How many kinds of connections were compared on all nodes, that is, could be followed on both sides; none if
    /// traffic was not compared.
    pub classes: Option<u64>,
    /// Whether rules were compared on some node.
    pub compares_rules: bool,
    /// Service ports that are the same on both sides, counted for each node and family.
    pub unchanged_service_ports: usize,
    /// Which changes come only from the release, if the nodes of the two snapshots report different ones.
    pub release: Option<ReleaseChange>,
    /// What to look at before an upgrade of kube-proxy.
    pub before_upgrade: Vec<Advice>,
}

/// What `diff` says about a Service, and why.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceReport {
    /// What happens.
    #[serde(flatten)]
    pub consequence: ServiceConsequence,
    /// Whether known differences between modes or releases explain all of it.
    pub is_known: bool,
    /// Why, as far as the objects show it.
    pub causes: Vec<Cause>,
}

/// What comes only from another release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReleaseChange {
    /// The release that the old side's nodes report.
    pub old: String,
    /// The release that the new side's nodes report.
    pub new: String,
    /// Changes of traffic that would not exist if both sides had the old release.
    pub flows: usize,
    /// All changes of traffic.
    pub of: usize,
    /// Services that those changes are about, as `namespace/name`.
    pub services: Vec<String>,
}

/// Something to look at before an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Advice {
    /// The code of the lint that finds it.
    pub code: &'static str,
    /// `note`, `warning` or `error`.
    pub severity: &'static str,
    /// File and line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The object, such as `Service shop/web`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What is found.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Diff {
    /// Nothing compared yet, between two sides with these names.
    pub fn new(old: String, new: String, compares_traffic: bool) -> Diff {
        Diff {
            old,
            new,
            nodes: 0,
            node_names: Vec::new(),
            migration: None,
            service_count: 0,
            services: Vec::new(),
            gathered: Consequences::default(),
            changes: Vec::new(),
            nodes_added: Vec::new(),
            nodes_removed: Vec::new(),
            classes: compares_traffic.then_some(0),
            compares_rules: false,
            unchanged_service_ports: 0,
            release: None,
            before_upgrade: Vec::new(),
        }
    }

    /// Works out what happens to each Service, once all nodes have been added.
    pub fn tell_services(&mut self, (old, new): (&Cluster, &Cluster), change: &Change<'_>) {
        let (before, after) = (names(old), names(new));
        let presence = |name: &ServiceName| {
            let name = name.to_string();
            match (before.contains(&name), after.contains(&name)) {
                (true, false) => Presence::OldOnly,
                (false, true) => Presence::NewOnly,
                _ => Presence::Both,
            }
        };
        self.service_count = before.union(&after).count();
        let with_rules: Vec<ServiceName> = self.services_with_rules();
        self.gathered.know(with_rules);
        let others = self.services_with_flows(|_| true);
        let finished = self.gathered.finish(presence, &|name| others.contains(name.to_string().as_str()));
        let unexplained = self.services_with_flows(|flow| flow.reason.is_none());
        self.services = parallel::map(finished, |consequence| self.report(consequence, &unexplained, change));
        let known = migration::known(&self.changes);
        if let Some(migration) = &mut self.migration {
            migration.known = known;
        }
    }

    fn report(
        &self,
        consequence: ServiceConsequence,
        unexplained: &HashSet<&str>,
        change: &Change<'_>,
    ) -> ServiceReport {
        let is_known = self.migration.is_some()
            && (consequence.is_known() || consequence.statements.is_empty())
            && !unexplained.contains(consequence.service.to_string().as_str());
        let causes = change.of_service(&consequence.service);
        ServiceReport { consequence, is_known, causes }
    }

    /// Services whose rules differ.
    fn services_with_rules(&self) -> Vec<ServiceName> {
        let groups = self.families().flat_map(|family| &family.rules).flat_map(|rules| &rules.groups);
        let names: BTreeSet<&str> = groups.filter_map(|group| group.service.as_deref()).collect();
        names.into_iter().filter_map(ServiceName::parse).collect()
    }

    /// Services for which some such kinds of connections change.
    fn services_with_flows(&self, is_such: impl Fn(&Flow) -> bool) -> HashSet<&str> {
        let flows = self.families().flat_map(|family| &family.traffic).flat_map(|traffic| &traffic.flows);
        flows.filter(|flow| is_such(flow)).filter_map(|flow| flow.service.as_deref()).collect()
    }

    /// Whether somebody who was served no longer is.
    pub fn loses(&self) -> bool {
        let flows = || self.families().flat_map(|family| &family.traffic).flat_map(|traffic| &traffic.flows);
        self.services.iter().any(|report| report.consequence.loses()) || flows().any(|flow| flow.loses())
    }

    /// Whether there is a difference of traffic without a known reason.
    pub fn has_unexpected(&self) -> bool {
        let flows = || self.families().flat_map(|family| &family.traffic).flat_map(|traffic| &traffic.flows);
        flows().any(|flow| flow.reason.is_none())
    }

    /// Adds the change of a node; nodes with the same change are grouped.
    pub fn add(&mut self, node: &str, change: NodeChange) {
        let NodeChange { families, classes, unchanged_service_ports } = change;
        self.nodes += 1;
        self.gather(&[node.to_owned()], &families);
        self.unchanged_service_ports += unchanged_service_ports;
        if let Some(all) = &mut self.classes {
            *all += classes;
        }
        if families.iter().all(FamilyChange::is_empty) {
            return;
        }
        match self.changes.iter_mut().find(|change| change.families == families) {
            Some(change) => change.nodes.push(node.to_owned()),
            None => self.changes.push(NodesChange { nodes: vec![node.to_owned()], families }),
        }
    }

    /// Adds what happens to Services on some nodes.
    fn gather(&mut self, nodes: &[String], families: &[FamilyChange]) {
        self.node_names.extend(nodes.iter().cloned());
        self.node_names.sort_unstable();
        self.compares_rules |= families.iter().any(|family| family.rules.is_some());
        self.gathered.add(nodes, families.iter().flat_map(|family| family.services.clone()).collect());
    }

    /// Adds the changes of all nodes of a list.
    pub fn add_all(&mut self, names: &[&str], answers: Vec<NodesAnswer>) {
        for NodesAnswer { nodes, families, classes, unchanged_service_ports } in answers {
            let named: Vec<String> =
                nodes.iter().filter_map(|i| names.get(*i)).map(ToString::to_string).collect();
            self.gather(&named, &families);
            self.nodes += nodes.len();
            self.unchanged_service_ports += unchanged_service_ports;
            if let Some(all) = &mut self.classes {
                *all += classes;
            }
            if !families.iter().all(FamilyChange::is_empty) {
                self.changes.push(NodesChange { nodes: named, families });
            }
        }
    }

    /// Whether rules differ anywhere.
    pub fn rules_differ(&self) -> bool {
        self.families().any(|family| family.rules.as_ref().is_some_and(|rules| !rules.groups.is_empty()))
    }

    /// Whether any connection has another outcome, or may have.
    pub fn traffic_differs(&self) -> bool {
        self.families().any(|family| family.traffic.as_ref().is_some_and(|traffic| !traffic.is_empty()))
            || self.services.iter().any(|report| !report.consequence.statements.is_empty())
    }

    /// How many kinds of connections could not be compared, on all nodes.
    pub fn unknown(&self) -> u64 {
        let of_nodes = |change: &NodesChange| {
            let traffic = change.families.iter().filter_map(|family| family.traffic.as_ref());
            let classes: u64 =
                traffic.flat_map(|traffic| &traffic.unknown).map(|unknown| unknown.classes).sum();
            classes * change.nodes.len() as u64
        };
        self.changes.iter().map(of_nodes).sum()
    }

    /// Whether neither rules nor traffic were compared anywhere.
    pub fn compared_nothing(&self) -> bool {
        let with_rules = || self.families().any(|family| family.rules.is_some());
        self.nodes == 0 || (self.classes == Some(0) && self.unknown() > 0 && !with_rules())
    }

    pub(crate) fn families(&self) -> impl Iterator<Item = &FamilyChange> {
        self.changes.iter().flat_map(|change| &change.families)
    }

    /// Which of these changes are missing from a comparison between the same releases: how many, of how many, and their
    /// Services.
    pub fn beyond(&self, without_release: &Diff) -> (usize, usize, Vec<String>) {
        let known = flows_of(without_release);
        let all = flows_of(self);
        let what = |(node, family, flow): &(&str, &'static str, &Flow)| {
            let of = (flow.to.clone(), flow.from.clone(), flow.before.clone(), flow.after.clone());
            (node.to_string(), *family, of)
        };
        let known: BTreeSet<_> = known.iter().map(what).collect();
        let alone: Vec<_> = all.iter().filter(|flow| !known.contains(&what(flow))).collect();
        let mut services: Vec<String> =
            alone.iter().filter_map(|(_, _, flow)| flow.service.as_ref().map(ToString::to_string)).collect();
        services.sort_unstable();
        services.dedup();
        (alone.len(), all.len(), services)
    }
}

/// Every change of traffic, with its node and family.
fn flows_of(diff: &Diff) -> Vec<(&str, &'static str, &Flow)> {
    let mut flows = Vec::new();
    for change in &diff.changes {
        for node in &change.nodes {
            for family in &change.families {
                let traffic = family.traffic.iter().flat_map(|traffic| &traffic.flows);
                flows.extend(traffic.map(|flow| (node.as_str(), family.family, flow.as_ref())));
            }
        }
    }
    flows
}

/// Names of all Services of a cluster that have rules.
fn names(cluster: &Cluster) -> BTreeSet<String> {
    let ports = Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports);
    ports.map(|port| port.name.service_name().to_string()).collect()
}
