//! Whether kube-proxy's part of what a node has is right line for line, apart from the order of Services: then all
//! packets are known to have the right outcome without following any.

use std::collections::{HashMap, HashSet};

use super::Pair;
use super::arrange::in_place;
use super::dispatch::{DISPATCH, do_the_same};
use crate::iptables::ruleset as ipt;
use crate::nftables::ruleset as nft;
use crate::ruleset::Ruleset;

/// Whether nothing of kube-proxy's is missing or altered, and nothing is left of what is gone.
pub(super) fn is_right(pair: Pair<'_>) -> bool {
    match (&pair.expected.ruleset, &pair.captured.ruleset) {
        (Ruleset::Iptables(expected), Ruleset::Iptables(captured)) => {
            let is_told_once =
                |table: &&ipt::Table| captured.tables.iter().filter(|t| t.name == table.name).count() == 1;
            let is_right = |own: &ipt::Table| {
                captured.table(own.name).is_some_and(|found| are_right(&own.chains, &found.chains))
            };
            let is_known = |found: &&ipt::Table| expected.table(found.name).is_some();
            let mut others = captured.tables.iter().filter(|found| !is_known(found));
            captured.tables.iter().all(|table| is_told_once(&table))
                && expected.tables.iter().all(is_right)
                && others.all(|table| table.chains.iter().all(is_foreign))
        }
        (Ruleset::Nftables(expected, _), Ruleset::Nftables(captured, _)) => {
            let found = |own: &nft::Table| {
                let mut like =
                    captured.tables.iter().filter(|t| t.family == own.family && t.name == own.name);
                like.next().filter(|_| like.next().is_none())
            };
            expected.tables.iter().all(|own| found(own).is_some_and(|found| is_right_table(own, found)))
        }
        _ => false,
    }
}

/// Whether there is nothing to say about a chain that kube-proxy's rules do not have: it is foreign, or kube-proxy's
/// canary, which no packet meets.
fn is_foreign(chain: &ipt::Chain) -> bool {
    let is_canary = || chain.name.as_str().ends_with("-CANARY") && chain.rules.is_empty();
    chain.owner != ipt::Owner::KubeProxy || is_canary()
}

fn are_right(expected: &[ipt::Chain], captured: &[ipt::Chain]) -> bool {
    let own: HashSet<ipt::ChainName> = expected.iter().map(|chain| chain.name).collect();
    let found: HashMap<ipt::ChainName, &ipt::Chain> =
        captured.iter().map(|chain| (chain.name, chain)).collect();
    let is_right = |chain: &ipt::Chain| match (found.get(&chain.name), chain.owner) {
        (None, _) => false,
        (Some(found), ipt::Owner::Kernel) => in_place(&chain.rules, &found.rules) == found.rules,
        // The kubelet may have added a rule there.
        (Some(_), ipt::Owner::Kubelet) if chain.rules.is_empty() => true,
        (Some(found), _) if DISPATCH.contains(&chain.name.as_str()) => {
            (found.policy, found.owner) == (chain.policy, chain.owner)
                && do_the_same(rules(chain), rules(found))
        }
        (Some(found), _) => *found == chain,
    };
    // With two chains of one name, it would not be known which is meant.
    found.len() == captured.len()
        && expected.iter().all(is_right)
        && captured.iter().all(|chain| own.contains(&chain.name) || is_foreign(chain))
}

/// The rules of a chain.
pub(super) fn rules(chain: &ipt::Chain) -> impl Iterator<Item = &ipt::Rule> + Clone {
    chain.rules.iter().map(|placed| &placed.rule)
}

/// Whether a table is the same except for the order of its objects and its counters.
fn is_right_table(own: &nft::Table, found: &nft::Table) -> bool {
    let chains: HashMap<&str, &nft::Chain> =
        found.chains.iter().map(|chain| (chain.name.as_str(), chain)).collect();
    let sets: HashMap<&str, &nft::Set> = found.sets.iter().map(|set| (set.name.as_str(), set)).collect();
    let has_chain = |own: &nft::Chain| {
        let found = chains.get(own.name.as_str());
        found.is_some_and(|found| (&found.base, &found.rules) == (&own.base, &own.rules))
    };
    let has_set = |own: &nft::Set| sets.get(own.name.as_str()).is_some_and(|found| is_same_set(own, found));
    let counts = [(found.chains.len(), own.chains.len()), (found.sets.len(), own.sets.len())];
    (chains.len(), sets.len()) == (found.chains.len(), found.sets.len())
        && counts.iter().all(|(found, own)| found == own)
        && found.opaque == own.opaque
        && own.chains.iter().all(has_chain)
        && own.sets.iter().all(has_set)
}

fn is_same_set(own: &nft::Set, found: &nft::Set) -> bool {
    let properties =
        |set: &nft::Set| (set.key.clone(), set.maps_to.clone(), set.flags.clone(), set.timeout_seconds);
    let sorted = |set: &nft::Set| {
        let mut texts: Vec<String> = set.elements.iter().map(ToString::to_string).collect();
        texts.sort_unstable();
        texts
    };
    properties(own) == properties(found)
        && own.elements.len() == found.elements.len()
        && (own.elements == found.elements || sorted(own) == sorted(found))
}
