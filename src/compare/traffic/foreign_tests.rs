//! Rules of other programs: sources that are reported together have the same outcome as each separately, and the work
//! grows with what rules tell apart, not with the number of classes.

use std::fmt::Write;

use super::outcome_set::{Assumed, End, Given, OutcomeSet};
use super::tests::{cluster, compile};
use super::{Comparison, Difference, compare};
use crate::compare::subject::is_own_jump;
use crate::iptables::parse::parse;
use crate::iptables::ruleset as ipt;
use crate::net::Family;
use crate::node::NodeRules;
use crate::ruleset::Ruleset;
use crate::settings::Release;
use crate::testing::random::Random;
use crate::testing::scope::{full, part, share};
use crate::walk::Walker;

/// Rules for some Pods, the first of them endpoints, as other programs write them: a chain for each Pod, reached by
/// address from three hooks or by interface from one, and a few policies that use sets.
fn foreign(pods: u64, by_address: bool) -> ipt::Ruleset {
    let mut rules = String::new();
    let mut chains = ":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n".to_owned();
    for hook in ["INPUT", "FORWARD", "OUTPUT"] {
        _ = writeln!(chains, ":OF-{hook} - [0:0]");
        _ = writeln!(rules, "-A {hook} -j OF-{hook}");
    }
    for pod in 0..pods {
        let ip = format!("10.244.1.{}/32", 10 + pod);
        _ = writeln!(chains, ":POD-{pod} - [0:0]");
        if by_address {
            _ = writeln!(rules, "-A OF-FORWARD -d {ip} -j POD-{pod}\n-A OF-OUTPUT -d {ip} -j POD-{pod}");
            _ = writeln!(rules, "-A OF-FORWARD -s {ip} -j POD-{pod}\n-A OF-INPUT -s {ip} -j POD-{pod}");
            _ = writeln!(rules, "-A POD-{pod} -d {ip} -m addrtype --src-type LOCAL -j ACCEPT");
        } else {
            _ = writeln!(
                rules,
                "-A OF-FORWARD -i cali{pod} -g POD-{pod}\n-A OF-FORWARD -o cali{pod} -j POD-{pod}"
            );
        }
        let number = pod % 3;
        _ = writeln!(
            rules,
            "-A POD-{pod} -p tcp -m set --match-set peers{number} src -m tcp --dport 80 -j ACCEPT"
        );
        _ = writeln!(
            rules,
            "-A POD-{pod} -m set --match-set all{number} dst -j MARK --set-xmark 0x10000/0x10000"
        );
        _ = writeln!(
            rules,
            "-A POD-{pod} -m mark ! --mark 0x10000/0x10000 -j REJECT --reject-with icmp-port-unreachable"
        );
    }
    let text = format!("*filter\n{chains}{rules}COMMIT\n");
    parse(&text, Some(Family::Ipv4)).unwrap().parts.remove(0).ruleset
}

