//! Packets that differ only in their source, followed together.
//!
//! Rules of other programs match on the address of every Pod on the node, most of them after routing, so that packets
//! from 250 Pods to one Service are 250 kinds of packets. Up to routing they are one: it is followed once, and each of
//! its branches goes on from every source. From there on, sources fall into a few kinds (see [`super::onward`]). So it
//! takes only some lookups to find whether packets from two sources have the same ends, or the same ends on two sides.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use foldhash::{HashMap, HashMapExt};

use super::evaluator::Evaluator;
use super::idle::{DoesNothing, RoutedView, SourcePlace};
use super::onward::{self, Group, GroupKind, SourceKind};
use super::packet::Packet;
use super::packet_state::PacketState;
use super::walker::Walker;
use super::{hooks, merge};
use crate::net::Family;

/// A packet at the point where it has been routed, in all its branches.
struct Routed<'w, 'r> {
    walker: &'w Walker<'r>,
    evaluator: Evaluator<'w, 'r>,
    /// One group of branches of each kind.
    kinds: Vec<Group<'r>>,
    /// What else characterizes each group, the number of its kind, and the group.
    branches: Vec<(Branch, usize, Group<'r>)>,
    /// A number for what ended before.
    ended: u128,
    /// The ends of packets from sources that rules do not tell apart from routing on.
    known: HashMap<SourceKind, Option<Vec<u128>>>,
}

/// What distinguishes branches besides their kinds: for how long the client was remembered, where it is sent, and the
/// chance.
type Branch = ((Option<Option<u32>>, SocketAddr), (u128, u128));

/// Packets of one entrance to one destination, on two sides; rules that tell their sources apart come after routing.
pub struct RoutedPair<'w, 'o, 'n> {
    old: Routed<'w, 'o>,
    new: Routed<'w, 'n>,
    /// The kinds that branches have on one side and on the other in the same place; none if branches already differ
    /// before routing.
    same_branches: Option<BTreeSet<(usize, usize)>>,
    packet: Packet,
    /// Whether rules whose place differs between the sides leave packets alone, by where their source lies among those
    /// that these rules tell apart.
    idle: HashMap<SourcePlace, bool>,
}

/// What decides the ends of packets from one source on two sides: if two sources agree in it, their ends are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndsOfPair {
    old: Vec<u128>,
    new: Vec<u128>,
    /// Whether the ends of both sides are the same.
    pub are_same: bool,
}

impl<'r> Walker<'r> {
    /// Follows a packet until it is routed. None if a branch brings something with it that is not in its kind.
    fn routed(&self, packet: &Packet) -> Option<Routed<'_, 'r>> {
        let mut evaluator = self.evaluator(packet).ok()?;
        evaluator.keeps_steps = false;
        evaluator.run(hooks::entry(packet, self.host)).ok()?;
        evaluator.sets_aside = false;
        let states = std::mem::take(&mut evaluator.routed);
        let is_like_others =
            |state: &PacketState<'_>| state.view.source == packet.source && state.path.is_none();
        if !states.iter().all(is_like_others) {
            return None;
        }
        let groups = Group::of(states, &evaluator.path_ends);
        let path_ends = std::mem::take(&mut evaluator.path_ends);
        let ended = onward::digest_of_ended(&merge::outcomes_of(&mut evaluator, path_ends));
        let (kinds, branches, known) = (Vec::new(), Vec::new(), HashMap::new());
        let mut routed = Routed { walker: self, evaluator, kinds, branches, ended, known };
        let mut numbers: HashMap<GroupKind, usize> = HashMap::new();
        for group in groups {
            routed.add(group, &mut numbers)?;
        }
        routed.branches.sort_by_key(|(branch, kind, _)| (*branch, *kind));
        Some(routed)
    }
}

