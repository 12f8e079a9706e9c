//! A connection before it is followed.

use std::net::{IpAddr, SocketAddr};

use super::network::NodeIndex;
use crate::net::Protocol;

/// A connection that a client opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// Who opens it.
    pub client: Client,
    /// The address that the client connects to.
    pub destination: SocketAddr,
}

/// A client and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address; for a node, the one that its kernel chooses.
    pub ip: IpAddr,
    /// Where it is.
    pub place: ClientPlace,
}

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientPlace {
    /// A Pod on this node.
    Pod(NodeIndex),
    /// This node itself, or a Pod in its network namespace.
    Node(NodeIndex),
    /// Outside the cluster.
    Outside,
}
