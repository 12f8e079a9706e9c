//! The way there: from node to node, each with its own rules.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::connection::{ClientPlace, Connection};
use super::entry::entry;
use super::network::{Network, NodeIndex, Place};
use super::reply::reply;
use super::way::{
    End, Hop, Journey, NotFollowed, Party, Reply, ReplyResult, Seen, SeenBack, Server, ServerPlace, Way,
};
use crate::node::{ClientKind, Host, NodeRules};
use crate::walk::{Chance, Effect, Outcome, Packet, Verdict, Walker};

/// A packet is followed over at most this many nodes.
const MOST_HOPS: usize = 5;

impl<'c> Network<'_, 'c> {
    /// Follows a connection from its client to whoever answers, and the reply back. `chosen` is the node that a load
    /// balancer or a router leads to, if the address does not decide.
    pub fn follow<'r>(&'r self, connection: Connection, chosen: Option<NodeIndex>) -> Journey<'r>
    where
        'c: 'r,
    {
        let entry = entry(self, &connection, chosen);
        if let Some(way) = stays_in_pod(&connection) {
            return Journey { connection, entry, ways: vec![way] };
        }
        let count = u64::try_from(entry.nodes.len() + entry.not_followed).unwrap_or(u64::MAX);
        let mut follower = Follower { network: self, connection, walkers: BTreeMap::new(), ways: Vec::new() };
        for node in &entry.nodes {
            follower.enter(*node, Chance::of(1, count));
        }
        if entry.nodes.is_empty() {
            follower.end(Started { chance: Chance::CERTAIN, ..Started::default() }, End::LeavesCluster);
        }
        if entry.not_followed > 0 {
            let others = u64::try_from(entry.not_followed).unwrap_or(u64::MAX);
            let begun = Started { chance: Chance::of(others, count), ..Started::default() };
            follower.end(begun, End::NotFollowed(NotFollowed::ManyEntries(entry.not_followed)));
        }
        let mut ways = follower.ways;
        ways.sort_by_key(|way| (!way.given.is_empty(), matches!(way.end, End::NotFollowed(_))));
        Journey { connection, entry, ways }
    }
}

/// A Pod's packets to its own address do not leave the Pod.
fn stays_in_pod<'r>(connection: &Connection) -> Option<Way<'r>> {
    let Connection { client, destination: address, .. } = *connection;
    let ClientPlace::Pod(node) = client.place else { return None };
    let arrives = SeenBack { source: address, destination: Party::Ip(client.ip) };
    let own = address.ip() == client.ip || address.ip().is_loopback();
    own.then(|| Way {
        chance: Chance::CERTAIN,
        given: Vec::new(),
        hops: Vec::new(),
        end: End::Delivered(Server { address, place: ServerPlace::Pod(node) }),
        reply: Some(Reply { hops: Vec::new(), arrives, result: ReplyResult::Accepted }),
    })
}

/// The part of a way that has been followed.
#[derive(Clone)]
struct Started<'r> {
    chance: Chance,
    given: Vec<crate::walk::Condition<'r>>,
    hops: Vec<Hop<'r>>,
}

impl Default for Started<'_> {
    fn default() -> Self {
        Started { chance: Chance::CERTAIN, given: Vec::new(), hops: Vec::new() }
    }
}

struct Follower<'r, 'n, 'c> {
    network: &'r Network<'n, 'c>,
    connection: Connection,
    walkers: BTreeMap<NodeIndex, Walker<'r>>,
    ways: Vec<Way<'r>>,
}

