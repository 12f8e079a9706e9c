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

impl Node {
    fn question(&self) -> Option<QuestionId> {
        match self {
            Node::Leaf(_) => None,
            Node::Ask(question, _) => Some(*question),
        }
    }
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
        self.node(weight).question()
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
        if self.question(weight).is_none_or(|asked| asked <= question) {
            return self.restricted(weight, question, some, all);
        }
        let mut known = HashMap::default();
        for node in self.below(weight, |asked, _| asked > question) {
            let result = match self.question(node) {
                Some(asked) if asked > question => {
                    let cases = self.cases(node);
                    self.replaced(asked, &cases, &known)
                }
                _ => self.restricted(node, question, some, all),
            };
            known.insert(node, result);
        }
        replacement(&known, weight)
    }

    /// The same for a weight that depends on no question above this one.
    fn restricted(&mut self, weight: Weight, question: QuestionId, some: &CaseSet, all: &CaseSet) -> Weight {
        if weight == Weight::NEVER {
            return weight;
        }
        if self.question(weight) != Some(question) {
            return self.ask(question, [(some.clone(), weight), (all.without(some), Weight::NEVER)]);
        }
        let kept = self.cases(weight);
        let kept = kept.iter().map(|(set, weight)| (set.and(some), *weight));
        self.ask(question, kept.chain([(all.without(some), Weight::NEVER)]))
    }

    /// All weights that one is made of, itself included; those that answers do not lead to are left out, as is what is
    /// below questions that are not gone into. A weight is made after those that it is made of and so comes after them;
    /// a diagram can be so deep that recursion would exhaust the stack.
    fn below(&self, weight: Weight, goes_into: impl Fn(QuestionId, &CaseSet) -> bool) -> Vec<Weight> {
        let (mut seen, mut open) = (HashSet::default(), vec![weight]);
        while let Some(weight) = open.pop() {
            if let (true, Node::Ask(question, cases)) = (seen.insert(weight), self.node(weight)) {
                let led_to = cases.iter().filter(|(set, _)| goes_into(*question, set));
                open.extend(led_to.map(|(_, weight)| *weight));
            }
        }
        let mut found: Vec<Weight> = seen.into_iter().collect();
        found.sort_unstable();
        found
    }

    /// The weight that asks a question and goes on with what stands for each of its cases now.
    fn replaced(&mut self, question: QuestionId, cases: &Cases, by: &HashMap<Weight, Weight>) -> Weight {
        self.ask(question, cases.iter().map(|(set, weight)| (set.clone(), replacement(by, *weight))))
    }

    /// The answers under which a weight is not 0.
    pub(super) fn possible(&self, weight: Weight, question: QuestionId, all: &CaseSet) -> CaseSet {
        if self.question(weight).is_none_or(|asked| asked <= question) {
            return self.possible_at(weight, question, all);
        }
        let mut found = all.without(all);
        for node in self.below(weight, |asked, _| asked > question) {
            found = found.or(&self.possible_at(node, question, all));
        }
        found
    }

    /// The same for what a weight asks first.
    fn possible_at(&self, weight: Weight, question: QuestionId, all: &CaseSet) -> CaseSet {
        match self.node(weight) {
            Node::Ask(asked, _) if *asked > question => all.without(all),
            Node::Ask(asked, cases) if *asked == question => {
                let possible = cases.iter().filter(|(_, weight)| *weight != Weight::NEVER);
                possible.fold(all.without(all), |found, (set, _)| found.or(set))
            }
            _ if weight == Weight::NEVER => all.without(all),
            _ => all.clone(),
        }
    }

    /// The sum of two weights.
    pub(super) fn sum(&mut self, a: Weight, b: Weight) -> Weight {
        if let Some(sum) = self.known_sum(a, b) {
            return sum;
        }
        let mut open = vec![self.unfinished(a, b)];
        while let Some(mut last) = open.pop() {
            let Some((_, a, b)) = last.parts.get(last.known.len()) else {
                self.finish(last);
                continue;
            };
            match self.known_sum(*a, *b) {
                Some(sum) => {
                    last.known.push(sum);
                    open.push(last);
                }
                None => {
                    let part = self.unfinished(*a, *b);
                    open.extend([last, part]);
                }
            }
        }
        self.known_sum(a, b).unwrap_or(Weight::NEVER)
    }

    fn known_sum(&self, a: Weight, b: Weight) -> Option<Weight> {
        let (a, b) = (a.min(b), a.max(b));
        if a == Weight::NEVER { Some(b) } else { self.sums.get(&(a, b)).copied() }
    }

    /// A sum whose parts are not known yet: at the question that is asked first.
    fn unfinished(&self, a: Weight, b: Weight) -> Sum {
        let of = (a.min(b), a.max(b));
        let (question, parts) = match (self.node(a), self.node(b)) {
            (Node::Ask(question, cases), Node::Ask(other, others)) if question == other => {
                (Some(*question), both_cases(cases, others))
            }
            (Node::Ask(question, cases), other) if other.question().is_none_or(|other| *question > other) => {
                (Some(*question), cases.iter().map(|(set, weight)| (set.clone(), *weight, b)).collect())
            }
            (_, Node::Ask(question, cases)) => {
                (Some(*question), cases.iter().map(|(set, weight)| (set.clone(), *weight, a)).collect())
            }
            _ => (None, Vec::new()),
        };
        Sum { of, question, known: Vec::with_capacity(parts.len()), parts }
    }

    fn finish(&mut self, sum: Sum) {
        let result = match (sum.question, self.node(sum.of.0), self.node(sum.of.1)) {
            (Some(question), ..) => {
                let sets = sum.parts.into_iter().map(|(set, ..)| set);
                self.ask(question, sets.zip(sum.known))
            }
            (None, Node::Leaf(a), Node::Leaf(b)) => {
                let both = a.plus(*b);
                self.leaf(both)
            }
            _ => Weight::NEVER,
        };
        self.sums.insert(sum.of, result);
    }

    /// A weight times a chance.
    pub(super) fn scaled(&mut self, weight: Weight, chance: Chance) -> Weight {
        if chance.is_certain() {
            return weight;
        }
        let mut known = HashMap::default();
        for node in self.below(weight, |_, _| true) {
            let result = match self.node(node) {
                Node::Leaf(leaf) => {
                    let product = leaf.times(chance);
                    self.leaf(product)
                }
                Node::Ask(question, cases) => {
                    let (question, cases) = (*question, cases.clone());
                    self.replaced(question, &cases, &known)
                }
            };
            known.insert(node, result);
        }
        replacement(&known, weight)
    }

    /// The weight that is left once some questions are answered.
    pub(super) fn narrowed(&mut self, weight: Weight, answers: &[(QuestionId, usize)]) -> Weight {
        let answers: HashMap<QuestionId, usize> = answers.iter().copied().collect();
        let answer = |question| answers.get(&question).copied();
        let fits = |question, set: &CaseSet| answer(question).is_none_or(|answer| set.contains(answer));
        let mut known = HashMap::default();
        for node in self.below(weight, fits) {
            let Node::Ask(question, cases) = self.node(node) else {
                known.insert(node, node);
                continue;
            };
            let (question, cases) = (*question, cases.clone());
            let result = match answer(question) {
                Some(answer) => {
                    let case = cases.iter().find(|(set, _)| set.contains(answer));
                    case.map_or(Weight::NEVER, |(_, weight)| replacement(&known, *weight))
                }
                None => self.replaced(question, &cases, &known),
            };
            known.insert(node, result);
        }
        replacement(&known, weight)
    }
}

