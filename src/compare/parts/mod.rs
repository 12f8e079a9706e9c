//! A node's Service ports, split into parts of which no packet meets two. Each part is compared separately, so the cost
//! of a comparison grows with the number of parts and not with the size of the whole.
//!
//! Two Service ports are in one part if one packet can meet rules of both on either side, directly or through others
//! ([`super::links`]), or if they belong to one Service. A packet to an address of a part, or to one of its node ports
//! on an address of the node, meets rules of no other part; every other packet meets only the rules that a node without
//! Services has ([`super::unchanged`] explains why). So the differences of the whole are those of a node without
//! Services, for packets to no part, and those of each part, for packets to it.
//!
//! # An example
//!
//! `shop/web` and `shop/db` share nothing: two parts. `shop/web-canary` has an endpoint that `shop/web` has too, so
//! both are one part: a packet that one of them sends there could meet rules of the other.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::links::{Link, links};
use crate::names::ServiceName;
use crate::plan::{Plan, ServicePortPlan};

/// Two plans for one node, split.
#[derive(Debug)]
pub(super) struct Parts<'o, 'n> {
    /// What the node has without Services.
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
    /// Every address of the part: of its Services and of their endpoints.
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

/// Splits two plans.
pub(super) fn split<'o, 'n>(mut old: Plan<'o>, mut new: Plan<'n>) -> Parts<'o, 'n> {
    let name = |port: &ServicePortPlan<'_>| port.service_port().name.service_name();
    let numbers = {
        let of_old = |port: &ServicePortPlan<'_>, tell: &mut dyn FnMut(Link)| links(port, &old, tell);
        let of_new = |port: &ServicePortPlan<'_>, tell: &mut dyn FnMut(Link)| links(port, &new, tell);
        let old = old.service_ports().iter().map(|port| (name(port), of(&of_old, port)));
        let new = new.service_ports().iter().map(|port| (name(port), of(&of_new, port)));
        part_numbers(old.chain(new).collect())
    };
    let (before, after) = (old.take_service_ports(), new.take_service_ports());
    let (before, after) = dealt(before, after, &numbers);
    let part =
        |(before, after)| Part { old: old.with_service_ports(before), new: new.with_service_ports(after) };
    let parts = before.into_iter().zip(after).map(part).collect();
    Parts { base: (old, new), parts }
}

/// Distributes the Service ports of both sides to the parts with these numbers, the old ones first.
pub(super) fn dealt<A, B>(old: Vec<A>, new: Vec<B>, numbers: &[usize]) -> (Vec<Vec<A>>, Vec<Vec<B>>) {
    let count = numbers.iter().max().map_or(0, |last| last + 1);
    let (of_old, of_new) = numbers.split_at(old.len().min(numbers.len()));
    (hands(old, of_old, count), hands(new, of_new, count))
}

fn hands<T>(list: Vec<T>, to: &[usize], count: usize) -> Vec<Vec<T>> {
    let mut hands: Vec<Vec<T>> = std::iter::repeat_with(Vec::new).take(count).collect();
    for (item, to) in list.into_iter().zip(to) {
        if let Some(hand) = hands.get_mut(*to) {
            hand.push(item);
        }
    }
    hands
}

/// A Service port: its Service, and all its links.
pub(super) type Linked<'a> = (ServiceName, Box<dyn Fn(&mut dyn FnMut(Link)) + 'a>);

#[allow(clippy::type_complexity, reason = "a callback that calls back")]
fn of<'a, T>(
    links: &'a dyn Fn(&T, &mut dyn FnMut(Link)),
    port: &'a T,
) -> Box<dyn Fn(&mut dyn FnMut(Link)) + 'a> {
    Box::new(move |tell| links(port, tell))
}

/// The number of the part of each Service port of both sides.
pub(super) fn part_numbers(ports: Vec<Linked<'_>>) -> Vec<usize> {
    let mut groups = Groups::new(ports.len());
    let mut holders: HashMap<Link, usize> = HashMap::new();
    let mut services: HashMap<&ServiceName, usize> = HashMap::new();
    for (i, (service, links)) in ports.iter().enumerate() {
        groups.join(i, *services.entry(service).or_insert(i));
        links(&mut |link| match link {
            Link::Address(_) | Link::NodePort(_) => groups.join(i, *holders.entry(link).or_insert(i)),
            Link::NodeAddress => _ = holders.entry(link).or_insert(i),
            Link::Port(_) | Link::AnyNodePort => {}
        });
    }
    // Ports are linked only to node ports, and node ports to each other only if an address of the node is used by a
    // Service.
    for (i, (_, links)) in ports.iter().enumerate() {
        links(&mut |link| {
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

/// Numbers in groups (union-find with path halving).
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

    /// The group of each number; groups are numbered in the order of their first members.
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
