//! The proof by brute force: on small random clusters, random packets have the outcome that the classes say.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use super::outcome_set::OutcomeSet;
use super::{Comparison, Difference, compare};
use crate::cluster::Cluster;
use crate::net::{Family, Protocol};
use crate::node::{NodePlan, NodeRules};
use crate::ruleset::Ruleset;
use crate::settings::release::RELEASES;
use crate::settings::{Configuration, Flags, HostFacts, Release, Settings};
use crate::testing::random::Random;
use crate::testing::scope::{part, share};
use crate::walk::{ClientKind, Host, Packet, Walker};
use crate::{input, nftables};

pub(in crate::compare) const NODE: &str = "
---
kind: Node
apiVersion: v1
metadata: {name: worker-1}
spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}
status: {addresses: [{type: InternalIP, address: 192.168.0.11}]}
---
kind: Node
apiVersion: v1
metadata: {name: worker-2}
spec: {podCIDR: 10.244.2.0/24, podCIDRs: [10.244.2.0/24]}
status: {addresses: [{type: InternalIP, address: 192.168.0.12}]}
";

/// A cluster of some Services; `change` makes one that differs slightly.
pub(in crate::compare) fn cluster(seed: u64, change: u64) -> String {
    let mut random = Random::new(seed);
    let mut text = NODE.to_owned();
    for i in 0..4u64 {
        let mut random = if change == i { Random::new(seed ^ 77 ^ i) } else { Random::new(random.next()) };
        if !(change == i && random.one_in(4)) {
            service(&mut text, i, &mut random);
        }
    }
    text
}

fn service(text: &mut String, i: u64, random: &mut Random) {
    let protocol = random.pick(&["TCP", "TCP", "UDP"]);
    let port = random.pick(&[80, 443]);
    let kind = random.pick(&["ClusterIP", "NodePort", "LoadBalancer"]);
    let mut spec = format!(
        "clusterIP: 10.96.0.{0}, clusterIPs: [10.96.0.{0}], ipFamilies: [IPv4], type: {kind}",
        10 + i
    );
    if random.one_in(3) {
        spec += ", sessionAffinity: ClientIP";
    }
    if random.one_in(3) {
        spec += ", internalTrafficPolicy: Local";
    }
    if kind != "ClusterIP" && random.one_in(2) {
        spec += ", externalTrafficPolicy: Local";
    }
    if random.one_in(3) {
        let _ = write!(spec, ", externalIPs: [203.0.113.{}]", 50 + i);
    }
    if kind == "LoadBalancer" && random.one_in(2) {
        spec += random.pick(&[
            ", loadBalancerSourceRanges: [198.51.100.0/24]",
            ", loadBalancerSourceRanges: [198.51.100.0/25, 10.244.1.0/24]",
            ", loadBalancerSourceRanges: [192.168.0.0/24]",
        ]);
    }
    let node_port = if kind == "ClusterIP" { String::new() } else { format!(", nodePort: {}", 30000 + i) };
    let status = if kind == "LoadBalancer" {
        format!("\nstatus: {{loadBalancer: {{ingress: [{{ip: 203.0.113.{}}}]}}}}", 10 + i)
    } else {
        String::new()
    };
    let _ = write!(
        text,
        "---\nkind: Service\napiVersion: v1\nmetadata: {{name: s{i}, namespace: ns}}\n\
         spec: {{{spec}, ports: [{{name: p, port: {port}, protocol: {protocol}{node_port}}}]}}{status}\n"
    );
    endpoints(text, i, protocol, random);
}

fn endpoints(text: &mut String, i: u64, protocol: &str, random: &mut Random) {
    let mut list = Vec::new();
    for e in 0..random.below(4) {
        let node = random.pick(&[1, 2]);
        let ready = !random.one_in(4);
        let ip =
            if random.one_in(8) { format!("192.168.0.1{node}") } else { format!("10.244.{node}.{}", 10 + e) };
        list.push(format!(
            "{{addresses: [{ip}], nodeName: worker-{node}, conditions: {{ready: {ready}, serving: true, terminating: {}}}}}",
            !ready && random.one_in(2)
        ));
    }
    let _ = write!(
        text,
        "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\n\
         metadata: {{name: s{i}-x, namespace: ns, labels: {{kubernetes.io/service-name: s{i}}}}}\n\
         ports: [{{name: p, port: 8080, protocol: {protocol}}}]\nendpoints: [{}]\n",
        list.join(", ")
    );
}

/// The ruleset of worker-1, and the node.
pub(super) fn compile(text: &str, mode: &str, release: Release, localhost: bool) -> NodeRules<'static> {
    with_plan(text, (mode, release, localhost), |plan| {
        NodeRules::new(Ruleset::compile(&plan.plan), plan.host)
    })
}

