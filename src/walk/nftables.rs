//! A ruleset of nftables, ready to be walked.

mod rules;

use std::sync::OnceLock;

use compact_str::CompactString;
use foldhash::{HashMap, HashMapExt, HashSet};

use crate::net::Family;
use crate::nftables::TABLE;
use crate::nftables::ruleset::{
    Addresses, Bound, Chain, DataType, Datum, Diversion, Element, Expression, FibEnd, Field,
    Hook as RuleHook, Ruleset, Selector, Set, Statement, Table, Verdict,
};

use super::asked_beside::AskedBeside;
use super::assigned::Assigned;
use super::base_chain::{Backend, BaseChain, BaseChains};
use super::by_interface::ByInterface;
use super::hook::{NAT_DESTINATION, NAT_SOURCE};
use super::interfaces::Interfaces;
use super::outcome::{Answer, Hook, RuleRef};
use super::packet::View;
use super::port_choice::PortChoice;
use super::rule_index::Sources;
use super::rule_part::{Action, ChainId, InterfaceDirection, Match, MatchKind, RulePart, Side, States};
use super::set_index::{Lookup, SetIndex};
use super::{opaque_iptables, opaque_nftables};

/// How many elements rules can put into a set that tells no size (net/netfilter/nft_dynset.c, `nft_dynset_init`).
const DEFAULT_SIZE: usize = 0xffff;

