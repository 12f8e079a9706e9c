//! Bytes to API objects, with their positions.

pub mod api;

use crate::diagnostic::{ObjectRef, Place};

/// The number of a source in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// Where an object stands in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The file or pipe.
    pub source: SourceId,
    /// Byte at which the object's text begins.
    pub offset: usize,
    /// Length of the object's text in bytes.
    pub length: usize,
}

/// An API object and where it was read.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// The object.
    pub object: T,
    /// Where it was read.
    pub position: Position,
}

/// The bytes read, kept so that a line number can be found when somebody asks for it.
#[derive(Debug, Default)]
pub struct Sources {
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    name: std::sync::Arc<str>,
    bytes: Vec<u8>,
}

impl Sources {
    /// Takes the bytes of one file or pipe.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> SourceId {
        self.sources.push(Source { name: name.into(), bytes });
        SourceId(u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX))
    }

    /// The place of an object: its file and first line.
    pub fn place(&self, position: Position) -> Option<Place> {
        let source = self.sources.get(position.source.0 as usize)?;
        let before = source.bytes.get(..position.offset)?;
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        Some(Place { file: source.name.clone(), line: u32::try_from(line).ok() })
    }

    /// The place of a field of an object, such as `spec.ports[1].nodePort`; the object's own where the field is absent.
    pub fn field_place(&self, position: Position, _field: &str) -> Option<Place> {
        self.place(position)
    }
}

/// Everything that was read and that kuberules knows, in the order of the input.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The bytes, for positions.
    pub sources: Sources,
    /// `v1` Services.
    pub services: Vec<Located<api::Service>>,
    /// `discovery.k8s.io` EndpointSlices.
    pub endpoint_slices: Vec<Located<api::EndpointSlice>>,
    /// `v1` Nodes.
    pub nodes: Vec<Located<api::Node>>,
    /// `networking.k8s.io` ServiceCIDRs.
    pub service_cidrs: Vec<Located<api::ServiceCidr>>,
    /// `v1` Pods.
    pub pods: Vec<Located<api::Pod>>,
    /// Deployments and other kinds that make Pods.
    pub workloads: Vec<Located<api::Workload>>,
    /// The text of every KubeProxyConfiguration found, bare or in a ConfigMap.
    pub configurations: Vec<Located<api::ConfigurationText>>,
    /// How many objects of other kinds were passed over, by kind; legacy `Endpoints` are among them.
    pub skipped: std::collections::BTreeMap<String, usize>,
}

/// Names an object in messages.
pub trait Named {
    /// Kind, namespace and name.
    fn object_ref(&self) -> ObjectRef;
}
