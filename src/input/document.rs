//! A text to its documents and objects: YAML, JSON, and the sections of `kubectl cluster-info dump`.

use memchr::memmem;

use super::json;
use super::object::{Batch, Type, Written, Wrong};
use super::position::{Position, SourceId};
use super::yaml::{Fault, Tape, Value};
use crate::diagnostic::Diagnostic;
use serde::Deserialize;

/// Deepest nesting of lists in lists.
const MAX_LISTS: usize = 16;

const CUT_OFF: &str = "the dump was cut off: take it again";
const LOG_START: &str = "==== START logs for container ";

/// Reads all objects of a text; `quick` allows the quick way through lists, which gives the same.
pub(super) fn read(text: &str, source: SourceId, quick: bool) -> Batch {
    let mut reader = Reader { text, source, quick, batch: Batch::default() };
    let mut position = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while let Some(next) = reader.document(position) {
        position = next;
    }
    reader.batch
}

/// Reads objects of one text.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) source: SourceId,
    pub(super) quick: bool,
    pub(super) batch: Batch,
}

impl<'a> Reader<'a> {
    /// Reads what stands at a position; tells where the next document begins.
    fn document(&mut self, position: usize) -> Option<usize> {
        let position = skip_blank_lines(self.text, position);
        let rest = self.text.get(position..)?;
        if rest.is_empty() {
            return None;
        }
        if rest.starts_with(LOG_START) {
            return self.log(position, rest);
        }
        let content = position + rest.len() - skip_markers(rest).len();
        if self.text.get(content..)?.starts_with(['{', '[']) {
            return Some(self.json(content));
        }
        let position = last_marker(self.text, position, content);
        if let Some(end) = self.yaml_list(position) {
            return Some(end);
        }
        let end = yaml_end(self.text, position);
        self.yaml(position, end);
        Some(end)
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

    /// Reads one JSON value; tells where it ends.
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
            // Flow-style YAML begins as JSON does.
            self.yaml(start, end);
        } else {
            let diagnostic = Diagnostic::error(format!("not JSON: {}", json::message(&error)));
            self.batch.find(diagnostic, self.position(start..start), json::lines_before(&error));
        }
        end
    }

    pub(super) fn json_value(&mut self, value: &'a str, default: &Type, lists: usize) {
        let position = self.position(self.range_of(value));
        let outline = match json::outline(value) {
            Ok(outline) => outline,
            Err(error) => {
                let diagnostic = Diagnostic::error(json::message(&error));
                return self.batch.find(diagnostic, position, json::lines_before(&error));
            }
        };
        let type_ = if outline.type_.kind.is_empty() { default } else { &outline.type_ };
        match outline.items {
            Some(items) if is_list(type_) || value.starts_with('[') => {
                let of_items = type_.of_items();
                if self.deep_enough(lists, position) {
                    self.batch.documents += 1;
                    items.into_iter().for_each(|item| self.json_value(item, &of_items, lists + 1));
                }
            }
            items => self.object(type_, &json::Text { text: value, position }, items.is_some()),
        }
    }

    /// The bytes of the text that a part of it stands on.
    fn range_of(&self, part: &str) -> std::ops::Range<usize> {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start + part.len()
    }

    /// Reads one YAML document.
    fn yaml(&mut self, start: usize, end: usize) {
        let text = self.text.get(start..end).unwrap_or_default();
        match Tape::read(text) {
            Ok(tape) => {
                let document = YamlDocument { tape: &tape, characters: Characters::new(text), start };
                self.yaml_value(&document, 0, &Type::default(), 0);
            }
            Err(Fault { message, line }) => {
                self.batch.find(Diagnostic::error(message), self.position(start..start), line);
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
            Value::Plain(ref text) if text.is_empty() => return,
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
                    self.batch.documents += 1;
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
            let message = format!("more than {MAX_LISTS} lists within one another");
            self.batch.find(Diagnostic::error(message), position, 0);
        }
        fine
    }

    fn no_object(&mut self, position: Position) {
        let diagnostic =
            Diagnostic::error("not a Kubernetes object: expected a map with apiVersion and kind");
        self.batch.find(diagnostic, position, 0);
    }

    /// Adds an object; `items` tells whether it has a list of that name, though it is no list by its kind.
    fn object(&mut self, type_: &Type, written: &impl Written, items: bool) {
        if is_list(type_) {
            // Its items are null.
            self.batch.documents += 1;
            return;
        }
        let is_cut_off = items && "List".starts_with(&type_.kind);
        let diagnostic = if is_cut_off {
            Diagnostic::error("items without `kind: List`, which kubectl prints after them").help(CUT_OFF)
        } else if type_.kind.is_empty() {
            Diagnostic::warning("no Kubernetes object: it has no kind; passed over")
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
    pub(super) characters: Characters<'a>,
    pub(super) start: usize,
}

impl YamlDocument<'_, '_> {
    /// The bytes of the source between two characters of the document, blanks at the end left out.
    fn range(&self, start: u32, end: u32) -> std::ops::Range<usize> {
        let (start, end) = (self.characters.byte(start), self.characters.byte(end));
        let text = self.characters.text.get(start..end).unwrap_or_default();
        let start = self.start + start;
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
        let tape = self.document.tape;
        tape.decode(self.index).map_err(|Fault { message, line }| Wrong {
            message,
            line: Some(line),
            path: tape.wrong_path::<T>(self.index),
        })
    }

    fn standalone(&self) -> String {
        super::source::standalone(self.text, self.position).unwrap_or_default()
    }

    fn position(&self) -> Position {
        self.position
    }

    fn lines_from(&self) -> usize {
        self.document.start
    }
}

/// Finds the byte of a character, without counting from the beginning each time.
pub(super) struct Characters<'a> {
    text: &'a str,
    /// The byte of every [`Characters::STEP`]th character; empty where each character is one byte.
    bytes: Vec<usize>,
}

impl<'a> Characters<'a> {
    const STEP: usize = 256;

    pub(super) fn new(text: &'a str) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().step_by(Self::STEP).map(|(byte, _)| byte).collect()
        };
        Characters { text, bytes }
    }

    fn byte(&self, character: u32) -> usize {
        let character = character as usize;
        if self.bytes.is_empty() {
            return character.min(self.text.len());
        }
        let start = self.bytes.get(character / Self::STEP).copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        let within = rest.char_indices().nth(character % Self::STEP);
        within.map_or(self.text.len(), |(byte, _)| start + byte)
    }
}

