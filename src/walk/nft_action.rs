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
use super::selector;
use super::value::{Value, number_of};
use crate::net::Family;
use crate::nftables::ruleset::{
    DataType, Datum, Expression, Header, MapValue, Selector, Statement, Translation, TranslationKind,
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
            Selector::Conntrack(_, key) if key == "zone" => {
                attach_template(state);
                Ok(Next::Part)
            }
            Selector::Payload(header, field) => self.rewrite(state, (*header, field), value, position),
            // An option of another protocol than the packet's.
            Selector::Other(_) if selector::value(target, state).is_none() => Err(Stop::Absent),
            _ => Ok(Next::Part),
        }
    }

    /// Changes a field of the packet without connection tracking.
    fn rewrite(
        &mut self,
        state: &mut PacketState<'r>,
        (header, field): (Header, &str),
        value: Value,
        position: RulePosition,
    ) -> Found<Next> {
        let view = &mut state.view;
        match (header, field, value) {
            (Header::Ip | Header::Ip6, "daddr", Value::Address(ip)) => {
                if Family::of(ip) != Family::of(view.source) {
                    return Err(Stop::Absent);
                }
                let to = SocketAddr::new(ip, view.destination.port());
                view.destination = to;
                state.class = self.class_of(to);
                Ok(self.note_on(state, position, Effect::Dnat(to)))
            }
            (Header::Ip | Header::Ip6, "saddr", Value::Address(ip)) => {
                if Family::of(ip) != Family::of(view.source) {
                    return Err(Stop::Absent);
                }
                view.source = ip;
                state.snat = true;
                Ok(self.note_on(state, position, Effect::Snat))
            }
            (
                Header::Tcp | Header::Udp | Header::Sctp | Header::Transport,
                "dport",
                Value::Number { known, open: 0 },
            ) => {
                let of_it = header == Header::Transport || header.name() == view.protocol.lower_name();
                if !of_it {
                    return Err(Stop::Absent);
                }
                let port = u16::try_from(known).unwrap_or_default();
                view.destination.set_port(port);
                let to = view.destination;
                state.class = self.class_of(to);
                Ok(self.note_on(state, position, Effect::Dnat(to)))
            }
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
            TranslationKind::Masquerade => Ok(self.masquerade(state, position)),
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
                self.note(state, position, Effect::Snat);
                if translates_destination(state.phase.hook()) {
                    return Ok(Next::Part);
                }
                let was = state.view.source;
                state.view.source = address.unwrap_or(was);
                Ok(self.source_translated(state, state.view.source != was || of.port.is_some()))
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
