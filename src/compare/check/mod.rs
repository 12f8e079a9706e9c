//! Whether the rules that were captured on a node are those that it should have: findings by Service, and what each
//! does to traffic. The walk decides: rules that differ although every packet has the same outcome are reported as
//! such.

mod altered;
mod arrange;
mod base_jumps;
mod blame;
mod delta;
mod dispatch;
mod early;
mod intended;
mod leftovers;
mod legacy;
mod masquerade_mark;
mod missing;
mod no_rules;
mod node;
mod order;
mod pinned;
mod policy;
mod preceded;
#[cfg(test)]
mod preceded_tests;
#[cfg(test)]
mod release_tests;
mod right;
mod spotless;
mod stale;
#[cfg(test)]
mod tests;
mod unknown;
mod unrouted;
mod zero_destination;

use std::sync::Arc;

use serde::Serialize;

use super::rules;
use super::rules_change::LineChange;
use super::traffic::{Difference, Flow, Traffic, examples_of_plan, flows_of_plans};
use crate::node::{Host, NodeRules};
use crate::ruleset::Ruleset;
use crate::walk::{DoesNothing, Idle, Walker};
use blame::Blame;
use delta::Delta;
use delta::Draft;
pub use node::{Families, Measure, distance, families, mode_and_leftovers, node, release};

/// Name and version of the JSON form.
pub const SCHEMA: &str = "kuberules.check/v1";

/// What a check found on one node.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name and version of this form.
    pub schema: &'static str,
    /// The node.
    pub node: String,
    /// The captured file.
    pub captured: String,
    /// The mode that the capture was assumed to be of.
    pub mode: &'static str,
    /// The release that it was assumed to be of.
    pub release: String,
    /// Whether mode and release were detected, rather than given.
    pub detected: bool,
    /// Number of kinds of connections compared: those that could be followed on both sides; none in families where
    /// nothing differs.
    pub classes: u64,
    /// Number of kinds of connections that could not be compared.
    pub unknown: u64,
    /// The IP families in which kube-proxy's rules are, line for line, those that the node should have, so that all
    /// packets are known to have the right outcome without following any. The order of Services does not count, as it
    /// is random.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub same_rules: Vec<&'static str>,
    /// What is wrong; the worst first.
    pub findings: Vec<Finding>,
    /// What is odd but does no harm.
    pub notes: Vec<String>,
}

/// Something that is wrong with captured rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind of thing it is.
    pub kind: Kind,
    /// The IP family, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<&'static str>,
    /// `namespace/name`, if it is about a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What is wrong, a sentence without a full stop.
    pub message: String,
    /// The rules, by chain or set: `-` is missing, `+` should not be there.
    pub places: Vec<Lines>,
    /// What it does to traffic: `before` is what should happen to it, `after` is what does.
    pub traffic: Vec<Flow>,
    /// Whether it is unknown if it does anything, or anything more, to traffic: not everything could be compared.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub effect_unknown: bool,
    /// Number of kinds of connections that could not be compared, if the finding is about that.
    #[serde(skip_serializing_if = "is_zero")]
    pub unknown: u64,
    /// Number of existing connections, if the finding is about those.
    #[serde(skip_serializing_if = "is_none")]
    pub connections: usize,
    /// Commands that fix what the finding is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// Lines of a chain or set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lines {
    /// `nat`, `ip kube-proxy`
    pub table: String,
    /// Name of the chain or set.
    pub name: String,
    /// The lines.
    pub lines: Vec<LineChange>,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something other than kube-proxy's rules serves Services on this node.
    OtherDataPath,
    /// The mode is not the assumed one.
    OtherMode,
    /// The release is not the given one.
    OtherRelease,
    /// The firewall mark is not the configured bit.
    MasqueradeMark,
    /// Both variants of iptables have rules.
    LegacyMix,
    /// There are rules of the mode that kube-proxy is not in.
    OtherModeLeftovers,
    /// There is nothing to compare.
    NothingCompared,
    /// There are no rules of kube-proxy.
    NoRules,
    /// A jump into kube-proxy's chains is missing.
    BaseJumpMissing,
    /// Foreign rules take packets before kube-proxy's rules see them.
    Preceded,
    /// A policy drops connections to Services.
    PolicyDrop,
    /// The node forwards nothing, or has no route to addresses of Services.
    Unrouted,
    /// A DNAT to port 0 without an address: a known corruption.
    ZeroDestination,
    /// Rules are missing.
    Missing,
    /// There are rules of something that is gone.
    Stale,
    /// Rules differ.
    Altered,
    /// Rules are in the wrong order.
    OutOfPlace,
    /// Existing connections go where no new one would.
    PinnedConnections,
    /// Connections have another outcome, and no rule explains it.
    Unexplained,
    /// Rules cannot be followed, so what happens to packets cannot be compared.
    Unknown,
}

