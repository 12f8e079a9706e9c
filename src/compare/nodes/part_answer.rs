//! What a part of the Services adds to the changes of a node, kept once for all nodes where it is the same.

use std::collections::HashMap;
use std::sync::Arc;

use crate::compare::consequence::ServiceOnNode;
use crate::compare::rules_change::SubjectChange;
use crate::compare::traffic::SharedTraffic;

/// What a part adds to the changes of a node.
#[derive(Debug, Clone, Default)]
pub(super) struct PartAnswer {
    pub(super) rules: Vec<SubjectChange>,
    pub(super) traffic: SharedTraffic,
    pub(super) services: Vec<Arc<ServiceOnNode>>,
    pub(super) unchanged: usize,
}

impl PartAnswer {
    fn means_the_same_as(&self, other: &PartAnswer) -> bool {
        self.rules == other.rules
            && self.traffic.flows == other.traffic.flows
            && self.traffic.unknown == other.traffic.unknown
            && self.traffic.classes == other.traffic.classes
            && self.services == other.services
            && self.unchanged == other.unchanged
    }
}

/// The answers of a part.
#[derive(Default)]
pub(super) struct PartAnswers {
    pub(super) answers: Vec<PartAnswer>,
    /// By the index of the kind of node, for nodes that the part does not concern.
    pub(super) by_kind: Vec<Option<usize>>,
    /// By node, for nodes that it concerns.
    pub(super) by_node: HashMap<usize, usize>,
}

impl PartAnswers {
    pub(super) fn add(&mut self, mut answer: PartAnswer) -> usize {
        let known = self.answers.iter().position(|other| other.means_the_same_as(&answer));
        known.unwrap_or_else(|| {
            self.share(&mut answer);
            self.answers.push(answer);
            self.answers.len() - 1
        })
    }

    /// Keeps rules and traffic that a node has in common with others only once.
    fn share(&self, answer: &mut PartAnswer) {
        fn all<T: PartialEq>(list: &mut [Arc<T>], others: &[Arc<T>]) {
            for (one, other) in list.iter_mut().zip(others).filter(|(one, other)| *one == *other) {
                *one = other.clone();
            }
        }
        let Some(first) = self.answers.first() else { return };
        for ((_, one), (_, other)) in answer.rules.iter_mut().zip(&first.rules) {
            all(std::slice::from_mut(one), std::slice::from_ref(other));
        }
        all(&mut answer.traffic.flows, &first.traffic.flows);
        all(&mut answer.services, &first.services);
    }
}

/// Parts whose answer for this node differs from that of its kind.
pub(super) fn exceptions(
    node: usize,
    answers: &[PartAnswers],
    of_kind: &[Option<usize>],
) -> Vec<(usize, usize)> {
    let parts = answers.iter().zip(of_kind).enumerate();
    let other = |(part, (answers, of_kind)): (usize, (&PartAnswers, &Option<usize>))| {
        let own = answers.by_node.get(&node).copied()?;
        (Some(own) != *of_kind).then_some((part, own))
    };
    parts.filter_map(other).collect()
}
