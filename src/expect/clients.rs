//! Who sends: the clients of an expectation, as senders on nodes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::cuts;
use super::ground::{Address, Ground, Here};
use super::parts::Parts;
use super::words::Client;
use crate::cluster::AddressKind;
use crate::net::{Cidr, Family};
use crate::settings::DetectLocal;
use crate::walk::ClientKind;

/// One client on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sender {
    /// None for the node, which chooses its address depending on the destination.
    pub(super) ip: Option<IpAddr>,
    pub(super) kind: ClientKind,
    /// Whether it represents all of its kind.
    pub(super) stands_for_kind: bool,
}

impl Sender {
    fn of_kind(ip: Option<IpAddr>, kind: ClientKind) -> Sender {
        Sender { ip, kind, stands_for_kind: true }
    }

    fn one(ip: IpAddr, kind: ClientKind) -> Sender {
        Sender { ip: Some(ip), kind, stands_for_kind: false }
    }
}

/// The senders of a client that connect to an address through these nodes. There are none if the client cannot connect:
/// packets from outside have no route to a cluster IP, and a Pod's packets meet its own node's rules.
pub(super) fn senders(
    client: &Client,
    address: &Address,
    nodes: &[usize],
    ground: &Ground<'_>,
    parts: &Parts,
) -> Vec<(usize, Sender)> {
    let clients = Clients { address, nodes, ground, parts };
    match client {
        Client::Pods => clients.pods(),
        Client::Nodes => clients.each(|_| vec![Sender::of_kind(None, ClientKind::Node)]),
        Client::Outside => clients.outside(),
        Client::Pod { namespace, name } => clients.pod(namespace, name),
        Client::Namespace(namespace) => {
            let pods = ground.pods_in(namespace);
            pods.iter().flat_map(|name| clients.pod(namespace, name)).collect()
        }
        Client::Network(network) => clients.network(*network),
    }
}

/// Whether an address is for clients outside the cluster; an address that was written literally is for all clients.
fn is_for_outside(address: &Address) -> bool {
    address.kind.is_none_or(AddressKind::is_external) && !address.ip.is_some_and(|ip| ip.is_loopback())
}

struct Clients<'e> {
    address: &'e Address,
    nodes: &'e [usize],
    ground: &'e Ground<'e>,
    parts: &'e Parts,
}

