use super::{from_node, host, lines, tcp, walked};
use crate::net::{Cidr, Family, Port, Protocol};
use crate::nftables::ruleset::*;
use crate::ruleset;
use crate::walk::{Effect, Walker};

const KEY: [Field; 3] = [Field::DestinationAddress(Family::Ipv4), Field::L4Protocol, Field::DestinationPort];

fn chain(name: &str, base: Option<(&str, Hook, i32)>, rules: Vec<Vec<Statement>>) -> Chain {
    Chain {
        name: name.into(),
        comment: None,
        base: base.map(|(kind, hook, priority)| BaseChain {
            kind: kind.into(),
            hook,
            device: None,
            priority,
            drops_by_default: false,
        }),
        rules: rules
            .into_iter()
            .map(|statements| PlacedRule { rule: Rule { statements, comment: None }, origin: None })
            .collect(),
    }
}

fn verdict(verdict: Verdict) -> Statement {
    Statement::Verdict(verdict)
}

fn jump(chain: &str) -> Statement {
    verdict(Verdict::Jump(chain.into()))
}

fn goto(chain: &str) -> Verdict {
    Verdict::Goto(chain.into())
}

fn set(name: &str, elements: Vec<Element>, flags: &[&str]) -> Set {
    Set {
        name: name.into(),
        key: vec![DataType::Ipv4Addr],
        maps_to: None,
        size: None,
        flags: flags.iter().map(|flag| (*flag).into()).collect(),
        timeout_seconds: None,
        comment: None,
        opaque: Vec::new(),
        elements,
    }
}

fn element(key: Vec<Datum>, value: Option<Verdict>) -> Element {
    Element { key, comment: None, value: value.map(MapValue::Verdict), opaque: None, origin: None }
}

fn portal(ip: &str, port: i64, to: Verdict) -> Element {
    let key = vec![
        Datum::Address(ip.parse().unwrap()),
        Datum::Protocol(Protocol::Tcp),
        Datum::Port(Port::new(port).unwrap()),
    ];
    element(key, Some(to))
}

fn cluster_ip_check() -> Statement {
    Statement::Address {
        field: Field::DestinationAddress(Family::Ipv4),
        negated: false,
        addresses: Addresses::Named("cluster-ips".into()),
    }
}

fn vmap(map: &str) -> Statement {
    Statement::VerdictMap { key: KEY.to_vec(), map: map.into() }
}

fn table(sets: Vec<Set>, chains: Vec<Chain>) -> ruleset::Ruleset {
    let (family, opaque) = (TableFamily::Ip, Vec::new());
    let counters = Vec::new();
    let table = Table { family, name: "kube-proxy".into(), comment: None, counters, sets, chains, opaque };
    ruleset::Ruleset::nftables(Ruleset { tables: vec![table] }, Family::Ipv4)
}

