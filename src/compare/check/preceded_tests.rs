//! Which connections foreign rules take: the comparison that follows like packets together, against one that follows
//! each packet separately.

mod nftables;
mod routing;

use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;

use super::preceded::{cleared, takes};
use super::{Pair, intended};
use crate::compare::traffic::foreign_tests::ends;
use crate::compare::traffic::tests::{cluster, with_plan};
use crate::compare::traffic::{Contrast, Difference, Names, compare, example_differences};
use crate::iptables::parse::parse;
use crate::iptables::ruleset as ipt;
use crate::net::{Family, Protocol};
use crate::node::NodeRules;
use crate::settings::Release;
use crate::testing::random::Random;
use crate::testing::scope::{full, part};
use crate::walk::{DoesNothing, Idle, Walker};

/// How many chains another program has in the table filter.
const CHAINS: u64 = 5;

/// A rule of another program in one of its chains, or in a built-in one.
fn rule(random: &mut Random, chain: u64, marks: bool) -> String {
    let address = |random: &mut Random| {
        let hosts = ["10.244.1.10/32", "10.244.1.11/32", "10.244.2.10/32", "10.244.2.12/32"];
        let networks =
            ["10.244.1.0/24", "10.244.0.0/16", "198.51.100.0/24", "10.96.0.10/32", "203.0.113.10/32"];
        let not = if random.one_in(5) { "! " } else { "" };
        let all = [hosts.as_slice(), networks.as_slice()].concat();
        (not, random.pick(&all))
    };
    let mut text = String::new();
    for option in ["-s", "-d"] {
        if random.one_in(3) {
            let (not, net) = address(random);
            let _ = write!(text, "{not}{option} {net} ");
        }
    }
    if random.one_in(8) {
        text += random.pick(&["-i cali1 ", "-i cali+ ", "-o cali2 ", "! -i eth0 ", "-o eth+ "]);
    }
    if random.one_in(3) {
        text += random.pick(&[
            "-p tcp -m tcp --dport 8080 ",
            "-p tcp -m multiport --dports 80,8000:9000 ",
            "-p udp -m udp --dport 8080 ",
            "-p tcp -m conntrack --ctorigdstport 30000:30001 ",
            "-m conntrack --ctorigdst 10.96.0.11/32 ",
            "-m conntrack --ctstate NEW ",
            "-m addrtype --src-type LOCAL ",
            "-m addrtype --dst-type LOCAL ",
            "-m mark --mark 0x10000/0x10000 ",
            "-m mark ! --mark 0x4000/0x4000 ",
            "-m set --match-set peers src ",
            "-m set --match-set peers dst,dst ",
            "-m limit --limit 10/min ",
        ]);
    }
    let further = (chain + 1..CHAINS).map(|to| format!("-j OTHER-{to}"));
    let mut targets: Vec<String> = further.collect();
    let plain = ["ACCEPT", "DROP", "RETURN", "REJECT --reject-with icmp-port-unreachable"];
    targets.extend(plain.map(|target| format!("-j {target}")));
    targets.extend(["0x10000/0x10000", "0x0/0x10000"].map(|mark| format!("-j MARK --set-xmark {mark}")));
    if marks {
        targets.extend(["0x4000/0x4000", "0x0/0x4000"].map(|mark| format!("-j MARK --set-xmark {mark}")));
    }
    text + &targets[random.below(targets.len())]
}

