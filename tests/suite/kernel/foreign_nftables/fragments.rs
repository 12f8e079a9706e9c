//! Fragments of rules that other programs write, and rulesets of them.

use super::{ipv6, rare, sequences};
use crate::support::random::Random;
use crate::testing::seed;

/// A ruleset: rules in chains at one hook, with a priority, next to kube-proxy's.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) rules: Vec<String>,
    hook: &'static str,
    kind: &'static str,
    priority: i32,
    policy: &'static str,
    /// A table that is made behind it.
    beside: String,
}

/// Stands in for kube-proxy: a Service with two endpoints and a node port, with the marks that it uses for
/// masquerading.
const KUBE: &str = r#"table inet kube {
    map services {
        type ipv4_addr . inet_proto . inet_service : verdict
        elements = { 10.96.0.10 . tcp . 80 : goto endpoint, 192.168.0.12 . tcp . 30080 : goto external }
    }
    map services6 {
        type ipv6_addr . inet_proto . inet_service : verdict
        elements = { fd00:10:96::10 . tcp . 80 : goto endpoint6 }
    }
    chain endpoint6 { meta l4proto tcp dnat ip6 to [fd00:10:244:1::5]:8080; }
    chain external { meta mark set meta mark | 0x00004000; goto endpoint; }
    chain endpoint { meta l4proto tcp dnat ip to 10.244.1.5:8080; }
    chain services {
        ip daddr . meta l4proto . th dport vmap @services
        ip6 daddr . meta l4proto . th dport vmap @services6
    }
    chain prerouting { type nat hook prerouting priority dstnat; jump services; }
    chain output { type nat hook output priority -100; jump services; }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 masquerade
    }
}
"#;

const OBJECTS: &str = r#"
    set hosts { type ipv4_addr; flags interval; elements = { 198.51.100.0/28, 10.244.1.9, 192.168.0.12 }; }
    set pairs { type ipv4_addr . inet_service; flags interval; elements = { 10.244.1.0/24 . 8000-8100, 192.168.0.11 . 80 }; }
    set triples { type ipv4_addr . inet_proto . inet_service; elements = { 198.51.100.7 . tcp . 80, 10.244.1.9 . udp . 53 }; }
    set seen { type ipv4_addr; size 1000; flags dynamic; }
    set full { type ipv4_addr; size 1; flags dynamic; elements = { 192.0.2.1 } }
    set macs { type ether_addr; size 1000; flags dynamic; }
    set hosts2 { type ipv4_addr; size 1000; flags dynamic; elements = { 198.51.100.7, 192.168.0.12 }; }
    set both { type ipv4_addr . inet_service; size 1000; flags dynamic; }
    set over { type ipv4_addr; limit rate over 1000/second burst 500 packets; elements = { 198.51.100.7, 10.244.1.9 }; }
    set within { type ipv4_addr; limit rate 1000/second burst 500 packets; elements = { 198.51.100.7, 10.244.1.9 }; }
    set used { type inet_service; quota over 100 mbytes; elements = { 53, 80 }; }
    set counted { type ipv4_addr; counter; elements = { 198.51.100.7, 10.244.1.9 }; }
    map overmap { type ipv4_addr : verdict; limit rate over 1000/second burst 500 packets; elements = { 198.51.100.7 : drop }; }
    set ports { type inet_service; flags interval; elements = { 53, 8000-9000 }; }
    set six { type ipv6_addr; flags interval; elements = { 2001:db8:77::/64 }; }
    set typed { typeof ip daddr . tcp dport; elements = { 192.168.0.11 . 80 }; }
    set marks { type mark; elements = { 0x1, 0x4000 }; }
    map byif { type ifname : verdict; flags interval; elements = { "eth0" : jump side, "pods*" : jump other, "lo" : accept }; }
    map bystate { type ct_state : verdict; elements = { new : jump side, established : accept }; }
    map byport { type inet_service : verdict; flags interval; elements = { 80 : drop, 8000-9000 : jump side }; }
    map byaddr { type ipv4_addr . inet_service : verdict; flags interval; elements = { 10.244.1.0/24 . 8080 : drop, 192.168.0.11 . 1-100 : jump other }; }
    map tomark { type ipv4_addr : mark; flags interval; elements = { 198.51.100.0/24 : 0x5, 10.244.1.9 : 0x10000 }; }
    map toaddr { type inet_service : ipv4_addr . inet_service; elements = { 80 : 10.244.1.7 . 8081, 443 : 10.244.1.8 . 8443 }; }
    map byproto { type inet_proto : verdict; elements = { tcp : jump side, udp : drop }; }
    map bytype { type fib_addrtype : verdict; elements = { local : jump side, unicast : jump other }; }
    limit slow { rate 5/minute burst 900 packets; }
    limit beyond { rate over 500/second burst 900 packets; }
    quota large { over 25 mbytes; }
    quota gone { over 1000 bytes used 1000 bytes; }
    counter count { }
    chain side { ip saddr 198.51.100.7 drop; return; }
    chain other { tcp dport 8080 drop; udp dport 53 reject; }
    chain marked { meta mark & 0x10000 == 0x10000 drop; meta mark 0x5 reject; }
