//! Service ports that two plans have in common and that need no comparison, so that comparing a large cluster after a
//! small change costs little.
//!
//! Why they can be left out: both compilers turn a Service port into rules that depend only on its own plan and the
//! plan's other fields, and put them in the order of the plan. Such a rule can match a packet only if the packet goes
//! to one of the Service port's addresses or to one of its node ports, or gets to the rule through a chain of the
//! Service port itself. So one packet can meet rules of two Service ports only if they share an address, their own or
//! an endpoint's (a packet that one of them sends to an endpoint can meet rules of the other), or if a node port of one
//! is a port of the other, or if one uses an address of the node and the other has a node port. Everything that is
//! linked to a changed Service port in this way, directly or through others, is kept. As for the rest: a packet that
//! meets rules of what is left out meets none of what is kept, and the same ones on both sides; every other packet
//! meets the same rules as if nothing had been left out.
//!
//! # An example
//!
//! Of 10,000 Services only `shop/db` has a new endpoint, 10.244.3.7:3306. Its Service port is not an unchanged pair, so
//! it is kept. `shop/metrics` sends to an endpoint with the same address, 10.244.3.7:9100: a packet that `shop/db`
//! sends there could meet its rules, so it is linked, and kept too, as is every Service that shares an address with
//! either. The 9,998 others are unchanged pairs without a link: they are removed from both plans before rules are made,
//! and only counted ("9,998 Service ports stay as they are").
//!
//! # What it costs
//!
//! One pass over both plans, and a set of the links of what differs: far less than compiling the rules once. `tests`
//! compares the results with and without leaving out, on random clusters of every release and both modes.

#[cfg(test)]
pub(super) mod tests;

use std::cmp::Ordering;
use std::collections::HashSet;

use super::links::{Link, Side, links};
use crate::names::ServicePortName;
use crate::node::{Host, NodePlan};
use crate::parallel;
use crate::plan::{Plan, ServicePortPlan};

/// Removes from two plans, for one mode, the Service ports that both have unchanged and that are not linked to one that
/// differs; returns how many. Rules and traffic of the rest differ exactly as those of the whole plans.
pub fn leave_out(old: &mut NodePlan<'_>, new: &mut NodePlan<'_>) -> usize {
    match same_ways(&old.host, &new.host) {
        true => leave_out_of_plans(&mut old.plan, &mut new.plan),
        false => 0,
    }
}

/// The same for plans of a node on which packets that meet the same rules take the same way.
pub(super) fn leave_out_of_plans(old: &mut Plan<'_>, new: &mut Plan<'_>) -> usize {
    if !old.is_same_beside_service_ports(new) {
        return 0;
    }
    let of_old = |port: &ServicePortPlan<'_>, tell: &mut dyn FnMut(Link)| links(port, old, tell);
    let of_new = |port: &ServicePortPlan<'_>, tell: &mut dyn FnMut(Link)| links(port, new, tell);
    let sides = (
        &Side { ports: old.service_ports(), name: &name_of, links: &of_old },
        &Side { ports: new.service_ports(), name: &name_of, links: &of_new },
    );
    let left_out = left_out(sides, &|a, b| a.is_unchanged(b));
    remove(old, &left_out.0);
    remove(new, &left_out.1);
    left_out.0.iter().filter(|out| **out).count()
}

fn name_of<'a>(port: &'a ServicePortPlan<'_>) -> &'a ServicePortName {
    &port.service_port().name
}

/// Which Service ports of both sides are unchanged according to `same`, and not linked to one that differs.
pub(super) fn left_out<A: Sync, B: Sync>(
    (old, new): (&Side<'_, A>, &Side<'_, B>),
    same: &(dyn Fn(&A, &B) -> bool + Sync),
) -> (Vec<bool>, Vec<bool>) {
    let mut left_out = (vec![false; old.ports.len()], vec![false; new.ports.len()]);
    let pairs = unchanged_pairs((old, new), same);
    let Some(linked) = linked((old, new), &pairs) else { return left_out };
    for (i, j) in pairs.iter().copied().filter(|(i, _)| !linked.contains(i)) {
        mark(&mut left_out.0, i);
        mark(&mut left_out.1, j);
    }
    left_out
}

fn mark(list: &mut [bool], i: usize) {
    if let Some(entry) = list.get_mut(i) {
        *entry = true;
    }
}

fn remove(plan: &mut Plan<'_>, left_out: &[bool]) {
    let mut left_out = left_out.iter();
    plan.retain_service_ports(|_| !left_out.next().is_some_and(|out| *out));
}

