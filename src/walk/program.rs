//! A ruleset of either language, ready to be walked.

use crate::net::Family;
use crate::nftables::ruleset::Field;

pub(super) use super::base_chain::BaseChain;
use super::interfaces::Interfaces;
use super::iptables;
use super::nftables;
use super::outcome::{Hook, RuleRef};
use super::packet::View;
use super::rule_part::{ChainId, RulePart};
use super::set_index::Lookup;

/// A ruleset of either language, ready to be walked.
pub(super) enum Program<'r> {
    Iptables(Box<iptables::Program<'r>>),
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
    pub(super) fn bases(&self, hook: Hook, family: Family) -> &[BaseChain] {
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

    /// The interfaces that rules name.
    pub(super) fn interfaces(&self) -> &Interfaces<'r> {
        either!(self, program => program.interfaces())
    }

    /// Ranges of source ports that rules ask for.
    pub(super) fn source_ports(&self) -> Vec<(u16, u16)> {
        either!(self, program => program.source_ports())
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

    pub(super) fn rule_part(&self, chain: ChainId, rule: usize, part: usize) -> Option<RulePart<'r>> {
        either!(self, program => program.rule_part(chain, rule, part))
    }
}
