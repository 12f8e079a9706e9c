//! Random routes and sysctls of a node, which make its packets differ.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::capture::{Source, join};
use crate::compare::traffic::tests::{cluster, with_plan};
use crate::compare::traffic::{Ground, compare};
use crate::iptables::parse::parse;
use crate::iptables::ruleset::TableName;
use crate::net::{Family, Protocol};
use crate::ruleset::Ruleset;
use crate::settings::Release;
use crate::testing::random::Random;
use crate::testing::scope::{part, share};
use crate::walk::{ClientKind, Host, Packet, Verdict, Walker};

/// Gives a node routes, routing rules and sysctls, as if they were captured.
pub(super) fn route(host: &mut Host, random: &mut Random) {
    let mut routes = String::from("local 192.168.0.11 dev eth0 table local scope host\n");
    let ways = ["dev eth0", "dev cali1", "dev cali2", "dev cali1"];
    let nets = ["10.244.1.10", "10.244.1.11", "10.244.1.0/24", "10.244.2.0/25", "10.244.0.0/16"];
    let others = ["198.51.100.0/24", "192.0.2.0/24", "10.96.0.0/16", "203.0.113.0/24", "192.168.0.0/24"];
    for net in nets.into_iter().chain(others) {
        match random.below(5) {
            0 => {
                let kind = random.pick(&["unreachable", "prohibit", "blackhole"]);
                routes += &format!("{kind} {net}\n");
            }
            1 | 2 => routes += &format!("{net} {}\n", random.pick(&ways)),
            _ => {}
        }
        if random.one_in(6) {
            routes += &format!("{net} {} table 7\n", random.pick(&ways));
        }
    }
    if !random.one_in(3) {
        routes += "default via 192.168.0.1 dev eth0\n";
    }
    let mut rules = String::from("0:\tfrom all lookup local\n");
    if random.one_in(2) {
        let asked = ["from 10.244.1.11", "from 198.51.100.0/24", "from all to 10.244.2.0/24"];
        let asked = random.pick(&[asked[0], asked[1], asked[2], "from all fwmark 0x10000/0x10000"]);
        rules += &format!("1000:\t{asked} {}\n", random.pick(&["lookup 7", "lookup 7", "unreachable"]));
    }
    rules += "32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n";
    let mut sysctls = format!("net.ipv4.ip_forward = {}\n", u8::from(!random.one_in(8)));
    for name in ["all", "default", "eth0", "cali1", "cali2"] {
        sysctls += &format!("net.ipv4.conf.{name}.rp_filter = {}\n", random.below(3));
    }
    let links = "1: eth0: <UP>\n    inet 192.168.0.11/24 scope global eth0\n2: cali1: <UP>\n3: cali2: <UP>\n";
    let source = |name: &str, text: String| Source { name: name.into(), text };
    let all = [
        source("routes", routes),
        source("rules", rules),
        source("sysctl", sysctls),
        source("links", links.into()),
    ];
    join(&all, None).unwrap().facts.tell(host);
}

/// What can happen to a packet.
fn verdicts(walker: &Walker<'_>, source: IpAddr, to: IpAddr, client: ClientKind) -> BTreeSet<Verdict> {
    let packet = Packet::plain(Protocol::Tcp, source, SocketAddr::new(to, 9), client);
    walker.ends(&packet).unwrap().iter().map(|outcome| outcome.verdict).collect()
}

/// Addresses of one kind belong to one kind of connections if no rule asks for them: routing must treat them all alike.
#[test]
fn what_routing_tells_apart_is_of_different_kinds() {
    let (mut pairs, mut fates) = (0, BTreeSet::new());
    for seed in share("compare::check", 8, (0..60).collect()) {
        with_plan(&cluster(seed, 9), ("iptables", Release::NEWEST, true), |plan| {
            let mut rules = plan.compile();
            let mut random = Random::new(seed ^ 0x5eed);
            route(&mut rules.host, &mut random);
            let host = Arc::new(rules.host.clone());
            let walker = Walker::new(&rules.ruleset, &host);
            let ground = Ground::new(&host, &host, Family::Ipv4);
            let address = |random: &mut Random| -> IpAddr {
                let net =
                    random.pick(&[[10, 244, 1], [10, 244, 2], [198, 51, 100], [192, 0, 2], [203, 0, 113]]);
                let last = random.pick(&[10u8, 11, 20, 21, 77, 130, 131, 200]);
                IpAddr::from([net[0], net[1], net[2], last])
            };
            for _ in 0..400 {
                let (a, b, other) = (address(&mut random), address(&mut random), address(&mut random));
                if a == b || ground.kind_for_tests(a) != ground.kind_for_tests(b) {
                    continue;
                }
                let from = |ip| verdicts(&walker, ip, other, host.client_kind(ip));
                let to = |ip| verdicts(&walker, other, ip, host.client_kind(other));
                let own = host.addresses[0];
                let from_node = |ip| verdicts(&walker, own, ip, ClientKind::Node);
                let of_a = [from(a), to(a), from_node(a)];
                assert_eq!(of_a[0], from(b), "seed {seed}: from {a} and {b} to {other}");
                assert_eq!(of_a[1], to(b), "seed {seed}: from {other} to {a} and {b}");
                assert_eq!(of_a[2], from_node(b), "seed {seed}: from the node to {a} and {b}");
                fates.extend(of_a);
                pairs += 1;
            }
        });
    }
    assert!(pairs > part(1000, 8) && fates.len() > 3, "{pairs} pairs, {fates:?}");
}

/// Only routes show which interface a source has: a rule that drops what comes in by it drops packets from no other
/// source.
#[test]
fn a_rule_for_an_interface_is_for_the_sources_behind_it() {
    with_plan(&cluster(1, 9), ("iptables", Release::NEWEST, true), |plan| {
        let mut rules = plan.compile();
        let routes = "local 192.168.0.11 dev eth0 table local\ndefault dev eth0\n10.244.1.0/24 dev cali2\n10.244.1.77 dev cali1\n";
        let source = Source { name: "routes".into(), text: routes.into() };
        join(&[source], None).unwrap().facts.tell(&mut rules.host);
        let host = Arc::new(rules.host.clone());
        let drops = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i cali1 -j DROP\nCOMMIT\n";
        let foreign = parse(drops, Some(Family::Ipv4)).unwrap().parts.remove(0).ruleset;
        let rule = foreign.tables[0].chains[0].rules[0].clone();
        let mut changed = rules.ruleset.as_iptables().unwrap().clone();
        let filter = changed.tables.iter_mut().find(|table| table.name == TableName::Filter).unwrap();
        let forward = filter.chains.iter_mut().find(|chain| chain.name.as_str() == "FORWARD").unwrap();
        forward.rules.insert(0, rule);
        let changed = Ruleset::from(changed);
        let (old, new) = (Walker::new(&rules.ruleset, &host), Walker::new(&changed, &host));
        let found = compare(&old, &new, Family::Ipv4);
        let sources: BTreeSet<IpAddr> = found.differences.iter().map(|one| one.packet.source).collect();
        assert_eq!(sources, BTreeSet::from([IpAddr::from([10, 244, 1, 77])]));
    });
}
