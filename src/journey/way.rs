//! What can happen to a connection, as data.

use std::net::{IpAddr, SocketAddr};

use super::connection::Connection;
use super::entry::Entry;
use super::network::NodeIndex;
use crate::walk::{Answer, Chance, ClientKind, Condition, Outcome, WalkError};

/// Everything that can happen to a connection, there and back.
#[derive(Debug)]
pub struct Journey<'r> {
    /// The connection.
    pub connection: Connection,
    /// The nodes at which its first packet can arrive.
    pub entry: Entry,
    /// What can happen to it: first what can happen with what is known, then what depends on a condition.
    pub ways: Vec<Way<'r>>,
}

/// One thing that can happen to a connection.
#[derive(Debug, Clone)]
pub struct Way<'r> {
    /// How likely it is, under the conditions in [`Way::given`].
    pub chance: Chance,
    /// What must hold for it besides what is known.
    pub given: Vec<Condition<'r>>,
    /// The nodes on the way there, in order.
    pub hops: Vec<Hop<'r>>,
    /// Where the first packet ends.
    pub end: End,
    /// The way of the reply; none if the first packet does not reach anyone who answers.
    pub reply: Option<Reply>,
}

/// A packet's way through one node.
#[derive(Debug, Clone)]
pub struct Hop<'r> {
    /// The node.
    pub node: NodeIndex,
    /// What kind of client it is from, as seen by this node.
    pub client: ClientKind,
    /// The packet as it arrives, or leaves a socket of the node.
    pub arrives: Seen,
    /// What the node's rules do with it.
    pub outcome: Outcome<'r>,
    /// The packet as it leaves the node, or reaches a socket of it.
    pub leaves: Seen,
}

/// What can be seen of a packet on its way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its source.
    pub source: Party,
    /// Its destination.
    pub destination: SocketAddr,
}

/// What can be seen of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenBack {
    /// Its source.
    pub source: SocketAddr,
    /// Its destination.
    pub destination: Party,
}

/// What is known of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// This one.
    Ip(IpAddr),
    /// One of a node's: masquerading uses that of the interface by which the packet leaves, and those on the Pods' side
    /// are not known.
    OfNode(NodeIndex),
    /// Another one, chosen by a rule of another program.
    Unknown,
}

/// Where the first packet of a connection ends.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// At a server, which answers if a process listens there.
    Delivered(Server),
    /// A rule refuses it.
    Refused(Answer),
    /// A rule, or the kernel, drops it.
    Dropped,
    /// At the Pod that sent it, with the Pod's own address as its source: a kernel drops that.
    OwnAddress,
    /// At kube-proxy itself, which connects to an endpoint from this node.
    KubeProxy(NodeIndex),
    /// At a node itself: no Service takes it.
    NodeItself(NodeIndex),
    /// Nowhere: a cluster IP that no rule takes, and that nothing in the network has.
    Nowhere,
    /// At an address outside the cluster, untranslated.
    LeavesCluster,
    /// It was not followed this far.
    NotFollowed(NotFollowed),
}

/// Why a packet was not followed.
#[derive(Debug, Clone, PartialEq)]
pub enum NotFollowed {
    /// This many more nodes are equally likely to be the first; only some are followed.
    ManyEntries(usize),
    /// This many more ways are like those that were followed.
    ManyWays(usize),
    /// The rules of this node were not made: there are too many nodes on the way, or making them failed.
    NoRules(NodeIndex),
    /// This node has the address according to the cluster, but no interface is known to have it: a cloud may translate
    /// it before the node.
    NoInterface(NodeIndex, IpAddr),
    /// It goes from node to node in a circle.
    Circle,
    /// The rules of this node cannot be walked.
    Walk(NodeIndex, WalkError),
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// The address at which the packet arrives.
    pub address: SocketAddr,
    /// Where that is.
    pub place: ServerPlace,
}

