//! `v1` Pod.

use serde::Deserialize;

use super::fields::nullable;
use super::{Metadata, Text};

/// `v1` Pod, as far as the EndpointSlice controller reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct Pod {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.nodeName`
    pub node_name: Text,
    /// `spec.hostNetwork`
    pub host_network: bool,
    /// Named and numbered ports of `spec.containers`, then of those `spec.initContainers` that restart always.
    pub ports: Vec<ContainerPort>,
    /// `status.phase`
    pub phase: Text,
    /// `status.podIPs`, or `status.podIP` where that is all there is.
    pub ips: Vec<Text>,
    /// Whether the condition `Ready` is `True`.
    pub ready: bool,
}

/// An entry of a container's `ports`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct ContainerPort {
    /// `name`
    #[serde(deserialize_with = "nullable")]
    pub name: Text,
    /// `containerPort`
    #[serde(rename = "containerPort", deserialize_with = "nullable")]
    pub port: i64,
    /// `protocol`; empty where absent.
    #[serde(deserialize_with = "nullable")]
    pub protocol: Text,
}

/// A Pod as it is written.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Wire {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    spec: PodSpec,
    #[serde(deserialize_with = "nullable")]
    status: Status,
}

/// `spec` of a Pod or of a workload's template.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub(super) struct PodSpec {
    #[serde(deserialize_with = "nullable")]
    node_name: Text,
    #[serde(deserialize_with = "nullable")]
    pub(super) host_network: bool,
    #[serde(deserialize_with = "nullable")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    init_containers: Vec<Container>,
}

impl PodSpec {
    /// Ports of the containers that run as long as the Pod does.
    pub(super) fn ports(&mut self) -> Vec<ContainerPort> {
        let sidecars = self.init_containers.iter_mut().filter(|c| c.restart_policy == "Always");
        let containers = self.containers.iter_mut().chain(sidecars);
        containers.flat_map(|c| std::mem::take(&mut c.ports)).collect()
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Container {
    #[serde(deserialize_with = "nullable")]
    ports: Vec<ContainerPort>,
    #[serde(deserialize_with = "nullable")]
    restart_policy: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Status {
    #[serde(deserialize_with = "nullable")]
    phase: Text,
    #[serde(rename = "podIP", deserialize_with = "nullable")]
    pod_ip: Text,
    #[serde(rename = "podIPs", deserialize_with = "nullable")]
    pod_ips: Vec<PodIp>,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

impl Status {
    fn is_ready(&self) -> bool {
        let ready = self.conditions.iter().find(|c| c.type_ == "Ready");
        ready.is_some_and(|c| c.status == "True")
    }

    fn ips(self) -> Vec<Text> {
        if self.pod_ips.is_empty() && !self.pod_ip.is_empty() {
            return vec![self.pod_ip];
        }
        self.pod_ips.into_iter().map(|ip| ip.ip).collect()
    }
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct PodIp {
    #[serde(deserialize_with = "nullable")]
    ip: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Condition {
    #[serde(rename = "type", deserialize_with = "nullable")]
    type_: Text,
    #[serde(deserialize_with = "nullable")]
    status: Text,
}

impl From<Wire> for Pod {
    fn from(mut wire: Wire) -> Self {
        Pod {
            ports: wire.spec.ports(),
            metadata: wire.metadata,
            node_name: wire.spec.node_name,
            host_network: wire.spec.host_network,
            ready: wire.status.is_ready(),
            phase: std::mem::take(&mut wire.status.phase),
            ips: wire.status.ips(),
        }
    }
}
