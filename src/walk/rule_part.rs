//! What both rule languages are reduced to: matches and actions, in the order in which the kernel evaluates them.

use std::net::{IpAddr, SocketAddr};

use crate::iptables::foreign::{ForeignMatch, RecentList, Translation};
use crate::iptables::ruleset::End;
use crate::net::{Cidr, Family, Port, Protocol};
use crate::nftables::ruleset::{Addresses, Field, Statement};

use super::chance::Chance;
use super::outcome::Answer;
use super::port_choice::PortChoice;

/// A list that programs other than kube-proxy keep, and who of a packet is on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing<'r> {
    pub(super) name: &'r str,
    pub(super) end: End,
    /// Bits of the address that count; none for all.
    pub(super) mask: Option<IpAddr>,
}

impl<'r> Listing<'r> {
    pub(super) fn of(list: &'r RecentList) -> Listing<'r> {
        Listing { name: &list.name, end: list.end, mask: list.mask }
    }
}

/// The number of a chain in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ChainId(pub(super) u32);

impl ChainId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// A part of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) enum RulePart<'r> {
    /// Goes on with the rule if the packet passes.
    Match(Match<'r>),
    /// Does something.
    Action(Action<'r>),
    /// Neither: a comment, a counter, an option that is not there.
    Nothing,
}

/// What a rule requires of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match<'r> {
    pub(super) negated: bool,
    pub(super) kind: MatchKind<'r>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum MatchKind<'r> {
    Network(Side, Cidr),
    /// nftables: an address of one family against one, many or a set.
    Addresses(Side, Family, &'r Addresses),
    /// nftables: a key against a named set.
    InSet(&'r [Field], &'r str),
    Interface(InterfaceDirection, &'r str),
    Protocol(Protocol),
    /// Any protocol other than those of Service ports, by name or number.
    OtherProtocol(&'r str),
    Port(Protocol, Port),
    /// States by their lower-case names.
    State(States<'r>),
    Translated,
    Mark {
        value: u32,
        mask: u32,
    },
    Local(Side),
    Random(Chance),
    /// The client was put on this list of kube-proxy's before.
    Remembered(&'r str),
    /// An end of the packet was put on this list of another program.
    Listed(Listing<'r>),
    /// iptables: a match of another program.
    Foreign(&'r ForeignMatch),
    /// Any other match of nftables, or a statement that can end the rule.
    Statement(&'r Statement),
    /// Opaque text: one or more statements of nftables.
    Opaque(&'r str),
}

/// Whether the interface by which a packet comes in, or by which it goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InterfaceDirection {
    /// That by which it comes in.
    In,
    /// That by which it leaves.
    Out,
}

/// Connection states in either language.
#[derive(Debug, Clone, Copy)]
pub(super) enum States<'r> {
    Iptables(crate::iptables::ruleset::StateSet),
    Nftables(&'r [compact_str::CompactString]),
}

pub(super) use crate::iptables::foreign::MarkOf;

/// What a rule does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action<'r> {
    Accept,
    Drop,
    Reject(Answer),
    Return,
    Continue,
    Jump(&'r str),
    Goto(&'r str),
    /// mark = (mark & keep) ^ flip
    SetMark {
        keep: u32,
        flip: u32,
    },
    /// mark = mark | bits
    OrMark(u32),
    /// mark = (mark & keep) ^ (the other mark & other) ^ flip, of the packet or of its connection.
    Mark {
        of: MarkOf,
        keep: u32,
        other: u32,
        flip: u32,
    },
    Dnat(SocketAddr),
    /// DNAT to this node itself at another port, or at the same.
    Redirect(Option<Port>),
    Masquerade(PortChoice),
    /// SNAT to a fixed address.
    Snat,
    /// SNAT to one of some addresses.
    SnatTo(&'r Translation),
    /// DNAT to one of some addresses and ports.
    DnatTo(&'r Translation),
    /// DNAT to this node itself at one of these ports.
    RedirectTo(u16, u16, bool),
    /// The network part is replaced by this one: of the destination where destinations are translated, else of the
    /// source.
    Netmap(Cidr),
    /// DNAT to one of several, each equally likely.
    RandomDnat(u32, &'r [(u32, SocketAddr)]),
    /// One of several verdicts, each equally likely.
    RandomVerdict(u32, &'r [(u32, crate::nftables::ruleset::Verdict)]),
    /// The verdict that a map has for the packet.
    VerdictMap(&'r [Field], &'r str),
    /// Puts the client on a list.
    Remember(&'r str),
    /// Puts the client on a list that other programs keep.
    List(Listing<'r>, bool),
    /// A socket of the node takes the packet, or it is dropped.
    ToSocket(&'r str),
    /// A program decides.
    ToProgram(&'r str),
    /// The packet's mark is no longer known.
    MarkUnknown,
    /// Takes the packet out of connection tracking.
    Untrack,
    /// Says what the packet's connection is to have, before there is one.
    Template,
    /// Any other statement of nftables.
    Statement(&'r Statement),
    /// The node answers a TCP connection itself first (nftables; other protocols end the rule).
    Proxy(&'r str),
    /// The packet gets an address that is not known.
    Rewrite,
    /// The packet may be forwarded no more.
    Expire(&'r str),
    /// Something unknown that ends the packet's way through the chain.
    Unknown(&'r str),
}
