//! Rules that do nothing to a packet.
//!
//! The order of two programs' rules in a chain decides nothing for packets to which one of them does nothing. Whether
//! kube-proxy's rules behind routing do, is the same for nearly all packets: they ask whether a packet is marked, and for
//! Services without endpoints. So it is found with those rules alone, once for all packets that they do not tell apart,
//! where the rules of other programs tell every Pod of the node from every other.
//!
//! It is right where the rules left out can change nothing of a packet on its way that the others ask for. That is the mark,
//! and what [`Idle::beside`] looks at; a source that is rewritten ends the chain in which that is done, and connection tracking
//! is settled before routing, but for packets over `lo`, which are never said to be left alone.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use foldhash::{HashMap, HashMapExt};

use super::onward::Kind;
use super::outcome::{Effect, Outcome, Verdict};
use super::packet::{Interface, Packet};
use super::packet_state::{PacketState, Phase};
use super::told_apart::Place;
use super::walker::Walker;
use super::{hooks, merge};
use crate::iptables::ruleset::Rule;

/// Some of the rules of a node, to be asked whether they do anything to a packet that has been routed.
pub struct Idle<'w, 'r> {
    alone: &'w Walker<'r>,
    known: Mutex<HashMap<Kind, bool>>,
}

/// Where a source lies among those that rules tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourcePlace(Place);

/// Tells whether rules do nothing to a packet, wherever they stand among others.
pub trait DoesNothing: Sync {
    /// Where a source lies among those that the rules tell apart: what they do to packets depends on no more of it.
    fn place(&self, source: IpAddr) -> SourcePlace;

    /// Whether they do nothing to the packet, as it has been routed.
    fn does_nothing(&self, packet: &Packet, routed: &RoutedView) -> bool;
}

/// A packet that has been routed, at the hook that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoutedView {
    pub(super) view: super::packet::View,
    pub(super) phase: Phase,
}

impl<'w, 'r> Idle<'w, 'r> {
    /// The rules `alone`, which stand among those of `all`. None where the others can change what these ask for, or these ask
    /// for interfaces.
    pub fn beside(all: &Walker<'_>, alone: &'w Walker<'r>) -> Option<Idle<'w, 'r>> {
        let altered = all.program.as_iptables()?.mark_altered_by_others();
        let rules = alone.program.as_iptables()?;
        let asks_interface = |rule: &Rule| rule.in_interface.is_some() || rule.out_interface.is_some();
        let is_told =
            altered & rules.changes().asked_mark == 0 && !rules.rules_from_routing_on().any(asks_interface);
        is_told.then(|| Idle { alone, known: Mutex::new(HashMap::new()) })
    }

    fn follow(&self, packet: &Packet, routed: &RoutedView) -> Option<bool> {
        let mut evaluator = self.alone.evaluator(packet).ok()?;
        evaluator.sets_aside = false;
        let state =
            PacketState { view: routed.view, phase: routed.phase, ..hooks::entry(packet, self.alone.host) };
        let kind = self.alone.onward.kind(&mut evaluator, &state)?;
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&kind) {
            return Some(*known);
        }
        evaluator.run(state).ok()?;
        let outcomes = merge::outcomes(evaluator);
        let found = matches!(outcomes.as_slice(), [only] if is_left_alone(only));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, found);
        Some(found)
    }
}

impl DoesNothing for Idle<'_, '_> {
    fn place(&self, source: IpAddr) -> SourcePlace {
        SourcePlace(self.alone.onward.place_of_source(source, &self.alone.program, self.alone.host))
    }

    fn does_nothing(&self, packet: &Packet, routed: &RoutedView) -> bool {
        routed.view.output != Interface::Loopback && self.follow(packet, routed).unwrap_or(false)
    }
}

fn is_left_alone(outcome: &Outcome<'_>) -> bool {
    let passes = |effect: &Effect<'_>| {
        matches!(
            effect,
            Effect::Jump(_)
                | Effect::Goto(_)
                | Effect::Return
                | Effect::RouteLocal
                | Effect::RouteForward
                | Effect::SourceNotChecked
                | Effect::WayNotKnown
        )
    };
    outcome.verdict == Verdict::Accept
        && !outcome.snat
        && outcome.given.is_empty()
        && outcome.steps.iter().flat_map(|step| &step.effects).all(passes)
}
