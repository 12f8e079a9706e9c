//! Fragments that programs seldom use, out of all in the specification.

/// Matches that the walk answers.
pub(super) const MATCHES: [&str; 13] = [
    "meta iif lo",
    "ct protocol tcp",
    "ct l3proto ipv4",
    "th sport 1024-65535",
    "sctp dport 80",
    "dccp dport != 80",
    "esp spi 5",
    "ah spi != 5",
    "udplite dport 53",
    "icmp type { echo-request }",
    "log group 1",
    "reset tcp option sack",
    "tcp option maxseg size set 1200",
];

/// Matches on what is not known of the packet.
pub(super) const NOT_TOLD: [&str; 42] = [
    "symhash mod 2 0",
    "@nh,96,32 0xc6336407",
    "@th,16,16 80",
    "meta skuid 0",
    "meta skgid != 0",
    "meta cgroup 5",
    "meta time > 0",
    "meta hour \"00:00\"-\"23:59\"",
    "meta day Sunday",
    "meta cpu 0",
    "meta rtclassid 5",
    "meta iiftype ether",
    "meta random < 5",
    "meta priority 1:10",
    "meta iifkind \"veth\"",
    "meta sdifname eth0",
    "meta ipsec exists",
    "rt mtu 1500",
    "osf name \"Linux\"",
    "iifgroup 0",
    "ether saddr 00:11:22:33:44:55",
    "ct helper \"ftp\"",
    "ct expiration > 1s",
    "ct bytes > 5",
    "ct packets > 5",
    "ct label 5",
    "ct id 5",
    "ct zone 5",
    "ct reply ip saddr 10.244.1.5",
    "ipsec in reqid 5",
    "ip dscp cs1",
    "ip length > 100",
    "ip id 5",
    "ip frag-off & 0x1fff != 0",
    "ip ecn ce",
    "ip6 flowlabel 5",
    "tcp option maxseg size 1-1000",
    "tcp option sack-perm exists",
    "tcp window > 5",
    "tcp sequence 5",
    "udp length > 9",
    "counter name ip saddr map { 198.51.100.7 : \"count\" }",
];

/// Whole rules for some places.
pub(super) const RULES: [((&str, i32), &str); 11] = [
    (("prerouting", -350), "ip daddr 203.0.113.5 ip daddr set 10.244.1.7"),
    (("prerouting", -350), "tcp dport 443 tcp dport set 8081"),
    (("output", -350), "ip6 daddr 2001:db8:5::5 ip6 daddr set fd00:10:244:1::7"),
    (("prerouting", -350), "ct zone set 5"),
    (("prerouting", -150), "meta l4proto tcp tproxy to :5000 meta mark set 1 accept"),
    (("prerouting", -150), "meta l4proto tcp tproxy to :5000"),
    (("prerouting", -150), "socket transparent 1 drop"),
    (("forward", -10), "meta l4proto tcp synproxy mss 1460 wscale 7 timestamp sack-perm"),
    (("forward", 10), "ct label set 5"),
    (("input", 10), "delete @seen { ip saddr }"),
    (("prerouting", -90), "meta l4proto tcp socket mark 1 drop"),
];

/// Whether rules match on what is not known of the packet.
pub(super) fn are_not_told(rules: &[String]) -> bool {
    let mut fragments = NOT_TOLD.iter().chain(&["tproxy", "socket", "synproxy"]);
    fragments.any(|fragment| rules.iter().any(|rule| rule.contains(fragment)))
}
