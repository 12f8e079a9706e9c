use super::{from_node, host, lines, tcp, walked};
use crate::iptables::parse::foreign;
use crate::iptables::ruleset::*;
use crate::net::{Cidr, Family, Port, Protocol};
use crate::ruleset;
use crate::walk::{Effect, Hook, WalkError, Walker};

fn chain(name: &'static str, rules: Vec<Rule>) -> Chain {
    let builtin = name == name.to_uppercase() && !name.contains('-');
    Chain {
        name: ChainName::fixed(name),
        policy: builtin.then_some(Policy::Accept),
        rules: rules.into_iter().map(|rule| PlacedRule { rule, origin: None, counters: None }).collect(),
        owner: if name.starts_with("KUBE-") { Owner::KubeProxy } else { Owner::Foreign },
        counters: Counters::default(),
    }
}

fn ruleset(tables: Vec<(TableName, Vec<Chain>)>) -> ruleset::Ruleset {
    let tables = tables.into_iter().map(|(name, chains)| Table { name, chains });
    Ruleset { family: Family::Ipv4, tables: tables.collect() }.into()
}

fn to(target: Target) -> Rule {
    Rule { target: Some(target), ..Rule::default() }
}

fn jump(chain: &'static str) -> Rule {
    to(Target::Jump(ChainName::fixed(chain)))
}

fn address(text: &str, negated: bool) -> Option<AddressMatch> {
    let net = Cidr::parse_lenient(text).unwrap();
    Some(AddressMatch { negated, net, written: None })
}

fn port(rule: Rule, port: i64) -> Rule {
    with(rule, Match::Transport { protocol: Protocol::Tcp, destination_port: Port::new(port) })
}

fn with(mut rule: Rule, m: Match) -> Rule {
    rule.matches.push(m);
    rule
}

fn from(rule: Rule, net: &str) -> Rule {
    let source = address(net, false);
    Rule { source, ..rule }
}

fn dest(rule: Rule, net: &str) -> Rule {
    let destination = address(net, false);
    Rule { destination, ..rule }
}

fn dnat(to_address: &str) -> Rule {
    to(Target::Dnat(Destination { address: to_address.parse().unwrap(), written: None }))
}

fn one_in(rule: Rule, n: u32) -> Rule {
    with(rule, Match::Probability(Probability::one_in(n)))
}

fn on_list(rule: Rule, list: &'static str, action: RecentAction) -> Rule {
    let list = ChainName::fixed(list);
    with(rule, Match::Recent { list, action })
}

fn marked(rule: Rule, negated: bool) -> Rule {
    with(rule, Match::Mark { negated, value: 0x4000, mask: 0x4000 })
}

fn local_destination(rule: Rule) -> Rule {
    with(rule, Match::AddressType { end: End::Destination, negated: false })
}

fn opaque(rule: Rule, text: &str) -> Rule {
    with(rule, foreign::read_match(text))
}

fn nat(chains: Vec<Chain>) -> (TableName, Vec<Chain>) {
    let mark = to(Target::SetMark { value: 0x4000, mask: 0x4000 });
    let mut all = vec![
        chain("PREROUTING", vec![jump("KUBE-SERVICES")]),
        chain("OUTPUT", vec![jump("KUBE-SERVICES")]),
        chain("POSTROUTING", vec![jump("KUBE-POSTROUTING")]),
        chain("KUBE-MARK-MASQ", vec![mark]),
        chain(
            "KUBE-POSTROUTING",
            vec![
                marked(to(Target::Return), true),
                to(Target::SetMark { value: 0x4000, mask: 0 }),
                to(Target::Masquerade { random_fully: true }),
            ],
        ),
    ];
    all.extend(chains);
    (TableName::Nat, all)
}

