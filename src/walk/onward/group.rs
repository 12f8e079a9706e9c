//! Branches of one packet that go on together: to one destination, from a client that is remembered in the same way.
//!
//! What was asked before routing can leave a packet to one destination in several branches, which differ in their marks
//! or hold for only one answer; and if a rule asks the same again later, the answer must be the same. So they are
//! followed together, and what happens to them is what happens to all groups of their kind: groups whose branches have
//! the same kinds, depend in the same way on the same questions, and have the same relative chances.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use smallvec::SmallVec;

use super::{Kind, Onward};
use crate::walk::cases::CaseSet;
use crate::walk::evaluator::Evaluator;
use crate::walk::packet::Interface;
use crate::walk::packet_state::{Affinity, PacketState, PathEnd};
use crate::walk::weights::{QuestionId, Weight};

/// Branches to one destination, at least one.
#[derive(Clone)]
pub(in crate::walk) struct Group<'r> {
    first: PacketState<'r>,
    others: Vec<PacketState<'r>>,
    /// Whether other branches of the packet can come together with them, such as those that ended before routing.
    meets_others: bool,
}

/// What groups must agree in to have the same ends.
#[derive(PartialEq, Eq, Hash)]
pub(in crate::walk) struct GroupKind {
    /// The kind of each branch, and a number for its chance depending on the answers to what was asked.
    kinds: SmallVec<[(Kind, u64); 1]>,
    /// A number for what was asked.
    asked: u64,
}

/// What defines a group: the list that remembers the client, and the destination.
type Key<'r> = (Option<&'r str>, SocketAddr);

fn key<'r>(affinity: Option<Affinity<'r>>, destination: SocketAddr) -> Key<'r> {
    (affinity.map(|affinity| affinity.list), destination)
}

impl<'r> Group<'r> {
    /// Groups branches, in the order of the first of each; `ended` are branches of the same packet.
    pub(in crate::walk) fn of(states: Vec<PacketState<'r>>, ended: &[PathEnd<'r>]) -> Vec<Group<'r>> {
        let mut places: BTreeMap<Key<'r>, usize> = BTreeMap::new();
        let mut groups: Vec<Group<'r>> = Vec::new();
        for state in states {
            let place = *places.entry(key(state.affinity, state.view.destination)).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.others.push(state),
                None => groups.push(Group { first: state, others: Vec::new(), meets_others: false }),
            }
        }
        for end in ended {
            let place = places.get(&key(end.affinity, end.state.destination));
            if let Some(group) = place.and_then(|place| groups.get_mut(*place)) {
                group.meets_others = true;
            }
        }
        groups
    }

    /// One of its branches; all have the same destination.
    pub(in crate::walk) fn first(&self) -> &PacketState<'r> {
        &self.first
    }

    pub(in crate::walk) fn states(&self) -> impl Iterator<Item = &PacketState<'r>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(in crate::walk) fn into_states(self) -> impl Iterator<Item = PacketState<'r>> {
        std::iter::once(self.first).chain(self.others)
    }

    /// The only branch, if it does not depend on the answers to what was asked.
    pub(in crate::walk) fn only(&self) -> Option<&PacketState<'r>> {
        Some(&self.first).filter(|first| self.others.is_empty() && first.weight == Weight::ALWAYS)
    }

    /// The same group from another source.
    pub(in crate::walk) fn from(&self, source: std::net::IpAddr) -> Group<'r> {
        let mut group = self.clone();
        for state in std::iter::once(&mut group.first).chain(&mut group.others) {
            (state.view.source, state.view.original.source) = (source, source);
        }
        group
    }
}

impl<'r> Onward<'r> {
    /// What groups must agree in to have the same ends; none if this one must be followed separately.
    pub(in crate::walk) fn group_kind(
        &self,
        evaluator: &mut Evaluator<'_, 'r>,
        group: &Group<'r>,
    ) -> Option<GroupKind> {
        if let Some(only) = group.only() {
            let kind = self.kind(evaluator, only)?;
            return (!group.meets_others)
                .then(|| GroupKind { kinds: [(kind, 0)].into_iter().collect(), asked: 0 });
        }
        let first = group.first();
        let is_like_first = |state: &PacketState<'r>| state.chance == first.chance;
        // Over `lo` a packet passes the hooks of an incoming one, where the same can be asked again.
        let loops = group.states().any(|state| state.view.output == Interface::Loopback);
        if group.meets_others || loops || evaluator.keeps_steps || !group.states().all(is_like_first) {
            return None;
        }
        let asked = evaluator.questions.digest(&first.view);
        let mut kinds = SmallVec::new();
        for state in group.states() {
            let by_number = |question: QuestionId, set: &CaseSet| {
                let mut hasher = DefaultHasher::new();
                (question.index(), set).hash(&mut hasher);
                hasher.finish()
            };
            let likely = evaluator.weights.digest(state.weight, &by_number);
            kinds.push((self.kind(evaluator, state)?, likely));
        }
        Some(GroupKind { kinds, asked })
    }
}
