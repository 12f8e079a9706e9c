//! What is known about a node besides its rules: addresses, pod networks, a sysctl.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use sha1::Digest;
use smallvec::SmallVec;

use crate::cluster::{Cluster, Node};
use crate::net::{Cidr, Family};
use crate::plan::{LocalTraffic, Plan};

use super::client_kind::ClientKind;
use super::interface_name::InterfaceName;
use super::network::{Lookup, Network, Routed};
use super::sets::IpSets;
use super::sysctls::Sysctls;

/// The node that a packet meets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Addresses on its interfaces, the node's own first. Loopback addresses are local without being listed.
    pub addresses: Vec<IpAddr>,
    /// Networks of the pods on this node (`spec.podCIDRs`).
    pub pod_networks: Vec<Cidr>,
    /// Networks of all pods of the cluster (`clusterCIDR`).
    pub cluster_networks: Vec<Cidr>,
    /// Addresses of pods that are known to run on this node, whatever network they are in.
    pub local_pods: BTreeSet<IpAddr>,
    /// Addresses of endpoints that are known to run on other nodes, although the networks would say otherwise.
    pub remote_pods: BTreeSet<IpAddr>,
    /// `NAMESPACE.NAME` of Pods on this node, as far as known.
    pub pod_names: BTreeMap<IpAddr, CompactString>,
    /// The interface by which packets of local pods come in, if it has a name that rules use.
    pub pod_interface: Option<PodInterface>,
    /// `net.ipv4.conf.*.route_localnet`: packets from or to 127.0.0.0/8 may cross interfaces other than `lo`.
    /// kube-proxy sets it if it serves node ports on 127.0.0.1.
    pub route_localnet: bool,
    /// The sets that `-m set` looks into; none if they were not captured.
    pub sets: Option<Arc<IpSets>>,
    /// Its interfaces and routes, if they were captured.
    pub network: Arc<Network>,
    /// Settings of its kernel.
    pub sysctls: Sysctls,
}

/// The interface of local pods, as `detectLocal` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodInterface {
    /// One interface, a bridge.
    Name(CompactString),
    /// One interface per pod, with names that begin with this.
    Prefix(CompactString),
}

