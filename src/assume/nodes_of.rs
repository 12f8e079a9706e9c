//! The Nodes that Pods can be placed on.

use std::net::IpAddr;

use super::{Run, ranges};
use crate::input::Snapshot;
use crate::input::api::{self, Taint, Text};
use crate::net::{Cidr, Family, parse_ip_lenient};

/// A Node with what its Pods get from it.
#[derive(Debug, Clone)]
pub(super) struct NodeSlot {
    pub(super) name: Text,
    pub(super) labels: Vec<(Text, Text)>,
    /// With the one of a Node that is cordoned.
    pub(super) taints: Vec<Taint>,
    /// How many Pods it takes, where that is known.
    pub(super) max_pods: Option<usize>,
    /// Whether it is assumed itself: then it takes any Pod.
    pub(super) assumed: bool,
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

    /// The value of a label.
    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// The Nodes of the snapshot by name.
pub(super) fn slots(snapshot: &Snapshot, run: &Run<'_>) -> Vec<NodeSlot> {
    let mut slots: Vec<NodeSlot> = snapshot.nodes.iter().map(|node| slot(&node.object, run)).collect();
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
    NodeSlot {
        name: node.metadata.name.clone(),
        labels: labels(node),
        taints: node.taints.iter().cloned().chain(cordon(node)).collect(),
        max_pods: node.max_pods.map(|pods| usize::try_from(pods).unwrap_or(usize::MAX)),
        assumed: run.assumed.nodes.contains(&node.metadata.name),
        pod_cidrs,
        ips: internal.filter_map(|address| parse_ip_lenient(&address.address)).collect(),
    }
}

/// With those that every kubelet gives its Node, should the input have left them out.
fn labels(node: &api::Node) -> Vec<(Text, Text)> {
    let mut labels = node.metadata.labels.clone();
    for (key, value) in
        [("kubernetes.io/hostname", node.metadata.name.as_str()), ("kubernetes.io/os", "linux")]
    {
        if node.metadata.label(key).is_none() {
            labels.push((key.into(), value.into()));
        }
    }
    labels
}

/// The scheduler takes a cordoned Node as one with this taint.
fn cordon(node: &api::Node) -> Option<Taint> {
    let key = Text::const_new("node.kubernetes.io/unschedulable");
    let taint = Taint { key, value: Text::default(), effect: Text::const_new("NoSchedule") };
    (node.unschedulable && !node.taints.iter().any(|other| other.key == taint.key)).then_some(taint)
}
