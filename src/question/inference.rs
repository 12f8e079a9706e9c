//! What was not said and was inferred.

use std::fmt;
use std::net::SocketAddr;

use crate::diagnostic::Inert;
use crate::net::{Cidr, Protocol};

/// Something that was not said and was inferred; its words are one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inference {
    /// The node, and why it.
    Node {
        /// Its name.
        node: String,
        /// Why it.
        why: WhyNode,
    },
    /// The only namespace that has an object of that name.
    Namespace {
        /// `Service` or `Pod`.
        kind: &'static str,
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// The only protocol that is served, where it is not TCP.
    Protocol {
        /// The destination.
        to: SocketAddr,
        /// The protocol.
        protocol: Protocol,
    },
    /// One of several protocols that are served.
    OneProtocol {
        /// The destination.
        to: SocketAddr,
        /// The one taken.
        protocol: Protocol,
        /// One that was not.
        other: Protocol,
    },
    /// The pods' networks, which the Nodes' `podCIDRs` lie in.
    PodNetworks(Vec<Cidr>),
}

/// Why a node is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNode {
    /// The Pod runs there.
    RunsPod(String),
    /// It has the address.
    HasAddress(SocketAddr),
    /// It has an address, and the Pod runs on another node.
    HasAddressNotPod(SocketAddr, String),
    /// It has this source address.
    HasSource(std::net::IpAddr),
    /// An endpoint of the Service runs there, and another node was not named.
    RunsEndpoint(String),
    /// The first of all: no usable endpoint of the Service runs on any.
    First(String),
}

impl Inference {
    /// Whether it has a sentence of its own; the others share one line.
    pub fn is_sentence(&self) -> bool {
        matches!(self, Inference::Protocol { .. } | Inference::OneProtocol { .. })
    }
}

impl fmt::Display for Inference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inference::Node { node, why } => {
                write!(f, "node {}, ", Inert(node))?;
                match why {
                    WhyNode::RunsPod(pod) => write!(f, "where Pod {} runs", Inert(pod)),
                    WhyNode::HasAddress(to) => write!(f, "which has {}", to.ip()),
                    WhyNode::HasSource(ip) => write!(f, "where {ip} is"),
                    WhyNode::HasAddressNotPod(to, pod) => {
                        let (ip, pod) = (to.ip(), Inert(pod));
                        write!(f, "which has {ip} (the node of Pod {pod} sends the packet on to it)")
                    }
                    WhyNode::RunsEndpoint(service) => {
                        write!(
                            f,
                            "which runs an endpoint of {} (--node NAME looks at another)",
                            Inert(service)
                        )
                    }
                    WhyNode::First(service) => write!(
                        f,
                        "the first of all, since no endpoint of {} is usable (--node NAME looks at another)",
                        Inert(service)
                    ),
                }
            }
            Inference::Namespace { kind, namespace, name } => {
                write!(f, "{kind} {}/{}", Inert(namespace), Inert(name))
            }
            Inference::Protocol { to, protocol } => {
                write!(f, "{to} is served for {protocol} only, so this traces {protocol}")
            }
            Inference::OneProtocol { to, protocol, other } => write!(
                f,
                "{to} is served for {protocol} and {other}; this traces {protocol} (--protocol {} traces the other)",
                other.lower_name()
            ),
            Inference::PodNetworks(networks) => {
                let networks: Vec<String> = networks.iter().map(Cidr::to_string).collect();
                write!(
                    f,
                    "the pods' network {} from the Nodes' podCIDRs (--cluster-cidr or --config overrides)",
                    networks.join(" and ")
                )
            }
        }
    }
}
