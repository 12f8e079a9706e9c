//! `v1` Pod.

use std::sync::Arc;

use serde::Deserialize;

use super::fields::nullable;
use super::scheduling::{Affinity, Labels, Scheduling, Toleration};
use super::{Metadata, Text};

/// `v1` Pod: the fields that the EndpointSlice controller reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct Pod {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.nodeName`
    pub node_name: Text,
    /// `spec.hostNetwork`
    pub host_network: bool,
    /// Named and numbered ports of `spec.containers`, then of those `spec.initContainers` that always restart.
    pub ports: Vec<ContainerPort>,
    /// `status.phase`
    pub phase: Text,
    /// `status.podIPs`, or `status.podIP` if there is nothing else.
    pub ips: Vec<Text>,
    /// Whether the condition `Ready` is `True`.
    pub ready: bool,
    /// What it requires of its Node, if anything.
    pub scheduling: Option<Arc<Scheduling>>,
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

/// A Pod in its written form.
type Wire = super::wire::Wire<PodSpec, Status>;

/// `spec` of a Pod or of a workload's template.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub(super) struct PodSpec {
    #[serde(deserialize_with = "nullable")]
    pub(super) node_name: Text,
    #[serde(deserialize_with = "nullable")]
    pub(super) host_network: bool,
    #[serde(deserialize_with = "nullable")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    node_selector: Labels,
    #[serde(deserialize_with = "nullable")]
    affinity: Affinity,
    #[serde(deserialize_with = "nullable")]
    tolerations: Vec<Toleration>,
}

impl PodSpec {
    /// Ports of the containers that run as long as the Pod does.
    pub(super) fn ports(&mut self) -> Vec<ContainerPort> {
        let ports = self.lasting_containers().flat_map(|c| &c.ports);
        ports.map(|port| port.port.clone()).collect()
    }

    fn lasting_containers(&self) -> impl Iterator<Item = &Container> {
        let sidecars = self.init_containers.iter().filter(|c| c.restart_policy == "Always");
        self.containers.iter().chain(sidecars)
    }

    /// What the Pod requires of its Node; none if nothing.
    pub(super) fn scheduling(&mut self) -> Option<Arc<Scheduling>> {
        let host_ports = self.host_ports();
        let affinity = std::mem::take(&mut self.affinity);
        let scheduling = Scheduling {
            node_selector: std::mem::take(&mut self.node_selector.0),
            node_terms: affinity.node_affinity.required.map(|terms| terms.node_selector_terms),
            with_pods: affinity.pod_affinity.required,
            without_pods: affinity.pod_anti_affinity.required,
            tolerations: std::mem::take(&mut self.tolerations),
            host_ports,
        };
        (scheduling != Scheduling::default()).then(|| Arc::new(scheduling))
    }

    /// In the host's network, every declared port is the Node's.
    fn host_ports(&self) -> Vec<(Text, i64)> {
        let number = |port: &WrittenPort| if self.host_network { port.port.port } else { port.host_port };
        let protocol = |port: &WrittenPort| match port.port.protocol.as_str() {
            "" => Text::const_new("TCP"),
            _ => port.port.protocol.clone(),
        };
        let ports = self.lasting_containers().flat_map(|c| &c.ports);
        ports.map(|port| (protocol(port), number(port))).filter(|(_, number)| *number != 0).collect()
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Container {
    #[serde(deserialize_with = "nullable")]
    ports: Vec<WrittenPort>,
    #[serde(deserialize_with = "nullable")]
    restart_policy: Text,
}

/// What a Pod's spec requires of its Node.
#[cfg(feature = "k8s-openapi")]
pub(in crate::input) fn scheduling(spec: serde_json::Value) -> Option<Arc<Scheduling>> {
    serde_json::from_value::<PodSpec>(spec).ok()?.scheduling()
}

/// A port, with the ports that it uses on the Node.
#[derive(Default)]
struct WrittenPort {
    port: ContainerPort,
    host_port: i64,
}

impl<'de> Deserialize<'de> for WrittenPort {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase", expecting = "a map")]
        struct Written {
            #[serde(deserialize_with = "nullable")]
            name: Text,
            #[serde(deserialize_with = "nullable")]
            container_port: i64,
            #[serde(deserialize_with = "nullable")]
            protocol: Text,
            #[serde(deserialize_with = "nullable")]
            host_port: i64,
        }
        let Written { name, container_port, protocol, host_port } = Written::deserialize(deserializer)?;
        Ok(WrittenPort { port: ContainerPort { name, port: container_port, protocol }, host_port })
    }
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
pub(super) struct Condition {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(super) type_: Text,
    #[serde(deserialize_with = "nullable")]
    pub(super) status: Text,
}

impl From<Wire> for Pod {
    fn from(mut wire: Wire) -> Self {
        Pod {
            ports: wire.spec.ports(),
            scheduling: wire.spec.scheduling(),
            metadata: wire.metadata,
            node_name: wire.spec.node_name,
            host_network: wire.spec.host_network,
            ready: wire.status.is_ready(),
            phase: std::mem::take(&mut wire.status.phase),
            ips: wire.status.ips(),
        }
    }
}
