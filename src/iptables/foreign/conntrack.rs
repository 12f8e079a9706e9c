//! `-m conntrack`, `-m state`: what is asked of the connection.

use compact_str::CompactString;

use super::options::Given;
use super::values;
use super::{Test, TestKind};
use crate::iptables::ruleset::{End, StateSet};
use crate::net::Cidr;

/// What is asked of a connection.
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
    /// `--ctorigdstport` and its like: from first to last.
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

pub(super) fn state(given: &Given) -> Option<TestKind> {
    let names: Vec<&str> = given.value()?.split(',').collect();
    Some(TestKind::Connection(Connection::State(StateSet::of(&names)?)))
}

/// Reads an option of `-m conntrack`.
pub(super) fn option(given: &Given) -> Option<Test> {
    let value = given.value()?;
    let kind = match given.name.as_str() {
        "--ctstate" => return Some(Test { negated: given.negated, kind: state(given)? }),
        "--ctstatus" => Connection::Status(value.split(',').map(status).collect::<Option<_>>()?),
        "--ctdir" => match value {
            "ORIGINAL" => Connection::Direction(true),
            "REPLY" => Connection::Direction(false),
            _ => return None,
        },
        "--ctproto" => Connection::Protocol(value.into()),
        "--ctexpire" => Connection::Expiry(value.into()),
        name => end_of(name, value)?,
    };
    Some(Test { negated: given.negated, kind: TestKind::Connection(kind) })
}

fn status(name: &str) -> Option<Status> {
    Some(match name {
        "NONE" => Status::None,
        "EXPECTED" => Status::Expected,
        "SEEN_REPLY" => Status::SeenReply,
        "ASSURED" => Status::Assured,
        "CONFIRMED" => Status::Confirmed,
        _ => return None,
    })
}

fn end_of(name: &str, value: &str) -> Option<Connection> {
    let name = name.strip_prefix("--ct")?;
    let (tuple, rest) = match name.strip_prefix("orig") {
        Some(rest) => (Tuple::Original, rest),
        None => (Tuple::Reply, name.strip_prefix("repl")?),
    };
    let (end, rest) = match rest.strip_prefix("src") {
        Some(rest) => (End::Source, rest),
        None => (End::Destination, rest.strip_prefix("dst")?),
    };
    match rest {
        "" => Some(Connection::Address(tuple, end, values::network(value)?)),
        "port" => {
            let (first, last) = values::port_range(value, ':')?;
            Some(Connection::Port(tuple, end, first, last))
        }
        _ => None,
    }
}
