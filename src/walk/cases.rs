//! Sets of the answers that a question can have.

use std::hash::Hash;

use smallvec::{SmallVec, smallvec};

/// A set of answers, each by its number. Those of the interfaces of a node with 250 Pods fit without an allocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CaseSet(SmallVec<[u64; 5]>);

impl CaseSet {
    /// None of `count` answers.
    pub(super) fn none(count: usize) -> CaseSet {
        CaseSet(smallvec![0; count.div_ceil(64).max(1)])
    }

    /// Those of `count` answers that satisfy something.
    pub(super) fn of(count: usize, holds: impl Fn(usize) -> bool) -> CaseSet {
        let mut set = CaseSet::none(count);
        (0..count).filter(|case| holds(*case)).for_each(|case| set.insert(case));
        set
    }

    /// All of `count` answers.
    pub(super) fn all(count: usize) -> CaseSet {
        CaseSet::of(count, |_| true)
    }

    pub(super) fn insert(&mut self, case: usize) {
        if let Some(word) = self.0.get_mut(case / 64) {
            *word |= 1 << (case % 64);
        }
    }

    pub(super) fn contains(&self, case: usize) -> bool {
        self.0.get(case / 64).is_some_and(|word| word & (1 << (case % 64)) != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Its members, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len() * 64).filter(|case| self.contains(*case))
    }

    pub(super) fn and(&self, other: &CaseSet) -> CaseSet {
        self.combine(other, |a, b| a & b)
    }

    pub(super) fn or(&self, other: &CaseSet) -> CaseSet {
        self.combine(other, |a, b| a | b)
    }

    pub(super) fn without(&self, other: &CaseSet) -> CaseSet {
        self.combine(other, |a, b| a & !b)
    }

    fn combine(&self, other: &CaseSet, both: impl Fn(u64, u64) -> u64) -> CaseSet {
        CaseSet(self.0.iter().zip(&other.0).map(|(a, b)| both(*a, *b)).collect())
    }
}
