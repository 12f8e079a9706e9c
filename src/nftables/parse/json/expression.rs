//! Expressions in JSON.

use compact_str::{CompactString, format_compact};
use serde_json::Value;

use super::element;
use super::value::{fields, names, number, of, only};
use crate::nftables::parse::datum;
use crate::nftables::parse::element::Types;
use crate::nftables::ruleset::{
    Binary, Chooser, DataType, Datum, Direction, Element, Expression, FibResult, Header, Selector,
};

/// The deepest nesting of operations.
const MAX_DEPTH: usize = 8;

/// A selector, or an expression made of selectors.
pub(super) fn expression(value: &Value) -> Option<Expression> {
    part(value, None, MAX_DEPTH)
}

/// An expression, or a value of the type.
pub(super) fn assigned(value: &Value, kind: Option<&DataType>) -> Option<Expression> {
    part(value, kind, MAX_DEPTH)
}

fn part(value: &Value, kind: Option<&DataType>, depth: usize) -> Option<Expression> {
    let depth = depth.checked_sub(1)?;
    if let Some(found) = selector(value) {
        return Some(Expression::Selector(found));
    }
    let Some((name, body)) = only(value).filter(|(name, _)| !is_datum(name, value)) else {
        return value_of(value, kind).map(Expression::Datum);
    };
    match name {
        "concat" => {
            let parts: Option<Vec<_>> =
                body.as_array()?.iter().map(|value| part(value, None, depth)).collect();
            parts.map(Expression::Concatenation)
        }
        "map" => {
            let [key, data] = fields(body, ["key", "data"])?;
            let key = part(key, None, depth)?;
            let types = [kind.cloned(), Some(DataType::InetService)];
            let map = elements(data, &key, if kind.is_some() { &types[..1] } else { &types })?;
            Some(Expression::Map(Box::new(key), Box::new(map)))
        }
        "numgen" | "jhash" | "symhash" => chooser(name, body, depth).map(Expression::Chooser),
        sign => operation(Binary::from_sign(sign)?, body, kind, depth),
    }
}

/// Whether an object is a value: named bits are, operations on numbers are not.
fn is_datum(name: &str, value: &Value) -> bool {
    let of_names = |body: &Value| body.as_array().is_some_and(|all| all.iter().all(Value::is_string));
    matches!(name, "prefix" | "range") || (name == "|" && of(value, "|").is_some_and(of_names))
}

fn operation(operator: Binary, body: &Value, kind: Option<&DataType>, depth: usize) -> Option<Expression> {
    let (first, rest) = body.as_array()?.split_first()?;
    // Each puts its left side one level deeper.
    let depth = depth.checked_sub(rest.len())?;
    let mut left = part(first, kind, depth)?;
    for value in rest {
        let own = left.data_type();
        let kind = match operator {
            Binary::ShiftLeft | Binary::ShiftRight => None,
            _ => own.as_ref().or(kind),
        };
        let right = part(value, kind, depth)?;
        left = Expression::Binary(operator, Box::new(left), Box::new(right));
    }
    (!rest.is_empty()).then_some(left)
}

fn chooser(name: &str, body: &Value, depth: usize) -> Option<Chooser> {
    let at = |key: &str| body.get(key);
    let modulus = number(at("mod")?)?;
    let offset = at("offset").map_or(Some(0), number)?;
    if name == "numgen" {
        return Some(Chooser::Counter { random: at("mode")? == "random", modulus, offset });
    }
    let of = match at("expr") {
        Some(key) => Some(Box::new(part(key, None, depth)?)),
        None => None,
    };
    let seed = match at("seed") {
        Some(seed) => Some(number(seed)?),
        None => None,
    };
    (of.is_some() == (name == "jhash")).then_some(Chooser::Hash { of, modulus, seed, offset })
}

