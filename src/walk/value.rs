//! Values of nftables: what a packet has, and whether that is what a rule asks for.

use std::net::IpAddr;

use crate::net::Family;
use crate::nftables::ruleset::{DataType, Datum, Field};

use super::interface_case::fits;
use super::packet::{SourcePort, View};
use super::rule_part::InterfaceDirection;
use crate::node::InterfaceName;

/// What is known of the value that a rule looks at in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    /// An address.
    Address(IpAddr),
    /// A number: a port, a mark, the number of a protocol, bits.
    Number {
        /// The bits that are known.
        known: u64,
        /// The bits that are not known; 0 in `known`.
        open: u64,
    },
    /// The interface that it crosses.
    Interface(InterfaceDirection),
    /// Its source port.
    SourcePort(SourcePort),
    /// There usually is an interface: the source is reached the way that its packet came.
    Present,
    /// The interface to which routes lead; none if there is no route.
    Way(Option<InterfaceName>),
    /// Nothing is known.
    Open,
}

impl Value {
    pub(super) fn number(known: u64) -> Value {
        Value::Number { known, open: 0 }
    }

    /// Whether all of it is known.
    pub(super) fn is_known(self) -> bool {
        matches!(self, Value::Address(_) | Value::Number { open: 0, .. })
    }
}

/// Whether a value is what a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds<'r> {
    /// It is known.
    Known(bool),
    /// It depends on the interface's name.
    Interface(InterfaceDirection, &'r str),
    /// It depends on whether the source port lies between these.
    SourcePort(SourcePort, u16, u16),
    /// It usually holds.
    Usually(bool),
    /// Nothing is known.
    Open,
}

/// Whether a value is a datum.
pub(super) fn holds<'r>(value: Value, datum: &'r Datum, kind: Option<&DataType>) -> Holds<'r> {
    if *datum == Datum::Any {
        return Holds::Known(true);
    }
    match value {
        Value::Address(ip) => address_holds(ip, datum),
        Value::Number { known, open } => number_holds((known, open), datum, kind),
        Value::Interface(direction) => match datum {
            Datum::Name(name) => Holds::Interface(direction, name),
            _ => Holds::Open,
        },
        Value::SourcePort(of) => match datum {
            Datum::Port(port) => Holds::SourcePort(of, port.get(), port.get()),
            Datum::Number(number) => port_range(of, *number, *number),
            Datum::Numbers(first, last) => port_range(of, *first, *last),
            _ => Holds::Open,
        },
        Value::Present => match datum {
            Datum::Word(word) if word == "exists" => Holds::Usually(true),
            Datum::Word(word) if word == "missing" => Holds::Usually(false),
            Datum::Number(0) => Holds::Usually(false),
            _ => Holds::Open,
        },
        Value::Way(way) => way_holds(way, datum),
        Value::Open => Holds::Open,
    }
}

fn way_holds<'r>(way: Option<InterfaceName>, datum: &Datum) -> Holds<'r> {
    let name = way.as_ref().map(InterfaceName::as_str);
    match datum {
        Datum::Word(word) if word == "exists" => Holds::Known(way.is_some()),
        Datum::Word(word) if word == "missing" => Holds::Known(way.is_none()),
        Datum::Number(0) => Holds::Known(way.is_none()),
        Datum::Name(asked) => Holds::Known(name.is_some_and(|name| fits(name, asked))),
        _ => Holds::Open,
    }
}

fn port_range<'r>(of: SourcePort, first: u64, last: u64) -> Holds<'r> {
    let port = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    Holds::SourcePort(of, port(first), port(last))
}

fn address_holds<'r>(ip: IpAddr, datum: &Datum) -> Holds<'r> {
    match datum {
        Datum::Address(other) => Holds::Known(ip == *other),
        Datum::Network(net) => Holds::Known(net.contains(ip)),
        Datum::Range(first, last) => {
            Holds::Known(Family::of(ip) == Family::of(*first) && (*first..=*last).contains(&ip))
        }
        _ => Holds::Open,
    }
}

fn number_holds<'r>((known, open): (u64, u64), datum: &Datum, kind: Option<&DataType>) -> Holds<'r> {
    let within = |first: u64, last: u64| match open {
        0 => Holds::Known((first..=last).contains(&known)),
        _ => Holds::Open,
    };
    match datum {
        Datum::Numbers(first, last) => within(*first, *last),
        Datum::Marks(first, last) => within(u64::from(*first), u64::from(*last)),
        Datum::MarkPrefix(mark, length) => {
            let mask = u64::from(u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0));
            equals((known & mask, open & mask), u64::from(*mark))
        }
        _ => match number_of(datum, kind) {
            Some(number) => equals((known, open), number),
            // A word for a protocol other than those that are followed.
            None if kind == Some(&DataType::InetProto) && matches!(datum, Datum::Word(_)) => {
                Holds::Known(false)
            }
            None => Holds::Open,
        },
    }
}

