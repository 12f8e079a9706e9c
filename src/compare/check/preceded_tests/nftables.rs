//! The same in nftables: tables of other programs beside kube-proxy's.

use std::fmt::Write;

use super::super::intended;
use super::routing::route;
use super::{Pair, Tally, judge};
use crate::compare::check::preceded::cleared;
use crate::compare::traffic::compare;
use crate::compare::traffic::foreign_tests::told;
use crate::compare::traffic::tests::{cluster, with_plan};
use crate::net::Family;
use crate::nftables::{TABLE, parse::parse_listing, ruleset as nft};
use crate::node::NodeRules;
use crate::ruleset::Ruleset;
use crate::settings::Release;
use crate::testing::random::Random;
use crate::testing::scope::{part, share_by_hand};
use crate::walk::Walker;

const CHAINS: u64 = 5;

/// Sets and a map that rules look into.
const SETS: &str = "\
\tset peers {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 10.244.1.10, 10.244.2.0/24 }\n\t}\n\
\tset pairs {\n\t\ttype ipv4_addr . ipv4_addr\n\t\telements = { 10.244.1.10 . 10.244.2.10, 10.244.1.11 . 10.244.1.11, 192.168.0.11 . 10.244.2.10 }\n\t}\n\
\tset sockets {\n\t\ttype ipv4_addr . inet_proto . inet_service\n\t\telements = { 10.244.1.10 . tcp . 8080, 10.244.2.10 . udp . 53 }\n\t}\n\
\tmap dispatch {\n\t\ttype ifname : verdict\n\t\telements = { \"cali1\" : jump other-4, \"cali2\" : drop, \"eth0\" : accept }\n\t}\n";

/// A rule in one of the program's chains; in one before routing, no rule matches on the outgoing interface.
fn rule(random: &mut Random, chain: u64, (early, marks): (bool, bool)) -> String {
    let mut text = String::new();
    for end in ["saddr", "daddr"] {
        if random.one_in(4) {
            let not = if random.one_in(5) { "!= " } else { "" };
            let with = random.pick(&[
                "10.244.1.10",
                "10.244.1.11",
                "10.244.2.12",
                "10.244.1.0/24",
                "10.244.0.0/16",
                "198.51.100.0/24",
                "@peers",
                "{ 10.244.1.11, 10.244.2.8-10.244.2.11 }",
            ]);
            let _ = write!(text, "ip {end} {not}{with} ");
        }
    }
    if random.one_in(6) {
        let names: &[&str] = match early {
            true => &["iifname \"cali1\" ", "iifname \"cali*\" ", "iifname != \"eth0\" "],
            false => &["iifname \"cali*\" ", "oifname \"cali2\" ", "oifname \"eth*\" "],
        };
        text += random.pick(names);
    }
    if random.one_in(2) {
        text += random.pick(&[
            "tcp dport 8080 ",
            "tcp dport { 80, 8000-9000 } ",
            "udp dport 8080 ",
            "tcp dport > 1024 ",
            "ct original proto-dst 30000-30001 ",
            "ct original ip daddr 10.96.0.11 ",
            "ct state new ",
            "fib saddr type local ",
            "fib daddr type local ",
            "fib saddr . iif oif 0 ",
            "meta mark & 0x00010000 == 0x00010000 ",
            "meta mark & 0x00004000 != 0x00004000 ",
            "ip saddr . ip daddr @pairs ",
            "ip daddr . meta l4proto . th dport @sockets ",
            "ip ttl 5 ",
            "limit rate over 10/second ",
        ]);
    }
    let mut ends: Vec<String> = (chain + 1..CHAINS).map(|to| format!("jump other-{to}")).collect();
    ends.extend(["accept", "drop", "return", "reject", "iifname vmap @dispatch"].map(str::to_owned));
    let bits: &[&str] = if marks { &["0x00010000", "0x00004000"] } else { &["0x00010000"] };
    for bit in bits {
        ends.push(format!("meta mark set meta mark | {bit}"));
        ends.push(format!(
            "meta mark set meta mark & {}",
            if *bit == "0x00010000" { "0xfffeffff" } else { "0xffffbfff" }
        ));
    }
    if chain >= 4 || early {
        ends.retain(|end| !end.contains("vmap"));
    }
    text + &ends[random.below(ends.len())]
}

