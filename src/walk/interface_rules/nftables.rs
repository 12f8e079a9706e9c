//! What rules of nftables ask of interfaces.

use super::Contents;
use crate::nftables::ruleset::{
    Comparison, Datum, Element, Expression, MapValue, Operator, Rule, Selector, Statement, Verdict,
};
use crate::walk::digest::number;
use crate::walk::interface_kinds::AskedByName;
use crate::walk::interfaces::prefix;
use crate::walk::nftables::{Program, interface_name, interface_names};
use crate::walk::outcome::RuleRef;
use crate::walk::rule_part::{ChainId, InterfaceDirection};

/// Learns what each rule asks.
pub(super) fn learn<'r>(program: &Program<'r>, asked: &mut AskedByName<'r>) {
    let mut contents = Contents::default();
    for chain in (0..).map(ChainId).take(program.chain_count()) {
        let mut places = [0; 2];
        for rule in rules(program, chain) {
            Learner { program, chain, asked, contents: &mut contents }.learn(rule, &mut places);
        }
    }
}

fn rules<'r>(program: &Program<'r>, chain: ChainId) -> impl Iterator<Item = &'r Rule> + use<'r> {
    let rules = match program.rule_ref(chain, None) {
        Some(RuleRef::Nftables { chain, .. }) => chain.rules.as_slice(),
        _ => &[],
    };
    rules.iter().map(|placed| &placed.rule)
}

struct Learner<'l, 'r> {
    program: &'l Program<'r>,
    chain: ChainId,
    asked: &'l mut AskedByName<'r>,
    contents: &'l mut Contents,
}

