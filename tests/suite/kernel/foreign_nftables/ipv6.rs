//! Fragments that match on IPv6 addresses, and the sets and maps that they use.

pub(super) const OBJECTS: &str = r#"
    set hosts6 { type ipv6_addr; flags interval; elements = { 2001:db8:77::/96, fd00:10:244:1::9, 2001:db8::11 }; }
    set pairs6 { type ipv6_addr . inet_service; flags interval; elements = { fd00:10:244:1::/64 . 8000-8100, 2001:db8::11 . 80 }; }
    set triples6 { type ipv6_addr . inet_proto . inet_service; elements = { 2001:db8:77::7 . tcp . 80, fd00:10:244:1::9 . udp . 53 }; }
    set typed6 { typeof ip6 daddr . tcp dport; elements = { 2001:db8::11 . 80 }; }
    set ranges6 { type ipv6_addr; flags interval; elements = { 2001:db8:77::1-2001:db8:77::9, fd00:10:96::/112 }; }
    set seen6 { type ipv6_addr; size 1000; flags dynamic; }
    map byaddr6 { type ipv6_addr . inet_service : verdict; flags interval; elements = { fd00:10:244:1::/64 . 8080 : drop, 2001:db8::11 . 1-100 : jump other }; }
    map tomark6 { type ipv6_addr : mark; flags interval; elements = { 2001:db8:77::/64 : 0x5, fd00:10:244:1::9 : 0x10000 }; }
    map toaddr6 { type inet_service : ipv6_addr . inet_service; elements = { 80 : fd00:10:244:1::7 . 8081, 443 : fd00:10:244:1::8 . 8443 }; }
"#;

pub(super) const MATCHES: [&str; 25] = [
    "ip6 saddr 2001:db8:77::7",
    "ip6 saddr != 2001:db8:77::7",
    "ip6 saddr { 2001:db8:77::/96, fd00:10:244:1::9 }",
    "ip6 saddr != { 2001:db8:77::/96, fd00:10:244:1::9 }",
    "ip6 saddr 2001:db8:77::1-2001:db8:77::8",
    "ip6 saddr @hosts6",
    "ip6 daddr != @hosts6",
    "ip6 saddr @ranges6",
    "ip6 daddr @ranges6",
    "ip6 saddr & ffff:ffff:ffff:: == 2001:db8:77::",
    "ip6 saddr & ::f == ::7",
    "ip6 daddr > 2001:db8::11",
    "ip6 saddr . tcp dport @pairs6",
    "ip6 daddr . tcp dport @pairs6",
    "ip6 daddr . th dport != @pairs6",
    "ip6 saddr . meta l4proto . th dport @triples6",
    "ip6 daddr . tcp dport @typed6",
    "ip6 daddr . tcp dport { 2001:db8::11 . 80, fd00:10:244:1::/64 . 8000-9000 }",
    "ip6 nexthdr != udp",
    "ip6 nexthdr { tcp, udp }",
    "ct original ip6 daddr fd00:10:96::10",
    "ct original ip6 saddr { 2001:db8:77::/64, fd00:10:244:1::9 }",
    "ct original ip6 daddr != fd00:10:96::10",
    "iifname . ip6 saddr { eth0 . 2001:db8:77::7, pods0 . fd00:10:244:1::9 }",
    "icmpv6 type echo-request",
];

pub(super) const RULES: [&str; 13] = [
    "ip6 daddr . tcp dport vmap @byaddr6",
    "ip6 daddr . tcp dport vmap { 2001:db8::11 . 80 : drop, * : jump other }",
    "ip6 daddr vmap { fd00:10:244:1::/64 : jump other, 2001:db8::11 : drop }",
    "ip6 saddr vmap { 2001:db8:77::/64 : drop, * : continue }",
    "meta mark set ip6 saddr map @tomark6",
    "meta mark set ip6 saddr map { 2001:db8:77::/64 : 0x5, fd00:10:244:1::9 : 0x10000 }",
    "ip6 saddr 2001:db8:77::7 reject with icmpv6 admin-prohibited",
    "ip6 saddr 2001:db8:77::7 return",
    "add @seen6 { ip6 saddr }",
    "ip6 saddr @seen6 drop",
    "ip6 hoplimit < 70 drop",
    "ip6 daddr & ::3 vmap { :: : drop, ::1 : jump other }",
    "jhash ip6 saddr mod 2 vmap { 0 : drop, 1 : jump other }",
];

pub(super) const DESTINATIONS: [&str; 6] = [
    "ip6 daddr 2001:db8::11 dnat ip6 to fd00:10:244:1::7",
    "meta l4proto tcp dnat ip6 to tcp dport map @toaddr6",
    "dnat ip6 to ip6 daddr map { 2001:db8::11 : fd00:10:244:1::7, fd00:10:96::10 : fd00:10:244:1::8 }",
    "dnat ip6 to fd00:10:244:1::20-fd00:10:244:1::23",
    "meta nfproto ipv6 meta l4proto tcp redirect to :8080",
    "dnat ip6 prefix to ip6 daddr map { 2001:db8::/64 : fd00:10:244:1::/64 }",
];

pub(super) const SOURCES: [&str; 5] = [
    "snat ip6 to 2001:db8::99",
    "ip6 saddr fd00:10:244:1::/64 masquerade",
    "oifname eth0 snat ip6 to 2001:db8::99",
    "snat ip6 to ip6 saddr map { fd00:10:244:1::9 : 2001:db8::99 }",
    "ip6 daddr fd00::/8 return",
];
