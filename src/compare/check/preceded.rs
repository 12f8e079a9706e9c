//! Foreign rules that take packets before kube-proxy's rules see them.

use super::early::{Early, writer_of};
use super::{Finding, Kind, Lines, Pair, intended, traffic};
use crate::compare::rules_change::LineChange;
use crate::compare::subject::is_own_jump;
use crate::compare::traffic::{Difference, OutcomeSet, Traffic, Unknown};
use crate::iptables::ruleset as ipt;
use crate::iptables::save::rule_text;
use crate::node::NodeRules;
use crate::ruleset::Ruleset;

/// Reports that foreign rules take connections to Services first; and what is not known.
pub(super) fn find(pair: Pair<'_>, intended: &Ruleset) -> (Option<Finding>, Vec<Unknown>) {
    let others = pair.captured.others();
    let Some(Cleared { first, others: cleared, early }) = cleared(pair, intended, &others) else {
        return (None, Vec::new());
    };
    let (should, is) = ((&first, cleared.as_slice()), (intended, others.as_slice()));
    let alone = intended::without_others(intended);
    let Traffic { flows, unknown, .. } = traffic(pair, (should, is), &takes, alone.as_ref());
    if flows.is_empty() {
        return (None, unknown);
    }
    let chains: Vec<&str> = early.places.iter().map(|lines| lines.name.as_str()).collect();
    let message =
        format!("foreign rules take packets to Services first, in {}{}", chains.join(", "), early.whose());
    let places = early.places;
    (Some(Finding { places, traffic: flows, ..Finding::general(Kind::Preceded, message) }), unknown)
}

/// The rules of a node with nothing foreign before kube-proxy's.
pub(super) struct Cleared {
    /// kube-proxy's jumps at the head, and foreign rules after them.
    pub(super) first: Ruleset,
    /// The rulesets beside it.
    pub(super) others: Vec<Ruleset>,
    /// What came before.
    early: Early,
}

/// Without what comes before kube-proxy's rules; none if nothing does.
pub(super) fn cleared(pair: Pair<'_>, intended: &Ruleset, others: &[Ruleset]) -> Option<Cleared> {
    let mut early = Early::default();
    if let Some(captured) = pair.captured.ruleset.as_iptables() {
        before_jumps(captured, &mut early);
    }
    let stands_early =
        Early::is_in(intended, true) || others.iter().any(|ruleset| Early::is_in(ruleset, false));
    if early.places.is_empty() && !stands_early {
        return None;
    }
    let first = intended::with_jumps_first(pair).unwrap_or_else(|| intended.clone());
    let first = early.without(&first, true);
    let others = others.iter().map(|ruleset| early.without(ruleset, false)).collect();
    (!early.places.is_empty()).then_some(Cleared { first, others, early })
}

/// Whether any foreign rule is where it could take packets first.
pub(super) fn may_be(captured: &NodeRules<'_>) -> bool {
    let mut early = Early::default();
    captured.ruleset.as_iptables().iter().for_each(|rules| before_jumps(rules, &mut early));
    !early.places.is_empty() || Early::is_in(&captured.ruleset, true)
}

/// Whether packets get another verdict or go elsewhere: marking them, or rewriting their source, does not count as
/// taking them.
pub(super) fn takes(difference: &Difference) -> bool {
    let ends = |set: &OutcomeSet| {
        let mut ends: Vec<_> = set.ends().map(|(_, end, _)| (end.verdict, end.destination)).collect();
        ends.sort();
        ends.dedup();
        ends
    };
    ends(&difference.old) != ends(&difference.new)
}

/// Foreign rules before a jump of kube-proxy in a built-in chain.
fn before_jumps(captured: &ipt::Ruleset, early: &mut Early) {
    for table in &captured.tables {
        for chain in table.chains.iter().filter(|chain| chain.owner == ipt::Owner::Kernel) {
            let last = chain.rules.iter().rposition(|placed| is_own_jump(&placed.rule)).unwrap_or_default();
            let foreign = chain.rules.iter().take(last).filter(|placed| !is_own_jump(&placed.rule));
            let mut lines: Vec<LineChange> = Vec::new();
            for placed in foreign {
                let text = rule_text(&chain.name, &placed.rule, captured.family);
                lines.push(LineChange { op: '+', text });
                early.writers.insert(writer_of(table, chain, &placed.rule));
            }
            if !lines.is_empty() {
                early.places.push(Lines {
                    table: table.name.name().into(),
                    name: chain.name.to_string(),
                    lines,
                });
            }
        }
    }
}
