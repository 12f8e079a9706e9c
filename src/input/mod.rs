//! Bytes to API objects, with their positions.

pub mod api;
mod document;
mod duplicates;
mod files;
mod json;
#[cfg(feature = "k8s-openapi")]
mod k8s_openapi;
mod list;
mod object;
mod source;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
mod typed;
mod wording;
mod yaml;

use std::io::Read;

#[cfg(feature = "k8s-openapi")]
pub use self::k8s_openapi::K8sObjects;
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef};
pub use files::InputPath;
pub use source::Sources;

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

/// Everything that was read and that kuberules knows, in the order of the input.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The bytes, for positions.
    pub sources: Sources,
    /// `v1` Services.
    pub services: Vec<Located<api::Service>>,
    /// `discovery.k8s.io` EndpointSlices.
    pub endpoint_slices: Vec<Located<api::EndpointSlice>>,
    /// `v1` Endpoints, which count only where slices are assumed from them.
    pub endpoints: Vec<Located<api::Endpoints>>,
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
    /// How many objects of other kinds were passed over, by kind.
    pub skipped: std::collections::BTreeMap<String, usize>,
}

/// Reads files, folders and standard input, which counts also where nothing is named. Warnings come with the objects.
///
/// # Errors
/// Everything that is wrong, where anything is.
pub fn read(paths: &[InputPath], stdin: impl Read) -> Result<(Snapshot, Diagnostics), Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let sources = files::read(paths, stdin, &mut diagnostics);
    finish(sources, diagnostics)
}

/// Reads one text, named as messages shall name it.
///
/// # Errors
/// Everything that is wrong, where anything is.
pub fn read_text(name: &str, text: impl Into<String>) -> Result<(Snapshot, Diagnostics), Diagnostics> {
    let mut sources = Sources::default();
    sources.add(name, text.into());
    finish(sources, Diagnostics::default())
}

fn finish(sources: Sources, diagnostics: Diagnostics) -> Result<(Snapshot, Diagnostics), Diagnostics> {
    let mut batch = object::Batch::default();
    for (id, text) in sources.iter() {
        batch.append(document::read(text, id, true));
    }
    batch.snapshot.sources = sources;
    conclude(batch, diagnostics)
}

/// From all objects and findings to those that count.
fn conclude(
    mut batch: object::Batch,
    mut diagnostics: Diagnostics,
) -> Result<(Snapshot, Diagnostics), Diagnostics> {
    diagnostics.append(batch.diagnostics());
    let mut snapshot = batch.snapshot;
    duplicates::remove(&mut snapshot, &mut diagnostics);
    if !diagnostics.has_errors() && snapshot.is_empty() {
        diagnostics.push(nothing_found(&snapshot, batch.documents));
    }
    if diagnostics.has_errors() { Err(diagnostics) } else { Ok((snapshot, diagnostics)) }
}

impl Snapshot {
    /// Whether there is no object of any kind that is decoded.
    fn is_empty(&self) -> bool {
        let objects = self.services.len() + self.endpoint_slices.len() + self.nodes.len() + self.pods.len();
        objects + self.service_cidrs.len() + self.workloads.len() + self.configurations.len() == 0
    }
}

fn nothing_found(snapshot: &Snapshot, documents: usize) -> Diagnostic {
    let message = if !snapshot.skipped.is_empty() {
        let kinds = snapshot.skipped.iter().map(|(kind, count)| format!("{count} {kind}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        format!("the input has no Service, EndpointSlice or Node, only {kinds}")
    } else if documents > 0 {
        "the input has only empty lists".to_owned()
    } else {
        "the input is empty".to_owned()
    };
    Diagnostic::error(message).help("kubectl get services,endpointslices,nodes -A -o yaml")
}

/// Names an object in messages.
pub trait Named {
    /// Kind, namespace and name.
    fn object_ref(&self) -> ObjectRef;
}
