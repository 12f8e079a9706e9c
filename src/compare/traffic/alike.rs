//! Addresses that both sides treat alike, so that one of them is compared for all.
//!
//! A Service with a thousand endpoints has rules that match on each of them: whether it connects to itself. A packet
//! from any of them has the same outcome except for the name. Two addresses are alike if both plans and both nodes stay
//! the same when the two change places: they are endpoints of the same Service ports, in the same sets, with the same
//! ports, and on the node or not; they are nothing else, neither an address of a Service nor one of the node; and the
//! node considers them the same kind of client. If rules match on ranges of addresses, the caller makes sure that both
//! are in the same ranges. The order of endpoints only decides which of them has which share, and the shares are equal.

use std::hash::Hash;
use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt};

use super::ground::{AddressKind, Ground};
use super::space::{address, number};
use crate::net::Family;
use crate::plan::{EndpointSet, Plan};
use crate::walk::Host;

/// A number for each address that is like others: the same for those that are alike.
#[derive(Debug, Default)]
pub struct Alike(HashMap<u128, u32>);

/// The role of an address as an endpoint: side, Service port, set, port, and whether it is on the node.
type Role = (bool, u32, EndpointSet, u16, bool);

impl Alike {
    /// The addresses that are alike in two plans.
    pub fn of_plans(old: &Plan<'_>, new: &Plan<'_>, ground: &Ground<'_>) -> Alike {
        let mut roles: HashMap<IpAddr, Vec<Role>> = HashMap::new();
        for (is_new, plan) in [(false, old), (true, new)] {
            add_roles(plan, is_new, &mut roles);
        }
        for ip in [old, new].into_iter().flat_map(service_addresses) {
            roles.remove(&ip);
        }
        #[allow(clippy::type_complexity, reason = "it is here alone")]
        let mut numbers: HashMap<(Vec<Role>, AddressKind, [bool; 2]), (u32, usize)> = HashMap::new();
        let is_pod = |host: &Host, ip| host.is_local_pod(ip);
        let mut found = HashMap::with_capacity(roles.len());
        #[allow(clippy::iter_over_hash_type, reason = "which number a role has is told to nobody")]
        for (ip, roles) in roles {
            if ground.is_own(ip) {
                continue;
            }
            let kinds = [is_pod(ground.hosts.0, ip), is_pod(ground.hosts.1, ip)];
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let entry = numbers.entry((roles, ground.kind(number(ip)), kinds)).or_insert((next, 0));
            entry.1 += 1;
            found.insert(number(ip), entry.0);
        }
        let many: std::collections::HashSet<u32> =
            numbers.into_values().filter(|(_, count)| *count > 1).map(|(number, _)| number).collect();
        found.retain(|_, number| many.contains(number));
        Alike(found)
    }

    /// Those that also agree in something else.
    pub fn that_agree_in<T: Eq + Hash>(self, tells: impl Fn(IpAddr) -> T, family: Family) -> Alike {
        let mut numbers: HashMap<(u32, T), u32> = HashMap::new();
        let renumbered = self.0.into_iter().map(|(value, number)| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            (value, *numbers.entry((number, tells(address(family, value)))).or_insert(next))
        });
        Alike(renumbered.collect())
    }

    /// The number that an address shares with those like it.
    pub(super) fn number(&self, value: u128) -> Option<u32> {
        self.0.get(&value).copied()
    }
}

fn add_roles(plan: &Plan<'_>, is_new: bool, roles: &mut HashMap<IpAddr, Vec<Role>>) {
    for (i, port) in (0..).zip(plan.service_ports()) {
        for set in [EndpointSet::Cluster, EndpointSet::Local] {
            for endpoint in port.endpoints(set) {
                let is_local = endpoint.node_name.as_ref() == Some(plan.node_name());
                let role = (is_new, i, set, endpoint.port.get(), is_local);
                let of_address = roles.entry(endpoint.ip).or_default();
                // In the order of the ports, so that equal roles are written in the same way.
                let at = of_address.partition_point(|other| key(other) < key(&role));
                of_address.insert(at, role);
            }
        }
    }
}

fn key((is_new, i, set, port, is_local): &Role) -> (bool, u32, bool, u16, bool) {
    (*is_new, *i, *set == EndpointSet::Local, *port, *is_local)
}

fn service_addresses(plan: &Plan<'_>) -> Vec<IpAddr> {
    let ports = plan.service_ports().iter().map(|port| port.service_port());
    let listed = |port: &crate::cluster::ServicePort| {
        let others = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value);
        std::iter::once(port.cluster_ip).chain(others).collect::<Vec<_>>()
    };
    ports.flat_map(listed).collect()
}
