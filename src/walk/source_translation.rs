//! Translations of the source: SNAT and masquerade.

use super::evaluator::{Evaluator, Next};
use super::outcome::Effect;
use super::packet_state::{PacketState, RulePosition};
use super::port_choice::PortChoice;
use crate::iptables::foreign::Translation;

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn masquerade(
        &mut self,
        state: &mut PacketState<'r>,
        choice: PortChoice,
        position: RulePosition,
    ) -> Next {
        let own = self.host.primary_address(self.family);
        self.note(state, position, Effect::Masquerade);
        let changes = own.is_none_or(|own| own != state.view.source);
        state.view.source = own.unwrap_or(state.view.source);
        self.source_translated(state, changes, choice)
    }

    /// SNAT to one of some addresses; if there are several, later rules do not care which.
    pub(super) fn snat_to(
        &mut self,
        state: &mut PacketState<'r>,
        to: &'r Translation,
        position: RulePosition,
    ) -> Next {
        self.note(state, position, Effect::Snat);
        let was = state.view.source;
        if let Some((first, last)) = to.addresses
            && first == last
        {
            state.view.source = first;
        }
        let changes = state.view.source != was || to.addresses.is_some_and(|(first, last)| first != last);
        self.source_translated(state, changes, PortChoice { range: to.ports, random: to.random })
    }

    /// The kernel notes a translation only where something changed.
    pub(super) fn source_translated(
        &mut self,
        state: &mut PacketState<'r>,
        changes_address: bool,
        choice: PortChoice,
    ) -> Next {
        let was = state.view.source_port;
        state.view.source_port = choice.of(was, self.source_port);
        state.snat = true;
        state.view.source_translated |= changes_address || state.view.source_port != was;
        state.bound = true;
        state.frames.clear();
        Next::Elsewhere
    }
}
