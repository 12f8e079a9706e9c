//! A ruleset of iptables, ready to be walked.

mod marks;

use std::net::SocketAddr;
use std::sync::OnceLock;

use foldhash::{HashMap, HashMapExt, HashSet};

use crate::iptables::foreign::{
    Alteration, Connection, ForeignTarget, Means, RejectAnswer, Test, TestKind, Translation,
};
use crate::iptables::ruleset::{
    Chain, ChainName, End as RuleEnd, Match as RuleMatch, Owner, Policy, ProtocolName, RecentAction, Rule,
    Ruleset, TableName, Target,
};
use crate::net::Family;

use super::asked_beside::AskedBeside;
use super::base_chain::{Backend, BaseChain, BaseChains};
use super::chance::Chance;
use super::hook::{LEGACY_SECURITY, base_place};
use super::interfaces::Interfaces;
use super::outcome::{Answer, Hook, RuleRef};
use super::packet::View;
use super::port_choice::PortChoice;
use super::rule_index::{RuleIndex, RuleKey, Sources};
use super::rule_part::{
    Action, ChainId, InterfaceDirection, Listing, Match, MatchKind, RulePart, Side, States,
};
use marks::{altered_mark, asked_mark};

/// A chain with more rules than this gets an index.
const INDEXED_FROM: usize = 16;

pub(super) struct Program<'r> {
    pub(super) family: Family,
    chains: Vec<Slot<'r>>,
    /// By the ruleset's index, table and name.
    names: HashMap<(usize, TableName, ChainName), ChainId>,
    bases: BaseChains,
    interfaces: OnceLock<Interfaces<'r>>,
    changes: OnceLock<Changes<'r>>,
}

/// What rules do that changes the answers to later ones.
#[derive(Debug, Default)]
pub(super) struct Changes<'r> {
    /// Header fields that are not otherwise followed are changed.
    pub(super) alters: bool,
    /// Sets that rules fill or empty.
    pub(super) sets: HashSet<&'r str>,
    /// Bits of the packet's mark that some rule asks for. To rules, packets that differ only in other bits are alike.
    pub(super) asked_mark: u32,
    /// How many rules match on an interface, or have a match or target that kube-proxy never writes.
    pub(super) foreign: usize,
    /// What they ask about interfaces besides their names.
    pub(super) beside: AskedBeside,
}

struct Slot<'r> {
    part: usize,
    table: TableName,
    chain: &'r Chain,
    index: OnceLock<RuleIndex>,
    /// Where each rule jumps to, filled in once a packet jumps: finding a chain by its name takes longer than most
    /// rules do.
    targets: OnceLock<Box<[Option<ChainId>]>>,
}

impl<'r> Program<'r> {
    /// Takes all rulesets of one family that a kernel has side by side: of the nft and of the legacy variant.
    pub(super) fn new(family: Family, rulesets: &[&'r Ruleset]) -> Program<'r> {
        let mut program = Program {
            family,
            chains: Vec::new(),
            names: HashMap::new(),
            bases: BaseChains::default(),
            interfaces: OnceLock::new(),
            changes: OnceLock::new(),
        };
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
        self.chains.push(Slot { part, table, chain, index: OnceLock::new(), targets: OnceLock::new() });
        self.names.insert((part, table, chain.name), id);
        if let Some((hook, priority)) = base_place(table, chain.name.as_str()) {
            // Where there are two, the second is of the legacy variant.
            let backend = if part > 0 { Backend::Legacy } else { Backend::Iptables };
            let is_legacy_security = backend == Backend::Legacy && table == TableName::Security;
            let priority = if is_legacy_security { LEGACY_SECURITY } else { priority };
            self.bases.add(
                hook,
                BaseChain {
                    chain: id,
                    priority,
                    own_priority: priority,
                    backend,
                    // Those of one priority keep their order.
                    registered: u32::MAX - id.0,
                    nat: table == TableName::Nat,
                    routes_again: table == TableName::Mangle && hook == Hook::Output,
                    drops: chain.policy == Some(Policy::Drop),
                    idle: chain.policy != Some(Policy::Drop) && chain.rules.is_empty(),
                },
            );
        }
    }

    pub(super) fn bases(&self) -> &BaseChains {
        &self.bases
    }

    /// Every rule.
    pub(super) fn rules(&self) -> impl Iterator<Item = &'r Rule> {
        let chains = self.chains.iter().map(|slot| slot.chain);
        chains.flat_map(|chain| &chain.rules).map(|placed| &placed.rule)
    }

    /// The rules that packets can meet once they are routed: those of prerouting, too, over `lo`, except for its nat
    /// chain.
    pub(super) fn rules_from_routing_on(&self) -> impl Iterator<Item = &'r Rule> {
        let hooks = [Hook::Input, Hook::Forward, Hook::Postrouting, Hook::Prerouting];
        let bases = hooks.into_iter().flat_map(|hook| {
            self.bases.at(hook).iter().filter(move |base| hook != Hook::Prerouting || !base.nat)
        });
        self.rules_reached_from(bases.map(|base| base.chain).collect())
    }

