//! What expectations are looked up in: the cluster, its nodes with the settings of their releases, and who has which
//! address.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;

use crate::cluster::{AddressKind, Cluster, FamilyTable, Node, ServicePort};
use crate::input::Snapshot;
use crate::input::api::Text;
use crate::net::{Cidr, Family, Protocol};
use crate::plan::endpoint_count;
use crate::settings::{DetectLocal, Settings};

/// A cluster as nodes of one release see it.
#[derive(Debug, Clone, Copy)]
pub struct Side<'c> {
    /// The cluster.
    pub cluster: &'c Cluster,
    /// The settings of these nodes.
    pub settings: &'c Settings,
}

/// A node, with the side through which it sees the cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here<'c> {
    pub(super) node: &'c Node,
    /// Index of its side.
    pub(super) side: usize,
    pub(super) labels: &'c [(Text, Text)],
}

/// A Pod that can be a client.
#[derive(Debug, Clone)]
pub(super) struct Pod<'c> {
    pub(super) node: &'c str,
    pub(super) ips: Vec<IpAddr>,
}

/// The cluster that expectations are about.
#[derive(Debug)]
pub struct Ground<'c> {
    pub(super) snapshot: &'c Snapshot,
    pub(super) sides: Vec<Side<'c>>,
    pub(super) nodes: Vec<Here<'c>>,
    pub(super) families: Vec<Family>,
    /// Pods and endpoints by address, with their nodes.
    places: HashMap<IpAddr, CompactString>,
    /// Nodes by address.
    pub(super) node_ips: BTreeMap<IpAddr, usize>,
    claims: Vec<Claims>,
    /// Networks that clients outside do not come from, or that rules tell apart.
    spoken: Vec<Cidr>,
}

/// Which Service ports of a side use an address.
#[derive(Debug, Default)]
struct Claims {
    by_ip: HashMap<IpAddr, Vec<usize>>,
    by_node_port: HashMap<(Family, u16), Vec<usize>>,
    /// Those that use an address of a node.
    on_nodes: BTreeSet<usize>,
    /// How many endpoints they have in total, by family: kube-proxy's large-cluster mode depends on it.
    endpoints: HashMap<Family, usize>,
}

/// An address of a Service port, or one that was written literally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) family: Family,
    /// None for each node's own.
    pub(super) ip: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    /// None for an address that was written literally.
    pub(super) kind: Option<AddressKind>,
    /// The Service port that it was found by.
    pub(super) service_port: Option<String>,
}

impl<'c> Ground<'c> {
    /// A cluster; each side is given with the names of its nodes, none for all.
    pub fn new(
        snapshot: &'c Snapshot,
        sides: Vec<(Side<'c>, Option<Vec<String>>)>,
        families: Vec<Family>,
    ) -> Ground<'c> {
        let mut ground = Ground {
            snapshot,
            sides: sides.iter().map(|(side, _)| *side).collect(),
            nodes: Vec::new(),
            families,
            places: HashMap::new(),
            node_ips: BTreeMap::new(),
            claims: Vec::new(),
            spoken: Vec::new(),
        };
        let labels: HashMap<&str, &'c [(Text, Text)]> = (snapshot.nodes.iter())
            .map(|node| (node.object.metadata.name.as_str(), node.object.metadata.labels.as_slice()))
            .collect();
        for (i, (side, names)) in sides.iter().enumerate() {
            let is_of =
                |node: &&Node| names.as_ref().is_none_or(|names| names.iter().any(|n| *n == node.name));
            ground.nodes.extend(side.cluster.nodes.iter().filter(is_of).map(|node| Here {
                node,
                side: i,
                labels: labels.get(node.name.as_str()).copied().unwrap_or_default(),
            }));
        }
        ground.nodes.sort_by(|a, b| a.node.name.cmp(&b.node.name));
        ground.learn_addresses();
        ground.claims = ground.sides.iter().map(|side| Claims::of(side.cluster, &ground.node_ips)).collect();
        ground
    }