/// The form of 1.36: two Services, one of them with affinity.
fn kube_proxy() -> ruleset::Ruleset {
    let destinations = vec![(0, "10.244.1.5:8080".parse().unwrap()), (1, "10.244.2.5:8080".parse().unwrap())];
    let remembered = |set: &str, chain: &str| {
        vec![
            Statement::Address {
                field: Field::SourceAddress(Family::Ipv4),
                negated: false,
                addresses: Addresses::Named(set.into()),
            },
            verdict(goto(chain)),
        ]
    };
    let endpoint = |name: &str, set: &str, to: &str| {
        chain(
            name,
            None,
            vec![
                vec![Statement::UpdateSet { set: set.into(), field: Field::SourceAddress(Family::Ipv4) }],
                vec![Statement::L4Protocol(Protocol::Tcp), Statement::Dnat(to.parse().unwrap())],
            ],
        )
    };
    let hairpin = vec![
        Datum::Address("10.244.1.5".parse().unwrap()),
        Datum::Address("10.244.1.5".parse().unwrap()),
        Datum::Protocol(Protocol::Tcp),
        Datum::Port(Port::new(8080).unwrap()),
    ];
    let mut hairpin_key = vec![Field::SourceAddress(Family::Ipv4)];
    hairpin_key.extend(KEY);
    let memory = ["dynamic", "timeout"];
    table(
        vec![
            set("hairpin-connections", vec![element(hairpin, None)], &[]),
            set(
                "cluster-ips",
                vec![
                    element(vec![Datum::Address("10.96.0.1".parse().unwrap())], None),
                    element(vec![Datum::Address("10.96.0.2".parse().unwrap())], None),
                ],
                &[],
            ),
            set(
                "service-ips",
                vec![portal("10.96.0.1", 80, goto("service-a")), portal("10.96.0.2", 80, goto("service-b"))],
                &[],
            ),
            set(
                "no-endpoint-services",
                vec![portal("10.96.0.2", 81, goto("reject-chain")), portal("203.0.113.5", 80, Verdict::Drop)],
                &[],
            ),
            set("affinity-1", vec![], &memory),
            set("affinity-2", vec![], &memory),
        ],
        vec![
            chain(
                "filter-forward",
                Some(("filter", Hook::Forward, 0)),
                vec![
                    vec![Statement::ConntrackState(vec!["new".into()]), vmap("no-endpoint-services")],
                    vec![cluster_ip_check(), Statement::Reject],
                ],
            ),
            chain("nat-prerouting", Some(("nat", Hook::Prerouting, -100)), vec![vec![jump("services")]]),
            chain("nat-output", Some(("nat", Hook::Output, -100)), vec![vec![jump("services")]]),
            chain("nat-postrouting", Some(("nat", Hook::Postrouting, 100)), vec![vec![jump("masquerading")]]),
            chain(
                "services",
                None,
                vec![
                    vec![
                        cluster_ip_check(),
                        Statement::Address {
                            field: Field::SourceAddress(Family::Ipv4),
                            negated: true,
                            addresses: Addresses::One(Cidr::parse_lenient("10.244.0.0/16").unwrap()),
                        },
                        Statement::SetMarkOr(0x4000),
                    ],
                    vec![vmap("service-ips")],
                ],
            ),
            chain(
                "masquerading",
                None,
                vec![
                    vec![
                        Statement::Mark { mask: 0x4000, negated: true, value: 0 },
                        Statement::SetMarkXor(0x4000),
                        Statement::Masquerade { fully_random: true },
                    ],
                    vec![
                        Statement::ConntrackStatusDnat,
                        Statement::InSet {
                            key: hairpin_key,
                            negated: false,
                            set: "hairpin-connections".into(),
                        },
                        Statement::Masquerade { fully_random: true },
                    ],
                ],
            ),
            chain("reject-chain", None, vec![vec![Statement::Reject]]),
            chain(
                "service-a",
                None,
                vec![vec![
                    Statement::L4Protocol(Protocol::Tcp),
                    Statement::RandomDnat { family: Family::Ipv4, modulus: 2, destinations },
                ]],
            ),
            chain(
                "service-b",
                None,
                vec![
                    remembered("affinity-1", "endpoint-1"),
                    remembered("affinity-2", "endpoint-2"),
                    vec![Statement::RandomVerdict {
                        modulus: 2,
                        verdicts: vec![(0, goto("endpoint-1")), (1, goto("endpoint-2"))],
                    }],
                ],
            ),
            endpoint("endpoint-1", "affinity-1", "10.244.1.6:80"),
            endpoint("endpoint-2", "affinity-2", "10.244.2.6:80"),
        ],
    )
}

#[test]
fn random_destinations_are_equally_likely() {
    let (rules, host) = (kube_proxy(), host());
    let walker = Walker::new(&rules, &host);
    let outcomes = walker.walk(&tcp("10.244.1.9", "10.96.0.1:80")).unwrap();
    assert_eq!(lines(&outcomes), ["accept 10.244.1.5:8080 1/2", "accept 10.244.2.5:8080 1/2"]);
    let effects: Vec<_> = outcomes[0].steps.iter().flat_map(|step| step.effects.clone()).collect();
    assert_eq!(
        effects,
        [
            Effect::Jump("services"),
            Effect::Goto("service-a"),
            Effect::Dnat("10.244.1.5:8080".parse().unwrap()),
            Effect::RouteForward,
        ]
    );
}

#[test]
fn hairpin_and_outside_traffic_is_masqueraded() {
    let (rules, host) = (kube_proxy(), host());
    let walker = Walker::new(&rules, &host);
    assert_eq!(
        walked(&walker, &tcp("10.244.1.5", "10.96.0.1:80")),
        ["accept 10.244.1.5:8080 1/2 snat", "accept 10.244.2.5:8080 1/2"]
    );
    for packet in [tcp("198.51.100.7", "10.96.0.1:80"), from_node("10.96.0.1:80")] {
        assert_eq!(
            walked(&walker, &packet),
            ["accept 10.244.1.5:8080 1/2 snat", "accept 10.244.2.5:8080 1/2 snat"]
        );
    }
}

