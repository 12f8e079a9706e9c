//! Expressions in the text of a rule.
//!
//! Every function takes words from the front of what is left; none means that the words are not an expression known
//! here.

use compact_str::{CompactString, format_compact};

use super::datum;
use super::element::{self, Types};
use super::word::unquoted;
use crate::nftables::ruleset::{
    BARE_META, Binary, Chooser, DataType, Datum, Direction, EXTENSION_HEADERS, Element, Expression,
    FibResult, Header, Selector,
};

/// More parts than nft allows in a key (16 registers of 4 bytes).
const MAX_PARTS: usize = 16;
/// More operations than a listing nests.
const MAX_DEPTH: usize = 8;

/// Words of a rule that are not read yet.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t, 'a> {
    pub(super) words: &'t [&'a str],
}

impl<'t, 'a> Cursor<'t, 'a> {
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.first().copied()
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// Takes a word that must be this one.
    pub(super) fn take(&mut self, word: &str) -> Option<()> {
        (self.next()? == word).then_some(())
    }

    /// Takes a word if it is this one.
    pub(super) fn has(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        if found {
            self.words = self.words.get(1..).unwrap_or_default();
        }
        found
    }

    /// The words up to the closing brace; takes that, too.
    pub(super) fn braces(&mut self) -> Option<&'t [&'a str]> {
        self.take("{")?;
        let end = self.words.iter().position(|word| *word == "}")?;
        let (inside, rest) = self.words.split_at(end);
        self.words = rest.get(1..)?;
        Some(inside)
    }
}

/// A selector, or an expression made of selectors, or a value of a type.
pub(super) fn expression(words: &mut Cursor<'_, '_>) -> Option<Expression> {
    let mut parts = vec![operation(words, None, 1, MAX_DEPTH)?];
    while words.peek() == Some(".") && parts.len() < MAX_PARTS {
        words.next();
        parts.push(operation(words, None, 1, MAX_DEPTH)?);
    }
    Some(match parts.len() {
        1 => parts.swap_remove(0),
        _ => Expression::Concatenation(parts),
    })
}

/// What is assigned: an expression, or a value of the type.
pub(super) fn assigned(words: &mut Cursor<'_, '_>, kind: Option<&DataType>) -> Option<Expression> {
    let key = operation(words, kind, 1, MAX_DEPTH)?;
    if !matches!(words.peek(), Some("." | "map")) {
        return Some(key);
    }
    let mut parts = vec![key];
    while words.has(".") {
        parts.push(operation(words, None, 1, MAX_DEPTH)?);
    }
    let key = if parts.len() == 1 { parts.swap_remove(0) } else { Expression::Concatenation(parts) };
    match words.has("map") {
        true => mapped(words, key, kind),
        false => Some(key),
    }
}

/// A map after its key.
pub(super) fn mapped(
    words: &mut Cursor<'_, '_>,
    key: Expression,
    value: Option<&DataType>,
) -> Option<Expression> {
    let map = elements(words, &key, &[value.cloned()])?;
    Some(Expression::Map(Box::new(key), Box::new(map)))
}

/// `@name`, or elements in braces.
pub(super) fn elements(
    words: &mut Cursor<'_, '_>,
    key: &Expression,
    value: &[Option<DataType>],
) -> Option<Expression> {
    if let Some(name) = words.peek().and_then(|word| word.strip_prefix('@')) {
        words.next();
        return Some(Expression::Named(name.into()));
    }
    let types = Types { key: key.data_types(), value: value.to_vec() };
    let inside = words.braces()?;
    let mut found: Vec<Element> = Vec::new();
    for words in inside.split_inclusive(|word| word.ends_with(',')) {
        let mut words = words.to_vec();
        if let Some(last) = words.last_mut() {
            *last = last.strip_suffix(',').unwrap_or(last);
        }
        found.push(element::of_rule(&words, &types));
    }
    (!found.is_empty()).then_some(Expression::Set(found))
}

fn operation(
    words: &mut Cursor<'_, '_>,
    kind: Option<&DataType>,
    rank: usize,
    depth: usize,
) -> Option<Expression> {
    let depth = depth.checked_sub(1)?;
    let mut left = primary(words, kind, depth)?;
    let mut in_a_row = 0;
    while let Some(operator) = words.peek().and_then(Binary::from_sign).filter(|o| o.rank() >= rank) {
        words.next();
        // Each operator puts its left side one level deeper.
        in_a_row += 1;
        depth.checked_sub(in_a_row)?;
        let own = left.data_type();
        let kind = match operator {
            Binary::ShiftLeft | Binary::ShiftRight => None,
            _ => own.as_ref().or(kind),
        };
        let right = operation(words, kind, operator.rank() + 1, depth)?;
        left = Expression::Binary(operator, Box::new(left), Box::new(right));
    }
    Some(left)
}