    /// The rules of some chains, and of all chains that these lead to.
    fn rules_reached_from(&self, mut open: Vec<ChainId>) -> impl Iterator<Item = &'r Rule> + use<'r> {
        let mut met: HashSet<ChainId> = open.iter().copied().collect();
        let mut chains: Vec<&'r Chain> = Vec::new();
        while let Some(id) = open.pop() {
            let Some(slot) = self.chains.get(id.index()) else { continue };
            chains.push(slot.chain);
            let targets = slot.chain.rules.iter().filter_map(|placed| match &placed.rule.target {
                Some(Target::Jump(to) | Target::Goto(to)) => {
                    self.names.get(&(slot.part, slot.table, *to)).copied()
                }
                _ => None,
            });
            open.extend(targets.filter(|to| met.insert(*to)));
        }
        chains.into_iter().flat_map(|chain| &chain.rules).map(|placed| &placed.rule)
    }

    /// Names and patterns of interfaces that rules at some hooks match on; none if they ask more about an interface.
    pub(super) fn interfaces_asked_at(&self, hooks: &[Hook]) -> Option<Vec<&'r str>> {
        let mut names = Vec::new();
        let bases = hooks.iter().flat_map(|hook| self.bases.at(*hook)).map(|base| base.chain);
        for rule in self.rules_reached_from(bases.collect()) {
            names.extend(
                [&rule.in_interface, &rule.out_interface].into_iter().flatten().map(|i| i.name.as_str()),
            );
            let tests = rule.matches.iter().flat_map(|asked| match asked {
                RuleMatch::Foreign(foreign) => foreign.tests(),
                _ => &[],
            });
            let asks_more = |test: &Test| {
                matches!(test.kind, TestKind::AddressType { limit: Some(_), .. } | TestKind::Set { .. })
            };
            let goes_there = |target: &Target| match target {
                Target::Foreign(foreign) => {
                    matches!(foreign.means(), Means::Redirect | Means::RedirectTo { .. })
                }
                _ => false,
            };
            if tests.into_iter().any(asks_more) || rule.target.as_ref().is_some_and(goes_there) {
                return None;
            }
        }
        Some(names)
    }

    /// The interfaces that rules name, in either direction.
    pub(super) fn interfaces(&self) -> &Interfaces<'r> {
        self.interfaces.get_or_init(|| {
            let asked = self.rules().flat_map(|rule| rule.in_interface.iter().chain(&rule.out_interface));
            Interfaces::of(asked.map(|asked| asked.name.as_str()))
        })
    }

    /// Every test of other programs' matches.
    fn foreign_tests(&self) -> impl Iterator<Item = &'r Test> {
        self.rules().flat_map(|rule| &rule.matches).flat_map(|m| match m {
            RuleMatch::Foreign(foreign) => foreign.tests(),
            _ => &[],
        })
    }

    /// Ranges of source ports that rules match on.
    pub(super) fn source_ports(&self) -> Vec<(u16, u16)> {
        let mut found = Vec::new();
        for test in self.foreign_tests() {
            match &test.kind {
                TestKind::Ports { end: None | Some(RuleEnd::Source), ranges, .. } => found.extend(ranges),
                TestKind::Connection(Connection::Port(_, _, first, last)) => found.push((*first, *last)),
                _ => {}
            }
        }
        found
    }

    /// What rules do that changes the answers to later ones.
    pub(super) fn changes(&self) -> &Changes<'r> {
        self.changes.get_or_init(|| {
            let mut changes = Changes::default();
            for rule in self.rules() {
                changes.asked_mark |= asked_mark(rule);
                changes.foreign += usize::from(is_foreign(rule));
                changes.beside.learn(rule);
                let Some(Target::Foreign(foreign)) = &rule.target else { continue };
                match foreign.means() {
                    Means::Alters | Means::Expires => changes.alters = true,
                    Means::ChangesSet(set) => _ = changes.sets.insert(set),
                    _ => {}
                }
            }
            changes
        })
    }

    /// Bits of the packet's mark that can be changed by rules other than those in the chains of kube-proxy and the
    /// kubelet in the first ruleset.
    pub(super) fn mark_altered_by_others(&self) -> u32 {
        let is_of_others =
            |slot: &&Slot<'_>| slot.part > 0 || matches!(slot.chain.owner, Owner::Kernel | Owner::Foreign);
        let of_others = self.chains.iter().filter(is_of_others);
        of_others.flat_map(|slot| &slot.chain.rules).fold(0, |bits, placed| bits | altered_mark(&placed.rule))
    }

    /// All rules except those in kube-proxy's chains of the first ruleset.
    pub(super) fn rules_of_others(&self) -> impl Iterator<Item = &'r Rule> {
        let is_of_others = |slot: &&Slot<'r>| slot.part > 0 || slot.chain.owner != Owner::KubeProxy;
        let chains = self.chains.iter().filter(is_of_others).map(|slot| slot.chain);
        chains.flat_map(|chain| &chain.rules).map(|placed| &placed.rule)
    }

    pub(super) fn chain_count(&self) -> usize {
        self.chains.len()
    }

    pub(super) fn find(&self, from: ChainId, name: &str) -> Option<ChainId> {
        let slot = self.chains.get(from.index())?;
        self.names.get(&(slot.part, slot.table, ChainName::new(name)?)).copied()
    }

    /// Where a rule such as kube-proxy writes jumps to, if that chain exists.
    pub(super) fn target(&self, chain: ChainId, rule: usize) -> Option<ChainId> {
        let slot = self.chains.get(chain.index())?;
        let target = |rule: &Rule| match &rule.target {
            Some(Target::Jump(to) | Target::Goto(to)) => {
                self.names.get(&(slot.part, slot.table, *to)).copied()
            }
            _ => None,
        };
        let targets =
            slot.targets.get_or_init(|| slot.chain.rules.iter().map(|placed| target(&placed.rule)).collect());
        targets.get(rule).copied().flatten()
    }

    pub(super) fn rule_ref(&self, chain: ChainId, index: Option<usize>) -> Option<RuleRef<'r>> {
        let slot = self.chains.get(chain.index())?;
        Some(RuleRef::Iptables { family: self.family, table: slot.table, chain: slot.chain, index })
    }

    /// The next rule from `from` on that can match the packet.
    pub(super) fn next_rule(
        &self,
        chain: ChainId,
        from: usize,
        (view, sources): (&View, Sources),
    ) -> Option<usize> {
        let slot = self.chains.get(chain.index())?;
        let count = slot.chain.rules.len();
        if count <= INDEXED_FROM {
            return (from < count).then_some(from);
        }
        slot.index
            .get_or_init(|| RuleIndex::new(slot.chain.rules.iter().map(|placed| key_of(&placed.rule))))
            .next(from, view, sources)
    }

    /// The part of a rule with an index; none behind the last.
    pub(super) fn rule_part(&self, chain: ChainId, rule: usize, part: usize) -> Option<RulePart<'r>> {
        let chain = self.chains.get(chain.index())?.chain;
        let rule = &chain.rules.get(rule)?.rule;
        match part {
            0..=4 => Some(header(rule, part).map_or(RulePart::Nothing, RulePart::Match)),
            _ => match rule.matches.get(part - 5) {
                Some(m) => Some(matching(m, chain.owner)),
                None if part - 5 == rule.matches.len() => rule.target.as_ref().map(target),
                None => None,
            },
        }
    }
}

