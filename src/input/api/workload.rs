//! Kinds that make Pods, and those that say how many.

use std::sync::Arc;

use serde::Deserialize;

use super::fields::nullable;
use super::pod::{Condition, PodSpec};
use super::{ContainerPort, LabelSelector, Metadata, Scheduling, Text};

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
    /// `v1` ReplicationController
    ReplicationController,
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
            WorkloadKind::ReplicationController => "ReplicationController",
            WorkloadKind::Job => "Job",
        }
    }
}

/// An object that makes Pods: what determines which Pods it would make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.replicas`
    pub replicas: Option<i64>,
    /// `spec.paused` of a Deployment, `spec.suspend` of a Job.
    pub paused: bool,
    /// `spec.ordinals.start` of a StatefulSet.
    pub first_ordinal: i64,
    /// `spec.parallelism` of a Job.
    pub parallelism: Option<i64>,
    /// `spec.completions` of a Job.
    pub completions: Option<i64>,
    /// Whether `spec.completionMode` of a Job is `Indexed`.
    pub indexed: bool,
    /// `spec.selector`
    pub selector: LabelSelector,
    /// `spec.template.metadata.labels`, sorted by key.
    pub template_labels: Vec<(Text, Text)>,
    /// Ports of the template's containers, in the order of [`super::Pod::ports`].
    pub template_ports: Vec<ContainerPort>,
    /// `spec.template.spec.nodeName`
    pub node_name: Text,
    /// `spec.template.spec.hostNetwork`
    pub host_network: bool,
    /// What its Pods require of their Nodes, if anything.
    pub scheduling: Option<Arc<Scheduling>>,
    /// `status.replicas`
    pub existing: Option<i64>,
    /// `status.readyReplicas`; a DaemonSet's `status.numberReady`, a Job's `status.ready`.
    pub ready: Option<i64>,
    /// Whether a Job is complete or has failed.
    pub finished: bool,
}

/// A workload in its written form.
type Wire = super::wire::Wire<Spec, Status>;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Spec {
    replicas: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    paused: bool,
    #[serde(deserialize_with = "nullable")]
    suspend: bool,
    #[serde(deserialize_with = "nullable")]
    ordinals: Ordinals,
    parallelism: Option<i64>,
    completions: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    completion_mode: Text,
    #[serde(deserialize_with = "nullable")]
    selector: LabelSelector,
    #[serde(deserialize_with = "nullable")]
    template: Template,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Ordinals {
    #[serde(deserialize_with = "nullable")]
    start: i64,
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
    replicas: Option<i64>,
    ready_replicas: Option<i64>,
    number_ready: Option<i64>,
    ready: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

impl From<Wire> for Workload {
    fn from(wire: Wire) -> Self {
        let Wire { metadata, spec, status } = wire;
        let Template { metadata: template, spec: mut pod } = spec.template;
        let ended = |c: &Condition| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True";
        Workload {
            kind: WorkloadKind::default(),
            metadata,
            replicas: spec.replicas,
            paused: spec.paused || spec.suspend,
            first_ordinal: spec.ordinals.start,
            parallelism: spec.parallelism,
            completions: spec.completions,
            indexed: spec.completion_mode == "Indexed",
            selector: spec.selector,
            template_labels: template.labels,
            template_ports: pod.ports(),
            scheduling: pod.scheduling(),
            host_network: pod.host_network,
            node_name: pod.node_name,
            existing: status.replicas,
            ready: status.ready_replicas.or(status.number_ready).or(status.ready),
            finished: status.conditions.iter().any(ended),
        }
    }
}

/// `autoscaling` HorizontalPodAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct Autoscaler {
    /// `metadata`
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// `spec`
    #[serde(deserialize_with = "nullable")]
    pub spec: AutoscalerSpec,
}

/// `spec` of a HorizontalPodAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct AutoscalerSpec {
    /// `scaleTargetRef`
    #[serde(deserialize_with = "nullable")]
    pub scale_target_ref: super::TargetRef,
    /// `minReplicas`
    pub min_replicas: Option<i64>,
    /// `maxReplicas`
    pub max_replicas: Option<i64>,
}

/// An object that makes Pods in ways that are not modelled: a CronJob, an operator's own kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "MakerWire")]
pub struct PodMaker {
    /// `kind`
    pub kind: Text,
    /// `metadata`
    pub metadata: Metadata,
    /// The labels of its Pods if it has a template for them, sorted by key.
    pub template_labels: Vec<(Text, Text)>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct MakerWire {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    spec: MakerSpec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct MakerSpec {
    #[serde(deserialize_with = "nullable")]
    template: MakerTemplate,
    #[serde(deserialize_with = "nullable")]
    job_template: JobTemplate,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct MakerTemplate {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct JobTemplate {
    #[serde(deserialize_with = "nullable")]
    spec: JobSpec,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct JobSpec {
    #[serde(deserialize_with = "nullable")]
    template: MakerTemplate,
}

impl From<MakerWire> for PodMaker {
    fn from(wire: MakerWire) -> Self {
        let MakerSpec { template, job_template } = wire.spec;
        let mut template_labels = template.metadata.labels;
        template_labels.extend(job_template.spec.template.metadata.labels);
        PodMaker { kind: Text::default(), metadata: wire.metadata, template_labels }
    }
}
