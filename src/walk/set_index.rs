//! Looks keys up in a set or map of nftables.

use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt};
use smallvec::SmallVec;

use crate::net::Family;
use crate::nftables::ruleset::{Bound, DataType, Datum, Element, Field, Set};

use super::packet::View;
use super::value::{Holds, Value, holds, number_of};

/// What a set has for a key.
pub(super) enum Lookup<'r> {
    Hit(&'r Element),
    Miss,
    /// There is an element that is not understood.
    Maybe(&'r Element),
    /// There is an element that counts only up to a limit of its own, or only beyond that.
    Limited {
        element: &'r Element,
        bound: Bound,
    },
    NoSuchSet,
    /// The packet has no such key.
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum KeyPart {
    Address(IpAddr),
    Number(u64),
}

/// The elements of a set: those with a single value by that value, the others in a list.
pub(super) struct SetIndex<'r> {
    exact: HashMap<SmallVec<[KeyPart; 4]>, &'r Element>,
    others: Vec<&'r Element>,
}

impl<'r> SetIndex<'r> {
    pub(super) fn new(set: &'r Set) -> SetIndex<'r> {
        let mut index = SetIndex { exact: HashMap::with_capacity(set.elements.len()), others: Vec::new() };
        for element in &set.elements {
            let part = |(i, datum)| exact_part(datum, set.key.get::<usize>(i));
            match element.key.iter().enumerate().map(part).collect::<Option<SmallVec<_>>>() {
                Some(key) => _ = index.exact.insert(key, element),
                None => index.others.push(element),
            }
        }
        index
    }

    pub(super) fn look_up(&self, fields: &[Field], view: &View) -> Lookup<'r> {
        let found = self.listed(fields, view);
        let Lookup::Hit(element) = found else { return found };
        element.limit().map_or(found, |bound| Lookup::Limited { element, bound })
    }

    /// The same, whatever limit the element has.
    fn listed(&self, fields: &[Field], view: &View) -> Lookup<'r> {
        let key =
            fields.iter().map(|field| field_of(*field, view)).collect::<Option<SmallVec<[KeyPart; 4]>>>();
        let Some(key) = key else {
            return Lookup::Absent;
        };
        if let Some(element) = self.exact.get(&key) {
            return Lookup::Hit(element);
        }
        let mut maybe = Lookup::Miss;
        let mut otherwise = None;
        for &element in &self.others {
            match found(element, &key) {
                _ if element.key.as_slice() == [Datum::Any] => otherwise = Some(element),
                Some(true) => return Lookup::Hit(element),
                Some(false) => (),
                None => maybe = Lookup::Maybe(element),
            }
        }
        match (maybe, otherwise) {
            (Lookup::Miss, Some(element)) => Lookup::Hit(element),
            (maybe, _) => maybe,
        }
    }

    /// The element with a single value, for a key that is fully known.
    pub(super) fn exact(&self, values: &[Value]) -> Option<&'r Element> {
        let part = |value: &Value| match value {
            Value::Address(ip) => Some(KeyPart::Address(*ip)),
            Value::Number { known, open: 0 } => Some(KeyPart::Number(*known)),
            _ => None,
        };
        let key = values.iter().map(part).collect::<Option<SmallVec<[KeyPart; 4]>>>()?;
        self.exact.get(&key).copied()
    }

    /// The elements that have more than one value, or one that is not known.
    pub(super) fn others(&self) -> &[&'r Element] {
        &self.others
    }
}

fn exact_part(datum: &Datum, kind: Option<&DataType>) -> Option<KeyPart> {
    match datum {
        Datum::Address(ip) => Some(KeyPart::Address(*ip)),
        other => number_of(other, kind).map(KeyPart::Number),
    }
}

fn field_of(field: Field, view: &View) -> Option<KeyPart> {
    let address = |family, ip: IpAddr| (Family::of(ip) == family).then_some(KeyPart::Address(ip));
    match field {
        Field::SourceAddress(family) => address(family, view.source),
        Field::DestinationAddress(family) => address(family, view.destination.ip()),
        Field::L4Protocol => Some(KeyPart::Number(u64::from(view.protocol.number()))),
        Field::DestinationPort => Some(KeyPart::Number(u64::from(view.destination.port()))),
    }
}

/// Whether a key is in an element; none if that is not known.
fn found(element: &Element, key: &[KeyPart]) -> Option<bool> {
    let mut all = (element.key.len() == key.len()).then_some(true);
    for (datum, part) in element.key.iter().zip(key) {
        let value = match part {
            KeyPart::Address(ip) => Value::Address(*ip),
            KeyPart::Number(number) => Value::number(*number),
        };
        match holds(value, datum, Some(&DataType::InetProto)) {
            Holds::Known(true) => (),
            Holds::Known(false) => return Some(false),
            _ => all = None,
        }
    }
    all
}
