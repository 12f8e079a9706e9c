//! Evaluates matches.

use std::net::IpAddr;

use crate::net::{Cidr, Family};
use crate::nftables::ruleset::{Addresses, Field};

use super::error::WalkError;
use super::evaluator::{Evaluator, MatchResult};
use super::opaque_iptables;
use super::packet::{Interface, View};
use super::packet_state::{PacketState, Predicate, RulePosition};
use super::program::Program;
use super::rule_part::{InterfaceDirection, MatchKind, Side, States};
use super::set_index::Lookup;
use crate::node::PodInterface;

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn match_result(
        &self,
        state: &PacketState<'r>,
        kind: MatchKind<'r>,
        position: RulePosition,
    ) -> Result<MatchResult<'r>, WalkError> {
        let view = &state.view;
        let known = match kind {
            MatchKind::Network(side, net) => contains(net, address(side, view)),
            MatchKind::Addresses(side, family, addresses) => {
                return self.in_addresses(view, (side, family), addresses, position);
            }
            MatchKind::InSet(key, set) => return self.in_set(view, key, set, position),
            MatchKind::Interface(direction, name) => return Ok(self.interface(view, direction, name)),
            MatchKind::Protocol(protocol) => view.protocol == protocol,
            MatchKind::OtherProtocol(name) => opaque_iptables::is_protocol(name, view.protocol),
            MatchKind::Port(protocol, port) => {
                view.protocol == protocol && view.destination.port() == port.get()
            }
            MatchKind::State(states) => is_in(states, view),
            MatchKind::Translated => view.translated,
            MatchKind::Mark { value, mask } => view.mark & mask == value,
            MatchKind::Local(side) => self.host.is_local(address(side, view)),
            MatchKind::Random(chance) => return Ok(MatchResult::Random(chance)),
            MatchKind::Remembered(list) => return Ok(MatchResult::Remembered(list)),
            MatchKind::Opaque(text) => return Ok(self.opaque(view, text, position)),
            // Looked at before this.
            MatchKind::Statement(_) => true,
        };
        Ok(MatchResult::Known(known))
    }

    fn in_addresses(
        &self,
        view: &View,
        (side, family): (Side, Family),
        addresses: &'r Addresses,
        position: RulePosition,
    ) -> Result<MatchResult<'r>, WalkError> {
        let ip = address(side, view);
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
                self.in_set(view, &[key], set, position)
            }
        }
    }

    fn in_set(
        &self,
        view: &View,
        key: &[Field],
        set: &'r str,
        position: RulePosition,
    ) -> Result<MatchResult<'r>, WalkError> {
        match self.program.look_up(position.chain, set, key, view) {
            Lookup::Hit(_) => Ok(MatchResult::Known(true)),
            Lookup::Miss => Ok(MatchResult::Known(false)),
            Lookup::Absent => Ok(MatchResult::Absent),
            Lookup::Maybe(_) => Ok(MatchResult::Unknown(Predicate::Part(position), set)),
            Lookup::NoSuchSet => Err(self.no_such_set(position, set)),
        }
    }

    pub(super) fn interface(
        &self,
        view: &View,
        direction: InterfaceDirection,
        name: &'r str,
    ) -> MatchResult<'r> {
        let interface = match direction {
            InterfaceDirection::In => view.input,
            InterfaceDirection::Out => view.output,
        };
        match has_name(interface, name, self.host.pod_interface.as_ref()) {
            Some(holds) => MatchResult::Known(holds),
            None => MatchResult::Unknown(Predicate::Interface(direction, name), name),
        }
    }

    fn opaque(&self, view: &View, text: &'r str, position: RulePosition) -> MatchResult<'r> {
        let known = match self.program {
            Program::Iptables(_) => opaque_iptables::iptables_match(text, view, self.host),
            Program::Nftables(_) => None,
        };
        match known {
            Some(holds) => MatchResult::Known(holds),
            None if changes_by_itself(text) => MatchResult::Unknown(Predicate::Part(position), text),
            None => MatchResult::Unknown(Predicate::Text(text), text),
        }
    }
}

/// Whether a match can have another answer for the same packet a moment later, so that two of the same text may differ.
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

fn is_in(states: States<'_>, view: &View) -> bool {
    let state = view.tracking.state_name();
    match states {
        States::Iptables(set) => {
            (view.translated && set.contains("DNAT"))
                || set.names().any(|name| name.eq_ignore_ascii_case(state))
        }
        States::Nftables(names) => names.iter().any(|name| name == state),
    }
}

/// Whether an interface has a name or fits a pattern (`cali+` of iptables, `cali*` of nftables), where that is certain.
fn has_name(interface: Interface, name: &str, pods: Option<&PodInterface>) -> Option<bool> {
    let prefix = name.strip_suffix(['+', '*']);
    if prefix == Some("") {
        return Some(true);
    }
    match interface {
        Interface::None => Some(false),
        Interface::Loopback => Some(prefix.map_or(name == "lo", |prefix| "lo".starts_with(prefix))),
        _ if name == "lo" => Some(false),
        Interface::PodSide => is_pods(pods?, name, prefix),
        Interface::External => is_pods(pods?, name, prefix).filter(|is| *is).map(|_| false),
    }
}

/// Whether the pods' interface has a name or fits a pattern.
fn is_pods(pods: &PodInterface, name: &str, prefix: Option<&str>) -> Option<bool> {
    match (pods, prefix) {
        (PodInterface::Name(pods), None) => Some(pods == name),
        (PodInterface::Name(pods), Some(prefix)) => Some(pods.starts_with(prefix)),
        (PodInterface::Prefix(pods), None) => (!name.starts_with(pods.as_str())).then_some(false),
        (PodInterface::Prefix(pods), Some(prefix)) if pods.starts_with(prefix) => Some(true),
        (PodInterface::Prefix(pods), Some(prefix)) => (!prefix.starts_with(pods.as_str())).then_some(false),
    }
}
