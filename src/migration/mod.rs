//! What to check on the nodes before kube-proxy changes its mode: facts that prevent it, or that no one notices until
//! it happens.

mod captured;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::capture::Captured;
use crate::cluster::Cluster;
use crate::compare::pre_flight::{Check, PreFlight, Readiness};
use crate::input::Snapshot;
use crate::iptables::restore;
use crate::net::Family;
use crate::nftables::script;
use crate::plan::Plan;
use crate::ruleset::Ruleset;
use crate::settings::{ProxyMode, Settings};

/// The oldest kernel that kube-proxy accepts in nftables mode (pkg/proxy/nftables/supported.go).
const LEAST_KERNEL: (u32, u32) = (5, 13);

/// The longest comment that nft accepts.
const LONGEST_COMMENT: usize = 128;

/// The state to come.
pub struct Target<'a> {
    /// Its objects.
    pub snapshot: &'a Snapshot,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Its settings.
    pub settings: &'a Settings,
}

/// Checks everything that can be known before the change; `captured` are rules that nodes have now.
pub fn look(target: &Target<'_>, from: ProxyMode, captured: &[(String, Captured)]) -> Vec<PreFlight> {
    let to = target.settings.mode;
    if from == to {
        return Vec::new();
    }
    let mut checks = Vec::new();
    if to == ProxyMode::Nftables {
        checks.extend([kernel(target.snapshot), nft(), comments(target)]);
    }
    checks.extend(captured::checks(captured, from, to));
    checks.extend(first_transaction(target));
    checks
}

fn one(check: Check, state: Readiness, found: impl Into<String>, remedy: &str) -> PreFlight {
    PreFlight { check, state, found: found.into(), remedy: remedy.to_owned() }
}

/// The numbers at the beginning of a kernel version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn kernel(snapshot: &Snapshot) -> PreFlight {
    let nodes = || snapshot.nodes.iter().map(|located| &located.object);
    let (least_major, least_minor) = LEAST_KERNEL;
    let old: Vec<String> = nodes()
        .filter(|node| version(&node.kernel_version).is_some_and(|version| version < LEAST_KERNEL))
        .map(|node| format!("{} on {}", node.kernel_version, node.metadata.name))
        .collect();
    let untold = nodes().filter(|node| version(&node.kernel_version).is_none()).count();
    if !old.is_empty() {
        let named = old.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let more = old.len().saturating_sub(3);
        let more = if more == 0 { String::new() } else { format!(" and {more} more nodes") };
        let found = format!("kernel {named}{more}; nftables mode asks for {least_major}.{least_minor}");
        return one(
            Check::Kernel,
            Readiness::Stops,
            found,
            "upgrade these nodes first: kube-proxy would not start",
        );
    }
    if untold > 0 || snapshot.nodes.is_empty() {
        let found = match (untold, snapshot.nodes.len()) {
            (_, 0) => "the input has no Nodes".to_owned(),
            (some, all) => format!("{some} of {all} Nodes report none"),
        };
        return one(Check::Kernel, Readiness::NotKnown, found, "nftables mode asks for 5.13 (uname -r)");
    }
    let mut by_version: BTreeMap<&str, usize> = BTreeMap::new();
    nodes().for_each(|node| *by_version.entry(&node.kernel_version).or_default() += 1);
    let told: Vec<String> =
        by_version.iter().take(3).map(|(version, count)| format!("{version} on {count}")).collect();
    let found = format!("{}, all at least {least_major}.{least_minor}", told.join(", "));
    one(Check::Kernel, Readiness::Fine, found, "")
}

/// What is known about nft upstream; no object has the version on a node.
fn nft() -> PreFlight {
    let found = "the nodes' version is in no object. kube-proxy asks for nft 1.0.1 in its image; nft 1.0.6 and older \
                 crashes when it lists sets that nft 1.0.6.1 or 1.1.2 and newer made, so kube-proxy before 1.33.11, \
                 1.34.7 and 1.35.4 fails on hosts with such rules of others (kubernetes/kubernetes 136786); nft 0.9.8 on \
                 the host crashes when it lists kube-proxy's table (122572)";
    one(Check::NftVersion, Readiness::NotKnown, found, "nft --version on each kind of node")
}

fn comments(target: &Target<'_>) -> PreFlight {
    if target.settings.release.nftables.comments_cut {
        return one(
            Check::Comments,
            Readiness::Fine,
            "this release cuts comments that are too long for nft",
            "",
        );
    }
    let ports = Family::ALL.into_iter().flat_map(|family| &target.cluster.family(family).service_ports);
    let mut long: Vec<String> =
        ports.map(|port| port.name.to_string()).filter(|name| name.len() > LONGEST_COMMENT).collect();
    long.sort_unstable();
    long.dedup();
    match long.first() {
        None => one(Check::Comments, Readiness::Fine, "no Service port has a name beyond 128 bytes", ""),
        Some(first) => one(
            Check::Comments,
            Readiness::Look,
            format!("{} with a name beyond 128 bytes, such as {first}", ports_count(long.len())),
            "once such a port has no endpoint, nft refuses all rules of the family: shorten the names, or go to 1.37 first",
        ),
    }
}

fn ports_count(count: usize) -> String {
    if count == 1 { "1 Service port".to_owned() } else { format!("{count} Service ports") }
}

/// How much kube-proxy loads at once when it starts in the new mode.
fn first_transaction(target: &Target<'_>) -> Option<PreFlight> {
    let node = target.cluster.nodes.first()?;
    let families = crate::node::families(target.cluster, target.settings);
    let mut sizes = Vec::new();
    for family in families {
        let (plan, _) = Plan::new(target.cluster, target.settings, node, family).ok()?;
        let text = match Ruleset::compile(&plan) {
            Ruleset::Nftables(rules, _) => script::print(&rules),
            Ruleset::Iptables(_) => restore::print(&plan).to_string(),
        };
        let kilobytes = text.len().div_ceil(1000);
        sizes.push(format!("{family} {} lines, {kilobytes} kB", text.lines().count()));
    }
    let found = format!("on node {}: {}", node.name, sizes.join("; "));
    Some(one(Check::FirstTransaction, Readiness::Fine, found, ""))
}