impl<'r, 'c: 'r> Follower<'r, '_, 'c> {
    /// The packet arrives at its first node.
    fn enter(&mut self, node: NodeIndex, chance: Chance) {
        let client = self.connection.client;
        let kind = match client.place {
            ClientPlace::Pod(on) if on == node => ClientKind::LocalPod,
            ClientPlace::Pod(_) => ClientKind::RemotePod,
            ClientPlace::Node(_) => ClientKind::Node,
            ClientPlace::Outside => ClientKind::Outside,
        };
        let destination = self.connection.destination;
        let rules = self.network.rules(node);
        let from_pod_side =
            kind == ClientKind::Node && rules.is_some_and(|rules| rules.host.is_local_pod(destination.ip()));
        // The kernel uses the address of the interface by which the packet leaves (net/ipv4/route.c).
        let source = if from_pod_side { Party::OfNode(node) } else { Party::Ip(client.ip) };
        self.pass(Started { chance, ..Started::default() }, node, kind, Seen { source, destination });
    }

    /// The packet passes a node.
    fn pass(&mut self, begun: Started<'r>, node: NodeIndex, kind: ClientKind, seen: Seen) {
        let Some(rules) = self.network.rules(node) else {
            return self.end(begun, End::NotFollowed(NotFollowed::NoRules(node)));
        };
        if begun.hops.len() >= MOST_HOPS {
            return self.end(begun, End::NotFollowed(NotFollowed::Circle));
        }
        let source = match seen.source {
            Party::Ip(ip) => ip,
            Party::OfNode(_) | Party::Unknown => self.connection.client.ip,
        };
        let packet = Packet::plain(self.connection.protocol, source, seen.destination, kind);
        let walker = self.walkers.entry(node).or_insert_with(|| Walker::of(rules));
        let room = self.network.limits().ways.saturating_sub(self.ways.len()).max(1);
        match walker.walk_telling(&packet, room) {
            Ok(outcomes) => {
                let more = outcomes.get(room..).unwrap_or_default();
                let rest = more.iter().filter(|outcome| outcome.given.is_empty());
                let chance = rest.clone().fold(None, |sum: Option<Chance>, outcome| {
                    Some(sum.map_or(outcome.chance, |sum| sum.plus(outcome.chance)))
                });
                if let Some(chance) = chance {
                    let begun = Started { chance: begun.chance.times(chance), ..begun.clone() };
                    self.end(begun, End::NotFollowed(NotFollowed::ManyWays(rest.count())));
                }
                for outcome in outcomes.into_iter().take(room) {
                    self.leave(begun.clone(), node, kind, seen, outcome, rules);
                }
            }
            Err(error) => self.end(begun, End::NotFollowed(NotFollowed::Walk(node, error))),
        }
    }

    /// The packet leaves a node, or ends on it.
    fn leave(
        &mut self,
        mut begun: Started<'r>,
        node: NodeIndex,
        client: ClientKind,
        arrives: Seen,
        outcome: Outcome<'r>,
        rules: &'r NodeRules<'c>,
    ) {
        begun.chance = begun.chance.times(outcome.chance);
        begun.given.extend(outcome.given.iter().cloned());
        let source = source_after(&outcome, arrives.source, node, &rules.host, self.network);
        let leaves = Seen { source, destination: outcome.destination };
        let (verdict, local) = (outcome.verdict, outcome.delivered_locally);
        begun.hops.push(Hop { node, client, arrives, outcome, leaves });
        match verdict {
            Verdict::Drop => self.end(begun, End::Dropped),
            Verdict::Reject(answer) => self.end(begun, End::Refused(answer)),
            Verdict::Accept if local => {
                let end = self.on_node(node, leaves, &begun.hops, rules);
                self.end(begun, end);
            }
            Verdict::Accept if rules.host.is_local_pod(leaves.destination.ip()) => {
                let end = self.at_pod(node, leaves);
                self.end(begun, end);
            }
            Verdict::Accept => self.cross(begun, node, leaves),
        }
    }

