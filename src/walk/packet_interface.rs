//! Which interfaces a packet crosses.
//!
//! A rule that asks for an interface asks for an attribute of the packet. It is known, in this order, from the asker, from
//! the node's routes, or from the names that CNI plugins give to a Pod's end on the node. Otherwise it is a question with
//! one answer for each of the [`Interfaces`](super::interfaces::Interfaces) that the packet could have.

use std::net::IpAddr;

use super::cases::CaseSet;
use super::evaluator::{Decision, Evaluator, MatchResult};
use super::expression::{Found, Stop};
use super::interfaces::InterfaceCase;
use super::packet::{Interface, View};
use super::packet_state::{PacketState, RulePosition};
use super::questions::{Answers, Question};
use super::rule_part::InterfaceDirection;
use crate::nftables::ruleset::{Datum, Element};
use crate::node::{InterfaceName, PodInterface};

impl<'r> Evaluator<'_, 'r> {
    /// Whether the packet crosses an interface of this name or pattern.
    pub(super) fn has_interface(
        &mut self,
        view: &View,
        direction: InterfaceDirection,
        name: &'r str,
        position: RulePosition,
    ) -> MatchResult<'r> {
        self.interface_that(view, direction, (position, name), |case| case.fits(name))
    }

    /// The first element whose name or pattern an interface of the packet fits, which is one question with as many answers as
    /// there are elements; `*` comes after all others. None where an element asks for something else.
    pub(super) fn element_by_interface(
        &mut self,
        state: &mut PacketState<'r>,
        direction: InterfaceDirection,
        elements: &[&'r Element],
        position: RulePosition,
    ) -> Option<Found<Option<&'r Element>>> {
        let mut otherwise = None;
        let mut open: Vec<(&'r Element, CaseSet)> = Vec::new();
        let mut question = None;
        for element in elements {
            match element.key.as_slice() {
                [Datum::Any] => otherwise = Some(*element),
                [Datum::Name(name)] => match self.has_interface(&state.view, direction, name, position) {
                    MatchResult::Known(true) => return Some(Ok(Some(element))),
                    MatchResult::Open(asked, answers) => {
                        question = Some(asked);
                        let rest = open.iter().fold(answers, |rest, (_, taken)| rest.without(taken));
                        open.push((element, rest));
                    }
                    _ => {}
                },
                _ => return None,
            }
        }
        let Some(question) = question else { return Some(Ok(otherwise)) };
        let groups: Vec<CaseSet> = open.iter().map(|(_, answers)| answers.clone()).collect();
        Some(match self.decided(state, question, &groups) {
            Decision::Group(None) => Ok(otherwise),
            Decision::Group(Some(number)) => Ok(open.get(number).map(|(element, _)| *element)),
            Decision::Open => {
                self.fork_open(state, question, &groups, position);
                Err(Stop::Forked)
            }
        })
    }

    /// Whether the packet crosses an interface of which something holds; it must hold of all interfaces of a case or of none.
    pub(super) fn interface_that(
        &mut self,
        view: &View,
        direction: InterfaceDirection,
        (position, text): (RulePosition, &'r str),
        holds: impl Fn(&InterfaceCase<'_>) -> bool,
    ) -> MatchResult<'r> {
        let (kind, question) = match direction {
            InterfaceDirection::In => (view.input, Question::InInterface),
            InterfaceDirection::Out => (view.output, Question::OutInterface(view.routed)),
        };
        if let Some(known) = self.known_interface(view, direction, kind) {
            let known = known.as_ref().map_or("", InterfaceName::as_str);
            return MatchResult::Known(holds(&InterfaceCase::Named(known)));
        }
        let (interfaces, pods) = (self.program.interfaces(), self.host.pod_interface.as_ref());
        let id = self.questions.number(question, (position, text), || {
            Answers::Interfaces(direction, interfaces.possible(kind, pods))
        });
        match self.questions.get(id) {
            Some(open) => MatchResult::Open(id, open.interfaces(holds)),
            None => MatchResult::Known(false),
        }
    }

    /// The interface where it is known; none inside where the packet has none.
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
        match kind {
            Interface::None => return Some(None),
            Interface::Loopback => return Some(InterfaceName::new("lo")),
            Interface::PodSide | Interface::External if told.is_some() => return Some(told),
            Interface::PodSide | Interface::External => (),
        }
        let host = self.host;
        let toward = *self.toward.entry(ip).or_insert_with(|| host.interface_toward(ip));
        let learned = toward.or_else(|| match (&self.host.pod_interface, kind) {
            (Some(PodInterface::Name(name)), Interface::PodSide) => InterfaceName::new(name),
            (_, Interface::PodSide) => self.interface_of_pod(ip),
            _ => None,
        });
        learned.map(Some)
    }

    /// What the CNI plugin whose interfaces the rules name calls a Pod's end on the node.
    fn interface_of_pod(&self, ip: IpAddr) -> Option<InterfaceName> {
        let hash = self.host.pod_interface_hash(ip)?;
        let mut prefixes = self.program.interfaces().pod_prefixes();
        match (prefixes.next(), prefixes.next()) {
            (Some(prefix), None) => InterfaceName::new(&format!("{prefix}{hash}")),
            _ => None,
        }
    }
}
