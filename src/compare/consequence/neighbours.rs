//! Addresses from which Pods can connect: Pods on the node, and Pods on others.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::net::{Cidr, Family};
use crate::node::{ClientKind, Host, merged};

/// The Pods around a node, as far as its networks and the endpoints show them.
#[derive(Debug)]
pub struct Neighbours<'h> {
    host: &'h Host,
    own: Vec<Cidr>,
    /// Networks are merged, so that the result does not depend on how they are written.
    of_cluster: Vec<Cidr>,
}

impl<'h> Neighbours<'h> {
    /// Those around a node.
    pub fn of(host: &'h Host) -> Neighbours<'h> {
        let own = merged(host.pod_networks.clone());
        Neighbours { host, own, of_cluster: merged(host.cluster_networks.clone()) }
    }

    /// An address of a Pod on the node.
    pub fn here(&self, family: Family, is_free: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
        let of_networks = self.of_networks(family).filter(&is_free);
        let known = || known(&self.host.local_pods, family, &is_free);
        self.of_kind(ClientKind::LocalPod, of_networks).or_else(known)
    }

    /// An address of a Pod on another node.
    pub fn elsewhere(&self, family: Family, is_free: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
        // The cluster's network can end with the node's own; then its last addresses are on this node.
        let beside = self.own.iter().filter(|net| net.family() == family).flat_map(addresses_beside);
        let candidates = self.of_networks(family).chain(beside).filter(&is_free);
        let known = || known(&self.host.remote_pods, family, &is_free);
        self.of_kind(ClientKind::RemotePod, candidates).or_else(known)
    }

    fn of_kind(&self, kind: ClientKind, mut candidates: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
        candidates.find(|ip| self.host.client_kind(*ip) == kind)
    }

    /// Addresses at the end of each network.
    pub fn of_networks(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        let networks = self.own.iter().chain(&self.of_cluster);
        networks.filter(move |net| net.family() == family).flat_map(last_addresses)
    }
}

fn known(pods: &BTreeSet<IpAddr>, family: Family, is_free: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
    pods.iter().copied().filter(|ip| Family::of(*ip) == family).find(is_free)
}

/// Distances from the end of a network, whose addresses are assigned last.
const DISTANCES: [u128; 7] = [1, 2, 3, 5, 9, 17, 0];

/// Some addresses at the end of a network, which are assigned last.
pub(super) fn last_addresses(net: &Cidr) -> Vec<IpAddr> {
    let last = number(net.last());
    let at = |back| address(net.family(), last.checked_sub(back)?).filter(|ip| net.contains(*ip));
    DISTANCES.into_iter().filter_map(at).collect()
}

/// Some addresses just before and just after a network.
fn addresses_beside(net: &Cidr) -> Vec<IpAddr> {
    let (first, last) = (number(net.network()), number(net.last()));
    let before = DISTANCES.into_iter().filter_map(move |back| first.checked_sub(back + 1));
    let after = DISTANCES.into_iter().filter_map(move |on| last.checked_add(on + 1));
    before.chain(after).filter_map(|number| address(net.family(), number)).collect()
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn address(family: Family, number: u128) -> Option<IpAddr> {
    Some(match family {
        Family::Ipv4 => IpAddr::from(u32::try_from(number).ok()?.to_be_bytes()),
        Family::Ipv6 => IpAddr::from(number.to_be_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(own: &str, of_cluster: &[&str]) -> Host {
        let net = |text: &str| Cidr::parse_lenient(text).unwrap();
        Host {
            pod_networks: vec![net(own)],
            cluster_networks: of_cluster.iter().map(|text| net(text)).collect(),
            ..Host::default()
        }
    }

    /// The last addresses of the merged network of the cluster are all on the last node.
    #[test]
    fn the_last_node_has_pods_elsewhere_however_the_networks_are_written() {
        for of_cluster in [&["10.244.0.0/24", "10.244.1.0/24"][..], &["10.244.0.0/23"][..]] {
            let last = host("10.244.1.0/24", of_cluster);
            let elsewhere = Neighbours::of(&last).elsewhere(Family::Ipv4, |_| true).unwrap();
            assert_eq!(last.client_kind(elsewhere), ClientKind::RemotePod, "{elsewhere}");
        }
        let alone = host("10.244.0.0/23", &["10.244.0.0/23"]);
        assert_eq!(Neighbours::of(&alone).elsewhere(Family::Ipv4, |_| true), None);
    }
}
