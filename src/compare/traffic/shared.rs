//! Sources of packets to one destination that have the same outcomes: one of them is walked for all.
//!
//! Rules of other programs match on the address of each Pod on the node, so that each is a class of sources. Most of
//! them are treated alike, or in a few ways. What two of them have in common is found without a walk for each: see
//! [`RoutedPair`].

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::ground::AddressKind;
use super::known::{Known, Outcomes};
use super::outcome_set::{Contrast, OutcomeSet};
use super::space::{Range, number};
use crate::walk::{DoesNothing, EndsOfPair, Entrance, Packet, RoutedPair, Walker};

/// What happens to the packets of a class on both sides, and how that differs.
pub(super) type Walked = (Arc<OutcomeSet>, Arc<OutcomeSet>, Contrast);

/// What rules before routing can see of a source.
#[derive(PartialEq, Eq, Hash)]
struct Beginning {
    kind: AddressKind,
    entrances: (Entrance, Entrance),
    /// Which of the ranges that these rules match on it is in.
    lies_in: Vec<bool>,
}

/// The sources of packets to one destination.
pub(super) struct Sources<'a, 'o, 'n> {
    walkers: (&'a Walker<'o>, &'a Walker<'n>),
    /// Rules whose place after routing is all that differs, if that is so.
    moved: Option<&'a dyn DoesNothing>,
    /// Outcomes that are known without following packets.
    shared: Option<&'a Known<'a>>,
    /// What rules before routing match on.
    asked: Vec<Range>,
    numbers: HashMap<Beginning, usize>,
    begun: Vec<Option<RoutedPair<'a, 'o, 'n>>>,
    known: HashMap<(usize, EndsOfPair), Option<Walked>>,
    /// How many packets were followed all the way.
    pub(super) walked: u64,
}

impl<'a, 'o, 'n> Sources<'a, 'o, 'n> {
    pub(super) fn new(
        walkers: (&'a Walker<'o>, &'a Walker<'n>),
        (moved, shared): (Option<&'a dyn DoesNothing>, Option<&'a Known<'a>>),
        mut asked: Vec<Range>,
    ) -> Self {
        asked.sort_unstable();
        asked.dedup();
        Sources {
            walkers,
            moved,
            shared,
            asked,
            numbers: HashMap::new(),
            begun: Vec::new(),
            known: HashMap::new(),
            walked: 0,
        }
    }

    /// What differs between both sides for packets from a source, given as one packet for each side; none if nothing
    /// does.
    pub(super) fn difference(&mut self, packets: (&Packet, &Packet), kind: AddressKind) -> Option<Walked> {
        match self.ends(packets, kind) {
            None => self.walk(packets),
            Some(None) => None,
            Some(Some(key)) => {
                if let Some(known) = self.known.get(&key) {
                    return known.clone();
                }
                let found = self.walk(packets);
                self.known.insert(key, found.clone());
                found
            }
        }
    }

    fn walk(&mut self, packets: (&Packet, &Packet)) -> Option<Walked> {
        let (found, is_followed) = match self.shared {
            Some(known) => known.difference(self.walkers, packets),
            None => (Some(Outcomes::of(self.walkers, packets)), true),
        };
        self.walked += u64::from(is_followed);
        let Outcomes { old, new, contrast } = found?;
        Some((old, new, contrast?))
    }

    /// Whether rules before routing match on an address by itself.
    pub(super) fn is_asked_alone(&self, value: u128) -> bool {
        self.asked.binary_search(&(value, value)).is_ok()
    }

    /// What decides the ends of packets from a source, with the number of their beginning; none inside if they are the
    /// same on both sides.
    fn ends(
        &mut self,
        packets: (&Packet, &Packet),
        kind: AddressKind,
    ) -> Option<Option<(usize, EndsOfPair)>> {
        // The entrances already include what rules before routing can see of interfaces.
        let kind = kind.whatever_the_interfaces();
        let entrances = (self.walkers.0.entrance(packets.0)?, self.walkers.1.entrance(packets.1)?);
        let value = number(packets.0.source);
        let lies_in = self.asked.iter().map(|(first, last)| (*first..=*last).contains(&value)).collect();
        let next = self.begun.len();
        let at = match self.numbers.entry(Beginning { kind, entrances, lies_in }) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.begun.push(RoutedPair::new(self.walkers, packets));
                *new.insert(next)
            }
        };
        let pair = self.begun.get_mut(at)?.as_mut()?;
        let source = packets.0.source;
        if self.moved.is_some_and(|rules| pair.are_left_alone(source, rules)) {
            return Some(None);
        }
        let ends = pair.ends_from(source)?;
        Some((!ends.are_same).then_some((at, ends)))
    }
}
