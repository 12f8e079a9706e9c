//! Documents whose fields are not known beforehand, as trees: with lines, and with keys that occur twice.

use super::document::yaml_end;
use super::yaml::{self, MAX_ALIASED_NODES, MAX_DEPTH, Resolved, Tape};

/// A value, with its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    pub(crate) value: Value,
    /// Line of the text, counted from 1.
    pub(crate) line: u32,
}

/// Any value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    /// Keys in the order of the text; one may occur twice.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The value of a key; if it occurs twice the last one, as Go decodes it.
    pub(crate) fn get(&self, key: &str) -> Option<&Tree> {
        match &self.value {
            Value::Map(entries) => entries.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// What is wrong with a text, and on which line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) line: u32,
}

/// Reads every document of a YAML or JSON text; empty ones are null.
///
/// # Errors
/// The first thing that is not YAML.
pub(crate) fn read_documents(text: &str) -> Result<Vec<Tree>, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let (mut start, mut lines) = (0, 0);
    while start < text.len() {
        let end = yaml_end(text, start);
        let document = text.get(start..end).unwrap_or_default();
        documents.push(read(document, lines)?);
        lines += u32::try_from(document.matches('\n').count()).unwrap_or(u32::MAX);
        start = end;
    }
    Ok(documents)
}

fn read(text: &str, lines_before: u32) -> Result<Tree, Fault> {
    let newlines: Vec<usize> = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
    let line = |offset: usize| {
        let before = newlines.partition_point(|newline| *newline < offset);
        lines_before + 1 + u32::try_from(before).unwrap_or(u32::MAX)
    };
    let located = |fault: yaml::Fault| Fault { message: fault.message, line: line(fault.offset) };
    let tape = Tape::read(text).map_err(located)?;
    let mut planter = Planter { tape: &tape, line: &line, budget: MAX_ALIASED_NODES };
    planter.tree(0, 0).map_err(located)
}

struct Planter<'t, 'a> {
    tape: &'t Tape<'a>,
    /// The line of a byte.
    line: &'t dyn Fn(usize) -> u32,
    /// How many more nodes may be made: an alias makes all of its target again.
    budget: usize,
}

impl Planter<'_, '_> {
    fn tree(&mut self, index: usize, depth: usize) -> Result<Tree, yaml::Fault> {
        let node = self.tape.target(index).and_then(|index| Some((index, self.tape.node(index)?)));
        let Some((index, node)) = node else {
            return Ok(Tree { value: Value::Null, line: (self.line)(0) });
        };
        self.budget = self.budget.saturating_sub(1);
        if depth > MAX_DEPTH || self.budget == 0 {
            let message = format!(
                "with aliases resolved, nested deeper than {MAX_DEPTH} levels or of more than {MAX_ALIASED_NODES} values"
            );
            return Err(yaml::Fault { message, offset: node.start as usize });
        }
        let value = match &node.value {
            yaml::Value::Plain(text) => plain(text),
            yaml::Value::String(text) => Value::Text(text.clone().into_owned()),
            yaml::Value::Sequence => Value::List(self.list(index, depth)?),
            yaml::Value::Map { .. } => Value::Map(self.map(index, depth)?),
            yaml::Value::Alias(_) => Value::Null,
        };
        Ok(Tree { value, line: (self.line)(node.start as usize) })
    }

    fn list(&mut self, index: usize, depth: usize) -> Result<Vec<Tree>, yaml::Fault> {
        let items: Vec<usize> = self.tape.children(index).collect();
        items.into_iter().map(|item| self.tree(item, depth + 1)).collect()
    }

    fn map(&mut self, index: usize, depth: usize) -> Result<Vec<(String, Tree)>, yaml::Fault> {
        let keys: Vec<usize> = self.tape.children(index).collect();
        let mut entries = Vec::new();
        let mut merged = Vec::new();
        for key in keys {
            let name = self.tape.text(key).unwrap_or_default();
            let value = self.tree(key + 1, depth + 1)?;
            if self.tape.node(key).is_some_and(|node| node.value.is_merge_key()) {
                merged.push(value);
            } else {
                entries.push((name.to_owned(), value));
            }
        }
        merged.into_iter().for_each(|tree| merge(tree, &mut entries));
        Ok(entries)
    }
}

/// Adds the entries of a merge key, or of each map in its list, unless they already exist.
fn merge(tree: Tree, entries: &mut Vec<(String, Tree)>) {
    match tree.value {
        Value::Map(more) => {
            for (key, value) in more {
                if entries.iter().all(|(known, _)| *known != key) {
                    entries.push((key, value));
                }
            }
        }
        Value::List(items) => items.into_iter().for_each(|item| merge(item, entries)),
        _ => {}
    }
}

fn plain(text: &str) -> Value {
    match yaml::resolve(text) {
        Resolved::Null => Value::Null,
        Resolved::Bool(value) => Value::Bool(value),
        Resolved::Int(value) => Value::Integer(value),
        Resolved::BigInt(value) => Value::Float(value as f64),
        Resolved::Float(value) => Value::Float(value),
        Resolved::String => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(String, u32)> {
        let documents = read_documents(text).unwrap();
        let entries = documents.into_iter().flat_map(|document| match document.value {
            Value::Map(entries) => entries,
            other => panic!("{other:?}"),
        });
        entries.map(|(key, tree)| (format!("{key}={:?}", tree.value), tree.line)).collect()
    }

    #[test]
    fn keys_that_stand_twice_are_kept_with_their_lines() {
        assert_eq!(
            lines("a: 1\nb: yes\n---\n# c\na: x\na: \"1\"\n"),
            [
                ("a=Integer(1)".to_owned(), 1),
                ("b=Bool(true)".to_owned(), 2),
                ("a=Text(\"x\")".to_owned(), 5),
                ("a=Text(\"1\")".to_owned(), 6)
            ]
        );
        assert_eq!(lines("{\"a\": 1.5,\n \"a\": null}").last(), Some(&("a=Null".to_owned(), 2)));
    }

    #[test]
    fn aliases_and_merge_keys() {
        let documents = read_documents("x: &x {a: 1, b: 2}\nw:\n  <<: *x\n  b: 3\nz: *x\n").unwrap();
        let get = |path: [&str; 2]| documents[0].get(path[0]).unwrap().get(path[1]).unwrap().value.clone();
        assert_eq!(get(["w", "a"]), Value::Integer(1));
        assert_eq!(get(["w", "b"]), Value::Integer(3));
        assert_eq!(get(["z", "b"]), Value::Integer(2));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let uses = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{uses}]\n"));
        }
        assert!(
            read_documents(&text)
                .unwrap_err()
                .message
                .ends_with("nested deeper than 200 levels or of more than 1000000 values")
        );
    }

    #[test]
    fn faults_have_the_line_of_the_text() {
        assert_eq!(read_documents("a: 1\n---\nb: [\n").unwrap_err().line, 4);
    }
}
