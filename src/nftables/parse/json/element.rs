//! Elements of sets and maps in JSON.

use compact_str::{CompactString, format_compact};
use serde_json::Value;
use serde_json::value::RawValue;

use super::value::{fields, number, of, only};
use crate::diagnostic::Fault;
use crate::net::Port;
use crate::nftables::parse::datum;
use crate::nftables::parse::element::Types;
use crate::nftables::ruleset::{DataType, Datum, Duration, Element, Interval, MapValue, Verdict};

pub(super) fn read(raw: &RawValue, types: &Types, is_map: bool) -> Result<Element, Fault> {
    let value: Value = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    Ok(match (is_map, &value) {
        (true, Value::Array(_)) => of_value(&value, types),
        _ => element(&value, None, &types.key),
    })
}

/// An element of a set, or of a map where it is a pair.
pub(super) fn of_value(value: &Value, types: &Types) -> Element {
    match value.as_array().map(Vec::as_slice) {
        Some([left, right]) => element(left, Some(map_value(right, &types.value)), &types.key),
        _ => element(value, None, &types.key),
    }
}

fn element(value: &Value, maps_to: Option<MapValue>, key: &[Option<DataType>]) -> Element {
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

/// Properties other than the comment, in the words of the listing.
fn properties(wrapped: &serde_json::Map<String, Value>) -> Option<CompactString> {
    let mut texts = Vec::new();
    for (name, value) in wrapped {
        match (name.as_str(), value.as_u64()) {
            ("val" | "comment", _) => {}
            ("timeout" | "expires", Some(seconds)) => {
                texts.push(format!("{name} {}", Duration::of_seconds(seconds)));
            }
            _ => texts.push(format!("{name} {value}")),
        }
    }
    // The listing has the timeout first.
    texts.sort_by_key(|text| text.starts_with("expires"));
    (!texts.is_empty()).then(|| texts.join(" ").into())
}

fn parts(value: &Value, types: &[Option<DataType>]) -> Vec<Datum> {
    let kind = |i: usize| types.get(i).and_then(Option::as_ref);
    match of(value, "concat").and_then(Value::as_array) {
        Some(parts) => parts.iter().enumerate().map(|(i, part)| part_datum(part, kind(i))).collect(),
        None => vec![part_datum(value, kind(0))],
    }
}

fn part_datum(value: &Value, kind: Option<&DataType>) -> Datum {
    typed(value, kind).unwrap_or_else(|| match value {
        Value::String(text) => Datum::Other(text.into()),
        other => Datum::Other(other.to_string().into()),
    })
}

/// A value of a type; without one, addresses are recognized by their form.
pub(super) fn typed(value: &Value, kind: Option<&DataType>) -> Option<Datum> {
    match value {
        Value::String(text) if text == "*" => Some(Datum::Any),
        Value::String(text) if is_quoted(kind) => match datum::number(text) {
            Some(number) if kind == Some(&DataType::InterfaceIndex) => Some(Datum::Number(number)),
            _ => Some(Datum::Name(text.into())),
        },
        Value::String(text) => datum::typed(text, kind),
        Value::Bool(exists) => Some(Datum::Word(if *exists { "exists" } else { "missing" }.into())),
        Value::Number(_) => numeric(value, kind),
        Value::Array(_) => bits(value),
        _ => match only(value)? {
            ("|", names) => bits(names),
            ("prefix", prefix) => match network(prefix) {
                Some(network) => Some(Datum::from(Interval::from(network))),
                None => mark_prefix(prefix),
            },
            ("range", range) => {
                let [first, last] = range.as_array()?.as_slice() else { return None };
                ends(first, last, kind)
            }
            _ => None,
        },
    }
}

fn is_quoted(kind: Option<&DataType>) -> bool {
    match kind {
        Some(DataType::InterfaceName | DataType::InterfaceIndex) => true,
        Some(DataType::Other(name)) => name == "string",
        _ => false,
    }
}

fn numeric(value: &Value, kind: Option<&DataType>) -> Option<Datum> {
    let number = value.as_u64()?;
    Some(match kind {
        None => return None,
        Some(DataType::Mark) => Datum::Mark(u32::try_from(number).ok()?),
        Some(DataType::InetService) => match Port::new(i64::try_from(number).ok()?) {
            Some(port) => Datum::Port(port),
            None => Datum::Number(number),
        },
        Some(DataType::Other(name)) if name == "time" => {
            Datum::Word(format_compact!("{}", Duration::of_seconds(number)))
        }
        Some(DataType::Other(name)) if name == "raw" => Datum::Word(format_compact!("{number:#x}")),
        Some(_) => Datum::Number(number),
    })
}

fn bits(names: &Value) -> Option<Datum> {
    let names: Option<Vec<CompactString>> =
        names.as_array()?.iter().map(|name| name.as_str().map(CompactString::from)).collect();
    names.filter(|names| !names.is_empty()).map(Datum::Bits)
}

fn mark_prefix(prefix: &Value) -> Option<Datum> {
    let [mark, length] = fields(prefix, ["addr", "len"])?;
    Some(Datum::MarkPrefix(number(mark)?, u8::try_from(number(length)?).ok()?))
}

fn ends(first: &Value, last: &Value, kind: Option<&DataType>) -> Option<Datum> {
    match (first, last) {
        (Value::String(first), Value::String(last)) => match (datum::address(first), datum::address(last)) {
            (Some(first), Some(last)) => datum::ordered(first, last).map(Datum::from),
            // Times of the day.
            _ => Some(Datum::Other(format_compact!("\"{first}\"-\"{last}\""))),
        },
        // nft prints only these times like this.
        _ if matches!(kind, Some(DataType::Other(name)) if name == "time") => {
            Some(Datum::Word(format_compact!("{}s-{}s", first.as_u64()?, last.as_u64()?)))
        }
        _ if kind == Some(&DataType::Mark) => Some(Datum::Marks(number(first)?, number(last)?)),
        _ => Some(Datum::Numbers(first.as_u64()?, last.as_u64()?)),
    }
}

/// The body of a `prefix`.
pub(super) fn network(prefix: &Value) -> Option<crate::net::Cidr> {
    let [address, length] = fields(prefix, ["addr", "len"])?;
    datum::prefix(address.as_str()?, number(length)?)
}

fn map_value(value: &Value, types: &[Option<DataType>]) -> MapValue {
    if let Some(verdict) = verdict(value) {
        return MapValue::Verdict(verdict);
    }
    let data = if types.is_empty() { Vec::new() } else { parts(value, types) };
    let known = !data.is_empty() && !data.iter().any(|datum| matches!(datum, Datum::Other(_)));
    match value {
        _ if known => MapValue::Data(data),
        Value::String(text) => MapValue::Opaque(text.into()),
        other => MapValue::Opaque(other.to_string().into()),
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
