//! Kinds of nodes: nodes that are alike in everything that a Service port can depend on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use compact_str::CompactString;

use crate::cluster::{Cluster, Node, ServicePort};
use crate::net::Family;
use crate::settings::{NodePortAddress, Settings};

/// What counts about a node in the same way for every Service port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    families: [bool; 2],
    pod_networks: [bool; 2],
    zone: Option<CompactString>,
    node_port_networks: Vec<bool>,
    /// Addresses that Services have too.
    shared: Vec<IpAddr>,
}

/// For each port whether a node has ready and usable endpoints, and the node's name if a hint names it.
type Here = (Vec<(bool, bool)>, Vec<CompactString>);

/// Nodes by their class.
#[derive(Debug)]
pub(super) struct NodeKinds {
    classes: Vec<Vec<usize>>,
    class_of: Vec<usize>,
    by_name: HashMap<CompactString, usize>,
}

/// Nodes on which a Service port does the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// One of them.
    pub(super) node: usize,
    /// How many there are.
    pub(super) count: usize,
}

impl NodeKinds {
    pub(super) fn of(nodes: &[Node], settings: &Settings, cluster: &Cluster) -> NodeKinds {
        let services = service_addresses(cluster);
        let mut classes: BTreeMap<Class, Vec<usize>> = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate() {
            classes.entry(class(node, settings, &services)).or_default().push(number);
        }
        let classes: Vec<Vec<usize>> = classes.into_values().collect();
        let mut class_of = vec![0; nodes.len()];
        for (class, members) in classes.iter().enumerate() {
            members.iter().for_each(|member| {
                if let Some(its) = class_of.get_mut(*member) {
                    *its = class;
                }
            });
        }
        let by_name = nodes.iter().enumerate().map(|(number, node)| (node.name.clone(), number)).collect();
        NodeKinds { classes, class_of, by_name }
    }

    /// The kinds of nodes for some Service ports: nodes without endpoints of them are grouped by class, the others also
    /// by which ports have endpoints there.
    pub(super) fn for_ports(&self, ports: &[ServicePort]) -> Vec<Kind> {
        let special = self.named_by(ports);
        let mut kinds: Vec<Kind> = Vec::new();
        for members in &self.classes {
            let others = members.iter().filter(|member| !special.contains(*member));
            let count = members.len() - members.iter().filter(|member| special.contains(*member)).count();
            kinds.extend(others.take(1).map(|node| Kind { node: *node, count }));
        }
        let mut alike: BTreeMap<(usize, Here), Kind> = BTreeMap::new();
        for node in special {
            let class = self.class_of.get(node).copied().unwrap_or_default();
            let kind = alike.entry((class, self.here(ports, node))).or_insert(Kind { node, count: 0 });
            kind.count += 1;
        }
        kinds.extend(alike.into_values());
        kinds.sort_by_key(|kind| kind.node);
        kinds
    }

    /// Nodes that endpoints name, as their own node or in a hint.
    fn named_by(&self, ports: &[ServicePort]) -> BTreeSet<usize> {
        let endpoints = ports.iter().flat_map(|port| &port.endpoints);
        let names = endpoints.flat_map(|endpoint| {
            let hinted = endpoint.hints.iter().flat_map(|hints| &hints.nodes);
            endpoint.node_name.iter().chain(hinted)
        });
        names.filter_map(|name| self.by_name.get(name)).copied().collect()
    }

    /// Which ports have ready or serving endpoints on a node, and the node's name if a hint names it.
    fn here(&self, ports: &[ServicePort], node: usize) -> Here {
        let is_it = |name: &CompactString| self.by_name.get(name) == Some(&node);
        let local = ports.iter().map(|port| {
            let mut its = port.endpoints.iter().filter(|e| e.node_name.as_ref().is_some_and(is_it));
            let ready = its.clone().any(|endpoint| endpoint.ready);
            (ready, its.any(|endpoint| endpoint.is_usable()))
        });
        let hints = ports.iter().flat_map(|port| &port.endpoints).filter_map(|e| e.hints.as_ref());
        let hinted: BTreeSet<CompactString> =
            hints.flat_map(|hints| &hints.nodes).filter(|name| is_it(name)).cloned().collect();
        (local.collect(), hinted.into_iter().collect())
    }
}

fn service_addresses(cluster: &Cluster) -> BTreeSet<IpAddr> {
    let ports = Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports);
    let outside = |port: &ServicePort| {
        let ips = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value);
        ips.collect::<Vec<_>>()
    };
    ports.flat_map(outside).collect()
}

fn class(node: &Node, settings: &Settings, services: &BTreeSet<IpAddr>) -> Class {
    let ips = || node.internal_ips.iter().chain(&node.external_ips).copied();
    let listed = settings.node_port_addresses.listed().iter().map(|address| match address {
        NodePortAddress::Primary => true,
        NodePortAddress::Network(written) => ips().any(|ip| written.cidr.contains(ip)),
    });
    Class {
        families: Family::ALL.map(|family| ips().any(|ip| Family::of(ip) == family)),
        pod_networks: Family::ALL.map(|family| node.pod_cidrs.iter().any(|net| net.family() == family)),
        zone: node.zone.clone(),
        node_port_networks: listed.collect(),
        shared: ips().filter(|ip| services.contains(ip)).collect(),
    }
}
