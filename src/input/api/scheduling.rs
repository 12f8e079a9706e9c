//! The parts of a Pod's spec that decide on which Nodes it can run.

use serde::Deserialize;

use super::fields::{nullable, pairs};
use super::{LabelSelector, Requirement, Text};

/// What a Pod requires of its Node. Mere preferences are not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// `nodeSelector`, sorted by key.
    pub node_selector: Vec<(Text, Text)>,
    /// `affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`: one must match; none
    /// if nothing is required.
    pub node_terms: Option<Vec<NodeTerm>>,
    /// What is required in `affinity.podAffinity`.
    pub with_pods: Vec<PodTerm>,
    /// What is required in `affinity.podAntiAffinity`.
    pub without_pods: Vec<PodTerm>,
    /// `tolerations`
    pub tolerations: Vec<Toleration>,
    /// Protocol and number of the ports that its containers use on the Node.
    pub host_ports: Vec<(Text, i64)>,
}

/// An entry of `nodeSelectorTerms`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct NodeTerm {
    /// `matchExpressions`, on the Node's labels.
    #[serde(rename = "matchExpressions", deserialize_with = "nullable")]
    pub labels: Vec<Requirement>,
    /// `matchFields`; the only field is `metadata.name`.
    #[serde(rename = "matchFields", deserialize_with = "nullable")]
    pub fields: Vec<Requirement>,
}

/// A required term of affinity or anti-affinity between Pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct PodTerm {
    /// `labelSelector`; none fits no Pod.
    pub label_selector: Option<LabelSelector>,
    /// `topologyKey`
    #[serde(deserialize_with = "nullable")]
    pub topology_key: Text,
    /// `namespaces`
    #[serde(deserialize_with = "nullable")]
    pub namespaces: Vec<Text>,
    /// `namespaceSelector`
    pub namespace_selector: Option<LabelSelector>,
}

/// An entry of `tolerations`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct Toleration {
    /// `key`
    #[serde(deserialize_with = "nullable")]
    pub key: Text,
    /// `operator`; empty counts as `Equal`.
    #[serde(deserialize_with = "nullable")]
    pub operator: Text,
    /// `value`
    #[serde(deserialize_with = "nullable")]
    pub value: Text,
    /// `effect`; empty counts for all.
    #[serde(deserialize_with = "nullable")]
    pub effect: Text,
}

/// An entry of a Node's `spec.taints`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct Taint {
    /// `key`
    #[serde(deserialize_with = "nullable")]
    pub key: Text,
    /// `value`
    #[serde(deserialize_with = "nullable")]
    pub value: Text,
    /// `effect`
    #[serde(deserialize_with = "nullable")]
    pub effect: Text,
}

/// The parts of a Pod's spec for [`Scheduling`], in their written form.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub(super) struct Affinity {
    #[serde(deserialize_with = "nullable")]
    pub(super) node_affinity: NodeAffinity,
    #[serde(deserialize_with = "nullable")]
    pub(super) pod_affinity: PodAffinity,
    #[serde(deserialize_with = "nullable")]
    pub(super) pod_anti_affinity: PodAffinity,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
pub(super) struct NodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub(super) required: Option<NodeTerms>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub(super) struct NodeTerms {
    #[serde(deserialize_with = "nullable")]
    pub(super) node_selector_terms: Vec<NodeTerm>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
pub(super) struct PodAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution", deserialize_with = "nullable")]
    pub(super) required: Vec<PodTerm>,
}

/// `nodeSelector` and the like: labels that may be null.
#[derive(Default, Deserialize)]
pub(super) struct Labels(#[serde(deserialize_with = "pairs")] pub(super) Vec<(Text, Text)>);