#[test]
fn services_without_endpoints_reject_or_drop() {
    let (rules, host) = (kube_proxy(), host());
    let walker = Walker::new(&rules, &host);
    let goes = |to| walked(&walker, &tcp("10.244.1.9", to));
    assert_eq!(goes("10.96.0.2:81"), ["reject PortUnreachable 10.96.0.2:81 1/1"]);
    assert_eq!(goes("10.96.0.1:82"), ["reject PortUnreachable 10.96.0.1:82 1/1"]);
    assert_eq!(goes("203.0.113.5:80"), ["drop 203.0.113.5:80 1/1"]);
    assert_eq!(goes("203.0.113.5:81"), ["accept 203.0.113.5:81 1/1"]);
}

#[test]
fn affinity_sets_are_conditions() {
    let (rules, host) = (kube_proxy(), host());
    let walker = Walker::new(&rules, &host);
    assert_eq!(
        walked(&walker, &tcp("10.244.1.9", "10.96.0.2:80")),
        [
            "accept 10.244.1.6:80 1/2",
            "accept 10.244.2.6:80 1/2",
            "accept 10.244.1.6:80 1/1 if on affinity-1",
            "accept 10.244.2.6:80 1/1 if on affinity-2",
        ]
    );
}

#[test]
fn accept_ends_one_base_chain_and_drop_all() {
    let filter = |name, priority, act| {
        chain(
            name,
            Some(("filter", Hook::Forward, priority)),
            vec![vec![verdict(act)], vec![verdict(Verdict::Drop)]],
        )
    };
    let host = host();
    let packet = tcp("10.244.1.9", "10.96.0.1:80");
    let rules =
        table(vec![], vec![filter("late", 10, Verdict::Accept), filter("early", -10, Verdict::Accept)]);
    let walker = Walker::new(&rules, &host);
    let outcomes = walker.walk(&packet).unwrap();
    assert_eq!(lines(&outcomes), ["accept 10.96.0.1:80 1/1"]);
    let chains: Vec<_> =
        outcomes[0].steps.iter().filter_map(|step| step.rule.map(|rule| rule.chain_name())).collect();
    assert_eq!(chains, ["early", "late"]);
    let rules = table(vec![], vec![filter("early", -10, Verdict::Accept), filter("late", 10, Verdict::Drop)]);
    let walker = Walker::new(&rules, &host);
    assert_eq!(walked(&walker, &packet), ["drop 10.96.0.1:80 1/1"]);
}

