//! Fragments for IPv6, from those for IPv4.

use kuberules::net::Family;

/// What replaces what; if one is a part of another, the longer comes first.
const TEXTS: [(&str, &str); 27] = [
    ("family inet netmask 24", "family inet6 netmask 64"),
    ("family inet\n", "family inet6\n"),
    ("--to 10.244.0.0/12", "--to fd00:10:244:2::/108"),
    ("10.244.0.0/16", "fd00:10:244::/48"),
    ("10.244.1.0-10.244.1.255", "fd00:10:244:1::-fd00:10:244:1:ffff:ffff:ffff:ffff"),
    ("10.244.1.0/24", "fd00:10:244:1::/64"),
    ("10.244.1.0", "fd00:10:244:1::"),
    ("10.96.0.0/12", "fd00:10:96::/108"),
    ("10.96.0.1-10.96.0.40", "fd00:10:96::1-fd00:10:96::8000"),
    ("10.244.2.77-10.244.2.79", "fd00:10:244:2::77-fd00:10:244:2::79"),
    ("10.244.2.77:8080", "[fd00:10:244:2::77]:8080"),
    ("10.244.2.77:8000-8003", "[fd00:10:244:2::77]:8000-8003"),
    ("10.244.2.77", "fd00:10:244:2::77"),
    ("198.51.100.7/32", "2001:db8:77::7/128"),
    ("198.51.100.7", "2001:db8:77::7"),
    ("192.0.2.99-192.0.2.101", "2001:db8:9::99-2001:db8:9::101"),
    ("192.0.2.99", "2001:db8:9::99"),
    ("172.16.0.0/16", "fd00:172:16::/48"),
    ("-p icmp -m icmp --icmp-type 8", "-p ipv6-icmp -m icmp6 --icmpv6-type 128"),
    ("-p icmp", "-p ipv6-icmp"),
    ("icmp-port-unreachable", "icmp6-port-unreachable"),
    ("icmp-admin-prohibited", "icmp6-adm-prohibited"),
    ("-j TTL --ttl-set 64", "-j HL --hl-set 64"),
    ("-m ttl --ttl-gt 10", "-m hl --hl-gt 10"),
    // Of IPv4 alone.
    ("! -f", "-p tcp"),
    (" -f ", " -p udp "),
    ("0x6&0xff=0x6", "0x4>>8&0xff=0x6"),
];

/// A fragment for a family.
pub(super) fn of_family(text: &str, family: Family) -> String {
    match family {
        Family::Ipv4 => text.to_owned(),
        Family::Ipv6 => TEXTS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)),
    }
}