/// How a statement asks for interfaces.
enum Asks<'r> {
    /// Not at all.
    Nothing,
    /// For one by its name.
    One(InterfaceDirection, &'r str),
    /// In each element of a set or map.
    Each(InterfaceDirection, &'r [Element]),
    /// Otherwise, for all of these.
    More(Vec<&'r str>),
}

impl<'r> Learner<'_, 'r> {
    /// Learns what a rule asks that is in a place of its chain, in each direction: behind so many rules that packets on any
    /// interface can match.
    fn learn(&mut self, rule: &'r Rule, places: &mut [usize; 2]) {
        let mut only = [None; 2];
        let mut acts = false;
        for (at, statement) in rule.statements.iter().enumerate() {
            match self.asks(statement) {
                Asks::Nothing => acts |= !is_match(statement),
                Asks::One(direction, name) if !acts && only[place(direction)].is_none() => {
                    only[place(direction)] = Some((at, name));
                }
                Asks::One(_, name) => self.asked.set_apart(name),
                Asks::Each(direction, elements) => {
                    acts |= !is_match(statement);
                    let before = (self.chain, places[place(direction)], at);
                    self.learn_elements(direction, elements, before);
                }
                Asks::More(names) => {
                    acts = true;
                    names.into_iter().for_each(|name| self.asked.set_apart(name));
                }
            }
        }
        for direction in [InterfaceDirection::In, InterfaceDirection::Out] {
            match only[place(direction)] {
                None => places[place(direction)] += 1,
                Some((at, name)) => {
                    let rest = rule.statements.iter().enumerate().filter(|(other, _)| *other != at);
                    let rest: Vec<u128> = rest.map(|(_, statement)| self.says(statement)).collect();
                    let says = (self.chain, places[place(direction)], at, rest);
                    self.asked.add(direction, name, &says);
                }
            }
        }
    }

    fn learn_elements(
        &mut self,
        direction: InterfaceDirection,
        elements: &'r [Element],
        before: (ChainId, usize, usize),
    ) {
        // The first element that fits counts, and so does where patterns stand.
        let mut patterns = 0;
        for element in elements {
            let Some(name) = only_name(element) else {
                patterns += 1;
                continue;
            };
            let does = match &element.value {
                Some(MapValue::Verdict(verdict)) => self.does(verdict),
                other => number(other),
            };
            self.asked.add(direction, name, &(before, patterns, does, &element.opaque));
        }
    }

    fn asks(&self, statement: &'r Statement) -> Asks<'r> {
        let found = match statement {
            Statement::Spelled(_, meaning) => return self.asks(meaning),
            Statement::InInterface { negated: false, name, .. } => named(InterfaceDirection::In, name),
            Statement::Compare(comparison) => self.compared(comparison),
            Statement::LookUp(lookup) => {
                direction(&lookup.0).and_then(|direction| self.each(direction, &lookup.1))
            }
            _ => None,
        };
        found.unwrap_or_else(|| match self.names(statement) {
            names if names.is_empty() => Asks::Nothing,
            names => Asks::More(names),
        })
    }

    fn compared(&self, comparison: &'r Comparison) -> Option<Asks<'r>> {
        let direction = direction(&comparison.left)?;
        match (comparison.operator, &comparison.right) {
            (Operator::Implied | Operator::Equal, Expression::Datum(Datum::Name(name))) => {
                named(direction, name)
            }
            (Operator::Implied | Operator::Equal | Operator::Unequal, set) => self.each(direction, set),
            _ => None,
        }
    }

    /// The elements of a set or map of interfaces, where each is one name or pattern.
    fn each(&self, direction: InterfaceDirection, set: &'r Expression) -> Option<Asks<'r>> {
        let elements = match set {
            Expression::Set(elements) => elements.as_slice(),
            Expression::Named(name) if !self.program.is_filled(self.chain, name) => {
                self.program.elements(self.chain, name)?
            }
            _ => return None,
        };
        let is_plain = |element: &Element| matches!(element.key.as_slice(), [Datum::Name(_) | Datum::Any]);
        elements.iter().all(is_plain).then_some(Asks::Each(direction, elements))
    }

    /// All names in a statement, and in the sets that it asks.
    fn names(&self, statement: &'r Statement) -> Vec<&'r str> {
        let mut names = interface_names(statement);
        for expression in statement.expressions() {
            expression.visit(&mut |part| {
                if let Expression::Named(set) = part {
                    let elements = self.program.elements(self.chain, set).unwrap_or_default();
                    names.extend(elements.iter().flat_map(|e| &e.key).filter_map(interface_name));
                }
            });
        }
        names.retain(|name| prefix(name).is_none());
        names
    }

    /// A number for what a statement says, apart from what it counts.
    fn says(&mut self, statement: &Statement) -> u128 {
        match statement {
            Statement::Counter { .. } | Statement::NamedCounter(_) => number(&"counter"),
            Statement::Verdict(verdict) => self.does(verdict),
            other => number(&other.to_string()),
        }
    }

    /// A number for what a verdict does.
    fn does(&mut self, verdict: &Verdict) -> u128 {
        let (does, target) = match verdict {
            Verdict::Jump(to) => ("jump", self.program.find(self.chain, to)),
            Verdict::Goto(to) => ("goto", self.program.find(self.chain, to)),
            _ => ("", None),
        };
        let Some(to) = target else { return number(verdict) };
        let program = self.program;
        let leads_to = self.contents.of(to, |contents| {
            let mut inner = Learner { program, chain: to, asked: &mut AskedByName::default(), contents };
            let says = |rule: &Rule| -> Vec<u128> { rule.statements.iter().map(|s| inner.says(s)).collect() };
            rules(program, to).map(says).map(|says| number(&says)).collect()
        });
        number(&(does, leads_to))
    }
}

fn place(direction: InterfaceDirection) -> usize {
    match direction {
        InterfaceDirection::In => 0,
        InterfaceDirection::Out => 1,
    }
}

/// The direction of interfaces that are asked for, by name or index.
fn direction(asked: &Expression) -> Option<InterfaceDirection> {
    match asked {
        Expression::Selector(Selector::Meta(key)) => match key.as_str() {
            "iif" | "iifname" => Some(InterfaceDirection::In),
            "oif" | "oifname" => Some(InterfaceDirection::Out),
            _ => None,
        },
        _ => None,
    }
}

/// Patterns tell interfaces by how their names begin, which is not asked here.
fn named(direction: InterfaceDirection, name: &str) -> Option<Asks<'_>> {
    prefix(name).is_none().then_some(Asks::One(direction, name))
}

fn only_name(element: &Element) -> Option<&str> {
    match element.key.as_slice() {
        [Datum::Name(name)] if prefix(name).is_none() => Some(name),
        _ => None,
    }
}

/// Whether a statement does nothing to packets that do not match.
fn is_match(statement: &Statement) -> bool {
    match statement {
        Statement::Spelled(_, meaning) => is_match(meaning),
        Statement::Address { .. }
        | Statement::InSet { .. }
        | Statement::InInterface { .. }
        | Statement::ConntrackState(_)
        | Statement::ConntrackStatusDnat
        | Statement::L4Protocol(_)
        | Statement::DestinationPort(..)
        | Statement::Mark { .. }
        | Statement::FibLocal(_)
        | Statement::Counter { .. }
        | Statement::NamedCounter(_)
        | Statement::Compare(_) => true,
        _ => false,
    }
}
