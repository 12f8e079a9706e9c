//! Packets that differ in their source alone, told together.
//!
//! Rules of other programs ask for the address of every Pod on the node, most of them behind routing, so that packets from 250
//! Pods to one Service are 250 kinds of packets. Up to routing they are one: it is followed once, and each of its branches
//! goes on from every source. From there on what happens is known by kinds (see [`super::onward`]), of which a source makes few.
//! So it costs some look-ups to find whether packets from two sources have the same ends, or the same on two sides.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use super::evaluator::Evaluator;
use super::idle::{DoesNothing, RoutedView, SourcePlace};
use super::onward::Kind;
use super::packet::{Interface, Packet};
use super::packet_state::PacketState;
use super::rule_part::InterfaceDirection;
use super::walker::Walker;
use super::{hooks, merge};
use crate::node::InterfaceName;

/// What rules before routing can see of where a packet comes in, beside the addresses that they ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entrance(Interface, Option<Option<InterfaceName>>);

/// A packet at the point where it has been routed, in all its branches.
struct Routed<'w, 'r> {
    walker: &'w Walker<'r>,
    evaluator: Evaluator<'w, 'r>,
    /// One branch of each kind.
    kinds: Vec<PacketState<'r>>,
    /// What else each branch has, and the number of its kind.
    branches: Vec<(Branch, usize)>,
}

/// What tells branches apart beside their kinds: for how long the client was remembered, where it is sent to, and the chance.
type Branch = ((Option<Option<u32>>, SocketAddr), (u128, u128));

/// Packets of one entrance to one destination, on two sides; what tells their sources apart is asked behind routing.
pub struct RoutedPair<'w, 'o, 'n> {
    old: Routed<'w, 'o>,
    new: Routed<'w, 'n>,
    /// Which kinds of the one side stand where which of the other do; none where the branches differ before.
    same_branches: Option<BTreeSet<(usize, usize)>>,
    packet: Packet,
    /// Whether rules that stand in another place on the other side do nothing to packets, by where their source lies among
    /// those that these rules tell apart.
    idle: HashMap<SourcePlace, bool>,
}

/// What decides the ends of packets from one source on two sides: where two agree in it, the ends do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndsOfPair {
    old: Vec<u128>,
    new: Vec<u128>,
    /// Whether the ends of both sides are the same.
    pub are_same: bool,
}

impl<'r> Walker<'r> {
    /// Where a packet comes in; none where its source is of a kind of its own, or where rules of other programs are few.
    pub fn entrance(&self, packet: &Packet) -> Option<Entrance> {
        if !self.has_many_foreign_rules() || !self.onward.is_plain(packet.source, self.host) {
            return None;
        }
        let mut evaluator = self.evaluator(packet).ok()?;
        let view = hooks::entry(packet, self.host).view;
        Some(Entrance(view.input, evaluator.known_interface(&view, InterfaceDirection::In, view.input)))
    }

    /// Follows a packet until it is routed. None where a branch of it ends before, or brings with it what is not in its kind.
    fn routed(&self, packet: &Packet) -> Option<Routed<'_, 'r>> {
        let mut evaluator = self.evaluator(packet).ok()?;
        evaluator.keeps_steps = false;
        evaluator.run(hooks::entry(packet, self.host)).ok()?;
        evaluator.sets_aside = false;
        let states = std::mem::take(&mut evaluator.routed);
        let is_like_others =
            |state: &PacketState<'_>| state.view.source == packet.source && state.path.is_none();
        let mut places = BTreeSet::new();
        let mut alone = |state: &PacketState<'r>| {
            places.insert((state.affinity.map(|affinity| affinity.list), state.view.destination))
        };
        if !evaluator.path_ends.is_empty()
            || !states.iter().all(|state| is_like_others(state) && alone(state))
        {
            return None;
        }
        let mut routed = Routed { walker: self, evaluator, kinds: Vec::new(), branches: Vec::new() };
        let mut numbers: HashMap<Kind, usize> = HashMap::new();
        for state in states {
            routed.add(state, &mut numbers)?;
        }
        routed.branches.sort_unstable();
        Some(routed)
    }
}

