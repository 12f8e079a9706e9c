//! The blocks of a listing: tables, sets and maps, chains, and other objects.

use std::collections::HashSet;

use compact_str::CompactString;

use super::datum;
use super::element::{Types, element};
use super::expression::types_of;
use super::statement;
use super::word::{Words, depth, unquoted};
use crate::diagnostic::{Excerpt, Fault, ParseError};
use crate::nftables::list::priority;
use crate::nftables::ruleset::{
    BaseChain, Chain, Counter, DataType, Element, Hook, PlacedRule, Ruleset, Set, Table, TableFamily,
};

pub(super) fn read(text: &str) -> Result<Ruleset, ParseError> {
    let mut lines = Lines { text, number: 0 };
    lines.ruleset().map_err(|message| ParseError { line: lines.number, message })
}

/// What is left of the text, and the number of the line last read.
struct Lines<'a> {
    text: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        if self.text.is_empty() {
            return None;
        }
        let (line, rest) = self.text.split_once('\n').unwrap_or((self.text, ""));
        self.text = rest;
        self.number += 1;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    /// The next line of a block; none at its closing brace.
    fn within(&mut self) -> Result<Option<&'a str>, Fault> {
        let line = self.next().ok_or("the text ends within a block; it is cut off")?;
        Ok((line.trim() != "}").then_some(line))
    }

    fn ruleset(&mut self) -> Result<Ruleset, Fault> {
        let mut ruleset = Ruleset::default();
        let mut names = HashSet::new();
        while let Some(line) = self.next() {
            let words: Vec<&str> = without_note(line).split_ascii_whitespace().collect();
            match words.as_slice() {
                [] => {}
                ["table", family, name, "{"] => {
                    let family = TableFamily::from_name(family)
                        .ok_or_else(|| format!("{} is not a table family", Excerpt(family)))?;
                    if !names.insert((family, *name)) {
                        return Err(format!("table {} {} occurs twice", family.name(), Excerpt(name)));
                    }
                    ruleset.tables.push(self.table(family, name)?);
                }
                [word, ..] if word.starts_with('#') => {}
                _ => return Err(format!("{} does not begin a table of 'nft list ruleset'", Excerpt(line))),
            }
        }
        Ok(ruleset)
    }

    fn table(&mut self, family: TableFamily, name: &str) -> Result<Table, Fault> {
        let mut table = Table {
            family,
            name: name.into(),
            comment: None,
            counters: Vec::new(),
            sets: Vec::new(),
            chains: Vec::new(),
            opaque: Vec::new(),
        };
        let mut names = HashSet::new();
        while let Some(line) = self.within()? {
            let words: Vec<&str> = without_note(line).split_ascii_whitespace().collect();
            let mut new = |kind, name: &'a str| match names.insert((kind, name)) {
                true => Ok(name),
                false => Err(format!("{} occurs twice in the table", Excerpt(name))),
            };
            match words.as_slice() {
                [] => {}
                ["chain", name, "{"] => {
                    let name = new("chain", name)?;
                    table.chains.push(self.chain(family, name)?);
                }
                [kind @ ("set" | "map"), name, "{"] => {
                    let name = new("set", name)?;
                    table.sets.push(self.set(name, *kind == "map")?);
                }
                ["counter", name, "{"] => {
                    let name = new("counter", name)?;
                    table.counters.push(self.counter(name)?);
                }
                ["comment", ..] => table.comment = Some(comment(line)?),
                [word, ..] if word.starts_with('#') => {}
                _ => table.opaque.push(self.object(line)?),
            }
        }
        Ok(table)
    }

    /// An object of another kind, without the table's indentation.
    fn object(&mut self, first: &'a str) -> Result<String, Fault> {
        let mut object = without_note(first).trim().to_owned();
        let mut open = braces(first);
        while open > 0 {
            let line = self.next().ok_or("the text ends within an object; it is cut off")?;
            open += braces(line);
            object.push('\n');
            object.push_str(line.strip_prefix('\t').unwrap_or(line));
        }
        Ok(object)
    }

    fn counter(&mut self, name: &str) -> Result<Counter, Fault> {
        let mut counter = Counter { name: name.into(), comment: None, packets: 0, bytes: 0 };
        while let Some(line) = self.within()? {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [] => {}
                ["comment", ..] => counter.comment = Some(comment(line)?),
                ["packets", packets, "bytes", bytes] => {
                    let number = |text: &str| {
                        datum::number(text).ok_or_else(|| format!("{} is not a number", Excerpt(text)))
                    };
                    (counter.packets, counter.bytes) = (number(packets)?, number(bytes)?);
                }
                _ => return Err(format!("{} is not a property of a counter", Excerpt(line.trim()))),
            }
        }
        Ok(counter)
    }

    fn chain(&mut self, family: TableFamily, name: &str) -> Result<Chain, Fault> {
        let mut chain = Chain { name: name.into(), comment: None, base: None, rules: Vec::new() };
        while let Some(line) = self.within()? {
            // A rule that begins with hidden statements begins with blanks; only one of them is the indentation.
            let text = line.strip_prefix("\t\t").unwrap_or_else(|| line.trim_start());
            if text.is_empty() && !line.starts_with("\t\t") {
                continue;
            }
            if chain.rules.is_empty() && text.starts_with("comment \"") {
                chain.comment = Some(comment(line)?);
            } else if chain.rules.is_empty() && text.starts_with("type ") && text.contains(" hook ") {
                chain.base = Some(base(text, family)?);
            } else {
                let rule = statement::rule(&self.rule_text(line)?);
                chain.rules.push(PlacedRule { rule, origin: None });
            }
        }
        Ok(chain)
    }

    /// A rule's text after the indentation; set elements in it may continue on the next lines.
    fn rule_text(&mut self, first: &'a str) -> Result<std::borrow::Cow<'a, str>, Fault> {
        let text = first.strip_prefix("\t\t").unwrap_or_else(|| first.trim_start());
        let mut open = braces(text);
        if open <= 0 {
            return Ok(without_handle(text).into());
        }
        let mut whole = text.to_owned();
        while open > 0 {
            let line = self.next().ok_or("the text ends within braces; it is cut off")?;
            open += braces(line);
            whole.push('\n');
            whole.push_str(line);
        }
        Ok(without_handle(&whole).to_owned().into())
    }

    fn set(&mut self, name: &str, is_map: bool) -> Result<Set, Fault> {
        let mut set = Set {
            name: name.into(),
            key: Vec::new(),
            maps_to: is_map.then(|| DataType::Other(CompactString::default())),
            size: None,
            flags: Vec::new(),
            timeout_seconds: None,
            comment: None,
            opaque: Vec::new(),
            elements: Vec::new(),
        };
        let mut types = Types::default();
        while let Some(line) = self.within()? {
            let text = line.trim_start();
            match text.strip_prefix("elements = {") {
                Some(first) => self.elements(first, &types, &mut set.elements)?,
                None => property(without_note(text).trim_end(), &mut set, &mut types)?,
            }
        }
        Ok(set)
    }

    /// Elements up to the closing brace, beginning with the rest of the line of the opening one.
    fn elements(&mut self, first: &'a str, types: &Types, into: &mut Vec<Element>) -> Result<(), Fault> {
        let mut line = first;
        let mut pending: Vec<&str> = Vec::new();
        loop {
            for word in Words::of(line) {
                let (text, ends) = match word.text.strip_suffix(',') {
                    Some(text) => (text, true),
                    None => (word.text, word.text == "}"),
                };
                if text != "}" {
                    pending.push(text);
                }
                if ends && !pending.is_empty() {
                    into.push(element(&pending, types));
                    pending.clear();
                }
                if text == "}" {
                    return Ok(());
                }
            }
            line = self.next().ok_or("the text ends within the elements of a set; it is cut off")?;
        }
    }
}

