//! From a text to its documents and objects: YAML, JSON, and the sections of `kubectl cluster-info dump`.

use memchr::memmem;

use super::json::{self, Outline};
use super::object::Batch;
use super::position::{Position, SourceId};
use super::template::{TEMPLATE, is_template};
use super::written::{Repeated, Type, Where, Written, Wrong};
use super::yaml::{Fault, Misfit, Resolved, Tape, Value, resolve};
use crate::diagnostic::{Diagnostic, message};
use serde::Deserialize;

/// The deepest nesting of lists in lists.
const MAX_LISTS: usize = 16;

const CUT_OFF: &str = "the dump was cut off: take it again";
const LOG_START: &str = "==== START logs for container ";
/// Separates documents wherever a line begins with it, even within a scalar (apimachinery, YAMLReader).
const SEPARATOR: &str = "---";

/// How a text is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether to use the quick way through lists, which gives the same result.
    pub(super) quick: bool,
    /// Whether the text may be something other than manifests, which is then only counted.
    pub(super) anything: bool,
}

/// Reads all objects of a text.
pub(super) fn read(text: &str, source: SourceId, manner: Manner) -> Batch {
    let mut reader = Reader { text, source, manner, batch: Batch::default() };
    let mut position = 0;
    while let Some(next) = reader.document(position) {
        position = next;
    }
    reader.batch
}

/// Reads objects of one text.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) source: SourceId,
    pub(super) manner: Manner,
    pub(super) batch: Batch,
}

impl<'a> Reader<'a> {
    /// Reads what is at a position; returns where the next document begins.
    fn document(&mut self, position: usize) -> Option<usize> {
        let position = skip_blank_lines(self.text, position);
        let rest = self.text.get(position..)?;
        if rest.is_empty() {
            return None;
        }
        if rest.starts_with(LOG_START) {
            return self.log(position, rest);
        }
        if rest.starts_with(SEPARATOR) {
            return Some(self.separator(position, rest));
        }
        let content = position + rest.len() - rest.trim_start().len();
        if self.text.get(content..)?.starts_with(['{', '[']) {
            return Some(self.json(content));
        }
        let end = yaml_end(self.text, position);
        if self.yaml_list(position, end).is_none() {
            self.yaml(position, end);
        }
        Some(end)
    }

    /// Skips the line between two documents, on which kubectl accepts only a comment.
    fn separator(&mut self, position: usize, rest: &str) -> usize {
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        let after = line.get(SEPARATOR.len()..).unwrap_or_default().trim();
        if !after.is_empty() && !after.starts_with('#') {
            let message = "behind the `---` that separates documents kubectl accepts only a comment";
            let diagnostic = Diagnostic::error(message).help("put the rest of this line on the next");
            self.batch.find(diagnostic, self.position(position..position), 0);
        }
        position + line.len()
    }

    /// Passes over a container's log.
    fn log(&mut self, position: usize, rest: &str) -> Option<usize> {
        let line = rest.lines().next().unwrap_or_default();
        let end_marker = line.replacen("START", "END", 1);
        let finder = memmem::Finder::new(end_marker.as_bytes());
        match finder.find(rest.as_bytes()) {
            Some(found) => Some(position + found + end_marker.len()),
            None => {
                let diagnostic =
                    Diagnostic::error("the container's log that begins here has no end").help(CUT_OFF);
                self.batch.find(diagnostic, self.position(position..position), 0);
                None
            }
        }
    }

    pub(super) fn position(&self, range: std::ops::Range<usize>) -> Position {
        Position { source: self.source, offset: range.start, length: range.len() }
    }

    /// Reads one JSON value; returns where it ends.
    fn json(&mut self, start: usize) -> usize {
        if let Some(end) = self.json_list(start) {
            return end;
        }
        let rest = self.text.get(start..).unwrap_or_default();
        let error = match json::first_value(rest) {
            Ok(value) => {
                self.json_value(value, &Type::default(), 0);
                return start + value.len();
            }
            Err(error) => error,
        };
        let end = yaml_end(self.text, start);
        if error.is_eof() {
            let diagnostic = Diagnostic::error("the JSON text ends too early").help(CUT_OFF);
            self.batch.find(diagnostic, self.position(start..start), json::lines_before(&error));
        } else if Tape::read(self.text.get(start..end).unwrap_or_default()).is_ok() {
            // Flow-style YAML begins like JSON.
            self.yaml(start, end);
        } else {
            let diagnostic = Diagnostic::error(message!("not JSON: {}", json::message(&error)));
            self.batch.find(diagnostic, self.position(start..start), json::lines_before(&error));
        }
        end
    }

