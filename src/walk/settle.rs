//! Puts like ends together, and forgets assumptions that make no difference.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::machine::{Machine, Node};
use super::op::InterfaceEnd;
use super::outcome::{Condition, Outcome, Step};
use super::program::Program;
use super::thread::{End, Leaf, PathId, Predicate};

/// The outcomes of a walk: those without a condition first, then in the order found.
pub(super) fn outcomes<'r>(machine: Machine<'_, 'r>) -> Vec<Outcome<'r>> {
    let Machine { program, path, leaves, .. } = machine;
    let mut leaves = merge(forget_idle_assumptions(leaves));
    leaves.sort_by_key(|leaf| (leaf.affinity.is_some(), !leaf.assumptions.is_empty()));
    let build = |leaf: Leaf<'r>| Outcome {
        verdict: leaf.end.verdict,
        chance: leaf.chance,
        destination: leaf.end.destination,
        snat: leaf.end.snat,
        delivered_locally: leaf.end.local,
        given: conditions(program, &leaf),
        steps: steps(program, &path, leaf.path),
    };
    leaves.into_iter().map(build).collect()
}

fn predicates<'r>(leaves: &[Leaf<'r>]) -> Vec<Predicate<'r>> {
    let mut found: Vec<Predicate<'r>> = Vec::new();
    for assumption in leaves.iter().flat_map(|leaf| &leaf.assumptions) {
        if !found.contains(&assumption.predicate) {
            found.push(assumption.predicate);
        }
    }
    found
}

/// Drops one side of every assumption whose two sides end alike.
fn forget_idle_assumptions(mut leaves: Vec<Leaf<'_>>) -> Vec<Leaf<'_>> {
    loop {
        let all = predicates(&leaves);
        let idle = all.iter().rev().find(|predicate| {
            ends(&leaves, &all, **predicate, true) == ends(&leaves, &all, **predicate, false)
        });
        let Some(idle) = idle.copied() else { return leaves };
        leaves.retain(|leaf| holds(leaf, idle) != Some(true));
        for leaf in &mut leaves {
            leaf.assumptions.retain(|assumption| assumption.predicate != idle);
        }
    }
}

fn holds<'r>(leaf: &Leaf<'r>, predicate: Predicate<'r>) -> Option<bool> {
    leaf.assumptions
        .iter()
        .find(|assumption| assumption.predicate == predicate)
        .map(|assumption| assumption.holds)
}

type Given<'r> = (Option<&'r str>, Vec<(usize, bool)>);

/// How packets end where the predicate holds, or does not.
fn ends<'r>(
    leaves: &[Leaf<'r>],
    all: &[Predicate<'r>],
    predicate: Predicate<'r>,
    side: bool,
) -> Vec<((Given<'r>, End), Chance)> {
    let mut ends: BTreeMap<(Given<'r>, End), Chance> = BTreeMap::new();
    for leaf in leaves.iter().filter(|leaf| holds(leaf, predicate) != Some(!side)) {
        let key = (given(leaf, all, Some(predicate)), leaf.end);
        ends.entry(key).and_modify(|chance| *chance = chance.plus(leaf.chance)).or_insert(leaf.chance);
    }
    ends.into_iter().collect()
}

fn given<'r>(leaf: &Leaf<'r>, all: &[Predicate<'r>], without: Option<Predicate<'r>>) -> Given<'r> {
    let mut assumed: Vec<(usize, bool)> = leaf
        .assumptions
        .iter()
        .filter(|assumption| Some(assumption.predicate) != without)
        .filter_map(|assumption| {
            let number = all.iter().position(|p| *p == assumption.predicate)?;
            Some((number, assumption.holds))
        })
        .collect();
    assumed.sort_unstable();
    (leaf.affinity.map(|affinity| affinity.list), assumed)
}

/// Adds up the chances of like ends; the steps of the first stand for all.
fn merge(leaves: Vec<Leaf<'_>>) -> Vec<Leaf<'_>> {
    let all = predicates(&leaves);
    let mut places: BTreeMap<(Given<'_>, End), usize> = BTreeMap::new();
    let mut merged: Vec<Leaf<'_>> = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let place = *places.entry((given(&leaf, &all, None), leaf.end)).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(like) => like.chance = like.chance.plus(leaf.chance),
            None => merged.push(leaf),
        }
    }
    merged
}

fn conditions<'r>(program: &Program<'r>, leaf: &Leaf<'r>) -> Vec<Condition<'r>> {
    let affinity = leaf.affinity.and_then(|affinity| {
        Some(Condition::Affinity {
            list: affinity.list.into(),
            listed: affinity.listed,
            rule: program.rule_ref(affinity.place.chain, Some(affinity.place.rule))?,
        })
    });
    let assumptions = leaf.assumptions.iter().filter_map(|assumption| {
        Some(Condition::Opaque {
            text: words(assumption.predicate, assumption.text).into(),
            rule: program.rule_ref(assumption.place.chain, Some(assumption.place.rule))?,
            matches: assumption.holds,
        })
    });
    affinity.into_iter().chain(assumptions).collect()
}

fn words(predicate: Predicate<'_>, text: &str) -> String {
    match predicate {
        Predicate::Interface(InterfaceEnd::In, name) => format!("in interface {name}"),
        Predicate::Interface(InterfaceEnd::Out, name) => format!("out interface {name}"),
        Predicate::Text(_) | Predicate::Part(_) => text.to_owned(),
    }
}

/// The steps of a path, those of one rule together.
fn steps<'r>(program: &Program<'r>, path: &[Node<'r>], end: PathId) -> Vec<Step<'r>> {
    let nodes: Vec<&Node<'r>> = std::iter::successors(node(path, end), |n| node(path, n.before)).collect();
    let mut steps: Vec<Step<'r>> = Vec::with_capacity(nodes.len());
    let mut last = None;
    for n in nodes.into_iter().rev() {
        let place = n.rule.map(|rule| (n.hook, rule));
        match steps.last_mut().filter(|_| place.is_some() && place == last) {
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
        last = place;
    }
    steps
}

fn node<'p, 'r>(path: &'p [Node<'r>], id: PathId) -> Option<&'p Node<'r>> {
    path.get(id? as usize)
}
