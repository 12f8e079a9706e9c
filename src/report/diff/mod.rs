//! The difference of two states of a cluster.

pub mod markdown;
pub mod text;

use crate::compare::diff::{Advice, Diff, FamilyChange, NodesChange, ReleaseChange};
use crate::compare::traffic::Flow;
use crate::compare::traffic::Unknown;

/// The verdict in one line.
fn verdict(diff: &Diff) -> String {
    let nodes = plural(diff.nodes, "node");
    let affected: usize = diff.changes.iter().map(|change| change.nodes.len()).sum();
    let membership = diff.nodes_added.len() + diff.nodes_removed.len();
    if diff.nodes == 0 {
        return "Nothing was compared: no node is on both sides".to_owned();
    }
    if affected == 0 && membership == 0 {
        return format!("No difference on {nodes}");
    }
    let unknown = unknown_words(diff.unknown());
    let differs = diff.rules_differ() || flows(diff) > 0;
    if let Some(unknown) = unknown.as_ref().filter(|_| !differs && membership == 0) {
        return format!("Unknown on {affected} of {nodes}: {unknown}");
    }
    let mut services: Vec<&str> =
        diff.changes.iter().flat_map(|change| &change.families).flat_map(services_of).collect();
    services.sort_unstable();
    services.dedup();
    let mut parts = vec![match (diff.nodes, diff.changes.first()) {
        (1, Some(change)) => format!("Node {} changes", nodes_of(change)),
        _ => format!("{affected} of {nodes} {}", if affected == 1 { "changes" } else { "change" }),
    }];
    if !services.is_empty() {
        parts.push(plural(services.len(), "Service"));
    }
    parts.extend(unknown);
    parts.join(", ")
}

/// How many changes of traffic there are.
fn flows(diff: &Diff) -> usize {
    let families = diff.changes.iter().flat_map(|change| &change.families);
    families.flat_map(|family| &family.traffic).map(|traffic| traffic.flows.len()).sum()
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

/// What the release has to do with the changes.
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
                false => format!(" ({})", destinations(services)),
            };
            format!(
                "{head}: {of} changes of traffic come from that alone{services}; --kube-version {old} leaves them out."
            )
        }
    }
}

/// Something to look at before an upgrade, in a line.
fn advice_words(advice: &Advice) -> String {
    let Advice { code, severity, place, object, message, .. } = advice;
    let place = place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let object = object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    format!("{severity}[{code}] {place}{object}{message}")
}

/// How much traffic was compared, if it was.
fn compared(diff: &Diff) -> Option<String> {
    let unknown = unknown_words(diff.unknown()).map(|unknown| format!(", {unknown}")).unwrap_or_default();
    let classes = format!("{} classes of packets compared{unknown}", diff.classes?);
    Some(match diff.unchanged_service_ports {
        0 => format!("{classes}."),
        1 => format!("{classes}; 1 Service port stays as it is."),
        many => format!("{classes}; {many} Service ports stay as they are."),
    })
}

fn services_of(family: &FamilyChange) -> Vec<&str> {
    let groups = family.rules.iter().flat_map(|rules| &rules.groups);
    let flows = family.traffic.iter().flat_map(|traffic| &traffic.flows);
    let of_flows = flows.filter_map(|flow| flow.service.as_deref());
    groups.filter_map(|group| group.service.as_deref()).chain(of_flows).collect()
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// At most this many names are listed.
const LISTED: usize = 8;

fn nodes_of(change: &NodesChange) -> String {
    let more = change.nodes.len().saturating_sub(LISTED);
    let listed = change.nodes.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

fn heading(family: &FamilyChange) -> &'static str {
    if family.family == "ipv6" { "IPv6" } else { "IPv4" }
}

fn destinations(all: &[String]) -> String {
    let listed = all.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
    let more = all.len().saturating_sub(LISTED);
    if more == 0 { listed } else { format!("{listed}; and {more} more") }
}

/// What else must be said of how a flow changes.
fn kind_of_change(flow: &Flow) -> &'static str {
    match flow.change {
        "chance" => " (the chances alone)",
        "affinity" => " (for remembered clients alone)",
        _ => "",
    }
}