    pub(super) fn json_value(&mut self, value: &'a str, default: &Type, lists: usize) {
        match json::outline(value) {
            Ok(outline) => self.json_outlined(value, outline, default, lists),
            Err(_) if value == "null" => {}
            // It may still be YAML, where a key may occur twice.
            Err(_) if value.starts_with('{') => self.yaml_item(self.range_of(value), default, lists),
            Err(_) => self.no_object(self.position(self.range_of(value))),
        }
    }

    pub(super) fn json_outlined(
        &mut self,
        value: &'a str,
        outline: Outline<'a>,
        default: &Type,
        lists: usize,
    ) {
        let position = self.position(self.range_of(value));
        let type_ = if outline.type_.kind.is_empty() { default } else { &outline.type_ };
        match outline.items {
            Some(items) if is_list(type_) || value.starts_with('[') => {
                let of_items = type_.of_items();
                if self.deep_enough(lists, position) {
                    self.list(type_, items.is_empty());
                    items.into_iter().for_each(|item| self.json_value(item, &of_items, lists + 1));
                }
            }
            items => self.object(type_, &json::Text::new(value, position), items.is_some()),
        }
    }

    /// The byte range of a part of the text.
    fn range_of(&self, part: &str) -> std::ops::Range<usize> {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start + part.len()
    }

    /// Reads one YAML document.
    fn yaml(&mut self, start: usize, end: usize) {
        self.yaml_item(start..end, &Type::default(), 0);
    }

    fn yaml_item(&mut self, range: std::ops::Range<usize>, default: &Type, lists: usize) {
        let text = self.text.get(range.clone()).unwrap_or_default();
        let start = range.start;
        match Tape::read(text) {
            Ok(tape) => {
                let document = YamlDocument { tape: &tape, text, start };
                self.yaml_value(&document, 0, default, lists);
                if let Some(unread) = tape.unread {
                    let message = "kubectl reads nothing between `...` and the next `---`, and so do we";
                    let place = self.position(start + unread..start + unread);
                    self.batch.find(Diagnostic::warning(message), place, 0);
                }
            }
            Err(Fault { message, offset }) => {
                let help = if is_template(text) { TEMPLATE } else { "" };
                let place = self.position(start + offset..start + offset);
                self.batch.find(Diagnostic::error(message).help(help), place, 0);
            }
        }
    }

    pub(super) fn yaml_value(&mut self, document: &YamlDocument, given: usize, default: &Type, lists: usize) {
        let tape = document.tape;
        let Some(index) = tape.target(given) else { return };
        let Some(node) = tape.node(index) else { return };
        let position = self.position(document.range(node.start, node.end));
        let own = yaml_type(tape, index);
        let type_ = if own.kind.is_empty() { default } else { &own };
        let items = match node.value {
            Value::Sequence => Some(index),
            Value::Map { .. } => tape.get(index, "items").and_then(|items| tape.target(items)),
            Value::Plain(ref text) if resolve(text) == Resolved::Null => return,
            _ => return self.no_object(position),
        };
        let items =
            items.filter(|items| matches!(tape.node(*items).map(|node| &node.value), Some(Value::Sequence)));
        match items {
            Some(items) if lists > 0 && (index < given || items < index) => {
                let message = "an alias to a list within a list is not followed";
                self.batch.find(Diagnostic::error(message), position, 0);
            }
            Some(items) if is_list(type_) || items == index => {
                let of_items = type_.of_items();
                if self.deep_enough(lists, position) {
                    self.list(type_, tape.children(items).next().is_none());
                    tape.children(items)
                        .for_each(|item| self.yaml_value(document, item, &of_items, lists + 1));
                }
            }
            items => {
                let written = YamlObject { document, index, text: self.text, position };
                self.object(type_, &written, items.is_some());
            }
        }
    }

    fn deep_enough(&mut self, lists: usize, position: Position) -> bool {
        let fine = lists < MAX_LISTS;
        if !fine {
            let message = message!("more than {MAX_LISTS} nested lists");
            let help = "put the objects into one list";
            self.batch.find(Diagnostic::error(message).help(help), position, 0);
        }
        fine
    }