/// Calls a function with the plan of worker-1 in a mode and release.
pub(in crate::compare) fn with_plan<T>(
    text: &str,
    (mode, release, localhost): (&str, Release, bool),
    work: impl FnOnce(NodePlan<'_>) -> T,
) -> T {
    let (snapshot, _) = input::read_text("test", text).unwrap();
    let flags = Flags {
        proxy_mode: Some(mode.to_owned()),
        cluster_cidr: Some("10.244.0.0/16".to_owned()),
        iptables_localhost_nodeports: Some(localhost),
        feature_gates: [("NFTablesProxyMode".to_owned(), true)].into_iter().collect(),
        ..Flags::default()
    };
    let mut configuration = Configuration::default();
    configuration.override_with(&flags, &release);
    let (settings, _) = Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap();
    let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
    let node = cluster.node("worker-1").unwrap();
    let (plan, _) = NodePlan::new(&cluster, &settings, &snapshot.sources, node, Family::Ipv4).unwrap();
    work(plan)
}

fn packet(random: &mut Random, host: &Host) -> Packet {
    let near = |random: &mut Random, text: &str| -> IpAddr {
        let ip: std::net::Ipv4Addr = text.parse().unwrap();
        let step = random.pick(&[0, 0, 0, 1, u32::MAX]);
        std::net::Ipv4Addr::from(ip.to_bits().wrapping_add(step)).into()
    };
    let sources = [
        "10.244.1.10",
        "10.244.1.11",
        "10.244.2.10",
        "10.244.2.11",
        "10.244.1.99",
        "10.244.3.1",
        "192.168.0.11",
        "192.168.0.12",
        "198.51.100.0",
        "198.51.100.128",
        "127.0.0.1",
        "8.8.8.8",
        "203.0.113.10",
        "10.244.255.255",
    ];
    let destinations = [
        "10.96.0.10",
        "10.96.0.11",
        "10.96.0.12",
        "10.96.0.13",
        "203.0.113.10",
        "203.0.113.11",
        "203.0.113.12",
        "203.0.113.50",
        "203.0.113.53",
        "192.168.0.11",
        "192.168.0.12",
        "127.0.0.1",
        "10.244.1.10",
        "10.244.2.11",
    ];
    let source = random.pick(&sources);
    let source = near(random, source);
    let destination = random.pick(&destinations);
    let ip = near(random, destination);
    let port = random.pick(&[80, 443, 30000, 30001, 30002, 30003, 8080, 81, 29999]);
    let protocol = random.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    Packet::new(host, protocol, source, SocketAddr::new(ip, port)).unwrap()
}

/// Whether a class contains a packet, or stands for one that contains it; if so, with the names to exchange.
fn holds(difference: &Difference, packet: &Packet, client: ClientKind) -> Option<Vec<(IpAddr, IpAddr)>> {
    let within = |intervals: &[nftables::ruleset::Interval], ip: IpAddr| {
        intervals.iter().any(|i| (i.first..=i.last).contains(&ip))
    };
    let (port, to, from) = (packet.destination.port(), packet.destination.ip(), packet.source);
    let Difference { to: class_to, from: class_from, .. } = difference;
    let fits = class_to.protocol == packet.protocol
        && class_to.ports.iter().any(|(first, last)| (*first..=*last).contains(&port))
        && (within(&class_to.addresses, to) || class_to.alike.contains(&to));
    let mut exchanged = Vec::new();
    if class_to.alike.contains(&to) {
        exchanged.push((class_to.representative.ip(), to));
    }
    let from = exchange(from, &exchanged);
    if class_from.alike.contains(&from) {
        exchanged.push((difference.packet.source, from));
    }
    let comes = within(&class_from.addresses, from) || class_from.alike.contains(&from);
    (fits && comes && class_from.client == client).then_some(exchanged)
}

fn exchange(ip: IpAddr, names: &[(IpAddr, IpAddr)]) -> IpAddr {
    names.iter().fold(ip, |ip, (a, b)| {
        if ip == *a {
            *b
        } else if ip == *b {
            *a
        } else {
            ip
        }
    })
}

/// The outcome set, with the packet's own destination marked as such, since members of a class differ in it.
fn shown(outcome_set: &OutcomeSet, original: SocketAddr, names: &[(IpAddr, IpAddr)]) -> Vec<String> {
    let named = |to: SocketAddr| SocketAddr::new(exchange(to.ip(), names), to.port());
    let end = |end: &super::End| match end.destination {
        Some(to) if to == original => format!("{:?} itself {}", end.verdict, end.snat),
        to => format!("{:?}", super::End { destination: to.map(named), ..*end }),
    };
    let affinity = |given: &super::outcome_set::Given| given.affinity.map(|(to, time)| (named(to), time));
    let mut shown: Vec<String> = outcome_set
        .ends()
        .map(|(given, e, chance)| format!("{:?} {} {chance:.6}", affinity(given), end(e)))
        .collect();
    shown.sort_unstable();
    shown
}

pub(in crate::compare) fn judge(
    found: &Comparison,
    walkers: (&Walker<'_>, &Walker<'_>),
    packet: &Packet,
    case: &str,
) {
    let outcome_set = |walker: &Walker<'_>| {
        let packet = Packet::new(walker.host(), packet.protocol, packet.source, packet.destination);
        OutcomeSet::of(walker, &packet.unwrap())
    };
    let (old, new) = (outcome_set(walkers.0), outcome_set(walkers.1));
    let client = walkers.1.host().with_merged_networks().client_kind(packet.source);
    let classes: Vec<_> =
        found.differences.iter().filter_map(|d| Some((d, holds(d, packet, client)?))).collect();
    match (old.contrast(&new), classes.as_slice()) {
        (None, []) => {}
        (Some(contrast), [(class, names)]) => {
            assert_eq!(contrast, class.contrast, "{case}: {packet:?}");
            let to = class.to.representative;
            let of_packet = |outcome_set| shown(outcome_set, packet.destination, &[]);
            assert_eq!(of_packet(&old), shown(&class.old, to, names), "{case}: {packet:?}");
            assert_eq!(of_packet(&new), shown(&class.new, to, names), "{case}: {packet:?}");
        }
        (contrast, classes) => {
            panic!("{case}: {packet:?}: {contrast:?}, classes {classes:#?}\n{old:?}\n{new:?}")
        }
    }
}

