//! Sets of nodes in JSON: each stands once, and what holds on its nodes names it by its number.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;

use crate::compare::diff::Diff;

/// Some of the nodes that were compared: either `only` is there, or `allBut`, whichever names fewer nodes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeSetJson {
    /// How many nodes are in the set.
    count: usize,
    /// Their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<Vec<String>>,
    /// The names of the nodes that are not in the set; it has all others of `nodeNames`.
    #[serde(skip_serializing_if = "Option::is_none")]
    all_but: Option<Vec<String>>,
}

/// The sets of a document, numbered in the order in which they are first needed.
pub(super) struct NodeSets<'d> {
    diff: &'d Diff,
    sets: Vec<NodeSetJson>,
    by_names: HashMap<Vec<String>, usize>,
    /// Lists that many have in common, by where they lie in memory.
    by_place: HashMap<usize, usize>,
    /// By the numbers of changes whose nodes they have.
    by_changes: HashMap<BTreeSet<usize>, usize>,
}

impl<'d> NodeSets<'d> {
    pub(super) fn new(diff: &'d Diff) -> NodeSets<'d> {
        NodeSets {
            diff,
            sets: Vec::new(),
            by_names: HashMap::new(),
            by_place: HashMap::new(),
            by_changes: HashMap::new(),
        }
    }

    /// The number of the set of these nodes, which are sorted.
    pub(super) fn of(&mut self, names: &[String]) -> usize {
        if let Some(known) = self.by_names.get(names) {
            return *known;
        }
        let all = &self.diff.node_names;
        let others = all.len().saturating_sub(names.len());
        let (only, all_but) = match others < names.len() {
            true => {
                let others = all.iter().filter(|name| names.binary_search(name).is_err());
                (None, Some(others.cloned().collect()))
            }
            false => (Some(names.to_vec()), None),
        };
        self.sets.push(NodeSetJson { count: names.len(), only, all_but });
        let number = self.sets.len() - 1;
        self.by_names.insert(names.to_vec(), number);
        number
    }

    /// The same for a list of the comparison, without reading it again.
    pub(super) fn of_shared(&mut self, names: &'d Arc<[String]>) -> usize {
        let place = names.as_ptr() as usize;
        if let Some(known) = self.by_place.get(&place) {
            return *known;
        }
        let number = self.of(names);
        self.by_place.insert(place, number);
        number
    }

    /// The number of the set of the nodes that any of these changes has.
    pub(super) fn of_changes(&mut self, changes: &BTreeSet<usize>) -> usize {
        if let Some(known) = self.by_changes.get(changes) {
            return *known;
        }
        let of_numbers = changes.iter().filter_map(|number| self.diff.changes.get(*number));
        let names: BTreeSet<&String> = of_numbers.flat_map(|change| &change.nodes).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let number = self.of(&names);
        self.by_changes.insert(changes.clone(), number);
        number
    }

    pub(super) fn finish(self) -> Vec<NodeSetJson> {
        self.sets
    }
}
