//! The texts that were read, and the positions of bytes and fields in them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::json_text;
use super::position::{Position, SourceId};
use super::yaml::{Tape, Value};
use crate::diagnostic::Place;

/// The texts read, kept so that line numbers can be found on demand.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    sources: Vec<Source>,
    latest: Latest,
}

/// The object whose fields were looked up last: usually several lookups in a row are about one object.
#[derive(Debug, Default)]
struct Latest(Mutex<Option<(Position, Fields)>>);

impl Latest {
    fn take(&self) -> Option<(Position, Fields)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, latest: (Position, Fields)) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(latest);
    }
}

impl Clone for Latest {
    fn clone(&self) -> Self {
        Latest::default()
    }
}

/// The fields of an object, with their places.
#[derive(Debug)]
struct Fields {
    tape: Option<Tape<'static>>,
    /// Blanks added before the object's text.
    indent: usize,
}

#[derive(Debug, Clone)]
struct Source {
    name: Arc<str>,
    text: String,
    /// Whether it was found in a folder rather than named.
    met_in_folder: bool,
    /// Line breaks before each block of [`BLOCK`] bytes.
    breaks: OnceLock<Vec<u32>>,
    /// Where each document in a stream of JSON ends; empty for other text.
    json_ends: OnceLock<Vec<usize>>,
}

const BLOCK: usize = 1 << 16;

impl Sources {
    /// Adds the text of one file or pipe.
    pub fn add(&mut self, name: &str, text: String) -> SourceId {
        self.take(name, text, false)
    }

    /// Adds a text, possibly of a file that was found in a folder, where anything may be.
    pub(super) fn take(&mut self, name: &str, text: String, met_in_folder: bool) -> SourceId {
        let text = json_text::mend_surrogates(text);
        self.sources.push(Source {
            name: name.into(),
            text,
            met_in_folder,
            breaks: OnceLock::new(),
            json_ends: OnceLock::new(),
        });
        SourceId(u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX))
    }

    /// Numbers, names and texts of all sources, and whether they were found in a folder.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SourceId, &str, &str, bool)> {
        let sources = self.sources.iter();
        (0..)
            .map(SourceId)
            .zip(sources)
            .map(|(id, source)| (id, &*source.name, source.text.as_str(), source.met_in_folder))
    }

    /// The first line of the first text.
    pub fn first_place(&self) -> Option<Place> {
        self.sources.first().map(|source| Place { file: source.name.clone(), line: Some(1) })
    }

    /// The place of an object: its file and first line.
    pub fn place(&self, position: Position) -> Option<Place> {
        let source = self.source(position.source)?;
        Some(Place { file: source.name.clone(), line: Some(source.line(position.offset)) })
    }

    /// The place of a field of an object, such as `spec.ports[1].nodePort`; if it is absent, that of the nearest field
    /// that contains it.
    pub fn field_place(&self, position: Position, field: &str) -> Option<Place> {
        self.field_places(position, &[field]).pop()
    }

    /// The places of several fields of an object; empty if the object does not exist.
    pub fn field_places(&self, position: Position, fields: &[&str]) -> Vec<Place> {
        let Some(source) = self.source(position.source) else { return Vec::new() };
        // Several threads can look up fields of different objects at a time.
        let known = self.latest.take().filter(|(at, _)| *at == position).map(|(_, known)| known);
        let found = known.unwrap_or_else(|| Fields::read(&source.text, position));
        let offset = |field: &&str| found.offset(field);
        let at = |offset: usize| Place {
            file: source.name.clone(),
            line: Some(source.line(position.offset + offset.min(position.length))),
        };
        let places = fields.iter().map(|field| at(offset(field).unwrap_or(0))).collect();
        self.latest.keep((position, found));
        places
    }

    /// Whether two objects are in the same JSON document: in one list.
    pub(super) fn in_one_json_document(&self, a: Position, b: Position) -> bool {
        let Some(source) = self.source(a.source).filter(|_| a.source == b.source) else { return false };
        let document = |position: Position| {
            let ends = source.json_ends.get_or_init(|| json_text::document_ends(&source.text));
            ends.iter().position(|end| position.offset < *end)
        };
        document(a).is_some_and(|found| Some(found) == document(b))
    }

    /// The text of an object as a document of its own.
    pub fn standalone(&self, position: Position) -> Option<String> {
        standalone(&self.source(position.source)?.text, position)
    }

    fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(usize::try_from(id.0).ok()?)
    }
}

impl Fields {
    fn read(text: &str, position: Position) -> Self {
        let object = standalone(text, position).unwrap_or_default();
        let indent = object.len().saturating_sub(position.length);
        Fields { tape: Tape::read(&object).ok(), indent }
    }

    /// The byte of the object where the innermost existing field of a path is.
    fn offset(&self, field: &str) -> Option<usize> {
        let offset = offset_of_field(self.tape.as_ref()?, field)?;
        Some(offset.saturating_sub(self.indent))
    }
}

/// The text of an object as a document of its own: in block-style YAML its first line lacks the indentation of the
/// others.
pub(super) fn standalone(text: &str, position: Position) -> Option<String> {
    let object = text.get(position.offset..position.offset + position.length)?;
    let indent = if object.starts_with(['{', '[']) { 0 } else { indent_of(text, position.offset)? };
    Some(format!("{}{object}", " ".repeat(indent)))
}

