//! What rules compute: fields of a packet, values, and what is made of them.

use std::fmt;

use compact_str::CompactString;

use super::datum::{DataType, Datum};
use super::set::Element;
use crate::net::Family;

/// Something with a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expression {
    /// Something that is read from the packet.
    Selector(Selector),
    /// A value.
    Datum(Datum),
    /// `{ ... }`: an anonymous set.
    Set(Vec<Element>),
    /// `@set`
    Named(CompactString),
    /// `ip saddr . tcp dport`
    Concatenation(Vec<Expression>),
    /// `meta mark & 0xff`
    Binary(Binary, Box<Expression>, Box<Expression>),
    /// `ip saddr map { ... }`: the value that a map has for a key.
    Map(Box<Expression>, Box<Expression>),
    /// `numgen random mod 2`, `jhash ip saddr mod 4`
    Chooser(Chooser),
}

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "plain")]
pub enum Binary {
    Or,
    Xor,
    And,
    ShiftLeft,
    ShiftRight,
}

impl Binary {
    /// All of them, by how tightly they bind, loosest first.
    pub const ALL: [Binary; 5] =
        [Binary::Or, Binary::Xor, Binary::And, Binary::ShiftLeft, Binary::ShiftRight];

    /// The sign.
    pub fn sign(self) -> &'static str {
        match self {
            Binary::Or => "|",
            Binary::Xor => "^",
            Binary::And => "&",
            Binary::ShiftLeft => "<<",
            Binary::ShiftRight => ">>",
        }
    }

    /// Reads the sign.
    pub fn from_sign(sign: &str) -> Option<Binary> {
        Binary::ALL.into_iter().find(|operator| operator.sign() == sign)
    }

    /// How tightly it binds (nft's src/parser_bison.y).
    pub fn rank(self) -> usize {
        match self {
            Binary::Or => 1,
            Binary::Xor => 2,
            Binary::And => 3,
            Binary::ShiftLeft | Binary::ShiftRight => 4,
        }
    }

    /// The result.
    pub fn of(self, left: u64, right: u64) -> u64 {
        let shift = u32::try_from(right).unwrap_or(u32::MAX);
        match self {
            Binary::Or => left | right,
            Binary::Xor => left ^ right,
            Binary::And => left & right,
            Binary::ShiftLeft => left.checked_shl(shift).unwrap_or(0),
            Binary::ShiftRight => left.checked_shr(shift).unwrap_or(0),
        }
    }
}

/// Makes a number for a packet, by chance or from a value of the packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Chooser {
    /// `numgen random mod N offset M`, `numgen inc ...`
    Counter {
        /// `random` rather than `inc`.
        random: bool,
        /// N
        modulus: u32,
        /// M
        offset: u32,
    },
    /// `jhash KEY mod N seed S offset M`; without a key `symhash mod N offset M`
    Hash {
        /// The key.
        of: Option<Box<Expression>>,
        /// N
        modulus: u32,
        /// S
        seed: Option<u32>,
        /// M
        offset: u32,
    },
}

/// A header of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the headers are")]
pub enum Header {
    Ether,
    Vlan,
    Arp,
    Ip,
    Ip6,
    Icmp,
    Icmpv6,
    Igmp,
    Ah,
    Esp,
    Comp,
    Udp,
    Udplite,
    Tcp,
    Dccp,
    Sctp,
    Transport,
}