pub(super) struct Program<'r> {
    tables: Vec<&'r Table>,
    chains: Vec<(usize, &'r Chain)>,
    chain_names: HashMap<(usize, &'r str), ChainId>,
    sets: HashMap<(usize, &'r str), SetSlot<'r>>,
    /// Sets that rules fill, by the table's index.
    filled: OnceLock<HashSet<(usize, &'r str)>>,
    assigned: OnceLock<Assigned<'r>>,
    bases: [BaseChains; 2],
    interfaces: OnceLock<Interfaces<'r>>,
    asked_beside: OnceLock<AskedBeside>,
    /// How many rules other programs have.
    foreign: OnceLock<usize>,
}

struct SetSlot<'r> {
    set: &'r Set,
    index: OnceLock<SetIndex<'r>>,
    by_interface: OnceLock<Option<ByInterface<'r>>>,
}

impl<'r> Program<'r> {
    pub(super) fn new(ruleset: &'r Ruleset) -> Program<'r> {
        let mut program = Program {
            tables: Vec::new(),
            chains: Vec::new(),
            chain_names: HashMap::new(),
            sets: HashMap::new(),
            filled: OnceLock::new(),
            assigned: OnceLock::new(),
            bases: Default::default(),
            interfaces: OnceLock::new(),
            asked_beside: OnceLock::new(),
            foreign: OnceLock::new(),
        };
        // A dormant table has no chains at any hook.
        for table in ruleset.tables.iter().filter(|table| !table.is_dormant()) {
            program.add_table(table);
        }
        for bases in &mut program.bases {
            bases.sort();
        }
        program
    }

    fn add_table(&mut self, table: &'r Table) {
        let number = self.tables.len();
        self.tables.push(table);
        for set in &table.sets {
            let slot = SetSlot { set, index: OnceLock::new(), by_interface: OnceLock::new() };
            self.sets.insert((number, set.name.as_str()), slot);
        }
        for chain in &table.chains {
            self.add_chain(number, table, chain);
        }
    }

    fn add_chain(&mut self, number: usize, table: &'r Table, chain: &'r Chain) {
        let id = ChainId(u32::try_from(self.chains.len()).unwrap_or(u32::MAX));
        self.chains.push((number, chain));
        self.chain_names.insert((number, chain.name.as_str()), id);
        let Some((hook, base)) = base_of(id, chain) else {
            return;
        };
        for (bases, family) in self.bases.iter_mut().zip(Family::ALL) {
            if table.family.sees(family) {
                bases.add(hook, base);
            }
        }
    }

    pub(super) fn bases(&self, family: Family) -> &BaseChains {
        let [ipv4, ipv6] = &self.bases;
        match family {
            Family::Ipv4 => ipv4,
            Family::Ipv6 => ipv6,
        }
    }

    /// The interfaces that rules name, in either direction.
    pub(super) fn interfaces(&self) -> &Interfaces<'r> {
        self.interfaces.get_or_init(|| {
            let chains: Vec<&'r Chain> = self.chains.iter().map(|(_, chain)| *chain).collect();
            let rules = chains.into_iter().flat_map(|chain| &chain.rules);
            let statements = rules.flat_map(|placed| &placed.rule.statements);
            let sets =
                self.tables.iter().flat_map(|table| &table.sets).filter(|set| can_name_interfaces(set));
            let names = sets.flat_map(|set| &set.elements).flat_map(|element| &element.key);
            Interfaces::of(statements.flat_map(interface_names).chain(names.filter_map(interface_name)))
        })
    }

    /// Ranges of source ports that rules match on.
    pub(super) fn source_ports(&self) -> Vec<(u16, u16)> {
        let mut found = Vec::new();
        for (table, chain) in &self.chains {
            let statements = chain.rules.iter().flat_map(|placed| &placed.rule.statements);
            for expression in statements.filter(|s| asks_source_port(s)).flat_map(Statement::expressions) {
                expression.visit(&mut |part| match part {
                    Expression::Datum(datum) => found.extend(port_range(datum)),
                    Expression::Set(elements) => found.extend(ranges_of(elements)),
                    Expression::Named(name) => {
                        let slot = self.sets.get(&(*table, name.as_str()));
                        found.extend(slot.into_iter().flat_map(|slot| ranges_of(&slot.set.elements)));
                    }
                    _ => {}
                });
            }
        }
        found
    }

    pub(super) fn chain_count(&self) -> usize {
        self.chains.len()
    }

    pub(super) fn find(&self, from: ChainId, name: &str) -> Option<ChainId> {
        let (table, _) = self.chains.get(from.index())?;
        self.chain_names.get(&(*table, name)).copied()
    }

    pub(super) fn rule_ref(&self, chain: ChainId, index: Option<usize>) -> Option<RuleRef<'r>> {
        let (table, chain) = *self.chains.get(chain.index())?;
        let table = *self.tables.get(table)?;
        Some(RuleRef::Nftables { table, chain, index })
    }

    pub(super) fn next_rule(&self, chain: ChainId, from: usize, _: (&View, Sources)) -> Option<usize> {
        let (_, chain) = self.chains.get(chain.index())?;
        (from < chain.rules.len()).then_some(from)
    }

    pub(super) fn rule_part(&self, chain: ChainId, rule: usize, part: usize) -> Option<RulePart<'r>> {
        let (table, chain) = *self.chains.get(chain.index())?;
        let statements = &chain.rules.get(rule)?.rule.statements;
        match statements.get(part)? {
            Statement::Opaque(text) => {
                let mut rest = statements.iter().skip(part + 1);
                let acts = |s: &'r Statement| matches!(self.statement(table, s), RulePart::Action(_));
                Some(opaque_nftables::statement(text, rest.any(acts)))
            }
            known => Some(self.statement(table, known)),
        }
    }

    /// What a named set or map of the chain's table has for a key.
    pub(super) fn look_up(&self, chain: ChainId, set: &str, key: &[Field], view: &View) -> Lookup<'r> {
        let Some((table, _)) = self.chains.get(chain.index()) else {
            return Lookup::Miss;
        };
        match self.sets.get(&(*table, set)) {
            Some(slot) => {
                let set: &'r Set = slot.set;
                slot.index.get_or_init(|| SetIndex::new(set)).look_up(key, view)
            }
            None => Lookup::NoSuchSet,
        }
    }

    fn slot<'s>(&'s self, chain: ChainId, set: &'s str) -> Option<&'s SetSlot<'r>> {
        let (table, _) = self.chains.get(chain.index())?;
        self.sets.get(&(*table, set))
    }

    pub(super) fn elements(&self, chain: ChainId, set: &str) -> Option<&'r [Element]> {
        let set: &'r Set = self.slot(chain, set)?.set;
        Some(&set.elements)
    }

    /// Whether a set is listed with as many elements as rules can put into it.
    pub(super) fn is_full(&self, chain: ChainId, set: &str) -> bool {
        self.slot(chain, set).is_some_and(|slot| {
            let size = slot.set.size.and_then(|size| size.try_into().ok()).unwrap_or(DEFAULT_SIZE);
            slot.set.elements.len() >= size
        })
    }

    pub(super) fn index<'s>(&'s self, chain: ChainId, set: &'s str) -> Option<&'s SetIndex<'r>> {
        let slot = self.slot(chain, set)?;
        let set: &'r Set = slot.set;
        // Without the types of the set's key, words have no numbers.
        (!set.key.is_empty()).then(|| slot.index.get_or_init(|| SetIndex::new(set)))
    }

    pub(super) fn by_interface<'s>(&'s self, chain: ChainId, set: &'s str) -> Option<&'s ByInterface<'r>> {
        let slot = self.slot(chain, set)?;
        let set: &'r Set = slot.set;
        slot.by_interface.get_or_init(|| ByInterface::new(set.elements.iter())).as_ref()
    }

    /// Whether rules can give a packet another answer.
    pub(super) fn may_change(&self, asked: &Selector) -> bool {
        let assigned = self.assigned.get_or_init(|| {
            let rules = self.chains.iter().flat_map(|(_, chain)| &chain.rules);
            Assigned::of(rules.flat_map(|placed| &placed.rule.statements))
        });
        assigned.may_change(asked)
    }

    /// The number of the table that a chain is in.
    pub(super) fn table_number(&self, chain: ChainId) -> Option<usize> {
        self.chains.get(chain.index()).map(|(table, _)| *table)
    }

    /// Whether rules put elements into a set, or take them out.
    pub(super) fn is_filled(&self, chain: ChainId, set: &str) -> bool {
        let table = self.chains.get(chain.index()).map(|(table, _)| *table);
        table.is_some_and(|table| self.filled_sets().contains(&(table, set)))
    }

    /// The bound of a named limit, as its own text or JSON says.
    pub(super) fn bound(&self, chain: ChainId, kind: &str, name: &str) -> Bound {
        let table = self.chains.get(chain.index()).and_then(|(table, _)| self.tables.get(*table));
        let is_it = |text: &&String| {
            let rest = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(' '));
            rest.is_some_and(|rest| {
                rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '))
                    || rest.contains(&format!("\"name\": \"{name}\""))
                    || rest.contains(&format!("\"name\":\"{name}\""))
            })
        };
        let found = table.and_then(|table| table.opaque.iter().find(is_it));
        Bound::of_text(found.map_or("", String::as_str))
    }

    /// Whether kube-proxy's rules add clients to a set. A listing as JSON does not always have `dynamic`.
    fn is_memory(&self, table: usize, set: &str) -> bool {
        let Some(slot) = self.sets.get(&(table, set)) else {
            return false;
        };
        let forgets = |flag: &CompactString| flag == "dynamic" || flag == "timeout";
        self.is_kube_proxys(table)
            && slot.set.flags.iter().any(forgets)
            && self.filled_sets().contains(&(table, set))
    }

    fn is_kube_proxys(&self, table: usize) -> bool {
        self.tables.get(table).is_some_and(|table| table.name == TABLE)
    }

    fn filled_sets(&self) -> &HashSet<(usize, &'r str)> {
        self.filled.get_or_init(|| {
            let updates = |&(table, chain): &(usize, &'r Chain)| {
                let statements = chain.rules.iter().flat_map(|placed| &placed.rule.statements);
                statements.filter_map(move |statement| match statement {
                    Statement::UpdateSet { set, .. } => Some((table, set.as_str())),
                    Statement::ChangeSet(change) => Some((table, change.set.as_str())),
                    _ => None,
                })
            };
            self.chains.iter().flat_map(updates).collect()
        })
    }

    fn statement(&self, table: usize, statement: &'r Statement) -> RulePart<'r> {
        match statement {
            Statement::Address { field, negated, addresses } => {
                self.address(table, *field, *negated, addresses)
            }
            Statement::InSet { key, negated, set } => match key.as_slice() {
                [Field::SourceAddress(_)] if self.is_memory(table, set) => {
                    match_part(*negated, MatchKind::Remembered(set))
                }
                _ => match_part(*negated, MatchKind::InSet(key, set)),
            },
            Statement::InInterface { negated, name, .. } => {
                match_part(*negated, MatchKind::Interface(InterfaceDirection::In, name))
            }
            Statement::ConntrackState(names) => match_part(false, MatchKind::State(States::Nftables(names))),
            Statement::ConntrackStatusDnat => match_part(false, MatchKind::Translated),
            Statement::L4Protocol(protocol) => match_part(false, MatchKind::Protocol(*protocol)),
            Statement::DestinationPort(protocol, port) => {
                match_part(false, MatchKind::Port(*protocol, *port))
            }
            Statement::Mark { mask, negated, value } => {
                match_part(*negated, MatchKind::Mark { value: *value, mask: *mask })
            }
            Statement::FibLocal(FibEnd::Source) => match_part(false, MatchKind::Local(Side::Source)),
            Statement::FibLocal(FibEnd::Destination) => {
                match_part(false, MatchKind::Local(Side::Destination))
            }
            Statement::Counter { .. } | Statement::NamedCounter(_) => RulePart::Nothing,
            Statement::Compare(_) | Statement::Limit(_) | Statement::ChangeSet(_) => {
                match_part(false, MatchKind::Statement(statement))
            }
            Statement::UpdateSet { .. } if !self.is_kube_proxys(table) => {
                match_part(false, MatchKind::Statement(statement))
            }
            Statement::Spelled(_, meaning) => self.statement(table, meaning),
            Statement::Log(_) => RulePart::Nothing,
            Statement::Aside(text) => opaque_nftables::aside(text),
            // Without a socket the rule ends, otherwise it goes on (net/netfilter/nft_tproxy.c).
            Statement::Divert(Diversion::Socket, text) => opaque_iptables::unknown(text),
            Statement::Opaque(text) => opaque_nftables::statement(text, false),
            _ => action(statement).map_or(RulePart::Nothing, RulePart::Action),
        }
    }

    fn address(&self, table: usize, field: Field, negated: bool, addresses: &'r Addresses) -> RulePart<'r> {
        let (side, family) = match field {
            Field::SourceAddress(family) => (Side::Source, family),
            Field::DestinationAddress(family) => (Side::Destination, family),
            Field::L4Protocol | Field::DestinationPort => return RulePart::Nothing,
        };
        match addresses {
            Addresses::Named(set) if side == Side::Source && self.is_memory(table, set) => {
                match_part(negated, MatchKind::Remembered(set))
            }
            _ => match_part(negated, MatchKind::Addresses(side, family, addresses)),
        }
    }
}

/// Names of interfaces that a statement matches on.
pub(super) fn interface_names(statement: &Statement) -> Vec<&str> {
    match statement {
        Statement::InInterface { name, .. } => return vec![name],
        Statement::Spelled(_, meaning) => return interface_names(meaning),
        _ => {}
    }
    let mut found = Vec::new();
    for expression in statement.expressions() {
        expression.visit(&mut |part| match part {
            Expression::Datum(datum) => found.extend(interface_name(datum)),
            Expression::Set(elements) => {
                found.extend(elements.iter().flat_map(|element| &element.key).filter_map(interface_name));
            }
            _ => {}
        });
    }
    found
}

pub(super) fn interface_name(datum: &Datum) -> Option<&str> {
    match datum {
        Datum::Name(name) => Some(name),
        _ => None,
    }
}

/// A set without types (`typeof`) can hold anything.
fn can_name_interfaces(set: &Set) -> bool {
    set.key.is_empty()
        || set.key.contains(&DataType::InterfaceName)
        || set.key.contains(&DataType::InterfaceIndex)
}

fn asks_source_port(statement: &Statement) -> bool {
    let mut asks = false;
    for expression in statement.expressions() {
        expression.visit(&mut |part| {
            asks |= match part {
                Expression::Selector(Selector::Payload(_, field)) => field == "sport",
                Expression::Selector(Selector::Conntrack(_, key)) => key == "proto-src",
                _ => false,
            };
        });
    }
    asks
}

fn ranges_of(elements: &[Element]) -> impl Iterator<Item = (u16, u16)> {
    elements.iter().flat_map(|element| &element.key).filter_map(port_range)
}

fn port_range(datum: &Datum) -> Option<(u16, u16)> {
    let port = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    match datum {
        Datum::Port(only) => Some((only.get(), only.get())),
        Datum::Number(only) => Some((port(*only), port(*only))),
        Datum::Numbers(first, last) => Some((port(*first), port(*last))),
        _ => None,
    }
}

fn match_part<'r>(negated: bool, kind: MatchKind<'r>) -> RulePart<'r> {
    RulePart::Match(Match { negated, kind })
}

