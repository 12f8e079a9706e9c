//! What targets do.

use std::net::IpAddr;

use compact_str::CompactString;

use crate::net::Cidr;

/// What a target does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// Lets the packet go on to the next rule, and changes nothing that a rule can match on.
    Nothing,
    /// Lets it go on, with a change to something that is not known of the packet anyway: the time to live, a service
    /// class.
    Alters,
    /// `DNPT`, `SNPT`: an address changes past connection tracking, to one that is not followed.
    Rewrites,
    /// `TTL`, `HL`, if they leave a lifetime with which a router may not forward the packet.
    Expires,
    /// `REJECT`
    Reject(RejectAnswer),
    /// `MARK`, `CONNMARK`
    Mark(Alteration),
    /// `HMARK`, `SET --map-set --map-mark`: the packet's mark is no longer known.
    SetsMark,
    /// `SNAT`, `MASQUERADE`: the source.
    Source(Translation),
    /// `MASQUERADE`: the source becomes an address of the node.
    Masquerade {
        /// Source ports from first to last; none if any will do.
        ports: Option<(u16, u16)>,
        /// Another port is taken in any case.
        random: bool,
    },
    /// `DNAT`: the destination.
    Destination(Translation),
    /// `REDIRECT`: the node itself, at the same port.
    Redirect,
    /// `REDIRECT --to-ports`: the node itself, at these ports.
    RedirectTo {
        /// The first.
        first: u16,
        /// The last.
        last: u16,
        /// Another port is taken in any case.
        random: bool,
    },
    /// `NETMAP`: the network part is replaced by this one.
    Netmap(Cidr),
    /// `NOTRACK`, `CT --notrack`
    Untrack,
    /// `CT --zone`, `--helper` and the like: what the connection is to have once there is one.
    Template,
    /// `SET --add-set`, `--del-set`: from now on it is not known what the set contains.
    ChangesSet(CompactString),
    /// `TPROXY`: a socket of the node takes it, or it is dropped.
    ToSocket,
    /// `NFQUEUE`: a program decides.
    Queue,
    /// What is not understood.
    Unknown,
}

/// The answer that a refused client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the answers are")]
pub enum RejectAnswer {
    PortUnreachable,
    TcpReset,
    OtherIcmp,
}

/// Whose mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "plain")]
pub enum MarkOf {
    Packet,
    Connection,
}

/// mark = (mark & keep) ^ (the other's mark & other) ^ flip
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alteration {
    /// Whose mark changes.
    pub of: MarkOf,
    /// Bits that stay.
    pub keep: u32,
    /// Bits that come from the other mark: for the packet's from its connection's, and vice versa.
    pub other: u32,
    /// Bits that change at last.
    pub flip: u32,
}

/// Where a translation leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// Addresses from first to last; none if the address does not change.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// Ports from first to last; none if the port does not change.
    pub ports: Option<(u16, u16)>,
    /// From which port of the packet those of the range are counted (`--to-destination 10.0.0.1:1000-1099/80`).
    pub base: Option<u16>,
    /// Another port is taken in any case.
    pub random: bool,
}
