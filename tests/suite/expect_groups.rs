//! `test`: expectations about Pods by name, namespaces, networks and several nodes hold if a trace of each member says
//! so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use kuberules::cluster::Node;
use kuberules::net::{Family, Protocol};
use kuberules::node::{ClientKind, NodeRules};
use kuberules::walk::Packet;

use crate::expect::{Traced, WANTED, World, free, traced, worlds};
use crate::support::scope::share_by_hand;

/// A Pod on its node, with its address of a family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pod {
    namespace: String,
    name: String,
    node: String,
    ip: IpAddr,
}

/// Pods as described by Pods, and as described by endpoints for those that do not exist as objects.
fn pods(world: &World, family: Family) -> Vec<Pod> {
    let mut found: BTreeMap<(String, String), (String, Vec<IpAddr>)> = BTreeMap::new();
    for pod in world.snapshot.pods.iter().map(|pod| &pod.object) {
        let name = (pod.metadata.namespace.to_string(), pod.metadata.name.to_string());
        let ips = pod.ips.iter().filter_map(|ip| ip.parse().ok()).collect();
        found.entry(name).or_insert((pod.node_name.to_string(), ips));
    }
    let told: BTreeSet<_> = found.keys().cloned().collect();
    for port in Family::ALL.iter().flat_map(|family| &world.cluster.family(*family).service_ports) {
        for endpoint in &port.endpoints {
            let Some(pod) = &endpoint.pod else { continue };
            let name = (port.name.namespace().to_owned(), pod.to_string());
            if !told.contains(&name) {
                let node = endpoint.node_name.as_deref().unwrap_or_default().to_owned();
                found.entry(name).or_insert((node, Vec::new())).1.push(endpoint.ip);
            }
        }
    }
    let of_family = |ips: &[IpAddr]| ips.iter().copied().find(|ip| Family::of(*ip) == family);
    let pod = |((namespace, name), (node, ips)): ((String, String), (String, Vec<IpAddr>))| {
        Some(Pod { namespace, name, node, ip: of_family(&ips)? })
    };
    found.into_iter().filter_map(pod).collect()
}

/// The rules of every node in a family; none if a node has no address of it.
struct Nodes<'w> {
    all: Vec<(&'w Node, NodeRules<'w>, IpAddr)>,
}

impl<'w> Nodes<'w> {
    fn of(world: &'w World, family: Family) -> Option<Nodes<'w>> {
        let rules = |node: &'w Node| {
            let rules = world.rules(node, family);
            let own = rules.host.primary_address(family)?;
            Some((node, rules, own))
        };
        let all = world.cluster.nodes.iter().take(6).map(rules).collect::<Option<Vec<_>>>()?;
        // What is asked about all nodes is asked about each.
        (all.len() == world.cluster.nodes.len()).then_some(Nodes { all })
    }

    fn owner(&self, ip: IpAddr) -> Option<&'w str> {
        let of = |node: &Node| node.internal_ips.contains(&ip) || node.external_ips.contains(&ip);
        self.all.iter().find(|(node, ..)| of(node)).map(|(node, ..)| node.name.as_str())
    }

    /// What happens to a client's packets, on each node whose rules they meet.
    fn sent_by(&self, (ip, home): (IpAddr, &str), (protocol, to): (Protocol, SocketAddr)) -> Vec<Traced> {
        let door = self.owner(to.ip());
        let meets = |node: &str| door.unwrap_or(home) == node;
        let kind = |node: &str| match self.owner(ip) {
            Some(owner) if owner == node => ClientKind::Node,
            Some(_) => ClientKind::Outside,
            None if node == home => ClientKind::LocalPod,
            None => ClientKind::RemotePod,
        };
        let met = self.all.iter().filter(|(node, ..)| meets(&node.name));
        let packet = |node: &Node| Packet::plain(protocol, ip, to, kind(&node.name));
        met.flat_map(|(node, rules, _)| traced(rules, packet(node))).collect()
    }

    /// What happens to packets that each node sends, by node.
    fn sent_by_nodes(&self, protocol: Protocol, to: SocketAddr) -> Vec<(&'w Node, Vec<Traced>)> {
        let packet =
            |rules: &NodeRules<'_>| Packet::plain(protocol, rules.host.source_to(to), to, ClientKind::Node);
        self.all.iter().map(|(node, rules, _)| (*node, traced(rules, packet(rules)))).collect()
    }
}

