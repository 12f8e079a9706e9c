//! Addresses that represent others: networks are cut wherever something tells their addresses apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::net::{Cidr, Family};

/// At most this many addresses of a segment are tried.
const TRIED: u128 = 1024;

/// One address, not left out, from each part of some networks that `cuts` tell apart; none for a part without such an
/// address.
pub(super) fn representatives(
    networks: &[Cidr],
    cuts: &[Cidr],
    is_left_out: impl Fn(IpAddr) -> bool,
) -> Vec<IpAddr> {
    let mut found: BTreeMap<Vec<bool>, IpAddr> = BTreeMap::new();
    for network in networks {
        let cuts: Vec<Cidr> = cuts.iter().copied().filter(|cut| cut.family() == network.family()).collect();
        for (first, last) in segments(*network, &cuts) {
            let family = network.family();
            let signature = || cuts.iter().map(|cut| cut.contains(address(family, first))).collect();
            let candidates = inner_first(first, last).map(|value| address(family, value));
            if let Some(ip) = candidates.filter(|ip| !is_left_out(*ip)).take(1).next() {
                found.entry(signature()).or_insert(ip);
            }
        }
    }
    found.into_values().collect()
}

/// Cuts a network wherever another begins or ends.
fn segments(network: Cidr, cuts: &[Cidr]) -> Vec<(u128, u128)> {
    let (first, last) = (number(network.network()), number(network.last()));
    let mut begins = BTreeSet::from([first]);
    for cut in cuts {
        begins.insert(number(cut.network()));
        begins.extend(number(cut.last()).checked_add(1));
    }
    let begins: Vec<u128> = begins.into_iter().filter(|begin| (first..=last).contains(begin)).collect();
    let ends = begins.iter().skip(1).map(|next| next - 1).chain([last]);
    begins.iter().copied().zip(ends).collect()
}

/// The last addresses in reverse order, except the very last, which may be a broadcast address; then the two ends.
fn inner_first(first: u128, last: u128) -> impl Iterator<Item = u128> {
    let inner =
        (1..TRIED).filter_map(move |back| last.checked_sub(back)).take_while(move |value| *value > first);
    inner.chain([last, first])
}

/// The last addresses of a network, in reverse order.
pub(super) fn backwards(net: Cidr) -> impl Iterator<Item = IpAddr> {
    inner_first(number(net.network()), number(net.last())).map(move |value| address(net.family(), value))
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::from(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()),
        Family::Ipv6 => IpAddr::from(number.to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_an_address() {
        let net = |text: &str| Cidr::parse_lenient(text).unwrap();
        let found = |cuts: &[&str], left_out: &[&str]| -> Vec<String> {
            let cuts: Vec<Cidr> = cuts.iter().map(|cut| net(cut)).collect();
            let left_out: Vec<IpAddr> = left_out.iter().map(|ip| ip.parse().unwrap()).collect();
            let found = representatives(&[net("10.0.0.0/24")], &cuts, |ip| left_out.contains(&ip));
            found.iter().map(ToString::to_string).collect()
        };
        assert_eq!(found(&[], &[]), ["10.0.0.254"]);
        assert_eq!(found(&["10.0.0.0/25", "fd00::/64"], &["10.0.0.254"]), ["10.0.0.253", "10.0.0.126"]);
        assert_eq!(found(&["10.0.0.7/32"], &["10.0.0.7"]).len(), 1);
        assert_eq!(found(&["0.0.0.0/0", "10.0.0.7/32"], &[]), ["10.0.0.5", "10.0.0.7"]);
    }
}