impl<'r> Routed<'_, 'r> {
    fn add(&mut self, state: PacketState<'r>, numbers: &mut HashMap<Kind, usize>) -> Option<()> {
        let kind = self.walker.onward.kind(&mut self.evaluator, &state)?;
        let remembered = match state.affinity {
            Some(affinity) => Some(merge::affinity(self.evaluator.program, affinity)?.seconds()),
            None => None,
        };
        let branch = ((remembered, state.view.destination), state.chance.key());
        let number = *numbers.entry(kind).or_insert(self.kinds.len());
        if number == self.kinds.len() {
            self.kinds.push(state);
        }
        self.branches.push((branch, number));
        Some(())
    }

    /// The ends of each kind of branch from a source, as numbers.
    fn ends_from(&mut self, source: IpAddr) -> Option<Vec<u128>> {
        let mut found = Vec::with_capacity(self.kinds.len());
        for state in &self.kinds {
            let mut state = state.clone();
            (state.view.source, state.view.original.source) = (source, source);
            found.push(self.walker.onward.digest(&mut self.evaluator, &state)?);
        }
        Some(found)
    }
}

impl<'w, 'o, 'n> RoutedPair<'w, 'o, 'n> {
    /// Follows a packet on two sides until it is routed; none where the ends of packets like it must be found one by one.
    pub fn new(
        (old, new): (&'w Walker<'o>, &'w Walker<'n>),
        packets: (&Packet, &Packet),
    ) -> Option<RoutedPair<'w, 'o, 'n>> {
        let (old, new) = (old.routed(packets.0)?, new.routed(packets.1)?);
        let branches =
            |branches: &[(Branch, usize)]| branches.iter().map(|(branch, _)| *branch).collect::<Vec<_>>();
        let numbers =
            |branches: &[(Branch, usize)]| branches.iter().map(|(_, kind)| *kind).collect::<Vec<_>>();
        let is_same = branches(&old.branches) == branches(&new.branches);
        let pairs = || numbers(&old.branches).into_iter().zip(numbers(&new.branches)).collect();
        let same_branches = is_same.then(pairs);
        Some(RoutedPair { old, new, same_branches, packet: *packets.0, idle: HashMap::new() })
    }

    /// Whether packets from a source come to routing alike on both sides, and rules that are all that stands in another place
    /// behind it do nothing to them: then they have the same ends.
    pub fn are_left_alone(&mut self, source: IpAddr, rules: &dyn DoesNothing) -> bool {
        let Some(pairs) = &self.same_branches else { return false };
        let place = rules.place(source);
        if let Some(known) = self.idle.get(&place) {
            return *known;
        }
        let packet = Packet { source, ..self.packet };
        let is_left_alone =
            |(old, new): &(usize, usize)| match (self.old.kinds.get(*old), self.new.kinds.get(*new)) {
                (Some(old), Some(new)) if old.view == new.view && old.phase == new.phase => {
                    let is_plain = |state: &PacketState<'_>| !(state.untracked || state.snat || state.bound);
                    let mut view = old.view;
                    (view.source, view.original.source) = (source, source);
                    is_plain(old)
                        && is_plain(new)
                        && rules.does_nothing(&packet, &RoutedView { view, phase: old.phase })
                }
                _ => false,
            };
        let found = pairs.iter().all(is_left_alone);
        self.idle.insert(place, found);
        found
    }

    /// What decides the ends of a packet from another source; none where it must be followed.
    pub fn ends_from(&mut self, source: IpAddr) -> Option<EndsOfPair> {
        let (old, new) = (self.old.ends_from(source)?, self.new.ends_from(source)?);
        let is_same =
            |(a, b): &(usize, usize)| matches!((old.get(*a), new.get(*b)), (Some(a), Some(b)) if a == b);
        let are_same = self.same_branches.as_ref().is_some_and(|pairs| pairs.iter().all(is_same));
        Some(EndsOfPair { old, new, are_same })
    }
}
