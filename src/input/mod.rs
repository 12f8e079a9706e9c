//! From bytes to API objects, with their positions.

pub mod api;
mod document;
mod duplicates;
mod file;
mod files;
mod folder;
mod json;
mod json_tape;
mod json_text;
#[cfg(feature = "k8s-openapi")]
mod k8s_openapi;
pub(crate) mod labelled;
mod left_out;
mod list;
mod namespace;
mod object;
mod pod_makers;
mod position;
mod snapshot;
mod source;
mod template;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
mod typed;
mod wording;
mod written;
mod yaml;

use std::io::Read;

#[cfg(feature = "k8s-openapi")]
pub use self::k8s_openapi::K8sObjects;
use crate::diagnostic::{Checked, Diagnostic, Diagnostics, Severity};
use files::Found;
pub use files::InputPath;
pub use glob::{Pattern, PatternError};
use left_out::{LeftOut, Why};
use object::Batch;
pub use position::{Located, Named, Position, SourceId};
pub use snapshot::Snapshot;
pub use source::Sources;

/// How input is read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Files and folders to leave out when they are found in a folder: by path within it or by name.
    pub exclude: Vec<Pattern>,
    /// Whether everything that is left out is listed.
    pub verbose: bool,
    /// Whether findings about the input are the purpose, and no obstacle: if objects differ, the first one counts, and
    /// a folder may contain none.
    pub for_lint: bool,
    /// Whether it is fine to have nothing to read.
    pub may_be_empty: bool,
}

/// Reads files, folders and standard input, which is also read if nothing is named. Warnings are returned with the
/// objects.
///
/// # Errors
/// Everything that is wrong, if anything is.
pub fn read(paths: &[InputPath], stdin: impl Read) -> Checked<Snapshot> {
    read_with(paths, stdin, &Options::default())
}

/// Reads as [`read`] does, with options.
///
/// # Errors
/// As [`read`].
pub fn read_with(paths: &[InputPath], stdin: impl Read, options: &Options) -> Checked<Snapshot> {
    finish(files::read(paths, stdin, options), options)
}

/// Reads one text, with its name for messages.
///
/// # Errors
/// Everything that is wrong, if anything is.
pub fn read_text(name: &str, text: impl Into<String>) -> Checked<Snapshot> {
    let mut found = Found::default();
    found.sources.add(name, text.into());
    finish(found, &Options::default())
}

fn finish(found: Found, options: &Options) -> Checked<Snapshot> {
    let Found { sources, mut left_out, diagnostics } = found;
    let mut batch = Batch::default();
    for (id, name, text, met_in_folder) in sources.iter() {
        let manner = document::Manner { quick: true, anything: met_in_folder };
        let read = document::read(text, id, manner);
        match why_not(&read, text).filter(|_| met_in_folder) {
            Some(why) => left_out.add(why, name),
            None => {
                if read.kindless > 0 {
                    left_out.add(Why::WithoutKind, name);
                }
                batch.append(read);
            }
        }
    }
    batch.snapshot.sources = sources;
    conclude(batch, left_out, diagnostics, options)
}

/// Why a file that was found in a folder is not treated as manifests.
fn why_not(read: &Batch, text: &str) -> Option<Why> {
    let has_errors = read.findings.iter().any(|found| found.diagnostic.severity == Severity::Error);
    if has_errors && template::is_template(text) {
        return Some(Why::Template);
    }
    (has_errors && !object::names_what_is_read(text)).then_some(Why::Unreadable)
}

/// From all objects and findings to those that count.
fn conclude(
    mut batch: Batch,
    mut left_out: LeftOut,
    mut diagnostics: Diagnostics,
    options: &Options,
) -> Checked<Snapshot> {
    diagnostics.append(batch.diagnostics());
    left_out.other_groups = batch.other_groups;
    left_out.tell(options, &mut diagnostics);
    let mut snapshot = batch.snapshot;
    duplicates::remove(&mut snapshot, options, &mut diagnostics);
    if !diagnostics.has_errors() && snapshot.is_empty() && !options.may_be_empty {
        let mut nothing = nothing_found(&snapshot, batch.documents, &left_out);
        if options.for_lint && !left_out.is_empty() {
            nothing.severity = Severity::Warning;
        }
        diagnostics.push(nothing);
    }
    if diagnostics.has_errors() { Err(diagnostics) } else { Ok((snapshot, diagnostics)) }
}

fn nothing_found(snapshot: &Snapshot, documents: usize, left_out: &LeftOut) -> Diagnostic {
    let message = if !snapshot.skipped.is_empty() {
        let kinds = snapshot.skipped.iter().map(|(kind, count)| format!("{count} {kind}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        format!("the input has no Service, EndpointSlice or Node, only {kinds}")
    } else if documents > 0 {
        "the input has only empty lists".to_owned()
    } else if !left_out.is_empty() {
        "the input has no manifests".to_owned()
    } else {
        "the input is empty".to_owned()
    };
    let usual = || "kubectl get services,endpointslices,nodes -A -o yaml".to_owned();
    Diagnostic::error(message).help(left_out.remedy().unwrap_or_else(usual))
}
