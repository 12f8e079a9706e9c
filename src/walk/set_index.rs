//! Looks keys up in a set or map of nftables.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::net::{Family, Protocol};
use crate::nftables::ruleset::{Datum, Element, Field, Set};

use super::opaque_iptables;
use super::packet::View;

/// What a set has for a key.
pub(super) enum Lookup<'r> {
    Hit(&'r Element),
    Miss,
    /// There is an element that is not understood.
    Maybe(&'r Element),
    NoSuchSet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum KeyPart {
    Address(IpAddr),
    Protocol(Protocol),
    Port(u16),
}

/// The elements of a set: those with one value by that, the others in a list.
pub(super) struct SetIndex<'r> {
    exact: HashMap<Vec<KeyPart>, &'r Element>,
    others: Vec<&'r Element>,
}

impl<'r> SetIndex<'r> {
    pub(super) fn new(set: &'r Set) -> SetIndex<'r> {
        let mut index = SetIndex { exact: HashMap::with_capacity(set.elements.len()), others: Vec::new() };
        for element in &set.elements {
            match element.key.iter().map(exact_part).collect::<Option<Vec<_>>>() {
                Some(key) => _ = index.exact.insert(key, element),
                None => index.others.push(element),
            }
        }
        index
    }

    pub(super) fn look_up(&self, fields: &[Field], view: &View) -> Lookup<'r> {
        let Some(key) = fields.iter().map(|field| field_of(*field, view)).collect::<Option<Vec<_>>>() else {
            return Lookup::Miss;
        };
        if let Some(element) = self.exact.get(&key) {
            return Lookup::Hit(element);
        }
        let mut maybe = Lookup::Miss;
        for &element in &self.others {
            match holds(element, &key) {
                Some(true) => return Lookup::Hit(element),
                Some(false) => (),
                None => maybe = Lookup::Maybe(element),
            }
        }
        maybe
    }
}

fn exact_part(datum: &Datum) -> Option<KeyPart> {
    match datum {
        Datum::Address(ip) => Some(KeyPart::Address(*ip)),
        Datum::Protocol(protocol) => Some(KeyPart::Protocol(*protocol)),
        Datum::Port(port) => Some(KeyPart::Port(port.get())),
        Datum::Network(_) | Datum::Range(..) | Datum::Other(_) => None,
    }
}

fn field_of(field: Field, view: &View) -> Option<KeyPart> {
    let address = |family, ip: IpAddr| (Family::of(ip) == family).then_some(KeyPart::Address(ip));
    match field {
        Field::SourceAddress(family) => address(family, view.source),
        Field::DestinationAddress(family) => address(family, view.destination.ip()),
        Field::L4Protocol => Some(KeyPart::Protocol(view.protocol)),
        Field::DestinationPort => Some(KeyPart::Port(view.destination.port())),
    }
}

/// Whether an element holds a key; none if it is not known.
fn holds(element: &Element, key: &[KeyPart]) -> Option<bool> {
    let mut all = (element.key.len() == key.len()).then_some(true);
    for (datum, part) in element.key.iter().zip(key) {
        match part_holds(datum, *part) {
            Some(true) => (),
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

fn part_holds(datum: &Datum, part: KeyPart) -> Option<bool> {
    match (datum, part) {
        (Datum::Network(net), KeyPart::Address(ip)) => Some(net.contains(ip)),
        (Datum::Range(first, last), KeyPart::Address(ip)) => Some((*first..=*last).contains(&ip)),
        (Datum::Other(text), KeyPart::Port(port)) => opaque_iptables::port_in(text, port),
        (Datum::Other(text), KeyPart::Protocol(protocol)) => {
            Some(opaque_iptables::is_protocol(text, protocol))
        }
        (Datum::Other(_), KeyPart::Address(_)) => None,
        _ => Some(exact_part(datum) == Some(part)),
    }
}