#[test]
fn the_first_translation_binds_the_connection() {
    let nat = |name, priority, to: &str| {
        chain(
            name,
            Some(("nat", Hook::Prerouting, priority)),
            vec![vec![Statement::Dnat(to.parse().unwrap())]],
        )
    };
    let rules = table(vec![], vec![nat("second", -90, "10.0.0.2:80"), nat("first", -150, "10.0.0.1:80")]);
    let host = host();
    let walker = Walker::new(&rules, &host);
    assert_eq!(walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")), ["accept 10.0.0.1:80 1/1"]);
}

fn read(rules: &str) -> ruleset::Ruleset {
    ruleset::Ruleset::nftables(crate::nftables::parse::parse_listing(rules).unwrap(), Family::Ipv4)
}

fn input(rules: &str) -> ruleset::Ruleset {
    read(&format!(
        "table inet filter {{\n\tmap doors {{\n\t\ttype ifname : verdict\n\t\tflags interval\n\t\telements = {{ \"eth0\" : drop, \"eni*\" : accept }}\n\t}}\n\
         \tchain in {{\n\t\ttype filter hook input priority filter + 10; policy accept;\n{rules}\t}}\n}}\n"
    ))
}

#[test]
fn foreign_statements_are_understood_as_far_as_they_go() {
    let host = host();
    let packet = tcp("198.51.100.7", "192.168.0.11:30080");
    let lines = |rules: &str| walked(&Walker::new(&input(rules), &host), &packet);
    assert_eq!(
        lines(
            "\t\tct state { established, related } accept\n\t\tiifname \"lo\" accept\n\
             \t\ttcp dport { 22, 10250, 30000-32767 } accept\n\t\treject with icmpx admin-prohibited\n"
        ),
        ["accept 192.168.0.11:30080 1/1 local"]
    );
    assert_eq!(
        lines("\t\tiifname vmap @doors\n"),
        [
            "drop 192.168.0.11:30080 1/1 if in interface eth0 is true",
            "accept 192.168.0.11:30080 1/1 local if in interface eth0 is false",
        ]
    );
    assert_eq!(
        lines("\t\tct state vmap { established : accept, new : drop }\n"),
        ["drop 192.168.0.11:30080 1/1"]
    );
    assert_eq!(
        lines(
            "\t\tmeta mark set ip daddr map { 192.168.0.0/24 : 0x00000013 }\n\t\tmeta mark & 0x00000010 == 0x00000010 drop\n"
        ),
        ["drop 192.168.0.11:30080 1/1"]
    );
    assert_eq!(
        lines("\t\tsomething new drop\n"),
        [
            "drop 192.168.0.11:30080 1/1 if something new is true",
            "accept 192.168.0.11:30080 1/1 local if something new is false",
        ]
    );
    assert_eq!(
        lines("\t\tsomething set new\n"),
        [
            "drop 192.168.0.11:30080 1/1 if something set new is drop",
            "accept 192.168.0.11:30080 1/1 local if something set new is accept or continue",
        ]
    );
}

#[test]
fn a_table_that_sleeps_does_nothing() {
    let host = host();
    let packet = tcp("198.51.100.7", "192.168.0.11:30080");
    for (flags, expected) in
        [("", "drop 192.168.0.11:30080 1/1"), ("\tflags dormant\n", "accept 192.168.0.11:30080 1/1 local")]
    {
        let text = format!(
            "table inet t {{\n{flags}\tchain c {{\n\t\ttype filter hook input priority filter; policy drop;\n\t}}\n}}\n"
        );
        assert_eq!(walked(&Walker::new(&read(&text), &host), &packet), [expected]);
    }
}

/// Offloading is not among the kernel's tests, as not every kernel has flowtables.
#[test]
fn a_statement_beside_the_way_can_end_its_rule() {
    let host = host();
    let packet = tcp("198.51.100.7", "192.168.0.11:30080");
    let (accepted, dropped) = ("accept 192.168.0.11:30080 1/1 local", "drop 192.168.0.11:30080 1/1");
    let counted = "counter name ip saddr map { 198.51.100.7 : \"a\" }";
    let either = [format!("{accepted} if {counted} is false"), format!("{dropped} if {counted} is true")];
    for (statement, expected) in [
        ("flow add @offload", vec![accepted]),
        ("reset tcp option sack", vec![dropped]),
        ("quota over 10 mbytes used 10 mbytes", vec![dropped]),
        ("quota 10 mbytes used 10 mbytes", vec![accepted]),
        (counted, either.iter().map(String::as_str).collect()),
    ] {
        let text = format!(
            "table inet t {{\n\tchain c {{\n\t\ttype filter hook input priority filter; policy accept;\n\t\t{statement} drop\n\t}}\n}}\n"
        );
        let mut found = walked(&Walker::new(&read(&text), &host), &packet);
        found.sort_unstable();
        assert_eq!(found, expected, "{statement}");
    }
}

/// One ruleset can have rules for both families; what rules of one family tell apart says nothing about the other.
#[test]
fn packets_of_both_families_pass_one_ruleset() {
    let table = |family: &str, rule: &str| {
        let chain = format!(
            "\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n\t\t{rule} drop\n\t}}\n"
        );
        format!("table {family} filter {{\n{chain}}}\n")
    };
    let rules = read(&(table("ip", "ip saddr 10.244.1.9") + &table("ip6", "ip6 saddr fd00:10:244:1::9")));
    let host = host();
    let walker = Walker::new(&rules, &host);
    let is_dropped = |from: &str, to: &str| walked(&walker, &tcp(from, to))[0].starts_with("drop");
    for (last, dropped) in [("8", false), ("9", true)] {
        assert_eq!(is_dropped(&format!("10.244.1.{last}"), "10.244.2.4:80"), dropped);
        assert_eq!(is_dropped(&format!("fd00:10:244:1::{last}"), "[fd00:10:244:2::4]:80"), dropped);
    }
}
