//! Constants and verdicts in the schema of libnftables.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::net::{Cidr, inet_ntop};
use crate::nftables::ruleset::{Datum, Verdict};

pub(super) fn verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Accept => json!({ "accept": null }),
        Verdict::Drop => json!({ "drop": null }),
        Verdict::Return => json!({ "return": null }),
        Verdict::Continue => json!({ "continue": null }),
        Verdict::Jump(target) => json!({ "jump": { "target": target } }),
        Verdict::Goto(target) => json!({ "goto": { "target": target } }),
    }
}

pub(super) fn datum(datum: &Datum) -> Value {
    match datum {
        Datum::Address(ip) => address(*ip),
        Datum::Network(cidr) => network(*cidr),
        Datum::Range(first, last) => range(*first, *last),
        Datum::Protocol(protocol) => json!(protocol.lower_name()),
        Datum::Port(port) => json!(port.get()),
        Datum::Mark(mark) => json!(mark),
        Datum::Marks(first, last) => json!({ "range": [first, last] }),
        Datum::MarkPrefix(mark, length) => json!({ "prefix": { "addr": mark, "len": length } }),
        Datum::Number(number) => json!(number),
        Datum::Numbers(first, last) => json!({ "range": [first, last] }),
        Datum::Word(word) if matches!(word.as_str(), "exists" | "missing") => json!(word == "exists"),
        Datum::Name(text) | Datum::Word(text) | Datum::Other(text) => json!(text),
        Datum::Bits(names) => json!({ "|": names }),
        Datum::Any => json!("*"),
    }
}

/// A single part by itself, several joined.
pub(super) fn concatenation(mut parts: Vec<Value>) -> Value {
    if parts.len() == 1 { parts.remove(0) } else { json!({ "concat": parts }) }
}

fn address(ip: IpAddr) -> Value {
    json!(inet_ntop(ip))
}

pub(super) fn network(cidr: Cidr) -> Value {
    if cidr.is_host() {
        return address(cidr.network());
    }
    json!({ "prefix": { "addr": inet_ntop(cidr.network()), "len": cidr.length() } })
}

pub(super) fn range(first: IpAddr, last: IpAddr) -> Value {
    json!({ "range": [inet_ntop(first), inet_ntop(last)] })
}
