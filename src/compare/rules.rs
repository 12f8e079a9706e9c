//! How two rulesets of one language differ, rule by rule, grouped by Service.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use similar::{Algorithm, DiffOp};

use super::service;
use super::subject::{Attribution, Subject};
use crate::names::ServiceName;
use crate::node::NodeRules;
use crate::plan::Plan;
use crate::ruleset::Ruleset;
use crate::ruleset::listing::{Line, Place};

/// All differences between two rulesets; empty if there are none.
#[derive(Debug, Default)]
pub struct RulesDiff<'r> {
    /// By subject: Services by name, then what every node has, then what is foreign.
    pub groups: Vec<Group<'r>>,
}

/// What differs about one subject.
#[derive(Debug)]
pub struct Group<'r> {
    /// What it is about.
    pub subject: Subject,
    /// What changed about the Service itself, in words, if both plans are known.
    pub words: Vec<String>,
    /// Chains and sets that differ.
    pub places: Vec<PlaceChange<'r>>,
}

/// How the lines of a chain or set that belong to one subject differ.
#[derive(Debug)]
pub struct PlaceChange<'r> {
    /// The place: the new one, if there is one.
    pub place: Place<'r>,
    /// Which sides have it.
    pub presence: Presence,
    /// Lines that were added or removed, with the unchanged ones between them left out.
    pub lines: Vec<LineChange<'r>>,
    /// Rules in which only the probability differs.
    pub rewritten: usize,
    /// Those rules, old and new.
    pub rewritten_lines: Vec<(Line<'r>, Line<'r>)>,
    /// Whether the lines are only in another order: both sides have the same lines in this chain.
    pub reordered: bool,
}

/// Which sides have something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "plain")]
pub enum Presence {
    Both,
    OldOnly,
    NewOnly,
}

/// A line that one side has.
#[derive(Debug, Clone, Copy)]
pub struct LineChange<'r> {
    /// Whether the new side has it.
    pub added: bool,
    /// The line.
    pub line: Line<'r>,
}

impl RulesDiff<'_> {
    /// Lines added and lines removed; a rule in which only the probability differs counts as neither.
    pub fn counts(&self) -> (usize, usize) {
        let lines = || self.groups.iter().flat_map(|g| &g.places).flat_map(|p| &p.lines);
        let added = lines().filter(|line| line.added).count();
        (added, lines().count() - added)
    }
}

/// Compares the rules of a node in one language, rule by rule.
pub fn compare<'r>(old: &'r NodeRules<'_>, new: &'r NodeRules<'_>) -> RulesDiff<'r> {
    let pairs = differing_places(&old.ruleset, &new.ruleset);
    if pairs.is_empty() {
        return RulesDiff::default();
    }
    let attribution = (Attribution::new(old), Attribution::new(new));
    let mut groups: BTreeMap<Subject, Vec<PlaceChange<'r>>> = BTreeMap::new();
    for pair in pairs {
        for (subject, change) in place_changes(pair, (&attribution.0, &attribution.1)) {
            groups.entry(subject).or_default().push(change);
        }
    }
    let words = |subject: &Subject| match (subject.service(), &old.plan, &new.plan) {
        (Some(name), Some(old), Some(new)) => service::changes(name, old, new),
        _ => Vec::new(),
    };
    let group = |(subject, places)| Group { words: words(&subject), subject, places };
    RulesDiff { groups: groups.into_iter().map(group).collect() }
}

/// The place on each side that has it.
type Pair<'r> = (Option<Place<'r>>, Option<Place<'r>>);

fn differing_places<'r>(old: &'r Ruleset, new: &'r Ruleset) -> Vec<Pair<'r>> {
    let (old, new) = (old.places(), new.places());
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.key().cmp(&b.key()),
        };
        let pair = match order {
            Ordering::Less => (old.next(), None),
            Ordering::Greater => (None, new.next()),
            Ordering::Equal => (old.next(), new.next()),
        };
        match &pair {
            (Some(a), Some(b)) if a.is_same(b) => {}
            _ => pairs.push(pair),
        }
    }
}

