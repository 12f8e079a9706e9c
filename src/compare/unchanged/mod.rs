//! Service ports that two plans have in common and that need no comparison, so that a small change of a large cluster
//! costs little.
//!
//! Why they can be left out. Both compilers turn a Service port into rules that depend on nothing but its own plan and
//! the plan's other fields, and put them in the order of the plan. Such a rule can match a packet only if the packet
//! goes to one of the Service port's addresses or to one of its node ports, or gets to the rule by a chain of the
//! Service port itself. So two Service ports can take part in the way of one packet only if they share an address,
//! be it their own or an endpoint's (a packet that one of them sends to an endpoint can meet rules of the other), or
//! if a node port of one is a port of the other, or if one claims an address of the node and the other has a node
//! port. Everything that is tied to a changed Service port in this way, directly or through others, is kept. For the
//! rest: a packet that meets rules of what is left out meets none of what is kept, and the same ones on both sides;
//! every other packet meets the same rules as if nothing had been left out.

mod same;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::net::IpAddr;

use crate::node::{Host, NodePlan};
use crate::parallel;
use crate::plan::{Plan, ServicePortPlan};

/// Takes out of two plans, for one mode, the Service ports that both have alike and that nothing ties to one that
/// differs; tells how many. Rules and traffic of what is left differ just as those of the whole plans.
pub fn leave_out(old: &mut NodePlan<'_>, new: &mut NodePlan<'_>) -> usize {
    let (NodePlan { plan: old, host: old_host }, NodePlan { plan: new, host: new_host }) = (old, new);
    if !same::beside_service_ports(old, new) || !same_ways(old_host, new_host) {
        return 0;
    }
    let pairs = alike(old, new);
    let Some(tied) = tied((&*old, &*new), &pairs) else { return 0 };
    let mut left_out = (vec![false; old.service_ports.len()], vec![false; new.service_ports.len()]);
    for (i, j) in pairs.iter().copied().filter(|(i, _)| !tied.contains(i)) {
        mark(&mut left_out.0, i);
        mark(&mut left_out.1, j);
    }
    remove(old, &left_out.0);
    remove(new, &left_out.1);
    pairs.len() - tied.len()
}

fn mark(list: &mut [bool], i: usize) {
    if let Some(entry) = list.get_mut(i) {
        *entry = true;
    }
}

fn remove(plan: &mut Plan<'_>, left_out: &[bool]) {
    let mut left_out = left_out.iter();
    plan.service_ports.retain(|_| !left_out.next().is_some_and(|out| *out));
}

/// Whether a packet that meets the same rules takes the same way on both nodes. Which networks and addresses are those
/// of pods tells no rule but one that asks for the interface.
fn same_ways(old: &Host, new: &Host) -> bool {
    let Host { addresses, pod_networks, cluster_networks, local_pods, pod_interface, route_localnet } = old;
    let same_pods = *pod_networks == new.pod_networks
        && *cluster_networks == new.cluster_networks
        && *local_pods == new.local_pods;
    *addresses == new.addresses
        && *route_localnet == new.route_localnet
        && *pod_interface == new.pod_interface
        && (pod_interface.is_none() || same_pods)
}

/// So many Service ports at least are worth a thread.
const SHORTEST_STRETCH: usize = 256;

/// Service ports that are the same in both plans, by their indices.
fn alike(old: &Plan<'_>, new: &Plan<'_>) -> Vec<(usize, usize)> {
    let pairs = pairs_by_name(&old.service_ports, &new.service_ports);
    let found = parallel::by_stretch(&pairs, SHORTEST_STRETCH, |_, part| {
        let is_same = |(i, j): &(usize, usize)| match (old.service_ports.get(*i), new.service_ports.get(*j)) {
            (Some(a), Some(b)) => same::service_ports(a, b),
            _ => false,
        };
        part.iter().copied().filter(is_same).collect::<Vec<_>>()
    });
    found.into_iter().flatten().collect()
}

