//! The difference between two states of a cluster: first what happens to each Service, then the connections that are
//! affected, and finally the rules.

mod cause;
mod connections;
pub mod json;
pub mod markdown;
mod migration;
mod node_sets;
mod nodes;
mod rules;
mod service;
pub mod text;

use crate::compare::consequence::Effect;
use crate::compare::diff::{Advice, Diff, ReleaseChange, ServiceReport};
use crate::compare::rules::Presence;
use crate::compare::traffic::Unknown;

/// The consequence in one line.
fn headline(diff: &Diff) -> String {
    if diff.nodes == 0 {
        return "Nothing was compared: no node is on both sides".to_owned();
    }
    let mut parts = services(diff);
    parts.extend(others(diff));
    let unknown = unknown_words(diff.unknown());
    if parts.is_empty() {
        let nodes = plural(diff.nodes, "node");
        return match (unknown, diff.migration.is_some() && !diff.changes.is_empty()) {
            (Some(unknown), _) => format!("Unknown on {} of {nodes}: {unknown}", affected(diff)),
            (None, true) => format!("No Service changes except by known differences ({nodes})"),
            (None, false) => format!("No difference on {nodes}"),
        };
    }
    parts.extend(unknown);
    if services(diff).is_empty() {
        return format!("{} ({})", parts.join(", "), nodes_compared(diff));
    }
    let stay = diff.service_count.saturating_sub(diff.services.iter().filter(|s| is_counted(s)).count());
    match stay {
        0 => {}
        1 => parts.push("1 stays as it is".to_owned()),
        many => parts.push(format!("{many} stay as they are")),
    }
    format!("{} ({})", parts.join(", "), nodes_compared(diff))
}

/// How many nodes have any change.
fn affected(diff: &Diff) -> usize {
    diff.changes.iter().map(|change| change.nodes.len()).sum()
}

fn is_counted(report: &ServiceReport) -> bool {
    !report.is_known
}

/// How many Services break, change, appear and disappear; the first number has the noun.
fn services(diff: &Diff) -> Vec<String> {
    let mut counts = [0; 5];
    for report in diff.services.iter().filter(|report| is_counted(report)) {
        let consequence = &report.consequence;
        let i = match (consequence.presence, consequence.effect) {
            (Presence::NewOnly, _) => 2,
            (Presence::OldOnly, _) => 3,
            (Presence::Both, Effect::OnlyRules) => 4,
            (Presence::Both, _) if consequence.loses() => 0,
            (Presence::Both, _) => 1,
        };
        counts[i] += 1;
    }
    let words = [("breaks", "break"), ("changes", "change"), ("is new", "are new"), ("is gone", "are gone")];
    let words = words.into_iter().chain([("gets other rules only", "get other rules only")]);
    let mut parts: Vec<String> = Vec::new();
    for (count, (one, many)) in counts.into_iter().zip(words) {
        let noun = match (parts.is_empty(), count) {
            (false, _) => "",
            (true, 1) => "Service ",
            (true, _) => "Services ",
        };
        if count > 0 {
            parts.push(format!("{count} {noun}{}", if count == 1 { one } else { many }));
        }
    }
    parts
}

/// Changes that do not belong to a Service.
fn others(diff: &Diff) -> Vec<String> {
    let mut parts = Vec::new();
    if !diff.nodes_added.is_empty() {
        parts.push(format!("{} added", plural(diff.nodes_added.len(), "node")));
    }
    if !diff.nodes_removed.is_empty() {
        parts.push(format!("{} removed", plural(diff.nodes_removed.len(), "node")));
    }
    let groups = || diff.families().flat_map(|family| &family.rules).flat_map(|rules| &rules.groups);
    let counted = diff.services.iter().any(is_counted);
    if parts.is_empty() && !counted && diff.migration.is_none() {
        let flows = diff.families().flat_map(|family| &family.traffic).any(|t| !t.flows.is_empty());
        if flows {
            parts.push("connections change that belong to no Service".to_owned());
        } else if groups().next().is_some() {
            parts.push("no Service changes, rules that every node has do".to_owned());
        }
    } else if !counted && diff.has_unexpected() {
        parts.push("connections change without a known reason".to_owned());
    }
    parts
}

