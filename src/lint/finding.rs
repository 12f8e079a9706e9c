//! Lints and what they find.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::subject::{About, Subject};
use super::words;
use crate::api_server::{Fault, Refusal};
use crate::diagnostic::{Diagnostic, Kind, Message, ObjectRef, Place};
use crate::input::{Position, Sources};
use crate::parallel;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Likely a mistake.
    Warning,
    /// Traffic is lost, goes to the wrong place or gets in where it must not.
    Error,
}

impl Severity {
    /// The word in every output; SARIF has the same three.
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
    /// How bad its findings usually are; a finding may differ.
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
    /// What its message has in common with those of other findings.
    pub(crate) kind: Kind,
}

impl Finding {
    /// Findings that say the same, such as those for both families of a Service, have the same key.
    pub(super) fn key(&self) -> impl Ord + '_ {
        (&self.place, self.lint.code, &self.object, &self.field, &self.message)
    }
}

/// The fields that findings are about, by place and object, so that a lookup for a diagnostic takes the same time
/// however many findings there are.
struct Reported<'a>(BTreeMap<(Option<&'a Place>, Option<&'a ObjectRef>), BTreeSet<&'a str>>);

impl<'a> Reported<'a> {
    fn of(findings: &'a [Finding]) -> Self {
        let mut fields = BTreeMap::<_, BTreeSet<&str>>::new();
        for Finding { place, object, field, .. } in findings {
            fields.entry((place.as_ref(), object.as_ref())).or_default().insert(field);
        }
        Reported(fields)
    }

    /// Whether a finding is about the diagnostic's field.
    fn has(&self, diagnostic: &Diagnostic) -> bool {
        let Diagnostic { place, object, field, .. } = diagnostic;
        let fields = self.0.get(&(place.as_ref(), object.as_ref()));
        !field.is_empty() && fields.is_some_and(|fields| fields.contains(field.as_str()))
    }
}

/// A finding, and the field whose line is its place; none if it has its place, or none at all.
pub(super) struct Unplaced {
    pub(super) finding: Finding,
    field: Option<(Position, String)>,
}

/// Looks up the places of findings, of each object at once and of several objects at a time.
pub(super) fn placed(sources: &Sources, found: Vec<Unplaced>) -> Vec<Finding> {
    let mut by_object = BTreeMap::<Position, Vec<(usize, &str)>>::new();
    for (number, unplaced) in found.iter().enumerate() {
        if let Some((position, field)) = &unplaced.field {
            by_object.entry(*position).or_default().push((number, field));
        }
    }
    let by_object: Vec<_> = by_object.into_iter().collect();
    let places = parallel::by_stretch(&by_object, OBJECTS_OF_A_STRETCH, |_, objects| {
        let of_one = |(position, fields): &(Position, Vec<(usize, &str)>)| {
            let (numbers, paths): (Vec<usize>, Vec<&str>) = fields.iter().copied().unzip();
            numbers.into_iter().zip(sources.field_places(*position, &paths)).collect::<Vec<_>>()
        };
        objects.iter().flat_map(of_one).collect::<Vec<_>>()
    });
    let mut places: BTreeMap<usize, Place> = places.into_iter().flatten().collect();
    let with_place = |(number, unplaced): (usize, Unplaced)| {
        let place = places.remove(&number).or(unplaced.finding.place);
        Finding { place, ..unplaced.finding }
    };
    found.into_iter().enumerate().map(with_place).collect()
}

/// How many objects are worth a thread.
const OBJECTS_OF_A_STRETCH: usize = 16;

/// Collects findings.
pub(super) struct Findings<'a> {
    pub(super) lint: &'static Lint,
    pub(super) sources: &'a Sources,
    /// What other lints found, if this one goes by that.
    pub(super) earlier: &'a [Finding],
    pub(super) found: Vec<Unplaced>,
}

