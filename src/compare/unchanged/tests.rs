//! What is left out makes no difference: on small clusters whose Services get in each other's way, rules and traffic of
//! the rest differ as those of the whole do, and random packets through the whole have the outcome that the rest gives.

use std::fmt::Write;
use std::net::SocketAddr;

use super::leave_out;
use crate::cluster::Cluster;
use crate::compare::change::FamilyChange;
use crate::compare::node::{self, Level};
use crate::compare::traffic::tests::{NODE, judge};
use crate::compare::traffic::{self, Comparison};
use crate::input::{self, Sources};
use crate::net::{Family, Protocol};
use crate::node::{Host, NodePlan, NodeRules};
use crate::settings::release::RELEASES;
use crate::settings::{Configuration, Flags, HostFacts, Release, Settings};
use crate::testing::random::Random;
use crate::testing::scope::{part, share};
use crate::walk::{Packet, Walker};

/// Addresses of Services; few, so that Services meet there.
const ADDRESSES: [&str; 6] =
    ["203.0.113.50", "203.0.113.51", "203.0.113.52", "192.168.0.11", "10.96.0.11", "10.244.2.10"];
const NODE_PORTS: [u16; 5] = [30000, 30001, 30002, 30003, 30004];
const ENDPOINTS: [&str; 14] = [
    "10.244.1.10",
    "10.244.1.11",
    "10.244.1.12",
    "10.244.1.13",
    "10.244.1.14",
    "10.244.1.15",
    "10.244.1.16",
    "10.244.2.10",
    "10.244.2.11",
    "10.244.2.12",
    "10.244.2.13",
    "10.244.2.14",
    "192.168.0.11",
    "10.96.0.12",
];
const PORTS: [u16; 7] = [80, 80, 80, 443, 443, 8080, 30000];
pub(in crate::compare) const SERVICES: u64 = 7;

/// A cluster of some Services; `change` is one that differs from its usual form.
pub(in crate::compare) fn cluster(seed: u64, change: Option<u64>) -> String {
    let mut random = Random::new(seed);
    let mut text = NODE.to_owned();
    for i in 0..SERVICES {
        let mut own = Random::new(random.next());
        if change == Some(i) {
            own = Random::new(seed ^ 0x5eed);
        }
        if change != Some(i) || !own.one_in(6) {
            service(&mut text, i, &mut own);
        }
    }
    text
}

fn service(text: &mut String, i: u64, random: &mut Random) {
    let kind = random.pick(&["ClusterIP", "ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"]);
    let protocol = random.pick(&["TCP", "TCP", "TCP", "UDP"]);
    let mut spec = format!("clusterIP: 10.96.0.1{i}, clusterIPs: [10.96.0.1{i}], type: {kind}");
    for (chance, more) in [
        (4, ", sessionAffinity: ClientIP"),
        (4, ", internalTrafficPolicy: Local"),
        (if kind == "ClusterIP" { 1 << 40 } else { 3 }, ", externalTrafficPolicy: Local"),
        (if kind == "LoadBalancer" { 3 } else { 1 << 40 }, ", loadBalancerSourceRanges: [198.51.100.0/24]"),
    ] {
        if random.one_in(chance) {
            spec += more;
        }
    }
    if random.one_in(4) {
        _ = write!(spec, ", externalIPs: [{}]", random.pick(&ADDRESSES));
    }
    let node_port = match kind {
        "ClusterIP" => String::new(),
        _ => format!(", nodePort: {}", random.pick(&NODE_PORTS)),
    };
    let ingress = match kind {
        "LoadBalancer" => {
            format!("\nstatus: {{loadBalancer: {{ingress: [{{ip: {}}}]}}}}", random.pick(&ADDRESSES))
        }
        _ => String::new(),
    };
    let port = random.pick(&PORTS);
    _ = write!(
        text,
        "---\nkind: Service\napiVersion: v1\nmetadata: {{name: s{i}, namespace: ns}}\n\
         spec: {{{spec}, ipFamilies: [IPv4], ports: [{{name: p, port: {port}, protocol: {protocol}{node_port}}}]}}{ingress}\n"
    );
    let endpoint = |random: &mut Random| {
        let node = random.pick(&["worker-1", "worker-1", "worker-2"]);
        format!("{{addresses: [{}], nodeName: {node}, conditions: {{ready: true}}}}", random.pick(&ENDPOINTS))
    };
    let endpoints: Vec<String> = (0..random.below(4)).map(|_| endpoint(random)).collect();
    _ = write!(
        text,
        "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\n\
         metadata: {{name: s{i}-x, namespace: ns, labels: {{kubernetes.io/service-name: s{i}}}}}\n\
         ports: [{{name: p, port: {}, protocol: {protocol}}}]\nendpoints: [{}]\n",
        random.pick(&PORTS),
        endpoints.join(", ")
    );
}

