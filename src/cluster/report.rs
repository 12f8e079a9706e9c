//! Reports what is wrong with an object, with the line of the field.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{Diagnostic, Diagnostics, Message, ObjectRef, Severity};
use crate::input::{Position, Sources};

/// At most this many faults of one kind are reported for an object; further ones are counted.
const TOLD: usize = 20;

/// Collects findings about objects. Their lines are looked up at the end.
pub(super) struct Report<'a> {
    sources: &'a Sources,
    pending: Vec<Pending>,
    seen: HashSet<(Position, String)>,
    counts: HashMap<Kind, usize>,
}

/// A finding whose line is not known yet.
struct Pending {
    diagnostic: Diagnostic,
    position: Position,
}

/// Kinds of faults of one object: with the same severity and field, in whichever entry of a list.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    position: Position,
    severity: Severity,
    field: String,
}

impl Pending {
    fn kind(&self) -> Kind {
        let mut field = self.diagnostic.field.clone();
        field.retain(|c| !c.is_ascii_digit());
        Kind { position: self.position, severity: self.diagnostic.severity, field }
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Report { sources, pending: Vec::new(), seen: HashSet::new(), counts: HashMap::new() }
    }

    /// The same report, bound to one object.
    pub(super) fn about(&mut self, object: ObjectRef, position: Position) -> ObjectReport<'_, 'a> {
        ObjectReport { report: self, object, position }
    }

    pub(super) fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// Adds what another report on the same sources found.
    pub(super) fn append(&mut self, other: Report<'a>) {
        other.pending.into_iter().for_each(|pending| self.push(pending));
    }

    fn push(&mut self, pending: Pending) {
        // A Service is read once per family; what is wrong in both is reported once.
        if self.seen.insert((pending.position, pending.diagnostic.message.clone())) {
            *self.counts.entry(pending.kind()).or_default() += 1;
            self.pending.push(pending);
        }
    }

    pub(super) fn finish(self) -> Diagnostics {
        let Report { sources, pending, counts, .. } = self;
        let mut told: HashMap<Kind, usize> = HashMap::new();
        let mut found = Diagnostics::default();
        for pending in pending {
            let kind = pending.kind();
            let more = counts.get(&kind).map_or(0, |count| count.saturating_sub(TOLD));
            let told = told.entry(kind).or_default();
            *told += 1;
            if *told > TOLD {
                continue;
            }
            let Pending { mut diagnostic, position } = pending;
            if *told == TOLD && more > 0 {
                diagnostic.message = format!("{}; and so {more} more of this object", diagnostic.message);
            }
            let place = sources.field_place(position, &diagnostic.field);
            found.push(diagnostic.at(place));
        }
        found
    }
}

/// Collects findings about one object.
pub(super) struct ObjectReport<'r, 'a> {
    report: &'r mut Report<'a>,
    object: ObjectRef,
    position: Position,
}

impl ObjectReport<'_, '_> {
    /// A fault for which there is no right answer. `field` is a path such as `spec.ports[0].port`.
    pub(super) fn error(&mut self, field: &str, message: impl Into<Message>, help: &str) {
        self.push(Diagnostic::error(message.into().about_field(field)).help(help), field);
    }

    /// A fault that makes the real kube-proxy fail.
    pub(super) fn unloadable(&mut self, field: &str, message: impl Into<Message>, help: &str) {
        self.push(Diagnostic::unloadable(message.into().about_field(field)).help(help), field);
    }

    /// Something that kube-proxy ignores.
    pub(super) fn warning(&mut self, field: &str, message: impl Into<Message>, help: &str) {
        self.push(Diagnostic::warning(message.into().about_field(field)).help(help), field);
    }

    fn push(&mut self, diagnostic: Diagnostic, field: &str) {
        let diagnostic = Diagnostic { field: field.to_owned(), ..diagnostic.about(self.object.clone()) };
        self.report.push(Pending { diagnostic, position: self.position });
    }
}
