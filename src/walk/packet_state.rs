//! The state of a packet on its way: where it is, what it looks like, what was assumed to get here.

use std::net::SocketAddr;

use super::base_chain::BaseChain;
use super::chance::Chance;
use super::outcome::{Hook, Verdict};
use super::packet::View;
use super::rule_part::{ChainId, InterfaceDirection};
use crate::nftables::ruleset::{Comparison, Datum, Expression};

/// Something that is not known and is taken to hold, or not to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Predicate<'r> {
    /// The packet comes in or goes out by an interface of this name.
    Interface(InterfaceDirection, &'r str),
    /// A match, by its text: the same text means the same wherever it stands.
    Text(&'r str),
    /// A part of one rule.
    Part(RulePosition),
    /// A field of the packet, or what is made of it, is this.
    Is(&'r Expression, &'r Datum),
    /// It passes a match of nftables.
    Passes(&'r Comparison),
    /// A set of nftables has it, because a rule put it in for a packet before.
    Filled(&'r str),
}

/// A part of a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RulePosition {
    pub(super) chain: ChainId,
    pub(super) rule: usize,
    pub(super) part: usize,
}

/// A predicate, what it is taken to be, and where that was first done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assumption<'r> {
    pub(super) predicate: Predicate<'r>,
    pub(super) holds: bool,
    pub(super) position: RulePosition,
    pub(super) text: &'r str,
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
    /// How many chains took one another's place here. No kernel loads rules that come by a chain twice.
    pub(super) gotos: usize,
    /// The chance with which the current rule was taken.
    pub(super) chance: Option<Chance>,
    /// The path before the jump here, and after it: a jump that led to nothing is forgotten.
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

/// At which hook of its path a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    /// Over `lo`, after postrouting: the same packet passes the hooks of one that comes in.
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

/// A packet on its way.
#[derive(Debug, Clone)]
pub(super) struct PacketState<'r> {
    pub(super) view: View,
    pub(super) phase: Phase,
    /// How many base chains of the hook were begun.
    pub(super) begun: usize,
    pub(super) base: Option<BaseChain>,
    pub(super) frames: Vec<Frame>,
    pub(super) untracked: bool,
    pub(super) snat: bool,
    /// The destination, or at the later hooks the source, was translated at this hook: no further nat chain is asked.
    pub(super) bound: bool,
    pub(super) chance: Chance,
    pub(super) assumptions: Vec<Assumption<'r>>,
    pub(super) affinity: Option<Affinity<'r>>,
    /// The number that a chooser gave at a part of a rule.
    pub(super) drawn: Option<(RulePosition, u64)>,
    /// Sets of nftables into which it was put.
    pub(super) filled: Vec<&'r str>,
    pub(super) path: PathId,
}

impl<'r> PacketState<'r> {
    /// What was assumed of a predicate, or follows from what was.
    pub(super) fn assumed(&self, predicate: Predicate<'r>) -> Option<bool> {
        self.assumptions.iter().find_map(|assumption| {
            if assumption.predicate == predicate {
                return Some(assumption.holds);
            }
            match (assumption.predicate, predicate) {
                (Predicate::Interface(a, is), Predicate::Interface(b, asked))
                    if a == b && assumption.holds =>
                {
                    follows(is, asked)
                }
                _ => None,
            }
        })
    }
}

/// Whether an interface of one name or pattern has another name or pattern, where that is certain.
fn follows(is: &str, asked: &str) -> Option<bool> {
    let prefix = |name| str::strip_suffix(name, ['+', '*']);
    match (prefix(is), prefix(asked)) {
        (None, None) => Some(is == asked),
        (None, Some(asked)) => Some(is.starts_with(asked)),
        (Some(is), None) => (!asked.starts_with(is)).then_some(false),
        (Some(is), Some(asked)) if is.starts_with(asked) => Some(true),
        (Some(is), Some(asked)) => (!asked.starts_with(is)).then_some(false),
    }
}

/// The end of a packet's path, before like outcomes are merged.
#[derive(Debug, Clone)]
pub(super) struct PathEnd<'r> {
    pub(super) state: FinalState,
    pub(super) chance: Chance,
    pub(super) assumptions: Vec<Assumption<'r>>,
    pub(super) affinity: Option<Affinity<'r>>,
    pub(super) path: PathId,
}

/// How a packet ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FinalState {
    pub(super) verdict: Verdict,
    pub(super) destination: SocketAddr,
    pub(super) snat: bool,
    pub(super) local: bool,
}