impl Header {
    /// All of them.
    pub const ALL: [Header; 17] = [
        Header::Ether,
        Header::Vlan,
        Header::Arp,
        Header::Ip,
        Header::Ip6,
        Header::Icmp,
        Header::Icmpv6,
        Header::Igmp,
        Header::Ah,
        Header::Esp,
        Header::Comp,
        Header::Udp,
        Header::Udplite,
        Header::Tcp,
        Header::Dccp,
        Header::Sctp,
        Header::Transport,
    ];

    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            Header::Ether => "ether",
            Header::Vlan => "vlan",
            Header::Arp => "arp",
            Header::Ip => "ip",
            Header::Ip6 => "ip6",
            Header::Icmp => "icmp",
            Header::Icmpv6 => "icmpv6",
            Header::Igmp => "igmp",
            Header::Ah => "ah",
            Header::Esp => "esp",
            Header::Comp => "comp",
            Header::Udp => "udp",
            Header::Udplite => "udplite",
            Header::Tcp => "tcp",
            Header::Dccp => "dccp",
            Header::Sctp => "sctp",
            Header::Transport => "th",
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> Option<Header> {
        Header::ALL.into_iter().find(|header| header.name() == text)
    }
}

/// Which tuple of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "plain")]
pub enum Direction {
    Original,
    Reply,
}

impl Direction {
    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Original => "original",
            Direction::Reply => "reply",
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> Option<Direction> {
        [Direction::Original, Direction::Reply].into_iter().find(|direction| direction.name() == text)
    }
}

/// What a `fib` lookup gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the results are")]
pub enum FibResult {
    Type,
    Oif,
    OifName,
}

impl FibResult {
    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            FibResult::Type => "type",
            FibResult::Oif => "oif",
            FibResult::OifName => "oifname",
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> Option<FibResult> {
        [FibResult::Type, FibResult::Oif, FibResult::OifName].into_iter().find(|result| result.name() == text)
    }
}

/// Something that is read from a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// A field of a header: `ip saddr`, `tcp dport`.
    Payload(Header, CompactString),
    /// `meta mark`, `iifname`
    Meta(CompactString),
    /// `ct state`, `ct original ip daddr`
    Conntrack(Option<Direction>, CompactString),
    /// `fib daddr . iif type`
    Fib(Vec<CompactString>, FibResult),
    /// Any other of more than one word; the first word says what it belongs to: `rt mtu`, `socket transparent`, `tcp
    /// option maxseg size`, `exthdr frag`, `osf name`, `@th,16,16`.
    Other(CompactString),
}

/// Keys of `meta` that nft prints without that word (nft's src/meta.c).
pub(crate) const BARE_META: [&str; 6] = ["iif", "iifname", "iifgroup", "oif", "oifname", "oifgroup"];

/// IPv6 extension headers whose fields rules can match on (nft's src/exthdr.c).
pub(crate) const EXTENSION_HEADERS: [&str; 6] = ["hbh", "dst", "frag", "rt", "mh", "srh"];

/// Whether these words name a field of an IPv6 extension header; some keys of `rt` are about the packet's route instead.
pub(crate) fn is_extension_field(header: &str, field: &str) -> bool {
    let is_of_route =
        header == "rt" && matches!(field, "classid" | "nexthop" | "mtu" | "ipsec" | "ip" | "ip6");
    EXTENSION_HEADERS.contains(&header) && !is_of_route
}

impl Selector {
    /// Whether it is a field of the packet itself, or some of its bits (`@nh,128,32`).
    pub fn is_of_packet(&self) -> bool {
        match self {
            Selector::Payload(..) => true,
            Selector::Other(words) => words.starts_with('@'),
            Selector::Meta(_) | Selector::Conntrack(..) | Selector::Fib(..) => false,
        }
    }

