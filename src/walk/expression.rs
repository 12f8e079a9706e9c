//! Evaluates matches and lookups of nftables that kube-proxy never writes.

use crate::nftables::ruleset::{
    Bound, Chooser, Comparison, Datum, Element, Expression, FibResult, Limit, MapValue, Operator, Selector,
    Statement,
};

use super::by_interface::ByInterface;
use super::error::WalkError;
use super::evaluator::{Decision, Evaluator, MatchResult, Walked};
use super::outcome::Supposition;
use super::packet_state::{PacketState, RulePosition};
use super::questions::Question;
use super::selector;
use super::set_index::SetIndex;
use super::value::{Holds, Value, has_any, holds, number_of};
use super::value_order::{compared, cuts, cuts_of, operated, value_of};

/// Why an expression has no value on this branch.
pub(super) enum Stop {
    /// The packet has nothing of the kind: the rule ends.
    Absent,
    /// Branches for each case are pending.
    Forked,
    /// The rules cannot be walked.
    Failed(WalkError),
}

pub(super) type Found<T> = Result<T, Stop>;

/// The parts of a key, each with what the packet has.
pub(super) type Key<'r> = Vec<(&'r Expression, Value)>;

impl<'r> Evaluator<'_, 'r> {
    /// Whether the rule goes on after a statement; none if that depends, and branches for each case are pending.
    pub(super) fn passes(
        &mut self,
        state: &mut PacketState<'r>,
        statement: &'r Statement,
        position: RulePosition,
    ) -> Walked<Option<bool>> {
        let found = match statement {
            Statement::Compare(comparison) => self.compare(state, comparison, position),
            Statement::Limit(limit) => self.within(state, limit, position),
            Statement::ChangeSet(change) => self.change(state, change, position),
            Statement::UpdateSet { set, field } => self.update(state, (set, *field), position),
            _ => Ok(true),
        };
        self.settled(state, found)
    }

    /// What an evaluation comes to for the rule.
    fn settled(&mut self, state: &mut PacketState<'r>, found: Found<bool>) -> Walked<Option<bool>> {
        if !matches!(found, Err(Stop::Forked)) {
            state.drawn = None;
        }
        match found {
            Ok(holds) => Ok(Some(holds)),
            Err(Stop::Absent) => Ok(Some(false)),
            Err(Stop::Forked) => Ok(None),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// The first packet is supposed to be within every limit that is not known to be reached.
    pub(super) fn within(
        &mut self,
        state: &mut PacketState<'r>,
        limit: &'r Limit,
        position: RulePosition,
    ) -> Found<bool> {
        let of_name = |kind: &str, name: &str| self.program.bound(position.chain, kind, name);
        let Bound { over, is_reached } = Bound::of(limit, of_name);
        let text = match limit {
            Limit::Rate { rate, .. } => rate.as_str(),
            Limit::Quota { size, .. } => size,
            Limit::Connections { .. } => "ct count",
            Limit::Named(_, name) => name,
        };
        if is_reached {
            return Ok(over);
        }
        let usual = self.open(Question::Usual(Supposition::WithinLimit, position), text, position);
        Ok(self.decide(state, usual, position)? != over)
    }

    fn compare(
        &mut self,
        state: &mut PacketState<'r>,
        comparison: &'r Comparison,
        position: RulePosition,
    ) -> Found<bool> {
        let Comparison { left, operator, right } = comparison;
        if selector::is_missing_elsewhere(comparison, state.view.protocol) {
            let place = self.asked_where(state, left, position);
            return self.ask(state, Question::Passes(comparison, place), position);
        }
        self.has_compared(state, comparison, position)?;
        let negated = *operator == Operator::Unequal;
        match right {
            Expression::Set(elements) => {
                let mut key = Vec::new();
                self.key(state, left, &cuts(elements), position, &mut key)?;
                let found = self.first_of(state, &key, elements.iter(), position)?;
                Ok(found.is_some() != negated)
            }
            Expression::Named(name) => {
                let mut key = Vec::new();
                self.key(state, left, &[], position, &mut key)?;
                Ok(self.find(state, &key, name, position)?.is_some() != negated)
            }
            Expression::Concatenation(parts) => {
                let mut key = Vec::new();
                self.key(state, left, &[], position, &mut key)?;
                let data = parts.iter().filter_map(|part| match part {
                    Expression::Datum(datum) => Some(datum),
                    _ => None,
                });
                Ok(self.all_hold(state, &key, data, position)? != negated)
            }
            Expression::Datum(datum) => {
                let value = self.value(state, left, &cuts_of(datum), position)?;
                self.compare_one(state, (comparison, value, datum), position)
            }
            _ => {
                let place = self.asked_where(state, left, position);
                self.ask(state, Question::Passes(comparison, place), position)
            }
        }
    }

    fn compare_one(
        &mut self,
        state: &mut PacketState<'r>,
        (comparison, value, datum): (&'r Comparison, Value, &'r Datum),
        position: RulePosition,
    ) -> Found<bool> {
        let kind = comparison.left.data_type();
        let is_bits = kind.as_ref().is_some_and(|kind| kind.is_bits());
        let any = || match number_of(datum, kind.as_ref()) {
            Some(bits) => has_any(value, bits),
            None => Holds::Open,
        };
        let (found, negated) = match comparison.operator {
            Operator::Implied if is_bits => (any(), false),
            Operator::Without => (any(), true),
            Operator::Implied | Operator::Equal => (holds(value, datum, kind.as_ref()), false),
            Operator::Unequal => (holds(value, datum, kind.as_ref()), true),
            ordered => (compared(value, ordered, datum), false),
        };
        let place = self.asked_where(state, &comparison.left, position);
        let plain = matches!(comparison.operator, Operator::Equal | Operator::Unequal) || !is_bits;
        let question = match comparison.operator {
            Operator::Implied | Operator::Equal | Operator::Unequal if plain => {
                Question::Is(&comparison.left, datum, place)
            }
            _ => Question::Passes(comparison, place),
        };
        let by_itself = matches!(question, Question::Passes(..)) && negated && found == Holds::Open;
        let known = self.answer(state, found, question, position)?;
        Ok(if by_itself { known } else { known != negated })
    }

    /// What the packet has for each part of a key.
    pub(super) fn key(
        &mut self,
        state: &mut PacketState<'r>,
        of: &'r Expression,
        cuts: &[u64],
        position: RulePosition,
        into: &mut Key<'r>,
    ) -> Found<()> {
        match of {
            Expression::Concatenation(parts) => {
                for part in parts {
                    let value = self.value(state, part, &[], position)?;
                    into.push((part, value));
                }
            }
            one => {
                let value = self.value(state, one, cuts, position)?;
                into.push((one, value));
            }
        }
        Ok(())
    }

    /// The value of an expression. Values of a chooser are kept apart only at the `cuts`.
    pub(super) fn value(
        &mut self,
        state: &mut PacketState<'r>,
        of: &'r Expression,
        cuts: &[u64],
        position: RulePosition,
    ) -> Found<Value> {
        match of {
            Expression::Selector(Selector::Fib(keys, FibResult::Oif | FibResult::OifName))
                if let Some(way) = self.fib_way(keys, &state.view, state.phase) =>
            {
                Ok(way)
            }
            Expression::Selector(Selector::Fib(keys, FibResult::Type)) => {
                Ok(self.fib_type(keys, &state.view))
            }
            Expression::Selector(of) => selector::value(of, state).ok_or(Stop::Absent),
            Expression::Datum(datum) => Ok(value_of(datum)),
            Expression::Binary(operator, left, right) => {
                let left_value = self.value(state, left, &[], position)?;
                let kind = left.data_type();
                let right = match right.as_ref() {
                    Expression::Datum(datum) => match number_of(datum, kind.as_ref()) {
                        Some(number) => Value::number(number),
                        None => value_of(datum),
                    },
                    other => self.value(state, other, &[], position)?,
                };
                Ok(operated(*operator, left_value, right))
            }
            Expression::Map(..) => Ok(match self.mapped_data(state, of, position)? {
                [datum] => value_of(datum),
                _ => Value::Open,
            }),
            Expression::Chooser(Chooser::Counter { modulus, offset, .. }) => {
                let numbers = (u64::from(*offset), u64::from(*modulus));
                self.draw(state, numbers, cuts, position).map(Value::number)
            }
            Expression::Chooser(Chooser::Hash { of: Some(key), .. }) => {
                self.key(state, key, &[], position, &mut Vec::new())?;
                Ok(Value::Open)
            }
            Expression::Chooser(Chooser::Hash { of: None, .. })
            | Expression::Set(_)
            | Expression::Named(_)
            | Expression::Concatenation(_) => Ok(Value::Open),
        }
    }

    /// The element of a map for a packet; none where it has none.
    pub(super) fn looked_up(
        &mut self,
        state: &mut PacketState<'r>,
        (key, map): (&'r Expression, &'r Expression),
        position: RulePosition,
    ) -> Found<Option<&'r Element>> {
        self.has_key(state, (key, map), position)?;
        let mut parts = Vec::new();
        match map {
            Expression::Set(elements) => {
                self.key(state, key, &cuts(elements), position, &mut parts)?;
                self.first_of(state, &parts, elements.iter(), position)
            }
            Expression::Named(name) => {
                let cuts = self.program.elements(position.chain, name).map(cuts).unwrap_or_default();
                self.key(state, key, &cuts, position, &mut parts)?;
                self.find(state, &parts, name, position)
            }
            _ => Ok(None),
        }
    }

    /// The data that a map has for a packet.
    pub(super) fn mapped_data(
        &mut self,
        state: &mut PacketState<'r>,
        of: &'r Expression,
        position: RulePosition,
    ) -> Found<&'r [Datum]> {
        let Expression::Map(key, map) = of else { return Ok(&[]) };
        let element = self.looked_up(state, (key, map), position)?.ok_or(Stop::Absent)?;
        match &element.value {
            Some(MapValue::Data(data)) => Ok(data),
            _ => Ok(&[]),
        }
    }

    /// The element of a named set.
    fn find(
        &mut self,
        state: &mut PacketState<'r>,
        key: &Key<'r>,
        name: &'r str,
        position: RulePosition,
    ) -> Found<Option<&'r Element>> {
        let program = self.program;
        let Some(elements) = program.elements(position.chain, name) else {
            return Err(Stop::Failed(self.no_such_set(position, name)));
        };
        let by_interface = || match key.as_slice() {
            [(_, Value::Interface(direction))] => {
                Some((*direction, program.by_interface(position.chain, name)?))
            }
            _ => None,
        };
        let by_value =
            || program.index(position.chain, name).filter(|_| key.iter().all(|(_, v)| v.is_known()));
        let found = if let Some((direction, index)) = by_interface() {
            self.element_by_interface(state, direction, index, position)?
        } else if let Some(index) = by_value() {
            self.find_known(state, key, index, position)?
        } else {
            self.first_of(state, key, elements.iter(), position)?
        };
        let found = self.found_in(state, key, (name, found), position)?;
        self.within_its_own(state, found, position)
    }

    /// An element, if its own limit lets it count; else nothing more of the rule does.
    fn within_its_own(
        &mut self,
        state: &mut PacketState<'r>,
        found: Option<&'r Element>,
        position: RulePosition,
    ) -> Found<Option<&'r Element>> {
        let Some((element, bound)) = found.and_then(|element| Some((element, element.limit()?))) else {
            return Ok(found);
        };
        match self.counts(state, element, bound, position) {
            Some(true) => Ok(found),
            Some(false) => Err(Stop::Absent),
            None => Err(Stop::Forked),
        }
    }

    fn find_known(
        &mut self,
        state: &mut PacketState<'r>,
        key: &Key<'r>,
        index: &SetIndex<'r>,
        position: RulePosition,
    ) -> Found<Option<&'r Element>> {
        let values: Vec<Value> = key.iter().map(|(_, value)| *value).collect();
        match index.exact(&values) {
            Some(element) => Ok(Some(element)),
            None => self.first_of(state, key, index.others().iter().copied(), position),
        }
    }

    /// The first element that has the key; `*` after all others.
    fn first_of(
        &mut self,
        state: &mut PacketState<'r>,
        key: &Key<'r>,
        elements: impl Iterator<Item = &'r Element>,
        position: RulePosition,
    ) -> Found<Option<&'r Element>> {
        if let [(_, Value::Interface(direction))] = key.as_slice() {
            let elements: Vec<&'r Element> = elements.collect();
            return match ByInterface::new(elements.iter().copied()) {
                Some(index) => self.element_by_interface(state, *direction, &index, position),
                None => self.first_of_all(state, key, elements.into_iter(), position),
            };
        }
        self.first_of_all(state, key, elements, position)
    }

    fn first_of_all(
        &mut self,
        state: &mut PacketState<'r>,
        key: &Key<'r>,
        elements: impl Iterator<Item = &'r Element>,
        position: RulePosition,
    ) -> Found<Option<&'r Element>> {
        let mut otherwise = None;
        for element in elements {
            if element.key.as_slice() == [Datum::Any] {
                otherwise = Some(element);
            } else if self.all_hold(state, key, element.key.iter(), position)? {
                return Ok(Some(element));
            }
        }
        Ok(otherwise)
    }

    /// Whether every part of a key is what is asked for. What is known to differ counts before anything is left open.
    fn all_hold(
        &mut self,
        state: &mut PacketState<'r>,
        key: &Key<'r>,
        data: impl Iterator<Item = &'r Datum>,
        position: RulePosition,
    ) -> Found<bool> {
        let tested: Vec<(&'r Expression, &'r Datum, Holds<'r>)> = key
            .iter()
            .zip(data)
            .map(|((of, value), datum)| (*of, datum, holds(*value, datum, of.data_type().as_ref())))
            .collect();
        if tested.len() != key.len() || tested.iter().any(|(_, _, found)| *found == Holds::Known(false)) {
            return Ok(false);
        }
        for (of, datum, found) in tested {
            let place = self.asked_where(state, of, position);
            if !self.answer(state, found, Question::Is(of, datum, place), position)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Answers what is known, asks what is not.
    fn answer(
        &mut self,
        state: &mut PacketState<'r>,
        found: Holds<'r>,
        question: Question<'r>,
        position: RulePosition,
    ) -> Found<bool> {
        let result = match found {
            Holds::Known(holds) => return Ok(holds),
            Holds::Interface(direction, name) => self.has_interface(&state.view, direction, name, position),
            Holds::SourcePort(of, first, last) => {
                self.source_port_that(of, |port| (first..=last).contains(&port), ("", position))
            }
            Holds::Usually(holds) => {
                let usual = self.open(Question::Usual(Supposition::HasRoute, position), "fib", position);
                return Ok(self.decide(state, usual, position)? == holds);
            }
            Holds::Open => self.open(question, "", position),
        };
        self.decide(state, result, position)
    }

    pub(super) fn ask(
        &mut self,
        state: &mut PacketState<'r>,
        question: Question<'r>,
        position: RulePosition,
    ) -> Found<bool> {
        let result = self.open(question, "", position);
        self.decide(state, result, position)
    }

    fn decide(
        &mut self,
        state: &mut PacketState<'r>,
        result: MatchResult<'r>,
        position: RulePosition,
    ) -> Found<bool> {
        match result {
            MatchResult::Known(holds) => Ok(holds),
            MatchResult::Open(question, holds) => {
                match self.decided(state, question, std::slice::from_ref(&holds)) {
                    Decision::Group(group) => Ok(group.is_some()),
                    Decision::Open => {
                        self.fork_open(state, question, &[holds], position);
                        Err(Stop::Forked)
                    }
                }
            }
            MatchResult::Forked => Err(Stop::Forked),
            MatchResult::Absent | MatchResult::Random(_) | MatchResult::Remembered(_) => Err(Stop::Absent),
        }
    }
}
