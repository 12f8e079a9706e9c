//! The kernel judges what `trace` says: packets from every kind of source go to every address of every Service, past
//! the rules that `compile` prints, and must end as `walk` predicts.

pub(crate) mod conntrack;
pub(crate) mod flows;
mod judge;
pub(crate) mod scenario;
pub(super) mod wire;
pub(crate) mod world;

use kuberules::settings::Flags;

use judge::{Tally, judge};
use scenario::Scenario;

use crate::support::kernel::{available, tell};
use crate::support::scope::share;
use crate::support::{Case, cases, in_parallel};

const TOOLS: [&str; 7] =
    ["unshare", "ip", "nft", "iptables-restore", "ip6tables-restore", "nfacct", "conntrack"];

#[test]
fn packets_go_where_walk_says() {
    if !available(&TOOLS) {
        return;
    }
    let scenarios = share("kernel::trace", 97, scenarios());
    let results = in_parallel(&scenarios, |scenario| {
        let begun = std::time::Instant::now();
        let result = judge(scenario);
        if std::env::var_os("KUBERULES_KERNEL_TIMES").is_some() {
            tell(&format!("{} {:?} {:?}", scenario.name(), begun.elapsed(), result.0));
        }
        result
    });
    let mut tally = Tally::default();
    results.iter().for_each(|(of_one, _)| tally.add(*of_one));
    tell(&format!(
        "trace: {} rulesets, {} flows, {} packets sent: {} agree with walk, {} disagree ({} translated, {} with a new source, {} refused, {} dropped); of {} outcomes with a chance of 5 % or more {} were not seen",
        scenarios.len(),
        tally.flows,
        tally.packets,
        tally.agreements,
        tally.disagreements,
        tally.translated,
        tally.rewritten,
        tally.refused,
        tally.dropped,
        tally.outcomes,
        tally.unseen
    ));
    let faults: Vec<&String> = results.iter().flat_map(|(_, faults)| faults).collect();
    let shown: Vec<&str> = faults.iter().take(60).map(|fault| fault.as_str()).collect();
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), shown.join("\n"));
}

const RELEASES: [&str; 4] = ["1.30", "1.33", "1.36", "1.37"];

/// With `KUBERULES_KERNEL_FULL`, the four releases on every node of the corpus; otherwise all of them on the nodes of
/// the shop, and one of them on each of the random clusters, with every second cluster in nftables mode too. With
/// `KUBERULES_KERNEL_ONLY`, the runs with this text in their path.
fn scenarios() -> Vec<Scenario> {
    let full = std::env::var_os("KUBERULES_KERNEL_FULL").is_some();
    let only = std::env::var("KUBERULES_KERNEL_ONLY").ok();
    let chosen = |case: &Case| match &only {
        Some(part) => case.name().contains(part.as_str()),
        None => RELEASES.contains(&case.version.as_str()) && (full || in_selection(case)),
    };
    let cases: Vec<Case> = ["iptables", "nftables"].into_iter().flat_map(cases).filter(chosen).collect();
    let bridged = cases.iter().filter(|case| case.name().contains("after-worker-1/expected/1.36"));
    let bridged: Vec<Scenario> = bridged.cloned().map(by_bridge).collect();
    let plain = cases.into_iter().map(|case| Scenario { case, flags: Flags::default(), variant: "" });
    plain.chain(bridged).collect()
}

/// The gate for node ports on loopback off, on with and without loopback in the list.
const ON_1_37: [&str; 3] =
    ["release-1.37/default/", "release-1.37/gate-alone/", "release-1.37/localhost-gate/"];

fn in_selection(case: &Case) -> bool {
    let name = case.name();
    let Some(number) = name.strip_prefix("random/").and_then(|rest| rest.get(..2)?.parse::<usize>().ok())
    else {
        return name.starts_with("shop/")
            || (case.mode == "nftables" && ON_1_37.iter().any(|cluster| name.starts_with(cluster)));
    };
    // kube-proxy 1.30 does not accept every configuration in nftables mode.
    let release = if number >= 20 { RELEASES[1 + number / 2 % 2] } else { RELEASES[number / 2 % 3] };
    case.version == release && (case.mode == "iptables" || number % 2 == 0)
}

/// No random cluster recognizes local pods by a bridge.
fn by_bridge(case: Case) -> Scenario {
    let flags = Flags {
        detect_local_mode: Some("BridgeInterface".to_owned()),
        pod_bridge_interface: Some("cni0".to_owned()),
        ..Flags::default()
    };
    Scenario { case, flags, variant: "by bridge" }
}
