//! What rules of nftables put into sets for a packet, or take out, and what later rules find there.

use super::evaluator::{Evaluator, MatchResult};
use super::expression::{Found, Key};
use super::filled::{Filled, Fills};
use super::matching::moment;
use super::packet_state::{PacketState, RulePosition};
use super::questions::Question;
use super::value::{Value, value_of_field};
use crate::nftables::ruleset::{Element, Field, SetChange, SetOperation, Statement};

/// What the packet itself did to the element that is asked for.
pub(super) enum Changed {
    /// Nothing.
    No,
    /// Put it in, or took it out.
    To(bool),
    /// Something, to an element that may be this one.
    Perhaps,
}

impl<'r> Evaluator<'_, 'r> {
    /// A rule changes a set.
    pub(super) fn change(
        &mut self,
        state: &mut PacketState<'r>,
        change: &'r SetChange,
        position: RulePosition,
    ) -> Found<bool> {
        self.has_all(state, &change.key, position)?;
        let mut parts = Vec::new();
        self.key(state, &change.key, &[], position, &mut parts)?;
        if change.operation != SetOperation::Delete && !self.has_room(state, &change.set, position)? {
            return Ok(false);
        }
        let values = parts.into_iter().map(|(_, value)| value).collect();
        let does = match change.operation {
            SetOperation::Delete => Fills::TakesOut,
            _ if change.statements.iter().any(|s| matches!(s, Statement::Limit(_))) => Fills::PutsInLimited,
            _ => Fills::PutsIn,
        };
        self.fill(state, (&change.set, values), does, position);
        for statement in &change.statements {
            if let Statement::Limit(limit) = statement
                && !self.within(state, limit, position)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A rule of kube-proxy puts the client into a set, or renews it there.
    pub(super) fn update(
        &mut self,
        state: &mut PacketState<'r>,
        (set, field): (&'r str, Field),
        position: RulePosition,
    ) -> Found<bool> {
        let Some(value) = value_of_field(field, &state.view) else { return Ok(false) };
        if !self.has_room(state, set, position)? {
            return Ok(false);
        }
        self.fill(state, (set, vec![value]), Fills::PutsIn, position);
        Ok(true)
    }

    /// Whether an element can be put into a set: in front of a full one without it, the rule ends
    /// (net/netfilter/nft_dynset.c, `nft_dynset_eval`).
    fn has_room(
        &mut self,
        state: &mut PacketState<'r>,
        name: &'r str,
        position: RulePosition,
    ) -> Found<bool> {
        if !self.program.is_full(position.chain, name) {
            return Ok(true);
        }
        self.ask(state, Question::HasRoom(name, position), position)
    }

    /// The element of a set for a packet, which was found among those listed or not; rules may have changed that.
    pub(super) fn found_in(
        &mut self,
        state: &mut PacketState<'r>,
        key: &Key<'r>,
        (name, found): (&'r str, Option<&'r Element>),
        position: RulePosition,
    ) -> Found<Option<&'r Element>> {
        if !self.program.is_filled(position.chain, name) {
            return Ok(found);
        }
        let values: Vec<Value> = key.iter().map(|(_, value)| *value).collect();
        let here = match (self.was_changed(state, name, &values, position), found) {
            (Changed::To(is_in), _) => is_in,
            (Changed::No, Some(_)) => true,
            // Rules put elements in, which packets before this one can have done.
            (Changed::No, None) | (Changed::Perhaps, _) => {
                self.ask(state, Question::Filled(name, position, moment(state)), position)?
            }
        };
        Ok(here.then(|| found.unwrap_or(&IN_SET)))
    }

    /// Notes that a rule puts an element into a set, or takes it out.
    pub(super) fn fill(
        &self,
        state: &mut PacketState<'r>,
        (set, key): (&'r str, Vec<Value>),
        does: Fills,
        position: RulePosition,
    ) {
        let table = self.program.table_number(position.chain);
        let change = Filled { table, set, key, does };
        // A statement is looked at again where its limit is an open question.
        if state.filled.last() != Some(&change) {
            state.filled.push(change);
        }
    }

    /// Whether a set that rules fill has the packet, which was found among its elements or not.
    pub(super) fn in_filled(
        &mut self,
        state: &PacketState<'r>,
        (set, key): (&'r str, &[Field]),
        found: bool,
        position: RulePosition,
    ) -> MatchResult<'r> {
        let values: Vec<Value> = key.iter().filter_map(|field| value_of_field(*field, &state.view)).collect();
        match self.was_changed(state, set, &values, position) {
            Changed::To(is_in) => MatchResult::Known(is_in),
            Changed::No if found => MatchResult::Known(true),
            Changed::No | Changed::Perhaps => {
                self.open(Question::Filled(set, position, moment(state)), set, position)
            }
        }
    }

    /// What the packet did to an element; what it did last counts.
    pub(super) fn was_changed(
        &self,
        state: &PacketState<'r>,
        set: &str,
        key: &[Value],
        position: RulePosition,
    ) -> Changed {
        let table = self.program.table_number(position.chain);
        let of_it = state.filled.iter().rev().filter(|change| change.set == set && change.table == table);
        for change in of_it {
            match (are_same(&change.key, key), change.does) {
                (Some(false), _) => {}
                (Some(true), Fills::PutsIn) => return Changed::To(true),
                (Some(true), Fills::TakesOut) => return Changed::To(false),
                (Some(true), Fills::PutsInLimited) | (None, _) => return Changed::Perhaps,
            }
        }
        Changed::No
    }
}

/// Whether two keys are the same, where that is known.
fn are_same(one: &[Value], other: &[Value]) -> Option<bool> {
    let pairs = || one.iter().zip(other);
    let differ = |(one, other): (&Value, &Value)| one.is_known() && other.is_known() && one != other;
    let is_same = |(one, other): (&Value, &Value)| {
        one == other && (one.is_known() || matches!(one, Value::SourcePort(_)))
    };
    if one.len() != other.len() || pairs().any(differ) {
        return Some(false);
    }
    pairs().all(is_same).then_some(true)
}

/// Stands for an element that a rule put in.
static IN_SET: Element = Element { key: Vec::new(), comment: None, value: None, opaque: None, origin: None };