"#;

/// Matches: a rule with each of them and a verdict is tried.
const MATCHES: [&str; 124] = [
    "ip saddr 198.51.100.7",
    "ip saddr != 198.51.100.7",
    "ip saddr { 198.51.100.0/29, 10.244.1.9 }",
    "ip saddr != { 198.51.100.0/29, 10.244.1.9 }",
    "ip saddr @hosts",
    "ip daddr != @hosts",
    "ip saddr 198.51.100.1-198.51.100.8",
    "ip saddr & 255.255.255.0 == 198.51.100.0",
    "ip saddr & 0.0.0.15 == 0.0.0.7",
    "ip daddr > 192.168.0.11",
    "ip6 saddr 2001:db8:77::/64",
    "ip6 saddr != fd00::/8",
    "ip6 daddr @six",
    "ip6 saddr @six",
    "ip saddr . tcp dport @pairs",
    "ip daddr . tcp dport @pairs",
    "ip daddr . th dport != @pairs",
    "ip saddr . meta l4proto . th dport @triples",
    "ip daddr . tcp dport @typed",
    "ip daddr . tcp dport { 192.168.0.11 . 80, 10.244.1.0/24 . 8000-9000 }",
    "ip daddr . tcp dport != { 192.168.0.11 . 80 }",
    "tcp dport 80",
    "tcp dport != 80",
    "tcp dport { 80, 8000-9000 }",
    "tcp dport != { 80, 8000-9000 }",
    "tcp dport 70-90",
    "tcp dport > 1000",
    "tcp dport <= 80",
    "th dport @ports",
    "th dport 53",
    "udp dport != 54",
    "udp dport { 53, 5353 }",
    "tcp sport 1024-65535",
    "tcp sport >= 1024",
    "tcp sport < 1024",
    "udp sport != 53",
    "meta l4proto tcp",
    "meta l4proto != tcp",
    "meta l4proto { tcp, udp }",
    "ip protocol tcp",
    "ip protocol != udp",
    "ip6 nexthdr tcp",
    "ip version 4",
    "meta nfproto ipv4",
    "meta nfproto ipv6",
    "meta protocol ip",
    "meta protocol { ip, ip6 }",
    "meta pkttype host",
    "meta pkttype { broadcast, multicast }",
    "iifname eth0",
    "iifname != eth0",
    "iifname \"pods*\"",
    "iifname { eth0, \"pods*\" }",
    "iifname != { eth0, lo }",
    "iif lo",
    "iif != lo",
    "oifname eth0",
    "oifname != \"pods*\"",
    "oifname lo",
    "iifname . ip saddr { eth0 . 198.51.100.7, pods0 . 10.244.1.9 }",
    "ct state new",
    "ct state established,related",
    "ct state != established,related",
    "ct state { new, untracked }",
    "ct state != { established, related }",
    "ct state invalid",
    "ct state ! new",
    "ct state == new",
    "ct state untracked",
    "ct status dnat",
    "ct status ! dnat",
    "ct status snat,dnat",
    "ct status & (seen-reply | assured) == 0",
    "ct status confirmed",
    "ct direction original",
    "ct direction reply",
    "ct direction != reply",
    "ct original ip daddr 10.96.0.10",
    "ct original ip saddr { 198.51.100.0/24, 10.244.1.9 }",
    "ct original ip daddr != 10.96.0.10",
    "ct original proto-dst 80",
    "ct mark 0",
    "ct mark 0x5",
    "ct mark & 0x80 == 0x80",
    "ct mark != 0",
    "meta mark 0",
    "meta mark & 0xff00 == 0x4000",
    "meta mark != 0",
    "meta mark { 0, 5-9 }",
    "meta mark @marks",
    "meta mark 0x4000-0x5000",
    "meta mark < 5",
    "meta mark & 0xf0000000 == 0",
    "tcp flags syn",
    "tcp flags & (fin | syn | rst | ack) == syn",
    "tcp flags & (fin | syn | rst | ack) != syn",
    "tcp flags == syn",
    "tcp flags != syn",
    "tcp flags ! fin,rst",
    "tcp flags { syn, syn | ack }",
    "tcp flags fin,ack",
    "fib daddr type local",
    "fib daddr type { local, broadcast }",
    "fib saddr type != local",
    "fib daddr . mark type unicast",
    "fib saddr . iif oif missing",
    "fib saddr . iif oif exists",
    "fib saddr . mark . iif oif 0",
    "limit rate 100/second burst 500 packets",
    "limit rate over 500/second burst 500 packets",
    "limit rate 500/minute burst 600 packets",
    "limit name slow",
    "limit name beyond",
    "quota over 10 mbytes",
    "quota until 10 mbytes",
    "quota name large",
    "ct count over 5000",
    "ct count 5000",
    "icmp type echo-request",
    "quota over 1000 bytes used 1000 bytes",
    "quota 1000 bytes used 1000 bytes",
    "quota 10 bytes",
    "quota over 10 bytes",
    "quota name gone",
];

