//! Partitions of addresses and ports: every value falls into exactly one value_class, and no question that is asked tells two
//! values of an value_class apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::net::Family;

/// Values from first to last, both included.
pub(super) type Range = (u128, u128);

/// Values that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueClass<K> {
    /// One of them.
    pub(super) representative: u128,
    /// What they have in common beside the questions.
    pub(super) kind: K,
    /// All of them, ascending.
    pub(super) ranges: Vec<Range>,
}

/// What is asked: single values are value classes of their own, ranges divide the others.
#[derive(Debug, Clone, Default)]
pub(super) struct Questions {
    pub(super) singles: BTreeSet<u128>,
    pub(super) ranges: BTreeSet<Range>,
    /// Where values begin that are of another kind than those before, though no question tells them apart.
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

    /// The value classes of `all`. Values of different `kind` are never in one value class; within each range that questions and cuts
    /// leave whole, all values but those of `special` must have one kind. A representative is taken from `preferred` where
    /// one lies in the value class.
    pub(super) fn value_classes<K: Ord + Clone>(
        &self,
        all: Range,
        special: &BTreeSet<u128>,
        kind: impl Fn(u128) -> K,
        preferred: &[u128],
    ) -> Vec<ValueClass<K>> {
        let mut value_classes: Vec<ValueClass<K>> = Vec::with_capacity(self.singles.len());
        for single in self.singles.iter().filter(|s| (all.0..=all.1).contains(s)) {
            value_classes.push(ValueClass {
                representative: *single,
                kind: kind(*single),
                ranges: vec![(*single, *single)],
            });
        }
        let mut groups: BTreeMap<(Vec<bool>, K), Vec<Range>> = BTreeMap::new();
        let mut put = |range: Range| {
            let key = (self.signature(range.0), kind(range.0));
            groups.entry(key).or_default().push(range);
        };
        let points: BTreeSet<u128> = self.singles.union(special).copied().collect();
        for (first, last) in self.segments(all) {
            let mut from = Some(first);
            for point in points.range(first..=last) {
                if let Some(from) = from.filter(|from| from < point) {
                    put((from, point - 1));
                }
                if !self.singles.contains(point) {
                    put((*point, *point));
                }
                from = point.checked_add(1);
            }
            if let Some(from) = from.filter(|from| *from <= last) {
                put((from, last));
            }
        }
        value_classes.extend(groups.into_iter().map(|((_, kind), ranges)| {
            let representative = representative(&ranges, preferred);
            ValueClass { representative, kind, ranges }
        }));
        value_classes
    }

    /// Which ranges a value lies in.
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

fn representative(ranges: &[Range], preferred: &[u128]) -> u128 {
    let lies_within = |value: &&u128| ranges.iter().any(|(first, last)| (first..=last).contains(value));
    if let Some(value) = preferred.iter().find(lies_within) {
        return *value;
    }
    // Not the address of the network itself, where there is a choice.
    let longest = ranges.iter().copied().max_by_key(|(first, last)| last - first);
    longest.map_or(0, |(first, last)| if last - first >= 2 { first + 1 } else { first })
}

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
        let value_classes = questions.value_classes((0, 50), &special, |v| special.contains(&v), &[45]);
        for value in 0..=50 {
            let holders =
                value_classes.iter().filter(|a| a.ranges.iter().any(|(f, l)| (*f..=*l).contains(&value)));
            assert_eq!(holders.count(), 1, "{value}");
        }
        assert!(
            value_classes.iter().any(|a| a.representative == 45 && a.ranges == [(1, 9), (31, 39), (41, 50)])
        );
        assert!(value_classes.iter().any(|a| a.kind && a.ranges == [(12, 12)]));
        assert!(value_classes.iter().any(|a| a.kind && a.ranges == [(40, 40)]));
    }
}
