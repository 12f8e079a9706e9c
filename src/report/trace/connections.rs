//! Existing connections to the destination of a traced packet: rules do not redirect them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use super::Names;
use crate::diagnostic::Inert;
use crate::node::{Connection, ConnectionState, ending_command};
use crate::walk::{Outcome, Packet, Verdict};

/// Connections to one destination that are sent to one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Existing {
    /// Where they are sent, as address and port.
    target: String,
    /// Who has that address, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_name: Option<String>,
    /// How many there are.
    count: usize,
    /// How many of them were opened from the traced packet's source.
    from_this_source: usize,
    /// Whether the rules can send a new connection from this source there.
    still_chosen: bool,
    /// The command that ends them.
    ending_command: String,
}

/// Connections to the destination of a packet, by where they are sent.
pub fn existing(
    connections: &[Connection],
    packet: &Packet,
    outcomes: &[Outcome<'_>],
    names: &Names,
) -> Vec<Existing> {
    let mut groups: BTreeMap<SocketAddr, (usize, usize)> = BTreeMap::new();
    let is_of_packet = |connection: &&Connection| {
        connection.protocol == packet.protocol
            && connection.destination == packet.destination
            && connection.state != ConnectionState::Closing
    };
    for connection in connections.iter().filter(is_of_packet) {
        let group = groups.entry(connection.reply_source).or_default();
        group.0 += 1;
        group.1 += usize::from(connection.source.ip() == packet.source);
    }
    let is_chosen = |target: SocketAddr| {
        let goes_there = |o: &&Outcome<'_>| o.verdict == Verdict::Accept && o.destination == target;
        outcomes.iter().any(|outcome| goes_there(&outcome))
    };
    let of = |(target, (count, from_this_source)): (SocketAddr, (usize, usize))| Existing {
        target: target.to_string(),
        target_name: names.words(target.ip()),
        count,
        from_this_source,
        still_chosen: is_chosen(target),
        ending_command: ending_command(packet.protocol, packet.destination, target),
    };
    groups.into_iter().map(of).collect()
}

/// In lines for people.
pub(super) fn lines(existing: &[Existing], packet: &Packet) -> Vec<String> {
    if existing.is_empty() {
        return Vec::new();
    }
    let all: usize = existing.iter().map(|group| group.count).sum();
    let verb = if all == 1 { "connection exists" } else { "connections exist" };
    let mut lines = vec![format!("{all} {verb} to {}, which these rules do not move:", packet.destination)];
    for group in existing {
        let name = group.target_name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        let own = match group.from_this_source {
            0 => String::new(),
            n => format!(", {n} of them from {}", packet.source),
        };
        let now = if group.still_chosen {
            ", where new ones go as well".to_owned()
        } else {
            format!(", where no new one goes; this ends them: {}", group.ending_command)
        };
        lines.push(format!("  {} to {}{}{own}{now}", group.count, group.target, Inert(&name)));
    }
    lines
}
