//! Statements that send a packet, or a copy of it, elsewhere, and others kept as text, in JSON.

use serde_json::{Map, Value, json};

use crate::nftables::ruleset::Duration;

/// The JSON of a statement, given its text; none if that is not known.
pub(super) fn statement(text: &str) -> Option<Value> {
    let mut words = text.split(' ');
    let kind = words.next()?;
    let rest: Vec<&str> = words.collect();
    match (kind, rest.as_slice()) {
        ("queue", rest) => queue(rest),
        ("tproxy" | "fwd" | "dup", rest) => target(kind, rest),
        ("synproxy", ["name", name]) => Some(json!({ "synproxy": unquoted(name) })),
        ("synproxy", rest) => synproxy(rest),
        ("flow", ["add", table]) => Some(json!({ "flow": { "op": "add", "flowtable": table } })),
        ("last", [] | ["used", "never"]) => Some(json!({ "last": null })),
        ("last", ["used", time]) => Some(json!({ "last": { "used": time.parse::<Duration>().ok()?.0 } })),
        ("reset", ["tcp", "option", name]) => Some(json!({ "reset": { "tcp option": { "name": name } } })),
        _ => None,
    }
}

/// `queue flags bypass,fanout to 0-3`
fn queue(mut words: &[&str]) -> Option<Value> {
    let mut body = Map::new();
    if let ["flags", flags, rest @ ..] = words {
        body.insert("flags".into(), listed(flags.split(',')));
        words = rest;
    }
    if let ["to" | "num", numbers] = words {
        let number = |text: &str| text.parse::<u16>().ok();
        let of = match numbers.split_once('-') {
            Some((first, last)) => json!({ "range": [number(first)?, number(last)?] }),
            None => json!(number(numbers)?),
        };
        body.insert("num".into(), of);
    } else if !words.is_empty() {
        return None;
    }
    Some(json!({ "queue": if body.is_empty() { Value::Null } else { body.into() } }))
}

/// `tproxy ip to 10.0.0.1:80`, `tproxy to :80`, `dup to 10.0.0.1 device "lo"`, `fwd to "lo"`
fn target(kind: &str, mut words: &[&str]) -> Option<Value> {
    let mut body = Map::new();
    if let [family @ ("ip" | "ip6"), rest @ ..] = words {
        body.insert("family".into(), json!(family));
        words = rest;
    }
    let ["to", to, rest @ ..] = words else { return None };
    match to.strip_prefix('"') {
        Some(_) => _ = body.insert("dev".into(), json!(unquoted(to))),
        None => {
            let (address, port) = split_port(to);
            let address = Some(address).filter(|address| !address.is_empty());
            address.map(|address| body.insert("addr".into(), json!(address)));
            if let Some(port) = port {
                body.insert("port".into(), json!(port.parse::<u16>().ok()?));
            }
        }
    }
    match rest {
        [] => {}
        ["device", device] => _ = body.insert("dev".into(), json!(unquoted(device))),
        _ => return None,
    }
    let mut statement = Map::new();
    statement.insert(kind.into(), body.into());
    Some(statement.into())
}

/// An address, which is in brackets if it is of IPv6 and a port follows, and the port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => (address, Some(port)),
        _ => (text, None),
    }
}

/// `synproxy mss 1460 wscale 7 timestamp sack-perm`
fn synproxy(mut words: &[&str]) -> Option<Value> {
    let mut body = Map::new();
    while let [option @ ("mss" | "wscale"), value, rest @ ..] = words {
        body.insert((*option).into(), json!(value.parse::<u32>().ok()?));
        words = rest;
    }
    if words.iter().any(|flag| !matches!(*flag, "timestamp" | "sack-perm")) {
        return None;
    }
    if !words.is_empty() {
        body.insert("flags".into(), listed(words.iter().copied()));
    }
    Some(json!({ "synproxy": if body.is_empty() { Value::Null } else { body.into() } }))
}

fn listed<'t>(flags: impl Iterator<Item = &'t str>) -> Value {
    let flags: Vec<&str> = flags.collect();
    match flags.as_slice() {
        [one] => json!(one),
        all => json!(all),
    }
}

fn unquoted(text: &str) -> &str {
    text.trim_matches('"')
}