/// Whether a packet that meets the same rules takes the same way on both nodes. Which networks and addresses are those
/// of Pods matters only to rules that match on the interface.
pub(super) fn same_ways(old: &Host, new: &Host) -> bool {
    let Host {
        addresses,
        pod_networks,
        cluster_networks,
        local_pods,
        remote_pods,
        pod_interface,
        route_localnet,
        sets,
        network,
        sysctls,
        pod_names: _,
    } = old;
    let same_pods = *pod_networks == new.pod_networks
        && *cluster_networks == new.cluster_networks
        && *local_pods == new.local_pods
        && *remote_pods == new.remote_pods;
    *addresses == new.addresses
        && *route_localnet == new.route_localnet
        && *pod_interface == new.pod_interface
        && (sets, network, sysctls) == (&new.sets, &new.network, &new.sysctls)
        && (pod_interface.is_none() || same_pods)
}

/// A thread is worth starting for at least this many Service ports.
const SHORTEST_STRETCH: usize = 256;

/// Service ports that both sides have unchanged, by their indices.
fn unchanged_pairs<A: Sync, B: Sync>(
    (old, new): (&Side<'_, A>, &Side<'_, B>),
    same: &(dyn Fn(&A, &B) -> bool + Sync),
) -> Vec<(usize, usize)> {
    let pairs = pairs_by_name(old, new);
    let found = parallel::by_stretch(&pairs, SHORTEST_STRETCH, |_, part| {
        let is_unchanged = |(i, j): &(usize, usize)| {
            old.ports.get(*i).zip(new.ports.get(*j)).is_some_and(|(a, b)| same(a, b))
        };
        part.iter().copied().filter(is_unchanged).collect::<Vec<_>>()
    });
    found.into_iter().flatten().collect()
}

fn pairs_by_name<A, B>(old: &Side<'_, A>, new: &Side<'_, B>) -> Vec<(usize, usize)> {
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::with_capacity(old.ports.len().min(new.ports.len()));
    while let (Some(a), Some(b)) = (old.ports.get(i), new.ports.get(j)) {
        let order = (old.name)(a).cmp((new.name)(b));
        if order == Ordering::Equal {
            pairs.push((i, j));
        }
        i += usize::from(order != Ordering::Greater);
        j += usize::from(order != Ordering::Less);
    }
    pairs
}

/// How often links are followed from what they led to: beyond this everything is kept.
const ROUNDS: usize = 8;

/// Those of the pairs that are linked to a Service port which is in no pair, by their first index; none if they are too
/// many to follow.
fn linked<A: Sync, B>(
    (old, new): (&Side<'_, A>, &Side<'_, B>),
    pairs: &[(usize, usize)],
) -> Option<HashSet<usize>> {
    let paired: (HashSet<usize>, HashSet<usize>) = pairs.iter().copied().unzip();
    let mut touched = counterparts(old, |i| !paired.0.contains(&i));
    touched.extend(counterparts(new, |i| !paired.1.contains(&i)));
    let mut linked = HashSet::new();
    for _ in 0..ROUNDS {
        let found: HashSet<usize> = touching(old, pairs, &touched, &linked).into_iter().collect();
        if found.is_empty() {
            return Some(linked);
        }
        touched = counterparts(old, |i| found.contains(&i));
        linked.extend(found);
    }
    None
}

/// What some Service ports of a side are linked to.
fn counterparts<T>(side: &Side<'_, T>, which: impl Fn(usize) -> bool) -> HashSet<Link> {
    let mut touched = HashSet::new();
    for (_, port) in side.ports.iter().enumerate().filter(|(i, _)| which(*i)) {
        (side.links)(port, &mut |link| touched.extend(link.counterparts()));
    }
    touched
}

/// Those of the pairs, not known yet, that have one of some links.
fn touching<T: Sync>(
    side: &Side<'_, T>,
    pairs: &[(usize, usize)],
    touched: &HashSet<Link>,
    known: &HashSet<usize>,
) -> Vec<usize> {
    let found = parallel::by_stretch(pairs, SHORTEST_STRETCH, |_, part| {
        let touches = |port: &T| {
            let mut found = false;
            (side.links)(port, &mut |link| found |= touched.contains(&link));
            found
        };
        let candidates = part.iter().map(|(i, _)| *i).filter(|i| !known.contains(i));
        candidates.filter(|i| side.ports.get(*i).is_some_and(touches)).collect::<Vec<_>>()
    });
    found.into_iter().flatten().collect()
}
