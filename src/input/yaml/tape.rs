//! One document as a flat list of nodes in the order of the text.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{Fault, MAX_DEPTH};

/// A value, with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::input) struct Node<'a> {
    /// The value.
    pub(in crate::input) value: Value<'a>,
    /// Index of the node after this one and all it contains.
    pub(in crate::input) next: usize,
    /// Line of its first character, counted from 0.
    pub(in crate::input) line: u32,
    /// Its first character, counted in characters.
    pub(in crate::input) start: u32,
    /// The character behind it, for maps and sequences; blank lines and comments may be included.
    pub(in crate::input) end: u32,
}

/// What a node is. The nodes contained follow; a map's are keys and values in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::input) enum Value<'a> {
    /// A scalar whose text alone tells what it is.
    Plain(Cow<'a, str>),
    /// A string.
    String(Cow<'a, str>),
    /// A sequence.
    Sequence,
    /// A map; `merges` if it has the key `<<`.
    Map {
        /// Whether it has the key `<<`.
        merges: bool,
    },
    /// A second use of the node at that index.
    Alias(usize),
}

impl Value<'_> {
    /// The text of a scalar.
    pub(in crate::input) fn text(&self) -> Option<&str> {
        match self {
            Value::Plain(text) | Value::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::input) struct Tape<'a> {
    nodes: Vec<Node<'a>>,
    /// How many nodes were decoded through aliases so far.
    pub(super) aliased: Cell<usize>,
}

impl<'a> Tape<'a> {
    /// Reads one document.
    pub(in crate::input) fn read(text: &'a str) -> Result<Self, Fault> {
        Tape::build(text, Builder::default())
    }

    /// Reads one document in which keys may stand twice.
    pub(in crate::input) fn read_with_repeated_keys(text: &'a str) -> Result<Self, Fault> {
        Tape::build(text, Builder { may_repeat_keys: true, ..Builder::default() })
    }

    fn build(text: &'a str, mut builder: Builder<'a>) -> Result<Self, Fault> {
        if u32::try_from(text.len()).is_err() {
            let message = "a YAML document of 4 GiB or more is not read".to_owned();
            return Err(Fault { message, line: 0 });
        }
        let mut parser = Parser::new(StrInput::new(text));
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| scan_fault(&error))?;
            builder.event(event, span)?;
        }
        Ok(builder.finish())
    }

    /// The node at an index, or nothing beyond the end.
    pub(in crate::input) fn node(&self, index: usize) -> Option<&Node<'a>> {
        self.nodes.get(index)
    }

    /// Indexes of what a sequence contains, or of the keys of a map.
    pub(in crate::input) fn children(&self, index: usize) -> impl Iterator<Item = usize> {
        let (is_map, end) = match self.nodes.get(index) {
            Some(node) => (matches!(node.value, Value::Map { .. }), node.next),
            None => (false, 0),
        };
        let step = move |child: &usize| {
            let next = self.nodes.get(*child)?.next;
            if is_map { self.nodes.get(next).map(|value| value.next) } else { Some(next) }
        };
        let first = (index + 1 < end).then_some(index + 1);
        std::iter::successors(first, step).take_while(move |child| *child < end)
    }

    /// The index itself, or that of the node to which the alias there refers.
    pub(in crate::input) fn target(&self, mut index: usize) -> Option<usize> {
        while let Value::Alias(target) = self.nodes.get(index)?.value {
            index = target;
        }
        Some(index)
    }

    /// Index of an element of a sequence.
    pub(in crate::input) fn element(&self, sequence: usize, n: usize) -> Option<usize> {
        matches!(self.nodes.get(sequence)?.value, Value::Sequence).then(|| self.children(sequence).nth(n))?
    }

    /// Index of the value of a key of a map.
    pub(in crate::input) fn get(&self, map: usize, key: &str) -> Option<usize> {
        if !matches!(self.nodes.get(map)?.value, Value::Map { .. }) {
            return None;
        }
        let has_key = |child: &usize| self.nodes.get(*child).and_then(|node| node.value.text()) == Some(key);
        self.children(map).find(has_key).map(|key| key + 1)
    }

    /// The text of a scalar.
    pub(in crate::input) fn text(&self, index: usize) -> Option<&str> {
        self.nodes.get(index)?.value.text()
    }
}

