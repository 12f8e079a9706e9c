//! Where a question is asked: the cluster, the node, and what is known of it.

use std::net::SocketAddr;

use super::objects::Objects;
use crate::capture::NamedAddress;
use crate::cluster::{Cluster, Node};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::net::Family;
use crate::node::Host;

/// Where a question is asked.
#[derive(Debug)]
pub struct Scene<'i> {
    /// The cluster, if one was read.
    pub objects: Option<Objects<'i>>,
    /// Services that captured rules tell.
    pub captured: Vec<NamedAddress>,
    /// The node; without a name where only its rules are known.
    pub node: Node,
    /// What is known of the node without its rules.
    pub host: Host,
    /// The family asked for.
    pub family: Option<Family>,
}

impl<'i> Scene<'i> {
    /// The checked cluster, if one was read.
    pub fn cluster(&self) -> Option<&'i Cluster> {
        self.objects.map(|objects| objects.cluster)
    }

    /// Cluster IPs of Services by name, from the cluster, else from captured rules.
    pub(super) fn services(&self) -> Vec<NamedAddress> {
        let Some(cluster) = self.cluster() else { return self.captured.clone() };
        let ports = Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports);
        let named = ports.map(|port| NamedAddress {
            name: port.name.clone(),
            address: SocketAddr::new(port.cluster_ip, port.port.get()),
        });
        named.collect()
    }

    /// What is not known of the node and may make the answer wrong.
    pub fn doubts(host: &Host, family: Family) -> Diagnostics {
        if host.primary_address(family).is_some() {
            return Diagnostics::default();
        }
        Diagnostic::warning(format!(
            "no {family} address of the node is known: only loopback counts as its own"
        ))
        .help("give the node's addresses as --host-ip, its own first")
        .into()
    }
}
