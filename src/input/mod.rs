//! Bytes to API objects, with their positions.

pub mod api;
mod document;
mod duplicates;
mod files;
mod json;
#[cfg(feature = "k8s-openapi")]
mod k8s_openapi;
mod list;
mod namespace;
mod object;
mod pod_makers;
mod position;
mod snapshot;
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
use crate::diagnostic::{Diagnostic, Diagnostics};
pub use files::InputPath;
pub use position::{Located, Named, Position, SourceId};
pub use snapshot::Snapshot;
pub use source::Sources;

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
