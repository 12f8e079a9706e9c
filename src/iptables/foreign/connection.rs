//! `-m conntrack`, `-m state`: matches on the connection.

use compact_str::CompactString;

use crate::iptables::values::{End, StateSet};
use crate::net::Cidr;

/// What a match asks about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// `--ctstate`, `--state`
    State(StateSet),
    /// `--ctstatus`
    Status(Vec<Status>),
    /// `--ctdir`: whether the original direction.
    Direction(bool),
    /// `--ctproto`, by name or number.
    Protocol(CompactString),
    /// `--ctorigsrc`, `--ctrepldst` and their like.
    Address(Tuple, End, Cidr),
    /// `--ctorigdstport` and the like: from first to last.
    Port(Tuple, End, u16, u16),
    /// `--ctexpire`: for how many more seconds it will be remembered.
    Expiry(CompactString),
}

/// One of the tuples of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "plain")]
pub enum Tuple {
    Original,
    Reply,
}

/// A bit of a connection's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the options are")]
pub enum Status {
    None,
    Expected,
    SeenReply,
    Assured,
    Confirmed,
}
