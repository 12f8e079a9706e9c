//! `v1` Node.

use serde::Deserialize;

use super::fields::nullable;
use super::pod::Condition;
use super::quantity::Quantity;
use super::{Metadata, Taint, Text};

/// `v1` Node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct Node {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.podCIDR`
    pub pod_cidr: Text,
    /// `spec.podCIDRs`
    pub pod_cidrs: Vec<Text>,
    /// `status.addresses`
    pub addresses: Vec<NodeAddress>,
    /// `status.nodeInfo.kubeletVersion`
    pub kubelet_version: Text,
    /// `status.nodeInfo.kernelVersion`
    pub kernel_version: Text,
    /// `spec.unschedulable`
    pub unschedulable: bool,
    /// `spec.taints`
    pub taints: Vec<Taint>,
    /// `status.allocatable.cpu` in thousandths; 0 if absent.
    pub milli_cpus: u64,
    /// `status.allocatable.pods`
    pub max_pods: Option<u64>,
    /// Whether the condition `Ready` is present and not `True`.
    pub not_ready: bool,
}

/// A Node in its written form.
type Wire = super::wire::Wire<Spec, Status>;

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Spec {
    #[serde(rename = "podCIDR", deserialize_with = "nullable")]
    pod_cidr: Text,
    #[serde(rename = "podCIDRs", deserialize_with = "nullable")]
    pod_cidrs: Vec<Text>,
    #[serde(deserialize_with = "nullable")]
    unschedulable: bool,
    #[serde(deserialize_with = "nullable")]
    taints: Vec<Taint>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Status {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<NodeAddress>,
    #[serde(rename = "nodeInfo", deserialize_with = "nullable")]
    node_info: NodeInfo,
    #[serde(deserialize_with = "nullable")]
    allocatable: Allocatable,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct NodeInfo {
    #[serde(rename = "kubeletVersion", deserialize_with = "nullable")]
    kubelet_version: Text,
    #[serde(rename = "kernelVersion", deserialize_with = "nullable")]
    kernel_version: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Allocatable {
    cpu: Option<Quantity>,
    pods: Option<Quantity>,
}

impl From<Wire> for Node {
    fn from(wire: Wire) -> Self {
        Node {
            metadata: wire.metadata,
            pod_cidr: wire.spec.pod_cidr,
            pod_cidrs: wire.spec.pod_cidrs,
            addresses: wire.status.addresses,
            kubelet_version: wire.status.node_info.kubelet_version,
            kernel_version: wire.status.node_info.kernel_version,
            unschedulable: wire.spec.unschedulable,
            taints: wire.spec.taints,
            milli_cpus: wire.status.allocatable.cpu.unwrap_or_default().0,
            max_pods: wire.status.allocatable.pods.map(|pods| pods.0 / 1000),
            not_ready: wire.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status != "True"),
        }
    }
}

/// An entry of `status.addresses`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct NodeAddress {
    /// `type`
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub type_: Text,
    /// `address`
    #[serde(deserialize_with = "nullable")]
    pub address: Text,
}
