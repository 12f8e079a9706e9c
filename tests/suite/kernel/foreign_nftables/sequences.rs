//! Rules that stand behind each other, of which the later asks for what the earlier changed; and chains of one priority.

use super::fragments::Setting;

/// Rules of one chain.
const SEQUENCES: [((&str, i32), &[&str]); 36] = [
    // What a rule puts into a set is there for the one key alone.
    (("prerouting", -150), &["add @seen { ip saddr }", "ip saddr @seen drop"]),
    (("prerouting", -150), &["update @seen { ip saddr }", "ip saddr @seen drop"]),
    (("prerouting", -150), &["update @seen { ip saddr }", "ip saddr != @seen drop"]),
    (("prerouting", -150), &["add @seen { ip daddr }", "ip daddr @seen drop", "ip saddr @seen drop"]),
    (("prerouting", -150), &["update @seen { ip daddr }", "meta l4proto udp ip saddr @seen drop"]),
    (("prerouting", -150), &["add @seen { ip saddr }", "delete @seen { ip saddr }", "ip saddr @seen drop"]),
    (("input", 10), &["delete @hosts2 { ip saddr }", "ip saddr @hosts2 drop"]),
    (("input", 10), &["add @both { ip saddr . tcp dport }", "ip saddr . tcp dport @both drop"]),
    (("forward", 10), &["add @both { ip saddr . tcp sport }", "ip saddr . tcp sport @both drop"]),
    (
        ("prerouting", -150),
        &[
            "update @seen { ip saddr limit rate over 1000/second burst 500 packets } drop",
            "ip saddr @seen drop",
        ],
    ),
    // What a rule assigns is so from then on, and not before.
    (("forward", -10), &["ip dscp cs1 accept", "ip dscp set cs1", "ip dscp cs1 drop"]),
    (("forward", -10), &["ip ttl 5 accept", "ip ttl set 5", "ip ttl 5 drop"]),
    (("output", -90), &["meta priority 1:10 accept", "meta priority set 1:10", "meta priority 1:10 drop"]),
    (("prerouting", -150), &["ct label 5 accept", "ct label set 5", "ct label 5 drop"]),
    (("prerouting", -150), &["meta random < 2147483648 accept", "meta random < 2147483648 drop"]),
    (
        ("prerouting", -150),
        &["meta mark set jhash ip saddr mod 4", "meta mark 1 accept", "meta mark set 1", "meta mark 1 drop"],
    ),
    (
        ("prerouting", -150),
        &[
            "meta mark set jhash ip saddr mod 4",
            "meta mark 1 accept",
            "meta mark set jhash ip daddr mod 4",
            "meta mark 1 drop",
        ],
    ),
    // Connection tracking has not seen the packet at its own priority.
    (("prerouting", -200), &["ct state new drop"]),
    (("prerouting", -199), &["ct state new drop"]),
    (("output", -200), &["ct state invalid drop"]),
    (("prerouting", -150), &["jump side", "goto other", "drop"]),
    (
        ("prerouting", -150),
        &["ip daddr . tcp dport vmap { 192.168.0.11 . 80 : goto side, 10.96.0.10 . 0-100 : return }", "drop"],
    ),
    (("prerouting", -90), &["tcp flags != syn / syn,ack drop"]),
    (("prerouting", -90), &["tcp flags vmap { syn : drop, ack : accept }"]),
    // Elements with limits of their own end a rule, negated or not.
    (("prerouting", -150), &["ip saddr @over drop"]),
    (("prerouting", -150), &["ip saddr != @over drop"]),
    (("prerouting", -150), &["ip saddr @within drop"]),
    (("prerouting", -150), &["ip saddr != @within drop"]),
    (("prerouting", -150), &["th dport @used drop"]),
    (("prerouting", -150), &["ip saddr @counted drop"]),
    (("prerouting", -150), &["ip saddr vmap @overmap"]),
    // A source port that a rule writes is the port from then on.
    (("prerouting", -350), &["tcp sport set 2222", "tcp sport 2222 drop"]),
    (("output", -350), &["udp sport set 80", "udp sport < 1024 drop"]),
    (("forward", 10), &["tcp sport set 2222", "ct original proto-src 2222 drop"]),
    (("prerouting", -350), &["tcp sport set 2222", "ct original proto-src 2222 drop"]),
    // Routing has already chosen the way of the node's own packets.
    (("output", -350), &["ip daddr 203.0.113.5 ip daddr set 192.168.0.11"]),
];

/// Chains of a second table, of a type, at a hook, with a priority, and its rule: of chains of one priority the one that is
/// registered last runs first.
const BESIDE: [(&str, (&str, i32), &str, &str); 8] = [
    ("filter", ("forward", -10), "meta mark set 0x5", "meta mark 0x5 drop"),
    ("filter", ("forward", -10), "meta mark 0x5 drop", "meta mark set 0x5"),
    ("filter", ("prerouting", -100), "ct status dnat drop", "meta mark set 0x5"),
    ("filter", ("postrouting", 100), "ip saddr 192.168.0.11 drop", "ct status snat drop"),
    (
        "nat",
        ("prerouting", -100),
        "meta l4proto tcp dnat ip to 10.244.1.7:8081",
        "meta l4proto tcp dnat ip to 10.244.1.8:8082",
    ),
    (
        "nat",
        ("output", -100),
        "meta l4proto tcp dnat ip to 10.244.1.7:8081",
        "meta l4proto tcp redirect to :8082",
    ),
    ("nat", ("input", 100), "meta mark 0x5 snat ip to 192.168.0.99", "snat ip to 192.168.0.98"),
    ("filter", ("input", 100), "meta mark set 0x5", "ct status snat drop"),
];

/// Of rules that ask for what no packet tells.
const NOT_TOLD: [&str; 8] = [
    "ip dscp",
    "ip ttl",
    "meta priority",
    "ct label",
    "meta random",
    "jhash",
    "ip saddr @seen",
    "delete @hosts2",
];

/// Whether rules ask for what no packet tells, or what packets before did.
pub(super) fn are_not_told(rules: &[String]) -> bool {
    let several = rules.len() > 1;
    several && NOT_TOLD.iter().any(|asked| rules.iter().any(|rule| rule.contains(asked)))
}

pub(super) fn all() -> Vec<Setting> {
    let rules = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
    let sequences = SEQUENCES.iter().map(|(place, of)| Setting::filter("in a row", *place, rules(of)));
    let beside = BESIDE.iter().map(|(kind, (hook, priority), first, second)| {
        let beside = format!(
            "table inet beside {{\n    chain beside {{\n        type {kind} hook {hook} priority {priority};\n        {second}\n    }}\n}}\n"
        );
        Setting::filter("beside", (*hook, *priority), rules(&[first])).beside(kind, beside)
    });
    sequences.chain(beside).collect()
}