fn action(statement: &Statement) -> Option<Action<'_>> {
    Some(match statement {
        Statement::SetMarkOr(bits) => Action::OrMark(*bits),
        Statement::SetMarkXor(bits) => Action::SetMark { keep: u32::MAX, flip: *bits },
        Statement::VerdictMap { key, map } => Action::VerdictMap(key, map),
        Statement::RandomVerdict { modulus, verdicts } => Action::RandomVerdict(*modulus, verdicts),
        Statement::Dnat(address) => Action::Dnat(*address),
        Statement::RandomDnat { modulus, destinations, .. } => Action::RandomDnat(*modulus, destinations),
        Statement::UpdateSet { set, .. } => Action::Remember(set),
        Statement::Masquerade { fully_random } => Action::Masquerade(PortChoice::random(*fully_random)),
        Statement::Reject => Action::Reject(Answer::PortUnreachable),
        Statement::Verdict(verdict) => verdict_action(verdict),
        Statement::LookUp(_) | Statement::Assign(_) | Statement::Translate(_) | Statement::RejectWith(_) => {
            Action::Statement(statement)
        }
        Statement::Notrack => Action::Untrack,
        Statement::Divert(Diversion::Program, text) => Action::ToProgram(text),
        Statement::Divert(Diversion::Proxy, text) => Action::Proxy(text),
        Statement::Divert(Diversion::Interface, text) => Action::Unknown(text),
        _ => return None,
    })
}

