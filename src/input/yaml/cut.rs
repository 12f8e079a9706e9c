//! kubectl's `List` in block style, cut at its items so that they can be read one by one.

use super::{Tape, Value};

/// A document that is a list, cut.
#[derive(Debug)]
pub(in crate::input) struct Cut {
    /// The document with an empty list of items.
    pub(in crate::input) skeleton: String,
    /// Where each item begins and, at the end, where the last one ends.
    pub(in crate::input) bounds: Vec<usize>,
}

/// The longest text before or after the items.
const LONGEST_SKELETON: usize = 1 << 16;

/// Cuts the document that begins at a byte of a text and extends to its end, if each line plainly shows where it
/// belongs: lines up to `items:`, items whose first line begins with `- ` in the first column and whose other lines are
/// indented, and lines after the items. Whether this is also the meaning of the text is only known once the skeleton
/// and every item have been read: a quoted text across several items leaves a part that cannot be read.
pub(in crate::input) fn cut(text: &str, start: usize) -> Option<Cut> {
    let bytes = text.as_bytes();
    let mut lines = Lines { bytes, start };
    let header_end = lines.find(|line| line.trim_ascii_end() == b"items:", LONGEST_SKELETON)?;
    let header = text.get(start..header_end)?;
    let mut bounds = Vec::new();
    let items_start = lines.start;
    let line_starts =
        memchr::memchr_iter(b'\n', bytes.get(items_start..)?).map(|newline| items_start + newline + 1);
    let mut items_end = text.len();
    for line_start in std::iter::once(items_start).chain(line_starts) {
        match bytes.get(line_start..).unwrap_or_default() {
            [b'-', b' ' | b'\n' | b'\r', ..] => bounds.push(line_start),
            [b' ' | b'\n' | b'\r' | b'#', ..] if !bounds.is_empty() => {}
            _ => {
                items_end = line_start;
                break;
            }
        }
    }
    if bounds.first() != Some(&items_start) || header.contains('%') || header.contains('&') {
        return None;
    }
    bounds.push(items_end);
    let footer = text.get(items_end..).filter(|footer| footer.len() <= LONGEST_SKELETON)?;
    let skeleton = format!("{header}items: []\n{footer}");
    Some(Cut { skeleton, bounds })
}

impl Cut {
    /// Reads the skeleton, if it is a map whose `items` are an empty list.
    pub(in crate::input) fn skeleton(&self) -> Option<Tape<'_>> {
        let tape = Tape::read(&self.skeleton).ok().filter(|tape| tape.unread.is_none())?;
        let items = tape.get(0, "items")?;
        let is_empty =
            matches!(tape.node(items)?.value, Value::Sequence) && tape.children(items).next().is_none();
        is_empty.then_some(tape)
    }
}

struct Lines<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Lines<'a> {
    /// The next line with its line break.
    fn next_line(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.start..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
        self.start += length;
        rest.get(..length)
    }

    /// Where the next wanted line begins.
    fn find(&mut self, wanted: fn(&[u8]) -> bool, at_most: usize) -> Option<usize> {
        let first = self.start;
        loop {
            let line_start = self.start;
            if line_start - first > at_most {
                return None;
            }
            if wanted(self.next_line()?) {
                return Some(line_start);
            }
        }
    }
}
