//! Partitions of addresses and ports: every value is in exactly one value class, and no question can tell two values of
//! a class apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::net::Family;

/// Values from first to last, inclusive.
pub(super) type Range = (u128, u128);

/// Values that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueClass<K> {
    /// One of them.
    pub(super) representative: u128,
    /// What they have in common besides the answers to questions.
    pub(super) kind: K,
    /// All of them, sorted, including special values of another kind that lie between; for many special values, the
    /// first.
    pub(super) ranges: Vec<Range>,
    /// A lower bound for how many there are.
    pub(super) size: u128,
}

/// Values whose kind does not follow from a range.
#[derive(Debug, Clone)]
pub(super) struct Special<K> {
    /// Each with the last of those that follow it without a gap, sorted.
    runs: Vec<(u128, u128)>,
    by_kind: BTreeMap<K, Vec<u128>>,
}

/// The most special values of one kind between two cuts that are looked at: they are alike.
const LOOKED_AT: usize = 64;

impl<K: Ord> Special<K> {
    pub(super) fn new(values: &BTreeSet<u128>, kind: impl Fn(u128) -> K) -> Special<K> {
        let mut by_kind: BTreeMap<K, Vec<u128>> = BTreeMap::new();
        values.iter().for_each(|value| by_kind.entry(kind(*value)).or_default().push(*value));
        let mut runs: Vec<(u128, u128)> = values.iter().map(|value| (*value, *value)).collect();
        for i in (1..runs.len()).rev() {
            if let [.., (before, end_before), (value, end)] = &mut runs[..=i]
                && before.checked_add(1) == Some(*value)
            {
                *end_before = *end;
            }
        }
        Special { runs, by_kind }
    }

    /// The first value from `value` on that is not special.
    fn ordinary_from(&self, value: u128) -> Option<u128> {
        match self.runs.binary_search_by_key(&value, |(value, _)| *value) {
            Ok(at) => self.runs.get(at)?.1.checked_add(1),
            Err(_) => Some(value),
        }
    }

    fn count(&self, (first, last): Range) -> u128 {
        let below = |end: u128| self.runs.partition_point(|(value, _)| *value < end);
        let upto = self.runs.partition_point(|(value, _)| *value <= last);
        (upto - below(first)) as u128
    }

    /// What remains of a range without special values; the range itself if these are many.
    pub(super) fn left_of(&self, range: Range) -> Vec<Range> {
        let from = self.runs.partition_point(|(value, _)| *value < range.0);
        let within = self.runs.get(from..).unwrap_or_default();
        let within = within.iter().map(|(value, _)| *value).take_while(|value| *value <= range.1);
        let values: BTreeSet<u128> = within.take(LOOKED_AT + 1).collect();
        match range.0 == range.1 || values.len() > LOOKED_AT {
            true => vec![range],
            false => pieces(&values, range),
        }
    }

    /// Special values of each kind in a range.
    fn within(&self, (first, last): Range) -> impl Iterator<Item = (&K, &[u128])> {
        self.by_kind.iter().filter_map(move |(kind, values)| {
            let from = values.partition_point(|value| *value < first);
            let to = values.partition_point(|value| *value <= last);
            values.get(from..to).filter(|values| !values.is_empty()).map(|values| (kind, values))
        })
    }
}

/// Values of one class, while it is being collected.
#[derive(Debug, Default)]
struct Found {
    ranges: Vec<Range>,
    /// The first value in each range that has the class's kind.
    firsts: Vec<u128>,
    size: u128,
}

impl Found {
    fn put(&mut self, range: Range, first: u128, size: u128) {
        self.ranges.push(range);
        self.firsts.push(first);
        self.size = self.size.saturating_add(size);
    }

    fn class<K: Ord>(self, kind: K, special: &Special<K>, preferred: &[u128]) -> ValueClass<K> {
        let representative = self.representative(special, preferred);
        let ranges = if self.size == 1 { vec![(representative, representative)] } else { self.ranges };
        ValueClass { representative, kind, ranges, size: self.size }
    }

    fn representative<K: Ord>(&self, special: &Special<K>, preferred: &[u128]) -> u128 {
        let is_single = |value: u128| self.ranges.contains(&(value, value));
        let lies_within = |value: &&u128| {
            let inside = self.ranges.iter().any(|(first, last)| (first..=last).contains(value));
            inside && (special.ordinary_from(**value) == Some(**value) || is_single(**value))
        };
        if let Some(value) = preferred.iter().find(lies_within) {
            return *value;
        }
        // Avoid the address of the network itself if there is a choice.
        let longest = self.ranges.iter().zip(&self.firsts).max_by_key(|((first, last), _)| last - first);
        longest.map_or(0, |((first, last), ordinary)| {
            let second = special.ordinary_from(first.saturating_add(1));
            second.filter(|second| last - first >= 2 && second <= last).unwrap_or(*ordinary)
        })
    }
}

/// What is asked: each single value is a value class of its own, ranges divide the others.
#[derive(Debug, Clone, Default)]
pub(super) struct Questions {
    pub(super) singles: BTreeSet<u128>,
    pub(super) ranges: BTreeSet<Range>,
    /// Where values begin whose kind differs from those before, although no question tells them apart.
    pub(super) cuts: BTreeSet<u128>,
}

impl Questions {
    pub(super) fn add(&mut self, (first, last): Range) {
        if first == last {
            self.singles.insert(first);
        } else {
            self.ranges.insert((first, last));
        }
    }