/// By how much a line changes the depth of braces.
fn braces(line: &str) -> i64 {
    if !line.contains(['{', '}']) {
        return 0;
    }
    Words::of(line).map(|word| depth(word.text)).sum()
}

/// The line without `# handle 5` or `# count 2` at its end.
fn without_note(line: &str) -> &str {
    let Some(at) = line.rfind("# ") else { return line };
    let (before, note) = line.split_at(at);
    let words: Vec<&str> = note.split_ascii_whitespace().collect();
    match words.as_slice() {
        ["#", "handle" | "count", number] if number.bytes().all(|b| b.is_ascii_digit()) => before.trim_end(),
        _ => line,
    }
}

/// A rule without its handle; blanks before that mean hidden statements.
fn without_handle(rule: &str) -> &str {
    match rule.rsplit_once(" # handle ") {
        Some((before, number)) if number.bytes().all(|b| b.is_ascii_digit()) => before,
        _ => rule,
    }
}

fn comment(line: &str) -> Result<CompactString, Fault> {
    let text = line.trim().strip_prefix("comment ").and_then(unquoted);
    text.map(CompactString::from).ok_or_else(|| format!("{} is not a comment", Excerpt(line.trim())))
}

fn property(line: &str, set: &mut Set, types: &mut Types) -> Result<(), Fault> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "" => {}
        "type" => {
            set_type(rest, set);
            *types = Types::named(&set.key, set.maps_to.as_ref());
        }
        "typeof" => {
            *types = types_of(rest);
            if let (Some(maps_to), Some((_, value))) = (&mut set.maps_to, rest.rsplit_once(" : ")) {
                *maps_to = DataType::from_name(value);
            }
            set.opaque.push(line.into());
        }
        "flags" => set.flags = rest.split(',').map(|flag| flag.trim().into()).collect(),
        "comment" => set.comment = Some(comment(line)?),
        "size" => match datum::number(rest) {
            Some(size) => set.size = Some(size),
            None => set.opaque.push(line.into()),
        },
        "timeout" => match datum::seconds(rest) {
            Some(seconds) => set.timeout_seconds = Some(seconds),
            None => set.opaque.push(line.into()),
        },
        _ => set.opaque.push(line.into()),
    }
    Ok(())
}