#[test]
fn random_packets_fare_as_the_classes_say() {
    let mut compared = 0;
    for seed in share("compare::traffic", 9, (0..CASES).collect()) {
        let mut random = Random::new(seed * 1_000_003 + 17);
        let mode = |random: &mut Random| random.pick(&["iptables", "nftables"]);
        let release = |random: &mut Random| random.pick(&RELEASES);
        let (same_mode, same_release) = (random.one_in(2), random.one_in(2));
        let old_mode = mode(&mut random);
        let new_mode = if same_mode { old_mode } else { mode(&mut random) };
        let old_release = release(&mut random);
        let new_release = if same_release { old_release } else { release(&mut random) };
        let localhost = !random.one_in(3);
        let old = compile(&cluster(seed, 9), old_mode, old_release, localhost);
        let new = compile(&cluster(seed, random.below(5)), new_mode, new_release, localhost);
        let (walkers, case) = (
            (Walker::of(&old), Walker::of(&new)),
            format!("seed {seed}: {old_mode} {old_release} to {new_mode} {new_release}"),
        );
        let found = compare(&walkers.0, &walkers.1, Family::Ipv4);
        compared += found.differences.len();
        for _ in 0..PACKETS {
            let packet = packet(&mut random, walkers.1.host());
            judge(&found, (&walkers.0, &walkers.1), &packet, &case);
        }
    }
    assert!(compared > part(500, 10), "the clusters differ too little: {compared}");
}

const CASES: u64 = 40;
const PACKETS: usize = 1500;

/// Two endpoints are cluster IPs themselves; if one of them no longer is, the other must not hide that.
#[test]
fn an_endpoint_that_leaves_a_set_is_found_though_another_stays_in_it() {
    let service = |name: &str, ip: &str, port: u16| {
        format!(
            "---\nkind: Service\napiVersion: v1\nmetadata: {{name: {name}, namespace: ns}}\n\
             spec: {{clusterIP: {ip}, clusterIPs: [{ip}], ipFamilies: [IPv4], ports: [{{name: p, port: {port}}}]}}\n"
        )
    };
    let slice = "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\n\
         metadata: {name: a-x, namespace: ns, labels: {kubernetes.io/service-name: a}}\n\
         ports: [{name: p, port: 80, protocol: TCP}]\n\
         endpoints: [{addresses: [10.96.0.12]}, {addresses: [10.96.0.13]}]\n";
    let rest = [NODE, &service("a", "10.96.0.10", 80), slice, &service("c", "10.96.0.13", 443)].concat();
    let whole = format!("{rest}{}", service("b", "10.96.0.12", 443));
    for release in RELEASES {
        let (old, new) =
            (compile(&whole, "nftables", release, false), compile(&rest, "nftables", release, false));
        let found = compare(&Walker::of(&old), &Walker::of(&new), Family::Ipv4);
        let to_a = |d: &Difference| d.to.representative == "10.96.0.10:80".parse().unwrap();
        assert!(found.differences.iter().any(to_a), "{release}");
    }
}