/// One Service with three endpoints, as kube-proxy writes it.
fn service() -> ruleset::Ruleset {
    let endpoint = |name: &'static str, ip: &str| {
        chain(name, vec![from(jump("KUBE-MARK-MASQ"), &format!("{ip}/32")), dnat(&format!("{ip}:8080"))])
    };
    ruleset(vec![nat(vec![
        chain(
            "KUBE-SERVICES",
            vec![
                port(dest(jump("KUBE-SVC-A"), "10.96.0.1/32"), 80),
                local_destination(jump("KUBE-NODEPORTS")),
            ],
        ),
        chain("KUBE-NODEPORTS", vec![port(jump("KUBE-MARK-MASQ"), 30080), port(jump("KUBE-SVC-A"), 30080)]),
        chain(
            "KUBE-SVC-A",
            vec![
                Rule {
                    source: address("10.244.0.0/16", true),
                    ..port(dest(jump("KUBE-MARK-MASQ"), "10.96.0.1/32"), 80)
                },
                one_in(jump("KUBE-SEP-1"), 3),
                one_in(jump("KUBE-SEP-2"), 2),
                jump("KUBE-SEP-3"),
            ],
        ),
        endpoint("KUBE-SEP-1", "10.244.1.5"),
        endpoint("KUBE-SEP-2", "10.244.2.5"),
        endpoint("KUBE-SEP-3", "10.244.3.5"),
    ])])
}

#[test]
fn a_cascade_of_probabilities_gives_equal_shares() {
    let (rules, host) = (service(), host());
    let walker = Walker::new(&rules, &host);
    assert_eq!(
        walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")),
        ["accept 10.244.1.5:8080 1/3", "accept 10.244.2.5:8080 1/3", "accept 10.244.3.5:8080 1/3",]
    );
}

#[test]
fn a_pod_that_reaches_itself_is_masqueraded() {
    let (rules, host) = (service(), host());
    let walker = Walker::new(&rules, &host);
    let outcomes = walker.walk(&tcp("10.244.1.5", "10.96.0.1:80")).unwrap();
    assert_eq!(lines(&outcomes)[0], "accept 10.244.1.5:8080 1/3 snat");
    assert_eq!(lines(&outcomes)[1], "accept 10.244.2.5:8080 1/3");
    let effects: Vec<_> = outcomes[0].steps.iter().map(|step| (step.hook, step.effects[0])).collect();
    assert_eq!(
        effects,
        [
            (Hook::Prerouting, Effect::Jump("KUBE-SERVICES")),
            (Hook::Prerouting, Effect::Jump("KUBE-SVC-A")),
            (Hook::Prerouting, Effect::Jump("KUBE-SEP-1")),
            (Hook::Prerouting, Effect::Jump("KUBE-MARK-MASQ")),
            (Hook::Prerouting, Effect::Mark(0x4000)),
            (Hook::Prerouting, Effect::Dnat("10.244.1.5:8080".parse().unwrap())),
            (Hook::Routing, Effect::RouteForward),
            (Hook::Postrouting, Effect::Jump("KUBE-POSTROUTING")),
            (Hook::Postrouting, Effect::Mark(0)),
            (Hook::Postrouting, Effect::Masquerade),
        ]
    );
    assert_eq!(outcomes[0].steps[2].chance.unwrap().fraction(), Some((1, 3)));
}

#[test]
fn outsiders_and_the_node_are_masqueraded() {
    let (rules, host) = (service(), host());
    let walker = Walker::new(&rules, &host);
    for packet in [
        tcp("198.51.100.7", "192.168.0.11:30080"),
        from_node("192.168.0.11:30080"),
        from_node("10.96.0.1:80"),
    ] {
        let found = walked(&walker, &packet);
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|line| line.ends_with("1/3 snat")), "{found:?}");
    }
}

