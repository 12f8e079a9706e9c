//! The kernel judges what the walk says about routes, routing rules and sysctls: nodes with random ones of each are set
//! up and captured, and packets are sent from every side, through the right interface and through others. What routing
//! drops, refuses or lets pass must be as predicted.

mod judge;
mod node;
mod setup;

use judge::{Bench, Tally};
use setup::Setup;

use crate::support::kernel::{available, tell};
use crate::support::random::Random;
use crate::support::scope::share;
use crate::testing::seed;
use kuberules::net::Family;

const TOOLS: [&str; 5] = ["unshare", "ip", "nft", "iptables-restore", "conntrack"];

/// Setups in the full run.
const SETUPS: u64 = 140;

#[test]
fn packets_are_routed_as_walk_says() {
    if !available(&TOOLS) {
        return;
    }
    let seed = seed();
    let numbers = share("kernel::routing", 17, (0..SETUPS).collect::<Vec<u64>>());
    let mut bench = Bench::new();
    let mut tally = Tally::default();
    for number in numbers {
        let mut dice = Random::new(seed * 1_000_003 + number);
        let family = if dice.one_in(4) { Family::Ipv6 } else { Family::Ipv4 };
        let setup = Setup::random(family, &mut dice);
        bench.judge(&setup, number, &mut dice, &mut tally);
    }
    tell(&tally.words());
    assert!(tally.faults.is_empty(), "{} faults\n{}", tally.faults.len(), tally.shown());
    assert!(tally.assumed_wrongly * 20 <= tally.packets, "{}", tally.words());
}
