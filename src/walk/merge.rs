//! Merges outcomes: like ones become one, and assumptions that make no difference are forgotten.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::evaluator::{Evaluator, PathEntry};
use super::outcome::{Condition, Outcome, Step};
use super::packet_state::{FinalState, PathEnd, PathId, Predicate};
use super::program::Program;
use super::rule_part::InterfaceDirection;
use crate::nftables::ruleset::Statement;

/// The outcomes of a walk: those without a condition first, then in the order found.
pub(super) fn outcomes<'r>(evaluator: Evaluator<'_, 'r>) -> Vec<Outcome<'r>> {
    let Evaluator { program, path, path_ends, .. } = evaluator;
    let mut path_ends = merge(forget_idle_assumptions(path_ends));
    path_ends.sort_by_key(|path_end| (path_end.affinity.is_some(), !path_end.assumptions.is_empty()));
    let build = |path_end: PathEnd<'r>| Outcome {
        verdict: path_end.state.verdict,
        chance: path_end.chance,
        destination: path_end.state.destination,
        snat: path_end.state.snat,
        delivered_locally: path_end.state.local,
        given: conditions(program, &path_end),
        steps: steps(program, &path, path_end.path),
    };
    path_ends.into_iter().map(build).collect()
}

fn predicates<'r>(path_ends: &[PathEnd<'r>]) -> Vec<Predicate<'r>> {
    let mut found: Vec<Predicate<'r>> = Vec::new();
    for assumption in path_ends.iter().flat_map(|path_end| &path_end.assumptions) {
        if !found.contains(&assumption.predicate) {
            found.push(assumption.predicate);
        }
    }
    found
}

/// Drops one side of every assumption whose two sides end alike.
fn forget_idle_assumptions(mut path_ends: Vec<PathEnd<'_>>) -> Vec<PathEnd<'_>> {
    loop {
        let all = predicates(&path_ends);
        let idle = all.iter().rev().find(|predicate| {
            ends(&path_ends, &all, **predicate, true) == ends(&path_ends, &all, **predicate, false)
        });
        let Some(idle) = idle.copied() else { return path_ends };
        path_ends.retain(|path_end| holds(path_end, idle) != Some(true));
        for path_end in &mut path_ends {
            path_end.assumptions.retain(|assumption| assumption.predicate != idle);
        }
    }
}

fn holds<'r>(path_end: &PathEnd<'r>, predicate: Predicate<'r>) -> Option<bool> {
    path_end
        .assumptions
        .iter()
        .find(|assumption| assumption.predicate == predicate)
        .map(|assumption| assumption.holds)
}

type Given<'r> = (Option<&'r str>, Vec<(usize, bool)>);

/// How packets end where the predicate holds, or does not.
fn ends<'r>(
    path_ends: &[PathEnd<'r>],
    all: &[Predicate<'r>],
    predicate: Predicate<'r>,
    side: bool,
) -> Vec<((Given<'r>, FinalState), Chance)> {
    let mut ends: BTreeMap<(Given<'r>, FinalState), Chance> = BTreeMap::new();
    for path_end in path_ends.iter().filter(|path_end| holds(path_end, predicate) != Some(!side)) {
        let key = (given(path_end, all, Some(predicate)), path_end.state);
        ends.entry(key)
            .and_modify(|chance| *chance = chance.plus(path_end.chance))
            .or_insert(path_end.chance);
    }
    ends.into_iter().collect()
}

fn given<'r>(path_end: &PathEnd<'r>, all: &[Predicate<'r>], without: Option<Predicate<'r>>) -> Given<'r> {
    let mut assumed: Vec<(usize, bool)> = path_end
        .assumptions
        .iter()
        .filter(|assumption| Some(assumption.predicate) != without)
        .filter_map(|assumption| {
            let number = all.iter().position(|p| *p == assumption.predicate)?;
            Some((number, assumption.holds))
        })
        .collect();
    assumed.sort_unstable();
    (path_end.affinity.map(|affinity| affinity.list), assumed)
}

/// Adds up the chances of like outcomes; the steps of the first stand for all.
fn merge(path_ends: Vec<PathEnd<'_>>) -> Vec<PathEnd<'_>> {
    let all = predicates(&path_ends);
    let mut places: BTreeMap<(Given<'_>, FinalState), usize> = BTreeMap::new();
    let mut merged: Vec<PathEnd<'_>> = Vec::with_capacity(path_ends.len());
    for path_end in path_ends {
        let position = *places.entry((given(&path_end, &all, None), path_end.state)).or_insert(merged.len());
        match merged.get_mut(position) {
            Some(like) => like.chance = like.chance.plus(path_end.chance),
            None => merged.push(path_end),
        }
    }
    merged
}

fn conditions<'r>(program: &Program<'r>, path_end: &PathEnd<'r>) -> Vec<Condition<'r>> {
    let affinity = path_end.affinity.and_then(|affinity| {
        Some(Condition::Affinity {
            list: affinity.list.into(),
            listed: affinity.listed,
            rule: program.rule_ref(affinity.position.chain, Some(affinity.position.rule))?,
        })
    });
    let assumptions = path_end.assumptions.iter().filter_map(|assumption| {
        Some(Condition::Opaque {
            text: words(assumption.predicate, assumption.text).into(),
            rule: program.rule_ref(assumption.position.chain, Some(assumption.position.rule))?,
            matches: assumption.holds,
        })
    });
    affinity.into_iter().chain(assumptions).collect()
}

fn words(predicate: Predicate<'_>, text: &str) -> String {
    match predicate {
        Predicate::Interface(InterfaceDirection::In, name) => format!("in interface {name}"),
        Predicate::Interface(InterfaceDirection::Out, name) => format!("out interface {name}"),
        Predicate::Text(_) | Predicate::Part(_) => text.to_owned(),
        Predicate::Is(of, datum) => format!("{of} {datum}"),
        Predicate::Passes(comparison) => Statement::Compare(Box::new(comparison.clone())).to_string(),
        Predicate::Filled(set) => format!("@{set}"),
    }
}

/// The steps of a path, those of one rule together.
fn steps<'r>(program: &Program<'r>, path: &[PathEntry<'r>], end: PathId) -> Vec<Step<'r>> {
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
