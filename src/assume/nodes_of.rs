//! The Nodes that Pods can be placed on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Run, ranges};
use crate::input::Snapshot;
use crate::input::api::{self, Text};
use crate::net::{Cidr, Family, parse_ip_lenient};

/// A Node with what its Pods get from it.
#[derive(Debug, Clone)]
pub(super) struct NodeSlot {
    pub(super) name: Text,
    /// The pod network of each family.
    pod_cidrs: Vec<Cidr>,
    /// Internal addresses.
    ips: Vec<IpAddr>,
}

impl NodeSlot {
    /// The network in which the node's Pods have their addresses of a family.
    pub(super) fn pod_cidr(&self, family: Family) -> Option<Cidr> {
        self.pod_cidrs.iter().copied().find(|cidr| cidr.family() == family)
    }

    /// The address of a family that Pods in the host's network have.
    pub(super) fn host_ip(&self, family: Family) -> Option<IpAddr> {
        self.ips.iter().copied().find(|ip| Family::of(*ip) == family)
    }
}

/// The Nodes of the snapshot by name; where it has none, those that its Pods name.
pub(super) fn slots(snapshot: &Snapshot, run: &Run<'_>) -> Vec<NodeSlot> {
    let mut slots: Vec<NodeSlot> = snapshot.nodes.iter().map(|node| slot(&node.object, run)).collect();
    if slots.is_empty() {
        let names = snapshot.pods.iter().map(|pod| &pod.object.node_name).filter(|name| !name.is_empty());
        let names: BTreeSet<&Text> = names.collect();
        let named = |name: &Text| api::Metadata { name: name.clone(), ..api::Metadata::default() };
        slots = names
            .into_iter()
            .map(|name| api::Node { metadata: named(name), ..api::Node::default() })
            .map(|node| slot(&node, run))
            .collect();
    }
    slots.sort_by(|a, b| a.name.cmp(&b.name));
    slots
}

fn slot(node: &api::Node, run: &Run<'_>) -> NodeSlot {
    let written = node.pod_cidrs.iter().chain(Some(&node.pod_cidr).filter(|_| node.pod_cidrs.is_empty()));
    let mut pod_cidrs: Vec<Cidr> = written.filter_map(|text| Cidr::parse_lenient(text)).collect();
    if pod_cidrs.is_empty() {
        let families = run.families();
        pod_cidrs = ranges::pod_cidrs(run.settings);
        pod_cidrs.retain(|cidr| families.contains(&cidr.family()));
    }
    let internal = node.addresses.iter().filter(|address| address.type_ == "InternalIP");
    let ips = internal.filter_map(|address| parse_ip_lenient(&address.address)).collect();
    NodeSlot { name: node.metadata.name.clone(), pod_cidrs, ips }
}
