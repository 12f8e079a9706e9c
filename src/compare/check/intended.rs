//! What the node would have if kube-proxy's part were right and all that is foreign stayed.

use std::collections::HashSet;

use super::Pair;
use super::arrange::{at_head, in_place};
use super::dispatch::{DISPATCH, do_the_same};
use super::right::{self, rules};
use crate::compare::subject::is_own_jump;
use crate::iptables::ruleset as ipt;
use crate::nftables::ruleset as nft;
use crate::ruleset::Ruleset;

/// What the node would have.
pub(super) struct Intended {
    /// The rules.
    pub(super) ruleset: Ruleset,
    /// Whether that is what the node does have, line for line.
    pub(super) is_captured: bool,
}

/// With kube-proxy's jumps in their captured places.
pub(super) fn of(pair: Pair<'_>) -> Intended {
    let (ruleset, is_captured) = match (&pair.expected.ruleset, &pair.captured.ruleset) {
        _ if right::is_right(pair) => (pair.captured.ruleset.clone(), true),
        (Ruleset::Iptables(expected), Ruleset::Iptables(captured)) => {
            (with_own_chains(expected, captured, in_place).into(), false)
        }
        (Ruleset::Nftables(expected, family), Ruleset::Nftables(captured, _)) => {
            (Ruleset::nftables(with_own_table(expected, captured), *family), false)
        }
        (expected, _) => (expected.clone(), false),
    };
    Intended { ruleset, is_captured }
}

/// The same with kube-proxy's jumps at the head of the built-in chains, where it puts them.
pub(super) fn with_jumps_first(pair: Pair<'_>) -> Option<Ruleset> {
    let (expected, captured) = (pair.expected.ruleset.as_iptables()?, pair.captured.ruleset.as_iptables()?);
    Some(with_own_chains(expected, captured, at_head).into())
}

/// Only the captured rules of kube-proxy and the kubelet: no foreign chains, the built-in ones without foreign rules,
/// and no policy that drops.
pub(super) fn without_others(ruleset: &Ruleset) -> Option<Ruleset> {
    let rules = ruleset.as_iptables()?;
    let own_part = |chain: &ipt::Chain| match chain.owner {
        ipt::Owner::Foreign => None,
        ipt::Owner::KubeProxy | ipt::Owner::Kubelet => Some(chain.clone()),
        ipt::Owner::Kernel => {
            let jumps = chain.rules.iter().filter(|placed| is_own_jump(&placed.rule)).cloned().collect();
            let policy = chain.policy.map(|_| ipt::Policy::Accept);
            Some(ipt::Chain { rules: jumps, policy, ..chain.clone() })
        }
    };
    let table = |table: &ipt::Table| {
        let chains = table.chains.iter().filter_map(own_part).collect();
        ipt::Table { name: table.name, chains }
    };
    Some(ipt::Ruleset { family: rules.family, tables: rules.tables.iter().map(table).collect() }.into())
}

/// Puts the table where the node has it: of base chains at one hook with equal priority, the first in the listing runs
/// first.
fn with_own_table(expected: &nft::Ruleset, captured: &nft::Ruleset) -> nft::Ruleset {
    let is_same = |a: &nft::Table, b: &nft::Table| (a.family, &a.name) == (b.family, &b.name);
    let own = |table: &nft::Table| expected.tables.iter().find(|own| is_same(own, table));
    let mut tables: Vec<nft::Table> = Vec::new();
    for table in &captured.tables {
        match own(table) {
            Some(own) if tables.iter().any(|placed| is_same(placed, own)) => {}
            Some(own) => tables.push(own.clone()),
            None => tables.push(table.clone()),
        }
    }
    let is_missing = |own: &&nft::Table| !captured.tables.iter().any(|table| is_same(own, table));
    tables.extend(expected.tables.iter().filter(is_missing).cloned());
    nft::Ruleset { tables }
}

type Arrange = fn(&[ipt::PlacedRule], &[ipt::PlacedRule]) -> Vec<ipt::PlacedRule>;

fn with_own_chains(expected: &ipt::Ruleset, captured: &ipt::Ruleset, arrange: Arrange) -> ipt::Ruleset {
    let names = || expected.tables.iter().chain(&captured.tables).map(|table| table.name);
    let mut seen = HashSet::new();
    let names: Vec<ipt::TableName> = names().filter(|name| seen.insert(*name)).collect();
    let table = |name: ipt::TableName| {
        let own = expected.table(name).map(|table| table.chains.as_slice()).unwrap_or_default();
        let found = captured.table(name).map(|table| table.chains.as_slice()).unwrap_or_default();
        ipt::Table { name, chains: chains(own, found, arrange) }
    };
    ipt::Ruleset { family: expected.family, tables: names.into_iter().map(table).collect() }
}

fn chains(expected: &[ipt::Chain], captured: &[ipt::Chain], arrange: Arrange) -> Vec<ipt::Chain> {
    let own: HashSet<ipt::ChainName> = expected.iter().map(|chain| chain.name).collect();
    let counterpart = |name: ipt::ChainName| captured.iter().find(|chain| chain.name == name);
    let mut chains: Vec<ipt::Chain> = Vec::new();
    for chain in expected {
        chains.push(match chain.owner {
            ipt::Owner::Kernel => match counterpart(chain.name) {
                Some(found) => ipt::Chain { rules: arrange(&chain.rules, &found.rules), ..found.clone() },
                None => chain.clone(),
            },
            // The kubelet may have added a rule there that kube-proxy does not need.
            ipt::Owner::Kubelet if chain.rules.is_empty() => {
                counterpart(chain.name).cloned().unwrap_or_else(|| chain.clone())
            }
            // In the node's own order of Services, if that does the same: it is different on every node.
            _ if DISPATCH.contains(&chain.name.as_str()) => match counterpart(chain.name) {
                Some(found) if do_the_same(rules(chain), rules(found)) => found.clone(),
                _ => chain.clone(),
            },
            _ => chain.clone(),
        });
    }
    let is_foreign = |chain: &&ipt::Chain| !own.contains(&chain.name) && chain.owner != ipt::Owner::KubeProxy;
    chains.extend(captured.iter().filter(is_foreign).cloned());
    chains
}
