//! The ranges that addresses and ports are taken from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Options;
use super::allocator::{Band, Pool};
use crate::input::Snapshot;
use crate::net::{Cidr, Family, parse_ip_lenient};
use crate::settings::{DetectLocal, Settings};

/// kubeadm's service network, and kind's for IPv6.
const DEFAULT_SERVICE_CIDRS: [&str; 2] = ["10.96.0.0/12", "fd00:10:96::/112"];

/// flannel's and kind's pod networks.
const DEFAULT_POD_CIDRS: [&str; 2] = ["10.244.0.0/16", "fd00:10:244::/56"];

/// `--service-node-port-range` of the API server.
const NODE_PORTS: Band = Band { first: 30_000, last: 32_767 };

/// The networks of cluster IPs, the cluster's default family first: those asked for, else those of the ServiceCIDRs in
/// the input, else defaults of the families that the Nodes have.
pub(super) fn service_cidrs(snapshot: &Snapshot, options: &Options) -> Vec<Cidr> {
    if !options.service_cidrs.is_empty() {
        return options.service_cidrs.clone();
    }
    let written = snapshot.service_cidrs.iter().flat_map(|located| &located.object.cidrs);
    let written: Vec<Cidr> = written.filter_map(|text| Cidr::parse_lenient(text)).collect();
    if !written.is_empty() {
        return written;
    }
    let defaults = DEFAULT_SERVICE_CIDRS.iter().filter_map(|text| Cidr::parse_lenient(text));
    defaults.filter(|cidr| nodes_have(snapshot, cidr.family())).collect()
}

/// Whether the Nodes have addresses or pod networks of a family; without Nodes that tell, yes.
fn nodes_have(snapshot: &Snapshot, family: Family) -> bool {
    let mut families = snapshot.nodes.iter().flat_map(|node| {
        let node = &node.object;
        let networks = node.pod_cidrs.iter().chain([&node.pod_cidr]);
        let networks = networks.filter_map(|text| Cidr::parse_lenient(text)).map(Cidr::family);
        let internal = node.addresses.iter().filter(|address| address.type_ == "InternalIP");
        networks.chain(internal.filter_map(|address| parse_ip_lenient(&address.address)).map(Family::of))
    });
    let Some(first) = families.next() else { return true };
    first == family || families.any(|other| other == family)
}

/// The pods' network of each family, for nodes that have none of their own.
pub(super) fn pod_cidrs(settings: &Settings) -> Vec<Cidr> {
    let defaults = DEFAULT_POD_CIDRS.iter().filter_map(|text| Cidr::parse_lenient(text));
    let configured = match &settings.detect_local {
        DetectLocal::ClusterCidr(cidrs) => cidrs.as_slice(),
        _ => &[],
    };
    let of = |default: Cidr| configured.iter().copied().find(|cidr| cidr.family() == default.family());
    defaults.map(|default| of(default).unwrap_or(default)).collect()
}

/// The `index`-th network of a node in the pods' network, of the length that kube-controller-manager gives.
pub(super) fn node_cidr(pods: Cidr, index: usize) -> Option<Cidr> {
    let length = match pods.family() {
        Family::Ipv4 => 24,
        Family::Ipv6 => 64,
    };
    let length = pods.length().max(length);
    let size = 1u128 << (pods.family().bits() - length);
    let offset = size.checked_mul(u128::try_from(index).ok()?)?;
    let first = number(pods.network()).checked_add(offset)?;
    let cidr = Cidr::new(address(first, pods.family())?, length)?;
    pods.contains(cidr.network()).then_some(cidr)
}

/// Cluster IPs of one family. As the API server does, addresses that are given explicitly are expected in the lower
/// band and others taken from the upper (pkg/registry/core/service/ipallocator, calculateRangeOffset); the first is
/// that of the Service default/kubernetes.
pub(super) fn service_pool(cidrs: &[Cidr], family: Family) -> Pool {
    let of_family = cidrs.iter().filter(|cidr| cidr.family() == family);
    let (mut upper, mut lower, mut reserved) = (Vec::new(), Vec::new(), Vec::new());
    for cidr in of_family {
        let hosts = hosts(*cidr);
        reserved.push(hosts.first);
        let size = (number(cidr.last()) - number(cidr.network())).saturating_add(1);
        let offset = if size <= 16 { 0 } else { (size / 16).clamp(16, 256) };
        let split = number(cidr.network()) + offset;
        upper.push(Band { first: split.max(hosts.first), last: hosts.last });
        if split > hosts.first {
            lower.push(Band { first: hosts.first, last: split - 1 });
        }
    }
    let mut pool = Pool::new(upper.into_iter().chain(lower).collect());
    reserved.into_iter().for_each(|number| pool.reserve(number));
    pool
}

/// Pod addresses of one network. The first is left to the node's bridge.
pub(super) fn pod_pool(cidr: Cidr) -> Pool {
    let hosts = hosts(cidr);
    let mut pool = Pool::new(vec![hosts]);
    if hosts.last > hosts.first {
        pool.reserve(hosts.first);
    }
    pool
}

/// Addresses of the pods' network behind all networks of Nodes, for Nodes that are assumed and so take more Pods than
/// their own network holds.
pub(super) fn spare_pod_pool(pods: Cidr, networks: impl Iterator<Item = Cidr>) -> Option<Pool> {
    let inside = networks.filter(|network| pods.contains(network.network()));
    let first = inside.map(|network| number(network.last())).max()?.checked_add(1)?;
    let last = number(pods.last());
    (first < last).then(|| Pool::new(vec![Band { first, last }]))
}

/// Node ports; as with cluster IPs the lower band is left to explicit ones (pkg/registry/core/service/portallocator).
pub(super) fn node_port_pool() -> Pool {
    let size = NODE_PORTS.last - NODE_PORTS.first + 1;
    let split = NODE_PORTS.first + (size / 32).clamp(16, 128);
    Pool::new(vec![
        Band { first: split, last: NODE_PORTS.last },
        Band { first: NODE_PORTS.first, last: split - 1 },
    ])
}

/// The addresses of a network that a host can have.
fn hosts(cidr: Cidr) -> Band {
    let (first, last) = (number(cidr.network()), number(cidr.last()));
    match last - first {
        0 | 1 => Band { first, last },
        _ if cidr.family() == Family::Ipv4 => Band { first: first + 1, last: last - 1 },
        _ => Band { first: first + 1, last },
    }
}

/// An address as a number.
pub(super) fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// A number as an address.
pub(super) fn address(number: u128, family: Family) -> Option<IpAddr> {
    Some(match family {
        Family::Ipv4 => Ipv4Addr::from(u32::try_from(number).ok()?).into(),
        Family::Ipv6 => Ipv6Addr::from(number).into(),
    })
}