fn primary(words: &mut Cursor<'_, '_>, kind: Option<&DataType>, depth: usize) -> Option<Expression> {
    if words.peek()?.starts_with('(') {
        return parenthesised(words, kind, depth);
    }
    let mut ahead = *words;
    if let Some(found) = selector(&mut ahead) {
        *words = ahead;
        return Some(found);
    }
    let word = words.next()?;
    let datum = match kind {
        Some(kind) => datum::typed(word, Some(kind)),
        None => datum::number(word).map(Datum::Number),
    };
    datum.map(Expression::Datum)
}

/// Bits, or an operation that binds less tightly.
fn parenthesised(words: &mut Cursor<'_, '_>, kind: Option<&DataType>, depth: usize) -> Option<Expression> {
    let end = words.words.iter().position(|word| word.ends_with(')'))?;
    let (inside, rest) = words.words.split_at_checked(end + 1)?;
    let mut inside = inside.to_vec();
    if let Some(first) = inside.first_mut() {
        *first = first.strip_prefix('(')?;
    }
    if let Some(last) = inside.last_mut() {
        *last = last.strip_suffix(')')?;
    }
    words.words = rest;
    if kind.is_some_and(DataType::is_bits) {
        return datum::bits(&inside.join(" "), '|').map(Expression::Datum);
    }
    let mut inside = Cursor { words: &inside };
    let found = operation(&mut inside, kind, 1, depth)?;
    inside.words.is_empty().then_some(found)
}

/// A selector, or a number chosen by chance.
fn selector(words: &mut Cursor<'_, '_>) -> Option<Expression> {
    let first = words.next()?;
    let plain = |selector| Some(Expression::Selector(selector));
    match first {
        "meta" => plain(Selector::Meta(key(words.next()?)?.into())),
        "ct" => plain(conntrack(words)?),
        "fib" => plain(fib(words)?),
        "numgen" => counter(words).map(Expression::Chooser),
        "jhash" => hash(words, true).map(Expression::Chooser),
        "symhash" => hash(words, false).map(Expression::Chooser),
        bare if BARE_META.contains(&bare) => plain(Selector::Meta(bare.into())),
        "socket" | "osf" | "exthdr" => plain(Selector::Other(other(first, words)?)),
        header if EXTENSION_HEADERS.contains(&header) => plain(Selector::Other(other(first, words)?)),
        "ipsec" => plain(Selector::Other(ipsec(words)?)),
        "tcp" | "ip" if words.has("option") => plain(Selector::Other(part_of(first, "option", words)?)),
        "sctp" if words.has("chunk") => plain(Selector::Other(part_of(first, "chunk", words)?)),
        raw if raw.starts_with('@') && raw.split(',').count() == 3 => plain(Selector::Other(raw.into())),
        header => {
            let header = Header::from_name(header)?;
            plain(Selector::Payload(header, key(words.next()?)?.into()))
        }
    }
}

/// A word that can be the name of a key. In `ip protocol set udp drop`, `drop` is no field of UDP.
fn key(word: &str) -> Option<&str> {
    let is_key = word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && word.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    (is_key && word != "set" && !datum::begins_statement(word)).then_some(word)
}

fn conntrack(words: &mut Cursor<'_, '_>) -> Option<Selector> {
    let direction = words.peek().and_then(Direction::from_name);
    if direction.is_some() {
        words.next();
    }
    let name = key(words.next()?)?;
    if matches!(name, "ip" | "ip6") {
        let field = key(words.next()?)?;
        return Some(Selector::Conntrack(direction, format_compact!("{name} {field}")));
    }
    (name != "count").then(|| Selector::Conntrack(direction, name.into()))
}

fn fib(words: &mut Cursor<'_, '_>) -> Option<Selector> {
    let mut keys = vec![key(words.next()?)?.into()];
    while words.has(".") {
        keys.push(key(words.next()?)?.into());
    }
    Some(Selector::Fib(keys, FibResult::from_name(words.next()?)?))
}

fn other(first: &str, words: &mut Cursor<'_, '_>) -> Option<CompactString> {
    let name = key(words.next()?)?;
    let mut found = format_compact!("{first} {name}");
    if (first, name) == ("osf", "ttl") {
        found = format_compact!("{found} {}", key(words.next()?)?);
    }
    if matches!((first, name), ("rt", "ip" | "ip6") | ("osf", "ttl")) {
        found = format_compact!("{found} {}", key(words.next()?)?);
    }
    Some(found)
}

