//! What the plan needs to know about its node: addresses, local traffic, node ports.

use std::net::IpAddr;

use super::{LocalTraffic, LoopbackNodePorts, NodePorts};
use crate::cluster::Node;
use crate::diagnostic::{Diagnostic, Diagnostics, message};
use crate::net::{Cidr, Family};
use crate::settings::release::NodePortWords;
use crate::settings::{DetectLocal, NodePortAddress, NodePortAddresses, ProxyMode, Settings, WrittenCidr};

/// The node's own address in a family: `bindAddress` overrides its own family.
pub(super) fn node_ip(node: &Node, settings: &Settings, family: Family) -> Option<IpAddr> {
    settings.bind_address.filter(|ip| Family::of(*ip) == family).or_else(|| address_of_node(node, family))
}

/// InternalIPs before ExternalIPs: the first of them, and the first of the other family (pkg/util/node,
/// GetNodeHostIPs).
fn address_of_node(node: &Node, family: Family) -> Option<IpAddr> {
    node.internal_ips.iter().chain(&node.external_ips).copied().find(|ip| Family::of(*ip) == family)
}

/// Every address known to be on an interface of the node, including loopback, sorted.
pub(super) fn interface_addresses(node: &Node, settings: &Settings, family: Family) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = (node.internal_ips.iter().copied())
        .chain(address_of_node(node, family))
        .chain(settings.host.addresses.iter().copied())
        .filter(|ip| Family::of(*ip) == family)
        .chain([family.loopback()])
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// How traffic of local pods is recognized in a family; none if kube-proxy has no detector.
pub(super) fn local_traffic(
    node: &Node,
    settings: &Settings,
    family: Family,
    found: &mut Diagnostics,
) -> Option<LocalTraffic> {
    let first =
        |cidrs: &[Cidr]| cidrs.iter().copied().find(|cidr| cidr.family() == family).map(LocalTraffic::From);
    match &settings.detect_local {
        DetectLocal::ClusterCidr(cidrs) => first(cidrs),
        DetectLocal::NodeCidr => {
            if node.pod_cidrs.is_empty() {
                let message =
                    message!("Node {}: spec.podCIDRs is empty, and detectLocalMode is NodeCIDR", node.name);
                let help =
                    "kube-proxy would wait five minutes for it and exit; add spec.podCIDRs to the Node";
                found.push(Diagnostic::error(message).help(help));
            }
            if let Some(fault) = pod_cidrs_of_other_family(node, settings) {
                found.push(fault);
            }
            first(&node.pod_cidrs)
        }
        DetectLocal::BridgeInterface(name) => Some(LocalTraffic::Interface(name.clone())),
        DetectLocal::InterfaceNamePrefix(prefix) => Some(LocalTraffic::InterfacePrefix(prefix.clone())),
    }
}

/// The family that kube-proxy considers the cluster's primary one (cmd/kube-proxy/app/server.go, detectNodeIPs).
fn primary_family(node: &Node, settings: &Settings) -> Family {
    let first = settings.bind_address.or(node.internal_ips.iter().chain(&node.external_ips).next().copied());
    first.map_or(Family::Ipv4, Family::of)
}

/// kube-proxy does not start if all podCIDRs are of another family than its primary one, in any release
/// (cmd/kube-proxy/app/server.go, checkBadIPConfig).
fn pod_cidrs_of_other_family(node: &Node, settings: &Settings) -> Option<Diagnostic> {
    let primary = primary_family(node, settings);
    let other = !node.pod_cidrs.is_empty() && node.pod_cidrs.iter().all(|cidr| cidr.family() != primary);
    other.then(|| {
        let message = message!(
            "Node {}: spec.podCIDRs has {} networks only, the primary family of the node is {primary}, and \
             detectLocalMode is NodeCIDR: kube-proxy does not start",
            node.name,
            primary.other(),
        );
        let help = format!(
            "add a {primary} network to spec.podCIDRs, list an address of the other family first in the Node's \
             status.addresses, or choose another detectLocalMode"
        );
        Diagnostic::error(message).help(help)
    })
}

/// Where node ports are served, before loopback addresses are excluded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// On every local address.
    Everything,
    /// On the node's addresses in these networks.
    Networks(Vec<Cidr>),
}

