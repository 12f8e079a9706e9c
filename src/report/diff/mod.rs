//! The difference of two states of a cluster.

pub mod json;
pub mod markdown;
pub mod text;

use crate::compare::diff::{Diff, FamilyChange, NodesChange};

/// The verdict in one line.
fn verdict(diff: &Diff) -> String {
    let nodes = plural(diff.nodes, "node");
    let affected: usize = diff.changes.iter().map(|change| change.nodes.len()).sum();
    let membership = diff.nodes_added.len() + diff.nodes_removed.len();
    if affected == 0 && membership == 0 {
        return format!("No difference on {nodes}");
    }
    let mut services: Vec<&str> =
        diff.changes.iter().flat_map(|change| &change.families).flat_map(services_of).collect();
    services.sort_unstable();
    services.dedup();
    let mut parts = vec![format!("{affected} of {nodes} change")];
    if !services.is_empty() {
        parts.push(plural(services.len(), "Service"));
    }
    parts.join(", ")
}

fn services_of(family: &FamilyChange) -> Vec<&str> {
    let groups = family.rules.iter().flat_map(|rules| &rules.groups);
    groups.filter_map(|group| group.service.as_deref()).collect()
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// At most this many names of nodes are listed.
const LISTED: usize = 8;

fn nodes_of(change: &NodesChange) -> String {
    let more = change.nodes.len().saturating_sub(LISTED);
    let listed = change.nodes.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

fn heading(family: &FamilyChange) -> &'static str {
    if family.family == "ipv6" { "IPv6" } else { "IPv4" }
}
