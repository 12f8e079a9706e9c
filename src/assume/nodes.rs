//! Nodes, where the input has none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Rule, Run, ranges};
use crate::diagnostic::Diagnostic;
use crate::input::api::{self, Text};
use crate::input::{Located, Position, Snapshot};

/// Where the input begins: assumed Nodes have no place of their own.
const NOWHERE: Position = Position { source: crate::input::SourceId(u32::MAX), offset: 0, length: 0 };

pub(super) fn fill(snapshot: &mut Snapshot, run: &mut Run<'_>) {
    if !snapshot.nodes.is_empty() {
        if run.options.nodes.is_some() {
            let message = format!("--assume-nodes: the input has {} Nodes already", snapshot.nodes.len());
            run.found.push(Diagnostic::error(message).help("leave the flag out, or the Nodes"));
        }
        return;
    }
    let placed = snapshot.pods.iter().any(|pod| !pod.object.node_name.is_empty());
    let count = match run.options.nodes {
        Some(count) => count,
        None if placed => return,
        None => 1,
    };
    check_room(count, run);
    snapshot.nodes = (1..=count).map(|number| node(number, run)).collect();
}

/// Every Node needs a network of its own for its Pods.
fn check_room(count: u16, run: &mut Run<'_>) {
    let families = run.families();
    for pods in ranges::pod_cidrs(run.settings) {
        let last = usize::from(count.saturating_sub(1));
        if families.contains(&pods.family()) && ranges::node_cidr(pods, last).is_none() {
            let message = format!("--assume-nodes: {pods} has no pod networks for {count} Nodes");
            run.found.push(Diagnostic::error(message).help("assume fewer, or give a larger --cluster-cidr"));
        }
    }
}

/// The node of a number, counted from 1: in address ranges that are set apart for tests (RFC 2544) and documentation
/// (RFC 3849), with pod networks as kube-controller-manager would give it.
fn node(number: u16, run: &mut Run<'_>) -> Located<api::Node> {
    let [high, low] = number.to_be_bytes();
    let ips: [IpAddr; 2] = [
        Ipv4Addr::new(198, 18, high, low).into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into(),
    ];
    let families = run.families();
    let address =
        |ip: &IpAddr| api::NodeAddress { type_: "InternalIP".into(), address: ip.to_string().into() };
    let networks =
        ranges::pod_cidrs(run.settings).into_iter().filter(|pods| families.contains(&pods.family()));
    let networks = networks.filter_map(|pods| ranges::node_cidr(pods, usize::from(number) - 1));
    let node = api::Node {
        metadata: api::Metadata { name: format!("node-{number}").into(), ..api::Metadata::default() },
        pod_cidrs: networks.map(|cidr| Text::from(cidr.to_string())).collect(),
        addresses: ips
            .iter()
            .filter(|ip| families.contains(&crate::net::Family::of(**ip)))
            .map(address)
            .collect(),
        ..api::Node::default()
    };
    let object = node.metadata.object_ref("Node");
    for (i, address) in node.addresses.iter().enumerate() {
        run.record(&object, &format!("status.addresses[{i}].address"), &address.address, Rule::Node);
    }
    for (i, cidr) in node.pod_cidrs.iter().enumerate() {
        run.record(&object, &format!("spec.podCIDRs[{i}]"), cidr, Rule::Node);
    }
    Located { object: node, position: NOWHERE }
}
