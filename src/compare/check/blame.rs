//! Which finding is to blame for a change of traffic: the one about the rule that decides.
//!
//! A packet of the kind of connections that differs is walked on both sides. Up to some step both walks do the same in
//! the same chains; there they part. If a finding is about a rule (or an element of a map) that is met there or later,
//! that rule decides: for a missing rule, on the side that has the rules that should be there; for an altered or stale
//! one, on the side that has the actual rules. If the walks part without meeting such a rule, because the missing rule
//! or element would only have let other packets pass, it is one of those that packets to the destination can match.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

use compact_str::CompactString;

use super::delta::Draft;
use crate::compare::traffic::Difference;
use crate::iptables::ruleset::TableName;
use crate::net::Family;
use crate::nftables::ruleset::Element;
use crate::ruleset::listing::{Line, Place};
use crate::walk::{Chance, Condition, Destination, Hook, Inquiry, Outcome, Reached, RuleRef, Step, Walker};

/// Assigns differences to findings, by the findings' numbers.
pub(super) struct Blame<'w, 'r> {
    should: Side<'w, 'r>,
    is: Side<'w, 'r>,
}

/// One side: what should be, or what is.
struct Side<'w, 'r> {
    walker: &'w Walker<'r>,
    told: Told,
    family: Family,
    inquiry: OnceLock<Inquiry<'w, 'r>>,
}

/// What findings are about on one side, each with the number of the first such finding.
#[derive(Default)]
struct Told {
    /// Rules by table and chain, each by its text.
    rules: HashMap<(CompactString, String), HashMap<String, usize>>,
    /// Base chains with a property that differs.
    chains: HashMap<(CompactString, String), usize>,
    /// Sets and maps with a property that differs, by name.
    sets: HashMap<String, usize>,
    /// Elements by their text.
    elements: HashMap<String, usize>,
}

impl Told {
    fn learn(&mut self, place: &Place<'_>, line: &Line<'_>, finding: usize) {
        let chain = || (place.table(), place.name().to_owned());
        match line {
            Line::IptablesRule(..) | Line::Rule(..) => {
                self.rules.entry(chain()).or_default().entry(line.text()).or_insert(finding);
            }
            Line::Policy(_) | Line::Hook(..) => _ = self.chains.entry(chain()).or_insert(finding),
            Line::Properties(set) => _ = self.sets.entry(set.name.to_string()).or_insert(finding),
            Line::Element(..) => _ = self.elements.entry(line.text()).or_insert(finding),
            Line::Counter(_) => {}
        }
    }

    fn rule(&self, rule: &RuleRef<'_>) -> Option<usize> {
        let chain = (rule.table_name(), rule.chain_name().to_owned());
        match rule.number() {
            Some(_) => self.rules.get(&chain)?.get(&rule.text()).copied(),
            None => self.chains.get(&chain).copied(),
        }
    }

    fn element(&self, element: &Element) -> Option<usize> {
        if self.elements.is_empty() { None } else { self.elements.get(&element.to_string()).copied() }
    }

    fn step(&self, step: &Step<'_>) -> Option<usize> {
        let by_rule = step.rule.as_ref().and_then(|rule| self.rule(rule));
        by_rule.or_else(|| self.element(step.element?))
    }

    /// The finding about the list or set that remembers a client, or about the rule that looks it up.
    fn memory(&self, outcome: &Outcome<'_>) -> Option<usize> {
        outcome.given.iter().find_map(|condition| match condition {
            Condition::Affinity { list, rule, .. } => {
                self.rule(rule).or_else(|| self.sets.get(list.as_str()).copied())
            }
            Condition::Opaque { .. }
            | Condition::Verdict { .. }
            | Condition::Order { .. }
            | Condition::Several { .. }
            | Condition::Supposed { .. } => None,
        })
    }

    fn reached(&self, reached: &Reached<'_>) -> Option<usize> {
        match reached {
            Reached::Rule(rule) => self.rule(rule),
            Reached::Element(element) => self.element(element),
            Reached::Set(set) => self.sets.get(set.name.as_str()).copied(),
            Reached::Apart(_) | Reached::EndOfChain | Reached::Missing => None,
        }
    }
}

impl<'w, 'r> Side<'w, 'r> {
    fn new(walker: &'w Walker<'r>, family: Family) -> Self {
        Side { walker, told: Told::default(), family, inquiry: OnceLock::new() }
    }

    /// What packets to a destination can match.
    fn reached(&self, destination: Destination) -> Vec<Reached<'r>> {
        let inquiry = self.inquiry.get_or_init(|| Inquiry::new(self.walker, self.family));
        inquiry.ask(destination, None).0.reached
    }
}

