//! What changes on the nodes of a cluster, as a value of its own that outputs print: nodes with the same change are
//! folded together.

use std::collections::BTreeSet;

use serde::Serialize;

use super::consequence::{Consequences, ServiceConsequence, ServiceOnNode};
use super::migration::{self, KnownDifference};
use super::rules::{self, Presence, RulesDiff};
use super::subject::Subject;
use super::traffic::{Flow, Reason, Traffic, Unknown};
use crate::cause::{Cause, Change};
use crate::cluster::Cluster;
use crate::iptables::ruleset::Owner;
use crate::names::ServiceName;
use crate::net::Family;
use crate::node::NodeRules;
use crate::ruleset::listing::{Line, Place};

/// Name and version of the JSON form.
pub const SCHEMA: &str = "kuberules.diff/v2";

/// What differs between two states of a cluster.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Name and version of this form.
    pub schema: &'static str,
    /// What the old side is, such as `before.yaml` or `1.33`.
    pub old: String,
    /// What the new side is.
    pub new: String,
    /// How many nodes were compared.
    pub nodes: usize,
    /// Their names.
    pub node_names: Vec<String>,
    /// Whether the sides differ in kube-proxy's mode or release: then known differences are expected.
    pub migration: Option<Migration>,
    /// How many Services there are on either side.
    pub service_count: usize,
    /// What happens to each Service that changes, the worst first.
    pub services: Vec<ServiceReport>,
    /// What `services` is made of.
    #[serde(skip)]
    pub gathered: Consequences,
    /// The changes; each node stands in at most one of them.
    pub changes: Vec<NodesChange>,
    /// Nodes that are on one side only.
    pub nodes_added: Vec<String>,
    /// Nodes that are on one side only.
    pub nodes_removed: Vec<String>,
    /// Packet classes compared on all nodes, if traffic was: those that could be followed on both sides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<u64>,
    /// Service ports that all nodes have alike on both sides, each counted for each node and family.
    pub unchanged_service_ports: usize,
    /// What the release has to do with the changes, where the nodes of two snapshots report different ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseChange>,
    /// What is to be looked at before an upgrade of kube-proxy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before_upgrade: Vec<Advice>,
}

/// A change of kube-proxy's mode or release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// Before.
    pub from: Proxy,
    /// After.
    pub to: Proxy,
    /// The known differences that something meets.
    pub known: Vec<KnownDifference>,
    /// What is to be looked at on the nodes before, with what was found.
    pub pre_flight: Vec<PreFlight>,
}

/// What runs on the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// `iptables` or `nftables`
    pub mode: &'static str,
    /// The release.
    pub release: String,
}

/// Something to look at before a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PreFlight {
    /// What was looked at.
    pub check: Check,
    /// How it stands.
    pub state: Readiness,
    /// What was found; empty where there is nothing to say.
    pub found: String,
    /// What to do; empty where nothing is.
    pub remedy: String,
}

/// What is looked at before a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "plain")]
pub enum Check {
    Kernel,
    NftVersion,
    Comments,
    ForeignRules,
    Leftovers,
    ForwardPolicy,
    FirstTransaction,
}

/// How something stands before a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// Nothing to do.
    Fine,
    /// It cannot be told from the input.
    NotKnown,
    /// To be looked at.
    Look,
    /// It stands in the way.
    Stops,
}

/// What comes of another release alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReleaseChange {
    /// The release that the old side's nodes report.
    pub old: String,
    /// The release that the new side's nodes report.
    pub new: String,
    /// Changes of traffic that are not there where both sides have the old release.
    pub flows: usize,
    /// Changes of traffic in all.
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

/// A change that some nodes share.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NodesChange {
    /// Their names.
    pub nodes: Vec<String>,
    /// What changes, by IP family.
    pub families: Vec<FamilyChange>,
}

/// What changes in one IP family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FamilyChange {
    /// `ipv4` or `ipv6`.
    pub family: &'static str,
    /// The rules, if they were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesChange>,
    /// The traffic, if it was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficChange>,
    /// What happens to the Services that change; told for all nodes together.
    #[serde(skip)]
    pub services: Vec<ServiceOnNode>,
}

/// What changes for packets of new connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TrafficChange {
    /// The connections with another outcome.
    pub flows: Vec<Flow>,
    /// The known differences between modes and releases that explain some of them.
    pub reasons: Vec<KnownReason>,
    /// Kinds of connections that could not be compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
}

