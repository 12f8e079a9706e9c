//! Single values and their types.

use std::net::IpAddr;

use compact_str::CompactString;

use crate::net::{Cidr, Family, Port, Protocol};

/// Type of a datum.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the types are")]
pub enum DataType {
    Ipv4Addr,
    Ipv6Addr,
    InetProto,
    InetService,
    Verdict,
    InterfaceName,
    InterfaceIndex,
    Mark,
    ConntrackState,
    ConntrackStatus,
    ConntrackDirection,
    AddressType,
    TcpFlag,
    /// Any other, as printed.
    Other(CompactString),
}

/// Types with a name of their own.
const NAMED: [DataType; 13] = [
    DataType::Ipv4Addr,
    DataType::Ipv6Addr,
    DataType::InetProto,
    DataType::InetService,
    DataType::Verdict,
    DataType::InterfaceName,
    DataType::InterfaceIndex,
    DataType::Mark,
    DataType::ConntrackState,
    DataType::ConntrackStatus,
    DataType::ConntrackDirection,
    DataType::AddressType,
    DataType::TcpFlag,
];

impl DataType {
    /// The word in a listing.
    pub fn name(&self) -> &str {
        match self {
            DataType::Ipv4Addr => "ipv4_addr",
            DataType::Ipv6Addr => "ipv6_addr",
            DataType::InetProto => "inet_proto",
            DataType::InetService => "inet_service",
            DataType::Verdict => "verdict",
            DataType::InterfaceName => "ifname",
            DataType::InterfaceIndex => "iface_index",
            DataType::Mark => "mark",
            DataType::ConntrackState => "ct_state",
            DataType::ConntrackStatus => "ct_status",
            DataType::ConntrackDirection => "ct_dir",
            DataType::AddressType => "fib_addrtype",
            DataType::TcpFlag => "tcp_flag",
            DataType::Other(name) => name,
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> DataType {
        NAMED.iter().find(|kind| kind.name() == text).cloned().unwrap_or_else(|| DataType::Other(text.into()))
    }

    /// Whether a value is a set of bits, so that a plain match asks for any of them.
    pub fn is_bits(&self) -> bool {
        matches!(self, DataType::ConntrackState | DataType::ConntrackStatus | DataType::TcpFlag)
    }
}

impl From<Family> for DataType {
    fn from(family: Family) -> Self {
        match family {
            Family::Ipv4 => DataType::Ipv4Addr,
            Family::Ipv6 => DataType::Ipv6Addr,
        }
    }
}

/// Part of a key, or a value in a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Datum {
    /// An address.
    Address(IpAddr),
    /// A network of more than one address.
    Network(Cidr),
    /// A range of addresses that is not a network, ends included.
    Range(IpAddr, IpAddr),
    /// A protocol.
    Protocol(Protocol),
    /// A port.
    Port(Port),
    /// A mark.
    Mark(u32),
    /// Marks from first to last.
    Marks(u32, u32),
    /// Marks that begin with the same bits, and how many bits: nft treats a mask of leading ones as a prefix.
    MarkPrefix(u32, u8),
    /// A number, including 0, a port that no Service has.
    Number(u64),
    /// Numbers from first to last, including ports.
    Numbers(u64, u64),
    /// A text in quotes, such as the name of an interface, in which a trailing `*` stands for anything.
    Name(CompactString),
    /// A word for a value of a type: `established`, `local`, `echo-request`.
    Word(CompactString),
    /// Bits, by their names.
    Bits(Vec<CompactString>),
    /// `*`: matches if no other element does.
    Any,
    /// Anything else, as printed.
    Other(CompactString),
}

/// Addresses from first to last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
}
