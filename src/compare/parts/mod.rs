//! A node's Service ports in parts whose rules no packet meets together, so that each is compared by itself: what a
//! comparison costs grows with the parts, and not with how many there are of each thing in the whole.
//!
//! Two Service ports are in one part if the ways of packets through them can touch on either side, directly or through
//! others ([`super::links`]), or if they are of one Service. A packet that goes to an address of a part, or to one of its
//! node ports on an address of the node, meets rules of no other part; every other packet meets only the rules that a
//! node without Services has ([`super::unchanged`] tells why). So the differences of the whole are those of a node
//! without Services, to what is no part's, and those of each part, to what is its own.
//!
//! # An example
//!
//! `shop/web` and `shop/db` share nothing: two parts. `shop/web-canary` has an endpoint that `shop/web` has too, so both
//! are one part: a packet that one of them sends there could meet rules of the other.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::links::{Link, links};
use crate::names::ServiceName;
use crate::plan::Plan;

/// Two plans for one node, taken apart.
#[derive(Debug)]
pub(super) struct Parts<'o, 'n> {
    /// What a node without Services has.
    pub(super) base: (Plan<'o>, Plan<'n>),
    /// The parts, in the order of their first Service ports.
    pub(super) parts: Vec<Part<'o, 'n>>,
}

/// Service ports that are compared together.
#[derive(Debug)]
pub(super) struct Part<'o, 'n> {
    pub(super) old: Plan<'o>,
    pub(super) new: Plan<'n>,
}

impl Part<'_, '_> {
    /// Every address that is the part's own: of its Services and of their endpoints.
    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        let mut addresses = BTreeSet::new();
        self.each_link(|link| {
            if let Link::Address(ip) = link {
                addresses.insert(ip);
            }
        });
        addresses
    }

    /// Its ports on every address of the node.
    pub(super) fn node_ports(&self) -> BTreeSet<u16> {
        let mut ports = BTreeSet::new();
        self.each_link(|link| {
            if let Link::NodePort(port) = link {
                ports.insert(port);
            }
        });
        ports
    }

    fn each_link(&self, mut tell: impl FnMut(Link)) {
        self.old.service_ports().iter().for_each(|port| links(port, &self.old, &mut tell));
        self.new.service_ports().iter().for_each(|port| links(port, &self.new, &mut tell));
    }
}

/// Takes two plans apart.
pub(super) fn split<'o, 'n>(mut old: Plan<'o>, mut new: Plan<'n>) -> Parts<'o, 'n> {
    let part_of = part_numbers(&old, &new);
    let count = part_of.iter().max().map_or(0, |last| last + 1);
    let (before, after) = (old.take_service_ports(), new.take_service_ports());
    let (of_before, of_after) = part_of.split_at(before.len());
    let mut before = dealt(before, of_before, count).into_iter();
    let mut after = dealt(after, of_after, count).into_iter();
    let part = |_| {
        let old = old.with_service_ports(before.next().unwrap_or_default());
        let new = new.with_service_ports(after.next().unwrap_or_default());
        Part { old, new }
    };
    let parts = (0..count).map(part).collect();
    Parts { base: (old, new), parts }
}

fn dealt<T>(list: Vec<T>, to: &[usize], count: usize) -> Vec<Vec<T>> {
    let mut hands: Vec<Vec<T>> = std::iter::repeat_with(Vec::new).take(count).collect();
    for (item, to) in list.into_iter().zip(to) {
        if let Some(hand) = hands.get_mut(*to) {
            hand.push(item);
        }
    }
    hands
}

/// The part of each Service port, the old ones first.
fn part_numbers(old: &Plan<'_>, new: &Plan<'_>) -> Vec<usize> {
    let sides = [old, new];
    let ports =
        || sides.into_iter().flat_map(|plan| plan.service_ports().iter().map(move |port| (plan, port)));
    let mut groups = Groups::new(old.service_ports().len() + new.service_ports().len());
    let mut holders: HashMap<Link, usize> = HashMap::new();
    let mut services: HashMap<ServiceName, usize> = HashMap::new();
    for (i, (plan, port)) in ports().enumerate() {
        groups.join(i, *services.entry(port.service_port().name.service_name()).or_insert(i));
        links(port, plan, |link| match link {
            Link::Address(_) | Link::NodePort(_) => groups.join(i, *holders.entry(link).or_insert(i)),
            Link::NodeAddress => _ = holders.entry(link).or_insert(i),
            Link::Port(_) | Link::AnyNodePort => {}
        });
    }
    // Ports touch only node ports, and node ports among each other only where an address of the node is claimed.
    for (i, (plan, port)) in ports().enumerate() {
        links(port, plan, |link| {
            let touched = match link {
                Link::Port(number) => holders.get(&Link::NodePort(number)),
                Link::AnyNodePort | Link::NodeAddress => holders.get(&Link::NodeAddress),
                Link::Address(_) | Link::NodePort(_) => None,
            };
            touched.iter().for_each(|other| groups.join(i, **other));
        });
    }
    groups.numbers()
}

/// Numbers that are put together (union-find with halved paths).
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Groups {
        Groups((0..count).collect())
    }

    fn parent(&self, i: usize) -> usize {
        self.0.get(i).copied().unwrap_or(i)
    }

    fn first(&mut self, mut i: usize) -> usize {
        while self.parent(i) != i {
            let next = self.parent(self.parent(i));
            self.0.get_mut(i).into_iter().for_each(|parent| *parent = next);
            i = next;
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0.get_mut(a.max(b)).into_iter().for_each(|parent| *parent = a.min(b));
    }

    /// The group of each, groups numbered in the order of their first members.
    fn numbers(mut self) -> Vec<usize> {
        let mut numbers: Vec<usize> = Vec::with_capacity(self.0.len());
        let mut next = 0;
        for i in 0..self.0.len() {
            let first = self.first(i);
            let number = if first == i { next } else { numbers.get(first).copied().unwrap_or(next) };
            next += usize::from(first == i);
            numbers.push(number);
        }
        numbers
    }
}
