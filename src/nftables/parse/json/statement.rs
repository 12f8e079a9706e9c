//! Statements of rules in JSON.

use std::net::SocketAddr;

use compact_str::CompactString;
use serde_json::Value;
use serde_json::value::RawValue;

use super::element::{network, verdict};
use super::general;
use super::value::{fields, names, number, of, only};
use crate::diagnostic::Fault;
use crate::net::{Cidr, Family, Port, Protocol};
use crate::nftables::parse::datum;
use crate::nftables::ruleset::{Addresses, FibEnd, Field, Interval, Statement, TableFamily};

/// Reads a statement; one that kube-proxy never writes keeps its JSON text.
pub(super) fn read(raw: &RawValue, table: TableFamily) -> Result<Statement, Fault> {
    let value: Value = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let known = typed(&value, table).or_else(|| general::statement(&value));
    Ok(known.unwrap_or_else(|| Statement::Opaque(raw.get().into())))
}

fn typed(value: &Value, table: TableFamily) -> Option<Statement> {
    let (kind, body) = only(value)?;
    match kind {
        "match" => matching(body),
        "vmap" => verdict_map(body),
        "mangle" => mangle(body),
        "dnat" => dnat(body),
        "masquerade" => masquerade(body),
        "reject" => is_default_answer(body, table).then_some(Statement::Reject),
        "counter" if body.is_string() => body.as_str().map(|name| Statement::NamedCounter(name.into())),
        "counter" => {
            let [packets, bytes] = fields(body, ["packets", "bytes"])?;
            Some(Statement::Counter { packets: packets.as_u64()?, bytes: bytes.as_u64()? })
        }
        "set" => update(body),
        _ => verdict(value).map(Statement::Verdict),
    }
}

fn field(value: &Value) -> Option<Field> {
    if let Some(body) = of(value, "payload") {
        let [protocol, name] = fields(body, ["protocol", "field"])?;
        let family = |word| if word == "ip" { Family::Ipv4 } else { Family::Ipv6 };
        return match (protocol.as_str()?, name.as_str()?) {
            (ip @ ("ip" | "ip6"), "saddr") => Some(Field::SourceAddress(family(ip))),
            (ip @ ("ip" | "ip6"), "daddr") => Some(Field::DestinationAddress(family(ip))),
            ("th", "dport") => Some(Field::DestinationPort),
            _ => None,
        };
    }
    (meta(value)? == "l4proto").then_some(Field::L4Protocol)
}

fn meta(value: &Value) -> Option<&str> {
    of(of(value, "meta")?, "key")?.as_str()
}

fn key(value: &Value) -> Option<Vec<Field>> {
    match of(value, "concat") {
        Some(parts) => parts.as_array()?.iter().map(field).collect(),
        None => field(value).map(|field| vec![field]),
    }
}

fn named(value: &Value) -> Option<CompactString> {
    value.as_str()?.strip_prefix('@').map(CompactString::from)
}

fn matching(body: &Value) -> Option<Statement> {
    let [op, left, right] = fields(body, ["op", "left", "right"])?;
    let op = op.as_str()?;
    if let Some(ct) = of(left, "ct") {
        return conntrack(of(ct, "key")?.as_str()?, right).filter(|_| op == "in");
    }
    let negated = match op {
        "==" => false,
        "!=" => true,
        _ => return None,
    };
    if let Some(parts) = of(left, "&") {
        return mark(parts, negated, right);
    }
    if let Some(fib) = of(left, "fib") {
        return fib_local(fib, right).filter(|_| !negated);
    }
    if let Some(key) = key(left) {
        return keyed(key, negated, right);
    }
    match meta(left) {
        Some("mark") => whole_mark(negated, right),
        Some(word @ ("iif" | "iifname")) => interface(word, negated, right),
        Some(_) => None,
        None => transport(left, right).filter(|_| !negated),
    }
}

