//! Which interfaces a packet crosses.
//!
//! A rule that matches on an interface asks for an attribute of the packet. It is known, in this order, from the
//! caller, from the node's routes, or from the names that CNI plugins give to the node's end of a Pod's interface.
//! Otherwise it is a question with one answer for each of the [`Interfaces`](super::interfaces::Interfaces) that the
//! packet could have.

use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt};

use super::by_interface::ByInterface;
use super::cases::CaseSet;
use super::evaluator::{Decision, Evaluator, MatchResult};
use super::expression::{Found, Stop};
use super::interface_case::InterfaceCase;
use super::interface_rules::kinds_of;
use super::interfaces::LikeCases;
use super::packet::{Interface, View};
use super::packet_state::{PacketState, RulePosition};
use super::program::Program;
use super::questions::{Answers, Question};
use super::rule_part::InterfaceDirection;
use crate::nftables::ruleset::Element;
use crate::node::{Host, InterfaceName, PodInterface};

impl<'r> Evaluator<'_, 'r> {
    /// Whether the packet crosses an interface with this name or pattern.
    pub(super) fn has_interface(
        &mut self,
        view: &View,
        direction: InterfaceDirection,
        name: &'r str,
        position: RulePosition,
    ) -> MatchResult<'r> {
        self.interface_that(view, direction, (position, name), |case| case.fits(name))
    }

    /// The first element with a name or pattern that fits an interface of the packet: one question with as many answers
    /// as there are elements; `*` comes after all others.
    pub(super) fn element_by_interface(
        &mut self,
        state: &mut PacketState<'r>,
        direction: InterfaceDirection,
        index: &ByInterface<'r>,
        position: RulePosition,
    ) -> Found<Option<&'r Element>> {
        let (kind, question) = asked(&state.view, direction);
        if let Some(known) = self.known_interface(&state.view, direction, kind) {
            let known = known.as_ref().map_or("", InterfaceName::as_str);
            let found = index.first(&InterfaceCase::Named(known));
            return Ok(found.map_or(index.otherwise, |at| index.get(at)));
        }
        let (program, host, keeps_steps) = (self.program, self.host, self.keeps_steps);
        let id = self.questions.number(question, (position, index.text), || {
            Answers::Interfaces(direction, possible((program, host), (kind, direction), keeps_steps))
        });
        let Some(open) = self.questions.get(id) else { return Ok(index.otherwise) };
        let by_element = open.interfaces_by(|case| index.first(case));
        let (places, groups): (Vec<usize>, Vec<CaseSet>) = by_element.into_iter().unzip();
        match self.decided(state, id, &groups) {
            Decision::Group(None) => Ok(index.otherwise),
            Decision::Group(Some(number)) => Ok(places.get(number).and_then(|at| index.get(*at))),
            Decision::Open => {
                self.fork_open(state, id, &groups, position);
                Err(Stop::Forked)
            }
        }
    }

    /// Whether something holds for the interface that the packet crosses; it must hold for all interfaces of a case or
    /// for none.
    pub(super) fn interface_that(
        &mut self,
        view: &View,
        direction: InterfaceDirection,
        (position, text): (RulePosition, &'r str),
        holds: impl Fn(&InterfaceCase<'_>) -> bool,
    ) -> MatchResult<'r> {
        let (kind, question) = asked(view, direction);
        if let Some(known) = self.known_interface(view, direction, kind) {
            let known = known.as_ref().map_or("", InterfaceName::as_str);
            return MatchResult::Known(holds(&InterfaceCase::Named(known)));
        }
        let (program, host, keeps_steps) = (self.program, self.host, self.keeps_steps);
        let id = self.questions.number(question, (position, text), || {
            Answers::Interfaces(direction, possible((program, host), (kind, direction), keeps_steps))
        });
        match self.questions.get(id) {
            Some(open) => MatchResult::Open(id, open.interfaces(holds)),
            None => MatchResult::Known(false),
        }
    }

    /// The interface, if known; none inside if the packet has none.
    pub(super) fn known_interface(
        &mut self,
        view: &View,
        direction: InterfaceDirection,
        kind: Interface,
    ) -> Option<Option<InterfaceName>> {
        let (told, ip) = match direction {
            InterfaceDirection::In => (self.told.0, view.original.source),
            InterfaceDirection::Out => (self.told.1, view.routed),
        };
        if told.is_some() && matches!(kind, Interface::PodSide | Interface::External) {
            return Some(told);
        }
        let (program, host) = (self.program, self.host);
        known((program, host), (ip, kind), || {
            *self.toward.entry(ip).or_insert_with(|| host.interface_toward(ip))
        })
    }
}

/// The interfaces of a kind that a packet can cross. Those that rules treat alike are one answer, unless the steps on the
/// way are wanted: names of chains differ there.
fn possible<'r>(
    (program, host): (&Program<'r>, &Host),
    (kind, direction): (Interface, InterfaceDirection),
    keeps_steps: bool,
) -> Vec<LikeCases<'r>> {
    let interfaces = program.interfaces();
    let cases = interfaces.possible(kind, host.pod_interface.as_ref());
    let beside = program.asked_beside();
    let is_in_sets = host.sets.as_ref().is_some_and(|sets| sets.name_interfaces());
    if keeps_steps || is_in_sets || beside.owners || beside.ways || beside.across {
        return cases.into_iter().map(LikeCases::one).collect();
    }
    let kinds = interfaces.kinds(|| kinds_of(program));
    let mut places = HashMap::new();
    let mut found: Vec<LikeCases<'r>> = Vec::new();
    for case in cases {
        let place = *places.entry(kinds.number(&case, direction)).or_insert(found.len());
        match found.get_mut(place) {
            Some(like) => like.others.push(case),
            None => found.push(LikeCases::one(case)),
        }
    }
    found
}

/// The interface of a kind that packets of an address cross, if routes or the names of Pods' interfaces say so; none
/// inside if they cross none.
pub(super) fn known(
    (program, host): (&Program<'_>, &Host),
    (ip, kind): (IpAddr, Interface),
    toward: impl FnOnce() -> Option<InterfaceName>,
) -> Option<Option<InterfaceName>> {
    let of_pods = || match &host.pod_interface {
        Some(PodInterface::Name(name)) => InterfaceName::new(name),
        _ => interface_of_pod(program, host, ip),
    };
    match kind {
        Interface::None => Some(None),
        Interface::Loopback => Some(InterfaceName::new("lo")),
        Interface::PodSide => toward().or_else(of_pods).map(Some),
        Interface::External => toward().map(Some),
    }
}

/// The CNI plugin's name for the node's end of a Pod's interface, if rules name interfaces of that plugin.
fn interface_of_pod(program: &Program<'_>, host: &Host, ip: IpAddr) -> Option<InterfaceName> {
    let interfaces = program.interfaces();
    interfaces.of_pod(ip, || {
        let mut prefixes = interfaces.pod_prefixes();
        match (prefixes.next(), prefixes.next()) {
            (Some(prefix), None) => InterfaceName::new(&format!("{prefix}{}", host.pod_interface_hash(ip)?)),
            _ => None,
        }
    })
}

/// The interface in a direction, and the question to ask about it.
fn asked<'r>(view: &View, direction: InterfaceDirection) -> (Interface, Question<'r>) {
    match direction {
        InterfaceDirection::In => (view.input, Question::InInterface),
        InterfaceDirection::Out => (view.output, Question::OutInterface(view.routed)),
    }
}
