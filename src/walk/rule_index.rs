//! Finds the rules of a long chain that can match a packet, without looking at the others.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::net::Protocol;

use super::packet::View;

/// What a rule asks of every packet that it can match.
pub(super) enum RuleKey {
    /// This destination address.
    Destination(IpAddr),
    /// This destination port.
    Port(Protocol, u16),
    /// Nothing that is indexed.
    Any,
}

/// Numbers of rules by what they ask for, each list ascending.
#[derive(Default)]
pub(super) struct RuleIndex {
    by_destination: HashMap<IpAddr, Vec<u32>>,
    by_port: HashMap<(Protocol, u16), Vec<u32>>,
    others: Vec<u32>,
}

impl RuleIndex {
    pub(super) fn new(keys: impl Iterator<Item = RuleKey>) -> RuleIndex {
        let mut index = RuleIndex::default();
        for (number, key) in (0..).zip(keys) {
            match key {
                RuleKey::Destination(ip) => index.by_destination.entry(ip).or_default(),
                RuleKey::Port(protocol, port) => index.by_port.entry((protocol, port)).or_default(),
                RuleKey::Any => &mut index.others,
            }
            .push(number);
        }
        index
    }

    /// The first rule from `from` on that can match.
    pub(super) fn next(&self, from: usize, view: &View) -> Option<usize> {
        let by_destination = self.by_destination.get(&view.destination.ip());
        let by_port = self.by_port.get(&(view.protocol, view.destination.port()));
        [by_destination, by_port, Some(&self.others)]
            .into_iter()
            .flatten()
            .filter_map(|numbers| first_from(numbers, from))
            .min()
    }
}

fn first_from(numbers: &[u32], from: usize) -> Option<usize> {
    let at = numbers.partition_point(|n| (*n as usize) < from);
    numbers.get(at).map(|n| *n as usize)
}
