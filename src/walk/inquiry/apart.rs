//! Chains of other programs, looked at once for all packets that they do not tell apart.
//!
//! Every forwarded packet meets the rules of a CNI plugin, thousands of them on a node with many Pods. They match on
//! few destinations, so what packets reach there is the same for nearly all of them: it is kept by where their
//! destinations lie among the addresses and ports that the chain, and those that it leads to, match on.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use foldhash::{HashMap, HashSet};

use super::reached::Reached;
use super::round::Round;
use super::{Asked, Chains, Inquiry, PortRange, elements};
use crate::iptables::foreign::{ForeignMatch, TestKind};
use crate::iptables::ruleset::{End, Owner, Policy};
use crate::iptables::save::rule_text;
use crate::net::Protocol;
use crate::nftables::TABLE;
use crate::nftables::ruleset::{Field, Interval, Statement};
use crate::walk::outcome::RuleRef;
use crate::walk::packet::View;
use crate::walk::rule_part::{Action, ChainId, Match, MatchKind, RulePart, Side};

/// What is known of how packets end in chains of other programs.
#[derive(Default)]
pub(super) struct Apart {
    chains: Mutex<HashMap<ChainId, Option<Arc<Cuts>>>>,
    known: Mutex<HashMap<Key, Arc<Found>>>,
    /// A number for the text of each rule, by the address of its chain in memory.
    texts: OnceLock<HashMap<usize, Vec<u64>>>,
}

/// A chain, whether protocol and port are left open, and where a packet lies.
type Key = (ChainId, bool, Place);

/// Where a packet lies among what a chain matches on: protocol, destination, whether that is the node's, port.
type Place = (Protocol, usize, bool, usize);

/// Where ranges of addresses and ports begin that a chain, or one that it leads to, tells from those before them.
#[derive(Default)]
struct Cuts {
    addresses: Vec<u128>,
    ports: Vec<u32>,
}

/// What packets reach in a chain and in those that it leads to.
pub(super) struct Found {
    pub(super) sources: Vec<Interval>,
    pub(super) ports: Vec<PortRange>,
    pub(super) seen: Chains,
    pub(super) digest: u128,
    /// Whether a jump leads nowhere.
    pub(super) is_cut_short: bool,
    pub(super) reaches_differing: bool,
}

impl Cuts {
    fn add(&mut self, Interval { first, last }: Interval) {
        self.addresses.extend([Some(number(first)), number(last).checked_add(1)].into_iter().flatten());
    }

    fn add_port(&mut self, PortRange { first, last, .. }: PortRange) {
        self.ports.extend([u32::from(first), u32::from(last) + 1]);
    }

