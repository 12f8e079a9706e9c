//! What a weight says: which answers it depends on, and the chance under them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use foldhash::HashMap;

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
        let (mut found, mut answers, mut open) = (Vec::new(), Vec::new(), vec![Turn::Enter(weight, None)]);
        while let Some(turn) = open.pop().filter(|_| found.len() < most) {
            let (weight, answer) = match turn {
                Turn::Leave => {
                    answers.pop();
                    continue;
                }
                Turn::Enter(weight, answer) => (weight, answer),
            };
            if weight == Weight::NEVER {
                continue;
            }
            if let Some(answer) = answer {
                answers.push(answer);
                open.push(Turn::Leave);
            }
            match self.node(weight) {
                Node::Leaf(chance) => {
                    let mut answers: Vec<(QuestionId, CaseSet)> = answers.clone();
                    answers.sort_unstable();
                    found.push((answers, *chance));
                }
                Node::Ask(question, cases) => {
                    let enter = |(set, weight): &(CaseSet, Weight)| {
                        Turn::Enter(*weight, Some((*question, set.clone())))
                    };
                    open.extend(cases.iter().rev().map(enter));
                }
            }
        }
        found
    }

    /// The greatest chance under any answers.
    pub(in crate::walk) fn likeliest(&self, weight: Weight) -> Chance {
        let mut best = Chance::CERTAIN.otherwise();
        for weight in self.below(weight, |_, _| true) {
            if let Node::Leaf(chance) = self.node(weight)
                && chance.compare(best).is_gt()
            {
                best = *chance;
            }
        }
        best
    }

    /// A number for what a weight depends on and how; `meaning` gives one for a question with some of its answers.
    pub(in crate::walk) fn digest(&self, weight: Weight, meaning: Meaning<'_>) -> u64 {
        let mut known: HashMap<Weight, u64> = HashMap::default();
        let number = |known: &HashMap<Weight, u64>, weight| known.get(&weight).copied().unwrap_or_default();
        for node in self.below(weight, |_, _| true) {
            let mut hasher = DefaultHasher::new();
            match self.node(node) {
                Node::Leaf(chance) => chance.key().hash(&mut hasher),
                Node::Ask(question, cases) => {
                    let case = |(set, weight): &(CaseSet, Weight)| {
                        (meaning(*question, set), number(&known, *weight))
                    };
                    let mut cases: Vec<(u64, u64)> = cases.iter().map(case).collect();
                    // Answers are numbered as rules name them.
                    cases.sort_unstable();
                    cases.hash(&mut hasher);
                }
            }
            known.insert(node, hasher.finish());
        }
        number(&known, weight)
    }

    /// The questions that a weight depends on.
    pub(in crate::walk) fn depends_on(&self, weight: Weight) -> BTreeSet<QuestionId> {
        self.below(weight, |_, _| true).into_iter().filter_map(|weight| self.question(weight)).collect()
    }

    /// Whether a weight is not 0 under some of these answers.
    pub(in crate::walk) fn is_possible(&self, weight: Weight, answers: &[(QuestionId, CaseSet)]) -> bool {
        let answers: HashMap<QuestionId, &CaseSet> =
            answers.iter().map(|(asked, set)| (*asked, set)).collect();
        let fits =
            |question, set: &CaseSet| answers.get(&question).is_none_or(|answer| !answer.and(set).is_empty());
        let is_chance = |weight: &Weight| *weight != Weight::NEVER && self.question(*weight).is_none();
        self.below(weight, fits).iter().any(is_chance)
    }
}

/// A step of the way through a diagram.
enum Turn {
    /// To a weight, by an answer.
    Enter(Weight, Option<(QuestionId, CaseSet)>),
    /// Back from it.
    Leave,
}