pub(super) fn verdict_action(verdict: &Verdict) -> Action<'_> {
    match verdict {
        Verdict::Accept => Action::Accept,
        Verdict::Drop => Action::Drop,
        Verdict::Return => Action::Return,
        Verdict::Continue => Action::Continue,
        Verdict::Jump(chain) => Action::Jump(chain),
        Verdict::Goto(chain) => Action::Goto(chain),
    }
}

fn base_of(id: ChainId, chain: &Chain) -> Option<(Hook, BaseChain)> {
    let base = chain.base.as_ref()?;
    let hook = match base.hook {
        RuleHook::Prerouting => Hook::Prerouting,
        RuleHook::Input => Hook::Input,
        RuleHook::Forward => Hook::Forward,
        RuleHook::Output => Hook::Output,
        RuleHook::Postrouting => Hook::Postrouting,
        RuleHook::Ingress | RuleHook::Egress => return None,
    };
    let nat = base.kind == "nat";
    let priority = match (nat, hook) {
        (false, _) => base.priority,
        (true, Hook::Prerouting | Hook::Output) => NAT_DESTINATION,
        (true, _) => NAT_SOURCE,
    };
    let base = BaseChain {
        chain: id,
        priority,
        own_priority: base.priority,
        backend: Backend::Nftables,
        registered: id.0,
        nat,
        routes_again: base.kind == "route",
        drops: base.drops_by_default,
        idle: !base.drops_by_default && chain.rules.is_empty(),
    };
    Some((hook, base))
}