/// Whole rules.
const RULES: [&str; 72] = [
    "iifname vmap @byif",
    "oifname vmap { eth0 : jump side, \"pods*\" : jump other }",
    "iifname vmap { \"po*\" : jump other, eth0 : drop }",
    "iifname . ip saddr vmap { eth0 . 198.51.100.7 : drop, pods0 . 10.244.1.9 : jump side }",
    "ct state vmap { established : accept, related : accept, invalid : drop, new : jump side }",
    "ct state vmap @bystate",
    "ct direction vmap { original : jump other, reply : accept }",
    "tcp dport vmap { 22 : accept, 80-90 : jump side, 8000-9000 : drop }",
    "th dport vmap @byport",
    "tcp dport vmap @byport",
    "ip daddr . tcp dport vmap @byaddr",
    "ip daddr . tcp dport vmap { 192.168.0.11 . 80 : drop, * : jump other }",
    "ip daddr vmap { 10.244.1.0/24 : jump other, 192.168.0.12 : drop }",
    "ip saddr vmap { 198.51.100.0/24 : drop, * : continue }",
    "fib daddr type vmap { local : jump side, broadcast : drop }",
    "fib daddr type vmap @bytype",
    "meta l4proto vmap @byproto",
    "meta l4proto vmap { tcp : jump side, udp : drop, icmp : accept }",
    "meta mark vmap { 0 : jump side, 0x4000 : drop }",
    "meta mark & 0x3 vmap { 0 : jump other, 1 : drop }",
    "ip daddr & 0.0.0.3 vmap { 0.0.0.0 : drop, 0.0.0.1 : jump other }",
    "meta nfproto vmap { ipv4 : jump side, ipv6 : drop }",
    "meta mark set ip saddr map @tomark",
    "meta mark set ip saddr map { 198.51.100.0/24 : 0x5, 10.244.1.9 : 0x10000 }",
    "meta mark set tcp dport map { 80 : 0x5, 8080 : 0x10000 }",
    "meta mark set 0x10005",
    "meta mark set meta mark & 0xfffeffff",
    "meta mark set meta mark | 0x10000",
    "meta mark set meta mark ^ 0x5",
    "meta mark set meta mark & 0xff00ffff | 0x00050000",
    "meta mark set (meta mark | 0x3) ^ 0x8006",
    "meta mark set meta mark << 4",
    "meta mark set meta mark >> 10",
    "meta mark set ct mark",
    "meta mark set ct mark & 0xff",
    "ct mark set meta mark",
    "ct mark set meta mark & 0x10000",
    "ct mark set ct mark | 0x80",
    "ct mark set 0x5",
    "ct mark & 0x80 == 0x80 meta mark set ct mark & 0x80",
    "ct mark 0x5 drop",
    "jump marked",
    "goto marked",
    "meta mark & 0x10000 == 0x10000 accept",
    "ip saddr 198.51.100.7 return",
    "reject",
    "ip saddr 198.51.100.7 reject with icmp host-prohibited",
    "reject with icmpx admin-prohibited",
    "reject with icmpv6 addr-unreachable",
    "reject with icmp port-unreachable",
    "meta l4proto tcp reject with tcp reset",
    "meta l4proto udp reject with icmpx port-unreachable",
    "log prefix \"seen drop: \" group 2 continue",
    "counter name count",
    "counter accept",
    "meta nftrace set 1",
    "meta priority set 1:10",
    "ip dscp set cs1",
    "ct zone 0 accept",
    "tcp option maxseg size set 1200",
    "add @seen { ip saddr }",
    "add @seen { ip saddr limit rate over 1000/second burst 500 packets } drop",
    "update @seen { ip daddr counter } meta mark set 0x5",
    "ip saddr @seen drop",
    "numgen random mod 2 vmap { 0 : drop, 1 : jump side }",
    "numgen random mod 10 < 3 drop",
    "numgen inc mod 100 vmap { 0-49 : jump other, 50-99 : drop }",
    "meta mark set numgen random mod 2",
    "jhash ip saddr mod 2 vmap { 0 : drop, 1 : jump other }",
    "ip ttl < 70 drop",
    "meta length > 1000 drop",
    "ip saddr 198.51.100.7 tcp dport 80 drop comment \"a ; b { c }\"",
];