    fn learn_addresses(&mut self) {
        for (i, here) in self.nodes.iter().enumerate() {
            for ip in here.node.internal_ips.iter().chain(&here.node.external_ips) {
                self.node_ips.entry(*ip).or_insert(i);
            }
        }
        let pods = self.snapshot.pods.iter().map(|pod| &pod.object).filter(|pod| !pod.host_network);
        for pod in pods {
            for ip in pod.ips.iter().filter_map(|ip| ip.parse().ok()) {
                self.places.entry(ip).or_insert_with(|| pod.node_name.clone());
            }
        }
        for port in self.sides.iter().flat_map(|side| service_ports(side.cluster)) {
            for endpoint in port.endpoints.iter().filter(|e| !self.node_ips.contains_key(&e.ip)) {
                if let Some(node) = &endpoint.node_name {
                    self.places.entry(endpoint.ip).or_insert_with(|| node.clone());
                }
            }
            self.spoken.extend(port.source_ranges.iter().map(|range| range.value));
        }
        for side in &self.sides {
            self.spoken.extend(side.cluster.nodes.iter().flat_map(|node| &node.pod_cidrs));
            if let DetectLocal::ClusterCidr(networks) = &side.settings.detect_local {
                self.spoken.extend(networks);
            }
        }
        self.spoken.sort_unstable();
        self.spoken.dedup();
    }

    /// The side in which names are looked up: all have the same objects.
    pub(super) fn cluster(&self) -> Option<&'c Cluster> {
        self.sides.first().map(|side| side.cluster)
    }

    /// Every Service port, both families.
    pub(super) fn service_ports(&self) -> impl Iterator<Item = &'c ServicePort> + use<'c> {
        self.cluster().into_iter().flat_map(service_ports)
    }

    /// The node of the Pod with an address, if one is known.
    pub(super) fn pod_node(&self, ip: IpAddr) -> Option<&str> {
        self.places.get(&ip).map(CompactString::as_str)
    }

    /// The node whose Pod network contains an address.
    pub(super) fn node_of_network(&self, ip: IpAddr) -> Option<&str> {
        let has = |here: &&Here<'_>| here.node.pod_cidrs.iter().any(|net| net.contains(ip));
        self.nodes.iter().find(has).map(|here| here.node.name.as_str())
    }

    /// A client outside the cluster that no rule matches on (RFC 5737, RFC 3849).
    pub(super) fn outside(&self, family: Family) -> Option<IpAddr> {
        let nets: Vec<Cidr> =
            ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8:ffff:ffff::/64"]
                .into_iter()
                .filter_map(Cidr::parse_lenient)
                .filter(|net| net.family() == family)
                .collect();
        let is_free = |ip: &IpAddr| {
            !self.spoken.iter().any(|net| net.contains(*ip))
                && !self.node_ips.contains_key(ip)
                && !self.places.contains_key(ip)
        };
        nets.into_iter().flat_map(super::cuts::backwards).find(is_free)
    }

    /// Whether no address in a network is a Pod's or a node's.
    pub(super) fn is_outside(&self, network: Cidr) -> bool {
        let meets = |net: &Cidr| net.contains(network.network()) || network.contains(net.network());
        let pods = self.nodes.iter().flat_map(|here| &here.node.pod_cidrs).any(meets);
        let told = self.sides.iter().any(|side| match &side.settings.detect_local {
            DetectLocal::ClusterCidr(networks) => networks.iter().any(meets),
            _ => false,
        });
        let known = self.node_ips.keys().chain(self.places.keys()).any(|ip| network.contains(*ip));
        !(pods || told || known)
    }

    /// A Pod by name, from Pods or from endpoints that name it.
    pub(super) fn pod(&self, namespace: &str, name: &str) -> Option<Pod<'c>> {
        let pods = self.snapshot.pods.iter().map(|pod| &pod.object);
        let mut pods = pods.filter(|p| p.metadata.namespace == namespace && p.metadata.name == name);
        if let Some(pod) = pods.next() {
            let ips = pod.ips.iter().filter_map(|ip| ip.parse().ok()).collect();
            return Some(Pod { node: &pod.node_name, ips });
        }
        let mut found: Option<Pod<'c>> = None;
        for port in self.service_ports().filter(|port| port.name.namespace() == namespace) {
            for endpoint in port.endpoints.iter().filter(|e| e.pod.as_deref() == Some(name)) {
                let node = endpoint.node_name.as_deref().unwrap_or_default();
                let pod = found.get_or_insert(Pod { node, ips: Vec::new() });
                if !pod.ips.contains(&endpoint.ip) {
                    pod.ips.push(endpoint.ip);
                }
            }
        }
        found
    }

    /// The names of a namespace's Pods, as far as Pods or endpoints give them.
    pub(super) fn pods_in(&self, namespace: &str) -> BTreeSet<&'c str> {
        let pods = self.snapshot.pods.iter().map(|pod| &pod.object.metadata);
        let pods = pods.filter(|pod| pod.namespace == namespace).map(|pod| pod.name.as_str());
        let ports = self.service_ports().filter(|port| port.name.namespace() == namespace);
        let endpoints = ports.flat_map(|port| &port.endpoints);
        pods.chain(endpoints.filter_map(|endpoint| endpoint.pod.as_deref())).collect()
    }

    /// All namespaces that some object is in.
    pub(super) fn namespaces(&self) -> BTreeSet<&'c str> {
        let services =
            self.snapshot.services.iter().map(|service| service.object.metadata.namespace.as_str());
        services.chain(self.snapshot.pods.iter().map(|p| p.object.metadata.namespace.as_str())).collect()
    }

    /// The part of a side that decides about packets to an address: the Service ports that have it, and those that have
    /// an address of their endpoints, whose rules a translated packet can meet. No other rule matches on such a packet.
    pub(super) fn part(&self, side: usize, address: &Address) -> Option<Cluster> {
        let (cluster, claims) = (self.sides.get(side)?.cluster, self.claims.get(side)?);
        let table = cluster.family(address.family);
        let mut linked: BTreeSet<usize> = BTreeSet::new();
        match address.ip {
            Some(ip) => linked.extend(claims.by_ip.get(&ip).into_iter().flatten()),
            None => linked.extend(&claims.on_nodes),
        }
        linked.extend(claims.by_node_port.get(&(address.family, address.port)).into_iter().flatten());
        let first: Vec<&ServicePort> = linked.iter().filter_map(|i| table.service_ports.get(*i)).collect();
        for endpoint in first.iter().flat_map(|port| &port.endpoints) {
            linked.extend(claims.by_ip.get(&endpoint.ip).into_iter().flatten());
            if self.node_ips.contains_key(&endpoint.ip) {
                let key = (address.family, endpoint.port.get());
                linked.extend(claims.by_node_port.get(&key).into_iter().flatten());
            }
        }
        let ports = linked.iter().filter_map(|i| table.service_ports.get(*i)).cloned().collect();
        let mut part = FamilyTable { service_ports: ports, endpoints_elsewhere: 0 };
        let all = claims.endpoints.get(&address.family).copied().unwrap_or_default();
        part.endpoints_elsewhere = all.saturating_sub(endpoint_count(&part));
        let (ipv4, ipv6) = match address.family {
            Family::Ipv4 => (part, FamilyTable::default()),
            Family::Ipv6 => (FamilyTable::default(), part),
        };
        Some(Cluster {
            ipv4,
            ipv6,
            nodes: cluster.nodes.clone(),
            service_cidrs: cluster.service_cidrs.clone(),
        })
    }
}

