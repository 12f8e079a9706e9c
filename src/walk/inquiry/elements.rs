//! Elements of sets and maps.

use std::net::IpAddr;

use foldhash::HashMap;

use super::PortRange;
use crate::net::Family;
use crate::nftables::ruleset::{Datum, Element, Field, Interval, MapValue, Set, Verdict};
use crate::walk::packet::View;

/// Elements of a set by destination address, or by destination port if their key has no address.
#[derive(Default)]
pub(super) struct ByAddress<'r> {
    key: Vec<Field>,
    exact: HashMap<IpAddr, Vec<&'r Element>>,
    by_port: HashMap<u16, Vec<&'r Element>>,
    others: Vec<&'r Element>,
}

impl<'r> ByAddress<'r> {
    pub(super) fn new(set: &'r Set, key: &[Field]) -> Self {
        let mut this = ByAddress { key: key.to_vec(), ..ByAddress::default() };
        let address = key.iter().position(|field| matches!(field, Field::DestinationAddress(_)));
        let port = key.iter().position(|field| matches!(field, Field::DestinationPort));
        for element in &set.elements {
            match address.or(port).and_then(|position| element.key.get(position)) {
                Some(Datum::Address(ip)) => this.exact.entry(*ip).or_default().push(element),
                Some(Datum::Port(port)) => this.by_port.entry(port.get()).or_default().push(element),
                _ => this.others.push(element),
            }
        }
        this
    }

    /// Whether it was made for these fields.
    pub(super) fn is_for(&self, key: &[Field]) -> bool {
        self.key == key
    }

    /// Elements that packets to an address and port can match; with `open`, packets to any port.
    pub(super) fn at(&self, packet: &View, open: bool) -> Vec<&'r Element> {
        let at_address = self.exact.get(&packet.destination.ip()).into_iter().flatten();
        let mut found: Vec<&'r Element> = at_address.chain(&self.others).copied().collect();
        if open {
            let mut ports: Vec<&u16> = self.by_port.keys().collect();
            ports.sort_unstable();
            found.extend(ports.into_iter().filter_map(|port| self.by_port.get(port)).flatten());
        } else {
            found.extend(self.by_port.get(&packet.destination.port()).into_iter().flatten());
        }
        found
    }
}

/// Whether packets like this, from any source, can have the element's key. With `open`, from any protocol and to any
/// port.
pub(super) fn can_match(element: &Element, key: &[Field], view: &View, open: bool) -> bool {
    key.iter().zip(&element.key).all(|(field, datum)| match field {
        Field::SourceAddress(_) => true,
        Field::DestinationAddress(family) => holds(datum, view.destination.ip(), *family),
        Field::L4Protocol => {
            open || !matches!(datum, Datum::Protocol(protocol) if *protocol != view.protocol)
        }
        Field::DestinationPort => {
            open || !matches!(datum, Datum::Port(port) if port.get() != view.destination.port())
        }
    })
}

fn holds(datum: &Datum, ip: IpAddr, family: Family) -> bool {
    Family::of(ip) == family && interval(datum).is_none_or(|i| (i.first..=i.last).contains(&ip))
}

/// The addresses of a part of a key.
pub(super) fn interval(datum: &Datum) -> Option<Interval> {
    match datum {
        Datum::Address(ip) => Some(Interval { first: *ip, last: *ip }),
        Datum::Network(net) => Some(super::interval(*net)),
        Datum::Range(first, last) => Some(Interval { first: *first, last: *last }),
        _ => None,
    }
}

/// The source addresses of an element.
pub(super) fn sources(element: &Element, key: &[Field]) -> impl Iterator<Item = Interval> {
    let source =
        |(field, datum)| matches!(field, &Field::SourceAddress(_)).then(|| interval(datum)).flatten();
    key.iter().zip(&element.key).filter_map(source)
}

/// The ports of an element; none where its key has none.
pub(super) fn ports(element: &Element, key: &[Field]) -> Vec<PortRange> {
    let protocol = element.key.iter().find_map(|datum| match datum {
        Datum::Protocol(protocol) => Some(*protocol),
        _ => None,
    });
    let of = |(field, datum): (&Field, &Datum)| match (field, datum) {
        (Field::DestinationPort, Datum::Port(port)) => {
            vec![PortRange { protocol, first: port.get(), last: port.get() }]
        }
        (Field::DestinationPort, Datum::Other(text)) => super::scan::ports(text).collect(),
        _ => Vec::new(),
    };
    key.iter().zip(&element.key).flat_map(of).collect()
}

/// The chain that an element leads to.
pub(super) fn leads_to(element: &Element) -> Option<&str> {
    match element.value.as_ref()? {
        MapValue::Verdict(verdict) => target(verdict),
        MapValue::Data(_) | MapValue::Opaque(_) => None,
    }
}

/// The chain that a verdict leads to.
pub(super) fn target(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
        Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Continue => None,
    }
}
