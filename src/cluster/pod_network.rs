//! The pods' network as the Nodes suggest it.

use std::net::IpAddr;

use super::Cluster;
use crate::net::{Cidr, Family};

impl Cluster {
    /// The network of all pods in each family, as far as the Nodes' `podCIDRs` suggest it; nothing for a family if they
    /// do not, if something that is not a Pod is in it, or if Pods are outside it.
    ///
    /// The controller that assigns `podCIDRs` cuts /24 and /64 out of one network (`--cluster-cidr` of
    /// kube-controller-manager, `--node-cidr-mask-size`), which with kubeadm, kind and k3s is a /16 and a /56: this
    /// size is assumed if nothing speaks against it, since Nodes that are added later get their part of it.
    pub fn suggested_pod_networks(&self) -> Vec<Cidr> {
        Family::ALL.into_iter().filter_map(|family| self.suggested_pod_network(family)).collect()
    }

    fn suggested_pod_network(&self, family: Family) -> Option<Cidr> {
        let of_nodes = self.nodes.iter().flat_map(|node| &node.pod_cidrs).copied();
        let parts: Vec<Cidr> = of_nodes.filter(|net| net.family() == family).collect();
        let exact = parts.iter().copied().reduce(both)?;
        let usual = match family {
            Family::Ipv4 => 16,
            Family::Ipv6 => 56,
        };
        let cut = parts.iter().all(|part| part.length() > usual) && exact.length() > usual;
        let wide = cut.then(|| Cidr::new(exact.network(), usual)).flatten();
        let fits = |net: &Cidr| !self.others(family).any(|ip| net.contains(ip)) && self.holds_pods(*net);
        wide.into_iter().chain([exact]).find(fits)
    }

    /// Addresses in use that are not those of Pods.
    fn others(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        let of_nodes = self.nodes.iter().flat_map(|node| node.internal_ips.iter().chain(&node.external_ips));
        let cluster_ips = self.family(family).service_ports.iter().map(|port| port.cluster_ip);
        of_nodes.copied().filter(move |ip| Family::of(*ip) == family).chain(cluster_ips)
    }

    /// Whether all endpoints that are Pods are in a network, except Pods with their node's address.
    fn holds_pods(&self, net: Cidr) -> bool {
        let ports = &self.family(net.family()).service_ports;
        let mut pods =
            ports.iter().flat_map(|port| &port.endpoints).filter(|endpoint| endpoint.pod.is_some());
        pods.all(|endpoint| net.contains(endpoint.ip) || self.is_of_node(endpoint.ip))
    }

    fn is_of_node(&self, ip: IpAddr) -> bool {
        self.nodes.iter().any(|node| node.internal_ips.contains(&ip) || node.external_ips.contains(&ip))
    }
}

/// The smallest network that contains two others.
fn both(a: Cidr, b: Cidr) -> Cidr {
    let mut length = a.length().min(b.length());
    loop {
        match Cidr::new(a.network(), length) {
            Some(net) if net.contains(b.network()) || length == 0 => return net,
            _ => length = length.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Node;

    fn suggested(nodes: &[(&str, &[&str])]) -> Vec<String> {
        let node = |(ip, cidrs): &(&str, &[&str])| Node {
            internal_ips: vec![ip.parse().unwrap()],
            pod_cidrs: cidrs.iter().map(|net| Cidr::parse_lenient(net).unwrap()).collect(),
            ..Node::default()
        };
        let cluster = Cluster { nodes: nodes.iter().map(node).collect(), ..Cluster::default() };
        cluster.suggested_pod_networks().iter().map(Cidr::to_string).collect()
    }

    #[test]
    fn the_nodes_suggest_the_network_that_theirs_are_cut_from() {
        let two = suggested(&[
            ("192.168.0.1", &["10.244.1.0/24", "fd00:10:244:1::/64"]),
            ("192.168.0.2", &["10.244.2.0/24", "fd00:10:244:2::/64"]),
        ]);
        assert_eq!(two, ["10.244.0.0/16", "fd00:10:244::/56"]);
        assert_eq!(
            suggested(&[("10.1.9.1", &["10.1.0.0/24"]), ("10.1.9.2", &["10.1.1.0/24"])]),
            ["10.1.0.0/23"]
        );
        assert_eq!(suggested(&[("10.1.0.9", &["10.1.0.0/24"])]), Vec::<String>::new());
        assert_eq!(suggested(&[("192.168.0.1", &[])]), Vec::<String>::new());
        assert_eq!(suggested(&[("192.168.0.1", &["10.8.0.0/14"])]), ["10.8.0.0/14"]);
    }
}
