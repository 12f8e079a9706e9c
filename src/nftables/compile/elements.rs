//! Collects the elements of one set or map.

use std::collections::BTreeMap;
use std::net::IpAddr;

use compact_str::CompactString;

use crate::net::{Port, Protocol};
use crate::nftables::order::sort_key;
use crate::nftables::ruleset::{Datum, Element, MapValue, Verdict};
use crate::plan::origin::Origin;

/// Elements in listing order. A later element replaces an earlier one with the same key, unless both have the same
/// verdict.
#[derive(Debug, Default)]
pub(super) struct Elements(BTreeMap<Vec<u8>, Element>);

impl Elements {
    /// Adds a key of a set.
    pub(super) fn add(&mut self, key: Vec<Datum>, origin: Origin) {
        self.put(Element { key, comment: None, value: None, opaque: None, origin: Some(origin) });
    }

    /// Maps a key to a verdict.
    pub(super) fn map(
        &mut self,
        key: Vec<Datum>,
        verdict: Verdict,
        comment: Option<CompactString>,
        origin: Origin,
    ) {
        self.put(Element {
            key,
            comment,
            value: Some(MapValue::Verdict(verdict)),
            opaque: None,
            origin: Some(origin),
        });
    }

    fn put(&mut self, element: Element) {
        let key = sort_key(&element.key);
        match self.0.get(&key) {
            Some(present) if present.value == element.value => {}
            _ => drop(self.0.insert(key, element)),
        }
    }

    pub(super) fn into_vec(self) -> Vec<Element> {
        self.0.into_values().collect()
    }
}

/// The key `address . protocol . port`.
pub(super) fn address_key(ip: IpAddr, protocol: Protocol, port: Port) -> Vec<Datum> {
    vec![Datum::Address(ip), Datum::Protocol(protocol), Datum::Port(port)]
}

/// The key `protocol . port`.
pub(super) fn node_port_key(protocol: Protocol, port: Port) -> Vec<Datum> {
    vec![Datum::Protocol(protocol), Datum::Port(port)]
}