/// An entry of the file without what it expects, and the result for each of its groups of connections: if it is about
/// any node, one group is enough, otherwise all must be as expected.
struct Entry {
    text: String,
    any: bool,
    groups: Vec<Vec<Traced>>,
    /// Whether there are many clients: then a Pod among them that can only reach itself says nothing about the source
    /// address.
    many: bool,
}

impl Entry {
    fn holds(&self, holds: impl Fn(&[Traced]) -> bool) -> bool {
        match self.any {
            true => self.groups.iter().any(|group| holds(group)),
            false => self.groups.iter().all(|group| holds(group)),
        }
    }

    fn sees(&self, group: &[Traced], masqueraded: bool) -> bool {
        let mut others = group.iter().filter(|one| !one.to_itself).peekable();
        let only_itself = others.peek().is_none();
        group.iter().all(|one| one.result == "works")
            && if only_itself { self.many || masqueraded } else { others.all(|one| one.snat == masqueraded) }
    }
}

fn entry(to: &str, from: &str, on: &str) -> String {
    format!("- to: {to:?}\n  from: {from:?}\n{on}")
}

/// Addresses to ask about: of Services and of the first node's ports.
fn targets(world: &World, nodes: &Nodes<'_>, family: Family) -> Vec<(Protocol, SocketAddr)> {
    let mut targets = Vec::new();
    for port in world.cluster.family(family).service_ports.iter().take(6) {
        let (protocol, number) = (port.name.protocol(), port.port.get());
        let ips = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value);
        targets.extend(ips.chain([port.cluster_ip]).map(|ip| (protocol, SocketAddr::new(ip, number))));
        let on_node = port.node_port.zip(nodes.all.first());
        targets.extend(on_node.map(|(port, (.., own))| (protocol, SocketAddr::new(*own, port.get()))));
    }
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn entries(world: &World, family: Family) -> Vec<Entry> {
    let Some(nodes) = Nodes::of(world, family) else { return Vec::new() };
    let mut pods = pods(world, family);
    pods.retain(|pod| nodes.all.iter().any(|(node, ..)| node.name == pod.node));
    let mut entries = Vec::new();
    for (protocol, to) in targets(world, &nodes, family) {
        let address = format!("{to}/{protocol}");
        let sent = |pod: &Pod| nodes.sent_by((pod.ip, &pod.node), (protocol, to));
        for pod in pods.iter().take(5) {
            let text = entry(&address, &format!("pod:{}/{}", pod.namespace, pod.name), "");
            entries.push(Entry { text, any: false, groups: vec![sent(pod)], many: false });
        }
        let namespaces: BTreeSet<&str> = pods.iter().map(|pod| pod.namespace.as_str()).collect();
        for namespace in namespaces {
            let groups = pods.iter().filter(|pod| pod.namespace == namespace).map(sent).collect();
            let text = entry(&address, &format!("namespace:{namespace}"), "");
            entries.push(Entry { text, any: false, groups, many: true });
        }
        if nodes.owner(to.ip()).is_none() {
            entries.extend(on_several_nodes(world, &nodes, (protocol, to)));
        }
    }
    entries
}

