//! What statements of nftables do that kube-proxy never writes: verdicts from maps, marks, translations.

use std::net::{IpAddr, SocketAddr};

use super::action::in_network;
use super::error::WalkError;
use super::evaluator::{Evaluator, Next, Walked, go_to};
use super::expression::{Found, Stop};
use super::hooks::translates_destination;
use super::marks::Mark;
use super::nftables::verdict_action;
use super::outcome::{Answer, Effect, Verdict};
use super::packet::Tracking;
use super::packet_state::{PacketState, RulePosition, attach_template};
use super::port_choice::PortChoice;
use super::questions::RuleText;
use super::selector;
use super::value::{Value, number_of};
use crate::net::Family;
use crate::nftables::ruleset::{
    DataType, Datum, Expression, MapValue, Selector, Statement, Translation, TranslationKind,
};

/// The most addresses or ports of a range that are tried one by one.
const MOST_OF_RANGE: u64 = 256;

/// Where a translation leads.
struct Target {
    address: Option<IpAddr>,
    port: Option<u16>,
}

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn perform(
        &mut self,
        state: &mut PacketState<'r>,
        statement: &'r Statement,
        position: RulePosition,
    ) -> Walked<Next> {
        let found = match statement {
            Statement::LookUp(lookup) => self.verdict_of(state, &lookup.0, &lookup.1, position),
            Statement::Assign(assignment) => self.assign(state, &assignment.0, &assignment.1, position),
            Statement::Translate(translation) => self.translate(state, translation, position),
            Statement::RejectWith(with) => Ok(self.reject(state, with, position)),
            _ => Ok(Next::Part),
        };
        if !matches!(found, Err(Stop::Forked)) {
            state.drawn = None;
        }
        match found {
            Ok(next) => Ok(next),
            Err(Stop::Absent) => Ok(self.leave_rule(state, position)),
            Err(Stop::Forked) => Ok(Next::Gone),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn leave_rule(&mut self, state: &mut PacketState<'r>, position: RulePosition) -> Next {
        go_to(state, position.rule + 1, 0);
        Next::Elsewhere
    }

    fn verdict_of(
        &mut self,
        state: &mut PacketState<'r>,
        key: &'r Expression,
        map: &'r Expression,
        position: RulePosition,
    ) -> Found<Next> {
        let element = self.looked_up(state, (key, map), position)?.ok_or(Stop::Absent)?;
        let Some(MapValue::Verdict(verdict)) = &element.value else { return Err(Stop::Absent) };
        state.drawn = None;
        self.element = Some(element);
        self.apply(state, verdict_action(verdict), position).map_err(Stop::Failed)
    }

    fn assign(
        &mut self,
        state: &mut PacketState<'r>,
        target: &'r Selector,
        value: &'r Expression,
        position: RulePosition,
    ) -> Found<Next> {
        self.has_all(state, value, position)?;
        let kind = target.data_type();
        let value = match value {
            Expression::Datum(datum) => {
                number_of(datum, kind.as_ref()).map_or_else(|| address(datum), Value::number)
            }
            other => self.value(state, other, &[], position)?,
        };
        let (known, open) = match value {
            Value::Number { known, open } => (low(known), low(open)),
            _ => (0, u32::MAX),
        };
        match target {
            Selector::Meta(key) if key == "mark" => {
                Ok(self.mark_packet(state, Mark { known, open }, position))
            }
            // An untracked packet has no connection to mark.
            Selector::Conntrack(_, key) if key == "mark" => {
                if state.view.tracking == Tracking::New {
                    return Ok(self.mark_connection(state, Mark { known, open }, position));
                }
                Ok(Next::Part)
            }
            // Nothing can be expected of a connection that does not exist yet, or that is confirmed, as it is over `lo`
            // (net/netfilter/nft_ct.c, `nft_ct_expect_obj_eval`).
            Selector::Conntrack(_, key) if key == "expectation" => {
                self.ask_presence(state, target, position)?;
                Ok(Next::Part)
            }
            Selector::Conntrack(_, key) if key == "zone" => {
                attach_template(state);
                Ok(Next::Part)
            }
            // A type other than "to this node" makes the kernel drop what it would forward (net/ipv4/ip_forward.c,
            // `ip_forward`), and ignore what is for the node (net/ipv4/tcp_ipv4.c, `tcp_v4_rcv`).
            Selector::Meta(key) if key == "pkttype" && value != Value::number(0) => {
                self.unknown_target(state, RuleText::WritesTo(target), position).map_err(Stop::Failed)
            }
            Selector::Payload(..) => self.rewrite(state, target, value, position),
            Selector::Other(words) if words.starts_with('@') => self.rewrite(state, target, value, position),
            // An option of another protocol than the packet's.
            Selector::Other(_) if selector::value(target, state).is_none() => Err(Stop::Absent),
            _ => Ok(Next::Part),
        }
    }

    fn reject(&mut self, state: &mut PacketState<'r>, with: &str, position: RulePosition) -> Next {
        let family = match with.split(' ').next() {
            Some("icmp") => Some(Family::Ipv4),
            Some("icmpv6") => Some(Family::Ipv6),
            _ => None,
        };
        if family.is_some_and(|family| family != self.family) {
            return self.leave_rule(state, position);
        }
        let answer = match with {
            "tcp reset" => Answer::TcpReset,
            with if with.ends_with(" port-unreachable") => Answer::PortUnreachable,
            _ => Answer::OtherIcmp,
        };
        self.finish(state, position, Effect::Reject(answer), Verdict::Reject(answer))
    }

    fn translate(
        &mut self,
        state: &mut PacketState<'r>,
        of: &'r Translation,
        position: RulePosition,
    ) -> Found<Next> {
        if of.family.is_some_and(|family| family != self.family) {
            return Err(Stop::Absent);
        }
        match of.kind {
            TranslationKind::Masquerade => {
                let choice = self.port_choice(state, of, position)?;
                Ok(self.masquerade(state, choice, position))
            }
            TranslationKind::Redirect => {
                let port = self.port(state, of.port.as_ref(), position)?;
                Ok(self.redirect(state, port, position))
            }
            TranslationKind::Dnat => {
                let Target { address, port } = self.target_of(state, of, position)?;
                let old = state.view.destination;
                let to = SocketAddr::new(address.unwrap_or(old.ip()), port.unwrap_or(old.port()));
                Ok(self.dnat(state, to, position))
            }
            TranslationKind::Snat => {
                let Target { address, .. } = self.source_of(state, of, position)?;
                let choice = self.port_choice(state, of, position)?;
                self.note(state, position, Effect::Snat);
                if translates_destination(state.phase.hook()) {
                    return Ok(Next::Part);
                }
                let was = state.view.source;
                state.view.source = address.unwrap_or(was);
                Ok(self.source_translated(state, state.view.source != was, choice))
            }
        }
    }

    /// A new source: which of several addresses or ports it is makes no difference.
    fn source_of(
        &mut self,
        state: &mut PacketState<'r>,
        of: &'r Translation,
        position: RulePosition,
    ) -> Found<Target> {
        let datum = match of.address.as_ref() {
            Some(map @ Expression::Map(..)) => self.mapped_data(state, map, position)?.first(),
            Some(Expression::Datum(datum)) => Some(datum),
            _ => None,
        };
        let address = match datum {
            Some(Datum::Address(ip)) => Some(*ip),
            Some(Datum::Network(net)) if of.prefix => Some(in_network(state.view.source, *net)),
            _ => None,
        };
        Ok(Target { address, port: None })
    }

    /// The source port that a translation chooses.
    fn port_choice(
        &mut self,
        state: &mut PacketState<'r>,
        of: &'r Translation,
        position: RulePosition,
    ) -> Found<PortChoice> {
        let random = of.flags.iter().any(|flag| flag.ends_with("random"));
        let range = |datum: &Datum| match datum {
            Datum::Numbers(first, last) => (low_port(Some(*first)), low_port(Some(*last))),
            one => match number_of(one, Some(&DataType::InetService)) {
                Some(port) => (low_port(Some(port)), low_port(Some(port))),
                None => (0, u16::MAX),
            },
        };
        let range = match of.port.as_ref() {
            None => None,
            Some(Expression::Datum(datum)) => Some(range(datum)),
            Some(map @ Expression::Map(..)) => match self.mapped_data(state, map, position)? {
                [datum] => Some(range(datum)),
                _ => Some((0, u16::MAX)),
            },
            Some(_) => Some((0, u16::MAX)),
        };
        Ok(PortChoice { range, random })
    }

    fn target_of(
        &mut self,
        state: &mut PacketState<'r>,
        of: &'r Translation,
        position: RulePosition,
    ) -> Found<Target> {
        let (datum, mapped_port) = match of.address.as_ref() {
            Some(map @ Expression::Map(..)) => match self.mapped_data(state, map, position)? {
                [address] => (Some(address), None),
                [address, port] => (Some(address), Some(port)),
                _ => return self.unknown_destination(position),
            },
            Some(Expression::Datum(datum)) => (Some(datum), None),
            Some(_) => return self.unknown_destination(position),
            None => (None, None),
        };
        let port = match mapped_port {
            Some(port) => Some(low_port(number_of(port, Some(&DataType::InetService)))),
            None => self.port(state, of.port.as_ref(), position)?,
        };
        let address = match datum {
            None => None,
            Some(Datum::Address(ip)) => Some(*ip),
            Some(Datum::Network(net)) if of.prefix => Some(in_network(state.view.destination.ip(), *net)),
            Some(Datum::Network(net)) => {
                Some(self.one_of_range(state, (net.network(), net.last()), position)?)
            }
            Some(Datum::Range(first, last)) => Some(self.one_of_range(state, (*first, *last), position)?),
            Some(_) => return self.unknown_destination(position),
        };
        Ok(Target { address, port })
    }

    fn unknown_destination<T>(&self, position: RulePosition) -> Found<T> {
        Err(Stop::Failed(self.no_destination(position)))
    }

    /// The error that it is not known where a rule sends packets.
    pub(super) fn no_destination(&self, position: RulePosition) -> WalkError {
        let (table, chain) = self.names(position);
        WalkError::UnknownDestination { table, chain }
    }

    /// One of the addresses of a range, each equally likely.
    fn one_of_range(
        &mut self,
        state: &mut PacketState<'r>,
        (first, last): (IpAddr, IpAddr),
        position: RulePosition,
    ) -> Found<IpAddr> {
        let count = number(last).saturating_sub(number(first)).saturating_add(1);
        let Some(count) = u64::try_from(count).ok().filter(|count| *count <= MOST_OF_RANGE) else {
            return self.unknown_destination(position);
        };
        let cuts: Vec<u64> = (0..count).collect();
        let nth = self.draw(state, (0, count), &cuts, position)?;
        Ok(added(first, nth))
    }

    fn port(
        &mut self,
        state: &mut PacketState<'r>,
        of: Option<&'r Expression>,
        position: RulePosition,
    ) -> Found<Option<u16>> {
        let service = Some(&DataType::InetService);
        let own = u64::from(state.view.destination.port());
        match of {
            None => Ok(None),
            Some(Expression::Datum(Datum::Numbers(first, last))) if (*first..=*last).contains(&own) => {
                Ok(None)
            }
            Some(Expression::Datum(Datum::Numbers(first, last))) if last - first < MOST_OF_RANGE => {
                let cuts: Vec<u64> = (*first..=*last).collect();
                let port = self.draw(state, (*first, last - first + 1), &cuts, position)?;
                Ok(Some(low_port(Some(port))))
            }
            Some(Expression::Datum(datum)) => match number_of(datum, service) {
                Some(port) => Ok(Some(low_port(Some(port)))),
                None => self.unknown_destination(position),
            },
            Some(map @ Expression::Map(..)) => match self.mapped_data(state, map, position)? {
                [datum] => Ok(Some(low_port(number_of(datum, service)))),
                _ => self.unknown_destination(position),
            },
            Some(_) => self.unknown_destination(position),
        }
    }
}

fn address(datum: &Datum) -> Value {
    match datum {
        Datum::Address(ip) => Value::Address(*ip),
        _ => Value::Open,
    }
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

fn low_port(number: Option<u64>) -> u16 {
    number.and_then(|number| u16::try_from(number).ok()).unwrap_or_default()
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn added(ip: IpAddr, n: u64) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4(ip.to_bits().wrapping_add(low(n)).into()),
        IpAddr::V6(ip) => IpAddr::V6(ip.to_bits().wrapping_add(u128::from(n)).into()),
    }
}
