//! Matches and targets of other programs: what kube-proxy never writes. Each keeps its text, so that it can be printed
//! in the spelling of any version, together with its meaning, as [`super::parse`] reads it.

mod connection;
mod means;

use std::net::IpAddr;

use compact_str::CompactString;

use super::values::End;
use crate::net::Protocol;

pub use connection::{Connection, Status, Tuple};
pub use means::{Alteration, MarkOf, Means, RejectAnswer, Translation};

/// `-m ...` of another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignMatch {
    text: CompactString,
    tests: Vec<Test>,
}

impl ForeignMatch {
    /// A text, with what it asks.
    pub(super) fn new(text: CompactString, tests: Vec<Test>) -> ForeignMatch {
        ForeignMatch { text, tests }
    }

    /// As printed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What must hold, all of it.
    pub fn tests(&self) -> &[Test] {
        &self.tests
    }
}

/// `-j ...` of another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignTarget {
    text: CompactString,
    means: Means,
}

impl ForeignTarget {
    /// A text, with what it does.
    pub(super) fn new(text: CompactString, means: Means) -> ForeignTarget {
        ForeignTarget { text, means }
    }

    /// As printed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it does.
    pub fn means(&self) -> &Means {
        &self.means
    }
}

/// One option of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// `!`
    pub negated: bool,
    /// What is asked.
    pub kind: TestKind,
}

/// What `-m rpfilter` asks about the route back to a source (net/ipv4/netfilter/ipt_rpfilter.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WayBackTest {
    /// `--loose`: by any interface.
    pub loose: bool,
    /// `--validmark`: with the packet's mark.
    pub valid_mark: bool,
    /// `--accept-local`: a route to the node itself counts, too.
    pub accept_local: bool,
}

/// What an option of a match asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestKind {
    /// What every packet of a module's protocol passes: `-m icmp` comes after `-p icmp`.
    Protocol(CompactString),
    /// Whether a port is in one of these ranges, for the protocol of `-p` or of the module.
    Ports {
        /// Which; none: either.
        end: Option<End>,
        /// The module's protocol; none for `multiport`.
        protocol: Option<Protocol>,
        /// From first to last.
        ranges: Vec<(u16, u16)>,
    },
    /// `--tcp-flags EXAMINED SET`, `--syn`
    TcpFlags {
        /// Bits that are looked at.
        examined: u8,
        /// The flags among them that are set.
        set: u8,
    },
    /// A fragment other than the first: `-f`.
    Fragment,
    /// The connection.
    Connection(Connection),
    /// `-m connmark --mark value/mask`
    ConnectionMark {
        /// The value.
        value: u32,
        /// The mask.
        mask: u32,
    },
    /// `-m addrtype`
    AddressType {
        /// Whose address.
        end: End,
        /// Types by their names.
        types: Vec<CompactString>,
        /// `--limit-iface-in`, `--limit-iface-out`: the address only counts as local if it belongs to this interface of
        /// the packet.
        limit: Option<Crossing>,
    },
    /// `-m set --match-set`
    Set {
        /// Name of the set.
        name: CompactString,
        /// Which end each dimension of the set is compared with.
        ends: Vec<End>,
        /// `--return-nomatch`: exceptions of a set match instead of its members.
        exceptions: bool,
    },
    /// `-m iprange`
    AddressRange {
        /// Whose address.
        end: End,
        /// The first.
        first: IpAddr,
        /// The last.
        last: IpAddr,
    },
    /// `-m pkttype --pkt-type`
    PacketType(CompactString),
    /// `-m owner`: about packets from a process on the node.
    Owner(CompactString),
    /// `-m statistic`: one packet in so many units of 2^31, or one in `every`.
    Chance {
        /// How many.
        units: u64,
        /// Of how many.
        of: u64,
    },
    /// A limit: whether packets pass until it is reached, rather than from then on.
    Limit {
        /// As printed.
        text: CompactString,
        /// Passes until it is reached.
        until: bool,
    },
    /// `-m rpfilter`: whether the route to the source leads back where the packet came from.
    ReversePath(WayBackTest),
    /// `-m recent` that looks into a list.
    Recent {
        /// The list.
        list: RecentList,
        /// How often a client must have been put on it (`--hitcount`).
        hits: u32,
        /// What it does with the list.
        does: RecentDoes,
    },
    /// `-m recent --set`: always passes.
    RecentSet(RecentList),
    /// What is not known of the packet, and is the same on all of its way.
    Constant(CompactString),
    /// What is not known of the packet.
    Unknown(CompactString),
}

/// A list of `recent`, and who of a packet is on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentList {
    /// Its name.
    pub name: CompactString,
    /// `--rsource`, `--rdest`
    pub end: End,
    /// `--mask`: the bits of the address that count; none for all.
    pub mask: Option<IpAddr>,
}

/// What a `recent` match that looks into a list does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the options are")]
pub enum RecentDoes {
    Check,
    Update,
    Remove,
}

/// An interface of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "plain")]
pub enum Crossing {
    In,
    Out,
}