/// A known difference between modes or releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KnownReason {
    /// Its code.
    pub code: &'static str,
    /// What it is.
    pub words: &'static str,
}

/// What changes in the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RulesChange {
    /// Rules and elements added.
    pub added: usize,
    /// Rules and elements removed.
    pub removed: usize,
    /// Rules in which the chance alone differs.
    pub rewritten: usize,
    /// By Service.
    pub groups: Vec<GroupChange>,
}

/// What differs on a node.
#[derive(Debug, Default)]
pub struct NodeChange {
    /// By family.
    pub families: Vec<FamilyChange>,
    /// Kinds of connections compared: those that could be followed on both sides.
    pub classes: u64,
    /// Service ports that are unchanged, and so are not among what was compared; counted for each family.
    pub unchanged_service_ports: usize,
}

/// What differs on some nodes, the same on each.
#[derive(Debug)]
pub struct NodesAnswer {
    /// Their numbers in the list of pairs.
    pub nodes: Vec<usize>,
    /// What changes, by family.
    pub families: Vec<FamilyChange>,
    /// Kinds of connections compared on all of them.
    pub classes: u64,
    /// Unchanged Service ports of all of them.
    pub unchanged_service_ports: usize,
}

impl Diff {
    /// What of these changes is not there in a comparison that leaves the release alone.
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
                flows.extend(traffic.map(|flow| (node.as_str(), family.family, flow)));
            }
        }
    }
    flows
}

impl TrafficChange {
    /// What a comparison found.
    pub fn new(Traffic { flows, unknown, .. }: Traffic) -> TrafficChange {
        let codes = flows.iter().filter_map(|flow| flow.reason);
        let mut reasons: Vec<KnownReason> = codes.filter_map(KnownReason::of).collect();
        reasons.sort_by_key(|reason| reason.code);
        reasons.dedup();
        TrafficChange { flows, reasons, unknown }
    }

    /// Whether every kind of connection is known to have the same outcome.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty() && self.unknown.is_empty()
    }
}

impl KnownReason {
    fn of(code: &'static str) -> Option<KnownReason> {
        let reason = Reason::ALL.into_iter().find(|reason| reason.code() == code)?;
        Some(KnownReason { code, words: reason.words() })
    }
}

/// What changes in the rules of one Service, or in those that every node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupChange {
    /// `namespace/name`; none for rules that every node has.
    pub service: Option<String>,
    /// The Service's own change in words.
    pub changes: Vec<String>,
    /// The chains and sets.
    pub places: Vec<PlaceChange>,
}

/// What changes in a chain or set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlaceChange {
    /// `nat`, `ip kube-proxy`
    pub table: String,
    /// `chain`, `set` or `map`
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
    /// `changed`, `added` or `removed`
    pub change: &'static str,
    /// Lines removed and added, in order.
    pub lines: Vec<LineChange>,
    /// Rules in which the chance alone differs.
    pub rewritten: usize,
}

/// A line removed or added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LineChange {
    /// `-` or `+`
    pub op: char,
    /// The line as it is listed.
    pub text: String,
}

/// What `diff` says of a Service, with why.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceReport {
    /// What happens.
    #[serde(flatten)]
    pub consequence: ServiceConsequence,
    /// Whether anything changes but for connections of which a known difference tells.
    pub is_known: bool,
    /// Why, as far as the objects tell.
    pub causes: Vec<Cause>,
}

impl Diff {
    /// Nothing compared yet, between two sides of these names.
    pub fn new(old: String, new: String, compares_traffic: bool) -> Diff {
        Diff {
            schema: SCHEMA,
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
            unchanged_service_ports: 0,
            release: None,
            before_upgrade: Vec::new(),
        }
    }