fn on_several_nodes(world: &World, nodes: &Nodes<'_>, (protocol, to): (Protocol, SocketAddr)) -> Vec<Entry> {
    let address = format!("{to}/{protocol}");
    let sent = nodes.sent_by_nodes(protocol, to);
    let groups: Vec<Vec<Traced>> = sent.iter().map(|(_, traced)| traced.clone()).collect();
    let of_nodes = |on: &str, any: bool, groups: Vec<Vec<Traced>>| Entry {
        text: entry(&address, "nodes", on),
        any,
        groups,
        many: false,
    };
    let mut entries = vec![
        of_nodes("", false, groups.clone()),
        of_nodes("  on: all\n", false, groups.clone()),
        of_nodes("  on: any\n", true, groups),
    ];
    let labels = world.snapshot.nodes.iter().flat_map(|node| &node.object.metadata.labels);
    for (key, value) in labels.take(2).filter(|(key, value)| !key.is_empty() && !value.is_empty()) {
        let has = |node: &Node| {
            let its = world.snapshot.nodes.iter().find(|other| other.object.metadata.name == *node.name);
            its.is_some_and(|its| its.object.metadata.labels.iter().any(|(k, v)| (k, v) == (key, value)))
        };
        let groups = sent.iter().filter(|(node, _)| has(node)).map(|(_, traced)| traced.clone()).collect();
        let on = format!("  on: {{matchLabels: {{{key:?}: {value:?}}}}}\n");
        entries.push(of_nodes(&on, false, groups));
    }
    // Each address in a node's Pod network is one of its Pods.
    let family = Family::of(to.ip());
    for (node, ..) in nodes.all.iter().take(1) {
        let net = node.pod_cidrs.iter().find(|net| net.family() == family);
        let (Some(net), Some(other)) = (net, free(world, &node.pod_cidrs, family)) else { continue };
        let ports = &world.cluster.family(family).service_ports;
        let endpoints = ports.iter().flat_map(|port| &port.endpoints).map(|endpoint| endpoint.ip);
        let inside: BTreeSet<IpAddr> = endpoints.filter(|ip| net.contains(*ip)).chain([other]).collect();
        // Pods that claim to be elsewhere are left to the tests of single clients.
        let is_elsewhere = |ip: &IpAddr| {
            let all = ports.iter().flat_map(|port| &port.endpoints);
            all.filter(|e| e.ip == *ip).any(|e| e.node_name.as_deref() != Some(node.name.as_str()))
        };
        if ports.iter().any(|port| !port.source_ranges.is_empty()) || inside.iter().any(is_elsewhere) {
            continue;
        }
        let groups = inside.iter().map(|ip| nodes.sent_by((*ip, &node.name), (protocol, to))).collect();
        let text = entry(&address, &net.to_string(), "");
        entries.push(Entry { text, any: false, groups, many: false });
    }
    entries
}

#[test]
fn groups_of_clients_and_nodes_hold_where_a_trace_of_each_says_so() {
    let (mut asked, mut held) = (0, BTreeMap::<String, (usize, usize)>::new());
    for world in share_by_hand("expect_groups", 5, 2, worlds()) {
        let (mut text, mut expected) = ("apiVersion: kuberules/v1\nexpectations:\n".to_owned(), Vec::new());
        for entry in Family::ALL.into_iter().flat_map(|family| entries(&world, family)) {
            for wanted in WANTED {
                text.push_str(&format!("{}  expect: {wanted}\n", entry.text));
                let holds = entry.holds(|group| group.iter().all(|one| one.result == wanted));
                expected.push((entry.text.clone(), wanted, holds));
            }
            for (wanted, masqueraded) in [("preserved", false), ("masqueraded", true)] {
                text.push_str(&format!("{}  clientIP: {wanted}\n", entry.text));
                let holds = entry.holds(|group| entry.sees(group, masqueraded));
                expected.push((entry.text.clone(), wanted, holds));
            }
        }
        if expected.is_empty() {
            continue;
        }
        let verdicts = world.verdicts(&text);
        assert_eq!(verdicts.len(), expected.len());
        for ((holds, told), (text, wanted, should)) in verdicts.iter().zip(&expected) {
            assert_eq!(holds, should, "{}: {text}{wanted}: {told}", world.name);
            asked += 1;
            let from = text.split("from: \"").nth(1).unwrap_or_default();
            let kind = ["pod:", "namespace:", "nodes"].into_iter().find(|kind| from.starts_with(kind));
            let kind = kind.unwrap_or("network").trim_end_matches(':');
            let on = if text.contains("on: any") { " on any" } else { "" };
            let counts = held.entry(format!("{kind}{on}")).or_default();
            *(if *should { &mut counts.0 } else { &mut counts.1 }) += 1;
        }
    }
    eprintln!("{asked} expectations; held and failed: {held:?}");
    for kind in ["pod", "namespace", "network", "nodes", "nodes on any"] {
        assert!(held.get(kind).is_some_and(|(held, failed)| *held > 0 && *failed > 0), "{kind}: {held:?}");
    }
}
