//! One round of an inquiry: which rules packets for a destination can reach at the hooks on their way.

use std::net::SocketAddr;

use smallvec::SmallVec;

use super::elements::{self, ByAddress};
use super::foreign::{can_pass, questions_of, translated};
use super::reached::Reached;
use super::{Asked, Chains, Destination, Inquiry, PortRange, interval, scan};
use crate::net::Protocol;
use crate::nftables::ruleset::{Addresses, Element, Field};
use crate::walk::action::in_network;
use crate::walk::outcome::Hook;
use crate::walk::packet::{Tracking, View};
use crate::walk::program::BaseChain;
use crate::walk::rule_index::Sources;
use crate::walk::rule_part::{Action, ChainId, Match, MatchKind, RulePart, Side};

/// The most ports of a redirection that are looked at.
const MOST_PORTS: u16 = 64;

/// A chain with more rules than this is looked at through its index.
const INDEXED_FROM: usize = 16;

impl<'w, 'r> Inquiry<'w, 'r> {
    /// What rules ask about packets for a destination. With the port left open: which ports, except those that rules in
    /// the chains `known` ask for by themselves, found for a similar address; the chains are returned with the answer.
    pub fn ask(&self, destination: Destination, known: Option<&Chains>) -> (Asked<'r>, Chains) {
        let (protocol, port) = destination.transport.unwrap_or((Protocol::Tcp, 0));
        let view = |to| self.view(protocol, to);
        let packets = vec![view(SocketAddr::new(destination.address, port))];
        let open = destination.transport.is_none();
        let mut round = Round { open, known, looks_apart: true, ..Round::new(self, packets) };
        // Packets reach the same translations at either of these hooks.
        for hook in [Hook::Prerouting, Hook::Output] {
            round.hook(hook, |base| base.nat);
        }
        round.asked.translated.sort_unstable();
        round.asked.translated.dedup();
        let translated = std::mem::take(&mut round.asked.translated);
        let mut all = round.packets.clone();
        all.extend(translated.iter().map(|to| view(*to)));
        for hook in [Hook::Prerouting, Hook::Output, Hook::Input, Hook::Forward, Hook::Postrouting] {
            round.packets = all.iter().filter(|packet| self.reaches(hook, packet)).copied().collect();
            round.visited.clear();
            let translates = matches!(hook, Hook::Prerouting | Hook::Output);
            round.hook(hook, |base| !(base.nat && translates));
            if translates {
                round.asked.before_routing = round.asked.sources.len();
            }
        }
        round.asked.translated = translated;
        (round.asked, round.seen)
    }

    fn view(&self, protocol: Protocol, destination: SocketAddr) -> View {
        View { tracking: Tracking::New, ..View::new(protocol, self.family.loopback(), destination) }
    }

    fn reaches(&self, hook: Hook, packet: &View) -> bool {
        let local = self.walker.host.is_local(packet.destination.ip());
        match hook {
            Hook::Input => local,
            Hook::Forward => !local,
            Hook::Prerouting | Hook::Output | Hook::Postrouting | Hook::Routing => true,
        }
    }
}

pub(super) struct Round<'a, 'w, 'r> {
    pub(super) inquiry: &'a Inquiry<'w, 'r>,
    /// The packet as it comes in, and after each translation that may have happened.
    pub(super) packets: Vec<View>,
    /// Protocol and port are left open.
    pub(super) open: bool,
    known: Option<&'a Chains>,
    /// Whether chains of other programs are looked at apart, once for packets that are alike to them.
    looks_apart: bool,
    /// Chains already entered with these packets.
    visited: Chains,
    /// Chains entered so far.
    pub(super) seen: Chains,
    pub(super) asked: Asked<'r>,
    /// Chains that the last rule leads to.
    leads_to: Vec<ChainId>,
}

/// What is still to be looked at.
enum Open {
    Chain(ChainId),
    Rules(ChainId, Rules),
}

enum Rules {
    All(std::ops::Range<usize>),
    Some(std::vec::IntoIter<usize>),
}

impl Rules {
    fn next(&mut self) -> Option<usize> {
        match self {
            Rules::All(rules) => rules.next(),
            Rules::Some(rules) => rules.next(),
        }
    }
}

