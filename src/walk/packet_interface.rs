//! Which interfaces a packet crosses.
//!
//! A rule that asks for an interface asks for an attribute of the packet. It is known, in this order, from the asker, from
//! the node's routes, or from the names that CNI plugins give to a Pod's end on the node. Otherwise it is a question with
//! one answer for each of the [`Interfaces`](super::interfaces::Interfaces) that the packet could have.

use std::collections::HashMap;
use std::net::IpAddr;

use super::cases::CaseSet;
use super::evaluator::{Decision, Evaluator, MatchResult};
use super::expression::{Found, Stop};
use super::interfaces::{InterfaceCase, prefix};
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
        let index = ByInterface::new(elements)?;
        let (kind, question) = asked(&state.view, direction);
        if let Some(known) = self.known_interface(&state.view, direction, kind) {
            let known = known.as_ref().map_or("", InterfaceName::as_str);
            let found = index.first(&InterfaceCase::Named(known));
            return Some(Ok(found.map_or(index.otherwise, |at| elements.get(at).copied())));
        }
        let (interfaces, pods) = (self.program.interfaces(), self.host.pod_interface.as_ref());
        let id = self.questions.number(question, (position, index.text), || {
            Answers::Interfaces(direction, interfaces.possible(kind, pods))
        });
        let by_element = self.questions.get(id)?.interfaces_by(|case| index.first(case));
        let (places, groups): (Vec<usize>, Vec<CaseSet>) = by_element.into_iter().unzip();
        Some(match self.decided(state, id, &groups) {
            Decision::Group(None) => Ok(index.otherwise),
            Decision::Group(Some(number)) => Ok(places.get(number).and_then(|at| elements.get(*at)).copied()),
            Decision::Open => {
                self.fork_open(state, id, &groups, position);
                Err(Stop::Forked)
            }
        })
    }

    /// Whether something holds for the interface that the packet crosses; it must hold for all interfaces of a case or for none.
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

/// What is asked for where an interface is, and of what kind that is.
fn asked<'r>(view: &View, direction: InterfaceDirection) -> (Interface, Question<'r>) {
    match direction {
        InterfaceDirection::In => (view.input, Question::InInterface),
        InterfaceDirection::Out => (view.output, Question::OutInterface(view.routed)),
    }
}

/// Elements by the interfaces that they name.
struct ByInterface<'r> {
    names: HashMap<&'r str, usize>,
    patterns: Vec<(&'r str, usize)>,
    /// `*`
    otherwise: Option<&'r Element>,
    /// The first name.
    text: &'r str,
}

impl<'r> ByInterface<'r> {
    /// None where an element asks for something else.
    fn new(elements: &[&'r Element]) -> Option<ByInterface<'r>> {
        let mut index =
            ByInterface { names: HashMap::new(), patterns: Vec::new(), otherwise: None, text: "" };
        for (at, element) in elements.iter().enumerate() {
            if let ([Datum::Name(name)], "") = (element.key.as_slice(), index.text) {
                index.text = name;
            }
            match element.key.as_slice() {
                [Datum::Any] => index.otherwise = Some(element),
                [Datum::Name(name)] if prefix(name).is_some() => index.patterns.push((name, at)),
                [Datum::Name(name)] => _ = index.names.entry(name).or_insert(at),
                _ => return None,
            }
        }
        Some(index)
    }

    /// The place of the first element that the interfaces of a case fit.
    fn first(&self, case: &InterfaceCase<'_>) -> Option<usize> {
        let named = match case {
            InterfaceCase::Named(name) => self.names.get(name).copied(),
            InterfaceCase::Prefixed(_) | InterfaceCase::Other => None,
        };
        let fitting = self.patterns.iter().find(|(pattern, _)| case.fits(pattern)).map(|(_, at)| *at);
        named.into_iter().chain(fitting).min()
    }
}
