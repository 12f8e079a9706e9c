//! What rules of nftables change of packets: who asks for it on a later rule can be told something else.

use super::evaluator::Evaluator;
use super::matching::moment;
use super::packet_state::{PacketState, RulePosition};
use super::questions::Where;
use crate::nftables::ruleset::{Expression, Header, Selector, Statement};

/// Everything that rules assign to.
#[derive(Default)]
pub(super) struct Assigned<'r>(Vec<&'r Selector>);

impl<'r> Assigned<'r> {
    pub(super) fn of(statements: impl Iterator<Item = &'r Statement>) -> Assigned<'r> {
        Assigned(statements.filter_map(target).collect())
    }

    /// Whether some rule can give a packet another answer.
    fn changes(&self, asked: &Selector) -> bool {
        self.0.iter().any(|assigned| match (assigned, asked) {
            // Raw bytes of a packet can be those of any field.
            (Selector::Other(_), Selector::Payload(..) | Selector::Other(_)) => true,
            (Selector::Payload(..), Selector::Other(_)) => true,
            (Selector::Payload(header, field), Selector::Payload(other, asked)) => {
                field == asked && (header == other || is_transport(*header) && is_transport(*other))
            }
            (Selector::Conntrack(_, key), Selector::Conntrack(_, asked)) => key == asked,
            (assigned, asked) => *assigned == asked,
        })
    }

    pub(super) fn may_change(&self, asked: &Selector) -> bool {
        is_fleeting(asked) || self.changes(asked)
    }
}

fn target(statement: &Statement) -> Option<&Selector> {
    match statement {
        Statement::Assign(assignment) => Some(&assignment.0),
        Statement::Spelled(_, meaning) => target(meaning),
        _ => None,
    }
}

fn is_transport(header: Header) -> bool {
    matches!(header, Header::Tcp | Header::Udp | Header::Sctp | Header::Transport)
}

/// Marks are changed in many ways, and a number by chance is another each time.
fn is_fleeting(asked: &Selector) -> bool {
    match asked {
        Selector::Meta(key) => key == "mark" || key == "random",
        Selector::Conntrack(_, key) => key == "mark",
        _ => false,
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
