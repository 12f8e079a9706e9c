//! Merges outcomes: equal ones become one, and questions that make no difference are dropped.

use foldhash::{HashMap, HashMapExt};
use smallvec::SmallVec;

use super::cases::CaseSet;
use super::chance::Chance;
use super::evaluator::{Evaluator, PathEntry};
use super::outcome::{Condition, Outcome, Step};
use super::packet_state::{Affinity, FinalState, PathEnd, PathId};
use super::program::Program;
use super::questions::{Answers, OpenQuestion, Questions, YES};
use super::queue::sum;
use super::weights::{QuestionId, Weight, Weights};

/// The most outcomes of one kind that are listed by their conditions, and the most conditions of one outcome.
const MOST_TOLD: usize = 16;

/// The outcomes of a walk: those without a condition first, then by what they depend on: "yes" before "no".
pub(super) fn outcomes<'r>(mut evaluator: Evaluator<'_, 'r>) -> Vec<Outcome<'r>> {
    let path_ends = std::mem::take(&mut evaluator.path_ends);
    outcomes_of(&mut evaluator, path_ends)
}

/// The same for some of its ends, which no others can equal.
pub(super) fn outcomes_of<'r>(
    evaluator: &mut Evaluator<'_, 'r>,
    path_ends: Vec<PathEnd<'r>>,
) -> Vec<Outcome<'r>> {
    let Evaluator { program, path, weights, questions, .. } = evaluator;
    let groups = groups(path_ends);
    let mut found: Vec<Found<'r>> = groups.iter().flat_map(|group| group.cases(weights, questions)).collect();
    found.sort_by(|a, b| {
        let key = |case: &Found<'_>| (case.end.affinity.is_some(), case.several.is_some());
        key(a).cmp(&key(b)).then_with(|| a.answers.cmp(&b.answers))
    });
    let build = |case: Found<'r>| Outcome {
        verdict: case.end.state.verdict,
        chance: case.chance,
        destination: case.end.state.destination,
        snat: case.end.state.snat,
        delivered_locally: case.end.state.local,
        rewritten: case.end.state.rewritten,
        given: conditions(program, questions, &case),
        steps: steps(program, path, case.end.path),
    };
    found.into_iter().map(build).collect()
}

/// Ends that differ only in their weights and steps, in the order found.
struct Group<'r>(SmallVec<[PathEnd<'r>; 1]>);

/// One outcome: an end that stands for all equal ones, under some answers.
struct Found<'r> {
    end: PathEnd<'r>,
    chance: Chance,
    answers: Vec<(QuestionId, CaseSet)>,
    supposing: Vec<QuestionId>,
    /// If there are too many ways to list: on how many questions they depend, and a number for how.
    several: Option<(usize, u64)>,
}

fn groups(path_ends: Vec<PathEnd<'_>>) -> Vec<Group<'_>> {
    let mut places: HashMap<(Option<&str>, FinalState), usize> = HashMap::with_capacity(path_ends.len());
    let mut groups: Vec<Group<'_>> = Vec::new();
    for end in path_ends {
        let key = (end.affinity.map(|affinity| affinity.list), end.state);
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.0.push(end),
            None => groups.push(Group(SmallVec::from_iter([end]))),
        }
    }
    groups
}

impl<'r> Group<'r> {
    /// The outcomes: one for each way through the sum of all weights, with its suppositions.
    fn cases(&self, weights: &mut Weights, questions: &Questions<'r>) -> SmallVec<[Found<'r>; 1]> {
        if let Some(only) = self.whatever_the_answers() {
            return SmallVec::from_iter([only]);
        }
        self.by_answers(weights, questions).into()
    }

    /// The only outcome, if nothing that was asked makes a difference.
    fn whatever_the_answers(&self) -> Option<Found<'r>> {
        let (first, others) = self.0.split_first()?;
        let is_certain = |end: &PathEnd<'_>| end.weight == Weight::ALWAYS;
        (is_certain(first) && others.iter().all(is_certain)).then(|| Found {
            end: first.clone(),
            chance: others.iter().fold(first.chance, |sum, end| sum.plus(end.chance)),
            answers: Vec::new(),
            supposing: Vec::new(),
            several: None,
        })
    }

    fn by_answers(&self, weights: &mut Weights, questions: &Questions<'r>) -> Vec<Found<'r>> {
        let sum = self.0.iter().map(|end| (end.weight, end.chance)).reduce(|a, b| sum(weights, a, b));
        let Some((weight, chance)) = sum else { return Vec::new() };
        let usual: Vec<(QuestionId, usize)> = questions.supposed().map(|question| (question, YES)).collect();
        let supposed = weights.narrowed(weight, &usual);
        let paths = weights.paths(supposed, MOST_TOLD + 1);
        if paths.len() > MOST_TOLD || paths.iter().any(|(answers, _)| answers.len() > MOST_TOLD) {
            return self.several(weights, questions, (supposed, chance), &usual);
        }
        let mut found = Vec::with_capacity(paths.len());
        for (answers, share) in paths {
            let supposing = matters(weights, weight, &answers, &usual);
            let all: Vec<(QuestionId, CaseSet)> = usual
                .iter()
                .map(|(question, _)| (*question, OpenQuestion::yes()))
                .chain(answers.clone())
                .collect();
            if let Some(end) = self.0.iter().find(|end| weights.is_possible(end.weight, &all)) {
                let (end, chance) = (end.clone(), share.times(chance));
                found.push(Found { end, chance, answers, supposing, several: None });
            }
        }
        found
    }
}

