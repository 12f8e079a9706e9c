//! What a plan tells of its node, for the walk.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::cluster::{Cluster, Node};
use crate::net::{Cidr, Family};
use crate::plan::{LocalTraffic, Plan};
use crate::settings::ProxyMode;
use crate::walk::{Host, PodInterface};

/// The node that a plan is for. Pods of other nodes are those of the cluster's other pod networks.
pub fn host(plan: &Plan<'_>, cluster: &Cluster, node: &Node, mode: ProxyMode) -> Host {
    let family = plan.family;
    let of_family = |cidr: &&Cidr| cidr.family() == family;
    let mut addresses = vec![plan.node_ip];
    addresses.extend(plan.interface_addresses.iter().copied().filter(|ip| *ip != plan.node_ip));
    addresses.retain(|ip| !ip.is_loopback());
    let pod_networks: Vec<Cidr> = node.pod_cidrs.iter().filter(of_family).copied().collect();
    let mut cluster_networks: Vec<Cidr> =
        cluster.nodes.iter().flat_map(|node| &node.pod_cidrs).filter(of_family).copied().collect();
    if let Some(LocalTraffic::From(cidr)) = &plan.local_traffic {
        cluster_networks.push(*cidr);
    }
    cluster_networks.sort_unstable();
    cluster_networks.dedup();
    Host {
        addresses,
        local_pods: local_pods(plan, &pod_networks),
        pod_networks,
        cluster_networks,
        pod_interface: match &plan.local_traffic {
            Some(LocalTraffic::Interface(name)) => Some(PodInterface::Name(name.clone())),
            Some(LocalTraffic::InterfacePrefix(prefix)) => Some(PodInterface::Prefix(prefix.clone())),
            Some(LocalTraffic::From(_)) | None => None,
        },
        route_localnet: family == Family::Ipv4 && mode == ProxyMode::Iptables && plan.localhost_node_ports,
    }
}

/// Endpoints on the node that lie in none of its pod networks.
fn local_pods(plan: &Plan<'_>, pod_networks: &[Cidr]) -> BTreeSet<IpAddr> {
    let endpoints = plan.service_ports.iter().flat_map(|port| &port.service_port.endpoints);
    endpoints
        .filter(|endpoint| endpoint.node_name.as_ref() == Some(&plan.node_name))
        .map(|endpoint| endpoint.ip)
        .filter(|ip| !pod_networks.iter().any(|net| net.contains(*ip)))
        .filter(|ip| !plan.interface_addresses.contains(ip))
        .collect()
}
