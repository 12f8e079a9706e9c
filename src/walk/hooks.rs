//! Follows a packet from hook to hook.

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use super::base_chain::{BaseChain, CONNTRACK};
use super::chain_order::NextBase;
use super::chance::Chance;
use super::evaluator::Evaluator;
use super::outcome::{Effect, Hook, Verdict};
use super::packet::{Interface, Packet, Tracking, View};
use super::packet_state::{Frame, PacketState, Phase, Routable};
use super::weights::Weight;
use crate::node::ClientKind;
use crate::node::{Host, InterfaceName, Routed};

/// A packet where it enters the node, or leaves one of its sockets.
pub(super) fn entry<'r>(packet: &Packet, host: &Host) -> PacketState<'r> {
    let local = packet.client == ClientKind::Node;
    let view = View {
        mark: packet.mark,
        input: packet.entry(),
        ..View::new(packet.protocol, packet.source, packet.destination)
    };
    PacketState {
        view: View { output: if local { output_of(host, &view) } else { Interface::None }, ..view },
        phase: if local { Phase::Output } else { Phase::Prerouting },
        begun: 0,
        class: 0,
        base: None,
        frames: Vec::new(),
        untracked: false,
        snat: false,
        bound: false,
        chance: Chance::CERTAIN,
        weight: Weight::ALWAYS,
        affinity: None,
        before: None,
        routed_for: None,
        drawn: None,
        filled: Vec::new(),
        path: None,
        listed: SmallVec::new(),
        branch: 0,
    }
}

/// The interface by which a packet with this destination leaves.
pub(super) fn output_of(host: &Host, view: &View) -> Interface {
    let ip = view.destination.ip();
    if host.is_local(ip) {
        Interface::Loopback
    } else if host.is_local_pod(ip) {
        Interface::PodSide
    } else {
        Interface::External
    }
}

/// Whether routing refuses a packet for a loopback address where none belongs (net/ipv4/route.c,
/// `ip_route_input_slow`, `__mkroute_output`). IPv6 knows no `route_localnet`.
pub(super) fn is_martian(host: &Host, view: &View) -> bool {
    let allowed = host.route_localnet && view.source.is_ipv4();
    let (from, to) = (view.source.is_loopback(), view.destination.ip().is_loopback());
    match view.input {
        Interface::None => from && view.output != Interface::Loopback && !allowed,
        Interface::Loopback => false,
        Interface::PodSide | Interface::External => (from || to) && !allowed,
    }
}