/// A table of another program beside kube-proxy's.
fn beside(own: &NodeRules<'_>, random: &mut Random) -> NodeRules<'static> {
    let marks = random.one_in(4);
    let mut text = format!("table ip other {{\n{SETS}");
    for chain in 0..CHAINS {
        let _ = writeln!(text, "\tchain other-{chain} {{");
        for _ in 0..random.below(5) {
            let _ = writeln!(text, "\t\t{}", rule(random, chain, (chain > 2, marks)));
        }
        text += "\t}\n";
    }
    let bases = [
        ("prerouting", "raw"),
        ("prerouting", "mangle"),
        ("forward", "filter"),
        ("input", "filter"),
        ("output", "filter"),
    ];
    for (hook, priority) in bases {
        if !random.one_in(2) {
            continue;
        }
        let early = hook == "prerouting";
        let policy = if !early && random.one_in(6) { "drop" } else { "accept" };
        let _ = writeln!(text, "\tchain {priority}-{hook} {{");
        let _ = writeln!(text, "\t\ttype filter hook {hook} priority {priority}; policy {policy};");
        for _ in 0..1 + random.below(3) {
            let from = if early { 2 } else { 0 };
            let _ = writeln!(text, "\t\t{}", rule(random, from, (early, marks)));
        }
        text += "\t}\n";
    }
    text += "}\n";
    let foreign = parse_listing(&text).unwrap_or_else(|fault| panic!("{fault:?}\n{text}"));
    let mut rules = own.ruleset.as_nftables().unwrap().clone();
    rules.tables.extend(foreign.tables);
    NodeRules::new(Ruleset::nftables(rules, Family::Ipv4), own.host.clone())
}

/// Sometimes removes one rule or element of kube-proxy's.
fn perhaps_without_one(captured: NodeRules<'static>, random: &mut Random) -> NodeRules<'static> {
    if !random.one_in(3) {
        return captured;
    }
    let mut rules = nft::Ruleset::clone(captured.ruleset.as_nftables().unwrap());
    let own = rules.tables.iter_mut().find(|table| table.name == TABLE).unwrap();
    if random.one_in(2) {
        let mut chains: Vec<_> = own.chains.iter_mut().filter(|chain| !chain.rules.is_empty()).collect();
        let number = random.below(chains.len());
        let rule = random.below(chains[number].rules.len());
        chains[number].rules.remove(rule);
    } else {
        let mut sets: Vec<_> = own.sets.iter_mut().filter(|set| !set.elements.is_empty()).collect();
        let number = random.below(sets.len());
        let element = random.below(sets[number].elements.len());
        sets[number].elements.remove(element);
    }
    NodeRules::new(Ruleset::nftables(rules, Family::Ipv4), captured.host)
}

#[test]
fn tables_of_others_are_judged_as_by_following_each_packet() {
    let mut tally = Tally::default();
    let (mut differences, mut followed) = (0, 0);
    for seed in share_by_hand("compare::check", 67, 2, (0..300).collect()) {
        let release = if seed % 4 == 0 { "1.33".parse().unwrap() } else { Release::NEWEST };
        with_plan(&cluster(seed, 9), ("nftables", release, false), |plan| {
            let mut expected = plan.compile();
            if seed % 3 == 0 {
                route(&mut expected.host, &mut Random::new(seed ^ 0x5eed));
            }
            let mut random = Random::new(seed);
            let captured = perhaps_without_one(beside(&expected, &mut random), &mut random);
            judge(&expected, &captured, seed, &mut tally);
            let pair = Pair { expected: &expected, captured: &captured };
            let intended = intended::of(pair).ruleset;
            // Which of two base chains runs first can depend on the order of their tables.
            let names = |rules: &Ruleset| -> Vec<String> {
                rules.as_nftables().unwrap().tables.iter().map(|table| table.name.to_string()).collect()
            };
            assert_eq!(names(&intended), names(&captured.ruleset));
            let others = cleared(pair, &intended, &[]).map(|cleared| cleared.first);
            for other in [Some(captured.ruleset.clone()), others].into_iter().flatten() {
                let walkers =
                    || (Walker::new(&intended, &expected.host), Walker::new(&other, &expected.host));
                let (old, new) = walkers();
                let found = compare(&old, &new, Family::Ipv4);
                let (old, new) = walkers();
                let by_each = compare(&old.one_by_one(), &new.one_by_one(), Family::Ipv4);
                assert_eq!(told(&found), told(&by_each), "seed {seed}");
                assert_eq!(found.classes, by_each.classes, "seed {seed}");
                differences += found.differences.len();
                followed += by_each.walked.saturating_sub(found.walked);
            }
        });
    }
    println!("{tally:?}, {differences} differences, {followed} packets less were followed");
    let least = part(20, 20);
    assert!(
        tally.taken > least && tally.spared > least as u64 && differences > least && followed > least as u64,
        "{tally:?}"
    );
}
