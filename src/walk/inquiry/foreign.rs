//! What matches of other programs ask about packets.

use std::net::SocketAddr;

use super::{PortRange, interval, scan};
use crate::iptables::foreign::{Connection, ForeignMatch, Test, TestKind, Translation, Tuple};
use crate::iptables::ruleset::End;
use crate::net::Family;
use crate::nftables::ruleset::Interval;
use crate::node::{Host, IpSet, Part};
use crate::walk::opaque_iptables::is_protocol;
use crate::walk::packet::View;

/// What a match asks.
#[derive(Default)]
pub(super) struct AskedByMatch {
    pub(super) sources: Vec<Interval>,
    pub(super) destinations: Vec<Interval>,
    pub(super) ports: Vec<PortRange>,
}

pub(super) fn questions_of(foreign: &ForeignMatch, host: &Host, family: Family) -> AskedByMatch {
    let mut asked = AskedByMatch::default();
    for test in foreign.tests() {
        match &test.kind {
            TestKind::Ports { end: Some(End::Destination) | None, protocol, ranges } => {
                let range = |(first, last): &(u16, u16)| PortRange {
                    protocol: *protocol,
                    first: *first,
                    last: *last,
                };
                asked.ports.extend(ranges.iter().map(range));
            }
            TestKind::Connection(Connection::Port(_, _, first, last)) => {
                asked.ports.push(PortRange { protocol: None, first: *first, last: *last });
            }
            TestKind::AddressRange { end, first, last } => {
                asked.of(*end).push(Interval { first: *first, last: *last });
            }
            TestKind::Connection(Connection::Address(_, _, net)) => {
                asked.sources.push(interval(*net));
                asked.destinations.push(interval(*net));
            }
            TestKind::AddressType { end, .. } => asked.of(*end).extend(scan::addresses("type", family)),
            TestKind::Set { name, ends, .. } => asked.add_set(host, name, ends),
            TestKind::Unknown(text) => {
                let found: Vec<Interval> = scan::addresses(text, family).collect();
                asked.sources.extend(&found);
                asked.destinations.extend(found);
                asked.ports.extend(scan::ports(text));
            }
            _ => {}
        }
    }
    asked
}

impl AskedByMatch {
    /// What the members of a set ask.
    fn add_set(&mut self, host: &Host, name: &str, ends: &[End]) {
        let Some(set) = host.sets.as_ref().and_then(|sets| sets.get(name)) else { return };
        let listed = host.sets.iter().flat_map(|sets| set.listed().iter().filter_map(|name| sets.get(name)));
        listed.for_each(|listed| self.add_members(listed, ends));
        self.add_members(set, ends);
    }

    fn add_members(&mut self, set: &IpSet, ends: &[End]) {
        for (dimension, part) in set.parts() {
            match (ends.get(dimension), part) {
                (Some(end), Part::Network(net)) => self.of(*end).push(interval(*net)),
                (Some(End::Destination), Part::Port { protocol, port }) => {
                    self.ports.push(PortRange { protocol: *protocol, first: *port, last: *port });
                }
                _ => {}
            }
        }
    }

    fn of(&mut self, end: End) -> &mut Vec<Interval> {
        match end {
            End::Source => &mut self.sources,
            End::Destination => &mut self.destinations,
        }
    }
}

/// Whether a packet can pass, judged by its destination.
pub(super) fn can_pass(foreign: &ForeignMatch, packet: &View) -> bool {
    foreign.tests().iter().all(|test| holds(test, packet).is_none_or(|holds| holds != test.negated))
}

fn holds(test: &Test, packet: &View) -> Option<bool> {
    let port = packet.destination.port();
    match &test.kind {
        TestKind::Protocol(name) => Some(is_protocol(name, packet.protocol)),
        TestKind::Ports { end: Some(End::Destination), ranges, .. } => {
            Some(ranges.iter().any(|(first, last)| (*first..=*last).contains(&port)))
        }
        TestKind::AddressRange { end: End::Destination, first, last } => {
            Some((*first..=*last).contains(&packet.destination.ip()))
        }
        TestKind::Connection(Connection::Protocol(name)) => Some(is_protocol(name, packet.protocol)),
        TestKind::Connection(Connection::Direction(original)) => Some(*original),
        TestKind::Connection(Connection::Address(Tuple::Original, End::Source, _)) => None,
        _ => None,
    }
}

/// Some of the destinations that a translation can lead to, including the first and the last.
pub(super) fn translated(to: &Translation, was: SocketAddr) -> Vec<SocketAddr> {
    let (first, last) = to.addresses.unwrap_or((was.ip(), was.ip()));
    let (from, until) = to.ports.unwrap_or((was.port(), was.port()));
    let keeps = !to.random && (from..=until).contains(&was.port());
    let mut ports = vec![from, until];
    if keeps {
        ports = vec![was.port()];
    }
    [first, last]
        .into_iter()
        .flat_map(|ip| ports.iter().map(move |port| SocketAddr::new(ip, *port)).collect::<Vec<_>>())
        .collect()
}
