//! Elements of sets and maps.

use compact_str::CompactString;

use super::datum::{bits, datum, untyped, verdict};
use super::word::unquoted;
use crate::nftables::ruleset::{DataType, Datum, Element, MapValue};

/// Types of what elements hold.
#[derive(Default)]
pub(super) struct Types {
    /// Of the parts of the key.
    pub(super) key: Vec<Option<DataType>>,
    /// Of the parts of the value, in a map.
    pub(super) value: Vec<Option<DataType>>,
}

impl Types {
    /// Of a set whose types are printed by their names.
    pub(super) fn named(key: &[DataType], value: Option<&DataType>) -> Types {
        let parts = |text: &str| text.split(" . ").map(|name| Some(DataType::from_name(name))).collect();
        Types {
            key: key.iter().cloned().map(Some).collect(),
            value: value.map(|value| parts(value.name())).unwrap_or_default(),
        }
    }
}

/// Reads the words of an element: `KEY . KEY [properties] [comment "..."] [: VALUE]`.
pub(super) fn element(words: &[&str], types: &Types) -> Element {
    let (left, right) = match words.iter().position(|w| *w == ":") {
        Some(colon) => (words.get(..colon), words.get(colon + 1..)),
        None => (Some(words), None),
    };
    let left = left.unwrap_or_default();
    let (left, comment) = match left {
        [before @ .., "comment", text] if unquoted(text).is_some() => (before, unquoted(text)),
        _ => (left, None),
    };
    let (parts, properties) = left.split_at(key_length(left));
    Element {
        key: data(parts, &types.key),
        comment: comment.map(CompactString::from),
        value: right.map(|words| map_value(words, &types.value)),
        opaque: (!properties.is_empty()).then(|| properties.join(" ").into()),
        origin: None,
    }
}

/// How many words the key takes, including dots, and bars between bits.
fn key_length(words: &[&str]) -> usize {
    let dots = words.iter().skip(1).step_by(2).take_while(|w| matches!(**w, "." | "|")).count();
    (2 * dots + 1).min(words.len())
}

/// Parts between dots.
fn data(words: &[&str], types: &[Option<DataType>]) -> Vec<Datum> {
    let part = |(i, words): (usize, &[&str])| match words {
        [text] => datum(text, types.get(i).and_then(Option::as_ref)),
        several => {
            let text = several.join(" ");
            bits(&text, '|').unwrap_or_else(|| Datum::Other(text.into()))
        }
    };
    words.split(|word| *word == ".").enumerate().map(part).collect()
}

fn map_value(words: &[&str], types: &[Option<DataType>]) -> MapValue {
    if let Some((verdict, length)) = verdict(words)
        && length == words.len()
    {
        return MapValue::Verdict(verdict);
    }
    let known =
        !types.is_empty() && words.len().div_ceil(2) <= types.len() && key_length(words) == words.len();
    let data = if known { data(words, types) } else { Vec::new() };
    match data.is_empty() || data.iter().any(|datum| matches!(datum, Datum::Other(_))) {
        true => MapValue::Opaque(words.join(" ").into()),
        false => MapValue::Data(data),
    }
}

/// Reads an element of a rule, whose types its key gives; a value without a type is recognized by its form.
pub(super) fn of_rule(words: &[&str], types: &Types) -> Element {
    let mut element = element(words, types);
    for datum in &mut element.key {
        if let Datum::Other(text) = datum
            && let Some(known) = untyped(text)
        {
            *datum = known;
        }
    }
    element
}
