//! How likely it is that a packet gets to a point, depending on the answers to open questions.
//!
//! A rule can ask for something unknown: an interface, a set whose members are not known. Each such question has a
//! number and a few possible answers, and the walk goes on with a branch for each. What matters about a branch is its
//! weight: a function from answers to a chance. It is represented as a decision diagram (Bryant 1986, with chances at
//! the leaves): a node asks one question, and its answer leads to the next node.
//!
//! ```text
//!  in interface?  cali1 ──▶ 1          the packet gets here if it came in by cali1,
//!                 others ─▶ set x? ─ yes ▶ 1/2    or in half of the cases if the set x has its source,
//!                                  └ no ─▶ 0      and else never
//! ```
//!
//! Two branches that agree in everything that rules can ask become one, whose weight is the sum. A question whose
//! answer made no difference thereby disappears from the diagram: nothing forks twice, and 600 rules that are not
//! understood and change nothing cost 600 forks, not 2 to the power of 600.

mod reading;

use std::rc::Rc;

use foldhash::{HashMap, HashSet};

use super::cases::CaseSet;
use super::chance::Chance;

/// A weight, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Weight(u32);

/// A question, by its number. Diagrams ask those with many answers first (an interface leads to rules of its own, which
/// ask little else), then the newest: answering it on a branch adds a node above most others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct QuestionId(u32);

impl QuestionId {
    const MANY_ANSWERS: u32 = 1 << 31;

    pub(super) fn new(index: usize, has_many_answers: bool) -> QuestionId {
        let index = u32::try_from(index).unwrap_or(u32::MAX) & !Self::MANY_ANSWERS;
        QuestionId(if has_many_answers { index | Self::MANY_ANSWERS } else { index })
    }

    pub(super) fn index(self) -> usize {
        (self.0 & !Self::MANY_ANSWERS) as usize
    }
}

/// The weight for each set of answers. The sets are disjoint and cover every answer.
type Cases = Rc<[(CaseSet, Weight)]>;

#[derive(Debug, Clone)]
enum Node {
    Leaf(Chance),
    Ask(QuestionId, Cases),
}

/// All weights of a walk; equal ones have the same number.
#[derive(Clone)]
pub(super) struct Weights {
    nodes: Vec<Node>,
    leaves: HashMap<(u128, u128), Weight>,
    asking: HashMap<(QuestionId, Cases), Weight>,
    sums: HashMap<(Weight, Weight), Weight>,
    /// How many cases they have in total.
    size: usize,
}

/// The most cases of all weights together, so that no ruleset can exhaust memory.
const MOST_CASES: usize = 1 << 20;

impl Weight {
    /// 0, whatever the answers.
    pub(super) const NEVER: Weight = Weight(0);
    /// 1, whatever the answers.
    pub(super) const ALWAYS: Weight = Weight(1);
}

impl Weights {
    pub(super) fn new() -> Weights {
        let mut weights = Weights {
            nodes: Vec::new(),
            leaves: HashMap::default(),
            asking: HashMap::default(),
            sums: HashMap::default(),
            size: 0,
        };
        weights.leaf(Chance::CERTAIN.otherwise());
        weights.leaf(Chance::CERTAIN);
        weights
    }

    /// Whether there are too many to go on; weights made since are not right.
    pub(super) fn is_full(&self) -> bool {
        self.size > MOST_CASES
    }

