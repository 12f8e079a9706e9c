//! Numbers and addresses in text that is not understood: packets that differ in one of them may have different outcomes.

use std::net::IpAddr;

use super::PortRange;
use crate::net::{Cidr, Family};
use crate::nftables::ruleset::Interval;

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}' | '"' | '='))
}

/// Addresses, networks and ranges of a family; for a match of address types, the networks that have a type of their
/// own.
pub(super) fn addresses(text: &str, family: Family) -> impl Iterator<Item = Interval> {
    let typed = text.contains("type").then(|| of_type(family)).into_iter().flatten();
    words(text).filter_map(address).chain(typed).filter(move |i| Family::of(i.first) == family)
}

fn of_type(family: Family) -> Vec<Interval> {
    let nets: &[&str] = match family {
        Family::Ipv4 => &["224.0.0.0/4", "255.255.255.255/32", "0.0.0.0/8"],
        Family::Ipv6 => &["ff00::/8", "fe80::/10"],
    };
    nets.iter().filter_map(|net| Cidr::parse_lenient(net)).map(super::interval).collect()
}

fn address(word: &str) -> Option<Interval> {
    if let Some((first, last)) = word.split_once('-') {
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        return Some(Interval { first, last });
    }
    match word.parse::<IpAddr>() {
        Ok(ip) => Some(Interval { first: ip, last: ip }),
        Err(_) => Cidr::parse_lenient(word).map(super::interval),
    }
}

/// Ports and ranges of ports.
pub(super) fn ports(text: &str) -> impl Iterator<Item = PortRange> {
    words(text).filter_map(|word| {
        let (first, last) = word.split_once([':', '-']).unwrap_or((word, word));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        Some(PortRange { protocol: None, first, last })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_looks_like_an_address_or_a_port_counts() {
        let text =
            "-m multiport --dports 22,8000:8080 -m iprange --src-range 10.0.0.1-10.0.0.9 -s 10.1.0.0/16";
        let ports: Vec<_> = ports(text).map(|p| (p.first, p.last)).collect();
        assert_eq!(ports, [(22, 22), (8000, 8080)]);
        let found: Vec<_> = addresses(text, Family::Ipv4).map(|i| i.last.to_string()).collect();
        assert_eq!(found, ["10.0.0.9", "10.1.255.255"]);
        assert_eq!(addresses("-m addrtype --dst-type MULTICAST", Family::Ipv6).count(), 2);
    }
}
