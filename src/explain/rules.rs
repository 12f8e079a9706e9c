//! The rules that packets have met, in an order that agrees with every way.

use std::collections::{BTreeMap, BTreeSet};

use super::{Rule, sentence};
use crate::diagnostic::Inert;
use crate::input::Sources;
use crate::plan::Plan;
use crate::walk::{Effect, Hook, Outcome, RuleRef, Step};

/// Table and chain.
type ChainKey = (String, String);

/// Rules met, each once.
pub(super) struct Rules<'s> {
    met: Vec<Met<'s>>,
}

/// A rule, with the element of a map that decided.
struct Met<'s> {
    rule: RuleRef<'s>,
    element: String,
    step: Step<'s>,
}

impl<'s> Rules<'s> {
    /// Those of some ways, chains before the chains that they call, rules of a chain in its order.
    pub(super) fn met_by<'o>(outcomes: impl Iterator<Item = &'o Outcome<'s>>) -> Rules<'s>
    where
        's: 'o,
    {
        let mut chains = Chains::default();
        let mut met: Vec<Met<'s>> = Vec::new();
        for outcome in outcomes {
            chains.learn(outcome);
            for step in &outcome.steps {
                let Some(rule) = step.rule else { continue };
                let element = element_text(step);
                if !met.iter().any(|known| known.rule == rule && known.element == element) {
                    met.push(Met { rule, element, step: step.clone() });
                }
            }
        }
        let order = chains.order();
        met.sort_by_key(|met| (order.get(&key(&met.rule)).copied(), met.rule.number()));
        Rules { met }
    }

    /// The number of a step's rule among all.
    pub(super) fn number(&self, step: &Step<'s>) -> Option<usize> {
        let rule = step.rule?;
        let element = element_text(step);
        self.met.iter().position(|met| met.rule == rule && met.element == element)
    }

    /// The rules in words, with the places in the input that made them.
    pub(super) fn rows(&self, plan: &Plan<'_>, sources: &Sources) -> Vec<Rule> {
        self.met.iter().map(|met| met.row(plan, sources)).collect()
    }
}

impl Met<'_> {
    fn row(&self, plan: &Plan<'_>, sources: &Sources) -> Rule {
        Rule {
            table: Inert(&self.rule.table_name()).to_string(),
            chain: Inert(self.rule.chain_name()).to_string(),
            text: Inert(&self.rule.text()).to_string(),
            element: self.element.clone(),
            sentence: sentence::sentence(&self.step, plan),
            origin: self.origin(plan, sources),
        }
    }

    fn origin(&self, plan: &Plan<'_>, sources: &Sources) -> String {
        let Some(origin) = sentence::origin(&self.step) else { return String::new() };
        let source = origin.source(plan);
        let place = source.position.and_then(|position| sources.field_place(position, &source.path));
        match place {
            Some(place) => format!("{place} {}", Inert(&source.path)),
            None => Inert(&source.path).to_string(),
        }
    }
}

fn key(rule: &RuleRef<'_>) -> ChainKey {
    (rule.table_name().to_string(), rule.chain_name().to_owned())
}

fn element_text(step: &Step<'_>) -> String {
    step.element.map(|element| Inert(&element.to_string()).to_string()).unwrap_or_default()
}

/// Chains met, and which of them come before which.
#[derive(Default)]
struct Chains {
    /// In the order first met, with the place of the first hook at which they were.
    seen: Vec<(ChainKey, u8)>,
    before: BTreeSet<(ChainKey, ChainKey)>,
}

impl Chains {
    fn learn(&mut self, outcome: &Outcome<'_>) {
        let steps: Vec<&Step<'_>> = outcome.steps.iter().filter(|step| step.rule.is_some()).collect();
        for step in &steps {
            if let Some(rule) = &step.rule {
                self.see(key(rule), place(step.hook));
            }
        }
        for pair in steps.windows(2) {
            if let [Step { rule: Some(caller), effects, .. }, Step { rule: Some(called), .. }] = pair {
                let calls = |e: &Effect<'_>| matches!(e, Effect::Jump(to) | Effect::Goto(to) if *to == called.chain_name());
                if effects.iter().any(calls) {
                    self.before.insert((key(caller), key(called)));
                }
            }
        }
    }

    fn see(&mut self, chain: ChainKey, place: u8) {
        match self.seen.iter_mut().find(|(seen, _)| *seen == chain) {
            Some((_, first)) => *first = place.min(*first),
            None => self.seen.push((chain, place)),
        }
    }

    /// Numbers that put callers before what they call, earlier hooks first, then as first met.
    fn order(mut self) -> BTreeMap<ChainKey, usize> {
        self.seen.sort_by_key(|(_, place)| *place);
        let mut order = BTreeMap::new();
        while !self.seen.is_empty() {
            let waits = |chain: &ChainKey| {
                self.seen.iter().any(|(other, _)| self.before.contains(&(other.clone(), chain.clone())))
            };
            // Chains do not call one another in a circle; if they did, the first would go first.
            let next = self.seen.iter().position(|(chain, _)| !waits(chain)).unwrap_or(0);
            let (chain, _) = self.seen.remove(next);
            order.insert(chain, order.len());
        }
        order
    }
}

fn place(hook: Hook) -> u8 {
    match hook {
        Hook::Prerouting | Hook::Output => 0,
        Hook::Routing => 1,
        Hook::Input | Hook::Forward => 2,
        Hook::Postrouting => 3,
    }
}
