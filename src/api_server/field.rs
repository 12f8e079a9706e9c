//! A field of an object with its path.

use crate::input::tree::{Tree, Value};

/// A field, there or not, and its path such as `spec.ports[0].name`.
#[derive(Debug, Clone)]
pub(super) struct Field<'t> {
    tree: Option<&'t Tree>,
    /// Where it stands in the text.
    pub(super) path: String,
    /// What the API server calls it, where that differs.
    said: Option<String>,
}

impl<'t> Field<'t> {
    /// The object itself.
    pub(super) fn root(tree: &'t Tree) -> Field<'t> {
        Field { tree: Some(tree), path: String::new(), said: None }
    }

    /// The same field under the name that the API server has for it.
    pub(super) fn said_as(&self, name: &str) -> Field<'t> {
        Field { said: Some(name.to_owned()), ..self.clone() }
    }

    /// What the API server calls it.
    pub(super) fn name(&self) -> &str {
        self.said.as_deref().unwrap_or(&self.path)
    }

    pub(super) fn child(&self, name: &str) -> Field<'t> {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        let said = self.said.as_ref().map(|said| format!("{said}.{name}"));
        Field { tree: self.tree.and_then(|tree| tree.get(name)), path, said }
    }

    /// A field further down; the names have dots between.
    pub(super) fn at(&self, path: &str) -> Field<'t> {
        path.split('.').fold(self.clone(), |field, name| field.child(name))
    }

    /// The entry of a list, there or not.
    pub(super) fn index(&self, i: usize) -> Field<'t> {
        let tree = self.list().get(i);
        let said = self.said.as_ref().map(|said| format!("{said}[{i}]"));
        Field { tree, path: format!("{}[{i}]", self.path), said }
    }

    pub(super) fn items(&self) -> Vec<Field<'t>> {
        (0..self.list().len()).map(|i| self.index(i)).collect()
    }

    fn list(&self) -> &'t [Tree] {
        match self.value() {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// Keys of a map with their values as texts; a value that is not a text counts as empty.
    pub(super) fn pairs(&self) -> Vec<(&'t str, &'t str)> {
        match self.value() {
            Some(Value::Map(entries)) => entries
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_text().unwrap_or_default()))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn value(&self) -> Option<&'t Value> {
        self.tree.map(|tree| &tree.value)
    }

    /// Whether it is there and not null.
    pub(super) fn is_set(&self) -> bool {
        self.value().is_some_and(|value| *value != Value::Null)
    }

    /// Empty where it is not a text.
    pub(super) fn text(&self) -> &'t str {
        self.tree.and_then(Tree::as_text).unwrap_or_default()
    }

    pub(super) fn integer(&self) -> Option<i64> {
        match self.value() {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// The number, 0 where there is none.
    pub(super) fn number(&self) -> i64 {
        self.integer().unwrap_or_default()
    }

    pub(super) fn is_true(&self) -> bool {
        self.value() == Some(&Value::Bool(true))
    }

    /// The value as the API server prints it.
    pub(super) fn shown(&self) -> String {
        self.value().map_or_else(|| "null".to_owned(), shown)
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(items) => {
            format!("[{}]", items.iter().map(|item| shown(&item.value)).collect::<Vec<_>>().join(","))
        }
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, item)| format!("{key:?}:{}", shown(&item.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
    }
}
