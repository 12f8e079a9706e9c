//! Where packets come from.

/// Where a packet comes from, which decides how it enters the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A pod on this node: comes in by the pods' interface.
    LocalPod,
    /// A pod on another node: comes in from the network.
    RemotePod,
    /// The node itself, or a pod in its network namespace: goes out from a socket.
    Node,
    /// Anybody else: comes in from the network.
    Outside,
}

impl Origin {
    /// All of them.
    pub const ALL: [Origin; 4] = [Origin::LocalPod, Origin::RemotePod, Origin::Node, Origin::Outside];

    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Origin::LocalPod | Origin::RemotePod => "pod",
            Origin::Node => "node",
            Origin::Outside => "external",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Origin::LocalPod => "a pod on this node",
            Origin::RemotePod => "a pod on another node",
            Origin::Node => "the node itself",
            Origin::Outside => "outside the cluster",
        }
    }
}