    /// The type of its value; none if that is not known here.
    pub fn data_type(&self) -> Option<DataType> {
        let other = |name: &str| Some(DataType::Other(name.into()));
        match self {
            Selector::Payload(header, field) => payload_type(*header, field),
            Selector::Meta(key) => match key.as_str() {
                "mark" => Some(DataType::Mark),
                "l4proto" => Some(DataType::InetProto),
                "iifname" | "oifname" | "ibrname" | "obrname" | "sdifname" => Some(DataType::InterfaceName),
                "iif" | "oif" | "sdif" => Some(DataType::InterfaceIndex),
                "day" | "hour" | "time" | "iifkind" | "oifkind" | "iifgroup" | "oifgroup" => other("string"),
                "nfproto" => other("nf_proto"),
                "protocol" => other("ether_type"),
                "pkttype" => other("pkt_type"),
                _ => None,
            },
            Selector::Conntrack(_, key) => match key.as_str() {
                "mark" => Some(DataType::Mark),
                "state" => Some(DataType::ConntrackState),
                "status" => Some(DataType::ConntrackStatus),
                "direction" => Some(DataType::ConntrackDirection),
                "helper" => other("string"),
                "expiration" => other("time"),
                "ip saddr" | "ip daddr" => Some(DataType::Ipv4Addr),
                "ip6 saddr" | "ip6 daddr" => Some(DataType::Ipv6Addr),
                "protocol" => Some(DataType::InetProto),
                "proto-src" | "proto-dst" => Some(DataType::InetService),
                _ => None,
            },
            Selector::Fib(_, FibResult::Type) => Some(DataType::AddressType),
            Selector::Fib(_, FibResult::Oif) => Some(DataType::InterfaceIndex),
            Selector::Fib(_, FibResult::OifName) => Some(DataType::InterfaceName),
            Selector::Other(words) => match words.as_str() {
                "socket mark" => Some(DataType::Mark),
                name if name.starts_with("osf ") => other("string"),
                raw if raw.starts_with('@') => other("raw"),
                _ => None,
            },
        }
    }
}

fn payload_type(header: Header, field: &str) -> Option<DataType> {
    match (header, field) {
        (Header::Ip, "saddr" | "daddr") => Some(Family::Ipv4.into()),
        (Header::Ip6, "saddr" | "daddr") => Some(Family::Ipv6.into()),
        (Header::Ip, "protocol") | (Header::Ip6, "nexthdr") => Some(DataType::InetProto),
        (
            Header::Udp | Header::Udplite | Header::Tcp | Header::Dccp | Header::Sctp | Header::Transport,
            "sport" | "dport",
        ) => Some(DataType::InetService),
        (Header::Tcp, "flags") => Some(DataType::TcpFlag),
        _ => None,
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Payload(header, field) => write!(f, "{} {field}", header.name()),
            Selector::Meta(key) if BARE_META.contains(&key.as_str()) => f.write_str(key),
            Selector::Meta(key) => write!(f, "meta {key}"),
            Selector::Conntrack(None, key) => write!(f, "ct {key}"),
            Selector::Conntrack(Some(direction), key) => write!(f, "ct {} {key}", direction.name()),
            Selector::Fib(keys, result) => write!(f, "fib {} {}", keys.join(" . "), result.name()),
            Selector::Other(words) => f.write_str(words),
        }
    }
}

impl Expression {
    /// Visits it and all its parts, except elements of sets.
    pub fn visit<'e>(&'e self, see: &mut impl FnMut(&'e Expression)) {
        see(self);
        match self {
            Expression::Concatenation(parts) => parts.iter().for_each(|part| part.visit(see)),
            Expression::Binary(_, left, right) | Expression::Map(left, right) => {
                left.visit(see);
                right.visit(see);
            }
            Expression::Chooser(Chooser::Hash { of: Some(key), .. }) => key.visit(see),
            _ => {}
        }
    }

    /// The types of the parts of its value.
    pub fn data_types(&self) -> Vec<Option<DataType>> {
        match self {
            Expression::Concatenation(parts) => parts.iter().map(Expression::data_type).collect(),
            other => vec![other.data_type()],
        }
    }

    /// The type of its value, if it has only one part and that is known here.
    pub fn data_type(&self) -> Option<DataType> {
        match self {
            Expression::Selector(selector) => selector.data_type(),
            Expression::Binary(_, left, _) => left.data_type(),
            Expression::Chooser(_) => Some(DataType::Other("integer".into())),
            Expression::Datum(_)
            | Expression::Set(_)
            | Expression::Named(_)
            | Expression::Concatenation(_)
            | Expression::Map(..) => None,
        }
    }
}