impl<'r> Routed<'_, 'r> {
    fn add(&mut self, group: Group<'r>, numbers: &mut HashMap<GroupKind, usize>) -> Option<()> {
        let kind = self.walker.onward.group_kind(&mut self.evaluator, &group)?;
        let state = group.first();
        let remembered = match state.affinity {
            Some(affinity) => Some(merge::affinity(self.evaluator.program, affinity)?.seconds()),
            None => None,
        };
        let branch = ((remembered, state.view.destination), state.chance.key());
        let number = *numbers.entry(kind).or_insert(self.kinds.len());
        if number == self.kinds.len() {
            self.kinds.push(group.clone());
        }
        self.branches.push((branch, number, group));
        Some(())
    }

    /// The ends of each kind of branch from a source, as numbers, followed by those of each single branch whose
    /// destination rules match on together with that source.
    fn ends_from(&mut self, source: IpAddr) -> Option<Vec<u128>> {
        let onward = &self.walker.onward;
        let view = self.kinds.first().map(|group| group.from(source).first().view);
        let view = view.filter(|_| onward.asks_single_ends(Family::of(source)));
        let Some(view) = view else { return self.find_ends_from(source) };
        let kind = onward.source_kind(&mut self.evaluator, &view);
        if let Some(known) = self.known.get(&kind) {
            return known.clone();
        }
        let found = self.find_ends_from(source);
        self.known.insert(kind, found.clone());
        found
    }

    fn find_ends_from(&mut self, source: IpAddr) -> Option<Vec<u128>> {
        let onward = &self.walker.onward;
        let mut found = Vec::with_capacity(self.kinds.len());
        for group in &self.kinds {
            found.push(onward.digest(&mut self.evaluator, &group.from(source))?);
        }
        for (number, (_, _, group)) in (0..).zip(&self.branches) {
            if onward.are_asked_together(source, group.first().view.destination.ip()) {
                found.extend([number, onward.digest(&mut self.evaluator, &group.from(source))?]);
            }
        }
        Some(found)
    }
}

impl<'w, 'o, 'n> RoutedPair<'w, 'o, 'n> {
    /// Follows a packet on two sides until it is routed; none if the ends of packets like it must be found one by one.
    pub fn new(
        (old, new): (&'w Walker<'o>, &'w Walker<'n>),
        packets: (&Packet, &Packet),
    ) -> Option<RoutedPair<'w, 'o, 'n>> {
        let (old, new) = (old.routed(packets.0)?, new.routed(packets.1)?);
        let both = || old.branches.iter().zip(&new.branches);
        let is_same = old.branches.len() == new.branches.len()
            && both().all(|((old, ..), (new, ..))| old == new)
            && old.ended == new.ended;
        let pairs = || both().map(|((_, old, _), (_, new, _))| (*old, *new)).collect();
        let same_branches = is_same.then(pairs);
        Some(RoutedPair { old, new, same_branches, packet: *packets.0, idle: HashMap::new() })
    }

    /// Whether packets from a source arrive at routing in the same way on both sides, and the rules whose place is all
    /// that differs after it leave them alone: then they have the same ends.
    pub fn are_left_alone(&mut self, source: IpAddr, rules: &dyn DoesNothing) -> bool {
        let Some(pairs) = &self.same_branches else { return false };
        let place = rules.place(source);
        if let Some(known) = self.idle.get(&place) {
            return *known;
        }
        let packet = Packet { source, ..self.packet };
        let only = |side: &[Group<'_>], number: usize| side.get(number).and_then(Group::only).map(plain);
        let is_left_alone = |(old, new): &(usize, usize)| {
            let (old, new) = (only(&self.old.kinds, *old).flatten(), only(&self.new.kinds, *new).flatten());
            old.filter(|_| old == new).is_some_and(|routed| {
                let mut view = routed.view;
                (view.source, view.original.source) = (source, source);
                rules.does_nothing(&packet, &RoutedView { view, ..routed })
            })
        };
        let found = pairs.iter().all(is_left_alone);
        self.idle.insert(place, found);
        found
    }

    /// What decides the ends of a packet from another source; none if it must be followed.
    pub fn ends_from(&mut self, source: IpAddr) -> Option<EndsOfPair> {
        let (old, new) = (self.old.ends_from(source)?, self.new.ends_from(source)?);
        let is_same =
            |(a, b): &(usize, usize)| matches!((old.get(*a), new.get(*b)), (Some(a), Some(b)) if a == b);
        let are_same = self.same_branches.as_ref().is_some_and(|pairs| pairs.iter().all(is_same))
            && old.get(self.old.kinds.len()..) == new.get(self.new.kinds.len()..);
        Some(EndsOfPair { old, new, are_same })
    }
}

/// A packet as rules see it, if nothing more needs to be known about it.
fn plain(state: &PacketState<'_>) -> Option<RoutedView> {
    let is_plain = !(state.untracked || state.snat || state.bound);
    is_plain.then_some(RoutedView { view: state.view, phase: state.phase })
}