/// Puts random rules of another program among kube-proxy's.
fn beside(own: &NodeRules<'_>, random: &mut Random) -> NodeRules<'static> {
    let marks = random.one_in(4);
    let mut text =
        String::from("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
    for chain in 0..CHAINS {
        let _ = writeln!(text, ":OTHER-{chain} - [0:0]");
    }
    for chain in 0..CHAINS {
        for _ in 0..random.below(5) {
            let _ = writeln!(text, "-A OTHER-{chain} {}", rule(random, chain, marks));
        }
    }
    for chain in ["INPUT", "FORWARD", "FORWARD", "FORWARD", "OUTPUT"] {
        if random.one_in(2) {
            let _ = writeln!(text, "-A {chain} {}", rule(random, 0, marks));
        }
    }
    text += "COMMIT\n";
    if random.one_in(3) {
        text += "*mangle\n:PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n";
        let chain = random.pick(&["PREROUTING", "FORWARD"]);
        let target = random.pick(&["DROP", "MARK --set-xmark 0x10000/0x10000"]);
        let asked = random.pick(&[
            "-s 10.244.1.10/32",
            "-i cali1",
            "-i cali+",
            "-m ttl --ttl-gt 3",
            "-m rpfilter --invert",
            "-m limit --limit 10/min",
        ]);
        let _ = writeln!(text, "-A {chain} {asked} -j {target}\nCOMMIT");
    }
    let foreign = parse(&text, Some(Family::Ipv4)).unwrap().parts.remove(0).ruleset;
    let mut rules = own.ruleset.as_iptables().unwrap().clone();
    for table in foreign.tables {
        let Some(found) = rules.tables.iter_mut().find(|own| own.name == table.name) else {
            rules.tables.push(table);
            continue;
        };
        for chain in table.chains {
            match found.chains.iter_mut().find(|own| own.name == chain.name) {
                Some(own) => {
                    for rule in chain.rules {
                        let at = random.below(own.rules.len() + 1);
                        own.rules.insert(at, rule);
                    }
                }
                None => found.chains.push(chain),
            }
        }
    }
    NodeRules::new(rules, own.host.clone())
}

/// Sometimes removes one rule of kube-proxy's.
fn perhaps_without_one(captured: NodeRules<'static>, random: &mut Random) -> NodeRules<'static> {
    if !random.one_in(3) {
        return captured;
    }
    let mut rules = captured.ruleset.as_iptables().unwrap().clone();
    let own = |chain: &&mut ipt::Chain| chain.owner == ipt::Owner::KubeProxy && !chain.rules.is_empty();
    let mut chains: Vec<_> =
        rules.tables.iter_mut().flat_map(|table| &mut table.chains).filter(own).collect();
    let number = random.below(chains.len());
    let rule = random.below(chains[number].rules.len());
    chains[number].rules.remove(rule);
    NodeRules::new(rules, captured.host)
}

/// Protocol, destination, source.
type Key = (Protocol, std::net::SocketAddr, IpAddr);

fn key(of: &Difference, source: IpAddr) -> Key {
    (of.packet.protocol, of.to.representative, source)
}

fn is_known(difference: &&Difference) -> bool {
    difference.contrast != Contrast::Unknown
}

/// What was found, in numbers.
#[derive(Debug, Default)]
struct Tally {
    taken: usize,
    spared: u64,
    left_alone: usize,
    not_followed: usize,
}

fn judge(expected: &NodeRules<'_>, captured: &NodeRules<'_>, seed: u64, tally: &mut Tally) {
    let pair = Pair { expected, captured };
    let plan = expected.plan.as_ref().unwrap();
    let intended = intended::of(pair).ruleset;
    let Some(state) = cleared(pair, &intended, &[]) else { return };
    let walkers = || (Walker::new(&state.first, &expected.host), Walker::new(&intended, &expected.host));
    let (old, new) = walkers();
    let by_each = compare(&old.one_by_one(), &new.one_by_one(), Family::Ipv4);
    let by_each_key: HashMap<Key, &Difference> = (by_each.differences.iter())
        .flat_map(|one| [one.packet.source].into_iter().map(move |ip| (key(one, ip), one)))
        .collect();
    let (old, new) = walkers();
    let alone = intended::without_others(&intended);
    let alone = alone.as_ref().map(|alone| Walker::new(alone, &expected.host));
    let idle = alone.as_ref().and_then(|alone| Idle::beside(&new, alone));
    tally.left_alone += usize::from(idle.is_some());
    let moved = idle.as_ref().map(|idle| idle as &dyn DoesNothing);
    let found = example_differences((&old, &new), plan, &takes, moved);
    tally.spared += by_each.walked.saturating_sub(found.walked);
    for one in found.differences.iter().filter(is_known) {
        let same = by_each_key.get(&key(one, one.packet.source));
        let told = |one: &Difference| (one.contrast, ends(&one.old), ends(&one.new));
        assert_eq!(same.map(|same| told(same)), Some(told(one)), "seed {seed}: {one:?}");
        for ip in one.from.alike.iter() {
            let like = by_each_key.get(&key(one, *ip)).map(|like| (like.contrast, takes(like)));
            assert_eq!(like, Some((one.contrast, true)), "seed {seed}: {ip} of {one:?}");
        }
        tally.not_followed += one.from.not_followed;
    }
    let mut names = Names::default();
    names.learn(plan);
    let is_meant = |one: &&Difference| names.of(&one.to).is_some() && takes(one);
    for one in by_each.differences.iter().filter(is_known).filter(is_meant) {
        let covers = |example: &&Difference| {
            let is_its_own = example.packet.source == one.packet.source;
            let is_like = example.from.alike.contains(&one.packet.source);
            let stands_for = example.from.not_followed > 0
                && one.from.address.is_some()
                && example.from.client == one.from.client;
            let to = |of: &Difference| (of.packet.protocol, of.to.representative);
            to(example) == to(one) && (is_its_own || is_like || stands_for)
        };
        assert!(found.differences.iter().any(|example| covers(&example)), "seed {seed}: {one:?}");
        tally.taken += 1;
    }
}

#[test]
fn what_foreign_rules_take_is_found_as_by_following_each_packet() {
    let mut tally = Tally::default();
    let many = if full() { 400 } else { 8 };
    for seed in 0..many {
        let release = Release::NEWEST;
        with_plan(&cluster(seed, 9), ("iptables", release, true), |plan| {
            let mut expected = plan.compile();
            if seed % 3 == 0 {
                routing::route(&mut expected.host, &mut Random::new(seed ^ 0x5eed));
            }
            let mut random = Random::new(seed);
            let captured = perhaps_without_one(beside(&expected, &mut random), &mut random);
            judge(&expected, &captured, seed, &mut tally);
        });
    }
    println!("{tally:?}");
    let least = part(100, 50);
    assert!(
        tally.taken > least && tally.spared > least as u64 && tally.left_alone > 0 && tally.not_followed > 0,
        "{tally:?}"
    );
}
