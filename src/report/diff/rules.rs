//! Rules that differ, grouped: what several nodes share is reported once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::compare::diff::Diff;
use crate::compare::rules_change::{GroupChange, PlaceChange};

/// The rules of a Service, or those that every node has, that differ on some nodes.
#[derive(Debug)]
pub(super) struct Group<'d> {
    /// `ipv4` or `ipv6`
    pub(super) family: &'static str,
    pub(super) service: Option<&'d str>,
    /// What changed about the Service itself, in words.
    pub(super) remarks: Vec<(&'d str, Arc<[String]>)>,
    pub(super) places: Vec<PlaceOnNodes<'d>>,
}

/// A chain or set that differs in the same way on some nodes.
#[derive(Debug)]
pub(super) struct PlaceOnNodes<'d> {
    pub(super) place: &'d PlaceChange,
    pub(super) nodes: Arc<[String]>,
}

/// All groups, by Service; what every node has comes last.
pub(super) fn groups(diff: &Diff) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(bool, Option<&str>, &'static str), Places<'_>> = BTreeMap::new();
    for change in &diff.changes {
        for family in &change.families {
            for group in family.rules.iter().flat_map(|rules| &rules.groups) {
                let service = group.service.as_deref();
                let places = groups.entry((service.is_none(), service, family.family)).or_default();
                places.add(group, &change.nodes);
            }
        }
    }
    let mut all = Vec::new();
    for ((_, service, family), places) in groups {
        let mut lists = HashMap::new();
        let remarks = places.remarks(&mut lists);
        all.push(Group { family, service, remarks, places: places.finish(&mut lists) });
    }
    all
}

/// The nodes of some changes, made once for each set of changes.
type NodeLists = HashMap<BTreeSet<usize>, Arc<[String]>>;

/// Chains and sets of a Service. Thousands of nodes can have the same change, which is processed only once.
#[derive(Debug, Default)]
struct Places<'d> {
    numbers: HashMap<*const GroupChange, usize>,
    /// Each change with its nodes.
    changes: Vec<(&'d GroupChange, Vec<&'d str>)>,
}

impl<'d> Places<'d> {
    fn add(&mut self, group: &'d Arc<GroupChange>, nodes: &'d [String]) {
        let number = *self.numbers.entry(Arc::as_ptr(group)).or_insert(self.changes.len());
        if number == self.changes.len() {
            self.changes.push((group, Vec::new()));
        }
        if let Some((_, all)) = self.changes.get_mut(number) {
            all.extend(nodes.iter().map(String::as_str));
        }
    }

    /// What is said of the Service, each with its nodes.
    fn remarks(&self, lists: &mut NodeLists) -> Vec<(&'d str, Arc<[String]>)> {
        let mut all: BTreeMap<&'d str, BTreeSet<usize>> = BTreeMap::new();
        for (number, (change, _)) in self.changes.iter().enumerate() {
            for words in &change.changes {
                all.entry(words).or_default().insert(number);
            }
        }
        all.into_iter().map(|(words, numbers)| (words, self.list(numbers, lists))).collect()
    }

    /// Merges those that look the same, and puts different changes of one chain side by side.
    fn finish(self, lists: &mut NodeLists) -> Vec<PlaceOnNodes<'d>> {
        let mut index: HashMap<&PlaceChange, usize> = HashMap::new();
        let mut all: Vec<(&PlaceChange, BTreeSet<usize>)> = Vec::new();
        for (number, (change, _)) in self.changes.iter().enumerate() {
            for place in &change.places {
                let at = *index.entry(place).or_insert(all.len());
                if at == all.len() {
                    all.push((place, BTreeSet::new()));
                }
                if let Some((_, numbers)) = all.get_mut(at) {
                    numbers.insert(number);
                }
            }
        }
        all.sort_by(|(a, _), (b, _)| (&a.table, &a.name).cmp(&(&b.table, &b.name)));
        all.into_iter()
            .map(|(place, numbers)| PlaceOnNodes { place, nodes: self.list(numbers, lists) })
            .collect()
    }

    fn list(&self, numbers: BTreeSet<usize>, lists: &mut NodeLists) -> Arc<[String]> {
        lists.entry(numbers).or_insert_with_key(|numbers| self.nodes(numbers)).clone()
    }

    fn nodes(&self, numbers: &BTreeSet<usize>) -> Arc<[String]> {
        let of_changes = numbers.iter().filter_map(|number| self.changes.get(*number));
        let mut nodes: Vec<String> =
            of_changes.flat_map(|(_, nodes)| nodes).map(|node| (*node).to_owned()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.into()
    }
}

/// The Service that it is about, and the family.
pub(super) fn title(group: &Group<'_>) -> String {
    let family = if group.family == "ipv6" { "IPv6" } else { "IPv4" };
    match group.service {
        Some(service) => format!("Service {service}, {family}"),
        None => format!("What every node has, {family}"),
    }
}

/// The chain or set, and what it is for.
pub(super) fn place_title(place: &PlaceChange) -> String {
    let PlaceChange { table, kind, name, purpose, change, .. } = place;
    let change = if *change == "changed" { String::new() } else { format!(" {change}") };
    let purpose = if purpose.is_empty() { String::new() } else { format!(" ({purpose})") };
    format!("{table} {kind} {name}{change}{purpose}")
}

/// Number of rules in which only the chance differs.
pub(super) fn rewritten(place: &PlaceChange) -> Option<String> {
    match place.rewritten {
        0 => None,
        1 => Some("~ 1 rule with another chance".to_owned()),
        many => Some(format!("~ {many} rules with another chance")),
    }
}

/// How many lines are added and removed, counting equal texts once.
pub(super) fn counts(groups: &[Group<'_>]) -> (usize, usize) {
    let lines = || groups.iter().flat_map(|group| &group.places).flat_map(|place| &place.place.lines);
    let added = lines().filter(|line| line.op == '+').count();
    (added, lines().count() - added)
}
