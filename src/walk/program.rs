//! A ruleset of either language, ready to be walked.

use crate::net::Family;
use crate::nftables::ruleset::{Bound, Element, Field, Selector};

use super::asked_beside::AskedBeside;
pub(super) use super::base_chain::BaseChain;
use super::base_chain::BaseChains;
use super::by_interface::ByInterface;
use super::interfaces::Interfaces;
use super::iptables;
use super::nftables;
use super::outcome::{Hook, RuleRef};
use super::packet::View;
use super::rule_index::Sources;
use super::rule_part::{ChainId, RulePart};
use super::set_index::{Lookup, SetIndex};

/// A ruleset of either language, ready to be walked.
pub(super) enum Program<'r> {
    Iptables(Box<iptables::Program<'r>>),
    Nftables(Box<nftables::Program<'r>>),
    Both(Box<Both<'r>>),
}

/// Rules of both languages in one kernel, whose base chains run by priority. Chains of nftables are numbered after
/// those of iptables.
pub(super) struct Both<'r> {
    iptables: iptables::Program<'r>,
    nftables: nftables::Program<'r>,
    split: usize,
    bases: BaseChains,
    interfaces: Interfaces<'r>,
}

impl<'r> Both<'r> {
    pub(super) fn new(iptables: iptables::Program<'r>, nftables: nftables::Program<'r>) -> Both<'r> {
        let split = iptables.chain_count();
        let family = iptables.family;
        let mut bases = BaseChains::default();
        for hook in [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting] {
            iptables.bases().at(hook).iter().for_each(|base| bases.add(hook, *base));
            for base in nftables.bases(family).at(hook) {
                bases.add(hook, BaseChain { chain: behind(base.chain, split), ..*base });
            }
        }
        bases.sort();
        let interfaces = iptables.interfaces().with(nftables.interfaces());
        Both { iptables, nftables, split, bases, interfaces }
    }

    /// The number among the chains of nftables, if it is one of them.
    fn of_nftables(&self, chain: ChainId) -> Option<ChainId> {
        let number = chain.index().checked_sub(self.split)?;
        Some(ChainId(u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

fn behind(chain: ChainId, split: usize) -> ChainId {
    ChainId(u32::try_from(chain.index() + split).unwrap_or(u32::MAX))
}

/// Calls the program of a chain, with the chain's number there.
macro_rules! of_chain {
    ($self:expr, $chain:ident, $program:ident => $call:expr) => {
        match $self {
            Program::Iptables($program) => $call,
            Program::Nftables($program) => $call,
            Program::Both(both) => match both.of_nftables($chain) {
                None => {
                    let $program = &both.iptables;
                    $call
                }
                Some($chain) => {
                    let $program = &both.nftables;
                    $call
                }
            },
        }
    };
}

impl<'r> Program<'r> {
    pub(super) fn bases(&self, family: Family) -> &BaseChains {
        match self {
            Program::Iptables(program) => program.bases(),
            Program::Nftables(program) => program.bases(family),
            Program::Both(both) => &both.bases,
        }
    }

    /// The nftables rules that a chain belongs to, with its number there; none if it is of iptables, which has no sets
    /// of its own.
    fn of_nftables(&self, chain: ChainId) -> Option<(&nftables::Program<'r>, ChainId)> {
        match self {
            Program::Iptables(_) => None,
            Program::Nftables(program) => Some((program, chain)),
            Program::Both(both) => both.of_nftables(chain).map(|chain| (&both.nftables, chain)),
        }
    }

    /// What a named set or map has for a key.
    pub(super) fn look_up(&self, chain: ChainId, set: &str, key: &[Field], view: &View) -> Lookup<'r> {
        let found = self.of_nftables(chain);
        found.map_or(Lookup::NoSuchSet, |(program, chain)| program.look_up(chain, set, key, view))
    }

    /// The elements of a named set or map.
    pub(super) fn elements(&self, chain: ChainId, set: &str) -> Option<&'r [Element]> {
        let (program, chain) = self.of_nftables(chain)?;
        program.elements(chain, set)
    }

    /// Whether a set is listed with as many elements as rules can put into it.
    pub(super) fn is_full(&self, chain: ChainId, set: &str) -> bool {
        self.of_nftables(chain).is_some_and(|(program, chain)| program.is_full(chain, set))
    }

    /// The elements by their keys.
    pub(super) fn index<'s>(&'s self, chain: ChainId, set: &'s str) -> Option<&'s SetIndex<'r>> {
        let (program, chain) = self.of_nftables(chain)?;
        program.index(chain, set)
    }

    /// The elements by the interfaces that they name; none if one has another kind of key.
    pub(super) fn by_interface<'s>(&'s self, chain: ChainId, set: &'s str) -> Option<&'s ByInterface<'r>> {
        let (program, chain) = self.of_nftables(chain)?;
        program.by_interface(chain, set)
    }

    /// Whether rules can give a packet another answer.
    pub(super) fn may_change(&self, asked: &Selector) -> bool {
        match self {
            Program::Iptables(_) => false,
            Program::Nftables(program) => program.may_change(asked),
            Program::Both(both) => both.nftables.may_change(asked),
        }
    }

    /// The number of the table of nftables that a chain is in.
    pub(super) fn table_number(&self, chain: ChainId) -> Option<usize> {
        self.of_nftables(chain).and_then(|(program, chain)| program.table_number(chain))
    }

    /// Whether rules put elements into a set, or take them out.
    pub(super) fn is_filled(&self, chain: ChainId, set: &str) -> bool {
        self.of_nftables(chain).is_some_and(|(program, chain)| program.is_filled(chain, set))
    }

    /// The bound of a named limit.
    pub(super) fn bound(&self, chain: ChainId, kind: &str, name: &str) -> Bound {
        let found = self.of_nftables(chain).map(|(program, chain)| program.bound(chain, kind, name));
        found.unwrap_or_else(|| Bound::of_text(""))
    }

    /// How deep chains may call one another. The kernel refuses nftables rules deeper than 16 (NFT_JUMP_STACK_SIZE),
    /// and loops of iptables; iptables has no other bound.
    pub(super) fn deepest(&self) -> usize {
        match self {
            Program::Iptables(_) | Program::Both(_) => 128,
            Program::Nftables(_) => 16,
        }
    }

    /// The interfaces that rules name.
    pub(super) fn interfaces(&self) -> &Interfaces<'r> {
        match self {
            Program::Iptables(program) => program.interfaces(),
            Program::Nftables(program) => program.interfaces(),
            Program::Both(both) => &both.interfaces,
        }
    }

    /// What rules ask about interfaces besides their names.
    pub(super) fn asked_beside(&self) -> AskedBeside {
        let of_iptables = self.iptables_part().map(|program| program.changes().beside);
        let of_nftables = self.nftables_part().map(nftables::Program::asked_beside);
        of_iptables.into_iter().chain(of_nftables).fold(AskedBeside::default(), AskedBeside::and)
    }

    /// What rules do that changes the answers to later ones; none for nftables, whose statements are looked at one by
    /// one.
    pub(super) fn changes(&self) -> Option<&iptables::Changes<'r>> {
        match self {
            Program::Iptables(program) => Some(program.changes()),
            Program::Both(both) => Some(both.iptables.changes()),
            Program::Nftables(_) => None,
        }
    }

    /// Bits of the packet's mark that rules ask for; all of them for nftables, whose expressions can ask in many ways.
    pub(super) fn asked_mark(&self) -> u32 {
        match self {
            Program::Iptables(program) => program.changes().asked_mark,
            Program::Both(_) | Program::Nftables(_) => u32::MAX,
        }
    }

    /// Ranges of source ports that rules match on.
    pub(super) fn source_ports(&self) -> Vec<(u16, u16)> {
        match self {
            Program::Iptables(program) => program.source_ports(),
            Program::Nftables(program) => program.source_ports(),
            Program::Both(both) => {
                let mut ports = both.iptables.source_ports();
                ports.extend(both.nftables.source_ports());
                ports
            }
        }
    }

    /// The rules of iptables, even beside others.
    pub(super) fn iptables_part(&self) -> Option<&iptables::Program<'r>> {
        match self {
            Program::Iptables(program) => Some(program),
            Program::Both(both) => Some(&both.iptables),
            Program::Nftables(_) => None,
        }
    }

    /// The rules of nftables, even beside others.
    pub(super) fn nftables_part(&self) -> Option<&nftables::Program<'r>> {
        match self {
            Program::Nftables(program) => Some(program),
            Program::Both(both) => Some(&both.nftables),
            Program::Iptables(_) => None,
        }
    }

    /// How many rules are such as kube-proxy never writes.
    pub(super) fn foreign_rules(&self) -> usize {
        let of_iptables = self.iptables_part().map_or(0, |program| program.changes().foreign);
        of_iptables + self.nftables_part().map_or(0, nftables::Program::foreign_rules)
    }

    /// The rules of iptables, if there are no others.
    pub(super) fn as_iptables(&self) -> Option<&iptables::Program<'r>> {
        match self {
            Program::Iptables(program) => Some(program),
            Program::Nftables(_) | Program::Both(_) => None,
        }
    }

    pub(super) fn chain_count(&self) -> usize {
        match self {
            Program::Iptables(program) => program.chain_count(),
            Program::Nftables(program) => program.chain_count(),
            Program::Both(both) => both.split + both.nftables.chain_count(),
        }
    }

    /// The family of the rules, if they are all of one.
    pub(super) fn family(&self) -> Option<Family> {
        match self {
            Program::Iptables(program) => Some(program.family),
            Program::Nftables(_) => None,
            Program::Both(both) => Some(both.iptables.family),
        }
    }

    /// Whether a chain is of iptables.
    pub(super) fn is_iptables(&self, chain: ChainId) -> bool {
        match self {
            Program::Iptables(_) => true,
            Program::Nftables(_) => false,
            Program::Both(_) => self.of_nftables(chain).is_none(),
        }
    }

    pub(super) fn find(&self, from: ChainId, name: &str) -> Option<ChainId> {
        let found = of_chain!(self, from, program => program.find(from, name))?;
        match self {
            Program::Both(both) if !self.is_iptables(from) => Some(behind(found, both.split)),
            _ => Some(found),
        }
    }

    /// Where a jump in a rule leads.
    pub(super) fn target(&self, from: ChainId, rule: usize, name: &str) -> Option<ChainId> {
        let known = self.as_iptables().and_then(|program| program.target(from, rule));
        known.or_else(|| self.find(from, name))
    }

    /// How many rules a chain has.
    pub(super) fn rule_count(&self, chain: ChainId) -> usize {
        match self.rule_ref(chain, None) {
            Some(RuleRef::Iptables { chain, .. }) => chain.rules.len(),
            Some(RuleRef::Nftables { chain, .. }) => chain.rules.len(),
            None => 0,
        }
    }

    pub(super) fn rule_ref(&self, chain: ChainId, index: Option<usize>) -> Option<RuleRef<'r>> {
        of_chain!(self, chain, program => program.rule_ref(chain, index))
    }

    pub(super) fn next_rule(&self, chain: ChainId, from: usize, of: (&View, Sources)) -> Option<usize> {
        of_chain!(self, chain, program => program.next_rule(chain, from, of))
    }

    pub(super) fn rule_part(&self, chain: ChainId, rule: usize, part: usize) -> Option<RulePart<'r>> {
        of_chain!(self, chain, program => program.rule_part(chain, rule, part))
    }
}