/// Objects further to the right are not block-style YAML.
const MAX_INDENT: usize = 10_000;

/// Characters before a byte in its line.
fn indent_of(text: &str, offset: usize) -> Option<usize> {
    let before = text.as_bytes().get(..offset)?;
    let near = before.get(before.len().saturating_sub(MAX_INDENT)..)?;
    let line = near.get(memchr::memrchr(b'\n', near).map_or(0, |newline| newline + 1)..)?;
    Some(line.iter().filter(|byte| **byte & 0xc0 != 0x80).count())
}

impl Source {
    /// The line of a byte, counted from 1.
    fn line(&self, offset: usize) -> u32 {
        let breaks = self.breaks.get_or_init(|| breaks_before_blocks(self.text.as_bytes()));
        let block = offset / BLOCK;
        let bytes = self.text.as_bytes();
        let rest = bytes.get(block * BLOCK..offset.min(bytes.len())).unwrap_or_default();
        1 + breaks.get(block).copied().unwrap_or_default() + count_breaks(rest)
    }
}

fn breaks_before_blocks(bytes: &[u8]) -> Vec<u32> {
    let mut total = 0;
    let mut before = vec![0];
    for block in bytes.chunks(BLOCK) {
        total += count_breaks(block);
        before.push(total);
    }
    before
}

fn count_breaks(bytes: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u32::MAX)
}

/// The byte where the innermost existing field of a path is.
fn offset_of_field(tape: &Tape<'_>, field: &str) -> Option<usize> {
    let mut key = 0;
    let mut value = 0;
    for segment in Segments(field) {
        while let Some(Value::Alias(target)) = tape.node(value).map(|node| &node.value) {
            value = *target;
        }
        let found = match segment {
            Segment::Key(name) => tape.get(value, name).map(|value| (value - 1, value)),
            Segment::Index(n) => tape.element(value, n).map(|element| (element, element)),
        };
        let Some(found) = found else { break };
        (key, value) = found;
    }
    tape.node(key).map(|node| node.start as usize)
}

/// A step of a field's path.
#[derive(Debug, PartialEq, Eq)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

/// The steps of a path such as `metadata.labels["a.b/c"]` or `spec.ports[1]`.
struct Segments<'a>(&'a str);

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let path = self.0.strip_prefix('.').unwrap_or(self.0);
        if let Some(bracket) = path.strip_prefix('[') {
            let quoted = bracket.strip_prefix('"');
            let (inside, rest) = match quoted {
                Some(quoted) => quoted.split_once("\"]")?,
                None => bracket.split_once(']')?,
            };
            self.0 = rest;
            let index = inside.parse().ok().filter(|_| quoted.is_none());
            return Some(index.map_or(Segment::Key(inside), Segment::Index));
        }
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (name, rest) = path.split_at(end);
        self.0 = rest;
        (!name.is_empty()).then_some(Segment::Key(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_into_keys_and_indexes() {
        let segments: Vec<_> = Segments("spec.ports[1].nodePort").collect();
        let expected =
            [Segment::Key("spec"), Segment::Key("ports"), Segment::Index(1), Segment::Key("nodePort")];
        assert_eq!(segments, expected);
        let segments: Vec<_> = Segments("labels[\"a.b/c\"][x/y]").collect();
        let expected = [Segment::Key("labels"), Segment::Key("a.b/c"), Segment::Key("x/y")];
        assert_eq!(segments, expected);
    }

    #[test]
    fn a_field_is_found_in_block_yaml_and_json() {
        let mut sources = Sources::default();
        let text =
            "items:\n- kind: Service\n  spec:\n    ports:\n    - name: a\n    - name: b\n      nodePort: 1\n";
        let source = sources.add("a.yaml", text.to_owned());
        let offset = text.find("kind").unwrap();
        let position = Position { source, offset, length: text.len() - offset };
        let line = |sources: &Sources, field| sources.field_place(position, field).unwrap().line;
        assert_eq!(line(&sources, "spec.ports[1].nodePort"), Some(7));
        assert_eq!(line(&sources, "spec.ports[1].absent"), Some(6));
        assert_eq!(line(&sources, "spec.ports[7]"), Some(4));
        assert_eq!(line(&sources, "absent"), Some(2));
        let json = "[\n{\n  \"spec\": {\n    \"ports\": [\n      80\n]}}]";
        let source = sources.add("a.json", json.to_owned());
        let position = Position { source, offset: 2, length: json.len() - 3 };
        assert_eq!(sources.field_place(position, "spec.ports[0]").unwrap().line, Some(5));
    }

    #[test]
    fn lines_are_counted_across_blocks() {
        let mut sources = Sources::default();
        let text = "x\n".repeat(BLOCK);
        let source = sources.add("a", text);
        for offset in [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK * 2 - 2] {
            let position = Position { source, offset, length: 0 };
            let line = u32::try_from(offset / 2 + 1).unwrap();
            assert_eq!(sources.place(position).unwrap().line, Some(line));
        }
    }
}
