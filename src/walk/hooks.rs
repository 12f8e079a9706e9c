//! Follows a packet from hook to hook.

use super::base::{Base, CONNTRACK};
use super::chance::Chance;
use super::machine::Machine;
use super::outcome::{Effect, Hook, Verdict};
use super::packet::{Interface, Packet, Tracking, View};
use super::thread::{Frame, Phase, Thread};
use crate::node::Host;
use crate::node::Origin;

/// A packet where it enters the node, or leaves one of its sockets.
pub(super) fn entry<'r>(packet: &Packet, host: &Host) -> Thread<'r> {
    let local = packet.origin == Origin::Node;
    let view = View {
        protocol: packet.protocol,
        source: packet.source,
        destination: packet.destination,
        mark: packet.mark,
        input: packet.in_interface(),
        output: Interface::None,
        tracking: Tracking::NotYet,
        translated: false,
    };
    Thread {
        view: View { output: if local { output_of(host, &view) } else { Interface::None }, ..view },
        phase: if local { Phase::Output } else { Phase::Prerouting },
        begun: 0,
        base: None,
        frames: Vec::new(),
        untracked: false,
        snat: false,
        bound: false,
        chance: Chance::CERTAIN,
        assumptions: Vec::new(),
        affinity: None,
        path: None,
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

impl<'r> Machine<'_, 'r> {
    /// Begins the next base chain of the hook, or of the next hook; nothing more is to do once the thread has ended.
    pub(super) fn next_chain(&mut self, thread: &mut Thread<'r>) -> bool {
        loop {
            let bases = self.program.bases(thread.phase.hook(), self.family);
            match bases.get(thread.begun) {
                Some(base) => {
                    thread.begun += 1;
                    if self.runs(base, thread) {
                        begin(*base, thread);
                        return true;
                    }
                }
                None => {
                    if !self.next_phase(thread) {
                        return false;
                    }
                }
            }
        }
    }

    /// Nat chains see a connection once: not after a translation at this hook, not again over `lo`, and not if
    /// connection tracking does not (net/netfilter/nf_nat_core.c, `nf_nat_inet_fn`).
    fn runs(&self, base: &Base, thread: &Thread<'r>) -> bool {
        !base.nat || !(thread.untracked || thread.bound || thread.phase.is_loop())
    }

    fn next_phase(&mut self, thread: &mut Thread<'r>) -> bool {
        thread.begun = 0;
        thread.bound = false;
        match thread.phase {
            Phase::Prerouting => return self.route_input(thread),
            Phase::Output => {
                self.note_route(thread);
                thread.phase = Phase::Postrouting;
            }
            Phase::Forward => thread.phase = Phase::Postrouting,
            Phase::Postrouting if thread.view.output == Interface::Loopback => {
                thread.phase = Phase::LoopPrerouting;
                thread.view.input = Interface::Loopback;
                thread.view.output = Interface::None;
            }
            Phase::LoopPrerouting => thread.phase = Phase::LoopInput,
            Phase::Input | Phase::LoopInput => return self.end(thread, Verdict::Accept, true),
            Phase::Postrouting => return self.end(thread, Verdict::Accept, false),
        }
        true
    }

    fn route_input(&mut self, thread: &mut Thread<'r>) -> bool {
        if is_martian(self.host, &thread.view) {
            return self.martian(thread);
        }
        if self.host.is_local(thread.view.destination.ip()) {
            thread.phase = Phase::Input;
        } else {
            thread.phase = Phase::Forward;
            thread.view.output = output_of(self.host, &thread.view);
        }
        self.note_route(thread);
        true
    }

    fn note_route(&mut self, thread: &mut Thread<'r>) {
        let local = self.host.is_local(thread.view.destination.ip());
        let effect = if local { Effect::RouteLocal } else { Effect::RouteForward };
        self.record_routing(thread, effect);
    }

    /// Drops the packet at routing.
    pub(super) fn martian(&mut self, thread: &mut Thread<'r>) -> bool {
        self.record_routing(thread, Effect::Martian);
        self.end(thread, Verdict::Drop, false)
    }
}

fn begin(base: Base, thread: &mut Thread<'_>) {
    let looked_at = base.priority >= CONNTRACK || thread.phase.is_loop();
    thread.view.tracking = match (thread.untracked, looked_at) {
        (true, _) => Tracking::Untracked,
        (false, true) => Tracking::New,
        (false, false) => Tracking::NotYet,
    };
    thread.base = Some(base);
    thread.frames.clear();
    thread.frames.push(Frame::begin(base.chain, thread));
}

/// The translation that a nat chain at a hook can make.
pub(super) fn translates_destination(hook: Hook) -> bool {
    matches!(hook, Hook::Prerouting | Hook::Output)
}