impl Findings<'_> {
    /// Adds a finding of the lint's usual severity.
    pub(super) fn add(&mut self, about: About, message: impl Into<Message>, remedy: impl Into<String>) {
        self.add_as(self.lint.severity, about, message, remedy);
    }

    /// Adds a finding about a field of kube-proxy's configuration, which has a place of its own.
    pub(super) fn add_at(
        &mut self,
        place: Option<Place>,
        field: &str,
        message: impl Into<Message>,
        remedy: impl Into<String>,
    ) {
        let (Message { text: message, kind }, remedy) = (message.into(), remedy.into());
        let finding = Finding {
            lint: self.lint,
            severity: self.lint.severity,
            place,
            object: None,
            field: field.to_owned(),
            message,
            remedy,
            kind,
        };
        self.found.push(Unplaced { finding, field: None });
    }

    pub(super) fn add_as(
        &mut self,
        severity: Severity,
        about: About,
        message: impl Into<Message>,
        remedy: impl Into<String>,
    ) {
        let About { position, object, field } = about;
        let at = position.map(|position| (position, field.clone()));
        let (Message { text: message, kind }, remedy) = (message.into(), remedy.into());
        let finding =
            Finding { lint: self.lint, severity, place: None, object, field, message, remedy, kind };
        self.found.push(Unplaced { finding, field: at });
    }

    /// Adds what the API server says about an object.
    pub(super) fn add_fault(&mut self, refusal: &Refusal, fault: &Fault) {
        let written = fault.written_as.as_ref().unwrap_or(&fault.field);
        let finding = Finding {
            lint: self.lint,
            severity: self.lint.severity,
            place: None,
            object: Some(refusal.object.clone()),
            field: fault.field.clone(),
            message: fault.message.clone(),
            remedy: fault.remedy.clone(),
            kind: fault.kind.clone(),
        };
        self.found.push(Unplaced { finding, field: Some((refusal.position, written.clone())) });
    }

    /// Adds what an earlier stage found, except what another lint reports better.
    pub(super) fn add_diagnostics<'d>(&mut self, diagnostics: impl Iterator<Item = &'d Diagnostic>) {
        let reported = Reported::of(self.earlier);
        let new = diagnostics
            .filter(|diagnostic| !reported.has(diagnostic))
            .map(|diagnostic| Finding {
                lint: self.lint,
                severity: self.lint.severity,
                place: diagnostic.place.clone(),
                object: diagnostic.object.clone(),
                field: String::new(),
                message: diagnostic.message.clone(),
                remedy: diagnostic.help.clone(),
                kind: diagnostic.kind.clone(),
            })
            .map(|finding| Unplaced { finding, field: None });
        self.found.extend(new);
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

#[cfg(test)]
mod tests {
    use super::*;

    static LINT: Lint =
        Lint { code: "KR000", name: "any", severity: Severity::Note, summary: "", check: |_, _| () };

    fn diagnostic(object: &str, field: &str) -> Diagnostic {
        let object = ObjectRef { kind: "Service".into(), namespace: "shop".into(), name: object.into() };
        Diagnostic { field: field.to_owned(), ..Diagnostic::warning("is wrong").about(object) }
    }

    /// A finding about a field of the object of a diagnostic.
    fn finding(diagnostic: &Diagnostic, field: &str) -> Finding {
        Finding {
            lint: &LINT,
            severity: LINT.severity,
            place: diagnostic.place.clone(),
            object: diagnostic.object.clone(),
            field: field.to_owned(),
            message: String::new(),
            remedy: String::new(),
            kind: diagnostic.kind.clone(),
        }
    }

    #[test]
    fn what_another_lint_reports_of_the_field_is_left_out() {
        let told = diagnostic("a", "spec.ports[0]");
        let known = [finding(&told, "spec.ports[0]"), finding(&told, "")];
        let reported = Reported::of(&known);
        assert!(reported.has(&told));
        assert!(!reported.has(&diagnostic("b", "spec.ports[0]")));
        assert!(!reported.has(&diagnostic("a", "spec.ports[0].name")));
        assert!(!reported.has(&diagnostic("a", "")));
    }

    /// A lookup for a diagnostic finds one entry, however many findings and objects there are.
    #[test]
    fn findings_are_kept_by_their_objects() {
        let objects: Vec<Diagnostic> = (0..100).map(|n| diagnostic(&format!("web-{n}"), "spec")).collect();
        let known: Vec<Finding> = objects.iter().map(|object| finding(object, "spec")).collect();
        let reported = Reported::of(&known);
        assert_eq!(reported.0.len(), known.len());
        assert!(reported.0.values().all(|fields| fields.len() == 1));
        assert!(objects.iter().all(|object| reported.has(object)));
    }
}