fn is_foreign(rule: &Rule) -> bool {
    rule.in_interface.is_some()
        || rule.out_interface.is_some()
        || rule.matches.iter().any(|asked| matches!(asked, RuleMatch::Foreign(_)))
        || matches!(rule.target, Some(Target::Foreign(_)))
}

fn key_of(rule: &Rule) -> RuleKey {
    let destination = rule.destination.as_ref().filter(|d| !d.negated && d.net.is_host());
    if let Some(destination) = destination {
        return RuleKey::Destination(destination.net.network());
    }
    if let Some(source) = rule.source.as_ref().filter(|s| !s.negated && s.net.is_host()) {
        return RuleKey::Source(source.net.network());
    }
    rule.matches
        .iter()
        .find_map(|m| match m {
            RuleMatch::Transport { protocol, destination_port: Some(port) } => {
                Some(RuleKey::Port(*protocol, port.get()))
            }
            _ => None,
        })
        .unwrap_or(RuleKey::Any)
}

fn header(rule: &Rule, part: usize) -> Option<Match<'_>> {
    let match_part = |negated, kind| Some(Match { negated, kind });
    match part {
        0 => {
            let source = rule.source.as_ref()?;
            match_part(source.negated, MatchKind::Network(Side::Source, source.net))
        }
        1 => {
            let destination = rule.destination.as_ref()?;
            match_part(destination.negated, MatchKind::Network(Side::Destination, destination.net))
        }
        2 => {
            let interface = rule.in_interface.as_ref()?;
            match_part(interface.negated, MatchKind::Interface(InterfaceDirection::In, &interface.name))
        }
        3 => {
            let interface = rule.out_interface.as_ref()?;
            match_part(interface.negated, MatchKind::Interface(InterfaceDirection::Out, &interface.name))
        }
        _ => {
            let protocol = rule.protocol.as_ref()?;
            let kind = match &protocol.protocol {
                ProtocolName::Known(protocol) => MatchKind::Protocol(*protocol),
                ProtocolName::Other(name) => MatchKind::OtherProtocol(name),
            };
            match_part(protocol.negated, kind)
        }
    }
}

