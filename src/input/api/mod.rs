//! The parts of Kubernetes' API objects that touch the rules, as they stand in the input: not yet checked, defaults
//! not yet filled in. Everything else (managedFields, most annotations, statuses) is dropped while decoding.

mod endpoint_slice;
mod node;
mod pod;
mod service;

pub use compact_str::CompactString as Text;
pub use endpoint_slice::{Conditions, Endpoint, EndpointSlice, Hints, SlicePort, TargetRef};
pub use node::{Node, NodeAddress};
pub use pod::{ContainerPort, Pod};
pub use service::{Ingress, IntOrString, Service, ServicePort, ServiceSpec};

use crate::diagnostic::ObjectRef;

/// `metadata` of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `metadata.name`
    pub name: Text,
    /// `metadata.namespace`; empty where absent.
    pub namespace: Text,
    /// `metadata.labels`, sorted by key.
    pub labels: Vec<(Text, Text)>,
    /// Those of `metadata.annotations` that kube-proxy or a controller reads, sorted by key.
    pub annotations: Vec<(Text, Text)>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub being_deleted: bool,
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
        ObjectRef {
            kind: kind.into(),
            namespace,
            name: self.name.as_str().into(),
        }
    }
}

fn lookup<'a>(pairs: &'a [(Text, Text)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

/// `networking.k8s.io` ServiceCIDR.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceCidr {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.cidrs`
    pub cidrs: Vec<Text>,
}

/// The text of a KubeProxyConfiguration, YAML or JSON, not yet read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigurationText {
    /// Of the ConfigMap that holds it; the name is empty for a bare document.
    pub metadata: Metadata,
    /// The text.
    pub text: String,
}