fn conntrack(key: &str, right: &Value) -> Option<Statement> {
    match (key, right) {
        ("status", Value::String(status)) if status == "dnat" => Some(Statement::ConntrackStatusDnat),
        ("state", Value::String(_) | Value::Array(_)) => {
            let states: Vec<CompactString> = names(right).into_iter().map(CompactString::from).collect();
            let known = states.iter().all(|state| datum::is_conntrack_state(state));
            known.then_some(Statement::ConntrackState(states))
        }
        _ => None,
    }
}

fn mark(parts: &Value, negated: bool, right: &Value) -> Option<Statement> {
    let [left, mask] = parts.as_array()?.as_slice() else { return None };
    if meta(left)? != "mark" {
        return None;
    }
    Some(Statement::Mark { mask: number(mask)?, negated, value: number(right)? })
}

/// A mark without a mask, or with a mask of leading ones, which nft 1.0.6 treats as a prefix.
fn whole_mark(negated: bool, right: &Value) -> Option<Statement> {
    let Some(prefix) = of(right, "prefix") else {
        return Some(Statement::Mark { mask: u32::MAX, negated, value: number(right)? });
    };
    let [value, length] = fields(prefix, ["addr", "len"])?;
    let length = number(length).filter(|l| (1..=u32::BITS).contains(l))?;
    Some(Statement::Mark { mask: u32::MAX << (u32::BITS - length), negated, value: number(value)? })
}

fn fib_local(fib: &Value, right: &Value) -> Option<Statement> {
    let [result, flags] = fields(fib, ["result", "flags"])?;
    let end = match names(flags).as_slice() {
        [flag] if flag == "saddr" => FibEnd::Source,
        [flag] if flag == "daddr" => FibEnd::Destination,
        _ => return None,
    };
    (result == "type" && right == "local").then_some(Statement::FibLocal(end))
}

fn interface(word: &str, negated: bool, right: &Value) -> Option<Statement> {
    let name = right.as_str().filter(|name| !name.starts_with('@'))?.into();
    Some(Statement::InInterface { by_name: word == "iifname", negated, name })
}

fn transport(left: &Value, right: &Value) -> Option<Statement> {
    let [protocol, name] = fields(of(left, "payload")?, ["protocol", "field"])?;
    let protocol = Protocol::from_lower_name(protocol.as_str()?)?;
    let port = Port::new(i64::from(number(right)?))?;
    (name == "dport").then_some(Statement::DestinationPort(protocol, port))
}

fn keyed(key: Vec<Field>, negated: bool, right: &Value) -> Option<Statement> {
    match (key.as_slice(), named(right)) {
        ([field @ (Field::SourceAddress(family) | Field::DestinationAddress(family))], _) => {
            let (field, family) = (*field, *family);
            let addresses = addresses(right).filter(|a| are_of(a, family))?;
            Some(Statement::Address { field, negated, addresses })
        }
        (_, Some(set)) => Some(Statement::InSet { key, negated, set }),
        ([Field::L4Protocol], None) if !negated => {
            Protocol::from_lower_name(right.as_str()?).map(Statement::L4Protocol)
        }
        _ => None,
    }
}

fn addresses(value: &Value) -> Option<Addresses> {
    if let Some(set) = named(value) {
        return Some(Addresses::Named(set));
    }
    match of(value, "set") {
        Some(set) => {
            let intervals: Option<Vec<Interval>> = set.as_array()?.iter().map(interval).collect();
            intervals.filter(|i| !i.is_empty()).map(Addresses::Anonymous)
        }
        None => host_or_network(value).map(Addresses::One),
    }
}

fn are_of(addresses: &Addresses, family: Family) -> bool {
    match addresses {
        Addresses::Named(_) => true,
        Addresses::One(net) => net.family() == family,
        Addresses::Anonymous(intervals) => intervals.iter().all(|i| Family::of(i.first) == family),
    }
}

fn host_or_network(value: &Value) -> Option<Cidr> {
    match value {
        Value::String(text) => datum::address(text).map(Cidr::host),
        _ => network(of(value, "prefix")?),
    }
}

