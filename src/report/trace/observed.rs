//! Facts about an outcome that need no reason.

use super::Trace;
use super::cause::has_no_address;
use crate::plan::Listener;
use crate::walk::{Effect, Outcome, Step, Verdict};

/// Whether a rule translated the packet's destination.
pub(super) fn is_translated(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> bool {
    let dnat = |effect: &Effect<'_>| matches!(effect, Effect::Dnat(_));
    outcome.destination != trace.packet.destination
        || outcome.steps.iter().any(|step| step.effects.iter().any(dnat))
}

/// Whether the packet was sent back to the Pod that sent it.
pub(super) fn is_hairpin(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> bool {
    outcome.destination.ip() == trace.packet.source
        && !outcome.delivered_locally
        && is_translated(outcome, trace)
}

/// Whether the packet meets a DNAT rule without an address.
pub(super) fn meets_rule_without_address(outcome: &Outcome<'_>) -> bool {
    let garbled = |step: &Step<'_>| step.rule.is_some_and(|rule| has_no_address(&rule));
    outcome.steps.iter().any(garbled)
}

/// kube-proxy's own listener that gets the packet, if no rule takes it.
pub(crate) fn listener<'t>(outcome: &Outcome<'_>, trace: &Trace<'t, '_>) -> Option<Listener<'t>> {
    let reaches_node = outcome.verdict == Verdict::Accept && outcome.delivered_locally;
    trace
        .plan
        .filter(|_| reaches_node && !is_translated(outcome, trace))?
        .listener(outcome.destination, trace.packet.protocol)
}
