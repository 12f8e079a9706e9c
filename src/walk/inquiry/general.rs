//! Statements of nftables that kube-proxy never writes: whatever they compare with may tell packets apart.

use std::net::{IpAddr, SocketAddr};

use super::elements;
use super::reached::Reached;
use super::round::Round;
use super::{Inquiry, PortRange};
use crate::nftables::ruleset::{
    Datum, Element, Expression, MapValue, Selector, Statement, Translation, TranslationKind,
};
use crate::walk::rule_part::ChainId;

/// The most addresses of a range that packets are taken to be sent to.
const MOST_OF_RANGE: usize = 256;

impl<'r> Inquiry<'_, 'r> {
    /// Everything that a statement, or a set that it looks up, compares with.
    pub(super) fn data(&self, chain: ChainId, statement: &'r Statement) -> Vec<&'r Datum> {
        let mut found = Vec::new();
        for expression in statement.expressions() {
            expression.visit(&mut |part| match part {
                Expression::Datum(datum) => found.push(datum),
                Expression::Set(_) | Expression::Named(_) => {
                    found.extend(self.elements_of(chain, part).iter().flat_map(|element| &element.key));
                }
                _ => {}
            });
        }
        found
    }

    /// The elements of a set, named or anonymous.
    pub(super) fn elements_of(&self, chain: ChainId, set: &'r Expression) -> &'r [Element] {
        match set {
            Expression::Set(elements) => elements,
            Expression::Named(name) => self.elements(chain, name),
            _ => &[],
        }
    }
}

impl<'r> Round<'_, '_, 'r> {
    /// Notes what a statement asks.
    pub(super) fn note(&mut self, chain: ChainId, statement: &'r Statement) {
        for datum in self.inquiry.data(chain, statement) {
            self.asked.sources.extend(elements::interval(datum));
            if self.open {
                self.asked.ports.extend(ports(datum));
            }
        }
        let mut sets = Vec::new();
        for expression in statement.expressions() {
            expression.visit(&mut |part| {
                if let Expression::Named(name) = part {
                    sets.push(name.as_str());
                }
            });
        }
        for set in sets {
            self.reach_set(chain, set);
            let elements = self.inquiry.elements(chain, set).iter();
            elements.for_each(|element| self.reach(Reached::Element(element)));
        }
    }

    pub(super) fn perform(&mut self, chain: ChainId, statement: &'r Statement) {
        self.note(chain, statement);
        match statement {
            Statement::LookUp(lookup) => {
                let targets =
                    self.inquiry.elements_of(chain, &lookup.1).iter().filter_map(elements::leads_to);
                targets.for_each(|to| self.follow(chain, to));
            }
            Statement::Translate(translation) => self.translate(chain, translation),
            Statement::Assign(assignment) => {
                // The destination changes without connection tracking.
                let Selector::Payload(_, field) = &assignment.0 else { return };
                match field.as_str() {
                    "daddr" => {
                        let data = self.data_of(chain, &assignment.1);
                        let addresses: Vec<IpAddr> = data.into_iter().flat_map(addresses_of).collect();
                        self.to(&addresses, &[]);
                    }
                    "dport" => self.to(&[], &self.ports_of(chain, &assignment.1)),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn translate(&mut self, chain: ChainId, of: &'r Translation) {
        let mut ports: Vec<u16> = of.port.iter().flat_map(|port| self.ports_of(chain, port)).collect();
        match of.kind {
            TranslationKind::Redirect if ports.is_empty() => self.redirect(None),
            TranslationKind::Redirect => ports.into_iter().for_each(|port| self.redirect(Some(port))),
            TranslationKind::Dnat => {
                let mut addresses = Vec::new();
                match of.address.as_ref() {
                    Some(Expression::Map(_, map)) => {
                        for element in self.inquiry.elements_of(chain, map) {
                            let Some(MapValue::Data(data)) = &element.value else { continue };
                            addresses.extend(data.first().into_iter().flat_map(addresses_of));
                            ports.extend(data.get(1).into_iter().flat_map(numbers));
                        }
                    }
                    Some(Expression::Datum(datum)) => addresses = addresses_of(datum),
                    _ => {}
                }
                self.to(&addresses, &ports);
            }
            TranslationKind::Snat | TranslationKind::Masquerade => {}
        }
    }

    fn ports_of(&self, chain: ChainId, of: &'r Expression) -> Vec<u16> {
        self.data_of(chain, of).into_iter().flat_map(numbers).collect()
    }

    /// The values that an expression can have, if it says so.
    fn data_of(&self, chain: ChainId, of: &'r Expression) -> Vec<&'r Datum> {
        match of {
            Expression::Datum(datum) => vec![datum],
            Expression::Map(_, map) => {
                let values = self.inquiry.elements_of(chain, map).iter().filter_map(|e| e.value.as_ref());
                values
                    .flat_map(|value| match value {
                        MapValue::Data(data) => data.as_slice(),
                        MapValue::Verdict(_) | MapValue::Opaque(_) => &[],
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Packets can be sent to any of these addresses at any of these ports; if there are no ports, at their own.
    fn to(&mut self, addresses: &[IpAddr], ports: &[u16]) {
        let own: Vec<SocketAddr> = self.packets.iter().map(|packet| packet.destination).collect();
        for old in own {
            let addresses = if addresses.is_empty() { vec![old.ip()] } else { addresses.to_vec() };
            for ip in addresses {
                let ports = if ports.is_empty() { vec![old.port()] } else { ports.to_vec() };
                self.asked.translated.extend(ports.into_iter().map(|port| SocketAddr::new(ip, port)));
            }
        }
    }
}

fn addresses_of(datum: &Datum) -> Vec<IpAddr> {
    let Some(interval) = elements::interval(datum) else { return Vec::new() };
    let mut found = Vec::new();
    let mut next = Some(interval.first);
    while let Some(ip) = next.filter(|ip| *ip <= interval.last && found.len() < MOST_OF_RANGE) {
        found.push(ip);
        next = match ip {
            IpAddr::V4(ip) => ip.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
            IpAddr::V6(ip) => ip.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
        };
    }
    found
}

fn numbers(datum: &Datum) -> Vec<u16> {
    match ports(datum) {
        Some(range) => (range.first..=range.last).take(MOST_OF_RANGE).collect(),
        None => Vec::new(),
    }
}

/// The ports of a datum.
pub(super) fn ports(datum: &Datum) -> Option<PortRange> {
    let port = |number: u64| u16::try_from(number).ok();
    let (first, last) = match datum {
        Datum::Port(port) => (port.get(), port.get()),
        Datum::Number(number) => (port(*number)?, port(*number)?),
        Datum::Numbers(first, last) => (port(*first)?, port(*last).unwrap_or(u16::MAX)),
        _ => return None,
    };
    Some(PortRange { protocol: None, first, last })
}

/// Whether a statement asks for a port, so that packets to an address can differ by it.
pub(super) fn asks_port(statement: &Statement) -> bool {
    let mut asks = false;
    for expression in statement.expressions() {
        expression.visit(&mut |part| {
            asks |= match part {
                Expression::Selector(Selector::Payload(_, field)) => field == "dport",
                Expression::Selector(Selector::Conntrack(_, key)) => key.starts_with("proto-"),
                _ => false,
            };
        });
    }
    asks
}