impl Claims {
    fn of(cluster: &Cluster, node_ips: &BTreeMap<IpAddr, usize>) -> Claims {
        let mut claims = Claims::default();
        for family in Family::ALL {
            claims.endpoints.insert(family, endpoint_count(cluster.family(family)));
            for (i, port) in cluster.family(family).service_ports.iter().enumerate() {
                let external = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value);
                for ip in external.chain([port.cluster_ip]) {
                    claims.by_ip.entry(ip).or_default().push(i);
                    if node_ips.contains_key(&ip) {
                        claims.on_nodes.insert(i);
                    }
                }
                if let Some(number) = port.node_port {
                    claims.by_node_port.entry((family, number.get())).or_default().push(i);
                }
            }
        }
        claims
    }
}

impl Address {
    /// Every address of a Service port.
    pub(super) fn of(port: &ServicePort) -> Vec<Address> {
        let family = Family::of(port.cluster_ip);
        let at = |kind, ip, number| Address {
            family,
            ip,
            port: number,
            protocol: port.name.protocol(),
            kind: Some(kind),
            service_port: Some(port.name.to_string()),
        };
        let own = port.port.get();
        let mut all = vec![at(AddressKind::ClusterIp, Some(port.cluster_ip), own)];
        all.extend(port.external_ips.iter().map(|ip| at(AddressKind::ExternalIp, Some(ip.value), own)));
        all.extend(
            port.load_balancer_ips.iter().map(|ip| at(AddressKind::LoadBalancerIp, Some(ip.value), own)),
        );
        all.extend(port.node_port.map(|number| at(AddressKind::NodePort, None, number.get())));
        all
    }

    /// As a client on a node would use it.
    pub(super) fn at(&self, own: Option<IpAddr>) -> Option<SocketAddr> {
        self.ip.or(own).map(|ip| SocketAddr::new(ip, self.port))
    }
}

/// Every Service port of a cluster, both families.
fn service_ports(cluster: &Cluster) -> impl Iterator<Item = &ServicePort> {
    Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports)
}
