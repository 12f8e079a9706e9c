//! Who has an address.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::diagnostic::Inert;
use crate::net::Protocol;

/// Who has an address; Services as `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A Service has it as cluster IP.
    ClusterIp(String),
    /// A Service has it as external IP.
    ExternalIp(String),
    /// A Service has it as load-balancer IP.
    LoadBalancerIp(String),
    /// An endpoint of a Service, whose Pod is not known.
    Endpoint(String),
    /// A node.
    Node(String),
    /// A Pod, with its node if that is known.
    Pod {
        /// `namespace/name`
        name: String,
        /// Its node; empty if it is not known.
        node: String,
    },
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::ClusterIp(service) => write!(f, "Service {}", Inert(service)),
            Name::ExternalIp(service) => write!(f, "external IP of Service {}", Inert(service)),
            Name::LoadBalancerIp(service) => write!(f, "load-balancer IP of Service {}", Inert(service)),
            Name::Endpoint(service) => write!(f, "endpoint of Service {}", Inert(service)),
            Name::Node(node) => write!(f, "node {}", Inert(node)),
            Name::Pod { name, node } if node.is_empty() => write!(f, "pod {}", Inert(name)),
            Name::Pod { name, node } => write!(f, "pod {} on {}", Inert(name), Inert(node)),
        }
    }
}

/// Names of addresses, and the ports that Services have on their cluster IPs.
#[derive(Debug, Clone, Default)]
pub struct Names {
    by_address: BTreeMap<IpAddr, Name>,
    ports: BTreeSet<(SocketAddr, Protocol)>,
}

impl Names {
    /// Gives an address a name, unless it has one.
    pub fn add(&mut self, ip: IpAddr, name: impl FnOnce() -> Name) {
        self.by_address.entry(ip).or_insert_with(name);
    }

    /// The name of an address.
    pub fn of(&self, ip: IpAddr) -> Option<&Name> {
        self.by_address.get(&ip)
    }

    /// Adds a port that a Service has on its cluster IP.
    pub fn add_port(&mut self, at: SocketAddr, protocol: Protocol) {
        self.ports.insert((at, protocol));
    }

    /// Whether a Service is known to have a port on its cluster IP.
    pub(crate) fn has_port(&self, at: SocketAddr, protocol: Protocol) -> bool {
        self.ports.contains(&(at, protocol))
    }

    /// The Service that has an address as cluster IP.
    pub(crate) fn service_with_cluster_ip(&self, ip: IpAddr) -> Option<&str> {
        match self.of(ip) {
            Some(Name::ClusterIp(service)) => Some(service),
            _ => None,
        }
    }

    /// The name of an address in brackets after a space; empty if it has none.
    pub(super) fn in_brackets(&self, ip: IpAddr) -> String {
        self.of(ip).map(|name| format!(" ({name})")).unwrap_or_default()
    }

    /// The name of an address in words.
    pub(super) fn words(&self, ip: IpAddr) -> Option<String> {
        self.of(ip).map(Name::to_string)
    }
}