/// `nodePortAddresses` as it counts in a family (pkg/proxy/util/nodeport_addresses.go).
pub(super) fn selection(node: &Node, settings: &Settings, family: Family) -> Selection {
    let model = settings.release.model;
    let nftables = settings.mode == ProxyMode::Nftables;
    let networks = match &settings.node_port_addresses {
        NodePortAddresses::Unset if nftables && model.node_port_words != NodePortWords::None => {
            own_network(node, settings, family).into_iter().collect()
        }
        listed => networks_of_family(listed, node, settings, family),
    };
    let is_everything = |network: &WrittenCidr| {
        network.text == "0.0.0.0/0"
            || network.text == "::/0"
            || (model.any_zero_cidr_is_everything && network.cidr.is_everything())
    };
    if networks.iter().any(is_everything) {
        return Selection::Everything;
    }
    if networks.is_empty() && nftables && settings.release.nftables.node_ip_where_no_node_port_addresses {
        let own_ip = node_ip(node, settings, family).unwrap_or(family.loopback());
        return Selection::Networks(vec![Cidr::host(own_ip)]);
    }
    match networks.is_empty() {
        true => Selection::Everything,
        false => Selection::Networks(networks.into_iter().map(|network| network.cidr).collect()),
    }
}

/// The networks listed for a family, with `primary` replaced by the node's address.
fn networks_of_family(
    listed: &NodePortAddresses,
    node: &Node,
    settings: &Settings,
    family: Family,
) -> Vec<WrittenCidr> {
    let network = |address: &NodePortAddress| match address {
        NodePortAddress::Primary => own_network(node, settings, family),
        NodePortAddress::Network(network) => Some(network.clone()),
    };
    listed.listed().iter().filter_map(network).filter(|network| network.cidr.family() == family).collect()
}

/// The node's own address as a network; none if it is not known, in which case kube-proxy uses loopback.
fn own_network(node: &Node, settings: &Settings, family: Family) -> Option<WrittenCidr> {
    let ip = node_ip(node, settings, family).filter(|ip| !ip.is_loopback())?;
    let cidr = Cidr::host(ip);
    Some(WrittenCidr { cidr, text: cidr.to_string().into() })
}

/// What happens to node ports on loopback addresses in nftables mode.
pub fn loopback_node_ports(settings: &Settings, family: Family) -> LoopbackNodePorts {
    let gate = settings.gates.kube_proxy_nftables_localhost_node_ports;
    if settings.mode != ProxyMode::Nftables || !gate {
        return LoopbackNodePorts::Untouched;
    }
    let names_loopback = |address: &NodePortAddress| match address {
        NodePortAddress::Primary => false,
        NodePortAddress::Network(WrittenCidr { cidr, .. }) => {
            cidr.family() == family && cidr.network().is_loopback()
        }
    };
    match settings.node_port_addresses.listed().iter().any(names_loopback) {
        true => LoopbackNodePorts::Proxied,
        false => LoopbackNodePorts::Rejected,
    }
}

impl Selection {
    /// Whether it includes IPv4 loopback: everything does, and so does a network within 127.0.0.0/8 or one that
    /// contains 127.0.0.0.
    pub(super) fn has_ipv4_loopback(&self) -> bool {
        match self {
            Selection::Everything => true,
            Selection::Networks(networks) => networks.iter().any(|cidr| {
                cidr.family() == Family::Ipv4
                    && (cidr.network().is_loopback() || cidr.contains(IpAddr::from([127, 0, 0, 0])))
            }),
        }
    }

    /// The concrete addresses of the node, with loopback only if `loopback` allows it.
    pub(super) fn node_ports(&self, interface_addresses: &[IpAddr], loopback: bool) -> NodePorts {
        match self {
            Selection::Everything => NodePorts::AllLocal,
            Selection::Networks(networks) => NodePorts::Addresses(
                (interface_addresses.iter().copied())
                    .filter(|ip| networks.iter().any(|cidr| cidr.contains(*ip)))
                    .filter(|ip| loopback || !ip.is_loopback())
                    .collect(),
            ),
        }
    }
}
