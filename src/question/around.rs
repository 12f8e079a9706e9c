//! The part of a cluster that one destination has to do with: who asks about one Service on every node need not compile
//! the rules of all others.
//!
//! A packet meets rules of the Service ports at its destination and, once it is translated, at the endpoint that it goes
//! to. Rules of no other Service port match it: each names the address and port, or the node port, that it is for. So the
//! answer is that of the whole cluster, which `tests/suite/services.rs` asks for every Service of the corpus.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::objects::Objects;
use super::written::{Source, Target};
use crate::cluster::{Cluster, FamilyTable, ServicePort};
use crate::diagnostic::Diagnostic;
use crate::net::Family;
use crate::node::PerFamily;
use crate::plan::endpoint_count;

/// A destination, and whether its port counts as a node port too.
pub type Seed = (SocketAddr, bool);

/// The destinations that a question names, whatever the node.
///
/// # Errors
/// There is no such Service.
pub fn seeds(objects: &Objects<'_>, target: &Target) -> Result<Vec<Seed>, Box<Diagnostic>> {
    Ok(match target {
        Target::Address(to) => vec![(*to, true)],
        Target::NodePort(_, port) => {
            let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
            any.map(|ip| (SocketAddr::new(ip, port.get()), true)).into()
        }
        Target::Service(name, _) => {
            let (namespace, name) = objects.service(name, &mut Vec::new())?;
            let tables = [&objects.cluster.ipv4, &objects.cluster.ipv6];
            let ports = tables.into_iter().flat_map(|table| &table.service_ports);
            let its = ports.filter(|port| port.name.namespace() == namespace && port.name.service() == name);
            its.map(|port| (SocketAddr::new(port.cluster_ip, port.port.get()), false)).collect()
        }
    })
}

/// Destinations of the Service ports that have the client as an endpoint: they tell what kind of client it is.
pub fn seeds_from(cluster: &Cluster, from: &Source) -> Vec<Seed> {
    let Source::Ip(client) = from else { return Vec::new() };
    let ports = &cluster.family(Family::of(*client)).service_ports;
    let is_its = |port: &&ServicePort| port.endpoints.iter().any(|endpoint| endpoint.ip == *client);
    ports.iter().filter(is_its).flat_map(seeds_of).collect()
}

/// Every destination at which a Service port is served.
pub fn seeds_of(port: &ServicePort) -> Vec<Seed> {
    let ips = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value);
    let served = ips.chain([port.cluster_ip]).map(|ip| (SocketAddr::new(ip, port.port.get()), true));
    let node_port = port.node_port.map(|number| (SocketAddr::new(port.cluster_ip, number.get()), true));
    served.chain(node_port).collect()
}

/// Service ports by what they can be reached at.
#[derive(Debug)]
pub struct Index<'c> {
    cluster: &'c Cluster,
    by_ip: HashMap<IpAddr, Vec<usize>>,
    by_node_port: HashMap<(Family, u16), Vec<usize>>,
    /// Endpoints of each family, as kube-proxy counts them.
    endpoints: [usize; 2],
}

impl<'c> Index<'c> {
    /// Reads a cluster.
    pub fn of(cluster: &'c Cluster) -> Index<'c> {
        let endpoints = Family::ALL.map(|family| endpoint_count(cluster.family(family)));
        let mut index = Index { cluster, by_ip: HashMap::new(), by_node_port: HashMap::new(), endpoints };
        for family in Family::ALL {
            for (number, port) in cluster.family(family).service_ports.iter().enumerate() {
                for ip in addresses(port) {
                    index.by_ip.entry(ip).or_default().push(number);
                }
                for local in [port.node_port, port.health_check_node_port].into_iter().flatten() {
                    index.by_node_port.entry((family, local.get())).or_default().push(number);
                }
            }
        }
        index
    }

    /// The cluster with only those Service ports that packets to some destinations can have to do with.
    pub fn around(&self, to: impl IntoIterator<Item = Seed>) -> Cluster {
        let PerFamily { ipv4, ipv6 } = self.indices_around(to);
        Cluster {
            ipv4: self.table(Family::Ipv4, &ipv4),
            ipv6: self.table(Family::Ipv6, &ipv6),
            nodes: Vec::new(),
            service_cidrs: self.cluster.service_cidrs.clone(),
        }
    }

    /// Those Service ports that packets to some destinations can have to do with, as indices in the cluster's tables.
    pub fn indices_around(&self, to: impl IntoIterator<Item = Seed>) -> PerFamily<BTreeSet<usize>> {
        let mut kept: PerFamily<BTreeSet<usize>> = PerFamily::default();
        let mut waiting: Vec<Seed> = to.into_iter().collect();
        while let Some((at, on_node)) = waiting.pop() {
            let family = Family::of(at.ip());
            let kept = kept.get_mut(family);
            let by_ip = self.by_ip.get(&at.ip()).into_iter().flatten();
            let by_port = self.by_node_port.get(&(family, at.port())).filter(|_| on_node);
            let ports = &self.cluster.family(family).service_ports;
            for number in by_ip.chain(by_port.into_iter().flatten()).copied() {
                if let (true, Some(port)) = (kept.insert(number), ports.get(number)) {
                    waiting
                        .extend(port.endpoints.iter().map(|e| (SocketAddr::new(e.ip, e.port.get()), true)));
                }
            }
        }
        kept
    }

    fn table(&self, family: Family, kept: &BTreeSet<usize>) -> FamilyTable {
        let ports = &self.cluster.family(family).service_ports;
        let kept: Vec<ServicePort> = kept.iter().filter_map(|number| ports.get(*number)).cloned().collect();
        let mut table = FamilyTable { service_ports: kept, endpoints_elsewhere: 0 };
        let all = self.endpoints.get(usize::from(family == Family::Ipv6)).copied().unwrap_or_default();
        table.endpoints_elsewhere = all.saturating_sub(endpoint_count(&table));
        table
    }
}

fn addresses(port: &ServicePort) -> impl Iterator<Item = IpAddr> {
    let external = port.external_ips.iter().map(|ip| ip.value);
    let load_balancer = port.load_balancer_ips.iter().map(|ip| ip.value);
    let mut all: Vec<IpAddr> = external.chain(load_balancer).chain([port.cluster_ip]).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter()
}
