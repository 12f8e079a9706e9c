//! Reads the fields of one mapping strictly: anything unknown, repeated or of a wrong type is an error with its line.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, Message, Place};
use crate::input::tree::{Tree, Value};
use crate::names::nearest;

/// A value as written, with its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Written<T> {
    /// What it means.
    pub value: T,
    /// As it is written.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl<T> Written<T> {
    /// The same text with another meaning.
    pub(super) fn map<U>(self, meaning: impl FnOnce(T) -> U) -> Written<U> {
        Written { value: meaning(self.value), text: self.text, place: self.place }
    }
}

/// What is found while a file is read.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) file: Arc<str>,
    pub(super) found: Diagnostics,
}

impl Faults {
    pub(super) fn place(&self, line: u32) -> Place {
        Place { file: self.file.clone(), line: Some(line) }
    }

    pub(super) fn tell(&mut self, line: u32, message: impl Into<Message>, help: impl Into<String>) {
        let fault = Diagnostic::error(message).at(Some(self.place(line))).help(help);
        self.found.push(fault);
    }

    /// A text that is read as something else.
    pub(super) fn written<T>(
        &mut self,
        path: &str,
        tree: &Tree,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Written<T>> {
        let Some(text) = tree.as_text() else {
            self.tell(tree.line, format!("{path}: cannot read {} as a text", describe(&tree.value)), "");
            return None;
        };
        match read(text) {
            Ok(value) => Some(Written { value, text: text.to_owned(), place: self.place(tree.line) }),
            Err(message) => {
                self.tell(tree.line, format!("{path}: {text:?}: {message}"), "");
                None
            }
        }
    }

    /// A text, or a list of them.
    pub(super) fn one_or_several<T>(
        &mut self,
        path: &str,
        tree: &Tree,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<Written<T>> {
        match &tree.value {
            Value::List(items) if items.is_empty() => {
                self.tell(tree.line, format!("{path}: the list is empty"), "");
                Vec::new()
            }
            Value::List(items) => items.iter().filter_map(|item| self.written(path, item, &read)).collect(),
            _ => self.written(path, tree, &read).into_iter().collect(),
        }
    }

    /// A number from 1 on.
    pub(super) fn count(&mut self, path: &str, tree: &Tree) -> Option<usize> {
        let count = match &tree.value {
            Value::Integer(number) => usize::try_from(*number).ok().filter(|number| *number > 0),
            _ => None,
        };
        if count.is_none() {
            let what = describe(&tree.value);
            self.tell(tree.line, format!("{path}: cannot read {what} as a number from 1 on"), "");
        }
        count
    }
}

/// What a value is, for a message about a wrong type.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Integer(value) => format!("the number {value}"),
        Value::Float(value) => format!("the number {value}"),
        Value::Text(text) => format!("the text {:?}", text.chars().take(60).collect::<String>()),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

/// In YAML 1.1, which Kubernetes' tools read, the key `on` is the boolean true.
fn key_of(key: &str) -> &str {
    if key == "true" { "on" } else { key }
}

/// The fields of a mapping that have not been taken yet.
pub(super) struct Fields<'v> {
    path: String,
    line: u32,
    entries: Vec<(&'v str, &'v Tree)>,
    known: Vec<&'static str>,
}

impl<'v> Fields<'v> {
    /// The fields of a mapping at a path; none, and an error, for anything else.
    pub(super) fn new(path: &str, tree: &'v Tree, faults: &mut Faults) -> Option<Fields<'v>> {
        let Value::Map(entries) = &tree.value else {
            let path = if path.is_empty() { "the document" } else { path };
            let what = describe(&tree.value);
            faults.tell(tree.line, format!("{path}: cannot read {what} as a mapping"), "");
            return None;
        };
        for (i, (key, value)) in entries.iter().enumerate() {
            if entries.iter().take(i).any(|(other, _)| other == key) {
                faults.tell(value.line, format!("{key}: the key is here twice"), "");
            }
        }
        let entries = entries.iter().map(|(key, value)| (key_of(key), value)).collect();
        Some(Fields { path: path.to_owned(), line: tree.line, entries, known: Vec::new() })
    }

    /// The line of the mapping: that of its first key.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    /// Takes a field; null counts as absent.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'v Tree> {
        self.known.push(name);
        let (_, tree) = self.entries.iter().find(|(key, _)| *key == name)?;
        (tree.value != Value::Null).then_some(*tree)
    }

    /// Takes a field, with its path.
    pub(super) fn take_with_path(&mut self, name: &'static str) -> (String, Option<&'v Tree>) {
        (self.path_of(name), self.take(name))
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Reports fields that do not exist.
    pub(super) fn finish(self, faults: &mut Faults) {
        for (key, tree) in self.entries.iter().filter(|(key, _)| !self.known.contains(key)) {
            let near = nearest(key, self.known.iter().copied());
            let help = match near.first() {
                Some(name) => format!("did you mean {name}?"),
                None => format!("there are {}", self.known.join(", ")),
            };
            faults.tell(tree.line, format!("{}: there is no such field", self.path_of(key)), help);
        }
    }
}