fn scan_fault(error: &ScanError) -> Fault {
    Fault { message: format!("not YAML: {}", error.info()), line: line(error.marker()) }
}

fn line_of(span: &Span) -> usize {
    span.start.line().saturating_sub(1)
}

fn line(marker: &Marker) -> u32 {
    narrow(marker.line().saturating_sub(1))
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Makes a tape of what is found in the order of the text.
#[derive(Default)]
pub(super) struct Builder<'a> {
    nodes: Vec<Node<'a>>,
    open: Vec<usize>,
    anchors: HashMap<usize, usize>,
    keys: Vec<usize>,
    documents: usize,
    may_repeat_keys: bool,
}

impl<'a> Builder<'a> {
    fn event(&mut self, event: Event<'a>, span: Span) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.push(scalar(text, style, tag.as_deref()), anchor, span);
            }
            Event::SequenceStart(anchor, _) => self.open(Value::Sequence, anchor, span)?,
            Event::MappingStart(anchor, _) => self.open(Value::Map { merges: false }, anchor, span)?,
            Event::SequenceEnd | Event::MappingEnd => self.close_at(span.end.index())?,
            Event::Alias(anchor) => self.alias(anchor, span)?,
            Event::DocumentStart(_) => self.document(span)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'a>, anchor: usize, span: Span) {
        self.anchor(anchor);
        self.push_at(value, line_of(&span), span.start.index(), span.end.index());
    }

    fn anchor(&mut self, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, self.nodes.len());
        }
    }

    /// Adds a scalar.
    pub(super) fn push_at(&mut self, value: Value<'a>, line: usize, start: usize, end: usize) {
        let next = self.nodes.len() + 1;
        self.nodes.push(Node { value, next, line: narrow(line), start: narrow(start), end: narrow(end) });
    }

    fn open(&mut self, value: Value<'a>, anchor: usize, span: Span) -> Result<(), Fault> {
        self.anchor(anchor);
        self.open_at(value, line_of(&span), span.start.index())
    }

    /// Begins a map or sequence.
    pub(super) fn open_at(&mut self, value: Value<'a>, line: usize, start: usize) -> Result<(), Fault> {
        if self.open.len() == MAX_DEPTH {
            return Err(at(narrow(line), format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(self.nodes.len());
        self.push_at(value, line, start, start);
        Ok(())
    }

    /// Ends the map or sequence begun last.
    pub(super) fn close_at(&mut self, end: usize) -> Result<(), Fault> {
        let Some(index) = self.open.pop() else {
            return Ok(());
        };
        let merges = self.check_keys(index)?;
        let next = self.nodes.len();
        if let Some(node) = self.nodes.get_mut(index) {
            node.next = next;
            node.end = narrow(end);
            if let Value::Map { merges: flag } = &mut node.value {
                *flag = merges;
            }
        }
        Ok(())
    }

    /// The nodes added.
    pub(super) fn finish(self) -> Tape<'a> {
        Tape { nodes: self.nodes, aliased: Cell::new(0) }
    }

    /// Refuses a key given twice; tells whether there is a merge key.
    fn check_keys(&mut self, map: usize) -> Result<bool, Fault> {
        if !matches!(self.nodes.get(map), Some(Node { value: Value::Map { .. }, .. })) {
            return Ok(false);
        }
        self.keys.clear();
        let mut merges = false;
        let mut key = map + 1;
        while let Some(node) = self.nodes.get(key) {
            match &node.value {
                Value::Plain(text) if text == "<<" => merges = true,
                Value::Plain(_) | Value::String(_) => self.keys.push(key),
                _ => return Err(at(node.line, "a map's key is not a string".to_owned())),
            }
            key = self.nodes.get(node.next).map_or(usize::MAX, |value| value.next);
        }
        let may_repeat = self.may_repeat_keys;
        match self.repeated() {
            Some(node) if !may_repeat => {
                let key = node.value.text().unwrap_or_default();
                Err(at(node.line, format!("the key {key:?} is already set in this map")))
            }
            _ => Ok(merges),
        }
    }

    fn repeated(&mut self) -> Option<&Node<'a>> {
        let nodes = &self.nodes;
        let text = |key: &usize| nodes.get(*key).and_then(|node| node.value.text());
        let repeated = if self.keys.len() <= 16 {
            let earlier = |n: usize| self.keys.iter().take(n);
            let mut keys = self.keys.iter().enumerate();
            keys.find(|(n, key)| earlier(*n).any(|other| text(other) == text(key))).map(|(_, key)| *key)
        } else {
            self.keys.sort_by_key(|key| (text(key), *key));
            let mut pairs = self.keys.iter().zip(self.keys.iter().skip(1));
            pairs.find(|(a, b)| text(a) == text(b)).map(|(_, key)| *key)
        };
        repeated.and_then(|key| nodes.get(key))
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Fault> {
        let target = self.anchors.get(&anchor).copied();
        let target = target.ok_or_else(|| fault(span, "the alias has no anchor".to_owned()))?;
        if self.open.contains(&target) {
            return Err(fault(span, "the alias refers to what contains it".to_owned()));
        }
        self.push(Value::Alias(target), 0, span);
        Ok(())
    }

    fn document(&mut self, span: Span) -> Result<(), Fault> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(fault(span, "not YAML: text behind the end of the document".to_owned()));
        }
        Ok(())
    }
}