/// Where a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerPlace {
    /// In a Pod on this node.
    Pod(NodeIndex),
    /// On this node itself, or in a Pod in its network namespace.
    Node(NodeIndex),
    /// On no node that is known.
    Elsewhere,
}

/// The way of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The nodes that it passes, in order.
    pub hops: Vec<BackHop>,
    /// What the client sees of it.
    pub arrives: SeenBack,
    /// What becomes of it.
    pub result: ReplyResult,
}

/// A reply's way through one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackHop {
    /// The node.
    pub node: NodeIndex,
    /// The reply as it arrives.
    pub arrives: SeenBack,
    /// The reply as it leaves: changed if this node translated the first packet.
    pub leaves: SeenBack,
}

impl BackHop {
    /// Whether connection tracking translates the reply back here.
    pub fn translates(&self) -> bool {
        self.arrives != self.leaves
    }
}

/// What becomes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyResult {
    /// It comes from the address that the client connected to.
    Accepted,
    /// It comes from another address: the client, or a node before it, drops it.
    OtherSource,
    /// It stops at this node, which does not know the connection.
    Stranded(NodeIndex),
    /// Its destination is not known.
    Unknown,
}

/// What a way means for the client.
#[derive(Debug, Clone, PartialEq)]
pub enum WayResult {
    /// The client gets its answer.
    Works,
    /// kube-proxy itself answers, in user space.
    AnsweredByKubeProxy,
    /// It is refused.
    Refused(Answer),
    /// It gets nothing that it can use.
    TimesOut(Silence),
    /// No Service takes the packet.
    NotServicePort,
    /// It is not known.
    Unknown,
}

/// Why a client hears nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Its packet is dropped.
    Dropped,
    /// Its own packet comes back to it.
    OwnAddress,
    /// The reply does not come back through the node that translated.
    ReplyFromElsewhere(SocketAddr),
    /// The reply stops at a node.
    ReplyStranded(NodeIndex),
    /// A cluster IP that nothing in the network has.
    Nowhere,
}

impl WayResult {
    /// The word in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            WayResult::Works => "works",
            WayResult::AnsweredByKubeProxy => "answered-by-kube-proxy",
            WayResult::Refused(_) => "refused",
            WayResult::TimesOut(_) => "times-out",
            WayResult::NotServicePort => "not-a-service-port",
            WayResult::Unknown => "unknown",
        }
    }
}

impl Way<'_> {
    /// What it means for the client.
    pub fn result(&self) -> WayResult {
        match &self.end {
            End::Delivered(_) => self.answered(),
            End::Refused(answer) => WayResult::Refused(*answer),
            End::Dropped => WayResult::TimesOut(Silence::Dropped),
            End::OwnAddress => WayResult::TimesOut(Silence::OwnAddress),
            End::KubeProxy(_) => WayResult::AnsweredByKubeProxy,
            End::NodeItself(_) | End::LeavesCluster => WayResult::NotServicePort,
            End::Nowhere => WayResult::TimesOut(Silence::Nowhere),
            End::NotFollowed(_) => WayResult::Unknown,
        }
    }

    fn answered(&self) -> WayResult {
        let Some(reply) = &self.reply else { return WayResult::Unknown };
        match reply.result {
            ReplyResult::Accepted => WayResult::Works,
            ReplyResult::OtherSource => {
                WayResult::TimesOut(Silence::ReplyFromElsewhere(reply.arrives.source))
            }
            ReplyResult::Stranded(node) => WayResult::TimesOut(Silence::ReplyStranded(node)),
            ReplyResult::Unknown => WayResult::Unknown,
        }
    }

    /// Who answers.
    pub fn server(&self) -> Option<Server> {
        match self.end {
            End::Delivered(server) => Some(server),
            _ => None,
        }
    }

    /// The source that the server sees.
    pub fn server_sees(&self) -> Option<Party> {
        let source = self.hops.last().map(|hop| hop.leaves.source);
        let own = || self.reply.as_ref().map(|reply| reply.arrives.destination);
        self.server().and_then(|_| source.or_else(own))
    }
}
