//! Elements of sets and maps in JSON.

use compact_str::CompactString;
use serde_json::Value;
use serde_json::value::RawValue;

use super::value::{fields, number, of, only};
use crate::diagnostic::Fault;
use crate::net::Port;
use crate::nftables::parse::datum;
use crate::nftables::ruleset::{DataType, Datum, Element, Interval, MapValue, Verdict};

pub(super) fn read(raw: &RawValue, key: &[DataType], is_map: bool) -> Result<Element, Fault> {
    let value: Value = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    Ok(match (is_map, &value) {
        (true, Value::Array(pair)) => match pair.as_slice() {
            [left, right] => element(left, Some(map_value(right)), key),
            _ => element(&value, None, key),
        },
        _ => element(&value, None, key),
    })
}

fn element(value: &Value, maps_to: Option<MapValue>, key: &[DataType]) -> Element {
    let plain = Element { key: Vec::new(), comment: None, value: maps_to, opaque: None, origin: None };
    match of(value, "elem").and_then(Value::as_object) {
        Some(wrapped) => Element {
            key: parts(wrapped.get("val").unwrap_or(&Value::Null), key),
            comment: wrapped.get("comment").and_then(Value::as_str).map(CompactString::from),
            opaque: properties(wrapped),
            ..plain
        },
        None => Element { key: parts(value, key), ..plain },
    }
}

/// Properties besides the comment, as the listing words them.
fn properties(wrapped: &serde_json::Map<String, Value>) -> Option<CompactString> {
    let mut texts = Vec::new();
    for (name, value) in wrapped {
        match (name.as_str(), value.as_u64()) {
            ("val" | "comment", _) => {}
            ("timeout" | "expires", Some(seconds)) => texts.push(format!("{name} {seconds}s")),
            _ => texts.push(format!("{name} {value}")),
        }
    }
    // The listing has the timeout first.
    texts.sort_by_key(|text| text.starts_with("expires"));
    (!texts.is_empty()).then(|| texts.join(" ").into())
}

fn parts(value: &Value, key: &[DataType]) -> Vec<Datum> {
    match of(value, "concat").and_then(Value::as_array) {
        Some(parts) => parts.iter().enumerate().map(|(i, part)| part_datum(part, key.get(i))).collect(),
        None => vec![part_datum(value, key.first())],
    }
}

fn part_datum(value: &Value, kind: Option<&DataType>) -> Datum {
    typed(value, kind).unwrap_or_else(|| match value {
        Value::String(text) => Datum::Other(text.into()),
        other => Datum::Other(other.to_string().into()),
    })
}

fn typed(value: &Value, kind: Option<&DataType>) -> Option<Datum> {
    match value {
        Value::String(text) => Some(datum::datum(text, kind)),
        Value::Number(_) if kind == Some(&DataType::InetService) => {
            Port::new(i64::from(number(value)?)).map(Datum::Port)
        }
        _ => match only(value)? {
            ("prefix", prefix) => network(prefix).map(Interval::from).map(Datum::from),
            ("range", range) => {
                let [first, last] = range.as_array()?.as_slice() else { return None };
                let (first, last) = (datum::address(first.as_str()?)?, datum::address(last.as_str()?)?);
                datum::ordered(first, last).map(Datum::from)
            }
            _ => None,
        },
    }
}

/// The body of a `prefix`.
pub(super) fn network(prefix: &Value) -> Option<crate::net::Cidr> {
    let [address, length] = fields(prefix, ["addr", "len"])?;
    datum::prefix(address.as_str()?, number(length)?)
}

fn map_value(value: &Value) -> MapValue {
    match verdict(value) {
        Some(verdict) => MapValue::Verdict(verdict),
        None => MapValue::Opaque(match value {
            Value::String(text) => text.into(),
            other => other.to_string().into(),
        }),
    }
}

/// Reads a verdict.
pub(super) fn verdict(value: &Value) -> Option<Verdict> {
    let (kind, body) = only(value)?;
    let target = || of(body, "target").and_then(Value::as_str).map(CompactString::from);
    match kind {
        "jump" => target().map(Verdict::Jump),
        "goto" => target().map(Verdict::Goto),
        "accept" if body.is_null() => Some(Verdict::Accept),
        "drop" if body.is_null() => Some(Verdict::Drop),
        "return" if body.is_null() => Some(Verdict::Return),
        "continue" if body.is_null() => Some(Verdict::Continue),
        _ => None,
    }
}
