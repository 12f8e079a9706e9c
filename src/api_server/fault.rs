//! What is wrong with an object, in the API server's words.

use super::field::Field;
use crate::diagnostic::{Kind, Message, message};

/// What kind of rule is broken; each has a lint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A field that the kind does not have.
    UnknownField,
    /// A value of another type than the field's.
    WrongType,
    /// A field that does not go with the Service's type or with another field.
    OffType,
    /// A port's number, name or protocol.
    Port,
    /// A name, label, selector or annotation.
    Name,
    /// A value that is not among those allowed, or is out of bounds.
    Value,
    /// An address or network in bad form, or of a range that is not allowed.
    Address,
    /// IP families, their policy and the cluster IPs do not fit together.
    Families,
    /// Something that must be there is not, or there is too much of it.
    Count,
    /// A workload's template: its selector, containers and their ports.
    Template,
    /// No API server of the supported releases serves this version.
    Version,
}

/// One rule broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of rule.
    pub class: Class,
    /// The path of the field as the API server says it.
    pub field: String,
    /// Its path in the text, where that differs: `spec.clusterIP` is `spec.clusterIPs[0]` for the server.
    pub written_as: Option<String>,
    /// In the API server's words, without the field.
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: String,
    /// What the message has in common with those of other faults.
    pub(crate) kind: Kind,
}

/// Collects faults of one object.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) found: Vec<Fault>,
}

impl Faults {
    /// An object has so many faults at most.
    const MAX: usize = 100;

    pub(super) fn add_with_remedy(&mut self, class: Class, field: &str, message: Message, remedy: String) {
        let Message { text: message, kind } = message;
        self.push(Fault { class, field: field.to_owned(), written_as: None, message, remedy, kind });
    }

    fn push(&mut self, fault: Fault) {
        if self.found.len() < Self::MAX && !self.found.contains(&fault) {
            self.found.push(fault);
        }
    }

    fn add(&mut self, class: Class, field: &Field<'_>, message: impl Into<Message>) {
        let Message { text: message, kind } = message.into();
        let written_as = Some(field.path.clone()).filter(|path| path != field.name());
        self.push(Fault {
            class,
            field: field.name().to_owned(),
            written_as,
            message,
            remedy: String::new(),
            kind,
        });
    }

    pub(super) fn required(&mut self, class: Class, field: &Field<'_>, detail: &str) {
        self.add(class, field, with_detail("Required value", detail));
    }

    pub(super) fn forbidden(&mut self, class: Class, field: &Field<'_>, detail: &str) {
        self.add(class, field, with_detail("Forbidden", detail));
    }

    /// A value that breaks a rule.
    pub(super) fn invalid(&mut self, class: Class, field: &Field<'_>, detail: &str) {
        self.invalid_value(class, field, &field.shown(), detail);
    }

    /// As [`Faults::invalid`] with another value than the field's own, such as a default.
    pub(super) fn invalid_value(&mut self, class: Class, field: &Field<'_>, value: &str, detail: &str) {
        let kind = Kind::Itself(with_detail("Invalid value", detail));
        self.add(
            class,
            field,
            Message { text: with_detail(&format!("Invalid value: {value}"), detail), kind },
        );
    }

    /// Each of the rules that a value breaks.
    pub(super) fn all_invalid(&mut self, class: Class, field: &Field<'_>, details: Vec<&'static str>) {
        details.into_iter().for_each(|detail| self.invalid(class, field, detail));
    }

    pub(super) fn duplicate(&mut self, class: Class, field: &Field<'_>, value: &str) {
        self.add(class, field, message!("Duplicate value: {value}"));
    }

    pub(super) fn not_found(&mut self, class: Class, field: &Field<'_>) {
        self.add(class, field, message!("Not found: {}", field.shown()));
    }

    pub(super) fn too_many(&mut self, class: Class, field: &Field<'_>, count: usize, most: usize) {
        self.add(class, field, message!("Too many: {count}: must have at most {most} items"));
    }

    /// A text that is set and none of these.
    pub(super) fn unless_one_of(&mut self, class: Class, field: &Field<'_>, allowed: &[&str]) {
        if !field.text().is_empty() && !allowed.contains(&field.text()) {
            let allowed: Vec<String> = allowed.iter().map(|word| format!("{word:?}")).collect();
            let message =
                message!("Unsupported value: {}: supported values: {}", field.shown(), allowed.join(", "));
            self.add(class, field, message);
        }
    }

    /// A number that is set and negative.
    pub(super) fn if_negative(&mut self, class: Class, field: &Field<'_>) {
        if field.integer().is_some_and(|number| number < 0) {
            self.invalid(class, field, "must be greater than or equal to 0");
        }
    }
}

fn with_detail(lead: &str, detail: &str) -> String {
    if detail.is_empty() { lead.to_owned() } else { format!("{lead}: {detail}") }
}
