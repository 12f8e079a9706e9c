//! Rules and their statements.

use std::net::SocketAddr;

use compact_str::CompactString;

use super::datum::Interval;
use super::expression::{Expression, Selector};
use super::set::Verdict;
use crate::net::{Cidr, Family, Port, Protocol};

/// One rule: matches and statements in order.
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
        /// The name; a trailing `*` stands for anything.
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
    /// Any other match.
    Compare(Box<Comparison>),
    /// `... vmap ...` of any other key or map: the key, and the map.
    LookUp(Box<(Expression, Expression)>),
    /// `meta mark set ...`, `ip dscp set ...`: what is changed, and to what.
    Assign(Box<(Selector, Expression)>),
    /// Any other translation of addresses.
    Translate(Box<Translation>),
    /// `reject with ...`: what nft prints after `with`.
    RejectWith(CompactString),
    /// `limit rate ...`, `quota ...`, `ct count ...`
    Limit(Limit),
    /// `notrack`
    Notrack,
    /// `log ...`
    Log(Log),
    /// Any other change of a set.
    ChangeSet(Box<SetChange>),
    /// A statement that sends the packet elsewhere, as printed.
    Divert(Diversion, CompactString),
    /// A statement after which the packet goes on, and that changes nothing that rules see: `dup`, `flow add`, `ct
    /// helper set`, as printed.
    Aside(CompactString),
    /// A statement that this version of nft prints in another way than the type does: its text, and its meaning.
    Spelled(CompactString, Box<Statement>),
    /// Any other, as printed.
    Opaque(CompactString),
}

impl Statement {
    /// The expressions of a statement that kube-proxy never writes.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Statement::Compare(comparison) => vec![&comparison.left, &comparison.right],
            Statement::LookUp(lookup) => vec![&lookup.0, &lookup.1],
            Statement::Assign(assignment) => vec![&assignment.1],
            Statement::Translate(to) => to.address.iter().chain(&to.port).collect(),
            Statement::ChangeSet(change) => std::iter::once(&change.key).chain(&change.value).collect(),
            Statement::Spelled(_, meaning) => meaning.expressions(),
            _ => Vec::new(),
        }
    }
}

/// A match.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// What is asked.
    pub left: Expression,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub right: Expression,
}

/// How a match compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// No sign: equal, in a set, or any of some bits.
    Implied,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `!`: none of some bits.
    Without,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
}

impl Operator {
    /// All with a sign.
    pub const SIGNED: [Operator; 7] = [
        Operator::Equal,
        Operator::Unequal,
        Operator::Without,
        Operator::Less,
        Operator::Greater,
        Operator::AtMost,
        Operator::AtLeast,
    ];

    /// The sign.
    pub fn sign(self) -> &'static str {
        match self {
            Operator::Implied => "",
            Operator::Equal => "==",
            Operator::Unequal => "!=",
            Operator::Without => "!",
            Operator::Less => "<",
            Operator::Greater => ">",
            Operator::AtMost => "<=",
            Operator::AtLeast => ">=",
        }
    }

    /// Reads a sign.
    pub fn from_sign(sign: &str) -> Option<Operator> {
        Operator::SIGNED.into_iter().find(|operator| operator.sign() == sign)
    }
}

/// A translation of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// Its kind.
    pub kind: TranslationKind,
    /// `ip`, `ip6`, if that is printed.
    pub family: Option<Family>,
    /// `prefix`: host parts stay the same.
    pub prefix: bool,
    /// The new address, or address and port.
    pub address: Option<Expression>,
    /// The new port.
    pub port: Option<Expression>,
    /// `random`, `fully-random`, `persistent`
    pub flags: Vec<CompactString>,
}

/// A kind of translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the statements are")]
pub enum TranslationKind {
    Dnat,
    Snat,
    Redirect,
    Masquerade,
}

impl TranslationKind {
    /// All of them.
    pub const ALL: [TranslationKind; 4] = [
        TranslationKind::Dnat,
        TranslationKind::Snat,
        TranslationKind::Redirect,
        TranslationKind::Masquerade,
    ];

    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            TranslationKind::Dnat => "dnat",
            TranslationKind::Snat => "snat",
            TranslationKind::Redirect => "redirect",
            TranslationKind::Masquerade => "masquerade",
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> Option<TranslationKind> {
        TranslationKind::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

/// Where a statement sends a packet so that it leaves the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diversion {
    /// `queue`: to a program, which decides.
    Program,
    /// `tproxy`: to a socket of the node, if there is one; else the rule ends (net/netfilter/nft_tproxy.c).
    Socket,
    /// `synproxy`: the node answers in place of the destination.
    Proxy,
    /// `fwd`: out by another interface.
    Interface,
}

/// Lets only a certain number of packets, bytes or connections through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// `limit rate [over] 10/second [burst 5 packets]`
    Rate {
        /// `over`: what exceeds the limit passes.
        over: bool,
        /// `10/second`, `10 kbytes/second`
        rate: CompactString,
        /// `20 packets`
        burst: Option<CompactString>,
    },
    /// `quota [over] 10 mbytes [used 5 bytes]`
    Quota {
        /// `over`
        over: bool,
        /// `10 mbytes`
        size: CompactString,
        /// `5 bytes`
        used: Option<CompactString>,
    },
    /// `ct count [over] 5`
    Connections {
        /// `over`
        over: bool,
        /// How many.
        count: u32,
    },
    /// `limit name "x"`, `quota name "x"`: its kind, and its name.
    Named(CompactString, CompactString),
}

/// `log ...`: its options, each with its value as printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// `prefix "x"`, `level warn`, ... in printed order.
    pub options: Vec<(CompactString, CompactString)>,
}

/// What a rule does with an element of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the statements are")]
pub enum SetOperation {
    Add,
    Update,
    Delete,
    /// The old form of `add` to a set that belongs to the rule; its name comes with its size.
    Meter,
}

impl SetOperation {
    /// Those that name a set.
    pub const NAMED: [SetOperation; 3] = [SetOperation::Add, SetOperation::Update, SetOperation::Delete];

    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            SetOperation::Add => "add",
            SetOperation::Update => "update",
            SetOperation::Delete => "delete",
            SetOperation::Meter => "meter",
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> Option<SetOperation> {
        SetOperation::NAMED.into_iter().find(|operation| operation.name() == text)
    }
}

/// `add @set { ip saddr timeout 10s limit rate over 10/second : value }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetChange {
    /// Whether the element is added or removed.
    pub operation: SetOperation,
    /// Name of the set.
    pub set: CompactString,
    /// The key.
    pub key: Expression,
    /// `timeout`, as printed.
    pub timeout: Option<CompactString>,
    /// Statements of the element.
    pub statements: Vec<Statement>,
    /// The value, in a map.
    pub value: Option<Expression>,
}

/// The address that a `fib` lookup is for.
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