pub(in crate::compare) fn settings(mode: &str, release: Release, by_interface: bool) -> Settings {
    let flags = Flags {
        proxy_mode: Some(mode.to_owned()),
        cluster_cidr: Some("10.244.0.0/16".to_owned()),
        detect_local_mode: by_interface.then(|| "InterfaceNamePrefix".to_owned()),
        pod_interface_name_prefix: by_interface.then(|| "veth".to_owned()),
        feature_gates: [("NFTablesProxyMode".to_owned(), true)].into_iter().collect(),
        ..Flags::default()
    };
    let mut configuration = Configuration::default();
    configuration.override_with(&flags, &release);
    Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0
}

pub(in crate::compare) fn read(text: &str, settings: &Settings) -> Cluster {
    let (snapshot, _) = input::read_text("test", text).unwrap();
    Cluster::build(&snapshot, settings).unwrap().0
}

pub(in crate::compare) fn planned<'c>(cluster: &'c Cluster, settings: &Settings) -> NodePlan<'c> {
    let node = cluster.node("worker-1").unwrap();
    NodePlan::new(cluster, settings, &Sources::default(), node, Family::Ipv4).unwrap().0
}

fn changes(old: &NodeRules<'_>, new: &NodeRules<'_>) -> (FamilyChange, Comparison) {
    let found = traffic::compare(&Walker::of(old), &Walker::of(new), Family::Ipv4);
    (node::family(old, new, Level::All).0, found)
}

/// A packet to somewhere where something could be.
pub(in crate::compare) fn packet(random: &mut Random, host: &Host) -> Packet {
    let cluster_ip = format!("10.96.0.1{}", random.below(SERVICES));
    let destination = match random.below(3) {
        0 => cluster_ip.as_str(),
        1 => random.pick(&ADDRESSES),
        _ => random.pick(&ENDPOINTS),
    };
    let source = match random.below(3) {
        0 => random.pick(&ENDPOINTS),
        1 => random.pick(&ADDRESSES),
        _ => random.pick(&["198.51.100.9", "8.8.8.8", "192.168.0.12", "127.0.0.1"]),
    };
    let port = if random.one_in(2) { random.pick(&PORTS) } else { random.pick(&NODE_PORTS) };
    let protocol = random.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp]);
    let destination = SocketAddr::new(destination.parse().unwrap(), port);
    Packet::new(host, protocol, source.parse().unwrap(), destination).unwrap()
}

#[test]
fn what_is_left_out_makes_no_difference() {
    let (mut left_out, mut kept, mut differing) = (0, 0, 0);
    for seed in share("compare::unchanged", 5, (0..CASES).collect()) {
        let mut random = Random::new(seed * 7_654_321 + 5);
        let mode = random.pick(&["iptables", "nftables"]);
        let settings = settings(mode, random.pick(&RELEASES), random.one_in(4));
        let case = format!("seed {seed}: {mode} {}", settings.release);
        let clusters =
            (read(&cluster(seed, None), &settings), read(&cluster(seed, Some(seed % SERVICES)), &settings));
        let whole = (planned(&clusters.0, &settings).compile(), planned(&clusters.1, &settings).compile());
        let (mut old, mut new) = (planned(&clusters.0, &settings), planned(&clusters.1, &settings));
        left_out += leave_out(&mut old, &mut new);
        kept += old.plan.service_ports().len();
        let rest = (old.compile(), new.compile());
        let (change, all) = changes(&whole.0, &whole.1);
        let (rest_change, found) = changes(&rest.0, &rest.1);
        assert_eq!(change, rest_change, "{case}");
        differing += found.differences.len();
        let walkers = (Walker::of(&whole.0), Walker::of(&whole.1));
        for _ in 0..PACKETS {
            let packet = packet(&mut random, walkers.1.host());
            judge(&all, (&walkers.0, &walkers.1), &packet, &format!("whole {case}"));
            judge(&found, (&walkers.0, &walkers.1), &packet, &case);
        }
    }
    let [few, many] = [100, 500].map(|least| part(least, 5));
    assert!(left_out > few && kept > few && differing > many, "{left_out}, {kept}, {differing}");
}

const CASES: u64 = 60;
const PACKETS: usize = 300;
