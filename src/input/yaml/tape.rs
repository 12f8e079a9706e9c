//! One document as a flat list of nodes in the order of the text.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use libyaml_safer::{EventData, ScalarStyle};

use super::events::{Event, Events};
use super::scalar::{is_no_json, is_surely_text, key_text, tagged};
use super::value::Value;
use super::{Fault, MAX_DEPTH};

/// A value, with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::input) struct Node<'a> {
    /// The value.
    pub(in crate::input) value: Value<'a>,
    /// Index of the node after this one and its contents.
    pub(in crate::input) next: usize,
    /// Its first byte.
    pub(in crate::input) start: u32,
    /// The byte after it, for maps and sequences; blank lines and comments may be included.
    pub(in crate::input) end: u32,
}

/// A key that occurs twice in a map: the indices of two consecutive occurrences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::input) struct Repeated {
    pub(in crate::input) first: usize,
    pub(in crate::input) second: usize,
}

/// Documents of this many bytes are refused: places in a text are numbers of 32 bits.
const MOST_BYTES: u64 = 1 << 32;

/// A document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::input) struct Tape<'a> {
    nodes: Vec<Node<'a>>,
    repeated: Vec<Repeated>,
    /// Where text begins that, as in kubectl, is not read: after `...`.
    pub(in crate::input) unread: Option<usize>,
    /// How many nodes have been decoded through aliases so far.
    pub(super) aliased: Cell<usize>,
}

impl<'a> Tape<'a> {
    /// Reads one document.
    pub(in crate::input) fn read(text: &str) -> Result<Self, Fault> {
        Self::read_below(text, MOST_BYTES)
    }

    /// The same for a document of fewer bytes than this.
    fn read_below(text: &str, bytes: u64) -> Result<Self, Fault> {
        if text.len() as u64 >= bytes {
            let message =
                "a YAML document of 4 GiB or more is not read: split it with lines of `---`".to_owned();
            return Err(Fault { message, offset: 0 });
        }
        let mut builder = Builder::default();
        let mut events = Events::new(text);
        while let Some(event) = events.next()? {
            builder.event(event)?;
        }
        let rest = events.document_end();
        let mut tape = builder.finish();
        tape.unread = has_content(text.get(rest..).unwrap_or_default()).then_some(rest);
        Ok(tape)
    }

    /// The node at an index, or none beyond the end.
    pub(in crate::input) fn node(&self, index: usize) -> Option<&Node<'a>> {
        self.nodes.get(index)
    }

    /// Keys that occur twice in the maps within a node.
    pub(in crate::input) fn repeated(&self, index: usize) -> impl Iterator<Item = Repeated> {
        let end = self.nodes.get(index).map_or(0, |node| node.next);
        self.repeated.iter().copied().filter(move |repeated| (index..end).contains(&repeated.first))
    }

    /// Indices of the elements of a sequence, or of the keys of a map.
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

    /// Index of the value of a key in a map; if there are several the last, as for kubectl.
    pub(in crate::input) fn get(&self, map: usize, key: &str) -> Option<usize> {
        let Value::Map { overrides } = self.nodes.get(map)?.value else { return None };
        let has_key = |child: &usize| self.nodes.get(*child).and_then(|node| node.value.text()) == Some(key);
        let mut keys = self.children(map).filter(has_key);
        let found = if overrides { keys.last() } else { keys.next() };
        found.map(|key| key + 1)
    }

    /// The text of a scalar.
    pub(in crate::input) fn text(&self, index: usize) -> Option<&str> {
        self.nodes.get(index)?.value.text()
    }
}

/// Whether a text has anything other than blanks, comments and markers.
fn has_content(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.any(|line| !line.is_empty() && !line.starts_with('#') && line != "..." && line != "---")
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Builds a tape from what is found, in the order of the text.
#[derive(Default)]
pub(in crate::input) struct Builder<'a> {
    nodes: Vec<Node<'a>>,
    open: Vec<usize>,
    anchors: HashMap<String, usize>,
    keys: Vec<usize>,
    repeated: Vec<Repeated>,
}

impl<'a> Builder<'a> {
    /// At most this many duplicate keys are noted.
    const MAX_REPEATED: usize = 100;

    fn event(&mut self, event: Event) -> Result<(), Fault> {
        let Event { data, start, end } = event;
        match data {
            EventData::Scalar { anchor, tag, value, style, .. } => {
                self.anchor(anchor);
                let value = scalar(value, style, tag.as_deref()).map_err(|message| at(start, message))?;
                self.push_at(value, start, end);
            }
            EventData::SequenceStart { anchor, .. } => {
                self.anchor(anchor);
                self.open_at(Value::Sequence, start)?;
            }
            EventData::MappingStart { anchor, .. } => {
                self.anchor(anchor);
                self.open_at(Value::Map { overrides: false }, start)?;
            }
            EventData::SequenceEnd | EventData::MappingEnd => self.close_at(end)?,
            EventData::Alias { anchor } => self.alias(&anchor, start, end)?,
            _ => {}
        }
        Ok(())
    }