impl<'a, 'w, 'r> Round<'a, 'w, 'r> {
    fn new(inquiry: &'a Inquiry<'w, 'r>, packets: Vec<View>) -> Self {
        Round {
            inquiry,
            packets,
            open: false,
            known: None,
            looks_apart: false,
            visited: Chains::default(),
            seen: Chains::default(),
            asked: Asked::default(),
            leads_to: Vec::new(),
        }
    }

    /// What packets reach in one chain, and in those that it leads to.
    pub(super) fn within(
        inquiry: &'a Inquiry<'w, 'r>,
        chain: ChainId,
        packets: Vec<View>,
        open: bool,
    ) -> Self {
        let mut round = Round { open, ..Round::new(inquiry, packets) };
        round.chain(chain);
        round
    }

    fn hook(&mut self, hook: Hook, runs: impl Fn(&BaseChain) -> bool) {
        if self.packets.is_empty() {
            return;
        }
        for base in self.inquiry.walker.program.bases(self.inquiry.family).at(hook) {
            if runs(base) {
                self.chain(base.chain);
            }
        }
    }

    /// Looks at a chain and at all that it leads to; without recursion, as a capture can nest chains arbitrarily deep.
    fn chain(&mut self, chain: ChainId) {
        let mut open = vec![Open::Chain(chain)];
        while let Some(next) = open.pop() {
            match next {
                Open::Chain(chain) => open.extend(self.enter(chain)),
                Open::Rules(chain, mut rules) => match rules.next() {
                    Some(rule) => {
                        self.rule(chain, rule);
                        open.push(Open::Rules(chain, rules));
                        open.extend(self.leads_to.drain(..).rev().map(Open::Chain));
                    }
                    None => self.reach(Reached::EndOfChain),
                },
            }
        }
    }

    /// The rules of a chain; none if what the same packets reach in it is already noted.
    fn enter(&mut self, chain: ChainId) -> Option<Open> {
        self.reach(self.inquiry.walker.program.rule_ref(chain, None).map_or(Reached::Missing, Reached::Rule));
        self.asked.reaches_differing |= self.inquiry.differing.contains(chain);
        if !self.visited.insert(chain.0) {
            return None;
        }
        self.seen.insert(chain.0);
        if self.looks_apart && self.enter_apart(chain) {
            return None;
        }
        let count = self.inquiry.rule_count(chain);
        let through_index =
            count > INDEXED_FROM && (!self.open || self.known.is_some_and(|known| known.contains(&chain.0)));
        let rules = match through_index {
            true => Rules::Some(self.indexed_rules(chain).into_iter()),
            false => Rules::All(0..count),
        };
        Some(Open::Rules(chain, rules))
    }

    /// Notes what the packets reach in a chain of another program, if that can be looked at apart.
    fn enter_apart(&mut self, chain: ChainId) -> bool {
        let Some(all) = self.inquiry.apart(chain, &self.packets, self.open) else { return false };
        for found in all {
            if self.open {
                self.seen.extend(&found.seen);
            }
            self.asked.sources.extend(&found.sources);
            self.asked.ports.extend(&found.ports);
            self.reach(Reached::Apart(found.digest));
            self.asked.reaches_differing |= found.reaches_differing;
            if found.is_cut_short {
                self.reach(Reached::Missing);
            }
        }
        true
    }

