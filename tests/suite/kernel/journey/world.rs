//! Nodes, Pods and clients outside, each in its own network namespace, connected like machines: every node has a link
//! to one network, its Pods are connected to it by links of their own, and routes lead to the Pods of other nodes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use kuberules::net::Family;
use kuberules::node::NodeRules;
use kuberules::{iptables, nftables};

use super::exchange::Server;
use crate::kernel::trace::world::{Rules, load};
use crate::support::namespace::Namespace;

const NODE_SYSCTLS: [(&str, &str); 6] = [
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/icmp_ratemask", "0"),
];

/// A node with its Pods, as specified for the world.
pub(crate) struct NodeSpec<'a> {
    pub(crate) ip: IpAddr,
    pub(crate) pod_network: &'a str,
    /// Its address on the Pods' side.
    pub(crate) gateway: &'a str,
    pub(crate) pods: Vec<IpAddr>,
    pub(crate) rules: &'a NodeRules<'a>,
}

pub(crate) struct World {
    hosts: BTreeMap<IpAddr, Namespace>,
    servers: Vec<Server>,
    _network: Namespace,
}

impl World {
    /// Makes everything; each client outside sends packets that are not for a node's own address through the node with
    /// its number.
    pub(crate) fn new(nodes: &[NodeSpec<'_>], outside: &[IpAddr], served: &[SocketAddr]) -> World {
        let network = Namespace::new();
        network.run("ip link add lan type bridge; ip link set lan up; ip link set lo up");
        let mut world = World { hosts: BTreeMap::new(), servers: Vec::new(), _network: network };
        for (number, node) in nodes.iter().enumerate() {
            world.add_node(number, node, nodes, outside);
        }
        for (client, node) in outside.iter().zip(nodes) {
            world.add_client(*client, node.ip, nodes);
        }
        for address in served {
            let namespace = &world.hosts[&address.ip()];
            world.servers.push(namespace.within(|| Server::start(*address)));
        }
        world
    }

    /// Where an address is.
    pub(crate) fn at(&self, ip: IpAddr) -> &Namespace {
        &self.hosts[&ip]
    }

    fn add_node(&mut self, number: usize, node: &NodeSpec<'_>, all: &[NodeSpec<'_>], outside: &[IpAddr]) {
        let namespace = Namespace::new();
        namespace.set(&NODE_SYSCTLS);
        namespace.run("ip link set lo up");
        self.join(&namespace, &format!("node{number}"));
        namespace.run(&format!("ip address add {}/24 dev eth0; ip route add default dev eth0", node.ip));
        for (i, pod) in node.pods.iter().enumerate() {
            self.hosts.insert(*pod, add_pod(&namespace, i, *pod, node.gateway));
        }
        for other in all.iter().filter(|other| other.ip != node.ip) {
            namespace.run(&format!("ip route add {} via {}", other.pod_network, other.ip));
        }
        for client in outside {
            namespace.run(&format!("ip route add {client} dev eth0"));
        }
        let localnet = if node.rules.host.route_localnet { "1" } else { "0" };
        namespace.set(&[("ipv4/conf/all/route_localnet", localnet)]);
        load(&namespace, &rules(node.rules));
        self.hosts.insert(node.ip, namespace);
    }

    fn add_client(&mut self, ip: IpAddr, node: IpAddr, all: &[NodeSpec<'_>]) {
        let namespace = Namespace::new();
        namespace.run("ip link set lo up");
        self.join(&namespace, &format!("out{}", ip.to_string().rsplit('.').next().unwrap()));
        namespace.run(&format!(
            "ip address add {ip}/32 dev eth0; ip route add 192.168.1.0/24 dev eth0; ip route add default via {node}"
        ));
        for other in all {
            namespace.run(&format!("ip route add {} via {}", other.pod_network, other.ip));
        }
        self.hosts.insert(ip, namespace);
    }

    /// Connects a namespace to the network as `eth0`.
    fn join(&self, namespace: &Namespace, name: &str) {
        let path = namespace.path();
        self._network.run(&format!(
            "ip link add {name} type veth peer name eth0 netns {path}; ip link set {name} master lan up"
        ));
        namespace.run("ip link set eth0 up");
    }
}

/// A Pod with its own link, as with network plugins without a bridge.
fn add_pod(node: &Namespace, number: usize, ip: IpAddr, gateway: &str) -> Namespace {
    let pod = Namespace::new();
    pod.set(&[("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0")]);
    node.run(&format!(
        "ip link add pod{number} type veth peer name eth0 netns {}; ip link set pod{number} up; \
         ip address add {gateway}/32 dev pod{number}; ip route add {ip} dev pod{number}",
        pod.path()
    ));
    pod.run(&format!(
        "ip link set lo up; ip link set eth0 up; ip address add {ip}/32 dev eth0; \
         ip route add {gateway} dev eth0; ip route add default via {gateway}"
    ));
    pod
}

fn rules(rules: &NodeRules<'_>) -> Rules {
    if let Some(ruleset) = rules.ruleset.as_nftables() {
        return Rules::Nftables(vec![nftables::script::print(ruleset)]);
    }
    let mut text = String::new();
    iptables::save::print(rules.ruleset.as_iptables().unwrap(), &mut text);
    Rules::Iptables(vec![(Family::Ipv4, text)])
}
