//! What a packet may lack. A rule of nftables that looks at such a thing ends there (`NFT_BREAK` in the kernel), also where
//! it asks that the thing be *another* than some value.

use super::evaluator::Evaluator;
use super::expression::{Found, Stop};
use super::packet::{Interface, Tracking};
use super::packet_state::{PacketState, Phase, RulePosition};
use super::questions::Question;
use crate::nftables::ruleset::{Comparison, Datum, Element, Expression, Header, Operator, Selector};

impl<'r> Evaluator<'_, 'r> {
    /// Goes on only where the packet has all that an expression looks at.
    pub(super) fn has_all(
        &mut self,
        state: &mut PacketState<'r>,
        of: &'r Expression,
        position: RulePosition,
    ) -> Found<()> {
        for (part, selector) in perhaps_absent(of, state) {
            let place = self.asked_where(state, part, position);
            if !self.ask(state, Question::Has(selector, place), position)? {
                return Err(Stop::Absent);
            }
        }
        Ok(())
    }

    /// Goes on only where the packet has what a comparison looks at, if having something else there would be another answer.
    pub(super) fn has_compared(
        &mut self,
        state: &mut PacketState<'r>,
        of: &'r Comparison,
        position: RulePosition,
    ) -> Found<()> {
        match of.operator {
            Operator::Unequal | Operator::Without if !is_about_presence(&of.right) => {
                self.has_all(state, &of.left, position)
            }
            _ => self.has_key(state, (&of.left, &of.right), position),
        }
    }

    /// Goes on only where the packet has the key of a map or set, if that has an element for all other keys.
    pub(super) fn has_key(
        &mut self,
        state: &mut PacketState<'r>,
        (key, map): (&'r Expression, &'r Expression),
        position: RulePosition,
    ) -> Found<()> {
        // Most keys are there; maps can be long.
        if perhaps_absent(key, state).is_empty() {
            return Ok(());
        }
        let elements: &[Element] = match map {
            Expression::Set(elements) => elements,
            Expression::Named(name) => self.program.elements(position.chain, name).unwrap_or_default(),
            _ => &[],
        };
        if elements.iter().any(is_rest) { self.has_all(state, key, position) } else { Ok(()) }
    }
}

/// The parts of an expression that nothing known tells to be there.
fn perhaps_absent<'r>(of: &'r Expression, state: &PacketState<'_>) -> Vec<(&'r Expression, &'r Selector)> {
    let mut found = Vec::new();
    of.visit(&mut |part| match part {
        Expression::Selector(selector) if may_be_absent(selector, state) => found.push((part, selector)),
        _ => {}
    });
    found
}

fn is_rest(element: &Element) -> bool {
    element.key.as_slice() == [Datum::Any]
}

fn is_about_presence(right: &Expression) -> bool {
    matches!(right, Expression::Datum(Datum::Word(word)) if word == "exists" || word == "missing")
}

/// Whether nothing known tells if the packet has what a rule looks at.
fn may_be_absent(selector: &Selector, state: &PacketState<'_>) -> bool {
    match selector {
        Selector::Other(_) | Selector::Payload(Header::Ether, _) => true,
        // Interfaces of hardware are of no kind; what the kernel sends by itself is of no user.
        Selector::Meta(key) => match key.as_str() {
            "iifkind" => state.view.input != Interface::None,
            "iiftype" => state.view.input == Interface::None && state.phase == Phase::Postrouting,
            "rtclassid" | "oifkind" | "sdif" | "sdifname" | "skuid" | "skgid" | "cgroup" => true,
            _ => false,
        },
        // A template is of no family.
        Selector::Conntrack(_, key) => {
            key == "helper" || key.starts_with("ip") && state.view.tracking == Tracking::Template
        }
        Selector::Payload(..) | Selector::Fib(..) => false,
    }
}