/// Where the first line begins that is neither blank nor a comment.
fn skip_blank_lines(text: &str, mut position: usize) -> usize {
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        let content = line.trim();
        if !content.is_empty() && !content.starts_with('#') && content != "..." {
            break;
        }
        position += line.len();
    }
    position
}

/// The last of the document markers that stand between two positions: those before it begin empty documents, and to go
/// through them one by one, each time to the last, would take time quadratic in their number.
fn last_marker(text: &str, start: usize, content: usize) -> usize {
    let markers = text.get(start..content).unwrap_or_default();
    markers.rfind("\n---").map_or(start, |newline| start + newline + 1)
}

/// What follows document markers and blanks.
fn skip_markers(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some(after) = rest.strip_prefix("---").filter(|after| after.starts_with(char::is_whitespace)) {
        rest = after.trim_start();
    }
    rest
}

/// Where the YAML document ends that begins at a position: at the next document marker or log section.
pub(super) fn yaml_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes().get(start..).unwrap_or_default();
    let mut only_directives = true;
    let mut line_start = 0;
    for newline in memchr::memchr_iter(b'\n', bytes) {
        let line = bytes.get(line_start..newline).unwrap_or_default();
        only_directives = only_directives && matches!(line.first(), None | Some(b'%' | b'#' | b'\r'));
        line_start = newline + 1;
        let next = bytes.get(line_start..).unwrap_or_default();
        if !only_directives && ends_document(next) {
            return start + line_start;
        }
    }
    text.len()
}

pub(super) fn ends_document(line: &[u8]) -> bool {
    let marker = line.strip_prefix(b"---").or_else(|| line.strip_prefix(b"..."));
    match marker {
        Some(after) => matches!(after.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')),
        None => line.starts_with(LOG_START.as_bytes()),
    }
}