impl<'w, 'r> Blame<'w, 'r> {
    /// Findings are known by their numbers; the walks go through what should be and what is.
    pub(super) fn new(
        drafts: &[Draft<'_, '_>],
        (should, is): (&'w Walker<'r>, &'w Walker<'r>),
        family: Family,
    ) -> Self {
        let mut this = Blame { should: Side::new(should, family), is: Side::new(is, family) };
        for (number, draft) in drafts.iter().enumerate() {
            for change in draft.deltas.iter().map(|delta| &delta.change) {
                for line in &change.lines {
                    let side = if line.added { &mut this.is } else { &mut this.should };
                    side.told.learn(&change.place, &line.line, number);
                }
                for (old, new) in &change.rewritten_lines {
                    this.should.told.learn(&change.place, old, number);
                    this.is.told.learn(&change.place, new, number);
                }
            }
        }
        this
    }

    /// The number of the finding that is to blame for a difference; none if no rule that a finding is about takes part.
    pub(super) fn of(&self, difference: &Difference) -> Option<usize> {
        let packet = &difference.packet;
        let (should, is) = (self.should.walker.walk(packet).ok()?, self.is.walker.walk(packet).ok()?);
        // If both sides meet one at the same point, the rule that is there decides.
        let on_the_way = [
            first_told(&is, &should, &self.is.told).map(|(at, number)| (at, 0, number)),
            first_told(&should, &is, &self.should.told).map(|(at, number)| (at, 1, number)),
        ];
        let first = on_the_way.into_iter().flatten().min().map(|(_, _, number)| number);
        first.or_else(|| {
            let transport = Some((packet.protocol, packet.destination.port()));
            let destination = Destination { address: packet.destination.ip(), transport };
            let of = |side: &Side<'_, '_>| {
                side.reached(destination).iter().find_map(|reached| side.told.reached(reached))
            };
            of(&self.is).or_else(|| of(&self.should))
        })
    }
}

/// How far a packet has come: at which hook, in which table, after how many steps.
type At = (u8, u8, usize);

/// Where outcomes of one side first meet something that a finding is about, from the point where they part from all of
/// the other side; and the finding.
fn first_told(these: &[Outcome<'_>], others: &[Outcome<'_>], told: &Told) -> Option<(At, usize)> {
    let meets = |outcome: &&Outcome<'_>| {
        let memory = told.memory(outcome);
        let steps = outcome.steps.iter().map(|step| told.step(step));
        memory.into_iter().chain(steps.flatten()).next().is_some()
    };
    // Most outcomes meet no rule of a finding: where those part does not matter.
    let these: Vec<&Outcome<'_>> = these.iter().filter(meets).collect();
    if these.is_empty() {
        return None;
    }
    let known: HashSet<u64> = others.iter().flat_map(beginnings).collect();
    let of = |outcome: &&Outcome<'_>| {
        let parts = beginnings(outcome).iter().position(|beginning| !known.contains(beginning))?;
        let memory = (parts == 0).then(|| told.memory(outcome)).flatten().map(|number| ((0, 0, 0), number));
        memory.or_else(|| {
            let later = outcome.steps.iter().enumerate().skip(parts.saturating_sub(1));
            later.map(|(i, step)| (at(i, step), told.step(step))).find_map(|(at, number)| Some((at, number?)))
        })
    };
    these.iter().filter_map(of).min()
}

/// Steps that leave no trace, such as jumps that lead to nothing, are not counted: hooks and tables come first.
fn at(number: usize, step: &Step<'_>) -> At {
    let hook = match step.hook {
        Hook::Prerouting | Hook::Output => 0,
        Hook::Routing => 1,
        Hook::Input | Hook::Forward => 2,
        Hook::Postrouting => 3,
    };
    let table = match &step.rule {
        Some(RuleRef::Iptables { table, .. }) => match table {
            TableName::Raw => 0,
            TableName::Mangle => 1,
            TableName::Nat if hook == 0 => 2,
            TableName::Filter => 3,
            TableName::Security => 4,
            TableName::Nat => 5,
        },
        Some(RuleRef::Nftables { .. }) | None => 0,
    };
    (hook, table, number + 1)
}

/// A number for each beginning of a packet's way: for what it depends on, for that and the first step, and so on.
fn beginnings(outcome: &Outcome<'_>) -> Vec<u64> {
    let mut hasher = DefaultHasher::new();
    for condition in &outcome.given {
        match condition {
            Condition::Affinity { .. } => (true, condition.seconds()).hash(&mut hasher),
            Condition::Opaque { text, matches, .. } => (text, matches).hash(&mut hasher),
            Condition::Verdict { text, verdicts, .. } => (text, verdicts).hash(&mut hasher),
            Condition::Order { text, .. } => text.hash(&mut hasher),
            Condition::Several { digest, .. } => digest.hash(&mut hasher),
            Condition::Supposed { text, .. } => text.hash(&mut hasher),
        }
    }
    let mut beginnings = vec![hasher.finish()];
    for step in &outcome.steps {
        if let Some(rule) = &step.rule {
            (rule.table_name(), rule.chain_name()).hash(&mut hasher);
        }
        (step.hook, step.chance.map(Chance::key), &step.effects).hash(&mut hasher);
        beginnings.push(hasher.finish());
    }
    beginnings
}