/// Rules of nat chains that translate destinations.
const DESTINATIONS: [&str; 14] = [
    "meta l4proto tcp dnat ip to 10.244.1.7:8081",
    "ip daddr 192.168.0.11 dnat ip to 10.244.1.7",
    "meta l4proto tcp ip daddr 192.168.0.11 redirect to :8080",
    "meta l4proto tcp redirect",
    "ip daddr 203.0.113.0/24 redirect",
    "meta l4proto tcp dnat ip to tcp dport map @toaddr",
    "meta l4proto tcp dnat ip to tcp dport map { 80 : 10.244.1.7 . 8081, 8080 : 10.244.1.8 . 80 }",
    "dnat ip to ip daddr map { 192.168.0.11 : 10.244.1.7, 203.0.113.5 : 10.244.1.8 }",
    "dnat ip to 10.244.1.20-10.244.1.23",
    "meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.244.1.7 . 8081, 1 : 10.244.1.8 . 8082 }",
    "dnat ip to numgen inc mod 2 map { 0 : 10.244.1.7, 1 : 10.244.1.8 }",
    "dnat ip prefix to ip daddr map { 192.168.0.0/24 : 10.244.1.0/24 }",
    "meta l4proto tcp dnat ip6 to [fd00:10:244:1::7]:8081",
    "meta l4proto tcp dnat ip to 10.244.1.7:8081-8084",
];