impl Host {
    /// A node of a cluster, with the plans for it in one or both families.
    pub fn of_node<'p, 'c: 'p>(
        cluster: &Cluster,
        node: &Node,
        plans: impl IntoIterator<Item = &'p Plan<'c>>,
    ) -> Host {
        let mut host = Host {
            pod_networks: node.pod_cidrs.clone(),
            cluster_networks: cluster.nodes.iter().flat_map(|node| &node.pod_cidrs).copied().collect(),
            ..Host::default()
        };
        let plans: Vec<&Plan<'_>> = plans.into_iter().collect();
        plans.iter().for_each(|plan| host.add_plan(plan));
        plans.iter().for_each(|plan| host.add_remote_pods(plan, cluster));
        host
    }

    /// A node of a cluster whose Pod networks are known, with the addresses of the endpoints that name it. The caller
    /// must add endpoints of other nodes.
    pub(crate) fn of_frame(
        node: &Node,
        plan: &Plan<'_>,
        cluster_networks: &[Cidr],
        local_endpoints: &[IpAddr],
    ) -> Host {
        let mut host = Host {
            pod_networks: node.pod_cidrs.clone(),
            cluster_networks: cluster_networks.to_vec(),
            ..Host::default()
        };
        host.add_plan(plan);
        for ip in local_endpoints {
            if !host.is_local(*ip) && !host.is_local_pod(*ip) {
                host.local_pods.insert(*ip);
            }
        }
        host
    }

    /// The same node, for questions about kinds of connections: with as few Pod networks as possible. Endpoints on
    /// other nodes, of which there can be a hundred thousand, are represented by their network if no rule matches on an
    /// interface.
    #[must_use]
    pub fn with_merged_networks(&self) -> Host {
        Host {
            pod_networks: merged(self.pod_networks.clone()),
            cluster_networks: merged(self.cluster_networks.clone()),
            remote_pods: self.pod_interface.as_ref().map_or_else(BTreeSet::new, |_| self.remote_pods.clone()),
            ..self.clone()
        }
    }

    /// Whether a packet that meets the same rules of kube-proxy takes the same way on both. Names of Pods give away
    /// interfaces, which only rules of others match on.
    pub fn is_like(&self, other: &Host) -> bool {
        let Host {
            addresses,
            pod_networks,
            cluster_networks,
            local_pods,
            remote_pods,
            pod_names: _,
            pod_interface,
            route_localnet,
            sets,
            network,
            sysctls,
        } = self;
        *addresses == other.addresses
            && *pod_networks == other.pod_networks
            && *cluster_networks == other.cluster_networks
            && *local_pods == other.local_pods
            && *remote_pods == other.remote_pods
            && *pod_interface == other.pod_interface
            && *route_localnet == other.route_localnet
            && (sets, network, sysctls) == (&other.sets, &other.network, &other.sysctls)
    }

    fn add_plan(&mut self, plan: &Plan<'_>) {
        let own = Some(plan.node_ip()).filter(|ip| !ip.is_loopback());
        let others = plan.interface_addresses().iter().copied().filter(|ip| !ip.is_loopback());
        let others: Vec<IpAddr> = others.filter(|ip| Some(*ip) != own).collect();
        self.addresses.extend(own.into_iter().chain(others));
        match plan.local_traffic() {
            Some(LocalTraffic::From(net)) => self.cluster_networks.push(*net),
            Some(LocalTraffic::Interface(name)) => {
                self.pod_interface = Some(PodInterface::Name(name.clone()))
            }
            Some(LocalTraffic::InterfacePrefix(name)) => {
                self.pod_interface = Some(PodInterface::Prefix(name.clone()));
            }
            None => (),
        }
        self.route_localnet |= plan.localhost_node_ports();
        self.add_local_pods(plan);
    }

    fn add_local_pods(&mut self, plan: &Plan<'_>) {
        for port in plan.service_ports() {
            let port = port.service_port();
            let local = port.endpoints.iter().filter(|e| e.node_name.as_ref() == Some(plan.node_name()));
            for endpoint in local {
                let known = self.is_local(endpoint.ip) || self.is_local_pod(endpoint.ip);
                if !known {
                    self.local_pods.insert(endpoint.ip);
                }
                if let Some(pod) = &endpoint.pod {
                    let name = || format_compact!("{}.{pod}", port.name.namespace());
                    self.pod_names.entry(endpoint.ip).or_insert_with(name);
                }
            }
        }
    }

    /// Adds endpoints that name another node, except addresses of nodes.
    fn add_remote_pods(&mut self, plan: &Plan<'_>, cluster: &Cluster) {
        let endpoints = plan.service_ports().iter().flat_map(|port| &port.service_port().endpoints);
        let elsewhere =
            endpoints.filter(|e| e.node_name.as_ref().is_some_and(|node| node != plan.node_name()));
        // Every endpoint is looked up, and a large cluster has a network for each of thousands of nodes.
        let host = self.with_merged_networks();
        let misplaced = elsewhere
            .map(|endpoint| endpoint.ip)
            .filter(|ip| !host.local_pods.contains(ip) && host.client_kind(*ip) == ClientKind::LocalPod);
        let mut misplaced: BTreeSet<IpAddr> = misplaced.collect();
        let of_nodes =
            cluster.nodes.iter().flat_map(|node| node.internal_ips.iter().chain(&node.external_ips));
        for ip in of_nodes {
            misplaced.remove(ip);
        }
        self.remote_pods.append(&mut misplaced);
    }

    /// Whether an address is the node's own: on an interface, a loopback address, or by a captured route, such as Google's guest
    /// agent adds for each load balancer (`local 203.0.113.9 dev eth0 table local proto 66`).
    pub fn is_local(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.addresses.contains(&ip) || self.network.has_local_route(ip)
    }

    /// Whether an address is that of a pod on this node.
    pub fn is_local_pod(&self, ip: IpAddr) -> bool {
        let in_network = || self.pod_networks.iter().any(|net| net.contains(ip));
        self.local_pods.contains(&ip) || (!self.remote_pods.contains(&ip) && in_network())
    }

    /// Where a packet with this source comes from: the node if it is one of its addresses, a pod on the node that its
    /// endpoint names, a pod if it is in a pod network, else outside. If the networks of the node's own pods are not
    /// known, every pod counts as one on this node.
    pub fn client_kind(&self, source: IpAddr) -> ClientKind {
        if self.is_local(source) {
            return ClientKind::Node;
        }
        if self.is_local_pod(source) {
            return ClientKind::LocalPod;
        }
        if self.remote_pods.contains(&source) {
            return ClientKind::RemotePod;
        }
        if !self.cluster_networks.iter().any(|net| net.contains(source)) {
            return ClientKind::Outside;
        }
        let family = Family::of(source);
        if self.pod_networks.iter().any(|net| net.family() == family) {
            ClientKind::RemotePod
        } else {
            ClientKind::LocalPod
        }
    }

    /// The interface by which packets from or to an address cross the node, if its routes are known.
    pub fn interface_toward(&self, ip: IpAddr) -> Option<InterfaceName> {
        match self.network.route(&Lookup { source: None, destination: ip, mark: None, input: None }) {
            Routed::By(name) => InterfaceName::new(name),
            _ => None,
        }
    }

    /// A number for how routing treats packets from and to an address: the same for addresses that it treats alike.
    /// None if nothing is known about the node's routing.
    pub fn routing_place(&self, ip: IpAddr) -> Option<u64> {
        let family = Family::of(ip);
        if self.network.routes.is_none() && self.sysctls == Sysctls::default() {
            return None;
        }
        let of_pods = match &self.pod_interface {
            Some(PodInterface::Name(name)) if self.is_local_pod(ip) => InterfaceName::new(name),
            _ => None,
        };
        let toward = self.interface_toward(ip).or(of_pods);
        let name = toward.as_ref().map(InterfaceName::as_str);
        let mut hasher = DefaultHasher::new();
        // Which interface that is matters only to rules.
        self.network.place(ip, name).hash(&mut hasher);
        self.interface_settings(name, family).hash(&mut hasher);
        Some(hasher.finish())
    }

    /// A number for what the kernel's settings say of packets of a family that come in by an interface, or by one that is not
    /// known: with the same number, routing treats them alike.
    pub fn interface_settings(&self, name: Option<&str>, family: Family) -> u64 {
        let sysctls = &self.sysctls;
        if *sysctls == Sysctls::default() {
            return 0;
        }
        let reverse_path =
            name.map_or_else(|| sysctls.reverse_path_anywhere(), |name| sysctls.reverse_path_of(name));
        let is_bare = |link: &super::network::Link| !link.addresses.iter().any(|own| own.ip.is_ipv4());
        let mut hasher = DefaultHasher::new();
        sysctls.forwarding_off(family, name).hash(&mut hasher);
        reverse_path.hash(&mut hasher);
        name.map(|name| (sysctls.accepts_local_at(name), sysctls.heeds_mark_at(name))).hash(&mut hasher);
        name.and_then(|name| self.network.link(name)).is_some_and(is_bare).hash(&mut hasher);
        hasher.finish()
    }

    /// The interfaces on which an address of the node counts as its own, if that is known: for IPv6 all that have it,
    /// for IPv4 the one of its first local route (net/ipv4/fib_frontend.c, `__inet_dev_addr_type`).
    pub fn interfaces_of_address(&self, ip: IpAddr) -> Option<SmallVec<[InterfaceName; 1]>> {
        let name = |name: &str| InterfaceName::new(name).into_iter().collect();
        if ip.is_loopback() {
            return Some(name("lo"));
        }
        if let Some(device) = self.network.device_of_local(ip).filter(|_| ip.is_ipv4()) {
            return Some(name(device));
        }
        let own: SmallVec<[InterfaceName; 1]> =
            self.network.links_with(ip).filter_map(|link| InterfaceName::new(&link.name)).collect();
        let is_known = own.len() == 1 || (own.len() > 1 && ip.is_ipv6());
        is_known.then_some(own)
    }

    /// What CNI plugins put after their prefix in the name of the node's end of a Pod's interface: the first 11 digits
    /// of the SHA-1 of `NAMESPACE.NAME` (Calico, libcalico-go/lib/backend/k8s/conversion/workload_endpoint_default.go,
    /// `VethNameForWorkload`; AWS VPC CNI, cmd/routed-eni-cni-plugin, `generateHostVethName`).
    pub fn pod_interface_hash(&self, ip: IpAddr) -> Option<String> {
        let pod = self.pod_names.get(&ip)?;
        let digest = sha1::Sha1::digest(pod.as_bytes());
        let mut hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hash.truncate(11);
        Some(hash)
    }

    /// The node's own address in a family: the first listed.
    pub fn primary_address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|ip| Family::of(*ip) == family)
    }

    /// The source that the kernel gives to a packet of the node itself, if routes and interfaces show it; otherwise the
    /// destination if that is local, and the node's own address for all others.
    pub fn source_to(&self, destination: SocketAddr) -> IpAddr {
        let ip = destination.ip();
        let family = Family::of(ip);
        if ip.is_loopback() {
            return family.loopback();
        }
        let otherwise = || match self.is_local(ip) {
            true => ip,
            false => self.primary_address(family).unwrap_or_else(|| family.loopback()),
        };
        self.chosen_source(ip).unwrap_or_else(otherwise)
    }

    /// The same, but only if routes and interfaces show it.
    pub fn chosen_source(&self, destination: IpAddr) -> Option<IpAddr> {
        self.network.source_to(destination)
    }
}

