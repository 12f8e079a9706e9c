//! Nodes: so many as were asked for, and those that Pods name.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::allocator::{Band, Pool};
use super::{Rule, Run, ranges};
use crate::diagnostic::{Diagnostic, message};
use crate::input::api::{self, Text};
use crate::input::{Located, Position, Snapshot};
use crate::net::{Cidr, Family};

/// Where the input begins: assumed Nodes have no place of their own.
const NOWHERE: Position = Position { source: crate::input::SourceId(u32::MAX), offset: 0, length: 0 };

pub(super) fn fill(snapshot: &mut Snapshot, run: &mut Run<'_>) {
    let named = if snapshot.nodes.is_empty() || run.options.nodes.is_some() {
        named_by_pods(snapshot)
    } else {
        BTreeSet::new()
    };
    let count = match run.options.nodes {
        Some(count) => count,
        None => u16::from(snapshot.nodes.is_empty() && named.is_empty()),
    };
    let mut networks = Networks::beside(snapshot, run);
    let mut added = numbered(count, snapshot, &mut networks, run);
    for (name, number) in numbers_of(named, count, run) {
        added.push(node(name, number, &mut networks, run));
    }
    run.assumed.nodes = added.iter().map(|node| node.object.metadata.name.clone()).collect();
    snapshot.nodes.append(&mut added);
}

/// Names that Pods and templates of Pods give, and no Node has.
fn named_by_pods(snapshot: &Snapshot) -> BTreeSet<Text> {
    let pods = snapshot.pods.iter().map(|pod| &pod.object.node_name);
    let names = pods.chain(snapshot.workloads.iter().map(|workload| &workload.object.node_name));
    let known: BTreeSet<&Text> = snapshot.nodes.iter().map(|node| &node.object.metadata.name).collect();
    names.filter(|name| !name.is_empty() && !known.contains(name)).cloned().collect()
}

/// `node-1` and so on; names that are taken are left out.
fn numbered(
    count: u16,
    snapshot: &Snapshot,
    networks: &mut Networks,
    run: &mut Run<'_>,
) -> Vec<Located<api::Node>> {
    let taken: BTreeSet<&Text> = snapshot.nodes.iter().map(|node| &node.object.metadata.name).collect();
    let names = (1..=u16::MAX).map(|number| (number, Text::from(format!("node-{number}"))));
    let free: Vec<_> = names.filter(|(_, name)| !taken.contains(name)).take(count.into()).collect();
    let nodes = free.into_iter().map(|(number, name)| node(name, number, networks, run)).collect();
    for pods in networks.exhausted.iter().filter(|_| count > 0) {
        let message = message!("--assume-nodes: {pods} has no pod networks for {count} Nodes");
        run.found.push(Diagnostic::error(message).help("assume fewer, or give a larger --cluster-cidr"));
    }
    nodes
}

/// Numbers of the Nodes that Pods name, above those of the numbered ones.
fn numbers_of(names: BTreeSet<Text>, count: u16, run: &mut Run<'_>) -> Vec<(Text, u16)> {
    let claim = |name: &Text| format!("number of Node {name}");
    let mut pool = Pool::new(vec![Band { first: u128::from(count) + 1, last: u16::MAX.into() }]);
    run.assign(&mut pool, &names.iter().map(claim).collect());
    let number =
        |name: &Text| run.assumed.held.get(&claim(name)).and_then(|number| u16::try_from(number).ok());
    names
        .into_iter()
        .map(|name| (number(&name), name))
        .map(|(number, name)| (name, number.unwrap_or(u16::MAX)))
        .collect()
}

/// Pod networks that no Node has yet.
struct Networks {
    families: Vec<Cidr>,
    taken: Vec<Cidr>,
    next: [usize; 2],
    exhausted: BTreeSet<Cidr>,
}

impl Networks {
    fn beside(snapshot: &Snapshot, run: &Run<'_>) -> Networks {
        let families = run.families();
        let mut pods = ranges::pod_cidrs(run.settings);
        pods.retain(|pods| families.contains(&pods.family()));
        let nodes = snapshot.nodes.iter().map(|node| &node.object);
        let written = nodes.flat_map(|node| node.pod_cidrs.iter().chain([&node.pod_cidr]));
        let taken = written.filter_map(|text| Cidr::parse_lenient(text)).collect();
        Networks { families: pods, taken, next: [0; 2], exhausted: BTreeSet::new() }
    }

    /// The next of each family, of the length that kube-controller-manager gives; none where all are gone.
    fn next(&mut self) -> Vec<Cidr> {
        let Networks { families, taken, next, exhausted } = self;
        let mut found = Vec::new();
        for (pods, next) in families.iter().zip(next) {
            let mut free = (*next..).map_while(|index| Some((index, ranges::node_cidr(*pods, index)?)));
            let overlaps =
                |cidr: Cidr, other: &Cidr| cidr.contains(other.network()) || other.contains(cidr.network());
            let free = free.find(|(_, cidr)| !taken.iter().any(|other| overlaps(*cidr, other)));
            match free {
                Some((index, cidr)) => {
                    *next = index + 1;
                    found.push(cidr);
                }
                None => {
                    exhausted.insert(*pods);
                }
            }
        }
        found
    }
}

/// A node: its number stands in its addresses, of ranges that are set apart for tests (RFC 2544) and documentation
/// (RFC 3849).
fn node(name: Text, number: u16, networks: &mut Networks, run: &mut Run<'_>) -> Located<api::Node> {
    let [high, low] = number.to_be_bytes();
    let ips: [IpAddr; 2] = [
        Ipv4Addr::new(198, 18, high, low).into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into(),
    ];
    let families = run.families();
    let address =
        |ip: &IpAddr| api::NodeAddress { type_: "InternalIP".into(), address: ip.to_string().into() };
    let node = api::Node {
        metadata: api::Metadata { name, ..api::Metadata::default() },
        pod_cidrs: networks.next().into_iter().map(|cidr| Text::from(cidr.to_string())).collect(),
        addresses: ips.iter().filter(|ip| families.contains(&Family::of(**ip))).map(address).collect(),
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
