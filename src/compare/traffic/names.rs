//! Names of destinations: which Service an address and port belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use foldhash::HashMap;

use super::To;
use crate::names::ServiceName;
use crate::net::Protocol;
use crate::plan::Plan;

/// Service ports, by the addresses and ports at which they are served.
#[derive(Debug, Default)]
pub struct Names {
    by_address: BTreeMap<(IpAddr, Protocol, u16), Name>,
    by_node_port: BTreeMap<(Protocol, u16), Name>,
    cluster_ips: BTreeMap<IpAddr, ServiceName>,
    pods: HashMap<SocketAddr, CompactString>,
    pod_addresses: HashMap<IpAddr, CompactString>,
    assumed: Arc<BTreeSet<IpAddr>>,
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
    /// No names yet. Assumed addresses are not shown if there is a name.
    pub fn with_assumed(assumed: Arc<BTreeSet<IpAddr>>) -> Names {
        Names { assumed, ..Names::default() }
    }

    /// Adds the names of a plan; known names stay.
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
            for endpoint in &port.endpoints {
                let Some(pod) = &endpoint.pod else { continue };
                let at = SocketAddr::new(endpoint.ip, endpoint.port.get());
                self.pod_addresses.entry(endpoint.ip).or_insert_with(|| pod.clone());
                self.pods.entry(at).or_insert_with(|| pod.clone());
            }
            if let Some(node_port) = port.node_port {
                self.by_node_port.entry((protocol, node_port.get())).or_insert_with(|| name("node port"));
            }
        }
    }

    /// The Service port that an address and port belong to; node ports are on every address of the node.
    pub fn find(&self, ip: IpAddr, protocol: Protocol, port: u16, is_own: bool) -> Option<&Name> {
        let by_address = self.by_address.get(&(ip, protocol, port));
        by_address.or_else(|| self.by_node_port.get(&(protocol, port)).filter(|_| is_own))
    }

    /// The Service port that a destination is.
    pub(in crate::compare) fn of(&self, to: &To) -> Option<&Name> {
        // Every loopback address has the node port.
        let ip = to.address.or_else(|| Some(to.representative.ip()).filter(|_| to.own));
        ip.zip(to.port).and_then(|(ip, port)| self.find(ip, to.protocol, port, to.own))
    }

    /// Whether a Service port is served on this very address.
    pub(super) fn has_address(&self, ip: IpAddr) -> bool {
        let first = (ip, Protocol::ALL.into_iter().min().unwrap_or(Protocol::Tcp), 0);
        self.by_address.range(first..).next().is_some_and(|((known, ..), _)| *known == ip)
    }

    /// The Pod that has an address, for people, if it is known.
    pub fn client(&self, ip: IpAddr) -> Option<String> {
        let pod = self.pod_addresses.get(&ip)?;
        Some(if self.assumed.contains(&ip) { format!("Pod {pod}") } else { format!("Pod {pod} ({ip})") })
    }

    /// The Service that has a cluster IP.
    pub fn cluster_ip(&self, ip: IpAddr) -> Option<&ServiceName> {
        self.cluster_ips.get(&ip)
    }

    /// Whether only `--assume` gave the address.
    pub fn is_assumed(&self, ip: IpAddr) -> bool {
        self.assumed.contains(&ip)
    }

    /// The name of the Pod at an endpoint, if it is known.
    pub fn pod(&self, endpoint: SocketAddr) -> Option<&str> {
        self.pods.get(&endpoint).map(CompactString::as_str)
    }

    /// An endpoint, for people: the Pod by its name, with the address unless that is assumed.
    pub fn endpoint(&self, endpoint: SocketAddr) -> String {
        match self.pod(endpoint) {
            Some(pod) if self.assumed.contains(&endpoint.ip()) => format!("{pod}:{}", endpoint.port()),
            Some(pod) => format!("{pod} ({endpoint})"),
            None => endpoint.to_string(),
        }
    }
}
