//! Kinds of clients.

/// The kind of client that a packet comes from, which decides how it enters the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientKind {
    /// A pod on this node: comes in by the pods' interface.
    LocalPod,
    /// A pod on another node: comes in from the network.
    RemotePod,
    /// The node itself, or a pod in its network namespace: goes out from a socket.
    Node,
    /// Any other client: comes in from the network.
    Outside,
}

impl ClientKind {
    /// All of them.
    pub const ALL: [ClientKind; 4] =
        [ClientKind::LocalPod, ClientKind::RemotePod, ClientKind::Node, ClientKind::Outside];

    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            ClientKind::LocalPod | ClientKind::RemotePod => "pod",
            ClientKind::Node => "node",
            ClientKind::Outside => "external",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            ClientKind::LocalPod => "a pod on this node",
            ClientKind::RemotePod => "a pod on another node",
            ClientKind::Node => "the node itself",
            ClientKind::Outside => "outside the cluster",
        }
    }
}
