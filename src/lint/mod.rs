//! What in a cluster is likely not meant: findings with stable codes, each with its place and remedy.
//!
//! A lint is a file: a [`Lint`] with its code and its check, and the tests that it fires and that it does not. To add
//! one: add the file, its line in [`LINTS`] and its page `docs/lint/KRnnn.md`.

mod address_conflict;
mod affinity_one_endpoint;
mod comment_too_long;
mod deprecated;
mod dual_stack_half;
mod external_ip_in_use;
pub mod github;
mod health_check_port;
mod hints_not_used;
pub mod json;
mod kube_proxy_fails;
mod large_cluster;
mod local_policy;
mod no_endpoints;
mod no_usable_endpoints;
mod node_port_range;
mod only_terminating_endpoints;
mod orphaned_slice;
mod passed_over;
mod port_mismatch;
pub mod sarif;
mod source_ranges_exclude_node;
mod source_ranges_open;
mod subject;
#[cfg(test)]
mod tests;
pub mod text;
mod words;
mod zone_without_endpoints;

use std::collections::BTreeSet;
use std::fmt;

pub use subject::Subject;

use crate::diagnostic::{Diagnostic, ObjectRef, Place};
use crate::input::{Position, Sources};

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
    check: fn(&Subject<'_>, &mut Findings<'_>),
}

impl Lint {
    /// The address of its page in the documentation.
    pub fn page(&self) -> String {
        format!("{}/blob/main/docs/lint/{}.md", env!("CARGO_PKG_REPOSITORY"), self.code)
    }
}

/// Every lint, by code.
pub static LINTS: [&Lint; 21] = [
    &no_endpoints::LINT,
    &no_usable_endpoints::LINT,
    &only_terminating_endpoints::LINT,
    &port_mismatch::LINT,
    &local_policy::LINT,
    &address_conflict::LINT,
    &external_ip_in_use::LINT,
    &source_ranges_exclude_node::LINT,
    &source_ranges_open::LINT,
    &affinity_one_endpoint::LINT,
    &health_check_port::LINT,
    &zone_without_endpoints::LINT,
    &hints_not_used::LINT,
    &comment_too_long::LINT,
    &deprecated::LINT,
    &dual_stack_half::LINT,
    &node_port_range::LINT,
    &orphaned_slice::LINT,
    &large_cluster::LINT,
    &kube_proxy_fails::LINT,
    &passed_over::LINT,
];

/// The lint with this code, in any case.
pub fn find(code: &str) -> Option<&'static Lint> {
    LINTS.into_iter().find(|lint| lint.code.eq_ignore_ascii_case(code))
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
    fn key(&self) -> impl Ord + '_ {
        (&self.place, self.lint.code, &self.object, &self.field, &self.message)
    }
}

/// Looks for everything that is not ignored; sorted by place, then code.
pub fn run(subject: &Subject<'_>, ignored: &BTreeSet<&str>) -> Vec<Finding> {
    let mut found = Findings { lint: LINTS[0], sources: &subject.snapshot.sources, found: Vec::new() };
    for lint in LINTS {
        found.lint = lint;
        (lint.check)(subject, &mut found);
    }
    let mut found = found.found;
    found.retain(|finding| !ignored.contains(finding.lint.code));
    found.sort_by(|a, b| a.key().cmp(&b.key()));
    found.dedup_by(|a, b| a.key() == b.key());
    found
}

/// Collects findings.
struct Findings<'a> {
    lint: &'static Lint,
    sources: &'a Sources,
    found: Vec<Finding>,
}

/// What a finding is about: a field of an object.
struct About {
    position: Option<Position>,
    object: Option<ObjectRef>,
    field: String,
}

impl Findings<'_> {
    /// Adds a finding of the lint's usual severity.
    fn add(&mut self, about: About, message: impl Into<String>, remedy: impl Into<String>) {
        self.add_as(self.lint.severity, about, message, remedy);
    }

    fn add_as(
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

    /// What an earlier stage found, unless another lint tells it better.
    fn add_diagnostic(&mut self, diagnostic: &Diagnostic) {
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
