//! Reads `-m conntrack` and `-m state`.

use super::options::Given;
use super::values;
use crate::iptables::foreign::{Connection, Status, Test, TestKind, Tuple};
use crate::iptables::values::{End, StateSet};

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