    fn place(&self, packet: &View, is_local: bool) -> Place {
        let ip = number(packet.destination.ip());
        let port = u32::from(packet.destination.port());
        (
            packet.protocol,
            self.addresses.partition_point(|cut| *cut <= ip),
            is_local,
            self.ports.partition_point(|cut| *cut <= port),
        )
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl<'r> Inquiry<'_, 'r> {
    /// What packets reach in a chain of another program, for each place where some of them lie; none if the chain must
    /// be looked at by itself. Packets that reach the same things one by one reach the same things together.
    pub(super) fn apart(&self, chain: ChainId, packets: &[View], open: bool) -> Option<Vec<Arc<Found>>> {
        let cuts = self.cuts(chain)?;
        let host = self.walker.host;
        let place = |packet: &View| cuts.place(packet, host.is_local(packet.destination.ip()));
        let mut placed: Vec<(Place, &View)> = packets.iter().map(|packet| (place(packet), packet)).collect();
        placed.sort_unstable_by_key(|(place, _)| *place);
        placed.dedup_by_key(|(place, _)| *place);
        Some(
            placed.into_iter().map(|(place, packet)| self.reached_in((chain, open, place), packet)).collect(),
        )
    }

    fn reached_in(&self, key: Key, packet: &View) -> Arc<Found> {
        if let Some(known) = self.apart.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let (chain, open, _) = key;
        let round = Round::within(self, chain, vec![*packet], open);
        let Asked { mut sources, mut ports, reached, reaches_differing, .. } = round.asked;
        ports.sort_unstable();
        ports.dedup();
        if open {
            sources.clear();
        }
        sources.sort_unstable();
        sources.dedup();
        let is_cut_short = reached.contains(&Reached::Missing);
        let digest = self.digest(&reached);
        let seen = round.seen;
        let found = Arc::new(Found { sources, ports, seen, digest, is_cut_short, reaches_differing });
        self.apart.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        found
    }

    fn cuts(&self, chain: ChainId) -> Option<Arc<Cuts>> {
        if !self.is_foreign(chain) {
            return None;
        }
        if let Some(known) = self.apart.chains.lock().unwrap_or_else(PoisonError::into_inner).get(&chain) {
            return known.clone();
        }
        let cuts = self.find_cuts(chain).map(Arc::new);
        self.apart.chains.lock().unwrap_or_else(PoisonError::into_inner).insert(chain, cuts.clone());
        cuts
    }

    fn is_foreign(&self, chain: ChainId) -> bool {
        match self.walker.program.rule_ref(chain, None) {
            Some(RuleRef::Iptables { chain, .. }) => chain.owner == Owner::Foreign,
            Some(RuleRef::Nftables { table, .. }) => table.name != TABLE,
            None => false,
        }
    }

    /// None if a rule's effect on packets depends on more than where they lie.
    fn find_cuts(&self, chain: ChainId) -> Option<Cuts> {
        let mut cuts = Cuts::default();
        let mut open = vec![chain];
        let mut met = HashSet::from_iter([chain]);
        while let Some(chain) = open.pop() {
            if !self.is_foreign(chain) {
                return None;
            }
            for rule in 0..self.rule_count(chain) {
                for part in self.parts(chain, rule) {
                    let to = self.cut_by(chain, part, &mut cuts)?;
                    let to = to.into_iter().filter_map(|to| self.walker.program.find(chain, to));
                    open.extend(to.filter(|to| met.insert(*to)));
                }
            }
        }
        cuts.addresses.sort_unstable();
        cuts.addresses.dedup();
        cuts.ports.sort_unstable();
        cuts.ports.dedup();
        Some(cuts)
    }

    /// Adds what a part of a rule matches on; returns the chains that it leads to.
    fn cut_by(&self, chain: ChainId, part: RulePart<'r>, cuts: &mut Cuts) -> Option<Vec<&'r str>> {
        match part {
            RulePart::Action(Action::Jump(to) | Action::Goto(to)) => return Some(vec![to]),
            RulePart::Action(Action::VerdictMap(key, map)) => {
                self.cut_by_elements(chain, (key, map), cuts);
                return Some(self.elements(chain, map).iter().filter_map(elements::leads_to).collect());
            }
            RulePart::Action(Action::Statement(statement)) => return self.led_to(chain, statement),
            RulePart::Match(Match { kind, .. }) => match kind {
                MatchKind::Network(Side::Destination, net) => cuts.add(super::interval(net)),
                MatchKind::Port(protocol, port) => cuts.add_port(PortRange::one(protocol, port.get())),
                MatchKind::Foreign(foreign) => cut_by_match(foreign, cuts),
                MatchKind::Addresses(Side::Destination, _, addresses) => {
                    self.intervals(chain, addresses).into_iter().for_each(|interval| cuts.add(interval));
                }
                MatchKind::InSet(key, set) => self.cut_by_elements(chain, (key, set), cuts),
                // What any other match asks is noted for every packet, wherever it lies.
                _ => {}
            },
            RulePart::Action(
                Action::Accept
                | Action::Drop
                | Action::Reject(_)
                | Action::Return
                | Action::Continue
                | Action::SetMark { .. }
                | Action::OrMark(_)
                | Action::Mark { .. }
                | Action::Masquerade(_)
                | Action::SnatTo(_)
                | Action::List(..)
                | Action::Remember(_)
                | Action::Untrack
                | Action::Template
                | Action::MarkUnknown
                | Action::ToProgram(_)
                | Action::Proxy(_)
                | Action::Expire(_)
                | Action::Unknown(_),
            )
            | RulePart::Nothing => {}
            RulePart::Action(_) => return None,
        }
        Some(Vec::new())
    }

    fn cut_by_elements(&self, chain: ChainId, (key, set): (&[Field], &str), cuts: &mut Cuts) {
        for element in self.elements(chain, set) {
            for (field, datum) in key.iter().zip(&element.key) {
                if matches!(field, Field::DestinationAddress(_)) {
                    elements::interval(datum).into_iter().for_each(|interval| cuts.add(interval));
                }
            }
            elements::ports(element, key).into_iter().for_each(|range| cuts.add_port(range));
        }
    }

    /// The chains that a statement leads to; none if it makes new destinations.
    fn led_to(&self, chain: ChainId, statement: &'r Statement) -> Option<Vec<&'r str>> {
        match statement {
            Statement::LookUp(lookup) => {
                Some(self.elements_of(chain, &lookup.1).iter().filter_map(elements::leads_to).collect())
            }
            Statement::Assign(assignment) if !assignment.0.is_of_packet() => Some(Vec::new()),
            Statement::RejectWith(_) => Some(Vec::new()),
            _ => None,
        }
    }

    /// A number for what is reached: equal for the same rules in the same order.
    fn digest(&self, reached: &[Reached<'r>]) -> u128 {
        let texts = self.apart.texts.get_or_init(|| self.texts());
        let half = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            for one in reached {
                hash(one, texts, &mut hasher);
            }
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    }
}

impl<'r> Inquiry<'_, 'r> {
    /// A number for the text of each rule of other programs, by the address of its chain in memory.
    fn texts(&self) -> HashMap<usize, Vec<u64>> {
        let program = &self.walker.program;
        let chains = (0..program.chain_count()).map(super::chain_id).filter(|chain| self.is_foreign(*chain));
        let texts = chains.filter_map(|chain| match program.rule_ref(chain, None)? {
            RuleRef::Iptables { family, chain, .. } => {
                let text = |rule| hashed(&rule_text(&chain.name, rule, family));
                Some((place_of(chain), chain.rules.iter().map(|placed| text(&placed.rule)).collect()))
            }
            RuleRef::Nftables { chain, .. } => {
                let texts = chain.rules.iter().map(|placed| hashed(&placed.rule.to_string())).collect();
                Some((place_of(chain), texts))
            }
        });
        texts.collect()
    }
}

fn place_of<C>(chain: &C) -> usize {
    std::ptr::from_ref(chain) as usize
}

fn hashed(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn hash(reached: &Reached<'_>, texts: &HashMap<usize, Vec<u64>>, hasher: &mut DefaultHasher) {
    match reached {
        Reached::Rule(RuleRef::Iptables { table, chain, index, .. }) => {
            let text = index.and_then(|index| texts.get(&place_of(chain))?.get(index));
            (0, table.name(), chain.name.as_str(), chain.policy == Some(Policy::Drop), index.is_some(), text)
                .hash(hasher);
        }
        Reached::Apart(digest) => (1, digest).hash(hasher),
        Reached::EndOfChain => 2.hash(hasher),
        Reached::Missing => 3.hash(hasher),
        Reached::Rule(RuleRef::Nftables { table, chain, index }) => match index {
            Some(index) => {
                let text = texts.get(&place_of(*chain)).and_then(|texts| texts.get(*index));
                (4, text).hash(hasher);
            }
            None => (5, &table.name, &chain.name, format!("{:?}", chain.base)).hash(hasher),
        },
        Reached::Set(set) => {
            (6, &set.name, format!("{:?} {:?}", set.key, set.maps_to), &set.flags, set.timeout_seconds)
                .hash(hasher);
        }
        Reached::Element(element) => (7, element).hash(hasher),
    }
}

/// What a match asks about destinations.
fn cut_by_match(foreign: &ForeignMatch, cuts: &mut Cuts) {
    for test in foreign.tests() {
        match &test.kind {
            TestKind::Ports { end: Some(End::Destination), protocol, ranges } => {
                let range = |(first, last): &(u16, u16)| PortRange {
                    protocol: *protocol,
                    first: *first,
                    last: *last,
                };
                ranges.iter().map(range).for_each(|range| cuts.add_port(range));
            }
            TestKind::AddressRange { end: End::Destination, first, last } => {
                cuts.add(Interval { first: *first, last: *last });
            }
            _ => {}
        }
    }
}
