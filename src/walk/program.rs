//! A ruleset of either language, ready to be walked.

use crate::net::Family;
use crate::nftables::ruleset::Field;

use super::iptables;
use super::nftables;
use super::op::{ChainId, Op};
use super::outcome::{Hook, RuleRef};
use super::packet::View;
use super::set_index::Lookup;

/// Where the kernel translates destinations, whatever priority a nat chain asks for (NF_IP_PRI_NAT_DST).
pub(super) const NAT_DESTINATION: i32 = -100;
/// Where it translates sources (NF_IP_PRI_NAT_SRC).
pub(super) const NAT_SOURCE: i32 = 100;
/// Where connection tracking looks at a packet (NF_IP_PRI_CONNTRACK).
pub(super) const CONNTRACK: i32 = -200;

/// A base chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    pub(super) chain: ChainId,
    pub(super) priority: i32,
    /// What the chain asks for: ranks nat chains among themselves.
    pub(super) own_priority: i32,
    pub(super) nat: bool,
    pub(super) drops: bool,
}

/// The base chains of every hook, in the order in which they run.
#[derive(Default)]
pub(super) struct Bases([Vec<Base>; 5]);

impl Bases {
    pub(super) fn add(&mut self, hook: Hook, base: Base) {
        if let Some(bases) = self.0.get_mut(hook as usize) {
            bases.push(base);
        }
    }

    /// Sorts by priority; chains of the same keep the order of the listing.
    pub(super) fn sort(&mut self) {
        for bases in &mut self.0 {
            bases.sort_by_key(|base| (base.priority, base.own_priority));
        }
    }

    pub(super) fn at(&self, hook: Hook) -> &[Base] {
        self.0.get(hook as usize).map_or(&[], Vec::as_slice)
    }
}

/// A ruleset of either language, ready to be walked.
pub(super) enum Program<'r> {
    Iptables(iptables::Program<'r>),
    Nftables(Box<nftables::Program<'r>>),
}

macro_rules! either {
    ($self:expr, $program:ident => $call:expr) => {
        match $self {
            Program::Iptables($program) => $call,
            Program::Nftables($program) => $call,
        }
    };
}

impl<'r> Program<'r> {
    pub(super) fn bases(&self, hook: Hook, family: Family) -> &[Base] {
        match self {
            Program::Iptables(program) => program.bases(hook),
            Program::Nftables(program) => program.bases(hook, family),
        }
    }

    /// What a named set or map has for a key; only nftables has sets.
    pub(super) fn look_up(&self, chain: ChainId, set: &str, key: &[Field], view: &View) -> Lookup<'r> {
        match self {
            Program::Iptables(_) => Lookup::NoSuchSet,
            Program::Nftables(program) => program.look_up(chain, set, key, view),
        }
    }

    /// How deep chains may call one another. The kernel refuses rules of nftables beyond 16
    /// (NFT_JUMP_STACK_SIZE) and loops of iptables; the latter has no other bound.
    pub(super) fn deepest(&self) -> usize {
        match self {
            Program::Iptables(_) => 128,
            Program::Nftables(_) => 16,
        }
    }

    pub(super) fn chain_count(&self) -> usize {
        either!(self, program => program.chain_count())
    }

    pub(super) fn find(&self, from: ChainId, name: &str) -> Option<ChainId> {
        either!(self, program => program.find(from, name))
    }

    pub(super) fn rule_ref(&self, chain: ChainId, index: Option<usize>) -> Option<RuleRef<'r>> {
        either!(self, program => program.rule_ref(chain, index))
    }

    pub(super) fn next_rule(&self, chain: ChainId, from: usize, view: &View) -> Option<usize> {
        match self {
            Program::Iptables(program) => program.next_rule(chain, from, view),
            Program::Nftables(program) => program.next_rule(chain, from),
        }
    }

    pub(super) fn op(&self, chain: ChainId, rule: usize, part: usize) -> Option<Op<'r>> {
        either!(self, program => program.op(chain, rule, part))
    }
}