fn matching(m: &RuleMatch, owner: Owner) -> RulePart<'_> {
    let match_part = |negated, kind| RulePart::Match(Match { negated, kind });
    match m {
        RuleMatch::Comment(_) | RuleMatch::Nfacct(_) => RulePart::Nothing,
        RuleMatch::Transport { protocol, destination_port } => match destination_port {
            Some(port) => match_part(false, MatchKind::Port(*protocol, *port)),
            None => match_part(false, MatchKind::Protocol(*protocol)),
        },
        RuleMatch::ConntrackState { negated, states } => {
            match_part(*negated, MatchKind::State(States::Iptables(*states)))
        }
        RuleMatch::Mark { negated, value, mask } => {
            match_part(*negated, MatchKind::Mark { value: *value, mask: *mask })
        }
        RuleMatch::AddressType { end, negated } => {
            let side = match end {
                RuleEnd::Source => Side::Source,
                RuleEnd::Destination => Side::Destination,
            };
            match_part(*negated, MatchKind::Local(side))
        }
        RuleMatch::Probability(probability) => match_part(
            false,
            MatchKind::Random(match probability.share() {
                Some(n) => Chance::of(1, u64::from(n)),
                None => match probability.units() {
                    0 => Chance::CERTAIN.otherwise(),
                    units => Chance::of(u64::from(units), 1 << 31),
                },
            }),
        ),
        RuleMatch::Recent { list, action } if owner != Owner::KubeProxy => {
            let listing = Listing { name: list.as_str(), end: RuleEnd::Source, mask: None };
            match action {
                RecentAction::Set => RulePart::Action(Action::List(listing, false)),
                RecentAction::Check { .. } => match_part(false, MatchKind::Listed(listing)),
            }
        }
        RuleMatch::Recent { list, action } => match action {
            RecentAction::Set => RulePart::Action(Action::Remember(list.as_str())),
            RecentAction::Check { .. } => match_part(false, MatchKind::Remembered(list.as_str())),
        },
        RuleMatch::Foreign(foreign) => match foreign.tests() {
            [] => RulePart::Nothing,
            [Test { negated, kind: TestKind::RecentSet(list) }] => {
                RulePart::Action(Action::List(Listing::of(list), *negated))
            }
            _ => match_part(false, MatchKind::Foreign(foreign)),
        },
    }
}

