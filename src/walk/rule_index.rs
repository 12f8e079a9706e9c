//! Finds the rules of a long chain that can match a packet, without looking at the others.

use std::net::IpAddr;

use foldhash::HashMap;

use crate::net::Protocol;

use super::packet::View;

/// What a rule asks of every packet that it can match.
pub(super) enum RuleKey {
    /// This destination address.
    Destination(IpAddr),
    /// This source address.
    Source(IpAddr),
    /// This destination port.
    Port(Protocol, u16),
    /// Nothing that is indexed.
    Any,
}

/// Which sources the looked-up packets come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sources {
    /// Only that of the packet.
    Its,
    /// From anywhere.
    Any,
}

/// Indices of rules by what they match on, each list ascending.
#[derive(Default)]
pub(super) struct RuleIndex {
    by_destination: HashMap<IpAddr, Vec<u32>>,
    by_source: HashMap<IpAddr, Vec<u32>>,
    /// All in `by_source`.
    of_sources: Vec<u32>,
    by_port: HashMap<(Protocol, u16), Vec<u32>>,
    others: Vec<u32>,
}

impl RuleIndex {
    pub(super) fn new(keys: impl Iterator<Item = RuleKey>) -> RuleIndex {
        let mut index = RuleIndex::default();
        for (number, key) in (0..).zip(keys) {
            match key {
                RuleKey::Destination(ip) => index.by_destination.entry(ip).or_default(),
                RuleKey::Source(ip) => {
                    index.of_sources.push(number);
                    index.by_source.entry(ip).or_default()
                }
                RuleKey::Port(protocol, port) => index.by_port.entry((protocol, port)).or_default(),
                RuleKey::Any => &mut index.others,
            }
            .push(number);
        }
        index
    }

    /// The first rule from `from` on that can match the packet, or one like it from any source.
    pub(super) fn next(&self, from: usize, view: &View, sources: Sources) -> Option<usize> {
        let by_destination = self.by_destination.get(&view.destination.ip());
        let by_port = self.by_port.get(&(view.protocol, view.destination.port()));
        let by_source = match sources {
            Sources::Its => self.by_source.get(&view.source),
            Sources::Any => Some(&self.of_sources),
        };
        [by_destination, by_source, by_port, Some(&self.others)]
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