#[test]
fn a_node_port_on_loopback_needs_route_localnet() {
    let (rules, mut host) = (service(), host());
    let packet = from_node("127.0.0.1:30080");
    let walker = Walker::new(&rules, &host);
    let refused = walker.walk(&packet).unwrap();
    assert!(lines(&refused).iter().all(|line| line.starts_with("drop")));
    assert_eq!(refused[0].steps.last().unwrap().effects, [Effect::Martian]);
    host.route_localnet = true;
    let walker = Walker::new(&rules, &host);
    assert_eq!(walked(&walker, &packet)[0], "accept 10.244.1.5:8080 1/3 snat");
}

#[test]
fn what_no_rule_takes_is_delivered_or_forwarded() {
    let (rules, host) = (service(), host());
    let walker = Walker::new(&rules, &host);
    assert_eq!(
        walked(&walker, &tcp("198.51.100.7", "192.168.0.11:22")),
        ["accept 192.168.0.11:22 1/1 local"]
    );
    assert_eq!(walked(&walker, &from_node("127.0.0.1:22")), ["accept 127.0.0.1:22 1/1 local"]);
    assert_eq!(walked(&walker, &tcp("10.244.1.9", "10.96.0.99:80")), ["accept 10.96.0.99:80 1/1"]);
    assert_eq!(walked(&walker, &tcp("198.51.100.7", "127.0.0.1:22")), ["drop 127.0.0.1:22 1/1"]);
}

#[test]
fn the_node_meets_its_own_input_rules_over_loopback() {
    let reject = port(local_destination(to(Target::Reject)), 30090);
    let filter = (
        TableName::Filter,
        vec![chain("INPUT", vec![reject]), chain("FORWARD", vec![]), chain("OUTPUT", vec![])],
    );
    let (rules, host) = (ruleset(vec![filter]), host());
    let walker = Walker::new(&rules, &host);
    for packet in [from_node("192.168.0.11:30090"), tcp("10.244.1.9", "192.168.0.11:30090")] {
        assert_eq!(walked(&walker, &packet), ["reject PortUnreachable 192.168.0.11:30090 1/1"]);
    }
}

#[test]
fn affinity_is_a_condition_beside_first_contact() {
    let check = RecentAction::Check { seconds: 10800 };
    let endpoint = |name, ip: &str| chain(name, vec![on_list(dnat(ip), name, RecentAction::Set)]);
    let rules = ruleset(vec![nat(vec![
        chain("KUBE-SERVICES", vec![jump("KUBE-SVC-A")]),
        chain(
            "KUBE-SVC-A",
            vec![
                on_list(jump("KUBE-SEP-1"), "KUBE-SEP-1", check),
                on_list(jump("KUBE-SEP-2"), "KUBE-SEP-2", check),
                one_in(jump("KUBE-SEP-1"), 2),
                jump("KUBE-SEP-2"),
            ],
        ),
        endpoint("KUBE-SEP-1", "10.244.1.5:80"),
        endpoint("KUBE-SEP-2", "10.244.2.5:80"),
    ])]);
    let host = host();
    let walker = Walker::new(&rules, &host);
    assert_eq!(
        walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")),
        [
            "accept 10.244.1.5:80 1/2",
            "accept 10.244.2.5:80 1/2",
            "accept 10.244.1.5:80 1/1 if on KUBE-SEP-1",
            "accept 10.244.2.5:80 1/1 if on KUBE-SEP-2",
        ]
    );
}

fn forward(rules: Vec<Rule>, others: Vec<Chain>) -> ruleset::Ruleset {
    let mut chains = vec![chain("INPUT", vec![]), chain("FORWARD", rules), chain("OUTPUT", vec![])];
    chains.extend(others);
    ruleset(vec![(TableName::Filter, chains)])
}