fn set_type(text: &str, set: &mut Set) {
    let (key, value) = text.split_once(" : ").unwrap_or((text, ""));
    set.key = key.split(" . ").map(DataType::from_name).collect();
    if let Some(maps_to) = &mut set.maps_to {
        *maps_to = DataType::from_name(value);
    }
}

/// Reads `type T hook H [device ...] priority P; policy ...;`.
fn base(line: &str, family: TableFamily) -> Result<BaseChain, Fault> {
    let fault = || format!("{} is not a line of a base chain", Excerpt(line));
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let ["type", kind, "hook", hook, rest @ ..] = words.as_slice() else { return Err(fault()) };
    let at = rest.iter().position(|w| *w == "priority").ok_or_else(fault)?;
    let (device, rest) = rest.split_at(at);
    let ends = rest.iter().position(|w| w.ends_with(';')).ok_or_else(fault)?;
    let priority = rest.get(1..=ends).ok_or_else(fault)?.join(" ");
    Ok(BaseChain {
        kind: (*kind).into(),
        hook: Hook::from_name(hook).ok_or_else(fault)?,
        device: (!device.is_empty()).then(|| device.join(" ").into()),
        priority: read_priority(priority.trim_end_matches(';'), family).ok_or_else(fault)?,
        drops_by_default: rest.windows(2).any(|pair| pair == ["policy", "drop;"]),
    })
}

/// Reads a number, or a name with an offset.
fn read_priority(text: &str, family: TableFamily) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (name, offset) = match text.split_once(' ') {
        Some((name, offset)) => (name, offset.replace(' ', "").parse::<i32>().ok()?),
        None => (text, 0),
    };
    priority::value_of(name, family)?.checked_add(offset)
}
