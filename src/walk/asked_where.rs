//! Where the answer to a question of nftables counts.

use super::evaluator::Evaluator;
use super::matching::moment;
use super::packet_state::{PacketState, RulePosition};
use super::questions::Where;
use crate::nftables::ruleset::{Expression, Header, Selector};

impl<'r> Evaluator<'_, 'r> {
    /// Where an answer to what an expression asks for counts.
    pub(super) fn asked_where(
        &self,
        state: &PacketState<'r>,
        of: &Expression,
        position: RulePosition,
    ) -> Where {
        let (mut changes, mut is_same) = (false, true);
        of.visit(&mut |part| match part {
            Expression::Selector(asked) => {
                changes |= self.program.may_change(asked);
                is_same &= is_constant(asked);
            }
            Expression::Chooser(_) | Expression::Map(..) => is_same = false,
            _ => {}
        });
        match (changes, is_same) {
            (true, _) => Where::Here(position, moment(state)),
            (false, true) => Where::Anywhere,
            (false, false) => Where::Then(moment(state)),
        }
    }
}

/// Whether the answer is the same on a packet's whole way, if no rule changes it.
fn is_constant(asked: &Selector) -> bool {
    match asked {
        Selector::Payload(Header::Ether | Header::Vlan | Header::Arp, _) => false,
        Selector::Payload(_, field) => {
            !matches!(field.as_str(), "ttl" | "hoplimit" | "checksum" | "sport" | "dport" | "saddr" | "daddr")
        }
        Selector::Meta(key) => {
            matches!(key.as_str(), "skuid" | "skgid" | "cgroup" | "hour" | "day" | "time" | "length")
        }
        Selector::Conntrack(..) | Selector::Fib(..) => false,
        Selector::Other(words) => {
            let varying = ["@", "rt ", "socket ", "ipsec "];
            !varying.iter().any(|word| words.starts_with(word))
        }
    }
}
