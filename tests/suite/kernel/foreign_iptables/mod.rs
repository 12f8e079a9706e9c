//! The kernel judges what the walk says about other programs' rules: fragments for every row of the specification,
//! singly and in random combinations, in every hook, before and after kube-proxy's rules. The rules are loaded, listed,
//! read and walked; real packets must end as predicted.

mod family;
mod fragments;
mod judge;
mod rare;
mod sequences;
mod sets;

use fragments::Rules;
use judge::{Bench, Tally};

use kuberules::net::Family;

use super::trace::scenario::Scenario;
use crate::support::cases;
use crate::support::kernel::{available, tell};
use crate::support::random::Random;
use crate::support::scope::share_by_hand;
use crate::testing::seed;

const TOOLS: [&str; 7] = ["unshare", "ip", "nft", "iptables-restore", "nfacct", "conntrack", "ipset"];

/// Random combinations in the full run.
const COMBINATIONS: u64 = 1500;

#[test]
fn packets_past_foreign_rules_go_where_walk_says() {
    if !available(&TOOLS) {
        return;
    }
    let case = cases("iptables")
        .into_iter()
        .find(|case| case.name().contains("shop/") && case.version == "1.36")
        .expect("the shop");
    let scenario = Scenario { case, flags: kuberules::settings::Flags::default(), variant: "" };
    let seed = seed();
    let singly = (0..fragments::SINGLE_COUNT).map(Rules::single);
    let combined = (0..COMBINATIONS).map(|n| Rules::random(&mut Random::new(seed * 1_000_003 + n)));
    // A third of them for IPv6.
    let family = |number: usize| if number % 3 == 2 { Family::Ipv6 } else { Family::Ipv4 };
    let all = singly.chain(combined).enumerate().map(|(number, rules)| (family(number), rules));
    let in_a_row = Family::ALL.into_iter().flat_map(|family| {
        sequences::of_family(family == Family::Ipv4).into_iter().map(move |rules| (family, rules))
    });
    let only = std::env::var("KUBERULES_KERNEL_ONLY").unwrap_or_default();
    let is_asked = |(_, rules): &(Family, Rules)| rules.placed.iter().any(|p| p.rule.contains(&only));
    let templates = Family::ALL
        .into_iter()
        .flat_map(|family| sequences::of_templates_and_ports().into_iter().map(move |rules| (family, rules)));
    let all = in_a_row.chain(all).chain(templates).filter(is_asked);
    let all: Vec<(Family, Rules)> = share_by_hand("kernel::foreign_iptables", 151, 10, all.collect());
    let mut benches = [Family::Ipv4, Family::Ipv6].map(|family| Bench::new(&scenario, family));
    let mut tally = Tally::default();
    for (number, (family, rules)) in all.iter().enumerate() {
        let bench = &mut benches[usize::from(*family == Family::Ipv6)];
        bench.judge(rules, &mut Random::new(seed + number as u64), &mut tally);
    }
    tell(&tally.words());
    assert!(tally.faults.is_empty(), "{} faults\n{}", tally.faults.len(), tally.shown());
    assert!(tally.open * 50 <= tally.packets, "too much is left open:\n{}", tally.open_words());
}
