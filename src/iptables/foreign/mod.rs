//! Matches and targets of other programs: what kube-proxy never writes. Each keeps its text as printed, so that printing gives
//! it back in the spelling of any version, and beside it what it means, as [`super::parse`] reads it.

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
    /// A text with what it asks.
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
    /// A text with what it does.
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

/// What `-m rpfilter` asks of the way back to a source (net/ipv4/netfilter/ipt_rpfilter.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WayBackTest {
    /// `--loose`: by any interface.
    pub loose: bool,
    /// `--validmark`: with the packet's mark.
    pub valid_mark: bool,
    /// `--accept-local`: to the node itself, too.
    pub accept_local: bool,
}

/// What an option of a match asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestKind {
    /// Of every packet of a module's protocol: `-m icmp` stands behind `-p icmp`.
    Protocol(CompactString),
    /// Whether a port is in one of these ranges, the protocol being one that `-p` or the module tells.
    Ports {
        /// Which; none: either.
        end: Option<End>,
        /// The module's protocol; none for those of `multiport`.
        protocol: Option<Protocol>,
        /// From first to last.
        ranges: Vec<(u16, u16)>,
    },
    /// `--tcp-flags EXAMINED SET`, `--syn`
    TcpFlags {
        /// Bits that are looked at.
        examined: u8,
        /// Those of them that are set.
        set: u8,
    },
    /// A fragment behind the first: `-f`.
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
        /// `--limit-iface-in`, `--limit-iface-out`: the address counts as local only on this interface of the packet.
        limit: Option<Crossing>,
    },
    /// `-m set --match-set`
    Set {
        /// Name of the set.
        name: CompactString,
        /// Which end's part each dimension of the set is compared with.
        ends: Vec<End>,
        /// `--return-nomatch`: exceptions of a set match in place of its members.
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
    /// `-m owner`: of packets that a process on the node sends.
    Owner(CompactString),
    /// `-m statistic`: one packet in so many units of 2^31, or one in `every`.
    Chance {
        /// How many.
        units: u64,
        /// Of how many.
        of: u64,
    },
    /// A limit: whether it lets packets pass until it is reached, rather than from then on.
    Limit {
        /// As printed.
        text: CompactString,
        /// Passes until it is reached.
        until: bool,
    },
    /// `-m rpfilter`: whether the source is reached the way the packet came.
    ReversePath(WayBackTest),
    /// `-m recent` that asks for a list.
    Recent {
        /// Name of the list.
        list: CompactString,
        /// Whether a client that was put on it a moment ago, and never before, passes.
        at_once: bool,
        /// What it does with the list.
        does: RecentDoes,
    },
    /// `-m recent --set`: always passes.
    RecentSet(CompactString),
    /// What the packet asked for does not tell, and that is the same on its whole way.
    Constant(CompactString),
    /// What the packet asked for does not tell.
    Unknown(CompactString),
}

/// What a `recent` match that asks for a list does with it.
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
