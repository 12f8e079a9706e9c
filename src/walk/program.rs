//! A ruleset of either language, ready to be walked.

use crate::net::Family;
use crate::nftables::ruleset::{Element, Field};

pub(super) use super::base_chain::BaseChain;
use super::interfaces::Interfaces;
use super::iptables;
use super::nftables;
use super::outcome::{Hook, RuleRef};
use super::packet::View;
use super::rule_part::{ChainId, RulePart};
use super::set_index::{Lookup, SetIndex};

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

    /// The elements of a named set or map.
    pub(super) fn elements(&self, chain: ChainId, set: &str) -> Option<&'r [Element]> {
        match self {
            Program::Iptables(_) => None,
            Program::Nftables(program) => program.elements(chain, set),
        }
    }

    /// The elements by their keys.
    pub(super) fn index<'s>(&'s self, chain: ChainId, set: &'s str) -> Option<&'s SetIndex<'r>> {
        match self {
            Program::Iptables(_) => None,
            Program::Nftables(program) => program.index(chain, set),
        }
    }

    /// Whether rules put elements into a set.
    pub(super) fn is_filled(&self, chain: ChainId, set: &str) -> bool {
        matches!(self, Program::Nftables(program) if program.is_filled(chain, set))
    }

    /// Whether a named limit lets through what is beyond it.
    pub(super) fn is_over(&self, chain: ChainId, kind: &str, name: &str) -> bool {
        matches!(self, Program::Nftables(program) if program.is_over(chain, kind, name))
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
