//! The kernel judges what the walk says about rules that kube-proxy never writes: fragments of every kind that other
//! programs write, singly and in random combinations, at every hook, before and after kube-proxy's rules. The rules are
//! loaded, listed as text and as JSON, read, and walked; real packets must end as the walk says.

mod fragments;
mod ipv6;
mod judge;
mod rare;
mod sequences;

use crate::support::in_parallel;
use crate::support::kernel::{available, tell};
use crate::support::scope::{all, share};
use fragments::{Setting, random, single};
use judge::{Count, judge};

const TOOLS: [&str; 4] = ["unshare", "ip", "nft", "conntrack"];

/// How many rulesets of several fragments the quick run and the full run try.
const RANDOM: (usize, usize) = (60, 600);

#[test]
fn packets_end_past_rules_of_others_as_walk_says() {
    if !available(&TOOLS) {
        return;
    }
    // Some minutes more: by hand.
    let full = all();
    let only = std::env::var("KUBERULES_KERNEL_ONLY").unwrap_or_default();
    let mut settings: Vec<Setting> = single(full);
    settings.extend(random(if full { RANDOM.1 } else { RANDOM.0 }));
    settings.retain(|setting| setting.rules.iter().any(|rule| rule.contains(&only)));
    let settings = share("kernel::foreign_nftables", 31, settings);
    let batches: Vec<&[Setting]> = settings.chunks(settings.len().div_ceil(2).max(1)).collect();
    let results = in_parallel(&batches, |batch| judge(batch));
    let mut count = Count::default();
    results.iter().for_each(|(of_one, _)| count.add(of_one));
    tell(&format!(
        "rules of others: {} rulesets, {} refused by nft, {} packets: {} as walk says, {} otherwise; {} left open though decided, {} more that ask for what no packet tells",
        settings.len(),
        count.refused,
        count.packets,
        count.right,
        count.wrong,
        count.open,
        count.not_told
    ));
    let faults: Vec<&String> = results.iter().flat_map(|(_, faults)| faults).collect();
    let most = if std::env::var_os("KUBERULES_KERNEL_TIMES").is_some() { usize::MAX } else { 40 };
    let shown: Vec<&str> = faults.iter().take(most).map(|fault| fault.as_str()).collect();
    assert!(count.wrong == 0 && faults.is_empty(), "{} faults\n{}", faults.len(), shown.join("\n"));
    // A quick run has few.
    assert!(count.refused <= 2 + settings.len() / 8, "nft refuses {} rulesets", count.refused);
    assert!(count.open * 50 <= count.packets, "{} of {} packets are left open", count.open, count.packets);
}
