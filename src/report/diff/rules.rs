//! Rules that differ, folded: what several nodes share is told once.

use std::collections::BTreeMap;

use crate::compare::diff::Diff;
use crate::compare::rules_change::PlaceChange;

/// The rules of a Service, or those that every node has, that differ on some nodes.
#[derive(Debug)]
pub(super) struct Group<'d> {
    pub(super) family: &'static str,
    pub(super) service: Option<&'d str>,
    pub(super) places: Vec<PlaceOnNodes<'d>>,
}

/// A chain or set that differs in the same way on some nodes.
#[derive(Debug)]
pub(super) struct PlaceOnNodes<'d> {
    pub(super) place: &'d PlaceChange,
    pub(super) nodes: Vec<String>,
}

/// All groups, by Service; what every node has comes last.
pub(super) fn groups(diff: &Diff) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(bool, Option<&str>, &'static str), Places<'_>> = BTreeMap::new();
    for change in &diff.changes {
        for family in &change.families {
            for group in family.rules.iter().flat_map(|rules| &rules.groups) {
                let service = group.service.as_deref();
                let places = groups.entry((service.is_none(), service, family.family)).or_default();
                group.places.iter().for_each(|place| places.add(place, &change.nodes));
            }
        }
    }
    let mut all = Vec::new();
    for ((_, service, family), places) in groups {
        let family = if family == "ipv6" { "IPv6" } else { "IPv4" };
        all.push(Group { family, service, places: places.finish() });
    }
    all
}

/// Chains and sets, those that are shown alike once.
#[derive(Debug, Default)]
struct Places<'d> {
    index: BTreeMap<Vec<String>, usize>,
    all: Vec<PlaceOnNodes<'d>>,
}

impl<'d> Places<'d> {
    fn add(&mut self, place: &'d PlaceChange, nodes: &[String]) {
        let mut shown = vec![place_title(place)];
        shown.extend(place.lines.iter().map(|line| format!("{}{}", line.op, line.text)));
        shown.extend(rewritten(place));
        match self.index.get(&shown).and_then(|i| self.all.get_mut(*i)) {
            Some(like) => like.nodes.extend(nodes.iter().cloned()),
            None => {
                self.index.insert(shown, self.all.len());
                self.all.push(PlaceOnNodes { place, nodes: nodes.to_vec() });
            }
        }
    }

    /// By the order of the first node; the same chain in several ways side by side.
    fn finish(mut self) -> Vec<PlaceOnNodes<'d>> {
        self.all.iter_mut().for_each(|place| place.nodes.sort_unstable());
        self.all.sort_by(|a, b| (&a.place.table, &a.place.name).cmp(&(&b.place.table, &b.place.name)));
        self.all
    }
}

/// The Service that it is about.
pub(super) fn title(group: &Group<'_>) -> String {
    match group.service {
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
    let lines = || groups.iter().flat_map(|group| &group.places).flat_map(|place| &place.place.lines);
    let added = lines().filter(|line| line.op == '+').count();
    (added, lines().count() - added)
}
