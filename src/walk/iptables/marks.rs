//! Which bits of the packet's mark a rule changes, and which it asks for.

use crate::iptables::foreign::{Alteration, MarkOf, Means};
use crate::iptables::ruleset::{Match as RuleMatch, Rule, Target};

/// Bits of the packet's mark that a rule can change. A target that is not understood may change all.
pub(super) fn altered_mark(rule: &Rule) -> u32 {
    match &rule.target {
        Some(Target::SetMark { value, mask }) => mask | value,
        Some(Target::Foreign(foreign)) => match foreign.means() {
            Means::Mark(Alteration { of: MarkOf::Packet, keep, other, flip }) => !keep | other | flip,
            Means::SetsMark | Means::ToSocket | Means::Queue | Means::Unknown => u32::MAX,
            _ => 0,
        },
        _ => 0,
    }
}

/// Bits of the packet's mark that a rule asks for, or copies to the connection. A match that is not understood may ask
/// for all.
pub(super) fn asked_mark(rule: &Rule) -> u32 {
    let by_match = rule.matches.iter().fold(0, |bits, asked| {
        bits | match asked {
            RuleMatch::Mark { mask, .. } => *mask,
            RuleMatch::Foreign(foreign) if foreign.text().contains("mark") => u32::MAX,
            _ => 0,
        }
    });
    let by_target = match &rule.target {
        Some(Target::Foreign(foreign)) => match foreign.means() {
            Means::Mark(Alteration { of: MarkOf::Packet, other: 0, .. }) => 0,
            _ if foreign.text().to_ascii_lowercase().contains("mark") => u32::MAX,
            _ => 0,
        },
        _ => 0,
    };
    by_match | by_target
}