    fn add_node(&mut self, node: Node) -> Weight {
        let weight = Weight(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(node);
        weight
    }

    fn leaf(&mut self, chance: Chance) -> Weight {
        let key = chance.key();
        if let Some(known) = self.leaves.get(&key) {
            return *known;
        }
        let weight = self.add_node(Node::Leaf(chance));
        self.leaves.insert(key, weight);
        weight
    }

    /// The weight that asks a question; equal cases are merged.
    fn ask(&mut self, question: QuestionId, cases: impl IntoIterator<Item = (CaseSet, Weight)>) -> Weight {
        let mut merged: Vec<(CaseSet, Weight)> = Vec::new();
        for (set, weight) in cases.into_iter().filter(|(set, _)| !set.is_empty()) {
            match merged.iter_mut().find(|(_, other)| *other == weight) {
                Some((like, _)) => *like = like.or(&set),
                None => merged.push((set, weight)),
            }
        }
        if let [(_, only)] = merged.as_slice() {
            return *only;
        }
        if self.is_full() {
            return Weight::NEVER;
        }
        merged.sort_unstable();
        let key = (question, Cases::from(merged));
        if let Some(known) = self.asking.get(&key) {
            return *known;
        }
        self.size += key.1.len();
        let weight = self.add_node(Node::Ask(question, key.1.clone()));
        self.asking.insert(key, weight);
        weight
    }

    fn node(&self, weight: Weight) -> &Node {
        const NOTHING: Node = Node::Leaf(Chance::CERTAIN);
        self.nodes.get(weight.0 as usize).unwrap_or(&NOTHING)
    }

    fn question(&self, weight: Weight) -> Option<QuestionId> {
        match self.node(weight) {
            Node::Leaf(_) => None,
            Node::Ask(question, _) => Some(*question),
        }
    }

    fn cases(&self, weight: Weight) -> Cases {
        match self.node(weight) {
            Node::Leaf(_) => Cases::from([]),
            Node::Ask(_, cases) => cases.clone(),
        }
    }

    /// The same weight if the answer is one of some, else 0. `all` are all answers that the question can have.
    pub(super) fn where_one_of(
        &mut self,
        weight: Weight,
        question: QuestionId,
        some: &CaseSet,
        all: &CaseSet,
    ) -> Weight {
        let mut known = HashMap::default();
        self.restrict(weight, (question, some, all), &mut known)
    }

    fn restrict(
        &mut self,
        weight: Weight,
        (question, some, all): (QuestionId, &CaseSet, &CaseSet),
        known: &mut HashMap<Weight, Weight>,
    ) -> Weight {
        if weight == Weight::NEVER {
            return weight;
        }
        if let Some(known) = known.get(&weight) {
            return *known;
        }
        let result = match self.question(weight) {
            Some(asked) if asked > question => {
                let cases = self.cases(weight);
                let cases: Vec<_> = cases
                    .iter()
                    .map(|(set, weight)| (set.clone(), self.restrict(*weight, (question, some, all), known)))
                    .collect();
                self.ask(asked, cases)
            }
            Some(asked) if asked == question => {
                let kept = self.cases(weight);
                let kept = kept.iter().map(|(set, weight)| (set.and(some), *weight));
                self.ask(question, kept.chain([(all.without(some), Weight::NEVER)]))
            }
            _ => self.ask(question, [(some.clone(), weight), (all.without(some), Weight::NEVER)]),
        };
        known.insert(weight, result);
        result
    }

    /// The answers under which a weight is not 0.
    pub(super) fn possible(&self, weight: Weight, question: QuestionId, all: &CaseSet) -> CaseSet {
        let mut found = all.without(all);
        let mut seen = HashSet::default();
        self.collect_possible(weight, (question, all), &mut found, &mut seen);
        found
    }

    fn collect_possible(
        &self,
        weight: Weight,
        (question, all): (QuestionId, &CaseSet),
        found: &mut CaseSet,
        seen: &mut HashSet<Weight>,
    ) {
        if weight == Weight::NEVER || found == all || !seen.insert(weight) {
            return;
        }
        match self.node(weight) {
            Node::Ask(asked, cases) if *asked > question => {
                cases
                    .iter()
                    .for_each(|(_, weight)| self.collect_possible(*weight, (question, all), found, seen));
            }
            Node::Ask(asked, cases) if *asked == question => {
                for (set, _) in cases.iter().filter(|(_, weight)| *weight != Weight::NEVER) {
                    *found = found.or(set);
                }
            }
            _ => *found = all.clone(),
        }
    }

    /// The sum of two weights.
    pub(super) fn sum(&mut self, a: Weight, b: Weight) -> Weight {
        let (a, b) = (a.min(b), a.max(b));
        if a == Weight::NEVER {
            return b;
        }
        if let Some(known) = self.sums.get(&(a, b)) {
            return *known;
        }
        let result = match (self.node(a), self.node(b)) {
            (Node::Leaf(a), Node::Leaf(b)) => {
                let sum = a.plus(*b);
                self.leaf(sum)
            }
            (Node::Ask(question, cases), Node::Ask(other, others)) if question == other => {
                let (question, cases, others) = (*question, cases.clone(), others.clone());
                self.sum_of_cases(question, &cases, &others)
            }
            (Node::Ask(question, cases), Node::Ask(other, _)) if question > other => {
                let (question, cases) = (*question, cases.clone());
                self.sum_with(question, &cases, b)
            }
            (Node::Ask(question, cases), Node::Leaf(_)) => {
                let (question, cases) = (*question, cases.clone());
                self.sum_with(question, &cases, b)
            }
            (_, Node::Ask(question, cases)) => {
                let (question, cases) = (*question, cases.clone());
                self.sum_with(question, &cases, a)
            }
        };
        self.sums.insert((a, b), result);
        result
    }

    fn sum_with(&mut self, question: QuestionId, cases: &Cases, other: Weight) -> Weight {
        let summed: Vec<_> =
            cases.iter().map(|(set, weight)| (set.clone(), self.sum(*weight, other))).collect();
        self.ask(question, summed)
    }

    fn sum_of_cases(&mut self, question: QuestionId, cases: &Cases, others: &Cases) -> Weight {
        let mut summed = Vec::new();
        for (set, weight) in cases.iter() {
            for (other_set, other) in others.iter() {
                let both = set.and(other_set);
                if !both.is_empty() {
                    summed.push((both, self.sum(*weight, *other)));
                }
            }
        }
        self.ask(question, summed)
    }

    /// A weight times a chance.
    pub(super) fn scaled(&mut self, weight: Weight, chance: Chance) -> Weight {
        if chance.is_certain() {
            return weight;
        }
        self.scale(weight, chance, &mut HashMap::default())
    }

    fn scale(&mut self, weight: Weight, chance: Chance, known: &mut HashMap<Weight, Weight>) -> Weight {
        if let Some(known) = known.get(&weight) {
            return *known;
        }
        let result = match self.node(weight) {
            Node::Leaf(leaf) => {
                let product = leaf.times(chance);
                self.leaf(product)
            }
            Node::Ask(question, cases) => {
                let (question, cases) = (*question, cases.clone());
                let cases: Vec<_> = cases
                    .iter()
                    .map(|(set, weight)| (set.clone(), self.scale(*weight, chance, known)))
                    .collect();
                self.ask(question, cases)
            }
        };
        known.insert(weight, result);
        result
    }

    /// The weight that is left once some questions are answered.
    pub(super) fn narrowed(&mut self, weight: Weight, answers: &[(QuestionId, usize)]) -> Weight {
        self.narrow(weight, answers, &mut HashMap::default())
    }

    fn narrow(
        &mut self,
        weight: Weight,
        answers: &[(QuestionId, usize)],
        known: &mut HashMap<Weight, Weight>,
    ) -> Weight {
        let Some(question) = self.question(weight) else { return weight };
        if let Some(known) = known.get(&weight) {
            return *known;
        }
        let cases = self.cases(weight);
        let result = match answers.iter().find(|(asked, _)| *asked == question) {
            Some((_, answer)) => {
                let case = cases.iter().find(|(set, _)| set.contains(*answer));
                case.map_or(Weight::NEVER, |(_, weight)| self.narrow(*weight, answers, known))
            }
            None => {
                let cases: Vec<_> = cases
                    .iter()
                    .map(|(set, weight)| (set.clone(), self.narrow(*weight, answers, known)))
                    .collect();
                self.ask(question, cases)
            }
        };
        known.insert(weight, result);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yes() -> CaseSet {
        CaseSet::of(2, |case| case == 0)
    }

    fn no() -> CaseSet {
        CaseSet::of(2, |case| case == 1)
    }

    #[test]
    fn a_question_that_makes_no_difference_is_forgotten() {
        let mut weights = Weights::new();
        let both = CaseSet::all(2);
        let mut sum = Weight::NEVER;
        let mut open = Weight::ALWAYS;
        for number in 0..100 {
            let question = QuestionId::new(number, false);
            let taken = weights.where_one_of(open, question, &yes(), &both);
            open = weights.where_one_of(open, question, &no(), &both);
            sum = weights.sum(sum, taken);
        }
        assert_eq!(weights.paths(sum, 1000).len(), 100);
        assert_eq!(weights.sum(sum, open), Weight::ALWAYS);
    }

    #[test]
    fn an_answer_that_was_given_stays() {
        let mut weights = Weights::new();
        let all = CaseSet::all(3);
        let first = CaseSet::of(3, |case| case == 0);
        let rest = all.without(&first);
        let (early, late) = (QuestionId::new(0, false), QuestionId::new(1, true));
        let taken = weights.where_one_of(Weight::ALWAYS, late, &rest, &all);
        let taken = weights.where_one_of(taken, early, &yes(), &CaseSet::all(2));
        assert_eq!(weights.possible(taken, late, &all), rest);
        assert_eq!(weights.possible(taken, early, &CaseSet::all(2)), yes());
        assert_eq!(weights.where_one_of(taken, late, &first, &all), Weight::NEVER);
        let half = weights.scaled(taken, Chance::of(1, 2));
        assert_eq!(weights.paths(half, 9), [(vec![(early, yes()), (late, rest)], Chance::of(1, 2))]);
        assert_eq!(weights.sum(half, half), taken);
    }
}
