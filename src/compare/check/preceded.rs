//! Foreign rules that take packets before kube-proxy's rules see them.

use super::{Finding, Kind, Lines, Pair, intended, traffic};
use crate::compare::diff::LineChange;
use crate::compare::subject::is_own_jump;
use crate::compare::traffic::Unknown;
use crate::iptables::ruleset as ipt;
use crate::iptables::save::rule_text;
use crate::ruleset::Ruleset;

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
    let message = format!("foreign rules take packets to Services first, in {}", chains.join(", "));
    let finding = Finding { places: before, traffic: flows, ..Finding::general(Kind::Preceded, message) };
    (Some(finding), found.unknown)
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