fn pairs_by_name(old: &[ServicePortPlan<'_>], new: &[ServicePortPlan<'_>]) -> Vec<(usize, usize)> {
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::with_capacity(old.len().min(new.len()));
    while let (Some(a), Some(b)) = (old.get(i), new.get(j)) {
        let order = a.service_port.name.cmp(&b.service_port.name);
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
enum Tie {
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

impl Tie {
    /// What touches it.
    fn counterparts(self) -> impl Iterator<Item = Tie> {
        let (one, other) = match self {
            Tie::Address(_) => (self, None),
            Tie::NodePort(port) => (self, Some(Tie::Port(port))),
            Tie::Port(port) => (Tie::NodePort(port), None),
            Tie::AnyNodePort => (Tie::NodeAddress, None),
            Tie::NodeAddress => (Tie::AnyNodePort, None),
        };
        [Some(one), other].into_iter().flatten()
    }
}

/// Tells every tie that a Service port has.
fn ties(port: &ServicePortPlan<'_>, plan: &Plan<'_>, mut tell: impl FnMut(Tie)) {
    let service_port = port.service_port;
    let listed = service_port.external_ips.iter().chain(&service_port.load_balancer_ips).map(|ip| ip.value);
    for ip in std::iter::once(service_port.cluster_ip).chain(listed) {
        tell(Tie::Address(ip));
        if ip.is_loopback() || ip == plan.node_ip || plan.interface_addresses.contains(&ip) {
            tell(Tie::NodeAddress);
        }
    }
    for node_port in [service_port.node_port, service_port.health_check_node_port].into_iter().flatten() {
        tell(Tie::NodePort(node_port.get()));
        tell(Tie::AnyNodePort);
    }
    tell(Tie::Port(service_port.port.get()));
    let sets = [&port.reachable_endpoints, &port.cluster_endpoints, &port.local_endpoints];
    for endpoint in sets.into_iter().flatten() {
        tell(Tie::Address(endpoint.ip));
        tell(Tie::Port(endpoint.port.get()));
    }
}

/// Ties of ties of ties: beyond this everything is kept.
const ROUNDS: usize = 8;

/// Those of the pairs that are tied to a Service port which is in no pair, by their first index; none if they are too
/// many to follow.
fn tied((old, new): (&Plan<'_>, &Plan<'_>), pairs: &[(usize, usize)]) -> Option<HashSet<usize>> {
    let mut touched = HashSet::new();
    let paired: (HashSet<usize>, HashSet<usize>) = pairs.iter().copied().unzip();
    for (plan, paired) in [(old, &paired.0), (new, &paired.1)] {
        let changed = plan.service_ports.iter().enumerate().filter(|(i, _)| !paired.contains(i));
        changed.for_each(|(_, port)| ties(port, plan, |tie| touched.extend(tie.counterparts())));
    }
    let mut tied = HashSet::new();
    for _ in 0..ROUNDS {
        let found = touching(old, pairs, &touched, &tied);
        if found.is_empty() {
            return Some(tied);
        }
        touched.clear();
        for port in found.iter().filter_map(|i| old.service_ports.get(*i)) {
            ties(port, old, |tie| touched.extend(tie.counterparts()));
        }
        tied.extend(found);
    }
    None
}

/// Those of the pairs, not known yet, that touch something.
fn touching(
    plan: &Plan<'_>,
    pairs: &[(usize, usize)],
    touched: &HashSet<Tie>,
    known: &HashSet<usize>,
) -> Vec<usize> {
    let found = parallel::by_stretch(pairs, SHORTEST_STRETCH, |_, part| {
        let touches = |port: &ServicePortPlan<'_>| {
            let mut found = false;
            ties(port, plan, |tie| found |= touched.contains(&tie));
            found
        };
        let candidates = part.iter().map(|(i, _)| *i).filter(|i| !known.contains(i));
        candidates.filter(|i| plan.service_ports.get(*i).is_some_and(touches)).collect::<Vec<_>>()
    });
    found.into_iter().flatten().collect()
}