fn equals<'r>((known, open): (u64, u64), number: u64) -> Holds<'r> {
    if (known ^ number) & !open != 0 {
        Holds::Known(false)
    } else if open == 0 {
        Holds::Known(true)
    } else {
        Holds::Open
    }
}

/// Whether a value has any of some bits.
pub(super) fn has_any<'r>(value: Value, bits: u64) -> Holds<'r> {
    match value {
        Value::Number { known, .. } if known & bits != 0 => Holds::Known(true),
        Value::Number { open, .. } if open & bits == 0 => Holds::Known(false),
        _ => Holds::Open,
    }
}

/// The number of a datum: for a word by its type, for several bits all of them together.
pub(super) fn number_of(datum: &Datum, kind: Option<&DataType>) -> Option<u64> {
    match datum {
        Datum::Protocol(protocol) => Some(u64::from(protocol.number())),
        Datum::Port(port) => Some(u64::from(port.get())),
        Datum::Mark(mark) => Some(u64::from(*mark)),
        Datum::Number(number) => Some(*number),
        Datum::Word(word) => word_number(word, kind?),
        Datum::Bits(names) => {
            let kind = kind?;
            names.iter().try_fold(0, |all, name| Some(all | word_number(name, kind)?))
        }
        _ => None,
    }
}

/// The number for a word (nft's src/ct.c, src/fib.c, src/proto.c, src/meta.c).
fn word_number(word: &str, kind: &DataType) -> Option<u64> {
    let words: &[(&str, u64)] = match kind {
        DataType::ConntrackState => {
            &[("invalid", 1), ("established", 2), ("related", 4), ("new", 8), ("untracked", 64)]
        }
        DataType::ConntrackStatus => &[
            ("expected", 1),
            ("seen-reply", 2),
            ("assured", 4),
            ("confirmed", 8),
            ("snat", 16),
            ("dnat", 32),
            ("dying", 512),
        ],
        DataType::ConntrackDirection => &[("original", 0), ("reply", 1)],
        DataType::AddressType => &ADDRESS_TYPES,
        DataType::TcpFlag => &[
            ("fin", 1),
            ("syn", 2),
            ("rst", 4),
            ("psh", 8),
            ("ack", 16),
            ("urg", 32),
            ("ecn", 64),
            ("cwr", 128),
        ],
        DataType::InetProto => &[("tcp", 6), ("udp", 17), ("sctp", 132), ("icmp", 1), ("ipv6-icmp", 58)],
        DataType::Other(name) => match name.as_str() {
            "nf_proto" => &[("ipv4", 2), ("ipv6", 10)],
            "ether_type" => &[("ip", 0x0800), ("arp", 0x0806), ("vlan", 0x8100), ("ip6", 0x86dd)],
            "pkt_type" => &[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)],
            _ => return None,
        },
        _ => return None,
    };
    words.iter().find(|(known, _)| *known == word).map(|(_, number)| *number)
}

/// The number of an address type, by its name in capital letters.
pub(super) fn type_number(name: &str) -> u64 {
    let found = ADDRESS_TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or(0, |(_, number)| *number)
}

/// Address types (linux/rtnetlink.h).
const ADDRESS_TYPES: [(&str, u64); 9] = [
    ("unspec", 0),
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
];

/// What a packet has for a part of a key; none where it is of the other family.
pub(super) fn value_of_field(field: Field, view: &View) -> Option<Value> {
    let address = |family, ip| (Family::of(ip) == family).then_some(Value::Address(ip));
    match field {
        Field::SourceAddress(family) => address(family, view.source),
        Field::DestinationAddress(family) => address(family, view.destination.ip()),
        Field::L4Protocol => Some(Value::number(u64::from(view.protocol.number()))),
        Field::DestinationPort => Some(Value::number(u64::from(view.destination.port()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_that_are_not_known_leave_it_open_only_where_they_count() {
        let half = Value::Number { known: 0x20, open: 0x100 };
        let status = Some(&DataType::ConntrackStatus);
        assert_eq!(has_any(half, 0x20), Holds::Known(true));
        assert_eq!(has_any(half, 0x10), Holds::Known(false));
        assert_eq!(holds(half, &Datum::Word("snat".into()), status), Holds::Known(false));
        assert_eq!(holds(half, &Datum::Word("dnat".into()), status), Holds::Open);
        let mark = Value::number(0x1234_0000);
        assert_eq!(holds(mark, &Datum::MarkPrefix(0x1200_0000, 8), None), Holds::Known(true));
        assert_eq!(holds(mark, &Datum::MarkPrefix(0x1300_0000, 8), None), Holds::Known(false));
    }
}
