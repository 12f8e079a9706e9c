//! Evaluates matches.

use std::net::IpAddr;

use crate::net::{Cidr, Family};
use crate::nftables::ruleset::{Addresses, Field};

use super::error::WalkError;
use super::evaluator::{Evaluator, MatchResult};
use super::opaque_iptables;
use super::packet::View;
use super::packet_state::{PacketState, RulePosition};
use super::questions::{Moment, Question};
use super::rule_part::{MatchKind, Side, States};
use super::set_index::Lookup;

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn match_result(
        &mut self,
        state: &PacketState<'r>,
        kind: MatchKind<'r>,
        position: RulePosition,
    ) -> Result<MatchResult<'r>, WalkError> {
        let view = &state.view;
        let known = match kind {
            MatchKind::Network(side, net) => contains(net, address(side, view)),
            MatchKind::Addresses(side, family, addresses) => {
                return self.in_addresses(state, (side, family), addresses, position);
            }
            MatchKind::InSet(key, set) => return self.in_set(state, key, set, position),
            MatchKind::Interface(direction, name) => {
                return Ok(self.has_interface(view, direction, name, position));
            }
            MatchKind::Protocol(protocol) => view.protocol == protocol,
            MatchKind::OtherProtocol(name) => opaque_iptables::is_protocol(name, view.protocol),
            MatchKind::Port(protocol, port) => {
                view.protocol == protocol && view.destination.port() == port.get()
            }
            MatchKind::State(states) => is_in(states, view),
            MatchKind::Translated => view.translated,
            MatchKind::Mark { value, mask }
                if view.open_mark & mask == 0 || (view.mark ^ value) & mask & !view.open_mark != 0 =>
            {
                view.mark & mask == value
            }
            MatchKind::Mark { .. } => {
                return Ok(self.open(Question::Part(position), "the packet's mark", position));
            }
            MatchKind::Local(side) => self.host.is_local(address(side, view)),
            MatchKind::Random(chance) => return Ok(MatchResult::Random(chance)),
            MatchKind::Listed(listing) => {
                return Ok(self.is_listed(state, (listing, 1), (listing.name, position)));
            }
            MatchKind::Remembered(list) => return Ok(MatchResult::Remembered(list)),
            MatchKind::Foreign(foreign) => return Ok(self.foreign(state, foreign, position)),
            MatchKind::Opaque(text) => return Ok(self.opaque(state, text, position)),
            // Handled before.
            MatchKind::Statement(_) => true,
        };
        Ok(MatchResult::Known(known))
    }

    fn in_addresses(
        &mut self,
        state: &PacketState<'r>,
        (side, family): (Side, Family),
        addresses: &'r Addresses,
        position: RulePosition,
    ) -> Result<MatchResult<'r>, WalkError> {
        let ip = address(side, &state.view);
        if Family::of(ip) != family {
            return Ok(MatchResult::Absent);
        }
        match addresses {
            Addresses::One(net) => Ok(MatchResult::Known(contains(*net, ip))),
            Addresses::Anonymous(intervals) => {
                Ok(MatchResult::Known(intervals.iter().any(|i| (i.first..=i.last).contains(&ip))))
            }
            Addresses::Named(set) => {
                let key = match side {
                    Side::Source => Field::SourceAddress(family),
                    Side::Destination => Field::DestinationAddress(family),
                };
                self.in_set(state, &[key], set, position)
            }
        }
    }

    fn in_set(
        &mut self,
        state: &PacketState<'r>,
        key: &[Field],
        set: &'r str,
        position: RulePosition,
    ) -> Result<MatchResult<'r>, WalkError> {
        let found = self.program.look_up(position.chain, set, key, &state.view);
        let is_plain = matches!(found, Lookup::Hit(_) | Lookup::Miss);
        if is_plain && self.program.is_filled(position.chain, set) {
            let found = matches!(found, Lookup::Hit(_));
            return Ok(self.in_filled(state, (set, key), found, position));
        }
        match found {
            Lookup::Hit(_) => Ok(MatchResult::Known(true)),
            Lookup::Miss => Ok(MatchResult::Known(false)),
            Lookup::Absent => Ok(MatchResult::Absent),
            Lookup::Maybe(_) => Ok(self.open(Question::Part(position), set, position)),
            Lookup::Limited { element, bound } => Ok(match self.counts(state, element, bound, position) {
                Some(true) => MatchResult::Known(true),
                Some(false) => MatchResult::Absent,
                None => MatchResult::Forked,
            }),
            Lookup::NoSuchSet => Err(self.no_such_set(position, set)),
        }
    }

    fn opaque(&mut self, state: &PacketState<'r>, text: &'r str, position: RulePosition) -> MatchResult<'r> {
        let question = match changes_by_itself(text) {
            true => Question::Part(position),
            false => Question::Text(text, Some(moment(state))),
        };
        self.open(question, text, position)
    }

    /// A match that holds if the answer to a question is "yes".
    pub(super) fn open(
        &mut self,
        question: Question<'r>,
        text: &'r str,
        position: RulePosition,
    ) -> MatchResult<'r> {
        let (question, yes) = self.yes_no(question, text, position);
        MatchResult::Open(question, yes)
    }
}

/// What a packet looks like here.
pub(super) fn moment(state: &PacketState<'_>) -> Moment {
    let view = &state.view;
    Moment { hook: state.phase.hook(), source: view.source, destination: view.destination }
}

/// Whether a match can have another answer for the same packet a moment later, so that two with the same text may
/// differ.
fn changes_by_itself(text: &str) -> bool {
    ["limit", "quota", "statistic", "random", "numgen"].iter().any(|word| text.contains(word))
}

fn address(side: Side, view: &View) -> IpAddr {
    match side {
        Side::Source => view.source,
        Side::Destination => view.destination.ip(),
    }
}

fn contains(net: Cidr, ip: IpAddr) -> bool {
    net.contains(ip)
}

pub(super) fn is_in(states: States<'_>, view: &View) -> bool {
    let state = view.tracking.state_name();
    match states {
        States::Iptables(set) => {
            (view.translated && set.contains("DNAT"))
                || (view.source_translated && set.contains("SNAT"))
                || set.names().any(|name| name.eq_ignore_ascii_case(state))
        }
        States::Nftables(names) => names.iter().any(|name| name == state),
    }
}
