//! Follows a packet from hook to hook.

use crate::net::Family;
use crate::{iptables, nftables};

use super::chance::Chance;
use super::error::WalkError;
use super::host::Host;
use super::machine::Machine;
use super::op::ChainId;
use super::outcome::{Effect, Hook, Outcome, Verdict};
use super::packet::{Interface, Origin, Packet, Tracking, View};
use super::program::{self, Base, Program};
use super::thread::{Frame, Phase, Thread};
use super::{iptables as walk_iptables, nftables as walk_nftables, settle};

/// The rules of one node in one rule language.
#[derive(Debug, Clone, Copy)]
pub enum Rules<'r> {
    /// Of iptables, one family.
    Iptables(&'r iptables::ruleset::Ruleset),
    /// Of nftables, every family.
    Nftables(&'r nftables::ruleset::Ruleset),
}

impl<'r> From<&'r iptables::ruleset::Ruleset> for Rules<'r> {
    fn from(ruleset: &'r iptables::ruleset::Ruleset) -> Self {
        Rules::Iptables(ruleset)
    }
}

impl<'r> From<&'r nftables::ruleset::Ruleset> for Rules<'r> {
    fn from(ruleset: &'r nftables::ruleset::Ruleset) -> Self {
        Rules::Nftables(ruleset)
    }
}

/// A ruleset and its node, made ready for many walks.
pub struct Walker<'r> {
    pub(super) program: Program<'r>,
    pub(super) host: &'r Host,
}

impl<'r> Walker<'r> {
    /// Makes a ruleset ready. Costs some nanoseconds per chain and set; rules are not looked at yet.
    pub fn new(rules: impl Into<Rules<'r>>, host: &'r Host) -> Walker<'r> {
        let program = match rules.into() {
            Rules::Iptables(ruleset) => {
                Program::Iptables(walk_iptables::Program::new(ruleset.family, &[ruleset]))
            }
            Rules::Nftables(ruleset) => Program::Nftables(Box::new(walk_nftables::Program::new(ruleset))),
        };
        Walker { program, host }
    }

    /// Makes rulesets of iptables ready that a kernel holds side by side: of the nft and of the legacy variant, and of
    /// either family. Those of other families than `family` are passed over.
    pub fn combined(
        family: Family,
        rulesets: impl IntoIterator<Item = &'r iptables::ruleset::Ruleset>,
        host: &'r Host,
    ) -> Walker<'r> {
        let rulesets: Vec<_> = rulesets.into_iter().filter(|ruleset| ruleset.family == family).collect();
        let program = Program::Iptables(walk_iptables::Program::new(family, &rulesets));
        Walker { program, host }
    }

    /// The node.
    pub fn host(&self) -> &'r Host {
        self.host
    }

    /// Everything that can become of a packet: first what can become of it as things are known, most specific rules
    /// first, then what depends on a condition.
    ///
    /// # Errors
    /// The packet is of a family that the ruleset is not for, or the rules are such as no kernel would load: a jump to
    /// a chain that is not there, a loop. So is a ruleset with more unknown branches than can be followed.
    pub fn walk(&self, packet: &Packet) -> Result<Vec<Outcome<'r>>, WalkError> {
        if let Program::Iptables(program) = &self.program
            && program.family != packet.family()
        {
            return Err(WalkError::WrongFamily { rules: program.family, packet: packet.family() });
        }
        let mut machine = Machine::new(self, packet.family());
        machine.run(self.entry(packet))?;
        Ok(settle::outcomes(machine))
    }

    fn entry(&self, packet: &Packet) -> Thread<'r> {
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
            view: View { output: if local { self.output_of(&view) } else { Interface::None }, ..view },
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
    pub(super) fn output_of(&self, view: &View) -> Interface {
        let ip = view.destination.ip();
        if self.host.is_local(ip) {
            Interface::Loopback
        } else if self.host.is_local_pod(ip) {
            Interface::PodSide
        } else {
            Interface::External
        }
    }

    /// Whether routing refuses a packet for a loopback address where none belongs (net/ipv4/route.c,
    /// `ip_route_input_slow`, `__mkroute_output`). IPv6 knows no `route_localnet`.
    pub(super) fn is_martian(&self, view: &View) -> bool {
        let allowed = self.host.route_localnet && view.source.is_ipv4();
        let (from, to) = (view.source.is_loopback(), view.destination.ip().is_loopback());
        match view.input {
            Interface::None => from && view.output != Interface::Loopback && !allowed,
            Interface::Loopback => false,
            Interface::PodSide | Interface::External => (from || to) && !allowed,
        }
    }
}

/// The hooks that a packet passes.
impl<'r> Machine<'_, 'r> {
    /// Begins the next base chain of the hook, or of the next hook; nothing more is to do once the thread has ended.
    pub(super) fn next_chain(&mut self, thread: &mut Thread<'r>) -> bool {
        loop {
            let bases = self.walker.program.bases(thread.phase.hook(), self.family);
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
        if self.walker.is_martian(&thread.view) {
            return self.martian(thread);
        }
        if self.walker.host.is_local(thread.view.destination.ip()) {
            thread.phase = Phase::Input;
        } else {
            thread.phase = Phase::Forward;
            thread.view.output = self.walker.output_of(&thread.view);
        }
        self.note_route(thread);
        true
    }

    fn note_route(&mut self, thread: &mut Thread<'r>) {
        let local = self.walker.host.is_local(thread.view.destination.ip());
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
    let looked_at = base.priority >= program::CONNTRACK || thread.phase.is_loop();
    thread.view.tracking = match (thread.untracked, looked_at) {
        (true, _) => Tracking::Untracked,
        (false, true) => Tracking::New,
        (false, false) => Tracking::NotYet,
    };
    thread.base = Some(base);
    thread.frames.clear();
    thread.frames.push(frame(base.chain, thread));
}

pub(super) fn frame(chain: ChainId, thread: &Thread<'_>) -> Frame {
    Frame { chain, rule: 0, part: 0, gotos: 0, chance: None, before: thread.path, after: thread.path }
}

/// The translation that a nat chain at a hook can make.
pub(super) fn translates_destination(hook: Hook) -> bool {
    matches!(hook, Hook::Prerouting | Hook::Output)
}
