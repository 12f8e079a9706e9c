//! The rules that packets reached, in the order in which they are evaluated: the rules of a chain right after the rule
//! that leads to it, as a reader steps through them. A packet that comes in and one that the node itself sends begin at
//! different built-in chains; the rules of those stand side by side, each saying which packets it is for.

use super::{Rule, describe};
use crate::diagnostic::Inert;
use crate::input::Sources;
use crate::plan::Plan;
use crate::walk::{Hook, Outcome, RuleRef, Step};

/// Table and chain.
type ChainKey = (String, String);

/// Rules that were reached, each once.
pub(super) struct Rules<'s> {
    reached: Vec<Reached<'s>>,
}

/// A rule, with the element of a map that decided.
struct Reached<'s> {
    rule: RuleRef<'s>,
    element: String,
    step: Step<'s>,
    position: Position,
}

impl<'s> Rules<'s> {
    /// Those of some outcomes.
    pub(super) fn reached_by<'o>(outcomes: impl Iterator<Item = &'o Outcome<'s>>) -> Rules<'s>
    where
        's: 'o,
    {
        let mut positions = Positions::default();
        let mut rules = Rules { reached: Vec::new() };
        for outcome in outcomes {
            positions.begin();
            for step in &outcome.steps {
                if let Some(rule) = step.rule {
                    rules.add(rule, step, positions.next(&rule, step));
                }
            }
        }
        rules.reached.sort_by(|a, b| a.position.cmp(&b.position));
        rules
    }

    fn add(&mut self, rule: RuleRef<'s>, step: &Step<'s>, position: Position) {
        let element = element_text(step);
        let is_it = |known: &&mut Reached<'s>| known.rule == rule && known.element == element;
        match self.reached.iter_mut().find(is_it) {
            Some(known) if position < known.position => known.position = position,
            Some(_) => {}
            None => self.reached.push(Reached { rule, element, step: step.clone(), position }),
        }
    }

    /// The number of a step's rule among all.
    pub(super) fn number(&self, step: &Step<'s>) -> Option<usize> {
        let rule = step.rule?;
        let element = element_text(step);
        self.reached.iter().position(|known| known.rule == rule && known.element == element)
    }

    /// The rules in words, with the places in the input that made them.
    pub(super) fn rows(&self, plan: &Plan<'_>, sources: &Sources) -> Vec<Rule> {
        self.reached.iter().map(|reached| reached.row(plan, sources)).collect()
    }
}

impl Reached<'_> {
    fn row(&self, plan: &Plan<'_>, sources: &Sources) -> Rule {
        Rule {
            table: Inert(&self.rule.table_name()).to_string(),
            chain: Inert(self.rule.chain_name()).to_string(),
            text: Inert(&self.rule.text()).to_string(),
            names_chain: matches!(self.rule, RuleRef::Iptables { .. }),
            element: self.element.clone(),
            sentence: describe::describe(&self.step, plan).to_string(),
            origin: self.origin(plan, sources),
        }
    }

    fn origin(&self, plan: &Plan<'_>, sources: &Sources) -> String {
        let Some(origin) = describe::origin(&self.step) else { return String::new() };
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

/// Where a rule stands in the order of evaluation: hook and priority of its base chain, then for each chain on the way
/// to it the rule that leads on. A rule comes before those that it leads to, and they before the next rule.
type Position = Vec<i64>;

/// Gives the rules of an outcome their positions.
#[derive(Default)]
struct Positions {
    /// The chains that lead to one another, with the position that their rules' begin with.
    stack: Vec<(ChainKey, Position)>,
    /// What the rules begin with that the last rule leads to.
    led_to: Position,
    /// Chains and elements in the order first seen: numbers for what has none of its own.
    seen: Vec<String>,
}

impl Positions {
    /// Begins an outcome.
    fn begin(&mut self) {
        self.stack.clear();
        self.led_to.clear();
    }

    fn next(&mut self, rule: &RuleRef<'_>, step: &Step<'_>) -> Position {
        let number = rule.number().and_then(|number| i64::try_from(number).ok()).unwrap_or(i64::MAX);
        if let Some(priority) = rule.base_priority() {
            let at = vec![place(step.hook, priority), i64::from(priority)];
            self.stack = vec![(key(rule), at.clone())];
            self.led_to = [at.as_slice(), &[1, number]].concat();
            return [at.as_slice(), &[0, peer(step.hook), number]].concat();
        }
        let chain = self.enter(key(rule));
        let element = self.number_of(element_text(step));
        let position = [chain.as_slice(), &[number, element]].concat();
        self.led_to.clone_from(&position);
        position
    }

    /// Goes back to a chain that led here, or on to one that the last rule led to.
    fn enter(&mut self, chain: ChainKey) -> Position {
        if let Some(depth) = self.stack.iter().rposition(|(known, _)| *known == chain) {
            self.stack.truncate(depth + 1);
        } else {
            let number = self.number_of(format!("{} {}", chain.0, chain.1));
            let begin = [self.led_to.as_slice(), &[number]].concat();
            self.stack.push((chain, begin));
        }
        self.stack.last().map(|(_, begin)| begin.clone()).unwrap_or_default()
    }

    fn number_of(&mut self, text: String) -> i64 {
        let known = self.seen.iter().position(|seen| *seen == text);
        let number = known.unwrap_or_else(|| {
            self.seen.push(text);
            self.seen.len()
        });
        i64::try_from(number).unwrap_or(i64::MAX)
    }
}

/// Where the base chains of a hook stand among those of all. The chains of INPUT, FORWARD and OUTPUT that filter are
/// peers, as those of PREROUTING and OUTPUT are that translate.
fn place(hook: Hook, priority: i32) -> i64 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Output if priority < 0 => 0,
        Hook::Input | Hook::Forward | Hook::Output | Hook::Routing => 1,
        Hook::Postrouting => 2,
    }
}

/// The order of hooks among peers.
fn peer(hook: Hook) -> i64 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Routing | Hook::Postrouting => 4,
    }
}
