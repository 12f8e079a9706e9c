//! What rules do with the packet's mark and with that of its connection.

use super::evaluator::{Evaluator, Next};
use super::outcome::Effect;
use super::packet::View;
use super::packet_state::{PacketState, RulePosition};
use super::rule_part::MarkOf;

/// A mark, of which some bits may not be known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// Bits that are not known are 0.
    pub(super) known: u32,
    pub(super) open: u32,
}

impl Mark {
    /// Nothing is known.
    pub(super) const UNKNOWN: Mark = Mark { known: 0, open: u32::MAX };

    pub(super) fn of_packet(view: &View) -> Mark {
        Mark { known: view.mark, open: view.open_mark }
    }

    fn of_connection(view: &View) -> Mark {
        Mark { known: view.connection_mark, open: view.open_connection_mark }
    }

    /// (mark & keep) ^ flip
    pub(super) fn altered(self, keep: u32, flip: u32) -> Mark {
        self.mixed(keep, (Mark { known: 0, open: 0 }, 0), flip)
    }

    /// (mark & keep) ^ (other & of_other) ^ flip
    fn mixed(self, keep: u32, (other, of_other): (Mark, u32), flip: u32) -> Mark {
        let open = (self.open & keep) | (other.open & of_other);
        Mark { known: ((self.known & keep) ^ (other.known & of_other) ^ flip) & !open, open }
    }
}

impl<'r> Evaluator<'_, 'r> {
    /// Gives the packet another mark.
    pub(super) fn mark_packet(
        &mut self,
        state: &mut PacketState<'r>,
        mark: Mark,
        position: RulePosition,
    ) -> Next {
        let effect = match mark.open {
            0 => Effect::Mark(mark.known),
            _ => Effect::MarkNotKnown(MarkOf::Packet),
        };
        self.note(state, position, effect);
        self.keep_asked(&mut state.view, mark);
        Next::Part
    }

    /// Gives the packet's connection another mark.
    pub(super) fn mark_connection(
        &mut self,
        state: &mut PacketState<'r>,
        mark: Mark,
        position: RulePosition,
    ) -> Next {
        let effect = match mark.open {
            0 => Effect::ConnectionMark(mark.known),
            _ => Effect::MarkNotKnown(MarkOf::Connection),
        };
        self.note(state, position, effect);
        (state.view.connection_mark, state.view.open_connection_mark) = (mark.known, mark.open);
        Next::Part
    }

    /// A packet that is not tracked has no connection whose mark could be set or restored
    /// (net/netfilter/xt_connmark.c).
    pub(super) fn mark_either(
        &mut self,
        state: &mut PacketState<'r>,
        (of, keep, other, flip): (MarkOf, u32, u32, u32),
        position: RulePosition,
    ) -> Next {
        if (of == MarkOf::Connection || other != 0) && !state.view.is_tracked() {
            let restores = of == MarkOf::Packet && state.view.has_template();
            // Other packets have the same template, and can have marked it.
            return if restores { self.mark_packet(state, Mark::UNKNOWN, position) } else { Next::Part };
        }
        let (packet, connection) = (Mark::of_packet(&state.view), Mark::of_connection(&state.view));
        match of {
            MarkOf::Packet => {
                self.mark_packet(state, packet.mixed(keep, (connection, other), flip), position)
            }
            MarkOf::Connection => {
                self.mark_connection(state, connection.mixed(keep, (packet, other), flip), position)
            }
        }
    }

    /// From here on the marks are not known.
    pub(super) fn forget_marks(&self, view: &mut View) {
        self.keep_asked(view, Mark::UNKNOWN);
        if view.is_tracked() {
            (view.connection_mark, view.open_connection_mark) = (Mark::UNKNOWN.known, Mark::UNKNOWN.open);
        }
    }

    /// Packets that differ only in bits of the mark that no rule asks for become one.
    fn keep_asked(&self, view: &mut View, mark: Mark) {
        let asked = self.program.asked_mark() | self.host.network.asked_mark();
        (view.mark, view.open_mark) = (mark.known & asked, mark.open & asked);
    }
}
