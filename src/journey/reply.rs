//! The way back: routed by the destination, translated back by whichever node on it translated the first packet.

use super::connection::{Client, ClientPlace, Connection};
use super::network::{Network, NodeIndex, Place};
use super::way::{BackHop, Hop, Party, Reply, ReplyResult, Seen, SeenBack, Server, ServerPlace};

/// A reply is followed over at most this many nodes.
const MOST_HOPS: usize = 8;

/// Follows a server's reply to the packet that reached it over these hops.
pub(super) fn reply(
    network: &Network<'_, '_>,
    connection: &Connection,
    hops: &[Hop<'_>],
    server: Server,
) -> Reply {
    let source = hops.last().map_or(Party::Ip(connection.client.ip), |hop| hop.leaves.source);
    let mut back = Back {
        network,
        connection,
        hops,
        reply: SeenBack { source: server.address, destination: source },
        passed: Vec::new(),
    };
    let result = match server.place {
        ServerPlace::Pod(node) | ServerPlace::Node(node) => back.pass(node),
        ServerPlace::Elsewhere => back.route(None),
    };
    Reply { hops: back.passed, arrives: back.reply, result }
}

struct Back<'a, 'n, 'c, 'r> {
    network: &'a Network<'n, 'c>,
    connection: &'a Connection,
    hops: &'a [Hop<'r>],
    reply: SeenBack,
    passed: Vec<BackHop>,
}

impl Back<'_, '_, '_, '_> {
    /// The reply passes a node, whose connection tracking may know its connection.
    fn pass(&mut self, node: NodeIndex) -> ReplyResult {
        if self.passed.len() >= MOST_HOPS {
            return ReplyResult::Unknown;
        }
        let arrives = self.reply;
        let known = self.hops.iter().rev().find(|hop| hop.node == node && reversed(hop.leaves) == arrives);
        if let Some(hop) = known {
            self.reply = reversed(hop.arrives);
        }
        self.passed.push(BackHop { node, arrives, leaves: self.reply });
        self.route(Some(node))
    }

    /// Goes on to whoever has its destination.
    fn route(&mut self, at: Option<NodeIndex>) -> ReplyResult {
        let Client { ip, place } = self.connection.client;
        let to = self.reply.destination;
        if to == Party::Ip(ip) || matches!((to, place), (Party::OfNode(a), ClientPlace::Node(b)) if a == b) {
            return match place {
                ClientPlace::Pod(node) | ClientPlace::Node(node) if at != Some(node) => self.pass(node),
                _ => self.arrive(),
            };
        }
        let owner = match self.reply.destination {
            Party::OfNode(node) => Some(node),
            Party::Ip(ip) => match self.network.place(ip) {
                Place::Node(node) => Some(node),
                _ => None,
            },
            Party::Unknown => None,
        };
        match owner {
            Some(node) if at == Some(node) => ReplyResult::Stranded(node),
            Some(node) => self.pass(node),
            None => ReplyResult::Unknown,
        }
    }

    fn arrive(&self) -> ReplyResult {
        match self.reply.source == self.connection.destination {
            true => ReplyResult::Accepted,
            false => ReplyResult::OtherSource,
        }
    }
}

/// What the answer to a packet looks like.
fn reversed(seen: Seen) -> SeenBack {
    SeenBack { source: seen.destination, destination: seen.source }
}
