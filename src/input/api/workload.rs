//! Kinds that make Pods.

use serde::Deserialize;

use super::fields::{nullable, pairs};
use super::pod::PodSpec;
use super::{ContainerPort, Metadata, Text};

/// Which kind of workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// `apps/v1` Deployment
    #[default]
    Deployment,
    /// `apps/v1` StatefulSet
    StatefulSet,
    /// `apps/v1` DaemonSet
    DaemonSet,
    /// `apps/v1` ReplicaSet
    ReplicaSet,
    /// `batch/v1` Job
    Job,
}

impl WorkloadKind {
    /// The value of `kind`.
    pub fn name(self) -> &'static str {
        match self {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::DaemonSet => "DaemonSet",
            WorkloadKind::ReplicaSet => "ReplicaSet",
            WorkloadKind::Job => "Job",
        }
    }
}

/// An object that makes Pods, as far as the Pods it would make can be told from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.replicas`
    pub replicas: Option<i64>,
    /// `spec.selector.matchLabels`, sorted by key.
    pub selector: Vec<(Text, Text)>,
    /// `spec.template.metadata.labels`, sorted by key.
    pub template_labels: Vec<(Text, Text)>,
    /// Ports of the template's containers, in the order of [`super::Pod::ports`].
    pub template_ports: Vec<ContainerPort>,
    /// `spec.template.spec.hostNetwork`
    pub host_network: bool,
    /// `status.readyReplicas`; a DaemonSet's `status.numberReady`, a Job's `status.ready`.
    pub ready: Option<i64>,
}

/// A workload as it is written.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Wire {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
    #[serde(deserialize_with = "nullable")]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Spec {
    replicas: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    selector: Selector,
    #[serde(deserialize_with = "nullable")]
    template: Template,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Selector {
    #[serde(deserialize_with = "pairs")]
    match_labels: Vec<(Text, Text)>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Template {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    spec: PodSpec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Status {
    ready_replicas: Option<i64>,
    number_ready: Option<i64>,
    ready: Option<i64>,
}

impl From<Wire> for Workload {
    fn from(wire: Wire) -> Self {
        let Template { metadata, mut spec } = wire.spec.template;
        let status = wire.status;
        Workload {
            kind: WorkloadKind::default(),
            metadata: wire.metadata,
            replicas: wire.spec.replicas,
            selector: wire.spec.selector.match_labels,
            template_labels: metadata.labels,
            template_ports: spec.ports(),
            host_network: spec.host_network,
            ready: status.ready_replicas.or(status.number_ready).or(status.ready),
        }
    }
}
