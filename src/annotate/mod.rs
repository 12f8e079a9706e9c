//! What hashed names of kube-proxy's chains and sets mean, in any text: rulesets, traces of packets, connections.
//!
//! A name is a hash of the Service port, and of the endpoint if it is about one: it cannot be reversed, but the names
//! of every Service port of a cluster can be computed and looked up. That works for every release and both modes, and
//! needs no settings.

mod addresses;
pub mod counters;
mod index;
pub mod json;
mod line;
mod packet;
mod pod;

use compact_str::CompactString;

use crate::cluster::AddressKind;
use crate::names::ServicePortName;
use crate::net::Protocol;

pub use index::Index;
pub use line::{Annotation, annotations, suffix};
pub use pod::Pod;

/// What something means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A chain of a Service port.
    Service {
        /// The Service port.
        service: ServicePortName,
        /// What the chain does.
        role: Role,
        /// Its cluster IPs with its port, one for each family.
        addresses: Vec<CompactString>,
    },
    /// A chain or set of one endpoint of a Service port.
    Endpoint {
        /// The Service port.
        service: ServicePortName,
        /// `ip:port`
        address: CompactString,
        /// Its Pod.
        pod: Option<Pod>,
        /// Whether it is the set of clients with affinity to the endpoint.
        is_affinity: bool,
    },
    /// A name in kube-proxy's form, of no known Service or endpoint.
    Gone {
        /// What its prefix says.
        role: Role,
    },
    /// A destination that a Service serves.
    Destination {
        /// The Service port.
        service: ServicePortName,
        /// Which of its addresses it is.
        kind: AddressKind,
    },
    /// Where a connection was sent: a Pod or an endpoint.
    Target {
        /// `ip:port`
        address: CompactString,
        /// Its Pod.
        pod: Option<Pod>,
        /// Whether the Service at the connection's destination has this endpoint.
        is_endpoint: bool,
    },
}

/// What a chain does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Balances over the endpoints of policy Cluster.
    Cluster,
    /// Balances over the endpoints on this node (policy Local).
    Local,
    /// Takes traffic to node port, external and load-balancer IPs.
    External,
    /// Lets in the source ranges.
    Firewall,
    /// Sends to one endpoint.
    Endpoint,
    /// Remembers clients.
    Affinity,
}

impl Role {
    /// In words, after the name of the Service port.
    pub fn words(self) -> &'static str {
        match self {
            Role::Cluster => "all endpoints",
            Role::Local => "endpoints on this node",
            Role::External => "traffic from outside",
            Role::Firewall => "source ranges",
            Role::Endpoint => "endpoint",
            Role::Affinity => "clients of an endpoint",
        }
    }
}

/// `shop/web:http`, with the protocol if that is not TCP.
pub(crate) fn service_words(service: &ServicePortName) -> String {
    match service.protocol() {
        Protocol::Tcp => service.to_string(),
        protocol => format!("{service}/{protocol}"),
    }
}