    /// Notes a list; an empty one of a kind says that there are none.
    pub(super) fn list(&mut self, type_: &Type, is_empty: bool) {
        self.batch.documents += 1;
        let kind = type_.of_items().kind;
        if is_empty && !kind.is_empty() {
            self.batch.snapshot.declared_empty.insert(kind);
        }
    }

    fn no_object(&mut self, position: Position) {
        if self.manner.anything {
            self.batch.kindless += 1;
            return;
        }
        let diagnostic =
            Diagnostic::error("not a Kubernetes object: expected a map with apiVersion and kind");
        self.batch.find(diagnostic, position, 0);
    }

    /// Adds an object; `items` says whether it has a list with that name, although its kind is not a list.
    fn object(&mut self, type_: &Type, written: &impl Written, items: bool) {
        if is_list(type_) {
            // Its items are null.
            return self.list(type_, true);
        }
        let is_cut_off = items && "List".starts_with(&type_.kind);
        if type_.kind.is_empty() && self.manner.anything {
            self.batch.kindless += 1;
            return;
        }
        let diagnostic = if is_cut_off {
            Diagnostic::error("items without `kind: List`, which kubectl prints after them").help(CUT_OFF)
        } else if type_.kind.is_empty() {
            Diagnostic::warning("not a Kubernetes object: it has no kind; ignored")
        } else {
            return self.batch.add(type_, written);
        };
        self.batch.find(diagnostic, written.position(), 0);
    }
}

pub(super) fn is_list(type_: &Type) -> bool {
    type_.kind.ends_with("List")
}

pub(super) fn yaml_type(tape: &Tape, index: usize) -> Type {
    let field = |name| {
        let value = tape.get(index, name).and_then(|value| tape.target(value));
        value.and_then(|value| tape.text(value)).unwrap_or_default().to_owned()
    };
    Type { api_version: field("apiVersion"), kind: field("kind") }
}

/// A YAML document and where in the source it begins.
pub(super) struct YamlDocument<'t, 'a> {
    pub(super) tape: &'t Tape<'a>,
    pub(super) text: &'t str,
    pub(super) start: usize,
}

impl YamlDocument<'_, '_> {
    /// The bytes of the source between two bytes of the document, without trailing blanks.
    fn range(&self, start: u32, end: u32) -> std::ops::Range<usize> {
        let text = self.text.get(start as usize..end as usize).unwrap_or_default();
        let start = self.start + start as usize;
        start..start + text.trim_end().len()
    }
}

struct YamlObject<'t, 'a> {
    document: &'t YamlDocument<'t, 'a>,
    index: usize,
    text: &'t str,
    position: Position,
}

impl Written for YamlObject<'_, '_> {
    fn decode<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Wrong> {
        let YamlDocument { tape, start, .. } = self.document;
        tape.decode(self.index).map_err(|Misfit { fault, path }| Wrong {
            message: fault.message,
            place: Where::Byte(start + fault.offset),
            path,
        })
    }

    fn standalone(&self) -> String {
        super::source::standalone(self.text, self.position).unwrap_or_default()
    }

    fn position(&self) -> Position {
        self.position
    }

    fn repeated(&self) -> Vec<Repeated> {
        Repeated::all(self.document.tape, self.index, self.document.start)
    }
}

/// The beginning of the first line that is neither blank nor a comment.
fn skip_blank_lines(text: &str, mut position: usize) -> usize {
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        // If several texts were put together, any of them may begin with a byte order mark.
        let mark = line.len() - line.trim_start_matches('\u{feff}').len();
        let content = line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if !content.is_empty() && !content.starts_with('#') {
            position += mark;
            break;
        }
        position += line.len();
    }
    position
}

/// Where the YAML document that begins at a position ends: at the next separator or log section.
pub(super) fn yaml_end(text: &str, start: usize) -> usize {
    let next_line = |begins_with: &str, end: usize| {
        let bytes = text.as_bytes().get(start..end)?;
        let newline = memmem::find(bytes, format!("\n{begins_with}").as_bytes())?;
        Some(start + newline + 1)
    };
    let end = next_line(SEPARATOR, text.len()).unwrap_or(text.len());
    next_line(LOG_START, end).unwrap_or(end)
}
