//! What rules of nftables ask of interfaces.

use super::Part;
use crate::net::Family;
use crate::nftables::ruleset::{
    Comparison, Datum, Element, Expression, MapValue, Operator, Rule, Selector, Statement, Verdict,
};
use crate::walk::digest::number;
use crate::walk::hook::Hook;
use crate::walk::nftables::{Program, interface_name, interface_names};
use crate::walk::outcome::RuleRef;
use crate::walk::rule_part::{ChainId, InterfaceDirection};

/// Rules of nftables, and the direction in which they are looked at.
pub(super) struct Asking<'p, 'r> {
    pub(super) rules: &'p Program<'r>,
    pub(super) direction: InterfaceDirection,
}

impl<'r> super::Asking<'r> for Asking<'_, 'r> {
    fn bases(&self) -> Vec<ChainId> {
        let at = |hook| Family::ALL.into_iter().flat_map(move |family| self.rules.bases(family).at(hook));
        Hook::ALL.into_iter().flat_map(at).map(|base| base.chain).collect()
    }

    fn asked(&self, chain: ChainId) -> (Vec<&'r str>, Vec<ChainId>) {
        let statements = || self.each(chain).flat_map(|rule| &rule.statements);
        let names = statements().flat_map(|statement| self.names(chain, statement)).collect();
        let targets = statements().flat_map(|statement| self.targets(chain, statement)).collect();
        (names, targets)
    }

    fn rules(&self, chain: ChainId) -> Vec<Vec<Part<'r>>> {
        let parts = |rule: &'r Rule| rule.statements.iter().map(|s| self.part(chain, s)).collect();
        self.each(chain).map(parts).collect()
    }
}

impl<'r> Asking<'_, 'r> {
    fn each(&self, chain: ChainId) -> impl Iterator<Item = &'r Rule> + use<'r> {
        let rules = match self.rules.rule_ref(chain, None) {
            Some(RuleRef::Nftables { chain, .. }) => chain.rules.as_slice(),
            _ => &[],
        };
        rules.iter().map(|placed| &placed.rule)
    }

    /// All names and patterns by which a statement, or a set that it asks, can tell interfaces in this direction.
    fn names(&self, chain: ChainId, statement: &'r Statement) -> Vec<&'r str> {
        if asks(statement).is_some_and(|direction| direction != self.direction) {
            return Vec::new();
        }
        let mut names = interface_names(statement);
        for expression in statement.expressions() {
            expression.visit(&mut |part| {
                if let Expression::Named(set) = part {
                    let elements = self.rules.elements(chain, set).unwrap_or_default();
                    names.extend(elements.iter().flat_map(|e| &e.key).filter_map(interface_name));
                }
            });
        }
        names
    }

    fn targets(&self, chain: ChainId, statement: &'r Statement) -> Vec<ChainId> {
        let names = self.rules.targets(chain, statement);
        names.into_iter().filter_map(|name| self.rules.find(chain, name)).collect()
    }

    fn part(&self, chain: ChainId, statement: &'r Statement) -> Part<'r> {
        let asked = match statement {
            Statement::Spelled(_, meaning) => return self.part(chain, meaning),
            Statement::Counter { .. } | Statement::NamedCounter(_) => {
                return Part::Matches(number(&"counter"));
            }
            Statement::Verdict(verdict) => return self.does(chain, verdict),
            _ if asks(statement) != Some(self.direction) => None,
            Statement::InInterface { negated, name, .. } => {
                Some(Part::Fits { patterns: vec![name], negated: *negated })
            }
            Statement::Compare(comparison) => self.compared(chain, comparison),
            Statement::LookUp(lookup) => self.chosen(chain, &lookup.1),
            _ => None,
        };
        asked.unwrap_or_else(|| self.otherwise(chain, statement))
    }

    /// A statement that is not a plain question for an interface in this direction.
    fn otherwise(&self, chain: ChainId, statement: &'r Statement) -> Part<'r> {
        let words = number(&statement.to_string());
        let (names, chains) = (self.names(chain, statement), self.targets(chain, statement));
        match is_match(statement) {
            _ if !(names.is_empty() && chains.is_empty()) => Part::Otherwise { words, names, chains },
            true => Part::Matches(words),
            false => Part::Does(words),
        }
    }

    fn compared(&self, chain: ChainId, comparison: &'r Comparison) -> Option<Part<'r>> {
        let negated = match comparison.operator {
            Operator::Implied | Operator::Equal => false,
            Operator::Unequal => true,
            _ => return None,
        };
        let patterns = match &comparison.right {
            Expression::Datum(Datum::Name(name)) => vec![name.as_str()],
            set => self.elements(chain, set)?.into_iter().map(|(pattern, _)| pattern).collect(),
        };
        Some(Part::Fits { patterns, negated })
    }

    fn chosen(&self, chain: ChainId, map: &'r Expression) -> Option<Part<'r>> {
        let choice = |(pattern, element): (&'r str, &'r Element)| {
            let does = match &element.value {
                Some(MapValue::Verdict(verdict)) => self.does(chain, verdict),
                other => Part::Does(number(other)),
            };
            (pattern, does)
        };
        Some(Part::Chooses(self.elements(chain, map)?.into_iter().map(choice).collect()))
    }

    /// The elements of a set or map of interfaces in the order in which they count, if each is one name or pattern.
    fn elements(&self, chain: ChainId, set: &'r Expression) -> Option<Vec<(&'r str, &'r Element)>> {
        let elements = match set {
            Expression::Set(elements) => elements.as_slice(),
            Expression::Named(name) if !self.rules.is_filled(chain, name) => {
                self.rules.elements(chain, name)?
            }
            _ => return None,
        };
        let pattern = |element: &'r Element| match element.key.as_slice() {
            [Datum::Name(name)] => Some(name.as_str()),
            [Datum::Any] => Some(ANY),
            _ => None,
        };
        let plain = elements.iter().filter(|element| element.opaque.is_none());
        let mut found: Vec<_> = plain.filter_map(|element| Some((pattern(element)?, element))).collect();
        // `*` is for those that no other element fits.
        found.sort_by_key(|(pattern, _)| *pattern == ANY);
        (found.len() == elements.len()).then_some(found)
    }

    fn does(&self, chain: ChainId, verdict: &Verdict) -> Part<'r> {
        let (how, to) = match verdict {
            Verdict::Jump(to) => ("jump", self.rules.find(chain, to)),
            Verdict::Goto(to) => ("goto", self.rules.find(chain, to)),
            _ => ("", None),
        };
        to.map_or_else(|| Part::Does(number(verdict)), |to| Part::LeadsTo(how, to))
    }
}

/// The pattern that all interfaces fit.
const ANY: &str = "*";

/// In which direction a statement asks for an interface and nothing else.
fn asks(statement: &Statement) -> Option<InterfaceDirection> {
    match statement {
        Statement::Spelled(_, meaning) => asks(meaning),
        Statement::InInterface { .. } => Some(InterfaceDirection::In),
        Statement::Compare(comparison) => direction(&comparison.left),
        Statement::LookUp(lookup) => direction(&lookup.0),
        _ => None,
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