    /// Says what happens to each Service, once all nodes are there.
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
        let others = self.services_with_flows();
        let finished = self.gathered.finish(presence, &|name| others.contains(&name.to_string()));
        self.services = finished.into_iter().map(|consequence| self.report(consequence, change)).collect();
        let known = migration::known(self);
        if let Some(migration) = &mut self.migration {
            migration.known = known;
        }
    }

    fn report(&self, consequence: ServiceConsequence, change: &Change<'_>) -> ServiceReport {
        let known_flows = || {
            let name = consequence.service.to_string();
            let flows = self.families().flat_map(|family| &family.traffic).flat_map(|traffic| &traffic.flows);
            let mut own = flows.filter(|flow| flow.service.as_deref() == Some(&name));
            own.all(|flow| flow.reason.is_some())
        };
        let is_known = self.migration.is_some()
            && (consequence.is_known() || consequence.statements.is_empty())
            && known_flows();
        let causes = change.of_service(&consequence.service);
        ServiceReport { consequence, is_known, causes }
    }

    /// Services of which rules differ.
    fn services_with_rules(&self) -> Vec<ServiceName> {
        let groups = self.families().flat_map(|family| &family.rules).flat_map(|rules| &rules.groups);
        let names: BTreeSet<&str> = groups.filter_map(|group| group.service.as_deref()).collect();
        names.into_iter().filter_map(ServiceName::parse).collect()
    }

    /// Services of which some kinds of connections change.
    fn services_with_flows(&self) -> BTreeSet<String> {
        let flows = self.families().flat_map(|family| &family.traffic).flat_map(|traffic| &traffic.flows);
        flows.filter_map(|flow| flow.service.clone()).collect()
    }

    /// Whether somebody who was served no longer is.
    pub fn loses(&self) -> bool {
        let flows = || self.families().flat_map(|family| &family.traffic).flat_map(|traffic| &traffic.flows);
        self.services.iter().any(|report| report.consequence.loses())
            || flows().any(|flow| flow.verdict_before.is_served() && !flow.verdict_after.is_served())
    }

    /// Whether there is a difference of traffic without a known reason.
    pub fn has_unexpected(&self) -> bool {
        let flows = || self.families().flat_map(|family| &family.traffic).flat_map(|traffic| &traffic.flows);
        flows().any(|flow| flow.reason.is_none())
    }

    /// Takes the change of a node; one that another node has too is folded into that.
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

    /// Takes what happens to Services on some nodes.
    fn gather(&mut self, nodes: &[String], families: &[FamilyChange]) {
        self.node_names.extend(nodes.iter().cloned());
        self.node_names.sort_unstable();
        self.gathered.add(nodes, families.iter().flat_map(|family| family.services.clone()).collect());
    }

    /// Takes the changes of all nodes of a list.
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
}

impl FamilyChange {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.groups.is_empty())
            && self.traffic.as_ref().is_none_or(TrafficChange::is_empty)
    }
}

/// Names of all Services of a cluster that have rules.
fn names(cluster: &Cluster) -> BTreeSet<String> {
    let ports = Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports);
    ports.map(|port| port.name.service_name().to_string()).collect()
}

/// Compares the rules of a node in one language.
pub fn rules(old: &NodeRules<'_>, new: &NodeRules<'_>) -> RulesChange {
    RulesChange::from(&rules::compare(old, new))
}

/// The same, group by group.
pub(super) fn rules_by_subject(old: &NodeRules<'_>, new: &NodeRules<'_>) -> Vec<(Subject, GroupChange)> {
    let groups = rules::compare(old, new).groups;
    groups.iter().map(|group| (group.subject.clone(), GroupChange::from(group))).collect()
}

impl RulesChange {
    /// What was found in parts of a whole, as one; no subject is in two of them.
    pub(super) fn of_parts(parts: impl IntoIterator<Item = Vec<(Subject, GroupChange)>>) -> RulesChange {
        let mut groups: Vec<(Subject, GroupChange)> = parts.into_iter().flatten().collect();
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        RulesChange::of_groups(groups.into_iter().map(|(_, group)| group).collect())
    }

    fn of_groups(groups: Vec<GroupChange>) -> RulesChange {
        let places = || groups.iter().flat_map(|group| &group.places);
        let lines = |op| places().flat_map(|place| &place.lines).filter(|line| line.op == op).count();
        let rewritten = places().map(|place| place.rewritten).sum();
        RulesChange { added: lines('+'), removed: lines('-'), rewritten, groups }
    }
}

impl From<&RulesDiff<'_>> for RulesChange {
    fn from(diff: &RulesDiff<'_>) -> Self {
        RulesChange::of_groups(diff.groups.iter().map(GroupChange::from).collect())
    }
}

