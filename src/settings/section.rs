//! Reads the fields of one mapping of the configuration: takes them by name and type, then reports which are unknown.

use std::collections::BTreeMap;

use super::duration::GoDuration;
use super::origin::Origin;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::input::tree::{Tree, Value};
use crate::names::nearest;

/// The longest text of the input that a message repeats, in characters.
const SHOWN: usize = 64;

/// The beginning of a text, for messages.
pub(super) fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() {
        start.push_str("...");
    }
    start
}

/// What a value is, for a message about a wrong type.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Integer(value) => format!("the number {value}"),
        Value::Float(value) => format!("the number {value}"),
        Value::Text(text) => format!("the string {:?}", shown(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

/// A mapping of the configuration, while its fields are taken.
pub(super) struct Section<'v, 'd> {
    path: String,
    entries: Vec<(&'v str, &'v Tree)>,
    known: Vec<&'static str>,
    notes: &'d mut Notes,
}

/// What is noted while fields are taken.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) found: Diagnostics,
    pub(super) origin: Origin,
}

impl<'v, 'd> Section<'v, 'd> {
    /// The fields of `tree`, which is at `path` (empty for the whole document). Null has no fields; anything else that
    /// is not a mapping is an error.
    pub(super) fn new(path: String, tree: Option<&'v Tree>, notes: &'d mut Notes) -> Self {
        let mut section = Section { path, entries: Vec::new(), known: Vec::new(), notes };
        match tree.map(|tree| (&tree.value, tree)) {
            None | Some((Value::Null, _)) => {}
            Some((Value::Map(entries), _)) => section.enter(entries),
            Some((_, other)) => section.wrong_type(&section.path.clone(), other, "a mapping"),
        }
        section
    }

    fn enter(&mut self, entries: &'v [(String, Tree)]) {
        let mut last: BTreeMap<&str, &Tree> = BTreeMap::new();
        for (key, tree) in entries {
            if last.insert(key, tree).is_some() {
                let message = format!("{}: the key is here twice; the last one counts", self.path_of(key));
                self.tell(tree, Diagnostic::warning(message));
            }
        }
        self.entries = last.into_iter().collect();
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn tell(&mut self, tree: &Tree, diagnostic: Diagnostic) {
        let place = self.notes.origin.at_line(tree.line);
        self.notes.found.push(diagnostic.at(place));
    }

    fn wrong_type(&mut self, path: &str, tree: &Tree, wanted: &str) {
        let path = if path.is_empty() { "the document" } else { path };
        let message = format!("{path}: cannot read {} as {wanted}", describe(&tree.value));
        self.tell(tree, Diagnostic::error(message).help("kube-proxy does not start with this configuration"));
    }

    /// Takes a field; null counts as absent.
    fn take(&mut self, name: &'static str) -> Option<&'v Tree> {
        self.known.push(name);
        let (_, tree) = self.entries.iter().find(|(key, _)| *key == name)?;
        self.notes.origin.lines.insert(self.path_of(name), tree.line);
        (tree.value != Value::Null).then_some(*tree)
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        convert: impl FnOnce(&'v Tree) -> Option<T>,
    ) -> Option<T> {
        let tree = self.take(name)?;
        let converted = convert(tree);
        if converted.is_none() {
            self.wrong_type(&self.path_of(name), tree, wanted);
        }
        converted
    }

    /// A text; an empty one counts as absent.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let text = self.read(name, "a string", Tree::as_text)?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.read(name, "a boolean", |tree| match &tree.value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// A 32-bit integer.
    pub(super) fn integer(&mut self, name: &'static str) -> Option<i32> {
        self.read(name, "a 32-bit integer", |tree| match &tree.value {
            Value::Integer(value) => i32::try_from(*value).ok(),
            _ => None,
        })
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let items = self.read(name, "a list", |tree| match &tree.value {
            Value::List(items) => Some(items),
            _ => None,
        })?;
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match &item.value {
                Value::Null => texts.push(String::new()),
                Value::Text(text) => texts.push(text.clone()),
                _ => self.wrong_type(&format!("{}[{index}]", self.path_of(name)), item, "a string"),
            }
        }
        Some(texts)
    }

    /// A duration; an empty text and zero count as absent.
    pub(super) fn duration(&mut self, name: &'static str) -> Option<GoDuration> {
        let (tree, text) = self.read(name, "a duration such as 30s", |tree| Some((tree, tree.as_text()?)))?;
        if text.is_empty() {
            return None;
        }
        match GoDuration::parse(text) {
            Ok(GoDuration(0)) => None,
            Ok(duration) => Some(duration),
            Err(error) => {
                let message = format!("{}: {error}", self.path_of(name));
                self.tell(tree, Diagnostic::error(message).help("write it as 30s, 1m30s or 24h"));
                None
            }
        }
    }

    /// A mapping of names to booleans.
    pub(super) fn switches(&mut self, name: &'static str) -> BTreeMap<String, bool> {
        let entries = self.read(name, "a mapping", |tree| match &tree.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        });
        let mut switches = BTreeMap::new();
        for (key, tree) in entries.into_iter().flatten() {
            match &tree.value {
                Value::Bool(on) => {
                    switches.insert(key.clone(), *on);
                }
                _ => self.wrong_type(&format!("{}.{key}", self.path_of(name)), tree, "a boolean"),
            }
        }
        switches
    }

    /// A mapping within.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'v, '_> {
        let tree = self.take(name);
        Section::new(self.path_of(name), tree, self.notes)
    }

    /// Declares fields that exist, though nothing here needs them.
    pub(super) fn passed_over(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// Warns of fields that do not exist.
    pub(super) fn finish(mut self) {
        let entries = std::mem::take(&mut self.entries);
        let known = std::mem::take(&mut self.known);
        for (key, tree) in entries.into_iter().filter(|(key, _)| !known.contains(key)) {
            let message = format!("{}: unknown field, ignored as kube-proxy ignores it", self.path_of(key));
            let nearest = nearest(key, known.iter().copied());
            let help = nearest.first().map_or(String::new(), |name| format!("did you mean {name}?"));
            self.tell(tree, Diagnostic::warning(message).help(help));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_shortened() {
        assert_eq!(shown(&"x".repeat(100)), format!("{}...", "x".repeat(64)));
        assert_eq!(shown("x"), "x");
    }
}
