//! Rules that differ, folded: what several nodes share is told once.

use std::collections::BTreeMap;

use crate::compare::diff::{Diff, GroupChange, PlaceChange};

/// The rules of a Service, or those that every node has, that differ on some nodes.
pub(super) struct Group<'d> {
    pub(super) family: &'static str,
    pub(super) change: &'d GroupChange,
    /// On which nodes.
    pub(super) nodes: Vec<String>,
}

/// All groups, by Service; what every node has comes last.
pub(super) fn groups(diff: &Diff) -> Vec<Group<'_>> {
    let mut places: BTreeMap<(&'static str, Vec<String>), usize> = BTreeMap::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for change in &diff.changes {
        for family in &change.families {
            for group in family.rules.iter().flat_map(|rules| &rules.groups) {
                let key = (family.family, shown(group));
                match places.get(&key).and_then(|place| groups.get_mut(*place)) {
                    Some(like) => like.nodes.extend(change.nodes.iter().cloned()),
                    None => {
                        places.insert(key, groups.len());
                        let family = if family.family == "ipv6" { "IPv6" } else { "IPv4" };
                        groups.push(Group { family, change: group, nodes: change.nodes.clone() });
                    }
                }
            }
        }
    }
    groups.iter_mut().for_each(|group| group.nodes.sort_unstable());
    groups.sort_by_key(|group| (group.change.service.is_none(), group.change.service.clone()));
    groups
}

fn shown(group: &GroupChange) -> Vec<String> {
    let mut lines = vec![title(group)];
    for place in &group.places {
        lines.push(place_title(place));
        lines.extend(place.lines.iter().map(|line| format!("{}{}", line.op, line.text)));
        lines.extend(rewritten(place));
    }
    lines
}

/// The Service that it is about.
pub(super) fn title(group: &GroupChange) -> String {
    match &group.service {
        Some(service) => format!("Service {service}"),
        None => "What every node has".to_owned(),
    }
}

/// The chain or set, and what it is for.
pub(super) fn place_title(place: &PlaceChange) -> String {
    let PlaceChange { table, kind, name, purpose, change, .. } = place;
    let change = if *change == "changed" { String::new() } else { format!(" {change}") };
    let purpose = if purpose.is_empty() { String::new() } else { format!(" ({purpose})") };
    format!("{table} {kind} {name}{change}{purpose}")
}

/// Rules in which only the chance differs.
pub(super) fn rewritten(place: &PlaceChange) -> Option<String> {
    match place.rewritten {
        0 => None,
        1 => Some("~ 1 rule with another chance".to_owned()),
        many => Some(format!("~ {many} rules with another chance")),
    }
}

/// How many lines are added and removed, once for each text.
pub(super) fn counts(groups: &[Group<'_>]) -> (usize, usize) {
    let lines = || groups.iter().flat_map(|group| &group.change.places).flat_map(|place| &place.lines);
    let added = lines().filter(|line| line.op == '+').count();
    (added, lines().count() - added)
}
