//! A ruleset of nftables as a value. What the compiler emits and what the parsers read are the same types; a statement
//! that kube-proxy never writes is kept as opaque text.

use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;

use crate::net::{Cidr, Family, Port, Protocol};
use crate::plan::origin::Origin;

/// Tables, in listing order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    /// The tables.
    pub tables: Vec<Table>,
}

/// Family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as the families are")]
pub enum TableFamily {
    Ip,
    Ip6,
    Inet,
    Arp,
    Bridge,
    Netdev,
}

impl TableFamily {
    /// All of them.
    pub const ALL: [TableFamily; 6] = [
        TableFamily::Ip,
        TableFamily::Ip6,
        TableFamily::Inet,
        TableFamily::Arp,
        TableFamily::Bridge,
        TableFamily::Netdev,
    ];

    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            TableFamily::Ip => "ip",
            TableFamily::Ip6 => "ip6",
            TableFamily::Inet => "inet",
            TableFamily::Arp => "arp",
            TableFamily::Bridge => "bridge",
            TableFamily::Netdev => "netdev",
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> Option<TableFamily> {
        TableFamily::ALL.into_iter().find(|f| f.name() == text)
    }

    /// Whether its rules see packets of an IP family.
    pub fn sees(self, family: Family) -> bool {
        match self {
            TableFamily::Ip => family == Family::Ipv4,
            TableFamily::Ip6 => family == Family::Ipv6,
            TableFamily::Inet => true,
            TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => false,
        }
    }
}

impl From<Family> for TableFamily {
    fn from(family: Family) -> Self {
        match family {
            Family::Ipv4 => TableFamily::Ip,
            Family::Ipv6 => TableFamily::Ip6,
        }
    }
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its family.
    pub family: TableFamily,
    /// Its name.
    pub name: CompactString,
    /// Its comment.
    pub comment: Option<CompactString>,
    /// Named counters, in listing order.
    pub counters: Vec<Counter>,
    /// Sets and maps, in listing order.
    pub sets: Vec<Set>,
    /// Chains, in listing order.
    pub chains: Vec<Chain>,
    /// Other objects (quotas, flowtables, flags, ...), each as printed, without the table's indentation.
    pub opaque: Vec<String>,
}

impl Table {
    /// The chain of that name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|c| c.name == name)
    }

    /// The set or map of that name.
    pub fn set(&self, name: &str) -> Option<&Set> {
        self.sets.iter().find(|s| s.name == name)
    }
}

/// A named counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Its name.
    pub name: CompactString,
    /// Its comment.
    pub comment: Option<CompactString>,
    /// Packets that it has counted.
    pub packets: u64,
    /// Bytes that it has counted.
    pub bytes: u64,
}

/// A set, or a map where `maps_to` is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: CompactString,
    /// Types of the key's parts.
    pub key: Vec<DataType>,
    /// What a map maps to.
    pub maps_to: Option<DataType>,
    /// `size`
    pub size: Option<u32>,
    /// `flags`, in printed order.
    pub flags: Vec<CompactString>,
    /// `timeout` in seconds.
    pub timeout_seconds: Option<u32>,
    /// `comment`
    pub comment: Option<CompactString>,
    /// Other properties (`auto-merge`, `gc-interval`, `policy`, ...), each as printed.
    pub opaque: Vec<CompactString>,
    /// The elements, in listing order.
    pub elements: Vec<Element>,
}

/// Type of a datum.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the types are")]
pub enum DataType {
    Ipv4Addr,
    Ipv6Addr,
    InetProto,
    InetService,
    Verdict,
    /// Any other, as printed.
    Other(CompactString),
}

impl DataType {
    /// The word in a listing.
    pub fn name(&self) -> &str {
        match self {
            DataType::Ipv4Addr => "ipv4_addr",
            DataType::Ipv6Addr => "ipv6_addr",
            DataType::InetProto => "inet_proto",
            DataType::InetService => "inet_service",
            DataType::Verdict => "verdict",
            DataType::Other(name) => name,
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> DataType {
        match text {
            "ipv4_addr" => DataType::Ipv4Addr,
            "ipv6_addr" => DataType::Ipv6Addr,
            "inet_proto" => DataType::InetProto,
            "inet_service" => DataType::InetService,
            "verdict" => DataType::Verdict,
            other => DataType::Other(other.into()),
        }
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

/// An element of a set or map.
#[derive(Debug, Clone)]
pub struct Element {
    /// The parts of the key.
    pub key: Vec<Datum>,
    /// Its comment.
    pub comment: Option<CompactString>,
    /// What a map maps it to.
    pub value: Option<MapValue>,
    /// Other properties (`expires`, `timeout`, `counter`), as printed between key and comment.
    pub opaque: Option<CompactString>,
    /// What made it; none in captures.
    pub origin: Option<Origin>,
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
            && self.comment == other.comment
            && self.value == other.value
            && self.opaque == other.opaque
    }
}

impl Eq for Element {}

/// What a map maps a key to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapValue {
    /// A verdict.
    Verdict(Verdict),
    /// Anything else, as printed.
    Opaque(CompactString),
}

/// Part of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// An address.
    Address(IpAddr),
    /// A network of more than one address.
    Network(Cidr),
    /// A range of addresses that is no network, ends included.
    Range(IpAddr, IpAddr),
    /// A protocol.
    Protocol(Protocol),
    /// A port.
    Port(Port),
    /// Anything else, as printed.
    Other(CompactString),
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: CompactString,
    /// Its comment.
    pub comment: Option<CompactString>,
    /// Where it hooks in; none for a chain that is jumped to.
    pub base: Option<BaseChain>,
    /// Its rules, in order.
    pub rules: Vec<PlacedRule>,
}

/// Where a base chain hooks in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// `type`: `filter`, `nat` or `route`.
    pub kind: CompactString,
    /// `hook`
    pub hook: Hook,
    /// `device` or other words between hook and priority, as printed.
    pub device: Option<CompactString>,
    /// `priority`
    pub priority: i32,
    /// Whether the policy is `drop` instead of `accept`.
    pub drops_by_default: bool,
}

