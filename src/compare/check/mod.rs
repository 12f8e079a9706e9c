//! Whether the rules that were captured on a node are those that it should have: findings by Service, and what each does
//! to traffic. The walk is the judge: rules that differ without any packet faring differently are told as such.

mod altered;
mod base_jumps;
mod delta;
mod intended;
mod leftovers;
mod legacy;
mod masquerade_mark;
mod missing;
mod node;
mod order;
mod preceded;
mod stale;
#[cfg(test)]
mod tests;
mod zero_destination;

use serde::Serialize;

use super::diff::LineChange;
use super::traffic::{Flow, flows_of_plans};
use crate::node::NodeRules;
use crate::ruleset::Ruleset;
use crate::walk::Walker;
use delta::Delta;
pub use node::{distance, families, mode_and_leftovers, node, release};

/// Name and version of the JSON form.
pub const SCHEMA: &str = "kuberules.check/v1";

/// What a check found on one node.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name and version of this form.
    pub schema: &'static str,
    /// The node.
    pub node: String,
    /// The file that was captured.
    pub captured: String,
    /// The mode that the capture was taken to be of.
    pub mode: &'static str,
    /// The release that it was taken to be of.
    pub release: String,
    /// Whether mode and release were told, or found out.
    pub detected: bool,
    /// Packet classes compared.
    pub classes: u64,
    /// What is wrong; the worst first.
    pub findings: Vec<Finding>,
    /// What is odd and harms nobody.
    pub notes: Vec<String>,
}

/// Something that is wrong with captured rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind of thing it is.
    pub kind: Kind,
    /// The IP family, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<&'static str>,
    /// `namespace/name`, where it is about a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What is wrong, a sentence without a full stop.
    pub message: String,
    /// The rules, by chain or set: `-` should be there and is not, `+` is there and should not.
    pub places: Vec<Lines>,
    /// What it does to traffic: `before` is what should become of it, `after` what does.
    pub traffic: Vec<Flow>,
}

/// Lines of a chain or set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The mode is another than assumed.
    OtherMode,
    /// The release is another than told.
    OtherRelease,
    /// The firewall mark is another bit than configured.
    MasqueradeMark,
    /// Rules stand in both variants of iptables.
    LegacyMix,
    /// Rules of the mode that kube-proxy is not in.
    OtherModeLeftovers,
    /// A jump into kube-proxy's chains is missing.
    BaseJumpMissing,
    /// Foreign rules take packets before kube-proxy's do.
    Preceded,
    /// A DNAT to port 0 of no address: a known corruption.
    ZeroDestination,
    /// Rules are missing.
    Missing,
    /// Rules of what is gone.
    Stale,
    /// Rules that are different.
    Altered,
    /// Rules in the wrong order.
    OutOfPlace,
    /// Packets fare differently, and no rule tells why.
    Unexplained,
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
            Kind::BaseJumpMissing => "base-jump-missing",
            Kind::Preceded => "preceded",
            Kind::ZeroDestination => "zero-destination",
            Kind::Missing => "missing",
            Kind::Stale => "stale",
            Kind::Altered => "altered",
            Kind::OutOfPlace => "out-of-place",
            Kind::Unexplained => "unexplained",
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
    /// What is odd and harms nobody.
    pub notes: Vec<String>,
    /// Packet classes compared.
    pub classes: u64,
}

/// How many lines differ: tells which release captured rules are of.
fn difference(expected: &NodeRules<'_>, captured: &NodeRules<'_>) -> usize {
    let deltas = delta::deltas(Pair { expected, captured });
    deltas.iter().filter(|delta| !delta.is_harmless()).map(Delta::weight).sum()
}

/// Checks one family: what the node has against what it should have. Both are on the same node.
pub fn check(expected: &NodeRules<'_>, captured: &NodeRules<'_>) -> Found {
    let pair = Pair { expected, captured };
    let mut found = Found::default();
    let family = expected.family();
    let deltas = delta::deltas(pair);
    let (deltas, harmless): (Vec<_>, Vec<_>) = deltas.into_iter().partition(|delta| !delta.is_harmless());
    found.notes.extend(harmless.iter().map(Delta::note));
    found.findings.extend(zero_destination::find(&deltas));
    found.findings.extend(base_jumps::find(&deltas));
    found.findings.extend(missing::find(&deltas));
    found.findings.extend(stale::find(&deltas));
    found.findings.extend(altered::find(&deltas));
    found.findings.extend(order::find(&deltas));
    let intended = intended::of(pair);
    let mut flows = traffic(pair, &intended, &captured.ruleset, &mut found.classes);
    attach(&mut flows, &mut found.findings);
    found.findings.extend(preceded::find(pair, &intended, &mut found.classes));
    found.findings.extend(order::of_dispatch(pair, &mut flows));
    found.findings.extend(unexplained(flows));
    // A dispatch chain's order, and that of jumps, is a finding only where it matters.
    found.findings.retain(|finding| !(finding.traffic.is_empty() && order::matters_only_to_traffic(finding)));
    for finding in &mut found.findings {
        finding.family = Some(family.lower_name());
    }
    found.findings.sort_by_key(|finding| (finding.traffic.is_empty(), finding.kind, finding.service.clone()));
    found
}

/// What becomes otherwise of packets between two states of a node.
fn traffic(pair: Pair<'_>, should: &Ruleset, is: &Ruleset, classes: &mut u64) -> Vec<Flow> {
    let host = &pair.expected.host;
    let walkers = (&Walker::new(should, host), &Walker::new(is, host));
    let (compared, flows) =
        flows_of_plans(walkers, pair.expected.family(), (pair.expected.plan.as_ref(), None));
    *classes += compared;
    flows
}

/// Hands flows to the findings that explain them: of the same Service, of a stale one whose rules name the address, or
/// else of all nodes.
fn attach(flows: &mut Vec<Flow>, findings: &mut [Finding]) {
    for flow in std::mem::take(flows) {
        let of_service = |f: &Finding| f.service.is_some() && f.service == flow.service;
        let of_stale = |f: &Finding| f.service.is_some() && names(f, &flow.destination);
        let of_node = |f: &Finding| f.service.is_none();
        let place = (findings.iter().position(of_service))
            .or_else(|| findings.iter().position(of_stale))
            .or_else(|| findings.iter().position(of_node));
        match place.and_then(|place| findings.get_mut(place)) {
            Some(finding) => finding.traffic.push(flow),
            None => flows.push(flow),
        }
    }
}

/// Whether the lines of a finding name the address or the port of a destination.
fn names(finding: &Finding, destination: &str) -> bool {
    let Some((ip, port)) = destination.rsplit_once(':') else { return false };
    let ip = ip.trim_matches(['[', ']']);
    let is_either = |word: &str| word == ip || word == port;
    let words = |text: &str| text.split([' ', '/', '@']).any(is_either);
    finding.places.iter().flat_map(|place| &place.lines).any(|line| words(&line.text))
}

fn unexplained(flows: Vec<Flow>) -> Option<Finding> {
    if flows.is_empty() {
        return None;
    }
    let message = "packets fare differently, although no rule of kube-proxy differs";
    Some(Finding { traffic: flows, ..Finding::general(Kind::Unexplained, message) })
}
