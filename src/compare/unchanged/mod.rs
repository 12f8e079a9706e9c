//! Service ports that two plans have in common and that need no comparison, so that a small change of a large cluster
//! costs little.
//!
//! Why they can be left out. Both compilers turn a Service port into rules that depend on nothing but its own plan and
//! the plan's other fields, and put them in the order of the plan. Such a rule can match a packet only if the packet
//! goes to one of the Service port's addresses or to one of its node ports, or gets to the rule by a chain of the
//! Service port itself. So two Service ports can take part in the way of one packet only if they share an address,
//! be it their own or an endpoint's (a packet that one of them sends to an endpoint can meet rules of the other), or
//! if a node port of one is a port of the other, or if one claims an address of the node and the other has a node
//! port. Everything that is linked to a changed Service port in this way, directly or through others, is kept. For the
//! rest: a packet that meets rules of what is left out meets none of what is kept, and the same ones on both sides;
//! every other packet meets the same rules as if nothing had been left out.
//!
//! # An example
//!
//! Of 10,000 Services only `shop/db` has a new endpoint, 10.244.3.7:3306. Its Service port is not an unchanged pair, so it
//! is kept. `shop/metrics` sends to an endpoint of the same address, 10.244.3.7:9100: a packet that `shop/db` sends there
//! could meet its rules, so it is linked, and kept too, as is every Service that shares an address with either. The
//! 9,998 others are unchanged pairs without a link: they are taken out of both plans before rules are made, and only
//! counted ("9,998 Service ports stay as they are").
//!
//! # What it costs
//!
//! One pass over both plans, and a set of the links of what differs: far less than compiling the rules once. `tests`
//! compares what is found with and without leaving out, on random clusters of every release and both modes.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::net::IpAddr;

use crate::node::{Host, NodePlan};
use crate::parallel;
use crate::plan::{EndpointSet, Plan, ServicePortPlan};