impl Clients<'_> {
    fn family(&self) -> Family {
        self.address.family
    }

    fn here(&self, node: usize) -> Option<Here<'_>> {
        self.ground.nodes.get(node).copied()
    }

    /// Nodes that packets to the address arrive at from elsewhere: if it is a node's own, that node.
    fn doors(&self) -> Vec<usize> {
        match self.address.ip.and_then(|ip| self.ground.node_ips.get(&ip)) {
            Some(owner) => self.nodes.iter().copied().filter(|node| node == owner).collect(),
            None => self.nodes.to_vec(),
        }
    }

    /// Whether packets to it arrive over the network from other nodes and their Pods.
    fn is_on_node(&self) -> bool {
        self.address.ip.is_none_or(|ip| self.ground.node_ips.contains_key(&ip))
    }

    fn each(&self, senders: impl Fn(usize) -> Vec<Sender>) -> Vec<(usize, Sender)> {
        let nodes = self.doors().into_iter();
        nodes.flat_map(|node| senders(node).into_iter().map(move |sender| (node, sender))).collect()
    }

    fn outside(&self) -> Vec<(usize, Sender)> {
        match self.ground.outside(self.family()).filter(|_| is_for_outside(self.address)) {
            Some(ip) => self.each(|_| vec![Sender::of_kind(Some(ip), ClientKind::Outside)]),
            None => Vec::new(),
        }
    }

    /// One Pod on each node for all of them and, if the address is a node's, one for Pods on other nodes.
    fn pods(&self) -> Vec<(usize, Sender)> {
        if self.address.ip.is_some_and(|ip| ip.is_loopback()) {
            return Vec::new();
        }
        let endpoints = self.parts.endpoints();
        let ranges = self.parts.source_ranges();
        let is_taken = |ip: IpAddr| endpoints.contains(&ip) || self.ground.node_ips.contains_key(&ip);
        self.each(|node| {
            let mut senders = Vec::new();
            for ip in self.local_pods(node, &ranges, &is_taken) {
                senders.push(Sender::of_kind(Some(ip), ClientKind::LocalPod));
            }
            if self.is_on_node() {
                let remote = self.remote_pod(node, &is_taken);
                senders.extend(remote.map(|ip| Sender::of_kind(Some(ip), ClientKind::RemotePod)));
            }
            senders
        })
    }

    fn local_pods(&self, node: usize, ranges: &[Cidr], is_taken: &dyn Fn(IpAddr) -> bool) -> Vec<IpAddr> {
        let Some(here) = self.here(node) else { return Vec::new() };
        let is_elsewhere =
            |ip: IpAddr| self.ground.pod_node(ip).is_some_and(|name| name != here.node.name.as_str());
        let is_left_out = |ip: IpAddr| is_taken(ip) || is_elsewhere(ip);
        let own = cuts::representatives(&self.networks(here), ranges, is_left_out);
        if !own.is_empty() {
            return own;
        }
        let pods = self.ground.snapshot.pods.iter().map(|pod| &pod.object);
        let here_pods = pods.filter(|pod| !pod.host_network && pod.node_name == here.node.name);
        let mut ips = here_pods.flat_map(|pod| &pod.ips).filter_map(|ip| ip.parse().ok());
        ips.find(|ip| Family::of(*ip) == self.family() && !is_taken(*ip)).into_iter().collect()
    }

    /// Networks of a node's Pods; that of all Pods if the node has none of its own.
    fn networks(&self, here: Here<'_>) -> Vec<Cidr> {
        let of_family = |net: &Cidr| net.family() == self.family();
        let own: Vec<Cidr> = here.node.pod_cidrs.iter().copied().filter(of_family).collect();
        let told = self.ground.sides.get(here.side).map(|side| &side.settings.detect_local);
        match told {
            Some(DetectLocal::ClusterCidr(all)) if own.is_empty() => {
                all.iter().copied().filter(of_family).take(1).collect()
            }
            _ => own,
        }
    }

    fn remote_pod(&self, node: usize, is_taken: &dyn Fn(IpAddr) -> bool) -> Option<IpAddr> {
        let others = self.ground.nodes.iter().enumerate().filter(|(other, _)| *other != node);
        let mut networks = others.flat_map(|(_, here)| &here.node.pod_cidrs);
        let network = networks.find(|net| net.family() == self.family())?;
        cuts::backwards(*network).find(|ip| !is_taken(*ip))
    }

    fn pod(&self, namespace: &str, name: &str) -> Vec<(usize, Sender)> {
        let Some(pod) = self.ground.pod(namespace, name) else { return Vec::new() };
        let ip = pod.ips.iter().copied().find(|ip| Family::of(*ip) == self.family());
        let Some(ip) = ip.filter(|_| !self.address.ip.is_some_and(|ip| ip.is_loopback())) else {
            return Vec::new();
        };
        self.from(ip, Some(pod.node))
    }

    /// The senders for an address of a Pod or node: through its own node's rules, and to the nodes' own addresses
    /// through theirs.
    fn from(&self, ip: IpAddr, home: Option<&str>) -> Vec<(usize, Sender)> {
        let is_home = |node: usize| self.here(node).is_some_and(|here| Some(here.node.name.as_str()) == home);
        let sender = |node: usize| {
            let kind = match (self.ground.node_ips.get(&ip), is_home(node)) {
                (Some(owner), _) if *owner == node => ClientKind::Node,
                (Some(_), _) => ClientKind::Outside,
                (None, true) => ClientKind::LocalPod,
                (None, false) => ClientKind::RemotePod,
            };
            Sender::one(ip, kind)
        };
        let doors = self.doors().into_iter();
        let met = doors.filter(|node| home.is_none() || self.is_on_node() || is_home(*node));
        met.map(|node| (node, sender(node))).collect()
    }

    /// One address from each part of a network that rules or nodes tell apart.
    fn network(&self, network: Cidr) -> Vec<(usize, Sender)> {
        if network.family() != self.family() {
            return Vec::new();
        }
        let mut cuts: BTreeSet<Cidr> = self.parts.source_ranges().into_iter().collect();
        cuts.extend(self.parts.endpoints().into_iter().map(Cidr::host));
        cuts.extend(self.ground.node_ips.keys().copied().map(Cidr::host));
        cuts.extend(self.ground.nodes.iter().flat_map(|here| &here.node.pod_cidrs));
        cuts.extend(self.ground.nodes.first().map(|here| self.networks(*here)).into_iter().flatten());
        for side in &self.ground.sides {
            if let DetectLocal::ClusterCidr(all) = &side.settings.detect_local {
                cuts.extend(all);
            }
        }
        let inside = |cut: &Cidr| network.contains(cut.network()) || cut.contains(network.network());
        let cuts: Vec<Cidr> = cuts.into_iter().filter(inside).collect();
        let found = cuts::representatives(&[network], &cuts, |_| false);
        found.into_iter().flat_map(|ip| self.address_of_network(ip)).collect()
    }

    fn address_of_network(&self, ip: IpAddr) -> Vec<(usize, Sender)> {
        let node = self
            .ground
            .node_ips
            .get(&ip)
            .and_then(|node| self.here(*node))
            .map(|here| here.node.name.as_str());
        let home = node.or_else(|| self.ground.pod_node(ip)).or_else(|| self.ground.node_of_network(ip));
        if home.is_some() {
            return self.from(ip, home);
        }
        let is_pod = self.ground.sides.iter().any(|side| match &side.settings.detect_local {
            DetectLocal::ClusterCidr(all) => all.iter().any(|net| net.contains(ip)),
            _ => false,
        });
        let kind = |node: usize| {
            let has_network = self
                .here(node)
                .is_some_and(|here| here.node.pod_cidrs.iter().any(|n| n.family() == self.family()));
            match (is_pod, has_network) {
                (true, true) => ClientKind::RemotePod,
                (true, false) => ClientKind::LocalPod,
                (false, _) => ClientKind::Outside,
            }
        };
        match is_pod || is_for_outside(self.address) {
            true => self.each(|node| vec![Sender::one(ip, kind(node))]),
            false => Vec::new(),
        }
    }
}