/// The fewest networks with the same addresses: a cluster has a network for each of thousands of nodes, most of them
/// adjacent.
pub(crate) fn merged(mut networks: Vec<Cidr>) -> Vec<Cidr> {
    networks.sort_by_key(|net| (net.network(), net.length()));
    let mut merged: Vec<Cidr> = Vec::new();
    for net in networks {
        if merged.last().is_some_and(|last| last.contains(net.network())) {
            continue;
        }
        let mut net = net;
        while let Some(both) = merged.last().and_then(|last| halves_of(*last, net)) {
            merged.pop();
            net = both;
        }
        merged.push(net);
    }
    merged
}

/// The network that two others make up.
fn halves_of(first: Cidr, second: Cidr) -> Option<Cidr> {
    let both = Cidr::new(first.network(), first.length().checked_sub(1)?)?;
    let fits = first.length() == second.length()
        && first != second
        && both.network() == first.network()
        && both.contains(second.network());
    fits.then_some(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            addresses: vec!["192.168.0.11".parse().unwrap(), "fd00::11".parse().unwrap()],
            pod_networks: vec![Cidr::parse_lenient("10.244.1.0/24").unwrap()],
            cluster_networks: vec![Cidr::parse_lenient("10.244.0.0/16").unwrap()],
            ..Host::default()
        }
    }

    #[test]
    fn networks_side_by_side_become_one() {
        let merge = |nets: &[&str]| {
            let nets = nets.iter().map(|net| Cidr::parse_lenient(net).unwrap()).collect();
            merged(nets).iter().map(Cidr::to_string).collect::<Vec<_>>()
        };
        let nodes: Vec<String> = (0..256).map(|i| format!("10.244.{i}.0/24")).collect();
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        assert_eq!(merge(&nodes), ["10.244.0.0/16"]);
        assert_eq!(merge(&["10.0.2.0/24", "10.0.1.0/24"]), ["10.0.1.0/24", "10.0.2.0/24"]);
        assert_eq!(merge(&["10.0.1.0/24", "10.0.0.0/16", "10.0.0.0/16"]), ["10.0.0.0/16"]);
        assert_eq!(
            merge(&["fd00::/65", "10.1.0.0/17", "fd00:0:0:0:8000::/65"]),
            ["10.1.0.0/17", "fd00::/64"]
        );
        assert_eq!(merge(&["0.0.0.0/1", "128.0.0.0/1", "::/0"]), ["0.0.0.0/0", "::/0"]);
    }

    #[test]
    fn sources_are_told_apart() {
        let origin = |text: &str| host().client_kind(text.parse().unwrap());
        assert_eq!(origin("192.168.0.11"), ClientKind::Node);
        assert_eq!(origin("127.0.0.5"), ClientKind::Node);
        assert_eq!(origin("10.244.1.9"), ClientKind::LocalPod);
        assert_eq!(origin("10.244.2.9"), ClientKind::RemotePod);
        assert_eq!(origin("198.51.100.7"), ClientKind::Outside);
    }

    #[test]
    fn issue_13_an_endpoint_of_another_node_is_not_on_this_one() {
        let elsewhere: IpAddr = "10.244.1.9".parse().unwrap();
        let host = Host { remote_pods: [elsewhere].into(), ..host() };
        assert_eq!(host.client_kind(elsewhere), ClientKind::RemotePod);
        assert!(!host.is_local_pod(elsewhere));
    }

    #[test]
    fn the_node_speaks_from_the_address_it_speaks_to() {
        let source = |text: &str| host().source_to(text.parse().unwrap()).to_string();
        assert_eq!(source("127.0.0.1:80"), "127.0.0.1");
        assert_eq!(source("192.168.0.11:80"), "192.168.0.11");
        assert_eq!(source("10.96.0.1:443"), "192.168.0.11");
        assert_eq!(source("[fd00:96::1]:443"), "fd00::11");
    }
}
