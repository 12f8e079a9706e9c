//! The state of a packet on its way: where it is, what it looks like, what was assumed on the way.

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use super::base_chain::BaseChain;
use super::chance::Chance;
use super::filled::Filled;
use super::outcome::{Hook, Verdict};
use super::packet::{Tracking, View};
use super::rule_part::ChainId;
use super::weights::Weight;

/// A list, and the address of the packet that was put on it.
pub(super) type Listed<'r> = (&'r str, IpAddr);

/// A part of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RulePosition {
    pub(super) chain: ChainId,
    pub(super) rule: usize,
    pub(super) part: usize,
}

/// The client was sent somewhere before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affinity<'r> {
    pub(super) list: &'r str,
    pub(super) listed: bool,
    pub(super) position: RulePosition,
}

/// A chain that is being walked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) chain: ChainId,
    pub(super) rule: usize,
    pub(super) part: usize,
    /// How many chains were replaced by another here (goto). No kernel loads rules that pass a chain twice.
    pub(super) gotos: usize,
    /// The chance that the current rule was taken with.
    pub(super) chance: Option<Chance>,
    /// The path before the jump to this chain, and after it: a jump that led to nothing is forgotten.
    pub(super) before: PathId,
    pub(super) after: PathId,
}

impl Frame {
    /// At the first rule of a chain.
    pub(super) fn begin(chain: ChainId, state: &PacketState<'_>) -> Frame {
        Frame { chain, rule: 0, part: 0, gotos: 0, chance: None, before: state.path, after: state.path }
    }
}

/// The end of a path in the walk's arena.
pub(super) type PathId = Option<u32>;

/// Where on its path a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Phase {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    /// Over `lo`, after postrouting: the same packet passes the hooks of an incoming one.
    LoopPrerouting,
    LoopInput,
}

impl Phase {
    pub(super) fn hook(self) -> Hook {
        match self {
            Phase::Prerouting | Phase::LoopPrerouting => Hook::Prerouting,
            Phase::Input | Phase::LoopInput => Hook::Input,
            Phase::Forward => Hook::Forward,
            Phase::Output => Hook::Output,
            Phase::Postrouting => Hook::Postrouting,
        }
    }

    pub(super) fn is_loop(self) -> bool {
        matches!(self, Phase::LoopPrerouting | Phase::LoopInput)
    }
}

/// What the kernel looks at in a packet of the node to tell whether a chain had it changed so that it is routed again
/// (net/netfilter/nft_chain_route.c, net/ipv4/netfilter/iptable_mangle.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Routable {
    /// Its mark, with the bits that are not known.
    mark: (u32, u32),
    ends: (IpAddr, IpAddr),
}

impl Routable {
    pub(super) fn of(view: &View) -> Routable {
        let ends = (view.source, view.destination.ip());
        Routable { mark: (view.mark, view.open_mark), ends }
    }
}

/// A packet on its way.
#[derive(Debug, Clone)]
pub(super) struct PacketState<'r> {
    pub(super) view: View,
    pub(super) phase: Phase,
    /// How many base chains of the hook have begun.
    pub(super) begun: usize,
    /// The number of its destination: packets to different ones never merge again.
    pub(super) class: u32,
    pub(super) base: Option<BaseChain>,
    pub(super) frames: Vec<Frame>,
    pub(super) untracked: bool,
    pub(super) snat: bool,
    /// The destination, or at the later hooks the source, was translated at this hook: no further nat chain runs.
    pub(super) bound: bool,
    pub(super) chance: Chance,
    /// The chance, times `chance`, that it gets here, by the answers to open questions.
    pub(super) weight: Weight,
    pub(super) affinity: Option<Affinity<'r>>,
    /// What it was before a chain that has it routed again if that changes.
    pub(super) before: Option<Routable>,
    /// The destination for which a packet of the node itself was routed, if a rule wrote another one into it since.
    pub(super) routed_for: Option<IpAddr>,
    /// The number that a random or hashed choice gave at a part of a rule.
    pub(super) drawn: Option<(RulePosition, u64)>,
    /// What rules added to sets of nftables for it, or deleted from them.
    pub(super) filled: Vec<Filled<'r>>,
    pub(super) path: PathId,
    /// Lists of other programs that the client was put on.
    pub(super) listed: SmallVec<[Listed<'r>; 2]>,
    /// Which branch of a fork it has just come from: it has not yet acted on its answer.
    pub(super) branch: usize,
}

/// The end of a packet's path, before equal outcomes are merged.
#[derive(Debug, Clone)]
pub(super) struct PathEnd<'r> {
    pub(super) state: FinalState,
    pub(super) chance: Chance,
    /// The chance, times `chance`, that it gets here, by the answers to open questions.
    pub(super) weight: Weight,
    pub(super) affinity: Option<Affinity<'r>>,
    pub(super) path: PathId,
}

/// How a packet ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FinalState {
    pub(super) verdict: Verdict,
    pub(super) destination: SocketAddr,
    pub(super) snat: bool,
    pub(super) local: bool,
    pub(super) rewritten: bool,
}

impl FinalState {
    pub(super) fn new(state: &PacketState<'_>, verdict: Verdict, local: bool) -> FinalState {
        let verdict = match verdict {
            // The answer names the packet as rules have left it, and its sender knows of no such connection.
            Verdict::Reject(_) if state.view.rewritten => Verdict::Drop,
            verdict => verdict,
        };
        FinalState {
            verdict,
            destination: state.view.destination,
            snat: state.snat,
            local,
            rewritten: state.view.rewritten,
        }
    }
}

/// Attaches a template to a packet that connection tracking has not looked at and that no rule took out of tracking.
pub(super) fn attach_template(state: &mut PacketState<'_>) {
    if state.view.tracking == Tracking::NotYet && !state.untracked {
        state.view.tracking = Tracking::Template;
    }
}