fn interval(value: &Value) -> Option<Interval> {
    let Some(range) = of(value, "range") else {
        return host_or_network(value).map(Interval::from);
    };
    let [first, last] = range.as_array()?.as_slice() else { return None };
    datum::ordered(datum::address(first.as_str()?)?, datum::address(last.as_str()?)?)
}

fn verdict_map(body: &Value) -> Option<Statement> {
    let [selector, data] = fields(body, ["key", "data"])?;
    if let Some(map) = named(data) {
        return Some(Statement::VerdictMap { key: key(selector)?, map });
    }
    let modulus = random(selector)?;
    Some(Statement::RandomVerdict { modulus, verdicts: numbered(data, verdict)? })
}

/// The modulus of `numgen random mod N`.
fn random(value: &Value) -> Option<u32> {
    let body = of(value, "numgen")?;
    let offset = body.get("offset").map_or(Some(0), Value::as_u64);
    let plain = body.get("mode")? == "random" && offset == Some(0);
    number(body.get("mod")?).filter(|_| plain)
}

/// The pairs of an anonymous map from numbers.
fn numbered<T>(data: &Value, value: impl Fn(&Value) -> Option<T>) -> Option<Vec<(u32, T)>> {
    let pairs = of(data, "set")?.as_array()?;
    let pair = |pair: &Value| match pair.as_array()?.as_slice() {
        [left, right] => Some((number(left)?, value(right)?)),
        _ => None,
    };
    pairs.iter().map(pair).collect()
}

fn mangle(body: &Value) -> Option<Statement> {
    let [target, value] = fields(body, ["key", "value"])?;
    let (operator, parts) = only(value)?;
    let [left, bits] = parts.as_array()?.as_slice() else { return None };
    if meta(target)? != "mark" || meta(left)? != "mark" {
        return None;
    }
    match operator {
        "|" => number(bits).map(Statement::SetMarkOr),
        "^" => number(bits).map(Statement::SetMarkXor),
        _ => None,
    }
}

fn dnat(body: &Value) -> Option<Statement> {
    if let Some([address, port]) = fields(body, ["addr", "port"]) {
        return Some(Statement::Dnat(socket(address, port)?));
    }
    let [family, address] = fields(body, ["family", "addr"])?;
    let family = Family::ALL.into_iter().find(|f| TableFamily::from(*f).name() == family)?;
    let [selector, data] = fields(of(address, "map")?, ["key", "data"])?;
    let destination = |value: &Value| match of(value, "concat")?.as_array()?.as_slice() {
        [address, port] => socket(address, port).filter(|to| Family::of(to.ip()) == family),
        _ => None,
    };
    let destinations = numbered(data, destination)?;
    Some(Statement::RandomDnat { family, modulus: random(selector)?, destinations })
}

fn socket(address: &Value, port: &Value) -> Option<SocketAddr> {
    let port = u16::try_from(number(port)?).ok()?;
    Some(SocketAddr::new(datum::address(address.as_str()?)?, port))
}

fn masquerade(body: &Value) -> Option<Statement> {
    if body.is_null() {
        return Some(Statement::Masquerade { fully_random: false });
    }
    let is_full = matches!(names(of(body, "flags")?).as_slice(), [flag] if flag == "fully-random");
    is_full.then_some(Statement::Masquerade { fully_random: true })
}

fn is_default_answer(body: &Value, table: TableFamily) -> bool {
    let kind = match table {
        TableFamily::Ip => "icmp",
        TableFamily::Ip6 => "icmpv6",
        _ => "icmpx",
    };
    let default = |[found, code]: [&Value; 2]| found == kind && code == "port-unreachable";
    body.is_null() || fields(body, ["type", "expr"]).is_some_and(default)
}

fn update(body: &Value) -> Option<Statement> {
    let [op, element, set] = fields(body, ["op", "elem", "set"])?;
    let (field, set) = (field(element)?, named(set)?);
    (op == "update").then_some(Statement::UpdateSet { set, field })
}
