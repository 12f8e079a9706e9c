//! The rules that packets reached, in the order in which they are evaluated, for one kind of client at a time: for any
//! packet of that kind, its rules are listed from top to bottom. A chain that returns to its callers, such as
//! KUBE-MARK-MASQ, comes after the first of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::few::shortened;
use super::{Met, Rule, describe};
use crate::diagnostic::Inert;
use crate::input::Sources;
use crate::nftables::ruleset::Element;
use crate::plan::Plan;
use crate::walk::{Hook, Outcome, RuleRef, Step};

/// Table and chain.
type ChainKey = (String, String);

/// Rules that were reached, each once.
#[derive(Default)]
pub(super) struct Rules<'s> {
    reached: Vec<Reached<'s>>,
    /// Their numbers.
    numbers: HashMap<RuleKey<'s>, usize>,
    /// The order of each client's rules, as its packets show it; under none, that of clients that connected before.
    orders: BTreeMap<Option<usize>, Order>,
}

/// A rule and the element of a map that decided.
type RuleKey<'s> = (RuleRef<'s>, Option<*const Element>);

/// An outcome with its client; none if it is for a client that connected before.
pub(super) type Happens<'o, 's> = (Option<usize>, &'o Outcome<'s>);

/// The steps of an outcome, each with the depth of its chain.
type Path<'o, 's> = Vec<(&'o Step<'s>, usize)>;

/// A rule, with the element of a map that decided.
struct Reached<'s> {
    rule: RuleRef<'s>,
    element: String,
    step: Step<'s>,
    position: Position,
}

impl<'s> Rules<'s> {
    /// Those of some outcomes.
    pub(super) fn reached_by<'o>(outcomes: impl Iterator<Item = Happens<'o, 's>>) -> Rules<'s>
    where
        's: 'o,
    {
        let mut positions = Positions::default();
        let mut rules = Rules::default();
        let mut paths: Vec<(Option<usize>, Path<'o, 's>)> = Vec::new();
        for (client, outcome) in outcomes {
            positions.begin();
            let mut path = Vec::new();
            for step in &outcome.steps {
                if let Some(rule) = step.rule {
                    rules.add(rule, step, positions.next(&rule, step));
                    path.push((step, positions.depth()));
                }
            }
            paths.push((client, path));
        }
        rules.sort();
        for (client, path) in &paths {
            let numbered = path.iter().filter_map(|(step, depth)| Some((rules.number(step)?, *depth)));
            let numbered: Vec<(usize, usize)> = numbered.collect();
            rules.orders.entry(*client).or_default().learn(&numbered);
        }
        rules
    }

    /// Sorts by position, which is enough for rules of which no packet meets two.
    fn sort(&mut self) {
        self.reached.sort_by(|a, b| a.position.cmp(&b.position));
        let keys = self.reached.iter().filter_map(|reached| key_of(&reached.step));
        self.numbers = keys.zip(0..).collect();
    }

    fn add(&mut self, rule: RuleRef<'s>, step: &Step<'s>, position: Position) {
        let Some(key) = key_of(step) else { return };
        let next = self.reached.len();
        let number = *self.numbers.entry(key).or_insert(next);
        match self.reached.get_mut(number) {
            Some(known) if position < known.position => known.position = position,
            Some(_) => {}
            None => {
                let element = element_text(step);
                self.reached.push(Reached { rule, element, step: step.clone(), position });
            }
        }
    }

    /// What each kind of client meets. Clients that meet the same in the same order are one kind; for clients that
    /// connected before, there are only the rules that no other packet meets.
    pub(super) fn met(&self) -> Vec<Met> {
        let mut kinds: Vec<Met> = Vec::new();
        for (client, order) in &self.orders {
            let Some(client) = *client else { continue };
            let rules = order.sorted();
            match kinds.iter_mut().find(|kind| kind.rules == rules) {
                _ if rules.is_empty() => {}
                Some(kind) => kind.clients.push(client),
                None => kinds.push(Met { clients: vec![client], rules }),
            }
        }
        let all: BTreeSet<usize> = kinds.iter().flat_map(|kind| &kind.rules).copied().collect();
        let before = self.orders.get(&None).map(Order::sorted).unwrap_or_default();
        let others: Vec<usize> = before.into_iter().filter(|rule| !all.contains(rule)).collect();
        if !others.is_empty() {
            kinds.push(Met { clients: Vec::new(), rules: others });
        }
        kinds
    }

    /// The number of a step's rule among all.
    fn number(&self, step: &Step<'s>) -> Option<usize> {
        self.numbers.get(&key_of(step)?).copied()
    }

    /// The rules in words, with the places in the input that made them.
    pub(super) fn rows(&self, plan: &Plan<'_>, sources: &Sources) -> Vec<Rule> {
        let mut places: Vec<Option<String>> = vec![None; self.reached.len()];
        // Object by object, since all fields of one are found in a single reading of its text.
        let mut by_object: Vec<usize> = (0..self.reached.len()).collect();
        by_object.sort_by_key(|number| {
            self.reached.get(*number).and_then(|reached| describe::object(&reached.step, plan))
        });
        for number in by_object {
            if let (Some(place), Some(reached)) = (places.get_mut(number), self.reached.get(number)) {
                *place = Some(describe::place(&reached.step, plan, sources));
            }
        }
        let rows = self.reached.iter().zip(places);
        rows.map(|(reached, place)| reached.row(plan, place.unwrap_or_default())).collect()
    }
}