    /// It reaches a socket of the node.
    fn on_node(&self, node: NodeIndex, leaves: Seen, hops: &[Hop<'r>], rules: &NodeRules<'_>) -> End {
        let address = leaves.destination;
        if is_translated(&self.connection, hops) {
            return End::Delivered(Server { address, place: ServerPlace::Node(node) });
        }
        let listener = rules.plan.as_ref().and_then(|plan| plan.listener(address, self.connection.protocol));
        match listener {
            Some(_) => End::KubeProxy(node),
            None => End::NodeItself(node),
        }
    }

    /// It reaches a Pod.
    fn at_pod(&self, node: NodeIndex, leaves: Seen) -> End {
        let address = leaves.destination;
        match leaves.source == Party::Ip(address.ip()) {
            true => End::OwnAddress,
            false => End::Delivered(Server { address, place: ServerPlace::Pod(node) }),
        }
    }

    /// It goes on through the network, to whoever has its destination.
    fn cross(&mut self, begun: Started<'r>, from: NodeIndex, leaves: Seen) {
        let address = leaves.destination;
        match self.network.place(address.ip()) {
            Place::Node(node) | Place::Pod(node) if node != from => {
                let kind = self.arrives_as(node, leaves.source);
                self.pass(begun, node, kind, leaves);
            }
            Place::Node(node) => {
                self.end(begun, End::NotFollowed(NotFollowed::NoInterface(node, address.ip())));
            }
            Place::Pod(node) => {
                let end = self.at_pod(node, leaves);
                self.end(begun, end);
            }
            Place::ClusterIp => self.end(begun, End::Nowhere),
            Place::SomePod | Place::Outside if is_translated(&self.connection, &begun.hops) => {
                self.end(begun, End::Delivered(Server { address, place: ServerPlace::Elsewhere }));
            }
            Place::SomePod => {
                self.end(begun, End::Delivered(Server { address, place: ServerPlace::Elsewhere }));
            }
            Place::Outside if self.is_cluster_ip(from, address.ip()) => self.end(begun, End::Nowhere),
            Place::Outside => self.end(begun, End::LeavesCluster),
        }
    }

    fn is_cluster_ip(&self, node: NodeIndex, ip: IpAddr) -> bool {
        let plan = self.network.rules(node).and_then(|rules| rules.plan.as_ref());
        plan.is_some_and(|plan| plan.service_cidrs().iter().any(|net| net.contains(ip)))
    }

    /// How a packet from the network arrives at a node.
    fn arrives_as(&self, node: NodeIndex, source: Party) -> ClientKind {
        let Party::Ip(ip) = source else { return ClientKind::Outside };
        if matches!(self.network.place(ip), Place::Node(_)) {
            return ClientKind::Outside;
        }
        match self.network.rules(node).map(|rules| rules.host.client_kind(ip)) {
            Some(ClientKind::LocalPod | ClientKind::RemotePod) => ClientKind::RemotePod,
            _ => ClientKind::Outside,
        }
    }

    fn end(&mut self, begun: Started<'r>, end: End) {
        let Started { chance, given, hops } = begun;
        let reply = match end {
            End::Delivered(server) => Some(reply(self.network, &self.connection, &hops, server)),
            _ => None,
        };
        self.ways.push(Way { chance, given, hops, end, reply });
    }
}

/// Whether some node translated the destination.
fn is_translated(connection: &Connection, hops: &[Hop<'_>]) -> bool {
    let dnat = |hop: &Hop<'_>| {
        let mut effects = hop.outcome.steps.iter().flat_map(|step| &step.effects);
        hop.leaves.destination != connection.destination
            || effects.any(|effect| matches!(effect, Effect::Dnat(_)))
    };
    hops.iter().any(dnat)
}

/// The source after a node. Masquerading uses the address of the interface by which the packet leaves: towards the
/// network it is the node's own, towards the Pods it is not known.
fn source_after(
    outcome: &Outcome<'_>,
    source: Party,
    node: NodeIndex,
    host: &Host,
    network: &Network<'_, '_>,
) -> Party {
    let mut effects = outcome.steps.iter().flat_map(|step| &step.effects);
    if !outcome.snat {
        return source;
    }
    if effects.any(|effect| matches!(effect, Effect::Snat)) {
        return Party::Unknown;
    }
    let stays = outcome.delivered_locally || host.is_local_pod(outcome.destination.ip());
    let own = host.primary_address(network.family()).filter(|_| !stays);
    own.map_or(Party::OfNode(node), Party::Ip)
}
