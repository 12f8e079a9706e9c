//! What rules of nftables change of packets: who asks for it on a later rule can be told something else.

use crate::nftables::ruleset::{Header, Selector, Statement};

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
