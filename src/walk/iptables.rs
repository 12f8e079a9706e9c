//! A ruleset of iptables, ready to be walked.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::iptables::ruleset::{
    Chain, ChainName, End as RuleEnd, Match, Policy, ProtocolName, RecentAction, Rule, Ruleset, TableName,
    Target,
};
use crate::net::Family;

use super::base::{Base, Bases, NAT_DESTINATION, NAT_SOURCE};
use super::chance::Chance;
use super::op::{Act, ChainId, End, InterfaceEnd, Op, States, Test, TestKind};
use super::opaque;
use super::outcome::{Answer, Hook, RuleRef};
use super::packet::View;
use super::rule_index::{RuleIndex, RuleKey};

/// A chain with more rules than this gets an index.
const INDEXED_FROM: usize = 16;

pub(super) struct Program<'r> {
    pub(super) family: Family,
    chains: Vec<Slot<'r>>,
    /// By number of the ruleset, table and name.
    names: HashMap<(usize, TableName, ChainName), ChainId>,
    bases: Bases,
}

struct Slot<'r> {
    part: usize,
    table: TableName,
    chain: &'r Chain,
    index: OnceLock<RuleIndex>,
}

impl<'r> Program<'r> {
    /// Of rulesets of one family that a kernel holds side by side: of the nft and of the legacy variant.
    pub(super) fn new(family: Family, rulesets: &[&'r Ruleset]) -> Program<'r> {
        let mut program =
            Program { family, chains: Vec::new(), names: HashMap::new(), bases: Bases::default() };
        for (part, ruleset) in rulesets.iter().enumerate() {
            for table in &ruleset.tables {
                for chain in &table.chains {
                    program.add(part, table.name, chain);
                }
            }
        }
        program.bases.sort();
        program
    }

    fn add(&mut self, part: usize, table: TableName, chain: &'r Chain) {
        let id = ChainId(u32::try_from(self.chains.len()).unwrap_or(u32::MAX));
        self.chains.push(Slot { part, table, chain, index: OnceLock::new() });
        self.names.insert((part, table, chain.name), id);
        if let Some((hook, priority)) = base_place(table, chain.name.as_str()) {
            self.bases.add(
                hook,
                Base {
                    chain: id,
                    priority,
                    own_priority: priority,
                    nat: table == TableName::Nat,
                    drops: chain.policy == Some(Policy::Drop),
                },
            );
        }
    }

    pub(super) fn bases(&self, hook: Hook) -> &[Base] {
        self.bases.at(hook)
    }

    pub(super) fn chain_count(&self) -> usize {
        self.chains.len()
    }

    pub(super) fn find(&self, from: ChainId, name: &str) -> Option<ChainId> {
        let slot = self.chains.get(from.index())?;
        self.names.get(&(slot.part, slot.table, ChainName::new(name)?)).copied()
    }

    pub(super) fn rule_ref(&self, chain: ChainId, index: Option<usize>) -> Option<RuleRef<'r>> {
        let slot = self.chains.get(chain.index())?;
        Some(RuleRef::Iptables { family: self.family, table: slot.table, chain: slot.chain, index })
    }

    /// The next rule from `from` on that can match the packet.
    pub(super) fn next_rule(&self, chain: ChainId, from: usize, view: &View) -> Option<usize> {
        let slot = self.chains.get(chain.index())?;
        let count = slot.chain.rules.len();
        if count <= INDEXED_FROM {
            return (from < count).then_some(from);
        }
        slot.index
            .get_or_init(|| RuleIndex::new(slot.chain.rules.iter().map(|placed| key_of(&placed.rule))))
            .next(from, view)
    }

    /// Part `part` of a rule; none where the rule ends.
    pub(super) fn op(&self, chain: ChainId, rule: usize, part: usize) -> Option<Op<'r>> {
        let chain = self.chains.get(chain.index())?.chain;
        let rule = &chain.rules.get(rule)?.rule;
        match part {
            0..=4 => Some(header(rule, part).map_or(Op::Nothing, Op::Test)),
            _ => match rule.matches.get(part - 5) {
                Some(m) => Some(matching(m)),
                None if part - 5 == rule.matches.len() => rule.target.as_ref().map(target),
                None => None,
            },
        }
    }
}

