//! Rules in the wrong order.

use super::delta::Draft;
use super::delta::{Delta, by_service};
use super::dispatch::DISPATCH;
use super::{Finding, Kind, Pair};
use crate::compare::traffic::Flow;
use crate::iptables::ruleset as ipt;

pub(super) fn find<'d, 'r>(deltas: &'d [Delta<'r>]) -> Vec<Draft<'d, 'r>> {
    let moved = deltas.iter().filter(|delta| delta.change.reordered);
    by_service(Kind::OutOfPlace, moved, |name, deltas| {
        let chains: Vec<&str> = deltas.iter().map(|delta| delta.change.place.name()).collect();
        format!("{name}: rules are in another order in {}", chains.join(", "))
    })
}

/// Whether a finding says only that rules are in another order where that seldom matters: in dispatch chains, and in
/// the built-in ones, where it depends on who came first.
pub(super) fn matters_only_to_traffic(finding: &Finding) -> bool {
    let is_loose = |chain: &str| {
        DISPATCH.contains(&chain)
            || ipt::TableName::Filter.builtin_chains().contains(&chain)
            || chain.ends_with("ROUTING")
    };
    finding.kind == Kind::OutOfPlace && finding.places.iter().all(|place| is_loose(&place.name))
}

/// If packets have another outcome although all rules are there, the order of a dispatch chain is to blame, if it is
/// not the expected one.
pub(super) fn of_dispatch(pair: Pair<'_>, flows: &mut Vec<Flow>) -> Option<Finding> {
    let (expected, captured) = (pair.expected.ruleset.as_iptables()?, pair.captured.ruleset.as_iptables()?);
    if flows.is_empty() {
        return None;
    }
    let chains =
        expected.tables.iter().flat_map(|table| table.chains.iter().map(move |chain| (table, chain)));
    let moved: Vec<&str> = chains
        .filter(|(_, chain)| DISPATCH.contains(&chain.name.as_str()))
        .filter(|(table, chain)| {
            let other = captured.table(table.name).and_then(|table| table.chain(chain.name.as_str()));
            other.is_some_and(|other| other.rules != chain.rules)
        })
        .map(|(_, chain)| chain.name.as_str())
        .collect();
    if moved.is_empty() {
        return None;
    }
    let message = format!("rules are in an order that changes what packets meet, in {}", moved.join(", "));
    Some(Finding { traffic: std::mem::take(flows), ..Finding::general(Kind::OutOfPlace, message) })
}