impl Reached<'_> {
    fn row(&self, plan: &Plan<'_>, origin: String) -> Rule {
        Rule {
            table: Inert(&self.rule.table_name()).to_string(),
            chain: Inert(self.rule.chain_name()).to_string(),
            text: Inert(&shortened(self.rule.text())).to_string(),
            names_chain: matches!(self.rule, RuleRef::Iptables { .. }),
            element: self.element.clone(),
            sentence: describe::describe(&self.step, plan).to_string(),
            origin,
        }
    }
}

fn key(rule: &RuleRef<'_>) -> ChainKey {
    (rule.table_name().to_string(), rule.chain_name().to_owned())
}

fn element_text(step: &Step<'_>) -> String {
    step.element.map(|element| Inert(&element.to_string()).to_string()).unwrap_or_default()
}

fn key_of<'s>(step: &Step<'s>) -> Option<RuleKey<'s>> {
    Some((step.rule?, step.element.map(std::ptr::from_ref)))
}

/// Which rules come before which, by their indices.
#[derive(Default)]
struct Order {
    /// All that were met.
    met: BTreeSet<usize>,
    /// Pairs of rules that follow one another on the way of some packet, without calls that return.
    before: BTreeSet<(usize, usize)>,
    /// Rules of chains that return, each with a rule that calls them.
    calls: BTreeSet<(usize, usize)>,
}

impl Order {
    /// Learns from the rules of one packet, each with the depth of its chain, which is 0 for a base chain.
    fn learn(&mut self, path: &[(usize, usize)]) {
        let mut last = None;
        self.met.extend(path.iter().map(|(rule, _)| *rule));
        for (i, (rule, depth)) in path.iter().enumerate() {
            let later = path.iter().skip(i + 1).take_while(|(_, depth)| *depth > 0);
            let returns = later.clone().any(|(_, other)| other < depth);
            let caller = path.iter().take(i).rev().find(|(_, other)| other < depth);
            match caller {
                Some((caller, _)) if returns => _ = self.calls.insert((*caller, *rule)),
                _ => {
                    self.before.extend(last.map(|last| (last, *rule)));
                    last = Some(*rule);
                }
            }
        }
    }

    /// Their indices in order. Where several can come next, the lowest does; and so where rules follow one another in a
    /// circle, which no kernel loads.
    fn sorted(&self) -> Vec<usize> {
        let followed: BTreeSet<usize> = self.before.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let called: BTreeSet<usize> =
            self.calls.iter().map(|(_, rule)| *rule).filter(|rule| !followed.contains(rule)).collect();
        let mut open: BTreeSet<usize> = self.met.difference(&called).copied().collect();
        let mut waits_for: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, rule) in &self.before {
            *waits_for.entry(*rule).or_default() += 1;
        }
        let mut ready: BTreeSet<usize> =
            open.iter().copied().filter(|rule| !waits_for.contains_key(rule)).collect();
        let (mut sorted, mut placed) = (Vec::with_capacity(self.met.len()), BTreeSet::new());
        while let Some(rule) = ready.pop_first().or_else(|| open.first().copied()) {
            open.remove(&rule);
            sorted.push(rule);
            placed.insert(rule);
            for (_, next) in self.before.range((rule, 0)..=(rule, usize::MAX)) {
                let left = waits_for.entry(*next).or_default();
                *left = left.saturating_sub(1);
                if *left == 0 && open.contains(next) {
                    ready.insert(*next);
                }
            }
            for (_, helper) in self.calls.range((rule, 0)..=(rule, usize::MAX)) {
                if called.contains(helper) && placed.insert(*helper) {
                    sorted.push(*helper);
                }
            }
        }
        sorted
    }
}

/// The place of a rule in the order of evaluation: hook and priority of its base chain, then, for each chain on the way
/// to it, the rule that leads on. A rule comes before those that it leads to, and they come before the next rule.
type Position = Vec<i64>;

/// Gives the rules of an outcome their positions.
#[derive(Default)]
struct Positions {
    /// The chains that lead to one another, with the common beginning of their rules' positions.
    stack: Vec<(ChainKey, Position)>,
    /// The beginning of positions of rules that the last rule leads to.
    led_to: Position,
    /// Chains and elements, numbered in the order in which they are first seen, since they have no numbers of their
    /// own.
    seen: HashMap<String, i64>,
}

impl Positions {
    /// Begins an outcome.
    fn begin(&mut self) {
        self.stack.clear();
        self.led_to.clear();
    }

    /// How many chains lead to the last rule's chain.
    fn depth(&self) -> usize {
        self.stack.len().saturating_sub(1)
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
        let next = i64::try_from(self.seen.len()).unwrap_or(i64::MAX);
        *self.seen.entry(text).or_insert(next)
    }
}

/// Where the base chains of a hook are in the overall order. The filtering chains of INPUT, FORWARD and OUTPUT are
/// peers, and so are the translating ones of PREROUTING and OUTPUT.
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