impl Kind {
    /// The code, as in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Kind::OtherMode => "other-mode",
            Kind::OtherRelease => "other-release",
            Kind::MasqueradeMark => "masquerade-mark",
            Kind::LegacyMix => "legacy-mix",
            Kind::OtherModeLeftovers => "other-mode-leftovers",
            Kind::NothingCompared => "nothing-compared",
            Kind::NoRules => "no-rules",
            Kind::BaseJumpMissing => "base-jump-missing",
            Kind::Preceded => "preceded",
            Kind::PolicyDrop => "policy-drop",
            Kind::Unrouted => "unrouted",
            Kind::ZeroDestination => "zero-destination",
            Kind::Missing => "missing",
            Kind::Stale => "stale",
            Kind::Altered => "altered",
            Kind::OutOfPlace => "out-of-place",
            Kind::PinnedConnections => "pinned-connections",
            Kind::OtherDataPath => "other-data-path",
            Kind::Unexplained => "unexplained",
            Kind::Unknown => "unknown",
        }
    }
}

impl Finding {
    /// A finding about a whole capture.
    pub fn general(kind: Kind, message: impl Into<String>) -> Finding {
        Finding {
            kind,
            family: None,
            service: None,
            message: message.into(),
            places: Vec::new(),
            traffic: Vec::new(),
            effect_unknown: false,
            unknown: 0,
            connections: 0,
            commands: Vec::new(),
        }
    }
}

/// What one family of a node should have, and what it has, in one rule language.
#[derive(Clone, Copy)]
struct Pair<'r> {
    /// What should be.
    expected: &'r NodeRules<'r>,
    /// What is, on the same node.
    captured: &'r NodeRules<'r>,
}

/// What was found in one family.
#[derive(Debug, Default)]
pub struct Found {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is odd but does no harm.
    pub notes: Vec<String>,
    /// Number of kinds of connections compared: those that could be followed on both sides.
    pub classes: u64,
    /// Number of kinds of connections that could not be compared.
    pub unknown: u64,
    /// Whether kube-proxy's rules are those that should be there, line for line.
    pub same_rules: bool,
}

/// How many lines differ: shows which release captured rules are of.
fn difference(expected: &NodeRules<'_>, captured: &NodeRules<'_>) -> usize {
    let deltas = delta::deltas(Pair { expected, captured });
    deltas.iter().filter(|delta| !delta.is_harmless()).map(Delta::weight).sum()
}

/// How many lines differ at least; counts no further than `limit`.
fn least_difference(expected: &Ruleset, captured: &Ruleset, limit: usize) -> usize {
    rules::missing_lines(expected, captured, limit, delta::counts)
}