fn fault(span: Span, message: String) -> Fault {
    at(line(&span.start), message)
}

fn at(line: u32, message: String) -> Fault {
    Fault { message, line }
}

fn scalar<'a>(text: Cow<'a, str>, style: ScalarStyle, tag: Option<&Tag>) -> Value<'a> {
    let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    match (core, style) {
        (Some("str" | "binary"), _) | (None, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) => {
            Value::String(text)
        }
        (None, ScalarStyle::Literal | ScalarStyle::Folded) => Value::String(text),
        _ => Value::Plain(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(text: &str) -> (String, u32) {
        let fault = Tape::read(text).unwrap_err();
        (fault.message, fault.line)
    }

    #[test]
    fn a_key_given_twice_is_refused_with_its_line() {
        let twice = ("the key \"a\" is already set in this map".to_owned(), 2);
        assert_eq!(fault_of("a: 1\nb: 2\na: 3\n"), twice);
        let many: String = (0..40).map(|n| format!("k{n}: 1\n")).collect();
        assert_eq!(fault_of(&format!("{many}k7: 2\n")).1, 40);
    }

    #[test]
    fn nesting_is_bounded() {
        let text = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(fault_of(&text).0, "nested deeper than 200 levels");
        let nested = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(Tape::read(&nested).is_ok());
    }

    #[test]
    fn an_alias_to_itself_is_refused() {
        assert_eq!(fault_of("&a [1, *a]").0, "the alias refers to what contains it");
    }

    #[test]
    fn children_are_keys_or_elements() {
        let tape = Tape::read("a: [x, [y], z]\nb: 2\n").unwrap();
        let texts: Vec<_> = tape.children(0).filter_map(|key| tape.text(key)).collect();
        assert_eq!(texts, ["a", "b"]);
        let list = tape.get(0, "a").unwrap();
        assert_eq!(tape.children(list).count(), 3);
        assert_eq!(tape.children(tape.get(0, "b").unwrap()).count(), 0);
    }
}
