//! Foreign rules that take packets before kube-proxy's rules see them.

use std::collections::BTreeSet;

use super::{Finding, Kind, Lines, Pair, intended, traffic};
use crate::compare::diff::LineChange;
use crate::compare::subject::is_own_jump;
use crate::compare::traffic::Unknown;
use crate::iptables::ruleset as ipt;
use crate::iptables::save::rule_text;
use crate::ruleset::Ruleset;
use crate::ruleset::writer::Writer;

/// That foreign rules take connections to Services first; and what cannot be told.
pub(super) fn find(pair: Pair<'_>, intended: &Ruleset) -> (Option<Finding>, Vec<Unknown>) {
    let before = pair.captured.ruleset.as_iptables().map(before_jumps).unwrap_or_default();
    let Some(first) = intended::with_jumps_first(pair).filter(|_| !before.is_empty()) else {
        return (None, Vec::new());
    };
    let found = traffic(pair, (&first, intended), &|_| None);
    let flows: Vec<_> = found.flows.into_iter().filter(|flow| !flow.target.is_empty()).collect();
    if flows.is_empty() {
        return (None, found.unknown);
    }
    let chains: Vec<&str> = before.iter().map(|lines| lines.name.as_str()).collect();
    let whose = writers(pair.captured.ruleset.as_iptables());
    let message = format!("foreign rules take packets to Services first, in {}{whose}", chains.join(", "));
    let finding = Finding { places: before, traffic: flows, ..Finding::general(Kind::Preceded, message) };
    (Some(finding), found.unknown)
}

/// Whose the rules are, in words.
fn writers(captured: Option<&ipt::Ruleset>) -> String {
    let tables = captured.into_iter().flat_map(|captured| &captured.tables);
    let chains = tables.flat_map(|table| table.chains.iter().map(move |chain| (table.name, chain)));
    let mut found = BTreeSet::new();
    for (table, chain) in chains.filter(|(_, chain)| chain.owner == ipt::Owner::Kernel) {
        let last = chain.rules.iter().rposition(|placed| is_own_jump(&placed.rule)).unwrap_or_default();
        for placed in chain.rules.iter().take(last).filter(|placed| !is_own_jump(&placed.rule)) {
            let target = match &placed.rule.target {
                Some(ipt::Target::Jump(to) | ipt::Target::Goto(to)) => {
                    captured.and_then(|captured| captured.table(table)?.chain(to.as_str()))
                }
                _ => None,
            };
            let rule = target.map_or(Some(&placed.rule), |_| None);
            found.insert(Writer::of_iptables(table, target.unwrap_or(chain), rule));
        }
    }
    let named: Vec<String> =
        found.iter().filter(|writer| **writer != Writer::Unnamed).map(Writer::to_string).collect();
    if named.is_empty() { String::new() } else { format!(": rules of {}", named.join(", ")) }
}

/// Foreign rules that stand before a jump of kube-proxy in a built-in chain.
fn before_jumps(captured: &ipt::Ruleset) -> Vec<Lines> {
    let mut found = Vec::new();
    for table in &captured.tables {
        for chain in table.chains.iter().filter(|chain| chain.owner == ipt::Owner::Kernel) {
            let last = chain.rules.iter().rposition(|placed| is_own_jump(&placed.rule)).unwrap_or_default();
            let foreign = chain.rules.iter().take(last).filter(|placed| !is_own_jump(&placed.rule));
            let lines: Vec<LineChange> = foreign
                .map(|placed| LineChange {
                    op: '+',
                    text: rule_text(&chain.name, &placed.rule, captured.family),
                })
                .collect();
            if !lines.is_empty() {
                found.push(Lines { table: table.name.name().into(), name: chain.name.to_string(), lines });
            }
        }
    }
    found
}