/// `tcp option maxseg size`, `sctp chunk data type`; without a field, whether the part is present.
fn part_of(first: &str, kind: &str, words: &mut Cursor<'_, '_>) -> Option<CompactString> {
    let name = words.next().filter(|name| name.starts_with('@') || key(name).is_some())?;
    let found = format_compact!("{first} {kind} {name}");
    if name.starts_with('@') || matches!(words.peek(), Some("exists" | "missing")) {
        return Some(found);
    }
    Some(format_compact!("{found} {}", words.next().and_then(key)?))
}

/// `ipsec in spnum 1 spi`, `ipsec out ip saddr`
fn ipsec(words: &mut Cursor<'_, '_>) -> Option<CompactString> {
    let direction = words.next().filter(|word| matches!(*word, "in" | "out"))?;
    let mut found = format_compact!("ipsec {direction}");
    if words.has("spnum") {
        found = format_compact!("{found} spnum {}", datum::number::<u32>(words.next()?)?);
    }
    let name = key(words.next()?)?;
    found = format_compact!("{found} {name}");
    match name {
        "ip" | "ip6" => Some(format_compact!("{found} {}", key(words.next()?)?)),
        _ => Some(found),
    }
}

fn counter(words: &mut Cursor<'_, '_>) -> Option<Chooser> {
    let random = match words.next()? {
        "random" => true,
        "inc" => false,
        _ => return None,
    };
    words.take("mod")?;
    let modulus = datum::number(words.next()?)?;
    Some(Chooser::Counter { random, modulus, offset: offset(words)? })
}

fn hash(words: &mut Cursor<'_, '_>, keyed: bool) -> Option<Chooser> {
    let of = match keyed {
        true => Some(Box::new(expression(words)?)),
        false => None,
    };
    words.take("mod")?;
    let modulus = datum::number(words.next()?)?;
    let seed = match words.has("seed") {
        true => Some(u32::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?),
        false => None,
    };
    Some(Chooser::Hash { of, modulus, seed, offset: offset(words)? })
}

fn offset(words: &mut Cursor<'_, '_>) -> Option<u32> {
    match words.has("offset") {
        true => datum::number(words.next()?),
        false => Some(0),
    }
}

/// The types of `typeof KEY : VALUE`; none for what is not known.
pub(super) fn types_of(text: &str) -> Types {
    let all: Vec<&str> = text.split_ascii_whitespace().collect();
    let mut words = Cursor { words: &all };
    let Some(key) = expression(&mut words) else { return Types::default() };
    let value = match words.has(":") {
        // A verdict, or a mark, an address.
        true => expression(&mut words).map(|value| value.data_types()).unwrap_or_default(),
        false => Vec::new(),
    };
    Types { key: key.data_types(), value }
}

/// What a match compares with.
pub(super) fn compared(words: &mut Cursor<'_, '_>, left: &Expression) -> Option<Expression> {
    let first = words.peek()?;
    if first == "{" || first.starts_with('@') {
        return elements(words, left, &[]);
    }
    let types = left.data_types();
    let [kind] = types.as_slice() else {
        return concatenated(words, &types);
    };
    value(words, kind.as_ref()).map(Expression::Datum)
}

fn concatenated(words: &mut Cursor<'_, '_>, types: &[Option<DataType>]) -> Option<Expression> {
    let mut parts = Vec::new();
    for (i, kind) in types.iter().enumerate() {
        if i > 0 {
            words.take(".")?;
        }
        parts.push(Expression::Datum(value(words, kind.as_ref())?));
    }
    Some(Expression::Concatenation(parts))
}

/// A value of a type: a word, or bits with signs between them.
fn value(words: &mut Cursor<'_, '_>, kind: Option<&DataType>) -> Option<Datum> {
    let first = words.next()?;
    if words.peek() == Some("|") {
        let mut text = first.to_owned();
        while words.has("|") {
            text.push('|');
            text.push_str(words.next()?);
        }
        return datum::bits(&text, '|');
    }
    match kind {
        Some(kind) => datum::typed(first, Some(kind)),
        None => datum::untyped(first),
    }
}

/// The text of a value in quotes.
pub(super) fn quoted<'a>(words: &mut Cursor<'_, 'a>) -> Option<&'a str> {
    unquoted(words.next()?)
}