/// A netfilter hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as the hooks are")]
pub enum Hook {
    Ingress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    Egress,
}

impl Hook {
    /// All of them.
    pub const ALL: [Hook; 7] = [
        Hook::Ingress,
        Hook::Prerouting,
        Hook::Input,
        Hook::Forward,
        Hook::Output,
        Hook::Postrouting,
        Hook::Egress,
    ];

    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Ingress => "ingress",
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
            Hook::Egress => "egress",
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|h| h.name() == text)
    }
}

/// A rule in a chain, with what made it. Two are equal if their rules are.
#[derive(Debug, Clone)]
pub struct PlacedRule {
    /// The rule.
    pub rule: Rule,
    /// What made it; none in captures.
    pub origin: Option<Origin>,
}

impl PartialEq for PlacedRule {
    fn eq(&self, other: &Self) -> bool {
        self.rule == other.rule
    }
}

impl Eq for PlacedRule {}

/// One rule: statements in order, matches among them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Matches and statements, in order.
    pub statements: Vec<Statement>,
    /// Its comment.
    pub comment: Option<CompactString>,
}

/// A field of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `ip saddr`, `ip6 saddr`
    SourceAddress(Family),
    /// `ip daddr`, `ip6 daddr`
    DestinationAddress(Family),
    /// `meta l4proto`
    L4Protocol,
    /// `th dport`
    DestinationPort,
}

/// A match or statement of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `ip saddr ...`, `ip6 daddr != ...`
    Address {
        /// Source or destination address.
        field: Field,
        /// `!=`
        negated: bool,
        /// What it is compared with.
        addresses: Addresses,
    },
    /// `ip saddr . ip daddr . meta l4proto . th dport @set`
    InSet {
        /// The parts of the key.
        key: Vec<Field>,
        /// `!=`
        negated: bool,
        /// Name of the set.
        set: CompactString,
    },
    /// `iif`, `iifname`
    InInterface {
        /// `iifname` rather than `iif`.
        by_name: bool,
        /// `!=`
        negated: bool,
        /// The name; a trailing `*` stands for any rest.
        name: CompactString,
    },
    /// `ct state ...`, names in printed order.
    ConntrackState(Vec<CompactString>),
    /// `ct status dnat`
    ConntrackStatusDnat,
    /// `meta l4proto tcp`
    L4Protocol(Protocol),
    /// `tcp dport 80`
    DestinationPort(Protocol, Port),
    /// `meta mark & mask == value`
    Mark {
        /// The mask.
        mask: u32,
        /// `!=`
        negated: bool,
        /// The value.
        value: u32,
    },
    /// `fib saddr type local`, `fib daddr type local`
    FibLocal(FibEnd),
    /// `meta mark set meta mark | bits`
    SetMarkOr(u32),
    /// `meta mark set meta mark ^ bits`
    SetMarkXor(u32),
    /// `... vmap @map`
    VerdictMap {
        /// The parts of the key.
        key: Vec<Field>,
        /// Name of the map.
        map: CompactString,
    },
    /// `numgen random mod N vmap { 0 : goto ..., ... }`
    RandomVerdict {
        /// N
        modulus: u32,
        /// Verdict of each number.
        verdicts: Vec<(u32, Verdict)>,
    },
    /// `dnat to address:port`
    Dnat(SocketAddr),
    /// `dnat ip to numgen random mod N map { 0 : address . port, ... }`
    RandomDnat {
        /// `ip` or `ip6`
        family: Family,
        /// N
        modulus: u32,
        /// Destination of each number.
        destinations: Vec<(u32, SocketAddr)>,
    },
    /// `update @set { ip saddr }`
    UpdateSet {
        /// Name of the set.
        set: CompactString,
        /// The key.
        field: Field,
    },
    /// `masquerade`, `masquerade fully-random`
    Masquerade {
        /// `fully-random`
        fully_random: bool,
    },
    /// `reject` with the default answer: port unreachable.
    Reject,
    /// `counter packets N bytes N`
    Counter {
        /// Packets.
        packets: u64,
        /// Bytes.
        bytes: u64,
    },
    /// `counter name "..."`
    NamedCounter(CompactString),
    /// A verdict.
    Verdict(Verdict),
    /// Any other, as printed.
    Opaque(CompactString),
}

/// Which address a `fib` lookup takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "plain")]
pub enum FibEnd {
    Source,
    Destination,
}

/// What an address is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// One address or network, without braces.
    One(Cidr),
    /// An anonymous set: sorted, overlapping and adjacent intervals merged, as the listing shows it.
    Anonymous(Vec<Interval>),
    /// A named set.
    Named(CompactString),
}

/// Addresses from first to last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
}

/// What ends the walk through a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the verdicts are")]
pub enum Verdict {
    Accept,
    Drop,
    Return,
    Continue,
    Jump(CompactString),
    Goto(CompactString),
}