/// Changes of a place, by the subject of its lines.
fn place_changes<'r>(
    (old, new): Pair<'r>,
    attribution: (&Attribution<'r>, &Attribution<'r>),
) -> Vec<(Subject, PlaceChange<'r>)> {
    let Some(place) = new.or(old) else { return Vec::new() };
    let presence = match (&old, &new) {
        (Some(_), Some(_)) => Presence::Both,
        (Some(_), None) => Presence::OldOnly,
        _ => Presence::NewOnly,
    };
    let mut sides: BTreeMap<Subject, (Vec<Line<'r>>, Vec<Line<'r>>)> = BTreeMap::new();
    let (old_lines, new_lines) = (lines_of(&old), lines_of(&new));
    let (old_lines, new_lines) = without_common_ends(&old_lines, &new_lines);
    for line in old_lines.iter().copied() {
        sides.entry(attribution.0.subject(&old.unwrap_or(place), &line)).or_default().0.push(line);
    }
    for line in new_lines.iter().copied() {
        sides.entry(attribution.1.subject(&new.unwrap_or(place), &line)).or_default().1.push(line);
    }
    if sides.is_empty() && presence != Presence::Both {
        let by = if presence == Presence::OldOnly { attribution.0 } else { attribution.1 };
        sides.insert(by.place_subject(&place), Default::default());
    }
    let change = |(subject, (old, new)): (Subject, (Vec<Line<'r>>, Vec<Line<'r>>))| {
        let change = line_changes(&old, &new, place, presence);
        let is_change =
            !change.lines.is_empty() || change.rewritten > 0 || (old.is_empty() && new.is_empty());
        is_change.then_some((subject, change))
    };
    sides.into_iter().filter_map(change).collect()
}

fn lines_of<'r>(place: &Option<Place<'r>>) -> Vec<Line<'r>> {
    place.as_ref().map(Place::lines).unwrap_or_default()
}

fn without_common_ends<'a, 'r>(old: &'a [Line<'r>], new: &'a [Line<'r>]) -> (&'a [Line<'r>], &'a [Line<'r>]) {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    (&old[..old.len() - tail], &new[..new.len() - tail])
}

fn line_changes<'r>(
    old: &[Line<'r>],
    new: &[Line<'r>],
    place: Place<'r>,
    presence: Presence,
) -> PlaceChange<'r> {
    let keys = |lines: &[Line<'r>]| -> Vec<String> { lines.iter().map(Line::text_without_chance).collect() };
    let (old_keys, new_keys) = (keys(old), keys(new));
    let mut change = PlaceChange {
        place,
        presence,
        lines: Vec::new(),
        rewritten: 0,
        rewritten_lines: Vec::new(),
        reordered: false,
    };
    for op in similar::capture_diff_slices(Algorithm::Myers, &old_keys, &new_keys) {
        match op {
            DiffOp::Equal { old_index, new_index, len } => {
                let pairs = old.iter().skip(old_index).zip(new.iter().skip(new_index)).take(len);
                change.rewritten_lines.extend(pairs.filter(|(a, b)| a != b).map(|(a, b)| (*a, *b)));
            }
            DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                let line = |added| move |line: &Line<'r>| LineChange { added, line: *line };
                change.lines.extend(old.get(op.old_range()).unwrap_or_default().iter().map(line(false)));
                change.lines.extend(new.get(op.new_range()).unwrap_or_default().iter().map(line(true)));
            }
        }
    }
    change.rewritten = change.rewritten_lines.len();
    change.reordered = !change.lines.is_empty() && same_lines(old_keys, new_keys);
    change
}

fn same_lines(mut old: Vec<String>, mut new: Vec<String>) -> bool {
    old.sort_unstable();
    new.sort_unstable();
    old == new
}

/// How many lines of a ruleset another does not have, in the places that count; counts no further than `limit`.
/// [`compare`] finds at least as many that differ, and takes much longer if nearly all do.
pub(super) fn missing_lines(
    old: &Ruleset,
    new: &Ruleset,
    limit: usize,
    counts: impl Fn(&Place<'_>) -> bool,
) -> usize {
    let mut missing = 0;
    for (old, new) in differing_places(old, new) {
        if missing >= limit {
            break;
        }
        if old.as_ref().is_some_and(&counts) {
            missing += missing_in_place(&old, &new);
        }
    }
    missing.min(limit)
}

fn missing_in_place(old: &Option<Place<'_>>, new: &Option<Place<'_>>) -> usize {
    let (old, new) = (lines_of(old), lines_of(new));
    let (old, new) = without_common_ends(&old, &new);
    let mut found: HashMap<String, usize> = HashMap::new();
    for line in new {
        *found.entry(line.text_without_chance()).or_default() += 1;
    }
    let mut is_missing = |line: &&Line<'_>| match found.get_mut(&line.text_without_chance()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    old.iter().filter(|line| is_missing(line)).count()
}

/// Names of all Services that plans have.
pub fn services<'p>(plans: impl IntoIterator<Item = &'p Plan<'p>>) -> BTreeSet<ServiceName> {
    let ports = plans.into_iter().flat_map(|plan| plan.service_ports());
    ports.map(|port| port.service_port().name.service_name()).collect()
}
