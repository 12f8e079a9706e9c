//! Single values: addresses, networks, protocols, ports, marks, times.

use std::net::IpAddr;

use compact_str::CompactString;

use super::word::unquoted;
use crate::net::{Cidr, Family, Port, Protocol};
use crate::nftables::ruleset::{DataType, Datum, Interval, Verdict};

/// Reads part of a key. Without a type (`typeof`), only addresses are recognized by their form.
pub(super) fn datum(text: &str, kind: Option<&DataType>) -> Datum {
    typed(text, kind).unwrap_or_else(|| Datum::Other(text.into()))
}

pub(super) fn typed(text: &str, kind: Option<&DataType>) -> Option<Datum> {
    if text == "*" {
        return Some(Datum::Any);
    }
    match kind {
        Some(DataType::Ipv4Addr) => address_datum(text).filter(|d| is_of(d, Family::Ipv4)),
        Some(DataType::Ipv6Addr) => address_datum(text).filter(|d| is_of(d, Family::Ipv6)),
        Some(DataType::InetProto) => match Protocol::from_lower_name(text) {
            Some(protocol) => Some(Datum::Protocol(protocol)),
            None => numeric(text).or_else(|| word(text)),
        },
        Some(DataType::InetService) => match port(text) {
            Some(port) => Some(Datum::Port(port)),
            None => numeric(text),
        },
        Some(DataType::Mark) => mark_datum(text),
        // Of a route, a rule can only ask whether it exists.
        Some(DataType::InterfaceName | DataType::InterfaceIndex) => quoted(text)
            .or_else(|| numeric(text))
            .or_else(|| word(text).filter(|_| matches!(text, "exists" | "missing"))),
        Some(DataType::ConntrackState | DataType::ConntrackStatus | DataType::TcpFlag) => bits(text, ','),
        Some(DataType::AddressType | DataType::ConntrackDirection) => word(text),
        Some(DataType::Verdict) => None,
        Some(DataType::Other(_)) => {
            numeric(text).or_else(|| quoted(text)).or_else(|| bits(text, ',')).or_else(|| times(text))
        }
        None => address_datum(text),
    }
}

/// A value whose type is not known here.
pub(super) fn untyped(text: &str) -> Option<Datum> {
    typed(text, Some(&DataType::Other(CompactString::const_new("")))).or_else(|| address_datum(text))
}

fn quoted(text: &str) -> Option<Datum> {
    unquoted(text).filter(|name| !name.contains('"')).map(|name| Datum::Name(name.into()))
}

/// `"10:00"-"12:00"`
fn times(text: &str) -> Option<Datum> {
    let (first, last) = text.split_once("\"-\"")?;
    let plain = |part: &str| !part.contains('"');
    let inside = first.strip_prefix('"').is_some_and(plain) && last.strip_suffix('"').is_some_and(plain);
    inside.then(|| Datum::Other(text.into()))
}

/// A number, or a range of numbers.
fn numeric(text: &str) -> Option<Datum> {
    if let Some(number) = number(text) {
        return Some(Datum::Number(number));
    }
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first < last).then_some(Datum::Numbers(first, last))
}

fn mark_datum(text: &str) -> Option<Datum> {
    if let Some(mark) = mark(text) {
        return Some(Datum::Mark(mark));
    }
    if let Some((value, length)) = text.split_once('/') {
        let length: u8 = number(length).filter(|l| (1..32).contains(l))?;
        return Some(Datum::MarkPrefix(mark(value)?, length));
    }
    let (first, last) = text.split_once('-')?;
    Some(Datum::Marks(mark(first)?, mark(last)?))
}

/// Names of bits, separated by a sign.
pub(super) fn bits(text: &str, sign: char) -> Option<Datum> {
    if !text.contains(sign) {
        return word(text);
    }
    let names: Vec<CompactString> = text.split(sign).map(|name| name.trim().into()).collect();
    names.iter().all(|name| is_word(name)).then_some(Datum::Bits(names))
}

fn word(text: &str) -> Option<Datum> {
    is_word(text).then(|| Datum::Word(text.into()))
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.'))
        && text.bytes().any(|b| b.is_ascii_alphanumeric())
}

fn address_datum(text: &str) -> Option<Datum> {
    interval(text).map(Datum::from)
}

fn is_of(datum: &Datum, family: Family) -> bool {
    match datum {
        Datum::Address(ip) | Datum::Range(ip, _) => Family::of(*ip) == family,
        Datum::Network(net) => net.family() == family,
        _ => false,
    }
}

