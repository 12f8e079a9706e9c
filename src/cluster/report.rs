//! Tells what is wrong with an object, with the line of the field.

use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef};
use crate::input::{Position, Sources};

/// Collects findings about objects.
pub(super) struct Report<'a> {
    sources: &'a Sources,
    found: Diagnostics,
}

impl<'a> Report<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Report { sources, found: Diagnostics::default() }
    }

    /// The same report, bound to one object.
    pub(super) fn about(&mut self, object: ObjectRef, position: Position) -> ObjectReport<'_, 'a> {
        ObjectReport { report: self, object, position }
    }

    pub(super) fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// Takes what another report of the same sources found.
    pub(super) fn append(&mut self, other: Report<'a>) {
        self.found.append(other.found);
    }

    pub(super) fn finish(self) -> Diagnostics {
        self.found
    }
}

/// Collects findings about one object.
pub(super) struct ObjectReport<'r, 'a> {
    report: &'r mut Report<'a>,
    object: ObjectRef,
    position: Position,
}

impl ObjectReport<'_, '_> {
    /// A fault for which there is no right answer. `field` is a path as `spec.ports[0].port`.
    pub(super) fn error(&mut self, field: &str, message: impl AsRef<str>, help: &str) {
        self.push(Diagnostic::error(join(field, message.as_ref())).help(help), field);
    }

    /// A fault that makes the real kube-proxy fail.
    pub(super) fn unloadable(&mut self, field: &str, message: impl AsRef<str>, help: &str) {
        self.push(Diagnostic::unloadable(join(field, message.as_ref())).help(help), field);
    }

    /// Something that kube-proxy passes over.
    pub(super) fn warning(&mut self, field: &str, message: impl AsRef<str>, help: &str) {
        self.push(Diagnostic::warning(join(field, message.as_ref())).help(help), field);
    }

    fn push(&mut self, diagnostic: Diagnostic, field: &str) {
        let place = self.report.sources.field_place(self.position, field);
        let diagnostic = diagnostic.at(place).about(self.object.clone());
        // A Service is read once per family; what is wrong in both is told once.
        if self.report.found.iter().all(|earlier| *earlier != diagnostic) {
            self.report.found.push(diagnostic);
        }
    }
}

fn join(field: &str, message: &str) -> String {
    if field.is_empty() { message.to_owned() } else { format!("{field}: {message}") }
}