/// Takes out of two plans, for one mode, the Service ports that both have unchanged and that nothing links to one that
/// differs; tells how many. Rules and traffic of what is left differ just as those of the whole plans.
pub fn leave_out(old: &mut NodePlan<'_>, new: &mut NodePlan<'_>) -> usize {
    let (NodePlan { plan: old, host: old_host }, NodePlan { plan: new, host: new_host }) = (old, new);
    if !old.is_same_beside_service_ports(new) || !same_ways(old_host, new_host) {
        return 0;
    }
    let pairs = unchanged_pairs(old, new);
    let Some(linked) = linked((&*old, &*new), &pairs) else { return 0 };
    let mut left_out = (vec![false; old.service_ports().len()], vec![false; new.service_ports().len()]);
    for (i, j) in pairs.iter().copied().filter(|(i, _)| !linked.contains(i)) {
        mark(&mut left_out.0, i);
        mark(&mut left_out.1, j);
    }
    remove(old, &left_out.0);
    remove(new, &left_out.1);
    pairs.len() - linked.len()
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
/// of pods tells no rule but one that asks for the interface.
fn same_ways(old: &Host, new: &Host) -> bool {
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

/// So many Service ports at least are worth a thread.
const SHORTEST_STRETCH: usize = 256;

/// Service ports that both plans have unchanged, by their indices.
fn unchanged_pairs(old: &Plan<'_>, new: &Plan<'_>) -> Vec<(usize, usize)> {
    let pairs = pairs_by_name(old.service_ports(), new.service_ports());
    let found = parallel::by_stretch(&pairs, SHORTEST_STRETCH, |_, part| {
        let is_unchanged =
            |(i, j): &(usize, usize)| match (old.service_ports().get(*i), new.service_ports().get(*j)) {
                (Some(a), Some(b)) => a.is_unchanged(b),
                _ => false,
            };
        part.iter().copied().filter(is_unchanged).collect::<Vec<_>>()
    });
    found.into_iter().flatten().collect()
}

fn pairs_by_name(old: &[ServicePortPlan<'_>], new: &[ServicePortPlan<'_>]) -> Vec<(usize, usize)> {
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::with_capacity(old.len().min(new.len()));
    while let (Some(a), Some(b)) = (old.get(i), new.get(j)) {
        let order = a.service_port().name.cmp(&b.service_port().name);
        if order == Ordering::Equal {
            pairs.push((i, j));
        }
        i += usize::from(order != Ordering::Greater);
        j += usize::from(order != Ordering::Less);
    }
    pairs
}

/// Something by which the ways of packets through two Service ports can touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Link {
    /// An address, its own or an endpoint's.
    Address(IpAddr),
    /// A port on every address of the node.
    NodePort(u16),
    /// Any other port.
    Port(u16),
    /// Some node port.
    AnyNodePort,
    /// An address of the node itself, claimed.
    NodeAddress,
}

impl Link {
    /// What touches it.
    fn counterparts(self) -> impl Iterator<Item = Link> {
        let (one, other) = match self {
            Link::Address(_) => (self, None),
            Link::NodePort(port) => (self, Some(Link::Port(port))),
            Link::Port(port) => (Link::NodePort(port), None),
            Link::AnyNodePort => (Link::NodeAddress, None),
            Link::NodeAddress => (Link::AnyNodePort, None),
        };
        [Some(one), other].into_iter().flatten()
    }
}

/// Tells every link that a Service port has.
fn links(port: &ServicePortPlan<'_>, plan: &Plan<'_>, mut tell: impl FnMut(Link)) {
    let service_port = port.service_port();
    let listed = service_port.external_ips.iter().chain(&service_port.load_balancer_ips).map(|ip| ip.value);
    for ip in std::iter::once(service_port.cluster_ip).chain(listed) {
        tell(Link::Address(ip));
        if ip.is_loopback() || ip == plan.node_ip() || plan.interface_addresses().contains(&ip) {
            tell(Link::NodeAddress);
        }
    }
    for node_port in [service_port.node_port, service_port.health_check_node_port].into_iter().flatten() {
        tell(Link::NodePort(node_port.get()));
        tell(Link::AnyNodePort);
    }
    tell(Link::Port(service_port.port.get()));
    let sets = [EndpointSet::Cluster, EndpointSet::Local].map(|set| port.endpoints(set));
    for endpoint in sets.into_iter().flatten() {
        tell(Link::Address(endpoint.ip));
        tell(Link::Port(endpoint.port.get()));
    }
}

/// Links of links of links: beyond this everything is kept.
const ROUNDS: usize = 8;

/// Those of the pairs that are linked to a Service port which is in no pair, by their first index; none if they are too
/// many to follow.
fn linked((old, new): (&Plan<'_>, &Plan<'_>), pairs: &[(usize, usize)]) -> Option<HashSet<usize>> {
    let mut touched = HashSet::new();
    let paired: (HashSet<usize>, HashSet<usize>) = pairs.iter().copied().unzip();
    for (plan, paired) in [(old, &paired.0), (new, &paired.1)] {
        let changed = plan.service_ports().iter().enumerate().filter(|(i, _)| !paired.contains(i));
        changed.for_each(|(_, port)| links(port, plan, |link| touched.extend(link.counterparts())));
    }
    let mut linked = HashSet::new();
    for _ in 0..ROUNDS {
        let found = touching(old, pairs, &touched, &linked);
        if found.is_empty() {
            return Some(linked);
        }
        touched.clear();
        for port in found.iter().filter_map(|i| old.service_ports().get(*i)) {
            links(port, old, |link| touched.extend(link.counterparts()));
        }
        linked.extend(found);
    }
    None
}

/// Those of the pairs, not known yet, that touch something.
fn touching(
    plan: &Plan<'_>,
    pairs: &[(usize, usize)],
    touched: &HashSet<Link>,
    known: &HashSet<usize>,
) -> Vec<usize> {
    let found = parallel::by_stretch(pairs, SHORTEST_STRETCH, |_, part| {
        let touches = |port: &ServicePortPlan<'_>| {
            let mut found = false;
            links(port, plan, |link| found |= touched.contains(&link));
            found
        };
        let candidates = part.iter().map(|(i, _)| *i).filter(|i| !known.contains(i));
        candidates.filter(|i| plan.service_ports().get(*i).is_some_and(touches)).collect::<Vec<_>>()
    });
    found.into_iter().flatten().collect()
}