/// Something that is asked of the packet.
pub(super) fn selector(value: &Value) -> Option<Selector> {
    let (name, body) = only(value)?;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let is_plain = |count: usize| body.as_object().is_some_and(|object| object.len() == count);
    match name {
        "payload" if body.get("base").is_some() => {
            let [base, offset, length] = fields(body, ["base", "offset", "len"])?;
            let (offset, length) = (number(offset)?, number(length)?);
            Some(Selector::Other(format_compact!("@{},{offset},{length}", base.as_str()?)))
        }
        "payload" if is_plain(2) => {
            Some(Selector::Payload(Header::from_name(text("protocol")?)?, text("field")?.into()))
        }
        "meta" if is_plain(1) => Some(Selector::Meta(text("key")?.into())),
        "ct" => match (text("dir"), body.get("family")) {
            (None, None) if is_plain(1) => Some(Selector::Conntrack(None, text("key")?.into())),
            (Some(direction), None) => {
                Some(Selector::Conntrack(Some(Direction::from_name(direction)?), text("key")?.into()))
            }
            _ => None,
        },
        "fib" if is_plain(2) => {
            let keys: Vec<CompactString> =
                names(body.get("flags")?).into_iter().map(CompactString::from).collect();
            Some(Selector::Fib(keys, FibResult::from_name(text("result")?)?))
        }
        "rt" => match text("family") {
            Some(family) => Some(Selector::Other(format_compact!("rt {family} {}", text("key")?))),
            None => Some(Selector::Other(format_compact!("rt {}", text("key")?))),
        },
        "osf" if is_plain(2) => {
            Some(Selector::Other(format_compact!("osf ttl {} {}", text("ttl")?, text("key")?)))
        }
        "socket" | "osf" if is_plain(1) => Some(Selector::Other(format_compact!("{name} {}", text("key")?))),
        "tcp option" if is_plain(3) => {
            let [base, offset, length] = fields(body, ["base", "offset", "len"])?;
            Some(Selector::Other(format_compact!("{name} @{base},{offset},{length}")))
        }
        "tcp option" | "ip option" | "sctp chunk" if is_plain(2) => {
            Some(Selector::Other(format_compact!("{name} {} {}", text("name")?, text("field")?)))
        }
        "tcp option" | "ip option" | "sctp chunk" if is_plain(1) => {
            Some(Selector::Other(format_compact!("{name} {}", text("name")?)))
        }
        "ipsec" => ipsec(body).map(Selector::Other),
        "exthdr" if is_plain(2) => {
            Some(Selector::Other(format_compact!("{} {}", text("name")?, text("field")?)))
        }
        "exthdr" if is_plain(1) => Some(Selector::Other(format_compact!("exthdr {}", text("name")?))),
        _ => None,
    }
}

fn ipsec(body: &Value) -> Option<CompactString> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let number = match body.get("spnum").map_or(Some(0), number)? {
        0 => CompactString::default(),
        number => format_compact!(" spnum {number}"),
    };
    let family = text("family").map(|family| format_compact!(" {family}")).unwrap_or_default();
    Some(format_compact!("ipsec {}{number}{family} {}", text("dir")?, text("key")?))
}

/// `@name`, or elements of an anonymous set or map.
pub(super) fn elements(value: &Value, key: &Expression, values: &[Option<DataType>]) -> Option<Expression> {
    if let Some(name) = value.as_str().and_then(|text| text.strip_prefix('@')) {
        return Some(Expression::Named(name.into()));
    }
    let types = Types { key: key.data_types(), value: values.to_vec() };
    let items = of(value, "set")?;
    let found: Vec<Element> = match items {
        Value::Array(items) => items.iter().map(|item| element::of_value(item, &types)).collect(),
        one => vec![element::of_value(one, &types)],
    };
    (!found.is_empty()).then(|| Expression::Set(found.into_iter().map(told_by_looks).collect()))
}

/// A value without a type is recognized by its form.
fn told_by_looks(mut element: Element) -> Element {
    for datum in &mut element.key {
        if let Datum::Other(text) = datum
            && let Some(known) = datum::untyped(text)
        {
            *datum = known;
        }
    }
    element
}

/// What a match compares with.
pub(super) fn compared(value: &Value, left: &Expression) -> Option<Expression> {
    if of(value, "set").is_some() || value.as_str().is_some_and(|text| text.starts_with('@')) {
        return elements(value, left, &[]);
    }
    let types = left.data_types();
    if let Some(parts) = of(value, "concat") {
        let part = |(i, value)| {
            value_of(value, types.get::<usize>(i).and_then(Option::as_ref)).map(Expression::Datum)
        };
        let parts: Option<Vec<_>> = parts.as_array()?.iter().enumerate().map(part).collect();
        return parts.map(Expression::Concatenation);
    }
    value_of(value, types.first().and_then(Option::as_ref)).map(Expression::Datum)
}

/// A value of a type; without one, it is recognized by its form.
fn value_of(value: &Value, kind: Option<&DataType>) -> Option<Datum> {
    let any = DataType::Other(CompactString::const_new(""));
    element::typed(value, Some(kind.unwrap_or(&any)))
}