    fn anchor(&mut self, anchor: Option<String>) {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, self.nodes.len());
        }
    }

    /// Adds a scalar.
    pub(in crate::input) fn push_at(&mut self, value: Value<'a>, start: usize, end: usize) {
        let next = self.nodes.len() + 1;
        self.nodes.push(Node { value, next, start: narrow(start), end: narrow(end) });
    }

    /// Begins a map or sequence.
    pub(in crate::input) fn open_at(&mut self, value: Value<'a>, start: usize) -> Result<(), Fault> {
        if self.open.len() == MAX_DEPTH {
            return Err(at(
                start,
                format!("nested deeper than {MAX_DEPTH} levels, which no Kubernetes object is"),
            ));
        }
        self.open.push(self.nodes.len());
        self.push_at(value, start, start);
        Ok(())
    }

    /// Ends the map or sequence begun last.
    pub(in crate::input) fn close_at(&mut self, end: usize) -> Result<(), Fault> {
        let Some(index) = self.open.pop() else {
            return Ok(());
        };
        let overrides = self.settle_keys(index)?;
        let next = self.nodes.len();
        if let Some(node) = self.nodes.get_mut(index) {
            node.next = next;
            node.end = narrow(end);
            if let Value::Map { overrides: flag } = &mut node.value {
                *flag = overrides;
            }
        }
        Ok(())
    }

    /// The nodes added.
    pub(in crate::input) fn finish(self) -> Tape<'a> {
        Tape { nodes: self.nodes, repeated: self.repeated, unread: None, aliased: Cell::new(0) }
    }

    /// Turns the keys of a map into the strings that they are in JSON; returns whether one is `<<` or occurs twice.
    fn settle_keys(&mut self, map: usize) -> Result<bool, Fault> {
        if !matches!(self.nodes.get(map), Some(Node { value: Value::Map { .. }, .. })) {
            return Ok(false);
        }
        self.keys.clear();
        let mut merges = false;
        let mut key = map + 1;
        while let Some(node) = self.nodes.get(key) {
            let next = node.next;
            if matches!(&node.value, Value::Plain(text) if is_surely_text(text)) {
                self.keys.push(key);
            } else if node.value.is_merge_key() {
                merges = true;
            } else {
                if let Some(value) = self.settled(node)? {
                    self.set(key, value);
                }
                self.keys.push(key);
            }
            key = self.nodes.get(next).map_or(usize::MAX, |value| value.next);
        }
        Ok(self.note_repeated() || merges)
    }

    /// What a key becomes, unless it stays as it is.
    fn settled(&self, node: &Node<'a>) -> Result<Option<Value<'a>>, Fault> {
        let value = match &node.value {
            Value::Alias(target) => self.nodes.get(*target).map(|node| &node.value),
            value => Some(value),
        };
        let wrong = |message: &str| at(node.start as usize, message.to_owned());
        match value {
            Some(Value::Plain(text)) => match key_text(text) {
                Ok(Some(key)) => Ok(Some(Value::String(Cow::Owned(key)))),
                Ok(None) if matches!(node.value, Value::Alias(_)) => Ok(Some(Value::String(text.clone()))),
                Ok(None) => Ok(None),
                Err(message) => Err(wrong(message)),
            },
            Some(Value::String(text)) if matches!(node.value, Value::Alias(_)) => {
                Ok(Some(Value::String(text.clone())))
            }
            Some(Value::String(_)) => Ok(None),
            _ => Err(wrong("a map's key is not a string")),
        }
    }

    fn set(&mut self, index: usize, value: Value<'a>) {
        if let Some(node) = self.nodes.get_mut(index) {
            node.value = value;
        }
    }

    /// Notes the keys that occur twice; returns whether any does.
    fn note_repeated(&mut self) -> bool {
        let nodes = &self.nodes;
        let text = |key: &usize| nodes.get(*key).and_then(|node| node.value.text());
        let mut rest = self.keys.as_slice();
        let few = rest.len() <= 16;
        while let (true, [key, others @ ..]) = (few, rest) {
            if others.iter().any(|other| text(other) == text(key)) {
                break;
            }
            rest = others;
        }
        if few && rest.is_empty() {
            return false;
        }
        self.keys.sort_by_key(|key| (text(key), *key));
        let pairs = self.keys.iter().zip(self.keys.iter().skip(1));
        let repeated = pairs.filter(|(a, b)| text(a) == text(b));
        let repeated: Vec<_> = repeated.map(|(a, b)| Repeated { first: *a, second: *b }).collect();
        let left = Self::MAX_REPEATED.saturating_sub(self.repeated.len());
        self.repeated.extend(repeated.iter().take(left));
        !repeated.is_empty()
    }

    fn alias(&mut self, anchor: &str, start: usize, end: usize) -> Result<(), Fault> {
        let target = self.anchors.get(anchor).copied();
        let target = target.ok_or_else(|| at(start, format!("the alias {anchor:?} has no anchor")))?;
        if self.open.contains(&target) {
            return Err(at(start, "the alias refers to what contains it".to_owned()));
        }
        self.push_at(Value::Alias(target), start, end);
        Ok(())
    }
}