impl<'r> Group<'r> {
    /// One outcome for all ways: with the first question that it depends on, and with the greatest chance of any of
    /// them.
    fn several(
        &self,
        weights: &Weights,
        questions: &Questions<'r>,
        (weight, chance): (Weight, Chance),
        usual: &[(QuestionId, usize)],
    ) -> Vec<Found<'r>> {
        let asked = weights.depends_on(weight);
        let meaning = |question, set: &CaseSet| questions.get(question).map_or(0, |open| open.meaning(set));
        let several = Some((asked.len(), weights.digest(weight, &meaning)));
        let likeliest = weights.likeliest(weight).times(chance);
        let usual: Vec<(QuestionId, CaseSet)> =
            usual.iter().map(|(question, _)| (*question, OpenQuestion::yes())).collect();
        let end = self.0.iter().find(|end| weights.is_possible(end.weight, &usual));
        let first = asked.first().and_then(|first| Some((*first, questions.get(*first)?.all.clone())));
        let found = end.map(|end| Found {
            end: end.clone(),
            chance: likeliest,
            answers: first.into_iter().collect(),
            supposing: Vec::new(),
            several,
        });
        found.into_iter().collect()
    }
}

/// The suppositions that make a difference to the weight under these answers.
fn matters(
    weights: &mut Weights,
    weight: Weight,
    answers: &[(QuestionId, CaseSet)],
    usual: &[(QuestionId, usize)],
) -> Vec<QuestionId> {
    let given = answers.iter().filter_map(|(question, set)| Some((*question, set.iter().next()?)));
    let given: Vec<(QuestionId, usize)> = given.chain(usual.iter().copied()).collect();
    let as_supposed = weights.narrowed(weight, &given);
    let asked = weights.depends_on(weight);
    let mut found = Vec::new();
    for (question, _) in usual.iter().filter(|(question, _)| asked.contains(question)) {
        let otherwise = |(asked, answer): &(QuestionId, usize)| {
            (*asked, if asked == question { YES + 1 } else { *answer })
        };
        let otherwise: Vec<_> = given.iter().map(otherwise).collect();
        if weights.narrowed(weight, &otherwise) != as_supposed {
            found.push(*question);
        }
    }
    found
}

/// The condition that the client was sent somewhere before.
pub(super) fn affinity<'r>(program: &Program<'r>, of: Affinity<'r>) -> Option<Condition<'r>> {
    Some(Condition::Affinity {
        list: of.list.into(),
        listed: of.listed,
        rule: program.rule_ref(of.position.chain, Some(of.position.rule))?,
    })
}

fn conditions<'r>(program: &Program<'r>, questions: &Questions<'r>, case: &Found<'r>) -> Vec<Condition<'r>> {
    let affinity = case.end.affinity.and_then(|of| affinity(program, of));
    let answers = case.answers.iter().filter_map(|(question, set)| {
        let question = questions.get(*question)?;
        let rule = match question.answers {
            Answers::Orders(_) => None,
            _ => Some(question.position.rule),
        };
        let rule = program.rule_ref(question.position.chain, rule)?;
        if let Some((count, digest)) = case.several {
            return Some(Condition::Several { count, text: question.text().into(), rule, digest });
        }
        let (text, matches) = question.words(set);
        let text = text.into();
        Some(match question.answers {
            Answers::Orders(_) => Condition::Order { text, first: rule },
            Answers::Verdicts(_) => {
                Condition::Verdict { text: question.text().into(), rule, verdicts: question.verdicts(set) }
            }
            _ => Condition::Opaque { text, rule, matches },
        })
    });
    let supposed = case.supposing.iter().filter_map(|question| {
        let question = questions.get(*question)?;
        Some(Condition::Supposed {
            supposition: question.supposition?,
            text: question.text().into(),
            rule: program.rule_ref(question.position.chain, Some(question.position.rule))?,
        })
    });
    affinity.into_iter().chain(answers).chain(supposed).collect()
}

/// The steps of a path, with those of one rule together.
pub(super) fn steps<'r>(program: &Program<'r>, path: &[PathEntry<'r>], end: PathId) -> Vec<Step<'r>> {
    let entries: Vec<&PathEntry<'r>> =
        std::iter::successors(entry(path, end), |n| entry(path, n.before)).collect();
    let mut steps: Vec<Step<'r>> = Vec::with_capacity(entries.len());
    let mut last = None;
    for n in entries.into_iter().rev() {
        let position = n.rule.map(|rule| (n.hook, rule));
        match steps.last_mut().filter(|_| position.is_some() && position == last) {
            Some(step) => step.effects.push(n.effect),
            None => steps.push(Step {
                hook: n.hook,
                rule: n.rule.and_then(|(chain, rule)| program.rule_ref(chain, rule)),
                seen: n.seen,
                chance: n.chance,
                element: n.element,
                effects: vec![n.effect],
            }),
        }
        last = position;
    }
    steps
}

fn entry<'p, 'r>(path: &'p [PathEntry<'r>], id: PathId) -> Option<&'p PathEntry<'r>> {
    path.get(id? as usize)
}
