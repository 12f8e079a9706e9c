//! The nodes of a cluster, and where addresses are. Rules are only made for the nodes at which a journey arrives: a
//! cluster can have thousands.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cluster::{Cluster, Node, ServicePort};
use crate::net::{Cidr, Family};
use crate::node::NodeRules;

/// A node of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(usize);

/// Where an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A node has it.
    Node(NodeIndex),
    /// A Pod on this node has it, or may have it.
    Pod(NodeIndex),
    /// A Pod on an unknown node has it.
    SomePod,
    /// A Service has it as its cluster IP, and nothing in the network has it.
    ClusterIp,
    /// Outside the cluster.
    Outside,
}

type Compile<'n, 'c> = Box<dyn Fn(&Node) -> Option<NodeRules<'c>> + Send + Sync + 'n>;

/// The nodes of a cluster in one IP family, each with its own rules. Which nodes get rules depends on which are visited
/// first, so one network's connections are followed by one thread.
pub struct Network<'n, 'c> {
    family: Family,
    cluster: &'c Cluster,
    nodes: Vec<Member<'c>>,
    pods: BTreeMap<IpAddr, Pod>,
    /// Networks of Pods that no node has as its own.
    pod_networks: Vec<Cidr>,
    compile: Compile<'n, 'c>,
    made: AtomicUsize,
    limits: Limits,
}

/// How much of a large cluster is followed; the rest is reported as not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// At most this many nodes get rules; each takes as long as a `compile`.
    pub nodes: usize,
    /// At most this many ways of one connection are followed.
    pub ways: usize,
}

/// Enough for what a person reads and a program can still process.
impl Default for Limits {
    fn default() -> Self {
        Limits { nodes: 16, ways: 4096 }
    }
}

/// A Pod that is known.
struct Pod {
    node: NodeIndex,
    /// `namespace/name`; empty if it is only known from an endpoint without a name.
    name: String,
}

struct Member<'c> {
    node: Node,
    rules: OnceLock<Option<NodeRules<'c>>>,
}

impl<'n, 'c> Network<'n, 'c> {
    /// The nodes of a cluster; `compile` makes the rules of one when they are needed, or fails to.
    pub fn new(
        cluster: &'c Cluster,
        family: Family,
        compile: impl Fn(&Node) -> Option<NodeRules<'c>> + Send + Sync + 'n,
    ) -> Network<'n, 'c> {
        let member = |node: &Node| Member { node: node.clone(), rules: OnceLock::new() };
        let mut network = Network {
            family,
            cluster,
            nodes: cluster.nodes.iter().map(member).collect(),
            pods: BTreeMap::new(),
            pod_networks: Vec::new(),
            compile: Box::new(compile),
            made: AtomicUsize::new(0),
            limits: Limits::default(),
        };
        let names: BTreeMap<&str, NodeIndex> =
            cluster.nodes.iter().enumerate().map(|(i, node)| (node.name.as_str(), NodeIndex(i))).collect();
        for port in &cluster.family(family).service_ports {
            for endpoint in &port.endpoints {
                let Some(node) = endpoint.node_name.as_deref().and_then(|name| names.get(name)) else {
                    continue;
                };
                let pod = endpoint.pod.as_ref();
                let name = || pod.map(|pod| format!("{}/{pod}", port.name.namespace())).unwrap_or_default();
                network.pods.entry(endpoint.ip).or_insert_with(|| Pod { node: *node, name: name() });
            }
        }
        network
    }

    /// Gives a node known rules, such as captured ones. A node that the cluster does not have is added.
    pub fn set_rules(&mut self, node: &Node, rules: NodeRules<'c>) -> NodeIndex {
        let known = self.find(&node.name);
        let index = known.unwrap_or_else(|| {
            self.nodes.push(Member { node: node.clone(), rules: OnceLock::new() });
            NodeIndex(self.nodes.len() - 1)
        });
        self.pod_networks.extend(&rules.host.cluster_networks);
        if let Some(member) = self.nodes.get_mut(index.0) {
            member.rules = OnceLock::from(Some(rules));
        }
        index
    }

    /// Adds a Pod, by `namespace/name`, that need not be an endpoint.
    pub fn add_pod(&mut self, ip: IpAddr, node: &str, name: String) {
        if let Some(node) = self.find(node) {
            self.pods.entry(ip).or_insert(Pod { node, name });
        }
    }

    /// The name of the Pod with an address, if one is known.
    pub fn pod_name(&self, ip: IpAddr) -> Option<&str> {
        self.pods.get(&ip).map(|pod| pod.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The same network, with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Network { limits, ..self }
    }

    /// How much is followed.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The known Pods on a node, by address.
    pub fn pods_on(&self, node: NodeIndex) -> impl Iterator<Item = IpAddr> {
        self.pods.iter().filter(move |(_, pod)| pod.node == node).map(|(ip, _)| *ip)
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// All nodes, in the order of the cluster.
    pub fn nodes(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..self.nodes.len()).map(NodeIndex)
    }

    /// The node of a name.
    pub fn find(&self, name: &str) -> Option<NodeIndex> {
        self.nodes.iter().position(|member| member.node.name == name).map(NodeIndex)
    }

    /// A node's name.
    pub fn name(&self, node: NodeIndex) -> &str {
        self.nodes.get(node.0).map_or("", |member| member.node.name.as_str())
    }

    /// A node's object.
    pub fn node(&self, node: NodeIndex) -> Option<&Node> {
        self.nodes.get(node.0).map(|member| &member.node)
    }

    /// The rules of a node, made when first asked for.
    pub fn rules(&self, node: NodeIndex) -> Option<&NodeRules<'c>> {
        let member = self.nodes.get(node.0)?;
        let make = || {
            let made = self.made.fetch_add(1, Ordering::Relaxed);
            (made < self.limits.nodes).then(|| (self.compile)(&member.node)).flatten()
        };
        member.rules.get_or_init(make).as_ref()
    }

    /// Where an address is.
    pub fn place(&self, ip: IpAddr) -> Place {
        let owns = |member: &Member<'_>| {
            let known = member.rules.get().and_then(Option::as_ref);
            member.node.internal_ips.contains(&ip)
                || member.node.external_ips.contains(&ip)
                || known.is_some_and(|rules| rules.host.addresses.contains(&ip))
        };
        if let Some(node) = self.nodes.iter().position(owns) {
            return Place::Node(NodeIndex(node));
        }
        if let Some(pod) = self.pods.get(&ip) {
            return Place::Pod(pod.node);
        }
        let has = |member: &Member<'_>| member.node.pod_cidrs.iter().any(|net| net.contains(ip));
        if let Some(node) = self.nodes.iter().position(has) {
            return Place::Pod(NodeIndex(node));
        }
        if self.ports().any(|port| port.cluster_ip == ip) {
            return Place::ClusterIp;
        }
        match self.pod_networks.iter().any(|net| net.contains(ip)) {
            true => Place::SomePod,
            false => Place::Outside,
        }
    }

    /// The Service ports of the family.
    pub fn ports(&self) -> impl Iterator<Item = &'c ServicePort> + use<'c> {
        self.cluster.family(self.family).service_ports.iter()
    }
}

impl std::fmt::Debug for Network<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.nodes.iter().map(|member| member.node.name.as_str()).collect();
        f.debug_struct("Network").field("family", &self.family).field("nodes", &names).finish_non_exhaustive()
    }
}