    /// The value classes of `all`. Values with different `kind` are never in one value class; within each range that
    /// questions and cuts leave whole, all values except special ones must have one kind. A representative is taken
    /// from `preferred` if the value class has one of these.
    pub(super) fn value_classes<K: Ord + Clone>(
        &self,
        all: Range,
        special: &Special<K>,
        kind: impl Fn(u128) -> K,
        preferred: &[u128],
    ) -> Vec<ValueClass<K>> {
        let mut value_classes: Vec<ValueClass<K>> = Vec::with_capacity(self.singles.len());
        for single in self.singles.range(all.0..=all.1) {
            value_classes.push(ValueClass {
                representative: *single,
                kind: kind(*single),
                ranges: vec![(*single, *single)],
                size: 1,
            });
        }
        let mut groups: BTreeMap<(Vec<bool>, K), Found> = BTreeMap::new();
        for segment in self.segments(all) {
            let signature = self.signature(segment.0);
            let group = |kind: K| (signature.clone(), kind);
            for piece in pieces(&self.singles, segment) {
                if let Some(first) = special.ordinary_from(piece.0).filter(|first| *first <= piece.1) {
                    let size = (piece.1 - piece.0).saturating_add(1) - special.count(piece);
                    groups.entry(group(kind(first))).or_default().put(piece, first, size);
                }
            }
            for (kind, values) in special.within(segment) {
                let open = values.iter().filter(|value| !self.singles.contains(value));
                open.take(LOOKED_AT).for_each(|value| {
                    groups.entry(group(kind.clone())).or_default().put((*value, *value), *value, 1);
                });
            }
        }
        let classes = groups.into_iter().map(|((_, kind), found)| found.class(kind, special, preferred));
        value_classes.extend(classes);
        value_classes
    }

    /// Which ranges a value is in.
    pub(super) fn signature(&self, value: u128) -> Vec<bool> {
        self.ranges.iter().map(|(first, last)| (*first..=*last).contains(&value)).collect()
    }

    /// `all`, cut wherever a range begins or ends.
    fn segments(&self, all: Range) -> Vec<Range> {
        let mut begins: BTreeSet<u128> = self.cuts.clone();
        begins.insert(all.0);
        for (first, last) in &self.ranges {
            begins.extend([*first].into_iter().chain(last.checked_add(1)));
        }
        let begins: Vec<u128> = begins.range(all.0..=all.1).copied().collect();
        let ends = begins.iter().skip(1).map(|next| next - 1).chain([all.1]);
        begins.iter().copied().zip(ends).collect()
    }
}

/// What remains of a range without single values.
fn pieces(singles: &BTreeSet<u128>, (first, last): Range) -> Vec<Range> {
    let mut pieces = Vec::new();
    let mut from = Some(first);
    for single in singles.range(first..=last) {
        pieces.extend(from.filter(|from| from < single).map(|from| (from, single - 1)));
        from = single.checked_add(1);
    }
    pieces.extend(from.filter(|from| *from <= last).map(|from| (from, last)));
    pieces
}

/// Ranges, sorted and without duplicates.
pub(super) fn sorted(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    ranges.dedup();
    ranges
}

/// The ports of a class of ports.
pub(super) fn ports_of(value_class: &ValueClass<()>) -> Arc<[(u16, u16)]> {
    let port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
    value_class.ranges.iter().map(|(first, last)| (port(*first), port(*last))).collect()
}

/// Ports that no Service is likely to have, for "any other port".
pub(super) const ORDINARY_PORTS: [u128; 3] = [9, 65_000, 64_999];

/// An address as a number.
pub(super) fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// A number as an address.
pub(super) fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::from(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()),
        Family::Ipv6 => IpAddr::from(number.to_be_bytes()),
    }
}

/// Addresses for documentation (RFC 5737, RFC 3849), for clients and servers elsewhere.
pub(super) fn elsewhere(family: Family) -> [IpAddr; 2] {
    match family {
        Family::Ipv4 => [IpAddr::from([198, 51, 100, 7]), IpAddr::from([192, 0, 2, 7])],
        Family::Ipv6 => {
            ["2001:db8:7::7", "2001:db8:9::7"].map(|text| text.parse().unwrap_or(family.loopback()))
        }
    }
}

/// Every address of a family.
pub(super) fn whole(family: Family) -> Range {
    match family {
        Family::Ipv4 => (0, u128::from(u32::MAX)),
        Family::Ipv6 => (0, u128::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoms_cover_everything_once() {
        let mut questions = Questions::default();
        for range in [(10, 19), (15, 30), (17, 17), (0, 0)] {
            questions.add(range);
        }
        let special = BTreeSet::from([12, 40]);
        let is_special = |value| special.contains(&value);
        let value_classes =
            questions.value_classes((0, 50), &Special::new(&special, is_special), is_special, &[45]);
        for value in 0..=50 {
            let holds = |class: &&ValueClass<bool>| {
                class.kind == is_special(value)
                    && class.ranges.iter().any(|(first, last)| (*first..=*last).contains(&value))
            };
            assert_eq!(value_classes.iter().filter(holds).count(), 1, "{value}");
        }
        assert_eq!(value_classes.iter().map(|class| class.size).sum::<u128>(), 51);
        assert!(value_classes.iter().any(|a| a.representative == 45 && a.ranges == [(1, 9), (31, 50)]));
        assert!(value_classes.iter().any(|a| a.kind && a.ranges == [(12, 12)]));
        assert!(value_classes.iter().any(|a| a.kind && a.ranges == [(40, 40)]));
    }
}
