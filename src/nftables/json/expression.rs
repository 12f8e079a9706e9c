//! Expressions, and the statements made of them, in the schema of libnftables.

use serde_json::{Map, Value, json};

use super::datum::{concatenation, datum, verdict};
use crate::nftables::ruleset::{
    Chooser, Comparison, Datum, Element, Expression, Limit, Log, MapValue, Operator, Selector, SetChange,
    SetOperation, Statement, TableFamily, Translation, is_extension_field,
};

pub(super) fn expression(of: &Expression) -> Value {
    match of {
        Expression::Selector(of) => selector(of),
        Expression::Datum(of) => datum(of),
        Expression::Set(elements) => json!({ "set": elements.iter().map(element).collect::<Vec<_>>() }),
        Expression::Named(name) => json!(format!("@{name}")),
        Expression::Concatenation(parts) => {
            json!({ "concat": parts.iter().map(expression).collect::<Vec<_>>() })
        }
        Expression::Binary(operator, left, right) => {
            json!({ operator.sign(): [expression(left), expression(right)] })
        }
        Expression::Map(key, map) => json!({ "map": { "key": expression(key), "data": expression(map) } }),
        Expression::Chooser(of) => chooser(of),
    }
}

pub(super) fn selector(of: &Selector) -> Value {
    match of {
        Selector::Payload(header, field) => {
            json!({ "payload": { "protocol": header.name(), "field": field } })
        }
        Selector::Meta(key) => json!({ "meta": { "key": key } }),
        Selector::Conntrack(None, key) => json!({ "ct": { "key": key } }),
        Selector::Conntrack(Some(direction), key) => {
            json!({ "ct": { "key": key, "dir": direction.name() } })
        }
        Selector::Fib(keys, result) => json!({ "fib": { "result": result.name(), "flags": keys } }),
        Selector::Other(words) => other(words),
    }
}

fn other(words: &str) -> Value {
    if let Some(raw) = words.strip_prefix('@') {
        let mut parts = raw.split(',');
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
        let base = raw.split(',').next();
        let (_, offset, length) = (number(), number(), number());
        return json!({ "payload": { "base": base, "offset": offset, "len": length } });
    }
    let parts: Vec<&str> = words.split(' ').collect();
    match parts.as_slice() {
        [header, field] if is_extension_field(header, field) => {
            json!({ "exthdr": { "name": header, "field": field } })
        }
        ["ipsec", direction, rest @ ..] => ipsec(direction, rest),
        ["osf", "ttl", ttl, key] => json!({ "osf": { "key": key, "ttl": ttl } }),
        ["sctp", "chunk", name, field] => json!({ "sctp chunk": { "name": name, "field": field } }),
        ["sctp", "chunk", name] => json!({ "sctp chunk": { "name": name } }),
        [kind, "option", name] if !name.starts_with('@') => {
            json!({ format!("{kind} option"): { "name": name } })
        }
        ["rt", family, key] => json!({ "rt": { "key": key, "family": family } }),
        [kind, "option", name, field] => {
            json!({ format!("{kind} option"): { "name": name, "field": field } })
        }
        ["exthdr", name] => json!({ "exthdr": { "name": name } }),
        [kind, key] => json!({ *kind: { "key": key } }),
        _ => json!(words),
    }
}

/// `in spnum 1 spi`, `out ip saddr`
fn ipsec(direction: &str, mut words: &[&str]) -> Value {
    let mut body = Map::from_iter([("dir".to_owned(), json!(direction))]);
    let mut spnum = 0;
    if let ["spnum", number, rest @ ..] = words {
        spnum = number.parse::<u32>().unwrap_or(0);
        words = rest;
    }
    if let [family, _] = words {
        body.insert("family".to_owned(), json!(family));
    }
    body.insert("key".to_owned(), json!(words.last()));
    body.insert("spnum".to_owned(), json!(spnum));
    json!({ "ipsec": body })
}

fn chooser(of: &Chooser) -> Value {
    match of {
        Chooser::Counter { random, modulus, offset } => {
            let mode = if *random { "random" } else { "inc" };
            json!({ "numgen": { "mode": mode, "mod": modulus, "offset": offset } })
        }
        Chooser::Hash { of, modulus, seed, offset } => {
            let mut body = Map::from_iter([("mod".to_owned(), json!(modulus))]);
            body.extend(seed.map(|seed| ("seed".to_owned(), json!(seed))));
            body.extend((*offset > 0).then(|| ("offset".to_owned(), json!(offset))));
            body.extend(of.as_ref().map(|key| ("expr".to_owned(), expression(key))));
            json!({ if of.is_some() { "jhash" } else { "symhash" }: body })
        }
    }
}

/// An element of a set or map.
pub(super) fn element(element: &Element) -> Value {
    let key = concatenation(element.key.iter().map(datum).collect());
    let key = match &element.comment {
        Some(comment) => json!({ "elem": { "val": key, "comment": comment } }),
        None => key,
    };
    match &element.value {
        None => key,
        Some(value) => json!([key, map_value(value)]),
    }
}

fn map_value(value: &MapValue) -> Value {
    match value {
        MapValue::Verdict(of) => verdict(of),
        MapValue::Data(parts) => concatenation(parts.iter().map(datum).collect()),
        MapValue::Opaque(text) => json!(text),
    }
}