fn at(offset: usize, message: String) -> Fault {
    Fault { message, offset }
}

fn scalar<'a>(text: String, style: ScalarStyle, tag: Option<&str>) -> Result<Value<'a>, String> {
    match (tag, style) {
        (Some(tag), _) => tagged(tag, text),
        (None, ScalarStyle::Plain) if is_no_json(&text) => Err(format!("{text} is not a number in JSON")),
        (None, ScalarStyle::Plain) => Ok(Value::Plain(Cow::Owned(text))),
        (None, _) => Ok(Value::String(Cow::Owned(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(text: &str) -> (String, usize) {
        let fault = Tape::read(text).unwrap_err();
        (fault.message, fault.offset)
    }

    /// 4 GiB are too many for a test, so the bound is lowered.
    #[test]
    fn a_document_of_too_many_bytes_is_refused() {
        let text = "kind: Node";
        let fault = Tape::read_below(text, text.len() as u64).unwrap_err();
        assert_eq!(
            fault.message,
            "a YAML document of 4 GiB or more is not read: split it with lines of `---`"
        );
        assert!(Tape::read_below(text, text.len() as u64 + 1).is_ok());
        assert_eq!(MOST_BYTES, 4 << 30);
    }

    #[test]
    fn a_key_given_twice_is_noted() {
        let repeated = |text: &str| {
            let tape = Tape::read(text).unwrap();
            let at = |index| tape.node(index).unwrap().start;
            tape.repeated(0).map(|twice| (at(twice.first), at(twice.second))).collect::<Vec<_>>()
        };
        assert_eq!(repeated("a: 1\nb: 2\na: 3\n"), [(0, 10)]);
        assert_eq!(repeated("a: 1\na: 2\na: 3\n"), [(0, 5), (5, 10)]);
        let many: String = (0..40).map(|n| format!("k{n}: 1\n")).collect();
        assert_eq!(repeated(&format!("{many}k7: 2\n")), [(35 + 7, narrow(many.len()))]);
        assert_eq!(repeated("0x50: 1\n80: 2\n").len(), 1);
        let tape = Tape::read("a: 1\na: 2\n").unwrap();
        assert_eq!(tape.text(tape.get(0, "a").unwrap()), Some("2"));
    }

    #[test]
    fn keys_are_what_they_are_in_json() {
        let tape = Tape::read("y: 0\n0x50: 0\n1.50: 0\n1e6: 0\non: 0\n'y': 0\n2024-01-01: 0\n").unwrap();
        let keys: Vec<_> = tape.children(0).filter_map(|key| tape.text(key)).collect();
        assert_eq!(keys, ["true", "80", "1.5", "1e+06", "true", "y", "2024-01-01"]);
        assert!(Tape::read("~: 1\n").is_err());
        assert!(Tape::read("? [a]\n: 1\n").is_err());
    }

    #[test]
    fn tags_tell_what_a_scalar_is() {
        for (text, value) in [
            ("! 80", Some("String(\"80\")")),
            ("!foo 80", Some("String(\"80\")")),
            ("!!str 80", Some("String(\"80\")")),
            ("!!int \"80\"", Some("Plain(\"80\")")),
            ("!!float 80", Some("Plain(\"80\")")),
            ("!!binary d2Vi", Some("String(\"web\")")),
            ("!!null ''", Some("Plain(\"\")")),
            ("!!bool yes", Some("Plain(\"yes\")")),
            ("!!int x", None),
            ("!!bool 1", None),
            ("!!binary +", None),
            (".inf", None),
            ("-.INF", None),
        ] {
            let tape = Tape::read(text).ok();
            let found = tape.and_then(|tape| tape.node(0).map(|node| format!("{:?}", node.value)));
            assert_eq!(found.as_deref(), value, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let text = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(fault_of(&text).0, "nested deeper than 200 levels, which no Kubernetes object is");
        let nested = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(Tape::read(&nested).is_ok());
    }

    #[test]
    fn what_follows_the_end_of_the_document_is_not_read() {
        assert_eq!(Tape::read("a: 1\n...\n# x\n").unwrap().unread, None);
        assert!(Tape::read("a: 1\n...\nb: 2\n").unwrap().unread.is_some());
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
