//! Elements of sets and maps.

use compact_str::CompactString;

use super::datum::{datum, verdict};
use super::word::unquoted;
use crate::nftables::ruleset::{DataType, Element, MapValue};

/// Reads the words of an element: `KEY . KEY [properties] [comment "..."] [: VALUE]`.
pub(super) fn element(words: &[&str], key: &[DataType]) -> Element {
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
    let parts = parts.iter().step_by(2).enumerate();
    Element {
        key: parts.map(|(i, text)| datum(text, key.get(i))).collect(),
        comment: comment.map(CompactString::from),
        value: right.map(map_value),
        opaque: (!properties.is_empty()).then(|| properties.join(" ").into()),
        origin: None,
    }
}

/// How many words the key takes, dots included.
fn key_length(words: &[&str]) -> usize {
    let dots = words.iter().skip(1).step_by(2).take_while(|w| **w == ".").count();
    (2 * dots + 1).min(words.len())
}

fn map_value(words: &[&str]) -> MapValue {
    match verdict(words) {
        Some((verdict, length)) if length == words.len() => MapValue::Verdict(verdict),
        _ => MapValue::Opaque(words.join(" ").into()),
    }
}
