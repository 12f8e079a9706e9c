//! The quick way to read a plain piece of block-style YAML, such as kubectl prints for nearly every item: one field per
//! line, scalars on one line, only ASCII. It does not read anything else, which is left to the YAML parser.

use std::borrow::Cow;

use super::tape::{Builder, Tape};
use super::value::Value;

impl<'a> Tape<'a> {
    /// Reads a piece that is a block sequence in the first column; none if it is not plain enough.
    pub(in crate::input) fn read_plain(text: &'a str) -> Option<Self> {
        if !text.is_ascii() || u32::try_from(text.len()).is_err() {
            return None;
        }
        let mut reader = Reader::default();
        let mut start = 0;
        while start < text.len() {
            let rest = text.get(start..)?;
            let length = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
            reader.line(rest.get(..length)?, start)?;
            start += length + 1;
        }
        reader.finish(text.len())
    }
}

/// A map or sequence that may continue, and the column of its keys or dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    indent: usize,
    is_sequence: bool,
}

#[derive(Default)]
struct Reader<'a> {
    builder: Builder<'a>,
    open: Vec<Open>,
    /// Whether the last line ended with a key, whose value follows.
    value_follows: bool,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str, at: usize) -> Option<()> {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        let at = at + indent;
        if content.ends_with([' ', '\r']) {
            return None;
        }
        let entry = content.strip_prefix("- ");
        self.place(Open { indent, is_sequence: entry.is_some() }, at)?;
        let Some(element) = entry else { return self.field(content, at) };
        if key_length(element).is_some() {
            self.begin(Open { indent: indent + 2, is_sequence: false }, at + 2)?;
            return self.field(element, at + 2);
        }
        self.scalar(element, at + 2)
    }

    /// Ends what a line ends, and begins what it begins.
    fn place(&mut self, here: Open, at: usize) -> Option<()> {
        if std::mem::take(&mut self.value_follows) || self.open.is_empty() {
            return self.place_value(here, at);
        }
        while self.open.last().is_some_and(|top| top.indent > here.indent || ends_beside(*top, here)) {
            self.open.pop();
            self.builder.close_at(at).ok()?;
        }
        (self.open.last() == Some(&here)).then_some(())
    }

    /// Begins the value of the preceding key, or the whole piece.
    fn place_value(&mut self, here: Open, at: usize) -> Option<()> {
        match self.open.last() {
            None if here == (Open { indent: 0, is_sequence: true }) => self.begin(here, at),
            Some(parent) if here.indent > parent.indent => self.begin(here, at),
            Some(parent) if here.is_sequence && here.indent == parent.indent => self.begin(here, at),
            _ => None,
        }
    }

    fn begin(&mut self, what: Open, at: usize) -> Option<()> {
        let value = if what.is_sequence { Value::Sequence } else { Value::Map { overrides: false } };
        self.open.push(what);
        self.builder.open_at(value, at).ok()
    }

    fn field(&mut self, content: &'a str, at: usize) -> Option<()> {
        let length = key_length(content)?;
        self.push(Value::Plain(Cow::Borrowed(content.get(..length)?)), at, length);
        match content.get(length + 1..)?.strip_prefix(' ') {
            Some(value) => self.scalar(value, at + length + 2),
            None => {
                self.value_follows = true;
                Some(())
            }
        }
    }

    fn scalar(&mut self, text: &'a str, at: usize) -> Option<()> {
        match text {
            "{}" => self.empty(Value::Map { overrides: false }, at),
            "[]" => self.empty(Value::Sequence, at),
            _ => {
                self.push(scalar(text)?, at, text.len());
                Some(())
            }
        }
    }

    fn empty(&mut self, value: Value<'a>, at: usize) -> Option<()> {
        self.builder.open_at(value, at).ok()?;
        self.builder.close_at(at + 2).ok()
    }

    fn push(&mut self, value: Value<'a>, at: usize, length: usize) {
        self.builder.push_at(value, at, at + length);
    }

    fn finish(mut self, end: usize) -> Option<Tape<'a>> {
        if self.value_follows || self.open.is_empty() {
            return None;
        }
        for _ in self.open {
            self.builder.close_at(end).ok()?;
        }
        Some(self.builder.finish())
    }
}

/// A sequence may be in the column of its key; the next key ends it.
fn ends_beside(top: Open, here: Open) -> bool {
    top.is_sequence && !here.is_sequence && top.indent == here.indent
}