impl From<&rules::Group<'_>> for GroupChange {
    fn from(group: &rules::Group<'_>) -> Self {
        GroupChange {
            service: match &group.subject {
                Subject::Service(name) => Some(name.to_string()),
                Subject::Base | Subject::Foreign => None,
            },
            changes: group.words.clone(),
            places: group.places.iter().map(PlaceChange::from).collect(),
        }
    }
}

impl From<&rules::PlaceChange<'_>> for PlaceChange {
    fn from(change: &rules::PlaceChange<'_>) -> Self {
        let line = |c: &rules::LineChange<'_>| LineChange {
            op: if c.added { '+' } else { '-' },
            text: Line::text(&c.line),
        };
        PlaceChange {
            table: change.place.table().into(),
            kind: change.place.kind(),
            name: change.place.name().to_owned(),
            purpose: purpose(&change.place),
            change: match change.presence {
                Presence::Both => "changed",
                Presence::OldOnly => "removed",
                Presence::NewOnly => "added",
            },
            lines: change.lines.iter().map(line).collect(),
            rewritten: change.rewritten,
        }
    }
}

/// What a chain or set of kube-proxy is for; empty for others.
pub fn purpose(place: &Place<'_>) -> &'static str {
    let foreign = match place {
        Place::IptablesChain(_, _, chain) => chain.owner == Owner::Foreign,
        Place::Chain(table, _) | Place::Counter(table, _) | Place::Set(table, _) => {
            table.name != crate::nftables::TABLE
        }
    };
    if foreign {
        return "";
    }
    let name = place.name();
    PURPOSES.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or("", |(_, purpose)| purpose)
}

/// By the beginning of the name: iptables, then nftables.
const PURPOSES: [(&str, &str); 39] = [
    ("KUBE-SVC-", "balances over the endpoints of all nodes"),
    ("KUBE-SVL-", "balances over the endpoints of this node"),
    ("KUBE-SEP-", "sends to one endpoint"),
    ("KUBE-EXT-", "takes traffic to external addresses"),
    ("KUBE-FW-", "admits the load balancer's source ranges"),
    ("KUBE-SERVICES", "tells Services by address and port"),
    ("KUBE-EXTERNAL-SERVICES", "refuses external traffic without endpoints"),
    ("KUBE-NODEPORTS", "tells Services by node port"),
    ("KUBE-PROXY-FIREWALL", "drops what no source range admits"),
    ("KUBE-POSTROUTING", "rewrites the source of marked packets"),
    ("KUBE-MARK-MASQ", "marks packets whose source is to be rewritten"),
    ("KUBE-FORWARD", "lets forwarded traffic through"),
    ("KUBE-FIREWALL", "blocks outside traffic to loopback addresses"),
    ("localhost-nodeport-reject-ports", "node ports that are refused on loopback addresses"),
    ("localhost-nodeport-rejected-", "counts what is refused on loopback addresses"),
    ("localhost-nodeport-reject-", "refuses node ports on loopback addresses"),
    ("service-endpoints-check", "refuses traffic without endpoints"),
    ("nodeport-endpoints-check", "refuses node port traffic without endpoints"),
    ("firewall-check", "drops what no source range admits"),
    ("cluster-ips-check", "refuses ports that no Service has"),
    ("service-ips", "tells Services by address and port"),
    ("service-nodeports", "tells Services by node port"),
    ("no-endpoint-services", "refuses traffic without endpoints"),
    ("no-endpoint-nodeports", "refuses node port traffic without endpoints"),
    ("firewall-ips", "addresses with source ranges"),
    ("cluster-ips", "all cluster IPs"),
    ("nodeport-ips", "addresses that serve node ports"),
    ("hairpin-connections", "endpoints that call themselves"),
    ("services", "tells Services by address or node port"),
    ("masquerading", "rewrites the source of marked packets"),
    ("mark-for-masquerade", "marks packets whose source is to be rewritten"),
    ("reject-chain", "refuses"),
    ("service-", "balances over the endpoints of all nodes"),
    ("local-", "balances over the endpoints of this node"),
    ("external-", "takes traffic to external addresses"),
    ("firewall-", "admits the load balancer's source ranges"),
    ("endpoint-", "sends to one endpoint"),
    ("affinity-", "clients of one endpoint"),
    ("filter-", "hooks in"),
];