    fn indexed_rules(&self, chain: ChainId) -> Vec<usize> {
        let program = &self.inquiry.walker.program;
        let mut rules = Vec::new();
        for packet in &self.packets {
            let mut from = 0;
            while let Some(rule) = program.next_rule(chain, from, (packet, Sources::Any)) {
                rules.push(rule);
                from = rule + 1;
            }
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    pub(super) fn reach(&mut self, reached: Reached<'r>) {
        self.asked.reaches_differing |= matches!(reached, Reached::Missing);
        if !self.open {
            self.asked.reached.push(reached);
        }
    }

    /// Notes a set that a rule looks up.
    pub(super) fn reach_set(&mut self, chain: ChainId, set: &str) {
        let found = self.inquiry.indexed(chain, set).map(|indexed| indexed.set);
        self.reach(found.map_or(Reached::Missing, Reached::Set));
    }

    /// Notes a set of nftables that a rule adds clients to; a list of iptables is not an object of its own.
    fn reach_filled_set(&mut self, chain: ChainId, set: &str) {
        if let Some(indexed) = self.inquiry.indexed(chain, set) {
            self.reach(Reached::Set(indexed.set));
        }
    }

    fn rule(&mut self, chain: ChainId, rule: usize) {
        let program = &self.inquiry.walker.program;
        let mut actions: SmallVec<[Action<'r>; 2]> = SmallVec::new();
        for part in 0.. {
            match program.rule_part(chain, rule, part) {
                Some(RulePart::Match(required)) if !self.passes(chain, required) => return,
                Some(RulePart::Action(action)) => actions.push(action),
                Some(RulePart::Match(_) | RulePart::Nothing) => {}
                None => break,
            }
        }
        self.reach(program.rule_ref(chain, Some(rule)).map_or(Reached::Missing, Reached::Rule));
        for action in actions {
            self.apply(chain, action);
        }
    }

    /// Whether some packet can match; notes what the match asks.
    fn passes(&mut self, chain: ChainId, required: Match<'r>) -> bool {
        let host = self.inquiry.walker.host;
        let to = |holds: &dyn Fn(&View) -> bool| self.packets.iter().any(|p| holds(p) != required.negated);
        match required.kind {
            MatchKind::Network(Side::Destination, net) => to(&|p| net.contains(p.destination.ip())),
            MatchKind::Local(Side::Destination) => to(&|p| host.is_local(p.destination.ip())),
            MatchKind::Protocol(protocol) => self.open || to(&|p| p.protocol == protocol),
            MatchKind::Port(protocol, port) if self.open => {
                self.asked.ports.push(PortRange::one(protocol, port.get()));
                true
            }
            MatchKind::Port(protocol, port) => {
                to(&|p| p.protocol == protocol && p.destination.port() == port.get())
            }
            MatchKind::Network(Side::Source, net) => {
                self.asked.sources.push(interval(net));
                true
            }
            MatchKind::Addresses(side, _, addresses) => {
                self.passes_addresses(chain, side, addresses, required.negated)
            }
            MatchKind::InSet(key, set) => self.passes_set(chain, key, set, required.negated),
            MatchKind::Foreign(foreign) => {
                let asked = questions_of(foreign, self.inquiry.walker.host, self.inquiry.family);
                self.asked.sources.extend(asked.sources);
                if self.open {
                    self.asked.ports.extend(asked.ports);
                }
                self.open || self.packets.iter().any(|packet| can_pass(foreign, packet))
            }
            MatchKind::Opaque(text) => {
                self.asked.sources.extend(scan::addresses(text, self.inquiry.family));
                self.asked.ports.extend(scan::ports(text));
                true
            }
            MatchKind::Statement(statement) => {
                self.note(chain, statement);
                true
            }
            MatchKind::Interface(..)
            | MatchKind::OtherProtocol(_)
            | MatchKind::State(_)
            | MatchKind::Translated
            | MatchKind::Mark { .. }
            | MatchKind::Local(Side::Source)
            | MatchKind::Listed(_)
            | MatchKind::Random(_) => true,
            MatchKind::Remembered(set) => {
                self.reach_filled_set(chain, set);
                true
            }
        }
    }

    fn passes_addresses(
        &mut self,
        chain: ChainId,
        side: Side,
        addresses: &'r Addresses,
        negated: bool,
    ) -> bool {
        match (side, addresses) {
            (Side::Source, _) => {
                self.asked.sources.extend(self.inquiry.intervals(chain, addresses));
                if let Addresses::Named(set) = addresses {
                    self.reach_set(chain, set);
                    self.inquiry.elements(chain, set).iter().for_each(|e| self.reach(Reached::Element(e)));
                }
                true
            }
            (Side::Destination, Addresses::Named(set)) => {
                self.reach_set(chain, set);
                let key = [Field::DestinationAddress(self.inquiry.family)];
                let matching: Vec<_> =
                    self.packets.iter().map(|packet| self.matching_one(chain, &key, set, packet)).collect();
                // Different elements can let different packets pass.
                matching.iter().flatten().for_each(|element| self.reach(Reached::Element(element)));
                matching.iter().any(|elements| elements.is_empty() == negated)
            }
            (Side::Destination, _) => {
                let intervals = self.inquiry.intervals(chain, addresses);
                self.packets.iter().any(|packet| {
                    let ip = packet.destination.ip();
                    intervals.iter().any(|i| (i.first..=i.last).contains(&ip)) != negated
                })
            }
        }
    }

    fn passes_set(&mut self, chain: ChainId, key: &'r [Field], set: &str, negated: bool) -> bool {
        self.reach_set(chain, set);
        let matching = self.matching(chain, key, set);
        for element in &matching {
            self.asked.sources.extend(elements::sources(element, key));
            if self.open {
                self.asked.ports.extend(elements::ports(element, key));
            }
            self.reach(Reached::Element(element));
        }
        negated || !matching.is_empty()
    }

    /// Elements whose key the packets can have.
    fn matching(&self, chain: ChainId, key: &[Field], set: &str) -> Vec<&'r Element> {
        self.packets.iter().flat_map(|packet| self.matching_one(chain, key, set, packet)).collect()
    }

    fn matching_one(&self, chain: ChainId, key: &[Field], set: &str, packet: &View) -> Vec<&'r Element> {
        let Some(indexed) = self.inquiry.indexed(chain, set) else { return Vec::new() };
        let set = indexed.set;
        let by_address = indexed.by_address.get_or_init(|| ByAddress::new(set, key));
        let mut found = match by_address.is_for(key) {
            true => by_address.at(packet, self.open),
            false => set.elements.iter().collect(),
        };
        found.retain(|element| elements::can_match(element, key, packet, self.open));
        found
    }

    fn apply(&mut self, chain: ChainId, action: Action<'r>) {
        match action {
            Action::Jump(to) | Action::Goto(to) => self.follow(chain, to),
            Action::Remember(set) => self.reach_filled_set(chain, set),
            Action::VerdictMap(key, map) => {
                self.reach_set(chain, map);
                for element in self.matching(chain, key, map) {
                    self.asked.sources.extend(elements::sources(element, key));
                    if self.open {
                        self.asked.ports.extend(elements::ports(element, key));
                    }
                    self.reach(Reached::Element(element));
                    if let Some(to) = elements::leads_to(element) {
                        self.follow(chain, to);
                    }
                }
            }
            Action::RandomVerdict(_, verdicts) => {
                for to in verdicts.iter().filter_map(|(_, verdict)| elements::target(verdict)) {
                    self.follow(chain, to);
                }
            }
            Action::Dnat(to) => self.asked.translated.push(to),
            Action::DnatTo(to) => {
                for packet in &self.packets {
                    self.asked.translated.extend(translated(to, packet.destination));
                }
            }
            Action::RedirectTo(first, last, _) => {
                (first..=last.min(first.saturating_add(MOST_PORTS)))
                    .for_each(|port| self.redirect(Some(port)));
            }
            Action::Netmap(net) => {
                let to =
                    |p: &View| SocketAddr::new(in_network(p.destination.ip(), net), p.destination.port());
                self.asked.translated.extend(self.packets.iter().map(to));
            }
            Action::RandomDnat(_, to) => self.asked.translated.extend(to.iter().map(|(_, to)| *to)),
            Action::Statement(statement) => self.perform(chain, statement),
            Action::Redirect(port) => self.redirect(port.map(crate::net::Port::get)),
            _ => {}
        }
    }

    pub(super) fn redirect(&mut self, port: Option<u16>) {
        let port = port.or(self.packets.first().map(|packet| packet.destination.port()));
        let host = self.inquiry.walker.host;
        let own = host.addresses.iter().copied().chain([self.inquiry.family.loopback()]);
        let own = own.filter(|ip| crate::net::Family::of(*ip) == self.inquiry.family);
        self.asked.translated.extend(own.map(|ip| SocketAddr::new(ip, port.unwrap_or_default())));
    }

    pub(super) fn follow(&mut self, from: ChainId, to: &str) {
        match self.inquiry.walker.program.find(from, to) {
            Some(chain) if !self.open || self.inquiry.asks_ports(to) => self.leads_to.push(chain),
            Some(_) => {}
            None => self.reach(Reached::Missing),
        }
    }
}
