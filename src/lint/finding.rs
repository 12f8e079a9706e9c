//! Lints and what they find.

use std::fmt;

use super::subject::{About, Subject};
use super::words;
use crate::api_server::{Fault, Refusal};
use crate::diagnostic::{Diagnostic, ObjectRef, Place};
use crate::input::Sources;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Likely not meant.
    Warning,
    /// Traffic is lost, goes astray or gets in where it must not.
    Error,
}

impl Severity {
    /// The word in every output; SARIF knows the same three.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A thing to look for.
#[derive(Debug)]
pub struct Lint {
    /// The stable code, such as `KR001`.
    pub code: &'static str,
    /// A name in kebab case.
    pub name: &'static str,
    /// How bad its findings are as a rule; a finding may differ.
    pub severity: Severity,
    /// What it finds, in one sentence.
    pub summary: &'static str,
    /// Looks for it.
    pub(super) check: fn(&Subject<'_>, &mut Findings<'_>),
}

impl Lint {
    /// The address of its page in the documentation.
    pub fn page(&self) -> String {
        format!("{}/blob/main/docs/lint/{}.md", env!("CARGO_PKG_REPOSITORY"), self.code)
    }
}

/// Something found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The lint that found it.
    pub lint: &'static Lint,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub place: Option<Place>,
    /// The object it is about.
    pub object: Option<ObjectRef>,
    /// The path of the field in the object; empty for the whole.
    pub field: String,
    /// What is found.
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: String,
}

impl Finding {
    /// Whether it is about the same field of the same object.
    fn tells(&self, diagnostic: &Diagnostic) -> bool {
        let same_field =
            || diagnostic.message.strip_prefix(&self.field).is_some_and(|rest| rest.starts_with(": "));
        self.place == diagnostic.place && self.object == diagnostic.object && same_field()
    }

    /// Findings that say the same, as of both families of a Service, have the same key.
    pub(super) fn key(&self) -> impl Ord + '_ {
        (&self.place, self.lint.code, &self.object, &self.field, &self.message)
    }
}

/// Collects findings.
pub(super) struct Findings<'a> {
    pub(super) lint: &'static Lint,
    pub(super) sources: &'a Sources,
    pub(super) found: Vec<Finding>,
}

impl Findings<'_> {
    /// Adds a finding of the lint's usual severity.
    pub(super) fn add(&mut self, about: About, message: impl Into<String>, remedy: impl Into<String>) {
        self.add_as(self.lint.severity, about, message, remedy);
    }

    /// Adds a finding about a field of kube-proxy's configuration, which stands at a place of its own.
    pub(super) fn add_at(
        &mut self,
        place: Option<Place>,
        field: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (message, remedy) = (message.into(), remedy.into());
        self.found.push(Finding {
            lint: self.lint,
            severity: self.lint.severity,
            place,
            object: None,
            field: field.to_owned(),
            message,
            remedy,
        });
    }

    pub(super) fn add_as(
        &mut self,
        severity: Severity,
        about: About,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let About { position, object, field } = about;
        let place = position.and_then(|position| self.sources.field_place(position, &field));
        let (message, remedy) = (message.into(), remedy.into());
        self.found.push(Finding { lint: self.lint, severity, place, object, field, message, remedy });
    }

    /// What the API server says of an object.
    pub(super) fn add_fault(&mut self, refusal: &Refusal, fault: &Fault) {
        let written = fault.written_as.as_ref().unwrap_or(&fault.field);
        self.found.push(Finding {
            lint: self.lint,
            severity: self.lint.severity,
            place: self.sources.field_place(refusal.position, written),
            object: Some(refusal.object.clone()),
            field: fault.field.clone(),
            message: fault.message.clone(),
            remedy: fault.remedy.clone(),
        });
    }

    /// What an earlier stage found, unless another lint tells it better.
    pub(super) fn add_diagnostic(&mut self, diagnostic: &Diagnostic) {
        if self.found.iter().any(|finding| finding.tells(diagnostic)) {
            return;
        }
        self.found.push(Finding {
            lint: self.lint,
            severity: self.lint.severity,
            place: diagnostic.place.clone(),
            object: diagnostic.object.clone(),
            field: String::new(),
            message: diagnostic.message.clone(),
            remedy: diagnostic.help.clone(),
        });
    }
}

/// How many findings there are of each severity, in words.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a>(pub &'a [Finding]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severities = [Severity::Error, Severity::Warning, Severity::Note];
        let counts = severities.map(|s| (self.0.iter().filter(|f| f.severity == s).count(), s.name()));
        let words: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| words::count(*count, name))
            .collect();
        f.write_str(&if words.is_empty() { "nothing found".to_owned() } else { words.join(", ") })
    }
}