/// Rules of nat chains that translate sources.
const SOURCES: [&str; 10] = [
    "masquerade",
    "ip saddr 10.244.1.0/24 masquerade fully-random",
    "meta l4proto tcp masquerade to :1024-65535 random,persistent",
    "oifname eth0 snat ip to 192.168.0.12",
    "snat ip to ip saddr map { 10.244.1.9 : 192.168.0.12, 198.51.100.7 : 192.168.0.11 }",
    "meta l4proto tcp snat ip to 192.168.0.12:2000-3000 random",
    "snat ip prefix to ip saddr map { 10.244.1.0/24 : 192.168.7.0/24 }",
    "meta mark & 0x4000 == 0x4000 return",
    "ip daddr 10.0.0.0/8 return",
    "snat ip to 192.168.0.12-192.168.0.14",
];

/// Hooks, with priorities before kube-proxy's chains and after them, and before connection tracking.
const PLACES: [(&str, &[i32]); 5] = [
    ("prerouting", &[-350, -150, -90, 5]),
    ("input", &[-10, 10, 200]),
    ("forward", &[-10, 10]),
    ("output", &[-350, -150, -90]),
    ("postrouting", &[-10, 90, 150]),
];

impl Setting {
    pub(super) fn filter(name: &str, (hook, priority): (&'static str, i32), rules: Vec<String>) -> Setting {
        Setting {
            name: format!("{name} at {hook} {priority}"),
            rules,
            hook,
            kind: "filter",
            priority,
            policy: "accept",
            beside: String::new(),
        }
    }

    fn nat(name: &str, (hook, priority): (&'static str, i32), rules: Vec<String>) -> Setting {
        Setting { kind: "nat", ..Setting::filter(name, (hook, priority), rules) }
    }

    /// The same of a type, with another table behind it.
    pub(super) fn beside(self, kind: &'static str, beside: String) -> Setting {
        Setting { kind, beside, ..self }
    }

    /// What nft loads. There is also a dormant table and one of another family, which no packet sees.
    pub(super) fn script(&self) -> String {
        // Errors that the node sends must pass, or else no one would see what is refused.
        let answers =
            if self.kind == "nat" { "" } else { "        meta l4proto { icmp, ipv6-icmp } accept\n" };
        let rules: String = self.rules.iter().map(|rule| format!("        {rule}\n")).collect();
        format!(
            "{KUBE}table inet judged {{{}{OBJECTS}    chain judged {{\n        type {} hook {} priority {}; policy {};\n{answers}{rules}    }}\n}}\n{}",
            ipv6::OBJECTS,
            self.kind,
            self.hook,
            self.priority,
            self.policy,
            self.beside
        )
    }
}

/// Each fragment by itself, in one place or, in the full run, in several.
pub(super) fn single(full: bool) -> Vec<Setting> {
    let places: Vec<(&'static str, i32)> = PLACES
        .iter()
        .flat_map(|(hook, priorities)| priorities.iter().map(|priority| (*hook, *priority)))
        .collect();
    let mut found = Vec::new();
    let mut dice = Random::new(1);
    let matches = MATCHES.iter().chain(&ipv6::MATCHES).chain(&rare::MATCHES).chain(&rare::NOT_TOLD);
    let rules = matches.map(|one| vec![format!("{one} drop")]);
    // A rule that only changes something is followed by one that shows it.
    let whole =
        RULES.iter().chain(&ipv6::RULES).map(|rule| vec![(*rule).to_owned(), "jump marked".to_owned()]);
    for rules in rules.chain(whole) {
        let count = if full { 4 } else { 1 };
        let chosen: Vec<_> = (0..count).map(|_| dice.pick(&places)).collect();
        found.extend(chosen.into_iter().map(|place| Setting::filter("single", place, rules.clone())));
    }
    for (place, rule) in rare::RULES {
        found.push(Setting::filter("single", place, vec![rule.to_owned(), "jump marked".to_owned()]));
    }
    for rule in DESTINATIONS.into_iter().chain(ipv6::DESTINATIONS) {
        for place in [("prerouting", -110), ("prerouting", -90), ("output", -101)] {
            found.push(Setting::nat("single", place, vec![rule.to_owned()]));
        }
    }
    for rule in SOURCES.into_iter().chain(ipv6::SOURCES) {
        for place in [("postrouting", 90), ("postrouting", 110), ("input", 100)] {
            found.push(Setting::nat("single", place, vec![rule.to_owned()]));
        }
    }
    for place in [("prerouting", -350), ("output", -350), ("prerouting", -150)] {
        found.push(Setting::filter("single", place, vec!["ip saddr 198.51.100.7 notrack".to_owned()]));
        found.push(Setting::filter("single", place, vec!["tcp dport 80 notrack".to_owned()]));
    }
    found.extend(sequences::all());
    found
}

/// Several fragments at a time, at random.
pub(super) fn random(count: usize) -> Vec<Setting> {
    let places: Vec<(&'static str, i32)> = PLACES
        .iter()
        .flat_map(|(hook, priorities)| priorities.iter().map(|priority| (*hook, *priority)))
        .collect();
    let mut dice = Random::new(seed());
    (0..count)
        .map(|_| {
            let rules = (0..2 + dice.below(5)).map(|_| rule(&mut dice)).collect();
            let place = dice.pick(&places);
            let nat = dice.one_in(6);
            let policy = if dice.one_in(4) { "drop" } else { "accept" };
            if nat {
                let (place, rules) = translation(&mut dice);
                return Setting::nat("random", place, rules);
            }
            Setting { policy, ..Setting::filter("random", place, rules) }
        })
        .collect()
}

fn rule(dice: &mut Random) -> String {
    match dice.below(3) {
        0 if dice.one_in(4) => dice.pick(&ipv6::RULES).to_owned(),
        0 => dice.pick(&RULES).to_owned(),
        _ => {
            let mut rule = matches(dice).to_owned();
            if dice.below(2) == 0 {
                rule = format!("{rule} {}", matches(dice));
            }
            let verdicts = [
                "drop",
                "accept",
                "return",
                "jump side",
                "goto other",
                "jump marked",
                "counter",
                "reject",
                "meta mark set meta mark | 0x10000",
                "meta mark set 0x5",
                "continue",
                "ct mark set 0x5",
            ];
            format!("{rule} {}", dice.pick(&verdicts))
        }
    }
}

fn matches(dice: &mut Random) -> &'static str {
    match dice.below(16) {
        0..4 => dice.pick(&ipv6::MATCHES),
        4 => dice.pick(&rare::MATCHES),
        5 if dice.one_in(3) => dice.pick(&rare::NOT_TOLD),
        _ => dice.pick(&MATCHES),
    }
}

fn translation(dice: &mut Random) -> ((&'static str, i32), Vec<String>) {
    let (places, list): (&[(&'static str, i32)], [&[&str]; 2]) = match dice.below(2) {
        0 => (
            &[("prerouting", -110), ("prerouting", -90), ("output", -90)],
            [&DESTINATIONS, &ipv6::DESTINATIONS],
        ),
        _ => (&[("postrouting", 90), ("postrouting", 110)], [&SOURCES, &ipv6::SOURCES]),
    };
    let place = dice.pick(places);
    let count = 1 + dice.below(3);
    let rules = (0..count)
        .map(|_| match dice.below(2) {
            0 => {
                let list = list[usize::from(dice.below(3) == 0)];
                dice.pick(list).to_owned()
            }
            _ => format!(
                "{} {}",
                dice.pick(&MATCHES[..30]),
                dice.pick(&["return", "accept", "drop", "meta mark set 0x4000"])
            ),
        })
        .collect();
    (place, rules)
}
