//! What a weight says: which answers it depends on, and the chance under them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use foldhash::{HashMap, HashSet};

use super::{Node, QuestionId, Weight, Weights};
use crate::walk::cases::CaseSet;
use crate::walk::chance::Chance;

/// Answers to some questions, and the chance under them.
pub(in crate::walk) type Path = (Vec<(QuestionId, CaseSet)>, Chance);

/// Gives a number for a question with some of its answers.
pub(in crate::walk) type Meaning<'m> = &'m dyn Fn(QuestionId, &CaseSet) -> u64;

impl Weights {
    /// Every way through a diagram that does not end at 0, up to `most`.
    pub(in crate::walk) fn paths(&self, weight: Weight, most: usize) -> Vec<Path> {
        let mut found = Vec::new();
        self.collect_paths(weight, most, &mut Vec::new(), &mut found);
        found
    }

    fn collect_paths(
        &self,
        weight: Weight,
        most: usize,
        answers: &mut Vec<(QuestionId, CaseSet)>,
        found: &mut Vec<Path>,
    ) {
        if found.len() >= most || weight == Weight::NEVER {
            return;
        }
        match self.node(weight) {
            Node::Leaf(chance) => {
                let mut answers = answers.clone();
                answers.sort_unstable();
                found.push((answers, *chance));
            }
            Node::Ask(question, cases) => {
                for (set, weight) in cases.iter() {
                    answers.push((*question, set.clone()));
                    self.collect_paths(*weight, most, answers, found);
                    answers.pop();
                }
            }
        }
    }

    /// The greatest chance under any answers.
    pub(in crate::walk) fn likeliest(&self, weight: Weight) -> Chance {
        let (mut best, mut seen, mut open) = (Chance::CERTAIN.otherwise(), HashSet::default(), vec![weight]);
        while let Some(weight) = open.pop() {
            if !seen.insert(weight) {
                continue;
            }
            match self.node(weight) {
                Node::Leaf(chance) if chance.compare(best).is_gt() => best = *chance,
                Node::Leaf(_) => {}
                Node::Ask(_, cases) => open.extend(cases.iter().map(|(_, weight)| *weight)),
            }
        }
        best
    }

    /// A number for what a weight depends on and how; `meaning` gives one for a question with some of its answers.
    pub(in crate::walk) fn digest(&self, weight: Weight, meaning: Meaning<'_>) -> u64 {
        self.digest_of(weight, meaning, &mut HashMap::default())
    }

    fn digest_of(&self, weight: Weight, meaning: Meaning<'_>, known: &mut HashMap<Weight, u64>) -> u64 {
        if let Some(known) = known.get(&weight) {
            return *known;
        }
        let mut hasher = DefaultHasher::new();
        match self.node(weight) {
            Node::Leaf(chance) => chance.key().hash(&mut hasher),
            Node::Ask(question, cases) => {
                let case = |(set, weight): &(CaseSet, Weight)| {
                    (meaning(*question, set), self.digest_of(*weight, meaning, known))
                };
                let mut cases: Vec<(u64, u64)> = cases.iter().map(case).collect();
                // Answers are numbered as rules name them.
                cases.sort_unstable();
                cases.hash(&mut hasher);
            }
        }
        let digest = hasher.finish();
        known.insert(weight, digest);
        digest
    }

    /// The questions that a weight depends on.
    pub(in crate::walk) fn depends_on(&self, weight: Weight) -> BTreeSet<QuestionId> {
        let (mut found, mut seen, mut open) = (BTreeSet::new(), HashSet::default(), vec![weight]);
        while let Some(weight) = open.pop() {
            if let (true, Node::Ask(question, cases)) = (seen.insert(weight), self.node(weight)) {
                found.insert(*question);
                open.extend(cases.iter().map(|(_, weight)| *weight));
            }
        }
        found
    }

    /// Whether a weight is not 0 under some of these answers.
    pub(in crate::walk) fn is_possible(&self, weight: Weight, answers: &[(QuestionId, CaseSet)]) -> bool {
        self.leads_on(weight, answers, &mut HashSet::default())
    }

    fn leads_on(
        &self,
        weight: Weight,
        answers: &[(QuestionId, CaseSet)],
        seen: &mut HashSet<Weight>,
    ) -> bool {
        if !seen.insert(weight) {
            return false;
        }
        match self.node(weight) {
            Node::Leaf(_) => weight != Weight::NEVER,
            Node::Ask(question, cases) => {
                let answer = answers.iter().find(|(asked, _)| asked == question).map(|(_, set)| set);
                let fits = |set: &CaseSet| answer.is_none_or(|answer| !answer.and(set).is_empty());
                cases.iter().any(|(set, weight)| fits(set) && self.leads_on(*weight, answers, seen))
            }
        }
    }
}