/// The hook and priority of a built-in chain (linux/netfilter_ipv4.h).
fn base_place(table: TableName, chain: &str) -> Option<(Hook, i32)> {
    let hook = match chain {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "FORWARD" => Hook::Forward,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return None,
    };
    if !table.builtin_chains().contains(&chain) {
        return None;
    }
    let priority = match table {
        TableName::Raw => -300,
        TableName::Mangle => -150,
        TableName::Filter => 0,
        TableName::Security => 50,
        TableName::Nat if matches!(hook, Hook::Prerouting | Hook::Output) => NAT_DESTINATION,
        TableName::Nat => NAT_SOURCE,
    };
    Some((hook, priority))
}

fn key_of(rule: &Rule) -> RuleKey {
    let destination = rule.destination.as_ref().filter(|d| !d.negated && d.net.is_host());
    if let Some(destination) = destination {
        return RuleKey::Destination(destination.net.network());
    }
    rule.matches
        .iter()
        .find_map(|m| match m {
            Match::Transport { protocol, destination_port: Some(port) } => {
                Some(RuleKey::Port(*protocol, port.get()))
            }
            _ => None,
        })
        .unwrap_or(RuleKey::Any)
}

fn header(rule: &Rule, part: usize) -> Option<Test<'_>> {
    let test = |negated, kind| Some(Test { negated, kind });
    match part {
        0 => {
            let source = rule.source.as_ref()?;
            test(source.negated, TestKind::Network(End::Source, source.net))
        }
        1 => {
            let destination = rule.destination.as_ref()?;
            test(destination.negated, TestKind::Network(End::Destination, destination.net))
        }
        2 => {
            let interface = rule.in_interface.as_ref()?;
            test(interface.negated, TestKind::Interface(InterfaceEnd::In, &interface.name))
        }
        3 => {
            let interface = rule.out_interface.as_ref()?;
            test(interface.negated, TestKind::Interface(InterfaceEnd::Out, &interface.name))
        }
        _ => {
            let protocol = rule.protocol.as_ref()?;
            let kind = match &protocol.protocol {
                ProtocolName::Known(protocol) => TestKind::Protocol(*protocol),
                ProtocolName::Other(name) => TestKind::OtherProtocol(name),
            };
            test(protocol.negated, kind)
        }
    }
}

fn matching(m: &Match) -> Op<'_> {
    let test = |negated, kind| Op::Test(Test { negated, kind });
    match m {
        Match::Comment(_) | Match::Nfacct(_) => Op::Nothing,
        Match::Transport { protocol, destination_port } => match destination_port {
            Some(port) => test(false, TestKind::Port(*protocol, *port)),
            None => test(false, TestKind::Protocol(*protocol)),
        },
        Match::ConntrackState { negated, states } => {
            test(*negated, TestKind::State(States::Iptables(*states)))
        }
        Match::Mark { negated, value, mask } => test(*negated, TestKind::Mark { value: *value, mask: *mask }),
        Match::AddressType { end, negated } => {
            let end = match end {
                RuleEnd::Source => End::Source,
                RuleEnd::Destination => End::Destination,
            };
            test(*negated, TestKind::Local(end))
        }
        Match::Probability(probability) => test(
            false,
            TestKind::Random(match probability.share() {
                Some(n) => Chance::of(1, u64::from(n)),
                None => match probability.units() {
                    0 => Chance::CERTAIN.otherwise(),
                    units => Chance::of(u64::from(units), 1 << 31),
                },
            }),
        ),
        Match::Recent { list, action } => match action {
            RecentAction::Set => Op::Act(Act::Remember(list.as_str())),
            RecentAction::Check { .. } => test(false, TestKind::Remembered(list.as_str())),
        },
        Match::Opaque(text) => test(false, TestKind::Opaque(text)),
    }
}

fn target(target: &Target) -> Op<'_> {
    Op::Act(match target {
        Target::Jump(chain) => Act::Jump(chain.as_str()),
        Target::Goto(chain) => Act::Goto(chain.as_str()),
        Target::Accept => Act::Accept,
        Target::Drop => Act::Drop,
        Target::Return => Act::Return,
        Target::Reject => Act::Reject(Answer::PortUnreachable),
        Target::SetMark { value, mask } => Act::SetMark { keep: !mask, flip: *value },
        Target::Masquerade { .. } => Act::Masquerade,
        Target::Dnat(destination) => Act::Dnat(destination.address),
        Target::Opaque(text) => return opaque::iptables_target(text),
    })
}