/// kube-proxy's rules with those of another program after its jumps, or before them.
pub(super) fn beside(own: &NodeRules<'_>, foreign: &ipt::Ruleset, in_front: bool) -> NodeRules<'static> {
    let mut rules = own.ruleset.as_iptables().unwrap().clone();
    for added in &foreign.tables {
        let Some(known) = rules.tables.iter_mut().find(|table| table.name == added.name) else {
            rules.tables.push(added.clone());
            continue;
        };
        for chain in &added.chains {
            match known.chains.iter_mut().find(|own| own.name == chain.name) {
                Some(own) if in_front => _ = own.rules.splice(0..0, chain.rules.iter().cloned()),
                Some(own) => own.rules.extend(chain.rules.iter().cloned()),
                None => known.chains.push(chain.clone()),
            }
        }
    }
    NodeRules::new(Ruleset::from(rules), own.host.clone())
}

/// Removes one rule of kube-proxy's.
fn drop_one(rules: &NodeRules<'_>, random: &mut Random) -> NodeRules<'static> {
    let mut changed = rules.ruleset.as_iptables().unwrap().clone();
    let own = |chain: &&mut ipt::Chain| chain.owner == ipt::Owner::KubeProxy && !chain.rules.is_empty();
    let mut chains: Vec<_> =
        changed.tables.iter_mut().flat_map(|table| &mut table.chains).filter(own).collect();
    let number = random.below(chains.len());
    let chain = &mut chains[number];
    let rule = random.below(chain.rules.len());
    assert!(!is_own_jump(&chain.rules[rule].rule) || chain.owner == ipt::Owner::KubeProxy);
    chain.rules.remove(rule);
    NodeRules::new(Ruleset::from(changed), rules.host.clone())
}

fn rules_of(seed: u64) -> NodeRules<'static> {
    compile(&cluster(seed, 9), "iptables", Release::NEWEST, true)
}

/// Every difference, in words.
pub(in crate::compare) fn told(found: &Comparison) -> Vec<String> {
    let line = |d: &Difference| {
        let of = format!("{:?} {:?} {:?} {:?}", d.packet, d.to, d.from, d.contrast);
        format!("{of} {} {}", ends(&d.old), ends(&d.new))
    };
    let mut lines: Vec<String> = found.differences.iter().map(line).collect();
    lines.sort();
    lines
}

/// All ends, except how several questions are counted, which depends on how packets are followed. What happens to a
/// remembered client is left out if it can happen to others, too: whether a walk reports it depends on that count.
pub(in crate::compare) fn ends(outcomes: &OutcomeSet) -> String {
    let plain =
        |text: &str| text.split_once("(and more").map_or(text.to_owned(), |(first, _)| first.to_owned());
    let assumed = |given: &Given| -> Vec<(String, Assumed)> {
        given.assumed.iter().map(|(text, assumed)| (plain(text), assumed.clone())).collect()
    };
    let of_others = |given: &Given, end: &End| {
        outcomes
            .ends()
            .any(|(other, its, _)| other.affinity.is_none() && its == end && assumed(other) == assumed(given))
    };
    let told = outcomes.ends().filter(|(given, end, _)| given.affinity.is_none() || !of_others(given, end));
    let end = |(given, end, chance): (&Given, &End, f64)| {
        format!("{:?} {:?} {end:?} {chance}", given.affinity, assumed(given))
    };
    let mut ends: Vec<String> = told.map(end).collect();
    ends.sort();
    format!("{ends:?} {:?}", outcomes.fault())
}

#[test]
fn sources_that_are_told_together_fare_as_each_by_itself() {
    let (mut differences, mut spared) = (0, 0);
    for seed in share("compare::traffic", 9, (0..10).collect()) {
        let mut random = Random::new(seed);
        let own = rules_of(seed);
        let foreign = foreign(7, seed % 2 == 0);
        let (behind, front) = (beside(&own, &foreign, false), beside(&own, &foreign, true));
        let changed = drop_one(&front, &mut random);
        for (old, new) in [(&behind, &front), (&front, &changed), (&behind, &changed)] {
            let found = compare(&Walker::of(old), &Walker::of(new), Family::Ipv4);
            let (old, new) = (Walker::of(old).one_by_one(), Walker::of(new).one_by_one());
            let by_each = compare(&old, &new, Family::Ipv4);
            assert_eq!(found.classes, by_each.classes, "seed {seed}");
            assert_eq!(told(&found), told(&by_each), "seed {seed}");
            assert!(found.walked <= by_each.walked);
            differences += found.differences.len();
            spared += by_each.walked - found.walked;
        }
    }
    assert!(differences > part(50, 10) && spared > 0, "{differences} differences, {spared} walks spared");
}

/// How many packets are followed to compare foreign rules before kube-proxy's with those after them.
fn walked(pods: u64, by_address: bool) -> (u64, u64) {
    let own = rules_of(3);
    let foreign = foreign(pods, by_address);
    let (behind, front) = (beside(&own, &foreign, false), beside(&own, &foreign, true));
    let found = compare(&Walker::of(&behind), &Walker::of(&front), Family::Ipv4);
    (found.walked, found.classes)
}

#[test]
fn walks_do_not_grow_with_pods_times_services() {
    for by_address in [true, false] {
        let few = if full() { 20 } else { 5 };
        let (few, many) = (walked(few, by_address), walked(4 * few, by_address));
        assert!(
            many.0 <= 3 * few.0,
            "{few:?} walks and classes for some Pods, {many:?} for four times as many"
        );
    }
}
