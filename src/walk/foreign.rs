//! Evaluates matches of other programs' rules of iptables.

use std::net::IpAddr;

use super::cases::CaseSet;
use super::chance::Chance;
use super::evaluator::{Decision, Evaluator, MatchResult};
use super::matching::{is_in, moment};
use super::opaque_iptables::is_protocol;
use super::outcome::Supposition;
use super::packet::{SourcePort, View};
use super::packet_state::{PacketState, RulePosition};
use super::questions::Question;
use super::rule_part::{InterfaceDirection, Listing, States};
use super::weights::QuestionId;
use crate::iptables::foreign::{Connection, ForeignMatch, Status, Test, TestKind, Tuple};
use crate::iptables::ruleset::End;
use crate::net::Protocol;
use crate::node::{AskedInterface, ClientKind, InterfaceName, Membership, SetQuery};

/// Modules that ask for what targets such as `DSCP` change.
const ALTERABLE: [&str; 7] = ["bpf", "dscp", "ecn", "hl", "tos", "ttl", "u32"];

impl<'r> Evaluator<'_, 'r> {
    /// Whether a packet passes all tests of a match.
    pub(super) fn foreign(
        &mut self,
        state: &PacketState<'r>,
        foreign: &'r ForeignMatch,
        position: RulePosition,
    ) -> MatchResult<'r> {
        let is_state = |test: &&Test| matches!(test.kind, TestKind::Connection(Connection::State(_)));
        let of_connection = foreign.tests().iter().any(|test| matches!(test.kind, TestKind::Connection(_)));
        // For an untracked packet only states are checked; without one the rule does not match
        // (net/netfilter/xt_conntrack.c).
        let untracked = of_connection && !state.view.is_tracked() && !state.view.has_template();
        if untracked && !foreign.tests().iter().any(|test| is_state(&test)) {
            return MatchResult::Absent;
        }
        let mut open = None;
        for test in foreign.tests().iter().filter(|test| !untracked || is_state(test)) {
            match self.test(state, test, (foreign.text(), position)) {
                MatchResult::Known(holds) if holds == test.negated => return MatchResult::Absent,
                MatchResult::Known(_) => {}
                MatchResult::Open(question, holds) => match self.open_test(state, test, question, holds) {
                    MatchResult::Known(true) => {}
                    MatchResult::Known(false) => return MatchResult::Absent,
                    other => open = open.or(Some(other)),
                },
                MatchResult::Random(chance) => {
                    let chance = if test.negated { chance.otherwise() } else { chance };
                    return MatchResult::Random(chance);
                }
                other => return other,
            }
        }
        open.unwrap_or(MatchResult::Known(true))
    }

    /// What is known of an open question on this branch, negation included.
    fn open_test(
        &self,
        state: &PacketState<'r>,
        test: &Test,
        question: QuestionId,
        holds: CaseSet,
    ) -> MatchResult<'r> {
        match self.decided(state, question, std::slice::from_ref(&holds)) {
            Decision::Group(group) => MatchResult::Known(group.is_some() != test.negated),
            Decision::Open if test.negated => match self.questions.get(question) {
                Some(open) => MatchResult::Open(question, open.all.without(&holds)),
                None => MatchResult::Known(false),
            },
            Decision::Open => MatchResult::Open(question, holds),
        }
    }

    /// Whether a packet passes a test; its negation is left to the caller.
    fn test(
        &mut self,
        state: &PacketState<'r>,
        test: &'r Test,
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        let view = &state.view;
        let known = match &test.kind {
            TestKind::Protocol(name) => is_protocol(name, view.protocol),
            TestKind::Ports { end, ranges, .. } => return self.ports(view, *end, ranges, (text, position)),
            TestKind::TcpFlags { examined, set } => view.protocol == Protocol::Tcp && SYN & examined == *set,
            TestKind::Fragment => false,
            TestKind::Connection(asked) => return self.connection(state, asked, (text, position)),
            TestKind::ConnectionMark { .. } if view.has_template() => {
                return self.open(Question::Part(position), text, position);
            }
            TestKind::ConnectionMark { .. } if !view.is_tracked() => return MatchResult::Absent,
            TestKind::ConnectionMark { value, mask }
                if view.open_connection_mark & mask != 0
                    && (view.connection_mark ^ value) & mask & !view.open_connection_mark == 0 =>
            {
                return self.open(Question::Part(position), text, position);
            }
            TestKind::ConnectionMark { value, mask } => view.connection_mark & mask == *value,
            TestKind::AddressType { end, types, limit } => {
                return self.address_type(state, (*end, types, *limit), (text, position));
            }
            TestKind::Set { name, ends, exceptions } => {
                return self.ip_set(state, name, (ends, *exceptions), (text, position));
            }
            TestKind::AddressRange { end, first, last } => (*first..=*last).contains(&address(*end, view)),
            TestKind::PacketType(kind) => return self.packet_type(state, kind, (text, position)),
            TestKind::Owner(owner) if self.is_of_a_process(state) => {
                return self.open(Question::Text(owner, None), text, position);
            }
            TestKind::Owner(_) => false,
            TestKind::Chance { units, of } => return MatchResult::Random(Chance::of(*units, *of)),
            TestKind::Limit { until, .. } => {
                return self.supposing(Supposition::WithinLimit, *until, text, position);
            }
            TestKind::ReversePath(asked) => match self.leads_back(view, *asked) {
                Some(known) => known,
                None => return self.supposing(Supposition::HasRoute, true, text, position),
            },
            TestKind::Recent { list, hits, .. } => {
                return self.is_listed(state, (Listing::of(list), *hits), (text, position));
            }
            TestKind::RecentSet(_) => true,
            TestKind::Constant(asked) => return self.open(Question::Text(asked, None), text, position),
            TestKind::Unknown(asked) => return self.not_known(state, asked, (text, position)),
        };
        MatchResult::Known(known)
    }

    /// Passes, or does not, as long as things are as supposed.
    pub(super) fn supposing(
        &mut self,
        supposition: Supposition,
        passes: bool,
        text: &'r str,
        position: RulePosition,
    ) -> MatchResult<'r> {
        let (question, usual) = self.yes_no(Question::Usual(supposition, position), text, position);
        let Some(open) = self.questions.get(question) else { return MatchResult::Known(passes) };
        let holds = if passes { usual } else { open.all.without(&usual) };
        MatchResult::Open(question, holds)
    }

    pub(super) fn not_known(
        &mut self,
        state: &PacketState<'r>,
        asked: &'r str,
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        let module = asked.split_whitespace().nth(1).unwrap_or_default();
        let altered = self.program.changes().is_some_and(|changes| changes.alters);
        let question = match altered && ALTERABLE.contains(&module) {
            true => Question::Part(position),
            false => Question::Text(asked, Some(moment(state))),
        };
        self.open(question, text, position)
    }

    fn ports(
        &mut self,
        view: &View,
        end: Option<End>,
        ranges: &[(u16, u16)],
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        let within = |port: u16| ranges.iter().any(|(first, last)| (*first..=*last).contains(&port));
        match end {
            Some(End::Destination) => MatchResult::Known(within(view.destination.port())),
            None if within(view.destination.port()) => MatchResult::Known(true),
            None | Some(End::Source) => self.source_port_that(view.source_port, within, (text, position)),
        }
    }

    fn connection(
        &mut self,
        state: &PacketState<'r>,
        asked: &'r Connection,
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        let view = &state.view;
        MatchResult::Known(match asked {
            Connection::State(states) => is_in(States::Iptables(*states), view),
            _ if view.has_template() => return self.open(Question::Part(position), text, position),
            Connection::Address(..) | Connection::Port(..) if view.rewritten => {
                return self.open(Question::Part(position), text, position);
            }
            // Once it has left the node by `lo`, its connection is confirmed.
            Connection::Status(all) => all.contains(&Status::Confirmed) && state.phase.is_loop(),
            Connection::Direction(original) => *original,
            Connection::Protocol(name) => is_protocol(name, view.protocol),
            Connection::Address(Tuple::Original, End::Source, net) => net.contains(view.original.source),
            Connection::Address(Tuple::Original, End::Destination, net) => {
                net.contains(view.original.destination.ip())
            }
            Connection::Address(Tuple::Reply, End::Source, net) => net.contains(view.destination.ip()),
            Connection::Address(Tuple::Reply, End::Destination, net) if !state.snat => {
                net.contains(view.source)
            }
            Connection::Port(Tuple::Original, End::Destination, first, last) => {
                (*first..=*last).contains(&view.original.destination.port())
            }
            Connection::Port(Tuple::Reply, End::Source, first, last) => {
                (*first..=*last).contains(&view.destination.port())
            }
            Connection::Port(tuple, _, first, last) if *tuple == Tuple::Original || !state.snat => {
                let within = |port| (*first..=*last).contains(&port);
                return self.source_port_that(SourcePort::Own, within, (text, position));
            }
            Connection::Address(..) | Connection::Port(..) | Connection::Expiry(_) => {
                return self.open(Question::Part(position), text, position);
            }
        })
    }

    fn packet_type(
        &mut self,
        state: &PacketState<'r>,
        kind: &str,
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        let to_one = match state.view.destination.ip() {
            IpAddr::V4(ip) => {
                !ip.is_multicast() && ip.octets()[3] != 255 && !self.host.network.is_broadcast(ip.into())
            }
            IpAddr::V6(ip) => !ip.is_multicast(),
        };
        match to_one {
            true => MatchResult::Known(kind == "unicast"),
            false => self.not_known(state, text, (text, position)),
        }
    }

    /// Whether a packet has the socket of the process that sent it: until it leaves by an interface, `lo` too.
    fn is_of_a_process(&self, state: &PacketState<'r>) -> bool {
        self.client == ClientKind::Node && !state.phase.is_loop()
    }

    /// Whether a set has the packet: by what was captured of its members, if no rule changes them.
    fn ip_set(
        &mut self,
        state: &PacketState<'r>,
        name: &'r str,
        (ends, exceptions): (&'r [End], bool),
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        let changed = self.program.changes().is_some_and(|changes| changes.sets.contains(name));
        let Some(sets) = self.host.sets.as_ref().filter(|_| !changed) else {
            return self.not_known(state, text, (text, position));
        };
        let view = &state.view;
        let input = self.known_interface(view, InterfaceDirection::In, view.input);
        let output = self.known_interface(view, InterfaceDirection::Out, view.output);
        let query = SetQuery {
            protocol: view.protocol,
            source: view.source,
            source_port: self.source_port,
            destination: view.destination,
            mark: view.mark,
            input: asked_interface(&input),
            output: asked_interface(&output),
            exceptions,
        };
        match sets.ask(name, ends, &query) {
            Membership::In => MatchResult::Known(true),
            Membership::Out | Membership::Exception => MatchResult::Known(false),
            Membership::Unknown | Membership::NoSuchSet => self.not_known(state, text, (text, position)),
        }
    }
}

fn asked_interface(known: &Option<Option<InterfaceName>>) -> AskedInterface<'_> {
    match known {
        None => AskedInterface::Unknown,
        Some(None) => AskedInterface::None,
        Some(Some(name)) => AskedInterface::Is(name.as_str()),
    }
}

/// The flags of a first packet.
const SYN: u8 = 0x02;

pub(super) fn address(end: End, view: &View) -> IpAddr {
    match end {
        End::Source => view.source,
        End::Destination => view.destination.ip(),
    }
}
