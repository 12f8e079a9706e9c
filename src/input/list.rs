//! The quick way through a large list: its items are read one by one, by several threads, and nothing else of it is
//! kept. Whatever is out of the ordinary, including errors, is left to the thorough way, which reads whole documents.

use std::ops::Range;

use super::document::{Reader, YamlDocument, is_list, yaml_type};
use super::json;
use super::object::Batch;
use super::written::{Type, Written};
use super::yaml::{Tape, cut};
use crate::parallel;

impl<'a> Reader<'a> {
    /// Reads the YAML list that a document is, if it is one.
    pub(super) fn yaml_list(&mut self, start: usize, end: usize) -> Option<()> {
        if !self.manner.quick {
            return None;
        }
        let cut = cut(self.text.get(..end)?, start)?;
        let type_ = yaml_type(&cut.skeleton()?, 0);
        if !is_list(&type_) {
            return None;
        }
        let of_items = type_.of_items();
        let parts = split(&cut.bounds);
        let batches = parallel::in_order(&parts, |bounds| self.part().yaml_items(bounds, &of_items))?;
        self.append(batches);
        Some(())
    }

    /// A reader for a part of the text.
    fn part(&self) -> Reader<'a> {
        Reader { text: self.text, source: self.source, manner: self.manner, batch: Batch::default() }
    }

    fn append(&mut self, batches: Vec<Batch>) {
        self.batch.documents += 1;
        batches.into_iter().for_each(|batch| self.batch.append(batch));
    }

    /// Reads the items between the bounds.
    fn yaml_items(mut self, bounds: &[usize], default: &Type) -> Option<Batch> {
        for item in bounds.windows(2) {
            let &[start, end] = item else { continue };
            let text = self.text.get(start..end)?;
            let tape = Tape::read_plain(text).or_else(|| Tape::read(text).ok())?;
            if tape.unread.is_some() {
                return None;
            }
            let document = YamlDocument { tape: &tape, text, start };
            let mut elements = tape.children(0);
            let element = elements.next()?;
            if elements.next().is_some() {
                return None;
            }
            self.yaml_value(&document, element, default, 1);
            if !self.batch.findings.is_empty() {
                return None;
            }
        }
        Some(self.batch)
    }

    /// Reads the JSON list at a position; returns where it ends.
    pub(super) fn json_list(&mut self, start: usize) -> Option<usize> {
        if !self.manner.quick {
            return None;
        }
        let list = json::open_list(self.text.get(start..)?)?;
        if self.text.get(start + list.items..)?.trim_ascii_start().starts_with(']') {
            return None;
        }
        let of_items = list.type_.of_items();
        let first = start + list.items;
        let separator = separator(self.text.get(first..)?);
        let (mut batches, mut end, mut closed) = (Vec::new(), first, false);
        while !closed {
            // Looks as far ahead as was read before: the text may go on with other lists.
            let ahead = (end - first).max(parallel::SMALLEST_PART);
            let parts = json_parts(self.text, end, ahead, separator.as_deref());
            let results =
                parallel::in_order(&parts, |part| Some(self.part().json_items(part.clone(), &of_items)))?;
            for (part, result) in parts.iter().zip(results) {
                let items = result.filter(|_| part.start == end)?;
                (end, closed) = (items.end, items.closed);
                batches.push(items.batch);
                if closed {
                    break;
                }
            }
        }
        let (closing, length) = json::close_list(self.text.get(end..)?)?;
        if !list.type_.kind.is_empty() && !closing.kind.is_empty() {
            return None;
        }
        let type_ = if list.type_.kind.is_empty() { closing } else { list.type_ };
        if !is_list(&type_) || (of_items.kind.is_empty() && type_.kind != "List") {
            return None;
        }
        self.append(batches);
        Some(end + length)
    }

    /// Reads items up to the end of the list or of the part, whichever comes first.
    fn json_items(mut self, part: Range<usize>, default: &Type) -> Option<JsonItems> {
        let mut at = part.start;
        loop {
            at += blanks(self.text.get(at..)?);
            if at == part.end {
                return Some(JsonItems { batch: self.batch, end: at, closed: false });
            }
            let rest = self.text.get(at..).filter(|_| at < part.end)?;
            if rest.starts_with(']') {
                return Some(JsonItems { batch: self.batch, end: at + 1, closed: true });
            }
            at += self.json_item(at, rest, default)?;
            at += blanks(self.text.get(at..)?);
            match self.text.as_bytes().get(at)? {
                b',' => at += 1 + blanks(self.text.get(at + 1..)?),
                b']' => continue,
                _ => return None,
            }
            if self.text.as_bytes().get(at) == Some(&b']') {
                return None;
            }
        }
    }

    /// Reads the item at the beginning of a text; returns its length.
    fn json_item(&mut self, at: usize, rest: &'a str, default: &Type) -> Option<usize> {
        let length = match json::guess(rest, default) {
            Some((type_, kind)) => {
                let leading = json::Leading::new(rest, default, kind, self.position(at..at));
                self.batch.add(&type_, &leading);
                leading.position().length
            }
            None => {
                let (value, outline) = json::first_object(rest)?;
                self.json_outlined(value, outline, default, 1);
                value.len()
            }
        };
        (self.batch.findings.is_empty() && length > 0).then_some(length)
    }
}

struct JsonItems {
    batch: Batch,
    end: usize,
    /// Whether the list ended, not only the part.
    closed: bool,
}

/// What separates two items, judging by the first ones, if each begins a line.
fn separator(items: &str) -> Option<String> {
    let indent = items.get(..blanks(items)).filter(|indent| indent.contains('\n'))?;
    Some(format!("{indent}}},{indent}{{"))
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_ascii_start().len()
}

/// Cuts the items that follow into parts that seem to begin with an item. The last part has no end if none was found.
fn json_parts(text: &str, start: usize, ahead: usize, separator: Option<&str>) -> Vec<Range<usize>> {
    let count = parallel::parts(ahead);
    let mut parts = Vec::with_capacity(count);
    let mut part_start = start;
    for n in 1..=count {
        let item = separator.and_then(|separator| next_item(text, start + ahead / count * n, separator));
        let Some(item) = item else { break };
        if item > part_start {
            parts.push(part_start..item);
            part_start = item;
        }
    }
    if parts.is_empty() {
        parts.push(start..usize::MAX);
    }
    parts
}

/// Where the next item seems to begin.
fn next_item(text: &str, from: usize, separator: &str) -> Option<usize> {
    /// Items that are further apart are not worth searching for.
    const FARTHEST: usize = 1 << 22;
    let bytes = text.as_bytes().get(from..)?;
    let near = bytes.get(..FARTHEST.min(bytes.len()))?;
    let found = memchr::memmem::find(near, separator.as_bytes())?;
    Some(from + found + separator.len() - 1)
}

/// Cuts bounds into runs of about equal length, each beginning where the previous one ends.
fn split(bounds: &[usize]) -> Vec<&[usize]> {
    let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return Vec::new() };
    let parts = parallel::parts(last - first);
    let length = (last - first).div_ceil(parts).max(1);
    let mut runs = Vec::with_capacity(parts);
    let mut rest = bounds;
    while let [start, _, ..] = rest {
        let end = rest.partition_point(|bound| bound - start < length).clamp(1, rest.len() - 1);
        let Some(run) = rest.get(..=end) else { break };
        runs.push(run);
        rest = rest.get(end..).unwrap_or_default();
    }
    runs
}