/// `3 nodes, all alike`
fn nodes_compared(diff: &Diff) -> String {
    let statements: Vec<_> = diff.services.iter().flat_map(service::told).collect();
    let all_alike = diff.nodes > 1 && statements.iter().all(|s| s.nodes.len() == diff.nodes);
    match diff.node_names.as_slice() {
        [only] => format!("node {only}"),
        names if all_alike && !statements.is_empty() => format!("{} nodes, all alike", names.len()),
        names => plural(names.len(), "node"),
    }
}

/// How many kinds of connections could not be compared, if any.
pub(super) fn unknown_words(classes: u64) -> Option<String> {
    match classes {
        0 => None,
        1 => Some("1 kind of connection could not be compared".to_owned()),
        many => Some(format!("{many} kinds of connections could not be compared")),
    }
}

/// Why some kinds of connections could not be compared, with an example.
pub(super) fn why_unknown(unknown: &Unknown) -> String {
    let Unknown { reason, side, classes, source, destination } = unknown;
    let count = unknown_words(*classes).unwrap_or_default();
    let side = match *side {
        "both" => "on both sides".to_owned(),
        side => format!("on the {side} side"),
    };
    format!("{count}: the rules cannot be followed {side}: {reason}; such as {source} to {destination}")
}

/// Everything that could not be compared, with each reason once.
fn unknown(diff: &Diff) -> Vec<String> {
    let all = diff.families().flat_map(|family| &family.traffic).flat_map(|traffic| &traffic.unknown);
    let mut words: Vec<String> = Unknown::merged(all.cloned()).iter().map(why_unknown).collect();
    words.dedup();
    words
}

/// Which changes are due to the release.
fn release_words(change: &ReleaseChange) -> String {
    let ReleaseChange { old, new, flows, of, services } = change;
    let head = format!("The nodes report kube-proxy {old} before and {new} after");
    match (*flows, *of) {
        (_, 0) => format!("{head}, which changes no traffic."),
        (0, _) => format!("{head}: no change of traffic comes from that."),
        (flows, of) => {
            let of = if flows == of { "all".to_owned() } else { format!("{flows} of {of}") };
            let services = match services.is_empty() {
                true => String::new(),
                false => format!(" ({})", connections::destinations(services)),
            };
            format!(
                "{head}: {of} changes of traffic come from only that{services}; --kube-version {old} leaves them out."
            )
        }
    }
}

/// Something to check before an upgrade, in a line.
fn advice_words(advice: &Advice) -> String {
    let Advice { code, severity, place, object, message, .. } = advice;
    let place = place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let object = object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    format!("{severity}[{code}] {place}{object}{message}")
}

/// What was compared, in a line.
fn compared(diff: &Diff) -> String {
    let sides = format!("Compared: {} → {}", diff.old, diff.new);
    let Some(classes) = diff.classes else { return format!("{sides} (rules only)") };
    let unknown = unknown_words(diff.unknown()).map(|unknown| format!(", {unknown}")).unwrap_or_default();
    let kinds = if classes == 1 { "kind" } else { "kinds" };
    format!("{sides}; {classes} {kinds} of new connections{unknown}")
}

/// How many Services stay the same, if any changes.
fn unchanged(diff: &Diff) -> Option<String> {
    let counted = diff.services.iter().filter(|report| is_counted(report)).count();
    let stay = diff.service_count.saturating_sub(counted);
    match (counted, stay) {
        (0, _) | (_, 0) => None,
        (_, 1) => Some("1 Service stays as it is.".to_owned()),
        (_, many) => Some(format!("{many} Services stay as they are.")),
    }
}

/// Services to report: all except those that only known differences affect.
fn told(diff: &Diff) -> Vec<&ServiceReport> {
    let known = |report: &&ServiceReport| !report.is_known;
    diff.services.iter().filter(known).collect()
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
