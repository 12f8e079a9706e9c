//! Kinds of connections with another outcome, grouped as they are shown: a change that several nodes share is reported
//! once, and what people seldom ask about (loopback addresses, a Pod that connects to itself) is a single line if other
//! things change, too.

use std::collections::BTreeMap;

use crate::compare::diff::Diff;
use crate::compare::traffic::{Flow, Place, Special};

/// A kind of connections, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    /// `namespace/name`; empty for none.
    pub(super) service: String,
    /// Where they go.
    pub(super) to: String,
    /// Who makes them.
    pub(super) from: String,
    pub(super) before: String,
    pub(super) after: String,
    /// On which nodes.
    pub(super) nodes: Vec<String>,
}

/// The kinds of one Service, or of none.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) rows: Vec<Row>,
    /// How many more there are, and what they are.
    pub(super) folded: Vec<(usize, Special)>,
}

/// Kinds of connections, by whether they have no Service, and by its name.
type ByService = BTreeMap<(bool, String), Vec<(Row, Option<Special>)>>;

/// All kinds of connections that are wanted, by Service; those without one come last, under the empty name.
pub(super) fn sections(diff: &Diff, wanted: impl Fn(&Flow) -> bool) -> Vec<(String, Section)> {
    let mut rows = ByService::new();
    let mut places: BTreeMap<Row, usize> = BTreeMap::new();
    for change in &diff.changes {
        let flows = change.families.iter().flat_map(|family| &family.traffic).flat_map(|t| &t.flows);
        for flow in flows.filter(|flow| wanted(flow)) {
            let row = row(flow);
            let of = rows.entry((row.service.is_empty(), row.service.clone())).or_default();
            match places.get(&row).and_then(|place| of.get_mut(*place)) {
                Some((like, _)) => like.nodes.extend(change.nodes.iter().cloned()),
                None => {
                    places.insert(row.clone(), of.len());
                    of.push((Row { nodes: change.nodes.clone(), ..row }, flow.special));
                }
            }
        }
    }
    rows.into_iter().map(|((_, service), rows)| (service, section(rows))).collect()
}

/// Special kinds are only counted if there are others.
fn section(rows: Vec<(Row, Option<Special>)>) -> Section {
    let only_special = rows.iter().all(|(_, special)| special.is_some());
    let mut section = Section::default();
    for (mut row, special) in rows {
        row.nodes.sort_unstable();
        row.nodes.dedup();
        match special.filter(|_| !only_special) {
            None => section.rows.push(row),
            Some(special) => match section.folded.iter_mut().find(|(_, known)| *known == special) {
                Some((count, _)) => *count += 1,
                None => section.folded.push((1, special)),
            },
        }
    }
    section
}

fn row(flow: &Flow) -> Row {
    Row {
        service: flow.service.clone().unwrap_or_default(),
        to: to(flow),
        from: flow.from.join(", "),
        before: flow.before.clone(),
        after: format!("{}{}", flow.after, kind_of_change(flow)),
        nodes: Vec::new(),
    }
}

/// Addresses of a node are named by their role, as each node has its own.
fn to(flow: &Flow) -> String {
    let Some((kind, port)) = flow.target.split_once(" of ") else { return destinations(&flow.to) };
    let number = |to: &String| to.rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap_or_default();
    let numbers = flow.to.first().map(number).unwrap_or_default();
    match (kind, flow.place) {
        ("node port", Place::NodeIp) => format!("node port {numbers} ({port})"),
        ("node port", Place::OtherNodeAddress) => {
            format!("node port {numbers} on other addresses of the node ({port})")
        }
        ("node port", Place::Loopback) => format!("node port {numbers} on loopback addresses ({port})"),
        _ if flow.to_assumed => format!("{kind} of {port}"),
        _ => format!("{} ({kind} of {port})", destinations(&flow.to)),
    }
}

/// At most this many destinations are listed.
const LISTED: usize = 4;

pub(super) fn destinations(all: &[String]) -> String {
    let listed = all.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
    let more = all.len().saturating_sub(LISTED);
    if more == 0 { listed } else { format!("{listed}; and {more} more") }
}

/// What else must be said about how a kind of connections changes.
fn kind_of_change(flow: &Flow) -> &'static str {
    match flow.change {
        "chance" => " (only the shares)",
        "affinity" => " (only for remembered clients)",
        _ => "",
    }
}

/// What was folded, in a line.
pub(super) fn folded_words(count: usize, special: Special) -> String {
    let what = match special {
        Special::Loopback => "from or to loopback addresses",
        Special::SelfConnection => "of Pods that connect to themselves",
    };
    match count {
        1 => format!("1 more kind of connections, {what}, changes too"),
        many => format!("{many} more kinds of connections, {what}, change too"),
    }
}
