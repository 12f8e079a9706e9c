//! The parts of Kubernetes' API objects that affect the rules, as they are in the input: not yet checked, and without
//! defaults. Everything else (managedFields, most annotations, statuses) is dropped while decoding.

mod disruption_budget;
mod endpoint_slice;
mod endpoints;
mod fields;
mod ingress;
mod node;
mod pod;
mod quantity;
mod scheduling;
mod selector;
mod service;
mod wire;
mod workload;

pub use compact_str::CompactString as Text;
pub use disruption_budget::DisruptionBudget;
pub use endpoint_slice::{Addresses, Conditions, Endpoint, EndpointSlice, Hints, SlicePort, TargetRef};
pub use endpoints::{Endpoints, Subset, SubsetAddress};
pub use ingress::{Backend, HttpIngress};
pub use node::{Node, NodeAddress};
pub use pod::{ContainerPort, Pod};
pub use scheduling::{NodeTerm, PodTerm, Scheduling, Taint, Toleration};
pub use selector::{LabelSelector, Requirement};
pub use service::{Ingress, IntOrString, Service, ServicePort, ServiceSpec};
pub use workload::{Autoscaler, AutoscalerSpec, PodMaker, Workload, WorkloadKind};
#[cfg(feature = "k8s-openapi")]
pub(super) use {fields::is_read_annotation, pod::scheduling, quantity::milli};

use serde::{Deserialize, Deserializer};

use crate::diagnostic::ObjectRef;
use fields::{nullable, pairs};

/// `metadata` of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct Metadata {
    /// `metadata.name`
    #[serde(deserialize_with = "nullable")]
    pub name: Text,
    /// `metadata.namespace`; `default` if a namespaced object has none, empty for other objects.
    #[serde(deserialize_with = "nullable")]
    pub namespace: Text,
    /// Whether a namespaced object was written without a namespace.
    #[serde(skip)]
    pub namespace_left_out: LeftOut,
    /// `metadata.labels`, sorted by key.
    #[serde(deserialize_with = "pairs")]
    pub labels: Vec<(Text, Text)>,
    /// The entries of `metadata.annotations` that kube-proxy or a controller reads, sorted by key.
    #[serde(deserialize_with = "fields::annotations")]
    pub annotations: Vec<(Text, Text)>,
    /// Whether `metadata.deletionTimestamp` is set.
    #[serde(rename = "deletionTimestamp", deserialize_with = "fields::present")]
    pub being_deleted: bool,
    /// Whether `metadata.resourceVersion` is set: an API server has stored the object.
    #[serde(rename = "resourceVersion", deserialize_with = "stored")]
    pub stored: Stored,
    /// The entry of `metadata.ownerReferences` that is a controller.
    #[serde(rename = "ownerReferences", deserialize_with = "controller")]
    pub owner: Option<Box<Owner>>,
}

/// Whether a value was left out and filled in. An object that gives the same value explicitly is equal.
#[derive(Debug, Clone, Copy, Default, Eq)]
pub struct LeftOut(pub bool);

impl PartialEq for LeftOut {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Whether an API server has stored an object. This makes no difference to equality.
#[derive(Debug, Clone, Copy, Default, Eq)]
pub struct Stored(pub bool);

impl PartialEq for Stored {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stored, D::Error> {
    fields::present(deserializer).map(Stored)
}

/// The controller that made an object, such as the ReplicaSet of a Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// `kind`
    pub kind: Text,
    /// `name`
    pub name: Text,
}

fn controller<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Owner>>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, expecting = "a map")]
    struct Reference {
        #[serde(deserialize_with = "nullable")]
        kind: Text,
        #[serde(deserialize_with = "nullable")]
        name: Text,
        controller: Option<bool>,
    }
    let owners = nullable::<Vec<Reference>, _>(deserializer)?;
    let controller = owners.into_iter().find(|owner| owner.controller == Some(true));
    Ok(controller.map(|Reference { kind, name, .. }| Box::new(Owner { kind, name })))
}

impl Metadata {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        lookup(&self.labels, key)
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        lookup(&self.annotations, key)
    }

    /// Names the object in messages.
    pub fn object_ref(&self, kind: &str) -> ObjectRef {
        let namespace = self.namespace.as_str().into();
        ObjectRef { kind: kind.into(), namespace, name: self.name.as_str().into() }
    }
}

fn lookup<'a>(pairs: &'a [(Text, Text)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

/// `networking.k8s.io` ServiceCIDR.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct ServiceCidr {
    /// `metadata`
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// `spec.cidrs`
    #[serde(rename = "spec", deserialize_with = "spec_cidrs")]
    pub cidrs: Vec<Text>,
}

/// `spec.cidrs`; in the first alpha, the fields `ipv4` and `ipv6` instead.
fn spec_cidrs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Text>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, expecting = "a map")]
    struct Spec {
        #[serde(deserialize_with = "nullable")]
        cidrs: Vec<Text>,
        ipv4: Option<Text>,
        ipv6: Option<Text>,
    }
    let spec = nullable::<Spec, _>(deserializer)?;
    let alpha = [spec.ipv4, spec.ipv6].into_iter().flatten();
    Ok(spec.cidrs.into_iter().chain(alpha.filter(|cidr| !cidr.is_empty())).collect())
}

/// The text of a KubeProxyConfiguration, YAML or JSON, not read yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigurationText {
    /// That of the ConfigMap that contains it; the name is empty for a bare document.
    pub metadata: Metadata,
    /// The text.
    pub text: String,
}

/// `v1` ConfigMap: the part that may contain a kube-proxy configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub(super) struct ConfigMap {
    #[serde(deserialize_with = "nullable")]
    pub(super) metadata: Metadata,
    /// The values of `data`.
    #[serde(deserialize_with = "fields::values")]
    pub(super) data: Vec<String>,
}

/// An object that no API server has in this version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misplaced {
    /// `kind`
    pub kind: Text,
    /// `apiVersion`
    pub api_version: Text,
    /// `metadata.namespace`, as written.
    pub namespace: Text,
    /// `metadata.name`
    pub name: Text,
}

/// What identifies an object, decoded if the rest cannot be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    pub(super) metadata: HeaderMetadata,
}

/// See [`Header`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HeaderMetadata {
    pub(super) name: Text,
    pub(super) namespace: Text,
}