#[test]
fn a_rule_that_is_not_understood_makes_two_outcomes() {
    let limited = opaque(to(Target::Drop), "-m limit --limit 10/min");
    let host = host();
    let rules = forward(vec![limited], vec![]);
    let walker = Walker::new(&rules, &host);
    assert_eq!(
        walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")),
        ["drop 10.96.0.1:80 1/1 supposing -m limit --limit 10/min"]
    );
    let asked = opaque(to(Target::Drop), "-m mac --mac-source 00:00:5e:00:53:01");
    let rules = forward(vec![asked], vec![]);
    let walker = Walker::new(&rules, &host);
    assert_eq!(
        walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")),
        [
            "drop 10.96.0.1:80 1/1 if -m mac --mac-source 00:00:5e:00:53:01 is true",
            "accept 10.96.0.1:80 1/1 if -m mac --mac-source 00:00:5e:00:53:01 is false",
        ]
    );
}

#[test]
fn a_rule_that_cannot_match_or_makes_no_difference_is_passed_over() {
    let set = "-m set --match-set trusted src";
    let host = host();
    for rules in [
        vec![dest(opaque(to(Target::Drop), set), "10.97.0.0/16")],
        vec![opaque(to(Target::Accept), set)],
        vec![opaque(to(foreign::read_target("-j LOG --log-prefix x")), set)],
        vec![opaque(jump("X"), set)],
    ] {
        let rules = forward(rules, vec![chain("X-", vec![]), chain("X", vec![])]);
        let walker = Walker::new(&rules, &host);
        assert_eq!(walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")), ["accept 10.96.0.1:80 1/1"]);
    }
}

#[test]
fn one_assumption_holds_for_the_whole_way() {
    let out = |negated, rule| Rule {
        out_interface: Some(Box::new(InterfaceMatch { negated, name: "docker0".into() })),
        ..rule
    };
    let rules =
        forward(vec![out(true, jump("STAGE-2"))], vec![chain("STAGE-2", vec![out(false, to(Target::Drop))])]);
    let host = host();
    let walker = Walker::new(&rules, &host);
    assert_eq!(walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")), ["accept 10.96.0.1:80 1/1"]);
}

#[test]
fn returning_and_going_to_chains_is_as_in_the_kernel() {
    let goto = |name| to(Target::Goto(ChainName::fixed(name)));
    let host = host();
    let rules = forward(
        vec![jump("A-1"), to(Target::Drop)],
        vec![chain("A-1", vec![goto("A-2"), to(Target::Accept)]), chain("A-2", vec![])],
    );
    let walker = Walker::new(&rules, &host);
    assert_eq!(walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")), ["drop 10.96.0.1:80 1/1"]);
    let rules = forward(vec![to(Target::Return), to(Target::Accept)], vec![]);
    let mut rules = rules.as_iptables().unwrap().clone();
    rules.tables[0].chains[1].policy = Some(Policy::Drop);
    let rules = rules.into();
    let walker = Walker::new(&rules, &host);
    let outcomes = walker.walk(&tcp("10.244.1.9", "10.96.0.1:80")).unwrap();
    assert_eq!(lines(&outcomes), ["drop 10.96.0.1:80 1/1"]);
    assert_eq!(outcomes[0].steps.last().unwrap().effects, [Effect::PolicyDrop]);
}

#[test]
fn circles_and_missing_chains_are_errors() {
    let host = host();
    let packet = tcp("10.244.1.9", "10.96.0.1:80");
    let rules =
        forward(vec![jump("A-1")], vec![chain("A-1", vec![jump("A-2")]), chain("A-2", vec![jump("A-1")])]);
    let walker = Walker::new(&rules, &host);
    assert!(matches!(walker.walk(&packet), Err(WalkError::TooDeep { .. })));
    let goto = |name| to(Target::Goto(ChainName::fixed(name)));
    let rules =
        forward(vec![jump("A-1")], vec![chain("A-1", vec![goto("A-2")]), chain("A-2", vec![goto("A-1")])]);
    let walker = Walker::new(&rules, &host);
    assert!(walker.walk(&packet).is_err());
    let rules = forward(vec![jump("A-1")], vec![]);
    let walker = Walker::new(&rules, &host);
    assert!(matches!(walker.walk(&packet), Err(WalkError::NoSuchChain { .. })));
}

#[test]
fn a_long_chain_is_searched_by_address_and_port() {
    let mut portals: Vec<Rule> =
        (0..200).map(|i| port(dest(jump("KUBE-SVC-A"), &format!("10.97.0.{i}/32")), 80)).collect();
    portals.push(port(dest(dnat("10.244.1.5:80"), "10.96.0.0/16"), 81));
    portals.push(dest(dnat("10.244.1.6:80"), "10.96.0.7/32"));
    let rules = ruleset(vec![nat(vec![
        chain("KUBE-SERVICES", portals),
        chain("KUBE-SVC-A", vec![dnat("10.244.1.7:80")]),
    ])]);
    let host = host();
    let walker = Walker::new(&rules, &host);
    let goes = |to| walked(&walker, &tcp("10.244.1.9", to));
    assert_eq!(goes("10.97.0.150:80"), ["accept 10.244.1.7:80 1/1"]);
    assert_eq!(goes("10.97.0.150:82"), ["accept 10.97.0.150:82 1/1"]);
    assert_eq!(goes("10.96.0.7:81"), ["accept 10.244.1.5:80 1/1"]);
    assert_eq!(goes("10.96.0.7:82"), ["accept 10.244.1.6:80 1/1"]);
}

#[test]
fn branches_that_agree_again_become_one() {
    let rules: Vec<Rule> =
        (0..40).map(|i| opaque(jump("A-1"), &format!("-m set --match-set s{i} src"))).collect();
    let flip = to(Target::SetMark { value: 1, mask: 0 });
    let rules = forward(rules, vec![chain("A-1", vec![flip])]);
    let host = host();
    let walker = Walker::new(&rules, &host);
    assert_eq!(walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")), ["accept 10.96.0.1:80 1/1"]);
}

#[test]
fn netmap_translates_the_destination_before_routing_and_the_source_after() {
    let netmap = || to(foreign::read_target("-j NETMAP --to 10.244.1.0/24"));
    let ruleset = ruleset(vec![(
        TableName::Nat,
        vec![
            chain("PREROUTING", vec![dest(netmap(), "10.99.0.0/24")]),
            chain("POSTROUTING", vec![from(netmap(), "10.98.0.0/24")]),
        ],
    )]);
    let host = host();
    let walker = Walker::new(&ruleset, &host);
    assert_eq!(walked(&walker, &tcp("198.51.100.7", "10.99.0.9:80")), ["accept 10.244.1.9:80 1/1"]);
    assert_eq!(walked(&walker, &tcp("10.98.0.3", "192.0.2.7:80")), ["accept 192.0.2.7:80 1/1 snat"]);
}

/// Each way ends the chain for itself; if they were not put together in order, there would be a million cases.
#[test]
fn many_ways_that_meet_again_are_one() {
    let limit = |i| opaque(to(Target::Accept), &format!("-m limit --limit {i}/min"));
    let ruleset = ruleset(vec![(TableName::Raw, vec![chain("PREROUTING", (1..1500).map(limit).collect())])]);
    let host = host();
    let walker = Walker::new(&ruleset, &host);
    assert_eq!(walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")), ["accept 10.96.0.1:80 1/1"]);
}

#[test]
fn what_depends_on_many_unknown_things_is_told_once() {
    let rules: Vec<Rule> = (0..600)
        .map(|i| {
            opaque(
                to(Target::Accept),
                &format!("-m mac --mac-source 00:00:5e:00:{:02x}:{:02x}", i / 256, i % 256),
            )
        })
        .chain([to(Target::Drop)])
        .collect();
    let rules = forward(rules, vec![]);
    let host = host();
    let walker = Walker::new(&rules, &host);
    assert_eq!(
        walked(&walker, &tcp("10.244.1.9", "10.96.0.1:80")),
        ["drop 10.96.0.1:80 1/1 depending on 600", "accept 10.96.0.1:80 1/1 depending on 600"]
    );
}