fn target(target: &Target) -> RulePart<'_> {
    RulePart::Action(match target {
        Target::Jump(chain) => Action::Jump(chain.as_str()),
        Target::Goto(chain) => Action::Goto(chain.as_str()),
        Target::Accept => Action::Accept,
        Target::Drop => Action::Drop,
        Target::Return => Action::Return,
        Target::Reject => Action::Reject(Answer::PortUnreachable),
        Target::SetMark { value, mask } => Action::SetMark { keep: !mask, flip: *value },
        Target::Masquerade { random_fully } => Action::Masquerade(PortChoice::random(*random_fully)),
        Target::Dnat(destination) => Action::Dnat(destination.address),
        Target::Foreign(foreign) => return foreign_target(foreign),
    })
}

fn foreign_target(foreign: &ForeignTarget) -> RulePart<'_> {
    let text = foreign.text();
    RulePart::Action(match foreign.means() {
        Means::Nothing | Means::Alters | Means::ChangesSet(_) => return RulePart::Nothing,
        Means::Reject(answer) => Action::Reject(match answer {
            RejectAnswer::PortUnreachable => Answer::PortUnreachable,
            RejectAnswer::TcpReset => Answer::TcpReset,
            RejectAnswer::OtherIcmp => Answer::OtherIcmp,
        }),
        Means::Mark(Alteration { of, keep, other, flip }) => {
            Action::Mark { of: *of, keep: *keep, other: *other, flip: *flip }
        }
        Means::Masquerade { ports, random } => {
            Action::Masquerade(PortChoice { range: *ports, random: *random })
        }
        Means::Source(translation) => Action::SnatTo(translation),
        Means::Destination(translation) => destination(translation),
        Means::Redirect => Action::Redirect(None),
        Means::RedirectTo { first, last, random } => Action::RedirectTo(*first, *last, *random),
        Means::Netmap(net) => Action::Netmap(*net),
        Means::Untrack => Action::Untrack,
        Means::Template => Action::Template,
        Means::ToSocket => Action::ToSocket(text),
        Means::Queue => Action::ToProgram(text),
        Means::SetsMark => Action::MarkUnknown,
        Means::Rewrites => Action::Rewrite,
        Means::Expires => Action::Expire(text),
        Means::Unknown => Action::Unknown(text),
    })
}

fn destination(translation: &Translation) -> Action<'_> {
    match translation {
        Translation { addresses: Some((ip, last_ip)), ports: Some((port, last)), .. }
            if ip == last_ip && port == last =>
        {
            Action::Dnat(SocketAddr::new(*ip, *port))
        }
        _ => Action::DnatTo(translation),
    }
}
