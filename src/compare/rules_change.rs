//! What changes in the rules of a node, as outputs print it.

use std::sync::Arc;

use serde::Serialize;

use super::purpose::purpose;
use super::rules::{self, Presence, RulesDiff};
use super::subject::Subject;
use crate::node::NodeRules;
use crate::ruleset::listing::Line;

/// What changes in the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesChange {
    /// Rules and elements added.
    pub added: usize,
    /// Rules and elements removed.
    pub removed: usize,
    /// Rules in which only the probability differs.
    pub rewritten: usize,
    /// By Service.
    pub groups: Vec<Arc<GroupChange>>,
}

/// What changes in the rules of one Service, or in those that every node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// `namespace/name`; none for rules that every node has.
    pub service: Option<String>,
    /// What changed about the Service itself, in words.
    pub changes: Vec<String>,
    /// The chains and sets.
    pub places: Vec<PlaceChange>,
}

/// What changes in a chain or set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlaceChange {
    /// `nat`, `ip kube-proxy`
    pub table: String,
    /// `chain`, `set` or `map`
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
    /// `changed`, `added` or `removed`
    pub change: &'static str,
    /// Lines removed and added, in the order of the listing.
    pub lines: Vec<LineChange>,
    /// Rules in which only the probability differs.
    pub rewritten: usize,
}

/// A line removed or added.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LineChange {
    /// `-` or `+`
    pub op: char,
    /// The line as it is listed.
    pub text: String,
}

/// Compares the rules of a node in one language.
pub fn rules(old: &NodeRules<'_>, new: &NodeRules<'_>) -> RulesChange {
    RulesChange::from(&rules::compare(old, new))
}

/// What changes in the rules of a subject.
pub(super) type SubjectChange = (Subject, Arc<GroupChange>);

/// The same, group by group.
pub(super) fn rules_by_subject(old: &NodeRules<'_>, new: &NodeRules<'_>) -> Vec<SubjectChange> {
    let groups = rules::compare(old, new).groups;
    groups.iter().map(|group| (group.subject.clone(), Arc::new(GroupChange::from(group)))).collect()
}

impl RulesChange {
    /// Joins what was found in parts of a whole; no subject is in two of them.
    pub(super) fn of_parts(parts: impl IntoIterator<Item = Vec<SubjectChange>>) -> RulesChange {
        let mut groups: Vec<SubjectChange> = parts.into_iter().flatten().collect();
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        RulesChange::of_groups(groups.into_iter().map(|(_, group)| group).collect())
    }

    fn of_groups(groups: Vec<Arc<GroupChange>>) -> RulesChange {
        let places = || groups.iter().flat_map(|group| &group.places);
        let lines = |op| places().flat_map(|place| &place.lines).filter(|line| line.op == op).count();
        let rewritten = places().map(|place| place.rewritten).sum();
        RulesChange { added: lines('+'), removed: lines('-'), rewritten, groups }
    }
}

impl From<&RulesDiff<'_>> for RulesChange {
    fn from(diff: &RulesDiff<'_>) -> Self {
        RulesChange::of_groups(diff.groups.iter().map(|group| Arc::new(GroupChange::from(group))).collect())
    }
}

impl From<&rules::Group<'_>> for GroupChange {
    fn from(group: &rules::Group<'_>) -> Self {
        GroupChange {
            service: match &group.subject {
                Subject::Service(name) => Some(name.to_string()),
                Subject::Base | Subject::Foreign => None,
            },
            changes: group.words.clone(),
            places: group.places.iter().map(PlaceChange::from).collect(),
        }
    }
}

impl From<&rules::PlaceChange<'_>> for PlaceChange {
    fn from(change: &rules::PlaceChange<'_>) -> Self {
        let line = |c: &rules::LineChange<'_>| LineChange {
            op: if c.added { '+' } else { '-' },
            text: Line::text(&c.line),
        };
        PlaceChange {
            table: change.place.table().into(),
            kind: change.place.kind(),
            name: change.place.name().to_owned(),
            purpose: purpose(&change.place),
            change: match change.presence {
                Presence::Both => "changed",
                Presence::OldOnly => "removed",
                Presence::NewOnly => "added",
            },
            lines: change.lines.iter().map(line).collect(),
            rewritten: change.rewritten,
        }
    }
}
