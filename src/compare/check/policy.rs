//! Policies that drop connections to Services: `:FORWARD DROP` of a firewall or of Docker, a base chain of another
//! table of nftables.

use super::{Finding, Kind, Lines, Pair, traffic};
use crate::compare::rules_change::LineChange;
use crate::compare::traffic::{Traffic, Unknown};
use crate::iptables::ruleset as ipt;
use crate::nftables::ruleset as nft;
use crate::ruleset::Ruleset;

/// Reports that such a policy drops connections to Services that would otherwise pass, with kube-proxy's rules as they
/// should be; and what is not known.
pub(super) fn find(pair: Pair<'_>, intended: &Ruleset) -> (Option<Finding>, Vec<Unknown>) {
    let others = pair.captured.others();
    if !std::iter::once(intended).chain(&others).any(drops_by_policy) {
        return (None, Vec::new());
    }
    let (lenient, mut places) = without_drop_policies(intended);
    let mut lenient_others = Vec::new();
    for other in &others {
        let (lenient, more) = without_drop_policies(other);
        lenient_others.push(lenient);
        places.extend(more);
    }
    if places.is_empty() {
        return (None, Vec::new());
    }
    let (should, is) = ((&lenient, lenient_others.as_slice()), (intended, others.as_slice()));
    let Traffic { flows, unknown, .. } = traffic(pair, (should, is), &|_| true, None);
    if flows.is_empty() {
        return (None, unknown);
    }
    let chains: Vec<String> = places.iter().map(|place| format!("{} {}", place.table, place.name)).collect();
    let message = format!(
        "connections to Services that no rule accepts are dropped by the policy of {}",
        chains.join(", ")
    );
    let finding = Finding { places, traffic: flows, ..Finding::general(Kind::PolicyDrop, message) };
    (Some(finding), unknown)
}

/// Whether any policy drops.
pub(super) fn drops_by_policy(ruleset: &Ruleset) -> bool {
    match ruleset {
        Ruleset::Iptables(rules) => {
            let mut chains = rules.tables.iter().flat_map(|table| &table.chains);
            chains.any(|chain| chain.policy == Some(ipt::Policy::Drop))
        }
        Ruleset::Nftables(rules, family) => {
            let tables = rules.tables.iter().filter(|table| table.family.sees(*family));
            let mut bases = tables.flat_map(|table| &table.chains).filter_map(|chain| chain.base.as_ref());
            bases.any(|base| base.drops_by_default)
        }
    }
}

/// The same ruleset with every policy accepting, and the policies that did not.
fn without_drop_policies(ruleset: &Ruleset) -> (Ruleset, Vec<Lines>) {
    let mut places = Vec::new();
    let mut note = |table: String, name: String, text: String| {
        places.push(Lines { table, name, lines: vec![LineChange { op: '+', text }] });
    };
    let lenient = match ruleset {
        Ruleset::Iptables(rules) => {
            let mut rules = ipt::Ruleset::clone(rules);
            for table in &mut rules.tables {
                for chain in table.chains.iter_mut().filter(|chain| chain.policy == Some(ipt::Policy::Drop)) {
                    chain.policy = Some(ipt::Policy::Accept);
                    let name = chain.name.to_string();
                    note(table.name.name().to_owned(), name.clone(), format!("-P {name} DROP"));
                }
            }
            rules.into()
        }
        Ruleset::Nftables(rules, family) => {
            let mut rules = nft::Ruleset::clone(rules);
            for table in rules.tables.iter_mut().filter(|table| table.family.sees(*family)) {
                let name = format!("{} {}", table.family.name(), table.name);
                for chain in &mut table.chains {
                    if let Some(base) = chain.base.as_mut().filter(|base| base.drops_by_default) {
                        base.drops_by_default = false;
                        note(name.clone(), chain.name.to_string(), "policy drop".to_owned());
                    }
                }
            }
            Ruleset::nftables(rules, *family)
        }
    };
    (lenient, places)
}