impl<'r> Evaluator<'_, 'r> {
    /// Begins the next base chain of the hook, or of the next hook; nothing more is to do once the packet has ended.
    pub(super) fn next_chain(&mut self, state: &mut PacketState<'r>) -> bool {
        if state.phase == Phase::Output && !self.can_leave_chain(state) {
            return false;
        }
        loop {
            match self.next_base(state) {
                NextBase::Chain(base) => {
                    state.begun += 1;
                    if self.runs(&base, state) {
                        begin(base, state);
                        return true;
                    }
                }
                NextBase::Open => return false,
                NextBase::Nothing => {
                    if !self.next_phase(state) {
                        return false;
                    }
                }
            }
        }
    }

    /// Nat chains see a connection once: not after a translation at this hook, not again over `lo`, and not if
    /// connection tracking does not (net/netfilter/nf_nat_core.c, `nf_nat_inet_fn`).
    fn runs(&self, base: &BaseChain, state: &PacketState<'r>) -> bool {
        !base.nat || !(state.untracked || state.bound || state.phase.is_loop())
    }

    /// Whether there is still a way for a packet of the node itself behind a base chain: where its destination was translated, or
    /// its mark or addresses changed in a chain that minds, it is routed again at once.
    fn can_leave_chain(&mut self, state: &mut PacketState<'r>) -> bool {
        let is_changed = state.before.take().is_some_and(|before| before != Routable::of(&state.view));
        let is_translated = state.base.is_some_and(|base| base.nat)
            && state.bound
            && state.view.destination.ip() != state.view.routed;
        if is_changed {
            state.routed_for = None;
        }
        !(is_changed || is_translated) || self.can_be_rerouted(state)
    }

    fn next_phase(&mut self, state: &mut PacketState<'r>) -> bool {
        state.begun = 0;
        state.bound = false;
        match state.phase {
            Phase::Prerouting => return self.route_input(state),
            Phase::Output => {
                let toward = state.routed_for.unwrap_or(state.view.destination.ip());
                let destination = SocketAddr::new(toward, state.view.destination.port());
                state.view.output = output_of(self.host, &View { destination, ..state.view });
                state.view.routed = toward;
                self.note_route(state, toward);
                state.phase = Phase::Postrouting;
                return !self.set_aside(state);
            }
            Phase::Forward => state.phase = Phase::Postrouting,
            Phase::Postrouting if state.view.output == Interface::Loopback => {
                state.phase = Phase::LoopPrerouting;
                state.view.input = Interface::Loopback;
                state.view.output = Interface::None;
            }
            Phase::LoopPrerouting => state.phase = Phase::LoopInput,
            Phase::Input | Phase::LoopInput => return self.end(state, Verdict::Accept, true),
            Phase::Postrouting => return self.end(state, Verdict::Accept, false),
        }
        true
    }

    fn route_input(&mut self, state: &mut PacketState<'r>) -> bool {
        if is_martian(self.host, &state.view) {
            return self.martian(state);
        }
        let input = self.input(&state.view);
        let way = self.way(&state.view, input.as_ref().map(InterfaceName::as_str));
        if !self.is_routed(state, (way, input)) {
            return false;
        }
        let is_local = matches!(way, Routed::Local | Routed::Many);
        if is_local {
            state.phase = Phase::Input;
        } else {
            state.phase = Phase::Forward;
            state.view.output = output_of(self.host, &state.view);
            state.view.routed = state.view.destination.ip();
        }
        self.record_routing(state, if is_local { Effect::RouteLocal } else { Effect::RouteForward });
        !self.set_aside(state)
    }

    /// Sets a routed packet aside that brings nothing with it but what rules can see.
    fn set_aside(&mut self, state: &PacketState<'r>) -> bool {
        let is_plain = state.drawn.is_none() && state.filled.is_empty() && state.listed.is_empty();
        if self.sets_aside && is_plain {
            self.routed.push(state.clone());
        }
        self.sets_aside && is_plain
    }

    fn note_route(&mut self, state: &mut PacketState<'r>, toward: IpAddr) {
        let local = self.host.is_local(toward);
        let effect = if local { Effect::RouteLocal } else { Effect::RouteForward };
        self.record_routing(state, effect);
    }

    /// Whether a packet that comes in gets to the rules: with IPv6, one with a loopback address does so over `lo` only
    /// (net/ipv6/ip6_input.c, `ip6_rcv_core`).
    pub(super) fn is_received(&mut self, state: &mut PacketState<'r>) -> bool {
        state.view.source.is_ipv4() || !is_martian(self.host, &state.view) || self.martian(state)
    }

    /// Drops a packet whose loopback address may not cross the interface.
    pub(super) fn martian(&mut self, state: &mut PacketState<'r>) -> bool {
        self.record_routing(state, Effect::Martian);
        self.end(state, Verdict::Drop, false)
    }
}

fn begin(base: BaseChain, state: &mut PacketState<'_>) {
    // It is asked for by rules, so it is registered before their chains are, and runs behind those of its priority.
    let looked_at = base.priority > CONNTRACK || state.phase.is_loop();
    state.view.tracking = match (state.untracked, looked_at) {
        (true, _) => Tracking::Untracked,
        (false, true) => Tracking::New,
        (false, false) if state.view.has_template() => Tracking::Template,
        (false, false) => Tracking::NotYet,
    };
    state.base = Some(base);
    state.before = base.routes_again.then(|| Routable::of(&state.view));
    state.frames.clear();
    state.frames.push(Frame::begin(base.chain, state));
}

/// The translation that a nat chain at a hook can make.
pub(super) fn translates_destination(hook: Hook) -> bool {
    matches!(hook, Hook::Prerouting | Hook::Output)
}
