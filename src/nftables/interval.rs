//! Intervals of addresses, as anonymous sets hold them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ruleset::{Addresses, Datum, Interval};
use crate::net::{Cidr, Family};

impl From<Cidr> for Interval {
    fn from(cidr: Cidr) -> Self {
        Interval { first: cidr.network(), last: cidr.last() }
    }
}

impl From<Interval> for Datum {
    /// As nft lists it: as one address if possible, else as a network, else as a range.
    fn from(interval: Interval) -> Self {
        match interval.as_network() {
            Some(network) if network.is_host() => Datum::Address(interval.first),
            Some(network) => Datum::Network(network),
            None => Datum::Range(interval.first, interval.last),
        }
    }
}

impl Interval {
    /// The network with exactly these addresses, if there is one.
    pub fn as_network(self) -> Option<Cidr> {
        let (first, last) = (number(self.first), number(self.last));
        let host_bits = first ^ last;
        let is_block = first & host_bits == 0 && host_bits & host_bits.wrapping_add(1) == 0;
        let length = Family::of(self.first).bits().checked_sub(u8::try_from(host_bits.count_ones()).ok()?)?;
        Cidr::new(self.first, length).filter(|_| is_block)
    }

    /// Two intervals that together have the same addresses; an interval of one address is returned twice.
    pub(super) fn halves(self) -> [Interval; 2] {
        let (first, last) = (number(self.first), number(self.last));
        let middle = first + (last - first) / 2;
        let family = Family::of(self.first);
        let lower = Interval { first: self.first, last: address(middle, family) };
        let upper = Interval { first: address(middle.saturating_add(1).min(last), family), last: self.last };
        [lower, upper]
    }
}

/// What nft makes of addresses written in braces: a single one loses its braces; several are sorted, and overlapping or
/// adjacent ones become one interval, still in braces (nft's src/evaluate.c and src/intervals.c).
pub(super) fn anonymous(written: Vec<Cidr>) -> Addresses {
    match *written {
        [one] => Addresses::One(one),
        _ => Addresses::Anonymous(merged(written)),
    }
}

fn merged(written: Vec<Cidr>) -> Vec<Interval> {
    let mut intervals: Vec<Interval> = written.into_iter().map(Interval::from).collect();
    intervals.sort_unstable();
    let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
    for next in intervals {
        match merged.last_mut() {
            Some(before) if touches(*before, next) => before.last = before.last.max(next.last),
            _ => merged.push(next),
        }
    }
    merged
}

fn touches(before: Interval, next: Interval) -> bool {
    number(next.first) <= number(before.last).saturating_add(1)
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(number: u128, family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX))),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(written: &[&str]) -> String {
        let cidrs = written.iter().map(|t| Cidr::parse_lenient(t).unwrap()).collect();
        anonymous(cidrs).to_string()
    }

    /// The right-hand sides are from nft 1.0.6.
    #[test]
    fn sets_are_merged_as_nft_merges_them() {
        assert_eq!(shown(&["10.0.0.0/8"]), "10.0.0.0/8");
        assert_eq!(shown(&["198.51.100.7/32"]), "198.51.100.7");
        assert_eq!(shown(&["10.0.0.0/24", "10.0.1.0/24"]), "{ 10.0.0.0/23 }");
        assert_eq!(shown(&["10.0.2.0/24", "10.0.0.0/24", "10.0.1.0/24"]), "{ 10.0.0.0-10.0.2.255 }");
        assert_eq!(shown(&["10.0.0.0/8", "10.1.0.0/16"]), "{ 10.0.0.0/8 }");
        assert_eq!(shown(&["0.0.0.0/0", "6.6.6.1/32"]), "{ 0.0.0.0/0 }");
        assert_eq!(
            shown(&["203.0.113.0/25", "192.168.0.0/24", "10.0.0.0/8", "5.6.7.8/32", "5.6.7.9/32"]),
            "{ 5.6.7.8/31, 10.0.0.0/8, 192.168.0.0/24, 203.0.113.0/25 }"
        );
        assert_eq!(shown(&["1.2.3.4/32", "224.0.0.0/3"]), "{ 1.2.3.4, 224.0.0.0/3 }");
        assert_eq!(shown(&["::/0", "fd00::1/128"]), "{ ::/0 }");
    }

    #[test]
    fn halves_hold_the_same_addresses() {
        for text in ["10.0.0.0/8", "10.0.0.1/32", "0.0.0.0/0", "::/0", "fd00::/64"] {
            let whole = Interval::from(Cidr::parse_lenient(text).unwrap());
            let [lower, upper] = whole.halves();
            assert_eq!((lower.first, upper.last), (whole.first, whole.last), "{text}");
            assert!(touches(lower, upper), "{text}");
        }
    }
}
