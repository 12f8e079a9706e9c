//! The Service ports that differ between two states of a cluster, with all that is linked to them, in parts of which no
//! packet meets two.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::owners::Owners;
use super::state::State;
use crate::cluster::ServicePort;
use crate::compare::links::{Link, Side, links_of};
use crate::compare::{parts, unchanged};
use crate::net::Family;
use crate::plan::is_planned_alike;
use crate::settings::Settings;

/// Service ports that are compared together, on all nodes.
pub(super) struct ClusterPart<'a> {
    pub(super) old: Vec<&'a ServicePort>,
    pub(super) new: Vec<&'a ServicePort>,
    pub(super) addresses: BTreeSet<IpAddr>,
}

/// The parts that differ, or can differ, and how many Service ports are left out on every node.
#[allow(clippy::type_complexity, reason = "a callback that calls back")]
pub(super) fn cluster_parts<'a>(
    (old_state, new_state): (State<'a>, State<'a>),
    family: Family,
    trims: bool,
    owners: &Owners,
) -> (Vec<ClusterPart<'a>>, usize) {
    let old = &old_state.cluster.family(family).service_ports;
    let new = &new_state.cluster.family(family).service_ports;
    let is_own = |ip: IpAddr| {
        let named =
            |settings: &Settings| settings.bind_address == Some(ip) || settings.host.addresses.contains(&ip);
        owners.of_address(ip) > 0 || named(old_state.settings) || named(new_state.settings)
    };
    let links = |port: &ServicePort, tell: &mut dyn FnMut(Link)| {
        links_of(port, port.endpoints.iter().map(|e| (e.ip, e.port)), is_own, tell);
    };
    let sides = (
        &Side { ports: old, name: &|port: &ServicePort| &port.name, links: &links },
        &Side { ports: new, name: &|port: &ServicePort| &port.name, links: &links },
    );
    let left_out = match trims {
        true => unchanged::left_out(sides, &is_planned_alike),
        false => (vec![false; old.len()], vec![false; new.len()]),
    };
    let kept = |ports: &'a [ServicePort], left_out: &[bool]| -> Vec<&'a ServicePort> {
        ports.iter().zip(left_out).filter(|(_, out)| !**out).map(|(port, _)| port).collect()
    };
    let (before, after) = (kept(old, &left_out.0), kept(new, &left_out.1));
    let linked = before.iter().chain(&after).map(|port| {
        let tell: Box<dyn Fn(&mut dyn FnMut(Link))> = Box::new(|tell| links(port, tell));
        (port.name.service_name(), tell)
    });
    let numbers = parts::part_numbers(linked.collect());
    let (before, after) = parts::dealt(before, after, &numbers);
    let part = |(old, new): (Vec<&'a ServicePort>, Vec<&'a ServicePort>)| {
        let mut addresses = BTreeSet::new();
        for port in old.iter().chain(&new) {
            links(port, &mut |link| {
                if let Link::Address(ip) = link {
                    addresses.insert(ip);
                }
            });
        }
        ClusterPart { old, new, addresses }
    };
    let out = left_out.0.iter().filter(|out| **out).count();
    (before.into_iter().zip(after).map(part).collect(), out)
}
