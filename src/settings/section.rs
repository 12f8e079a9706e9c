//! Reads the fields of one mapping of the configuration: takes them by name and type, then tells which are unknown.

use std::collections::BTreeMap;

use super::document::Value;
use super::duration::GoDuration;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};

/// A mapping of the configuration whose fields are being taken.
pub(super) struct Section<'v, 'd> {
    path: String,
    entries: Vec<(&'v str, &'v Value)>,
    known: Vec<&'static str>,
    place: Option<Place>,
    found: &'d mut Diagnostics,
}

impl<'v, 'd> Section<'v, 'd> {
    /// The fields of `value`, which stands at `path` (empty for the whole document). Null has no fields; anything else
    /// that is no mapping is an error.
    pub(super) fn new(
        path: String,
        value: &'v Value,
        place: Option<Place>,
        found: &'d mut Diagnostics,
    ) -> Self {
        let mut section = Section { path, entries: Vec::new(), known: Vec::new(), place, found };
        match value {
            Value::Null => {}
            Value::Map(entries) => section.enter(entries),
            other => section.wrong_type(&section.path.clone(), other, "a mapping"),
        }
        section
    }

    fn enter(&mut self, entries: &'v [(String, Value)]) {
        let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
        for (key, value) in entries {
            if last.insert(key, value).is_some() {
                let path = self.path_of(key);
                self.warn(Diagnostic::warning(format!(
                    "{path}: the key stands here twice; the last one counts"
                )));
            }
        }
        self.entries = last.into_iter().collect();
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn warn(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic.at(self.place.clone()));
    }

    fn wrong_type(&mut self, path: &str, value: &Value, wanted: &str) {
        let path = if path.is_empty() { "the document" } else { path };
        let message = format!("{path}: cannot read {} as {wanted}", value.describe());
        self.warn(Diagnostic::error(message).help("kube-proxy does not start with this configuration"));
    }

    /// Takes a field; null counts as absent.
    fn take(&mut self, name: &'static str) -> Option<&'v Value> {
        self.known.push(name);
        let (_, value) = self.entries.iter().find(|(key, _)| *key == name)?;
        (**value != Value::Null).then_some(*value)
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        convert: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(name)?;
        let converted = convert(value);
        if converted.is_none() {
            self.wrong_type(&self.path_of(name), value, wanted);
        }
        converted
    }

    /// A text; the empty one counts as absent.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let text = self.read(name, "a string", Value::as_text)?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.read(name, "a boolean", |value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// A 32-bit integer.
    pub(super) fn integer(&mut self, name: &'static str) -> Option<i32> {
        self.read(name, "a 32-bit integer", |value| match value {
            Value::Integer(value) => i32::try_from(*value).ok(),
            _ => None,
        })
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let items = self.read(name, "a list", |value| match value {
            Value::List(items) => Some(items),
            _ => None,
        })?;
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::Null => texts.push(String::new()),
                Value::Text(text) => texts.push(text.clone()),
                other => self.wrong_type(&format!("{}[{index}]", self.path_of(name)), other, "a string"),
            }
        }
        Some(texts)
    }

    /// A duration; the empty text and zero count as absent.
    pub(super) fn duration(&mut self, name: &'static str) -> Option<GoDuration> {
        let text = self.read(name, "a duration such as 30s", Value::as_text)?;
        if text.is_empty() {
            return None;
        }
        match GoDuration::parse(text) {
            Ok(GoDuration(0)) => None,
            Ok(duration) => Some(duration),
            Err(error) => {
                let message = format!("{}: {error}", self.path_of(name));
                self.warn(Diagnostic::error(message).help("write it as 30s, 1m30s or 24h"));
                None
            }
        }
    }

    /// A mapping of names to booleans.
    pub(super) fn switches(&mut self, name: &'static str) -> BTreeMap<String, bool> {
        let entries = self.read(name, "a mapping", |value| match value {
            Value::Map(entries) => Some(entries),
            _ => None,
        });
        let mut switches = BTreeMap::new();
        for (key, value) in entries.into_iter().flatten() {
            match value {
                Value::Bool(on) => {
                    switches.insert(key.clone(), *on);
                }
                other => self.wrong_type(&format!("{}.{key}", self.path_of(name)), other, "a boolean"),
            }
        }
        switches
    }

    /// A mapping within.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'v, '_> {
        let value = self.take(name).unwrap_or(&Value::Null);
        Section::new(self.path_of(name), value, self.place.clone(), self.found)
    }

    /// Says that these fields exist, though nothing here needs them.
    pub(super) fn passed_over(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// Warns of fields that do not exist.
    pub(super) fn finish(mut self) {
        let unknown: Vec<&str> =
            self.entries.iter().map(|(key, _)| *key).filter(|key| !self.known.contains(key)).collect();
        for key in unknown {
            let message = format!("{}: unknown field, passed over as kube-proxy does", self.path_of(key));
            let help =
                nearest(key, &self.known).map_or(String::new(), |name| format!("did you mean {name}?"));
            self.warn(Diagnostic::warning(message).help(help));
        }
    }
}

fn nearest<'n>(key: &str, names: &[&'n str]) -> Option<&'n str> {
    let score = |name: &str| strsim::jaro_winkler(&key.to_lowercase(), &name.to_lowercase());
    names
        .iter()
        .copied()
        .map(|name| (score(name), name))
        .filter(|(score, _)| *score > 0.85)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