pub(super) fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// Reads an address with a length.
pub(super) fn network(text: &str) -> Option<Cidr> {
    let (ip, length) = text.split_once('/')?;
    prefix(ip, number(length)?)
}

/// A network whose host bits are zero, as nft prints them all.
pub(super) fn prefix(ip: &str, length: u32) -> Option<Cidr> {
    let ip = address(ip)?;
    Cidr::new(ip, u8::try_from(length).ok()?).filter(|net| net.network() == ip)
}

/// Whether a word is none of a match or a value, but begins a statement that can follow it.
pub(super) fn begins_statement(word: &str) -> bool {
    verdict(&[word]).is_some()
        || matches!(word, "jump" | "goto" | "counter" | "log" | "reject" | "queue" | "limit" | "quota")
}

/// Reads an address, with or without a length.
pub(super) fn host_or_network(text: &str) -> Option<Cidr> {
    network(text).or_else(|| address(text).map(Cidr::host))
}

pub(super) fn range(text: &str) -> Option<Interval> {
    let (first, last) = text.split_once('-')?;
    ordered(address(first)?, address(last)?)
}

pub(super) fn ordered(first: IpAddr, last: IpAddr) -> Option<Interval> {
    (Family::of(first) == Family::of(last) && first <= last).then_some(Interval { first, last })
}

pub(super) fn interval(text: &str) -> Option<Interval> {
    host_or_network(text).map(Interval::from).or_else(|| range(text))
}

pub(super) fn port(text: &str) -> Option<Port> {
    number::<u32>(text).and_then(|n| Port::new(i64::from(n)))
}

/// Reads decimal digits, without a sign or leading zeros.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// Reads `0x` and eight hexadecimal digits, as nft prints marks.
pub(super) fn mark(text: &str) -> Option<u32> {
    let digits =
        text.strip_prefix("0x").filter(|d| d.len() == 8 && d.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

/// Reads `1d2h3m4s`; none if it has parts smaller than a second.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit())?;
        let (count, after) = rest.split_at(unit);
        let mut after = after.chars();
        let scale = match after.next()? {
            'd' => 86_400,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number::<u32>(count)?.checked_mul(scale)?)?;
        rest = after.as_str();
    }
    (total > 0).then_some(total)
}

/// Reads a verdict of one or two words.
pub(super) fn verdict(words: &[&str]) -> Option<(Verdict, usize)> {
    Some(match words {
        ["accept", ..] => (Verdict::Accept, 1),
        ["drop", ..] => (Verdict::Drop, 1),
        ["return", ..] => (Verdict::Return, 1),
        ["continue", ..] => (Verdict::Continue, 1),
        ["jump", chain, ..] => (Verdict::Jump((*chain).into()), 2),
        ["goto", chain, ..] => (Verdict::Goto((*chain).into()), 2),
        _ => return None,
    })
}

/// Whether this is the name of a state that connection tracking can see a packet in.
pub(super) fn is_conntrack_state(name: &str) -> bool {
    matches!(name, "invalid" | "new" | "established" | "related" | "untracked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_seconds() {
        assert_eq!(seconds("3h"), Some(10800));
        assert_eq!(seconds("1d1h1m1s"), Some(90061));
        assert_eq!(seconds("1s500ms"), None);
        assert_eq!(seconds("h"), None);
        assert_eq!(seconds(""), None);
        assert_eq!(seconds("4294967295d"), None);
    }

    #[test]
    fn keys_are_read_by_type() {
        let v4 = Some(&DataType::Ipv4Addr);
        assert_eq!(datum("10.0.0.1", v4), Datum::Address("10.0.0.1".parse().unwrap()));
        assert_eq!(datum("fd00::1", v4), Datum::Other("fd00::1".into()));
        assert_eq!(datum("10.0.0.1/8", v4), Datum::Other("10.0.0.1/8".into()));
        assert_eq!(datum("10.0.0.9-10.0.0.1", v4), Datum::Other("10.0.0.9-10.0.0.1".into()));
        assert!(matches!(datum("10.0.0.0/8", None), Datum::Network(_)));
        assert!(matches!(datum("10.0.0.1-10.0.0.9", None), Datum::Range(_, _)));
        assert_eq!(datum("080", Some(&DataType::InetService)), Datum::Other("080".into()));
        assert_eq!(datum("80-90", Some(&DataType::InetService)), Datum::Numbers(80, 90));
        assert_eq!(datum("*", Some(&DataType::Mark)), Datum::Any);
        assert_eq!(datum("\"eni*\"", Some(&DataType::InterfaceName)), Datum::Name("eni*".into()));
        assert_eq!(datum("53", None), Datum::Other("53".into()));
    }
}