/// Length of the plain key at the beginning of a text.
fn key_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/')) {
        return None;
    }
    let is_end = |at: &usize| bytes.get(*at) == Some(&b':') && matches!(bytes.get(at + 1), None | Some(b' '));
    let in_key = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-' | b':');
    let length = (0..bytes.len()).take_while(|at| bytes.get(*at).is_some_and(in_key)).find(is_end)?;
    (length < 1000).then_some(length)
}

/// A scalar that is plainly one.
fn scalar(text: &str) -> Option<Value<'_>> {
    if let Some(quoted) = text.strip_prefix('"') {
        let inside = quoted.strip_suffix('"')?;
        let plain = inside.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\\' && b != b'"');
        return plain.then_some(Value::String(Cow::Borrowed(inside)));
    }
    let bytes = text.as_bytes();
    let first = bytes.first().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/'));
    let mut before = b' ';
    let inside = bytes.iter().all(|b| {
        let fine =
            matches!(b, b' '..=b'~') && !(*b == b' ' && before == b':') && !(*b == b'#' && before == b' ');
        before = *b;
        fine
    });
    (first && inside && before != b':').then_some(Value::Plain(Cow::Borrowed(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways give the same, if the quick way gives anything.
    fn assert_same(text: &str) -> bool {
        let Some(quick) = Tape::read_plain(text) else { return false };
        let thorough = Tape::read(text).unwrap();
        let nodes = |tape: &Tape| {
            let nodes = (0..).map_while(|at| tape.node(at).cloned());
            let trimmed = |end: u32| text.get(..end as usize).unwrap_or_default().trim_end().len();
            nodes
                .map(|n| format!("{:?} {} {} {}", n.value, n.next, n.start, trimmed(n.end)))
                .collect::<Vec<_>>()
        };
        assert_eq!(nodes(&quick), nodes(&thorough), "{text}");
        true
    }

    #[test]
    fn items_of_kubectl_are_read_the_quick_way() {
        let text = std::fs::read_to_string("testdata/shop/before.yaml").unwrap();
        let items = text.split_once("items:\n- ").unwrap().1.split_once("\nkind: List").unwrap().0;
        let quick = items.split("\n- ").filter(|item| assert_same(&format!("- {item}\n"))).count();
        assert!(quick >= 15, "{quick}");
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_left_to_the_parser() {
        let item = "- a: b\n  c:\n  - d: 1\n    e: {}\n  - f\n  g:\n    h: \"x\"\n  i: []\n";
        assert!(assert_same(item));
        for (from, to) in [
            ("b", "b # comment"),
            ("b", "b: c"),
            ("b", "b:"),
            ("b", "&x b"),
            ("b", "*x"),
            ("b", "|\n    x"),
            ("b", "b\n    c"),
            ("b", "'b'"),
            ("b", "[x]"),
            ("b", "{x: y}"),
            ("b", "\"x\\n\""),
            ("b", "b "),
            ("b", "b\r"),
            ("b", "x#y"),
            ("b", "x:y"),
            ("b", "::1"),
            ("b", "- x"),
            ("b", "-1"),
            ("b", ""),
            ("b", "~"),
            ("b", "\tb"),
            ("b", "ü"),
            ("b", "\"a\n    b\""),
            ("  g:\n", "\n  g:\n"),
            ("  g:\n", "# x\n  g:\n"),
            ("  g:\n", "   g:\n"),
            ("  g:\n", " g:\n"),
            ("  g:\n", "g:\n"),
            ("  g:\n", "  a:\n"),
            ("  g:\n", "  <<:\n"),
            ("  g:\n", "  ? g\n"),
            ("  g:\n", "  g: x\n"),
            ("  g:\n", "  \"g\":\n"),
            ("- f", "-  f"),
            ("- f", "- - f"),
            ("- f", "-\n    f"),
            ("  - d", "    - d"),
            ("    e: {}", "    e:\n    - x\n    - y"),
            ("i: []", "i:"),
            ("    h: \"x\"\n", ""),
            ("i: []", "i: [\n]"),
            ("- f", "- f: g: h"),
            ("- f", "- f:\n      x: y"),
            ("- f", "- f:\n    - x: y\n    - z"),
            ("b", "!!str 1"),
            ("b", "---"),
            ("c:", "c/d.e_f-g:"),
            ("c:", "f:c:"),
            ("c:", "c :"),
            ("c:", "-c:"),
            ("b", "%b"),
            ("b", "b, [c]"),
            ("b", "@x"),
            ("- f", "- \"f: g\""),
        ] {
            assert_same(&item.replacen(from, to, 1));
        }
        for end in 0..item.len() {
            item.get(..end).map(|text| Tape::read(text).is_ok() && assert_same(text));
        }
    }
}