/// Checks one family: what the node has against what it should have. Both are for the same node.
pub fn check(expected: &NodeRules<'_>, captured: &NodeRules<'_>) -> Found {
    let pair = Pair { expected, captured };
    let mut found = Found::default();
    let deltas = delta::deltas(pair);
    let (deltas, harmless): (Vec<_>, Vec<_>) = deltas.into_iter().partition(|delta| !delta.is_harmless());
    found.notes.extend(harmless.iter().map(Delta::note));
    let drafts = drafts(&deltas);
    let intended = intended::of(pair);
    // Foreign rules in the other language, or of the other variant of iptables, are the same on both sides.
    let others = captured.others();
    found.same_rules = intended.is_captured && is_followed_alike(&expected.host, captured);
    let Traffic { classes, flows, mut unknown, .. } = match found.same_rules {
        true => Traffic::default(),
        false => {
            let walkers =
                (&Walker::beside(&intended.ruleset, &others, &expected.host), &Walker::of(captured));
            let blame = Blame::new(&drafts, walkers, expected.family());
            let cause = |difference: &Difference| blame.of(difference);
            let plans = (expected.plan.as_ref(), None);
            flows_of_plans(walkers, expected.family(), plans, &Arc::default(), &cause)
        }
    };
    found.classes = classes;
    found.findings = drafts.into_iter().map(|draft| draft.finding).collect();
    let mut flows = attach(flows, &mut found.findings);
    for find in [preceded::find, policy::find, unrouted::find] {
        let (finding, more) = find(pair, &intended.ruleset);
        found.findings.extend(finding);
        unknown.extend(more);
    }
    found.findings.extend(order::of_dispatch(pair, &mut flows));
    found.findings.extend(unexplained(flows));
    // The order of a dispatch chain, and that of jumps, is a finding only if it matters.
    found.findings.retain(|finding| !(finding.traffic.is_empty() && order::matters_only_to_traffic(finding)));
    found.unknown = unknown.iter().map(|unknown| unknown.classes).sum();
    found.findings.extend(unknown::find(unknown));
    found.findings.extend(no_rules::find(pair, &deltas));
    for finding in &mut found.findings {
        finding.family = Some(expected.family().lower_name());
        finding.effect_unknown = found.unknown > 0;
    }
    let is_last = |finding: &Finding| finding.traffic.is_empty() && finding.kind != Kind::NoRules;
    let order = |finding: &Finding| (finding.kind != Kind::NoRules, is_last(finding), finding.kind);
    found.findings.sort_by_key(|finding| (order(finding), finding.service.clone()));
    found
}

/// Whether packets through the same rules have the same outcome on both sides, and every jump leads somewhere, so that
/// none has to be followed to be sure of it.
fn is_followed_alike(expected: &Host, captured: &NodeRules<'_>) -> bool {
    captured.rulesets().first() == Some(&captured.ruleset)
        && expected.is_like(&captured.host)
        && !Walker::of(captured).leads_nowhere()
}

/// What the rules show. If two findings are about the same rule, the first is to blame for its effect.
fn drafts<'d, 'r>(deltas: &'d [Delta<'r>]) -> Vec<Draft<'d, 'r>> {
    let mut drafts = zero_destination::find(deltas);
    for find in [base_jumps::find, missing::find, stale::find, altered::find, order::find] {
        drafts.append(&mut find(deltas));
    }
    drafts
}

/// A ruleset, and the others beside it.
type State<'r> = (&'r Ruleset, &'r [Ruleset]);

/// How outcomes of packets to Services differ between two states of a node, as far as `is_meant` asks for. `moved` are
/// kube-proxy's rules, if after routing nothing but the place of its jumps differs.
fn traffic(
    pair: Pair<'_>,
    (should, is): (State<'_>, State<'_>),
    is_meant: &(dyn Fn(&Difference) -> bool + Sync),
    moved: Option<&Ruleset>,
) -> Traffic {
    let Some(plan) = &pair.expected.plan else { return Traffic::default() };
    let host = &pair.expected.host;
    let (should, is) = (Walker::beside(should.0, should.1, host), Walker::beside(is.0, is.1, host));
    let alone = moved.map(|rules| Walker::new(rules, host));
    let moved = alone.as_ref().and_then(|alone| Idle::beside(&is, alone));
    let moved = moved.as_ref().map(|idle| idle as &dyn DoesNothing);
    examples_of_plan((&should, &is), plan, is_meant, moved)
}

/// Assigns flows to the findings that are to blame for them; returns those that no finding explains.
fn attach(flows: Vec<Flow>, findings: &mut [Finding]) -> Vec<Flow> {
    let mut left = Vec::new();
    for flow in flows {
        match flow.cause.and_then(|number| findings.get_mut(number)) {
            Some(finding) => finding.traffic.push(flow),
            None => left.push(flow),
        }
    }
    left
}

fn unexplained(flows: Vec<Flow>) -> Option<Finding> {
    if flows.is_empty() {
        return None;
    }
    let message = "connections have another outcome, although no rule of kube-proxy differs";
    Some(Finding { traffic: flows, ..Finding::general(Kind::Unexplained, message) })
}