/// A sum that is being made.
struct Sum {
    of: (Weight, Weight),
    /// What is asked first; nothing for two chances.
    question: Option<QuestionId>,
    /// The two weights for each set of answers.
    parts: Vec<(CaseSet, Weight, Weight)>,
    /// The sums of the first of them.
    known: Vec<Weight>,
}

fn both_cases(cases: &Cases, others: &Cases) -> Vec<(CaseSet, Weight, Weight)> {
    let pairs = cases.iter().flat_map(|case| others.iter().map(move |other| (case, other)));
    let both = pairs.map(|((set, a), (other, b))| (set.and(other), *a, *b));
    both.filter(|(set, ..)| !set.is_empty()).collect()
}

/// What stands for a weight now.
fn replacement(by: &HashMap<Weight, Weight>, weight: Weight) -> Weight {
    by.get(&weight).copied().unwrap_or(Weight::NEVER)
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

    /// Deeper than any stack: the first question is asked again after 100,000 others.
    #[test]
    fn depth_is_no_matter() {
        let mut weights = Weights::new();
        let both = CaseSet::all(2);
        let (mut open, mut ends) = (Weight::ALWAYS, Weight::NEVER);
        let first = QuestionId::new(0, false);
        for number in 0..100_000 {
            let question = QuestionId::new(number, false);
            let taken = weights.where_one_of(open, question, &yes(), &both);
            open = weights.where_one_of(open, question, &no(), &both);
            ends = weights.sum(taken, ends);
        }
        assert_eq!(weights.possible(open, first, &both), no());
        assert_eq!(weights.where_one_of(open, first, &yes(), &both), Weight::NEVER);
        assert_eq!(weights.where_one_of(open, first, &no(), &both), open);
        assert_eq!(weights.narrowed(open, &[(first, 0)]), Weight::NEVER);
        assert!(!weights.is_possible(open, &[(first, yes())]));
        assert_eq!(weights.depends_on(open).len(), 100_000);
        let half = weights.scaled(open, Chance::of(1, 2));
        assert_eq!(weights.paths(half, 2).len(), 1);
        assert_eq!(weights.sum(half, half), open);
        assert_ne!(weights.digest(half, &|_, _| 0), weights.digest(open, &|_, _| 0));
        assert_eq!(weights.likeliest(half), Chance::of(1, 2));
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