pub(super) fn comparison(of: &Comparison) -> Value {
    let is_bits = of.left.data_type().is_some_and(|kind| kind.is_bits());
    let is_datum = matches!(of.right, Expression::Datum(_));
    let operator = match of.operator {
        Operator::Implied if is_bits && is_datum => "in",
        Operator::Implied => "==",
        signed => signed.sign(),
    };
    let (left, right) = (expression(&of.left), expression(&of.right));
    json!({ "match": { "op": operator, "left": left, "right": right } })
}

pub(super) fn look_up(key: &Expression, map: &Expression) -> Value {
    json!({ "vmap": { "key": expression(key), "data": expression(map) } })
}

pub(super) fn assign(target: &Selector, value: &Expression) -> Value {
    match (target, value) {
        (Selector::Conntrack(None, key), Expression::Datum(Datum::Name(name)))
            if matches!(key.as_str(), "helper" | "timeout" | "expectation") =>
        {
            json!({ format!("ct {key}"): name })
        }
        _ => json!({ "mangle": { "key": selector(target), "value": expression(value) } }),
    }
}

pub(super) fn translation(of: &Translation) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| _ = body.insert(name.to_owned(), value);
    if let Some(family) = of.family {
        put("family", json!(TableFamily::from(family).name()));
    }
    if let Some(address) = &of.address {
        put("addr", expression(address));
    }
    if let Some(port) = &of.port {
        put("port", expression(port));
    }
    match of.flags.as_slice() {
        [] => {}
        [one] => put("flags", json!(one)),
        several => put("flags", json!(several)),
    }
    if of.prefix {
        put("type_flags", json!("prefix"));
    }
    json!({ of.kind.name(): if body.is_empty() { Value::Null } else { Value::Object(body) } })
}

pub(super) fn reject_with(answer: &str) -> Value {
    match answer.split_once(' ') {
        Some((kind, code)) if kind != "tcp" => json!({ "reject": { "type": kind, "expr": code } }),
        _ => json!({ "reject": { "type": answer } }),
    }
}

pub(super) fn limit(of: &Limit) -> Value {
    let inverted = |mut body: Map<String, Value>, over: bool| {
        if over {
            body.insert("inv".to_owned(), json!(true));
        }
        body
    };
    let number = |text: &str| text.parse::<u64>().map_or_else(|_| json!(text), Value::from);
    match of {
        Limit::Rate { over, rate, burst } => {
            let (amount, per) = rate.split_once('/').unwrap_or((rate, ""));
            let (amount, unit) = match amount.split_once(' ') {
                Some((amount, unit)) => (amount, Some(unit)),
                None => (amount, None),
            };
            let default = if unit.is_some() { "0 bytes" } else { "5 packets" };
            let (burst, burst_unit) = burst.as_deref().unwrap_or(default).split_once(' ').unwrap_or_default();
            let mut body = Map::new();
            body.insert("rate".to_owned(), number(amount));
            body.insert("burst".to_owned(), number(burst));
            body.insert("per".to_owned(), json!(per));
            if let Some(unit) = unit {
                body.insert("rate_unit".to_owned(), json!(unit));
                body.insert("burst_unit".to_owned(), json!(burst_unit));
            }
            json!({ "limit": inverted(body, *over) })
        }
        Limit::Quota { over, size, used } => {
            let mut body = Map::new();
            for (name, text) in [("val", Some(size)), ("used", used.as_ref())] {
                if let Some((amount, unit)) = text.and_then(|text| text.split_once(' ')) {
                    body.insert(name.to_owned(), number(amount));
                    body.insert(format!("{name}_unit"), json!(unit));
                }
            }
            json!({ "quota": inverted(body, *over) })
        }
        Limit::Connections { over, count } => {
            json!({ "ct count": inverted(Map::from_iter([("val".to_owned(), json!(count))]), *over) })
        }
        Limit::Named(kind, name) => json!({ kind.as_str(): name }),
    }
}

pub(super) fn log(of: &Log) -> Value {
    let option = |(name, value): &(compact_str::CompactString, compact_str::CompactString)| {
        let plain = value.trim_matches('"');
        let number = plain.parse::<u64>().ok().filter(|_| name != "prefix");
        (name.to_string(), number.map_or_else(|| json!(plain), Value::from))
    };
    let body: Map<String, Value> = of.options.iter().map(option).collect();
    json!({ "log": if body.is_empty() { Value::Null } else { Value::Object(body) } })
}

pub(super) fn change(of: &SetChange, statement: impl Fn(&Statement) -> Value) -> Value {
    let key = expression(&of.key);
    let key = match &of.timeout {
        Some(timeout) => json!({ "elem": { "val": key, "timeout": timeout } }),
        None => key,
    };
    let of_element = |of: &Statement| match of {
        Statement::Counter { .. } => json!({ "counter": null }),
        other => statement(other),
    };
    let statements: Vec<Value> = of.statements.iter().map(of_element).collect();
    if of.operation == SetOperation::Meter {
        let (name, size) = of.set.split_once(" size ").unwrap_or((&of.set, ""));
        let size = size.parse::<u32>().ok();
        return json!({ "meter": { "key": key, "stmt": statements.first(), "size": size, "name": name } });
    }
    let mut body = Map::from_iter([("op".to_owned(), json!(of.operation.name())), ("elem".to_owned(), key)]);
    let kind = match &of.value {
        Some(value) => {
            body.insert("data".to_owned(), expression(value));
            "map"
        }
        None => "set",
    };
    body.insert(kind.to_owned(), json!(format!("@{}", of.set)));
    if !statements.is_empty() {
        body.insert("stmt".to_owned(), Value::Array(statements));
    }
    json!({ kind: body })
}
