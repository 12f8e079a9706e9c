//! What the page plays: the whole path of a connection to a Service, for each client, node, address, mode and traffic
//! policy that the input has an answer for. Rules and journeys are stored once and referred to by index.

mod build;
mod cast;
mod compact;
mod rows;

use serde::Serialize;

pub use build::{View, stages};
pub use cast::turn_policies;
pub(super) use compact::compact;

/// One port of a Service in one family.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// `namespace/name`
    pub service: String,
    /// For links: which of several clusters this is for; empty if there is only one.
    pub variant: &'static str,
    /// The same in words.
    pub variant_words: &'static str,
    /// Such as `Port http, 80/tcp, IPv4`.
    pub title: String,
    /// `tcp`, `udp` or `sctp`
    pub protocol: &'static str,
    /// The nodes that are drawn: those with endpoints and the requested one, at most three.
    pub nodes: Vec<StageNode>,
    /// How many more nodes the cluster has.
    pub more_nodes: usize,
    /// Endpoints on these nodes.
    pub endpoints: Vec<StageEndpoint>,
    /// How many more endpoints there are.
    pub more_endpoints: usize,
    /// What a client can ask.
    pub addresses: Vec<StageAddress>,
    /// The traffic policy as it is and as it might be.
    pub policies: Vec<Policy>,
    /// Rules, and what the kernel does between them.
    pub rows: Vec<Row>,
    /// Journeys.
    pub journeys: Vec<Play>,
    /// Which journey is played for which choice.
    pub cases: Vec<StageCase>,
}

/// A node that is drawn.
#[derive(Debug, Clone, Serialize)]
pub struct StageNode {
    /// Its name.
    pub name: String,
    /// Its address.
    pub ip: String,
}

/// An endpoint that is drawn.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageEndpoint {
    /// `ip:port`
    pub address: String,
    /// Its Pod; may be empty.
    pub pod: String,
    /// Index of its node.
    pub node: usize,
    /// `ready`, `not ready`, ...
    pub state: &'static str,
    /// Why no connection goes there; none if it is used.
    pub left_out: Option<&'static str>,
}

/// An address that a client can use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageAddress {
    /// For links: `cluster-ip`, `node-port-1`, ...
    pub id: String,
    /// The kind in words.
    pub words: String,
    /// `ip:port`
    pub text: String,
}

/// A traffic policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// `externalTrafficPolicy` or `internalTrafficPolicy`
    pub field: &'static str,
    /// `Cluster` or `Local`
    pub value: &'static str,
    /// Whether the input has it; the other one is hypothetical.
    pub given: bool,
}

/// A rule, or what the kernel does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Row {
    /// `service`, `endpoint`, `mark`, `dnat`, `masquerade`, `drop`, `reject`, `route` or `chain`: used to put rules of
    /// both languages side by side.
    pub kind: &'static str,
    /// The table; empty for what the kernel itself does.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// As it is listed, with the element that decided.
    pub text: String,
    /// One sentence.
    pub sentence: String,
    /// File, line and field that made it; may be empty.
    pub origin: String,
}

/// Everything that can happen to one connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Play {
    /// The client in words.
    pub client: String,
    /// Its address.
    pub source: String,
    /// The client's node; none if it is outside.
    pub node: Option<String>,
    /// The address that it asks.
    pub destination: String,
    /// What decides the first node.
    pub entry: String,
    /// What can happen.
    pub ways: Vec<PlayWay>,
}

/// One thing that can happen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayWay {
    /// As in `trace --end-to-end --output json`.
    pub result: &'static str,
    /// In words.
    pub meaning: String,
    /// `1/2`, or `1`.
    pub chance: String,
    /// Who answers, `ip:port`; empty if no one does.
    pub server: String,
    /// The Pod that answers; may be empty.
    pub pod: String,
    /// The node of the server; may be empty.
    pub server_node: String,
    /// The source of the reply that the client sees.
    pub client_sees: Option<String>,
    /// The nodes on the way there.
    pub there: Vec<PlayHop>,
    /// The nodes on the way back.
    pub back: Vec<PlayBack>,
    /// What to know about it.
    pub notes: Vec<String>,
}

/// A node on the way there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayHop {
    /// Its name.
    pub node: String,
    /// Source and destination of the packet as it arrives.
    pub packet: [String; 2],
    /// What happens to it.
    pub steps: Vec<PlayStep>,
}

/// A step: the rule, the hook, and the new addresses if they changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct PlayStep {
    /// Index in [`Stage::rows`].
    pub row: usize,
    /// The hook, or `routing`.
    pub hook: &'static str,
    /// Source and destination after it, if it changed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet: Option<[String; 2]>,
}

/// A node on the way back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayBack {
    /// Its name.
    pub node: String,
    /// Source and destination of the reply as it arrives.
    pub packet: [String; 2],
    /// Source and destination after connection tracking translated it back, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translated: Option<[String; 2]>,
}

/// Which journey is played for a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageCase {
    /// `iptables` or `nftables`
    pub mode: &'static str,
    /// Index in [`Stage::policies`].
    pub policy: usize,
    /// `pod`, `same-node`, `self`, `node` or `outside`
    pub client: &'static str,
    /// Index of the client's node, or of the node that a client outside comes to.
    pub node: usize,
    /// Index in [`Stage::addresses`].
    pub address: usize,
    /// Index in [`Stage::journeys`].
    pub journey: usize,
}
