//! Names of destinations: which Service an address and port belong to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use compact_str::{CompactString, format_compact};

use crate::names::ServiceName;
use crate::net::Protocol;
use crate::plan::Plan;

/// Service ports by the addresses and ports that they are served on.
#[derive(Debug, Default)]
pub struct Names {
    by_address: BTreeMap<(IpAddr, Protocol, u16), Name>,
    by_node_port: BTreeMap<(Protocol, u16), Name>,
    cluster_ips: BTreeMap<IpAddr, ServiceName>,
}

/// What a destination is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The Service.
    pub service: ServiceName,
    /// `namespace/name:port`
    pub service_port: CompactString,
    /// `cluster IP`, `external IP`, `load-balancer IP` or `node port`.
    pub kind: &'static str,
}

impl Names {
    /// Learns the names of a plan; those known already stay.
    pub fn learn(&mut self, plan: &Plan<'_>) {
        for port in plan.service_ports().iter().map(|port| port.service_port()) {
            let name = |kind| Name {
                service: port.name.service_name(),
                service_port: format_compact!("{}", port.name),
                kind,
            };
            let protocol = port.name.protocol();
            let externals = port.external_ips.iter().map(|ip| (ip.value, "external IP"));
            let balancers = port.load_balancer_ips.iter().map(|ip| (ip.value, "load-balancer IP"));
            for (ip, kind) in [(port.cluster_ip, "cluster IP")].into_iter().chain(externals).chain(balancers)
            {
                self.by_address.entry((ip, protocol, port.port.get())).or_insert_with(|| name(kind));
            }
            self.cluster_ips.entry(port.cluster_ip).or_insert_with(|| port.name.service_name());
            if let Some(node_port) = port.node_port {
                self.by_node_port.entry((protocol, node_port.get())).or_insert_with(|| name("node port"));
            }
        }
    }

    /// The Service port that an address and port belong to; node ports count on every address of the node.
    pub fn find(&self, ip: IpAddr, protocol: Protocol, port: u16, is_own: bool) -> Option<&Name> {
        let by_address = self.by_address.get(&(ip, protocol, port));
        by_address.or_else(|| self.by_node_port.get(&(protocol, port)).filter(|_| is_own))
    }

    /// The Service that has a cluster IP.
    pub fn cluster_ip(&self, ip: IpAddr) -> Option<&ServiceName> {
        self.cluster_ips.get(&ip)
    }
}
