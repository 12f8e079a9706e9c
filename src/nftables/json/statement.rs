//! Statements and their parts in the schema of libnftables (libnftables-json(5)).

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::datum::{concatenation, network, range, verdict};
use super::{elsewhere, expression as general};
use crate::net::{Family, inet_ntop};
use crate::nftables::ruleset::{Addresses, FibEnd, Field, Interval, Statement, TableFamily};

/// A statement of a rule. One that the types do not cover is written as its text, which nft refuses.
pub(super) fn expression(statement: &Statement, family: Family) -> Value {
    match statement {
        Statement::Address { field: of, negated, addresses: to } => {
            matches(operator(*negated), &field(*of), &addresses(to))
        }
        Statement::InSet { key: of, negated, set } => matches(operator(*negated), &key(of), &at(set)),
        Statement::InInterface { by_name, negated, name } => {
            let word = if *by_name { "iifname" } else { "iif" };
            matches(operator(*negated), &meta(word), &json!(name))
        }
        Statement::ConntrackState(states) => matches("in", &conntrack("state"), &one_or_all(states)),
        Statement::ConntrackStatusDnat => matches("in", &conntrack("status"), &json!("dnat")),
        Statement::L4Protocol(protocol) => matches("==", &meta("l4proto"), &json!(protocol.lower_name())),
        Statement::DestinationPort(protocol, port) => {
            matches("==", &payload(protocol.lower_name(), "dport"), &json!(port.get()))
        }
        Statement::Mark { mask, negated, value } => mark_match(*mask, *negated, *value),
        Statement::FibLocal(end) => {
            let flag = match end {
                FibEnd::Source => "saddr",
                FibEnd::Destination => "daddr",
            };
            let lookup = json!({ "fib": { "result": "type", "flags": [flag] } });
            matches("==", &lookup, &json!("local"))
        }
        Statement::SetMarkOr(bits) => set_mark("|", *bits),
        Statement::SetMarkXor(bits) => set_mark("^", *bits),
        Statement::VerdictMap { key: of, map } => json!({ "vmap": { "key": key(of), "data": at(map) } }),
        Statement::RandomVerdict { modulus, verdicts } => {
            json!({ "vmap": random(*modulus, verdicts, verdict) })
        }
        Statement::Dnat(to) => json!({ "dnat": { "addr": inet_ntop(to.ip()), "port": to.port() } }),
        Statement::RandomDnat { family, modulus, destinations } => {
            let to = json!({ "map": random(*modulus, destinations, pair) });
            json!({ "dnat": { "family": TableFamily::from(*family).name(), "addr": to } })
        }
        Statement::UpdateSet { set, field: of } => {
            json!({ "set": { "op": "update", "elem": field(*of), "set": at(set) } })
        }
        Statement::Masquerade { fully_random: true } => json!({ "masquerade": { "flags": "fully-random" } }),
        Statement::Masquerade { fully_random: false } => json!({ "masquerade": null }),
        Statement::Reject => reject(family),
        Statement::Counter { packets, bytes } => {
            json!({ "counter": { "packets": packets, "bytes": bytes } })
        }
        Statement::NamedCounter(name) => json!({ "counter": name }),
        Statement::Verdict(end) => verdict(end),
        Statement::Compare(of) => general::comparison(of),
        Statement::LookUp(of) => general::look_up(&of.0, &of.1),
        Statement::Assign(of) => general::assign(&of.0, &of.1),
        Statement::Translate(of) => general::translation(of),
        Statement::RejectWith(answer) => general::reject_with(answer),
        Statement::Limit(of) => general::limit(of),
        Statement::Notrack => json!({ "notrack": null }),
        Statement::Log(of) => general::log(of),
        Statement::ChangeSet(of) => general::change(of, |inner| expression(inner, family)),
        Statement::Spelled(_, meaning) => expression(meaning, family),
        Statement::Divert(_, text) | Statement::Aside(text) => {
            elsewhere::statement(text).unwrap_or_else(|| json!(text))
        }
        Statement::Opaque(text) => json!(text),
    }
}

fn matches(operator: &str, left: &Value, right: &Value) -> Value {
    json!({ "match": { "op": operator, "left": left, "right": right } })
}

fn operator(negated: bool) -> &'static str {
    if negated { "!=" } else { "==" }
}

fn at(set: &str) -> Value {
    json!(format!("@{set}"))
}

fn meta(key: &str) -> Value {
    json!({ "meta": { "key": key } })
}

fn conntrack(key: &str) -> Value {
    json!({ "ct": { "key": key } })
}

fn payload(protocol: &str, field: &str) -> Value {
    json!({ "payload": { "protocol": protocol, "field": field } })
}

fn field(field: Field) -> Value {
    match field {
        Field::SourceAddress(family) => payload(TableFamily::from(family).name(), "saddr"),
        Field::DestinationAddress(family) => payload(TableFamily::from(family).name(), "daddr"),
        Field::L4Protocol => meta("l4proto"),
        Field::DestinationPort => payload("th", "dport"),
    }
}

fn key(fields: &[Field]) -> Value {
    concatenation(fields.iter().copied().map(field).collect())
}

fn one_or_all(words: &[compact_str::CompactString]) -> Value {
    match words {
        [one] => json!(one),
        all => json!(all),
    }
}

fn addresses(addresses: &Addresses) -> Value {
    match addresses {
        Addresses::One(cidr) => network(*cidr),
        Addresses::Anonymous(intervals) => {
            json!({ "set": intervals.iter().map(interval).collect::<Vec<_>>() })
        }
        Addresses::Named(set) => at(set),
    }
}

fn interval(interval: &Interval) -> Value {
    interval.as_network().map_or_else(|| range(interval.first, interval.last), network)
}

fn mark_match(mask: u32, negated: bool, value: u32) -> Value {
    let masked = json!({ "&": [meta("mark"), mask] });
    matches(operator(negated), &masked, &json!(value))
}

fn set_mark(operator: &str, bits: u32) -> Value {
    json!({ "mangle": { "key": meta("mark"), "value": { operator: [meta("mark"), bits] } } })
}

fn random<T>(modulus: u32, choices: &[(u32, T)], value: fn(&T) -> Value) -> Value {
    let choices: Vec<Value> = choices.iter().map(|(number, of)| json!([number, value(of)])).collect();
    json!({
        "key": { "numgen": { "mode": "random", "mod": modulus, "offset": 0 } },
        "data": { "set": choices },
    })
}

fn pair(to: &SocketAddr) -> Value {
    json!({ "concat": [inet_ntop(to.ip()), to.port()] })
}

fn reject(family: Family) -> Value {
    let kind = match family {
        Family::Ipv4 => "icmp",
        Family::Ipv6 => "icmpv6",
    };
    json!({ "reject": { "type": kind, "expr": "port-unreachable" } })
}
