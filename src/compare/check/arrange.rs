//! Where kube-proxy's jumps and foreign rules are in a built-in chain.

use crate::compare::subject::is_own_jump;
use crate::iptables::ruleset as ipt;

/// Foreign rules and expected jumps in their captured order; a missing jump is inserted after its predecessor, the
/// first one at the head.
pub(super) fn in_place(expected: &[ipt::PlacedRule], captured: &[ipt::PlacedRule]) -> Vec<ipt::PlacedRule> {
    let mut kept: Vec<&ipt::PlacedRule> = Vec::new();
    for placed in captured {
        let own = is_own_jump(&placed.rule);
        if !own || (expected.contains(placed) && !kept.contains(&placed)) {
            kept.push(placed);
        }
    }
    let mut behind = 0;
    for jump in expected {
        let at = kept.iter().position(|placed| *placed == jump).unwrap_or_else(|| {
            kept.insert(behind, jump);
            behind
        });
        behind = at + 1;
    }
    kept.into_iter().cloned().collect()
}

/// Expected jumps first, then foreign rules.
pub(super) fn at_head(expected: &[ipt::PlacedRule], captured: &[ipt::PlacedRule]) -> Vec<ipt::PlacedRule> {
    let foreign = captured.iter().filter(|placed| !is_own_jump(&placed.rule));
    expected.iter().chain(foreign).cloned().collect()
}
