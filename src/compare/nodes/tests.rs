//! The answers for all nodes, against those of separate comparisons of every node, on random clusters with all that
//! makes nodes differ.

use std::fmt::Write;

use super::{State, compare};
use crate::cluster::{Cluster, Node};
use crate::compare::change::FamilyChange;
use crate::compare::consequence::Client;
use crate::compare::node::{self, Level, NodePairs, Options};
use crate::compare::traffic::Naming;
use crate::input::{self, Sources};
use crate::net::Family;
use crate::node::NodePlan;
use crate::settings::release::RELEASES;
use crate::settings::{Configuration, Flags, HostFacts, Release, Settings};
use crate::testing::random::Random;
use crate::testing::scope::{part, share};

const NODES: u64 = 9;

fn nodes(random: &mut Random, changed: Option<u64>) -> String {
    let mut text = String::new();
    let (zones, odd) = (random.one_in(2), random.one_in(2));
    for i in 0..NODES {
        let mut network = format!("10.244.{i}.0/24");
        let mut address = format!("192.168.0.{i}");
        // Some nodes are like no other: a wider network, none, an address of a Pod or within a source range.
        if odd && random.one_in(4) {
            network = random.pick(&["10.244.0.0/22", "10.250.7.0/30", "10.250.8.1/32", ""]).to_owned();
        }
        if odd && random.one_in(5) {
            address = random.pick(&["10.244.3.10", "198.51.100.3", "203.0.113.50", "10.244.2.1"]).to_owned();
        }
        if changed == Some(i) {
            address = "192.168.7.7".to_owned();
        }
        let label = match zones {
            true => format!("labels: {{topology.kubernetes.io/zone: z{}}}, ", i % 3),
            false => String::new(),
        };
        let networks = match network.as_str() {
            "" => String::new(),
            _ => format!("podCIDR: {network}, podCIDRs: [{network}]"),
        };
        let second = if i == 5 { ", {type: InternalIP, address: 172.16.0.5}" } else { "" };
        _ = write!(
            text,
            "---\nkind: Node\napiVersion: v1\nmetadata: {{{label}name: n{i}}}\nspec: {{{networks}}}\n\
             status: {{addresses: [{{type: InternalIP, address: {address}}}{second}]}}\n"
        );
    }
    text
}

fn service(text: &mut String, i: u64, random: &mut Random) {
    let kind = random.pick(&["ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"]);
    let mut spec = format!("clusterIP: 10.96.0.1{i}, clusterIPs: [10.96.0.1{i}], type: {kind}");
    if random.one_in(4) {
        spec += ", sessionAffinity: ClientIP";
    }
    if random.one_in(3) {
        spec += ", internalTrafficPolicy: Local";
    }
    if kind != "ClusterIP" && random.one_in(2) {
        spec += ", externalTrafficPolicy: Local";
    }
    if kind == "LoadBalancer" && random.one_in(2) {
        let ranges = random.pick(&[
            "198.51.100.0/24",
            "192.168.0.0/29",
            "10.244.2.0/23",
            "10.244.3.0/25, 192.168.0.4/32",
        ]);
        _ = write!(spec, ", loadBalancerSourceRanges: [{ranges}]");
    }
    if random.one_in(4) {
        _ = write!(
            spec,
            ", externalIPs: [{}]",
            random.pick(&["203.0.113.50", "203.0.113.51", "192.168.0.2"])
        );
    }
    let node_port =
        if kind == "ClusterIP" { String::new() } else { format!(", nodePort: {}", 30000 + random.below(8)) };
    let ingress = match kind {
        "LoadBalancer" => format!("\nstatus: {{loadBalancer: {{ingress: [{{ip: 203.0.113.1{i}}}]}}}}"),
        _ => String::new(),
    };
    _ = write!(
        text,
        "---\nkind: Service\napiVersion: v1\nmetadata: {{name: s{i}, namespace: ns}}\n\
         spec: {{{spec}, ipFamilies: [IPv4], ports: [{{name: p, port: 80{node_port}}}]}}{ingress}\n"
    );
    let hinted = random.pick(&["", "", "zone", "node"]);
    let mut endpoints = Vec::new();
    for e in 0..random.below(6) {
        let node = random.below(NODES + 1);
        let address = match random.below(8) {
            0 => format!("192.168.0.{node}"),
            1 => format!("172.30.0.{}", random.below(4)),
            _ => format!("10.244.{}.{}", if random.one_in(8) { 3 } else { node }, 10 + (i + e) % 5),
        };
        let name = if random.one_in(8) { String::new() } else { format!("nodeName: n{node}, ") };
        let hints = match hinted {
            "zone" => format!("hints: {{forZones: [{{name: z{}}}]}}, ", random.below(3)),
            "node" => format!("hints: {{forNodes: [{{name: n{node}}}]}}, "),
            _ => String::new(),
        };
        let ready = !random.one_in(5);
        endpoints.push(format!(
            "{{addresses: [{address}], {name}{hints}conditions: {{ready: {ready}, serving: true, terminating: {}}}}}",
            !ready && random.one_in(2)
        ));
    }
    _ = write!(
        text,
        "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\n\
         metadata: {{name: s{i}-x, namespace: ns, labels: {{kubernetes.io/service-name: s{i}}}}}\n\
         ports: [{{name: p, port: {}}}]\nendpoints: [{}]\n",
        random.pick(&[80, 80, 8080, 30001]),
        endpoints.join(", ")
    );
}

const SERVICES: u64 = 6;

/// Two states of a cluster, between which some Services, and perhaps a node, change.
fn states(seed: u64) -> [String; 2] {
    let which = Random::new(seed ^ 0xabc).below(1 << SERVICES);
    let node = Some(Random::new(seed).below(4 * NODES));
    [false, true].map(|is_new| {
        let mut random = Random::new(seed);
        let mut text = nodes(&mut Random::new(random.next()), node.filter(|_| is_new));
        for i in 0..SERVICES {
            let own = random.next();
            let changed = is_new && which & (1 << i) != 0 && i % 2 == 0;
            service(&mut text, i, &mut Random::new(if changed { own ^ 0x5eed } else { own }));
        }
        text
    })
}

fn settings(random: &mut Random, mode: &str, release: Release) -> Settings {
    let detect = random.pick(&["ClusterCIDR", "ClusterCIDR", "NodeCIDR", "InterfaceNamePrefix"]);
    let by_cidr = random.one_in(2);
    let flags = Flags {
        proxy_mode: Some(mode.to_owned()),
        cluster_cidr: by_cidr.then(|| "10.244.0.0/16".to_owned()),
        detect_local_mode: Some(detect.to_owned()),
        pod_interface_name_prefix: (detect == "InterfaceNamePrefix").then(|| "veth".to_owned()),
        feature_gates: [("NFTablesProxyMode".to_owned(), true)].into_iter().collect(),
        ..Flags::default()
    };
    let mut configuration = Configuration::default();
    configuration.override_with(&flags, &release);
    Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0
}

/// What changes on each node, in the order of their names: compared all together, and one by one.
type Changes = Vec<(Vec<FamilyChange>, u64, usize)>;

fn all_at_once(old: State<'_>, new: State<'_>, level: Level) -> Option<(Changes, usize)> {
    let pairs = NodePairs::of(old.cluster, new.cluster);
    let (answers, _) = compare(old, new, &pairs.both, level).ok()?;
    let mut found: Vec<Option<Vec<FamilyChange>>> = vec![None; pairs.both.len()];
    let count = answers.len();
    let (mut classes, mut unchanged) = (0, 0);
    for answer in answers {
        answer.nodes.iter().for_each(|node| found[*node] = Some(answer.families.clone()));
        (classes, unchanged) = (classes + answer.classes, unchanged + answer.unchanged_service_ports);
    }
    let mut found: Changes = found.into_iter().map(|families| (families.unwrap(), 0, 0)).collect();
    found.push((Vec::new(), classes, unchanged));
    Some((found, count))
}

fn plan<'c>(state: State<'c>, node: &Node, family: Family) -> Option<NodePlan<'c>> {
    Some(NodePlan::new(state.cluster, state.settings, state.sources, node, family).ok()?.0)
}

fn one_by_one(old: State<'_>, new: State<'_>, level: Level) -> Option<Changes> {
    let families = node::families((old.cluster, old.settings), (new.cluster, new.settings));
    let (mut found, mut classes, mut unchanged) = (Vec::new(), 0, 0);
    let options = Options { naming: Naming::Role, ..level.into() };
    for (before, after) in NodePairs::of(old.cluster, new.cluster).both {
        let plans =
            families.iter().map(|family| Some((plan(old, before, *family)?, plan(new, after, *family)?)));
        let change = node::compare(plans.collect::<Option<Vec<_>>>()?, options.clone());
        (classes, unchanged) = (classes + change.classes, unchanged + change.unchanged_service_ports);
        found.push((change.families, 0, 0));
    }
    found.push((Vec::new(), classes, unchanged));
    Some(found)
}

/// What is said about Services, in the order of their names.
fn in_order(families: &[FamilyChange]) -> Vec<FamilyChange> {
    let mut families = families.to_vec();
    families.iter_mut().for_each(|family| family.services.sort_by(|a, b| a.service.cmp(&b.service)));
    families
}

#[test]
fn every_node_has_the_answer_that_it_has_by_itself() {
    let (mut compared, mut sets, mut differing) = (0, 0, 0);
    for seed in share("compare::nodes", 19, (0..CASES).collect()) {
        let mut random = Random::new(seed * 1_234_567 + 11);
        let mode = |random: &mut Random| random.pick(&["iptables", "nftables"]);
        let (old_mode, release) = (mode(&mut random), random.pick(&RELEASES));
        let old_settings = settings(&mut Random::new(seed), old_mode, release);
        let (new_mode, new_release) = match random.one_in(4) {
            true => (mode(&mut random), random.pick(&RELEASES)),
            false => (old_mode, release),
        };
        let new_settings = settings(&mut Random::new(seed), new_mode, new_release);
        let level = random.pick(&[Level::All, Level::Traffic]);
        let texts = states(seed);
        let read = |text: &str, settings: &Settings| -> Option<Cluster> {
            let (snapshot, _) = input::read_text("test", text).unwrap();
            Some(Cluster::build(&snapshot, settings).ok()?.0)
        };
        let clusters = read(&texts[0], &old_settings).zip(read(&texts[1], &new_settings));
        let Some((old, new)) = clusters else { continue };
        let sources = Sources::default();
        let old = State { cluster: &old, settings: &old_settings, sources: &sources };
        let new = State { cluster: &new, settings: &new_settings, sources: &sources };
        let Some(plain) = one_by_one(old, new, level) else { continue };
        let (found, count) = all_at_once(old, new, level).unwrap();
        let case = format!("seed {seed}: {old_mode} {release} to {new_mode} {new_release}, {level:?}");
        for (node, (found, plain)) in found.iter().zip(&plain).enumerate() {
            let (found_answers, plain_answers) = (in_order(&found.0), in_order(&plain.0));
            assert!(
                found_answers == plain_answers,
                "{case}: node {node} of\n{}\n\n{}\n{found_answers:#?}\n{plain_answers:#?}",
                texts[0],
                texts[1]
            );
            // Whether Pods that are the only ones of their kind are counted depends on whether a rule matches on them.
            assert!(found.1.abs_diff(plain.1) * 50 <= plain.1, "{case}: {} and {}", found.1, plain.1);
            assert_eq!(found.2, plain.2, "{case}");
        }
        (compared, sets) = (compared + found.len(), sets + count);
        differing +=
            plain.iter().filter(|(families, ..)| !families.iter().all(FamilyChange::is_empty)).count();
    }
    assert!(
        compared > part(100, 20) && sets < compared && differing > part(50, 20),
        "{compared}, {sets}, {differing}"
    );
}

const CASES: u64 = 40;

/// Two nodes whose networks together make up one: its last addresses are all on the second node, for which no Pods
/// elsewhere were found once. Without any network, Pods elsewhere are those of other endpoints.
#[test]
fn pods_elsewhere_are_found_for_each_of_two_nodes() {
    let release = RELEASES[0];
    for networks in [["10.244.0.0/24", "10.244.1.0/24"], ["10.244.0.0/24", ""], ["", ""]] {
        let state = |port: u16| {
            let mut text = String::new();
            for (i, network) in networks.iter().enumerate() {
                let spec = if network.is_empty() {
                    String::new()
                } else {
                    format!("podCIDR: {network}, podCIDRs: [{network}]")
                };
                _ = write!(
                    text,
                    "---\nkind: Node\napiVersion: v1\nmetadata: {{name: n{i}}}\nspec: {{{spec}}}\n\
                     status: {{addresses: [{{type: InternalIP, address: 192.168.0.{i}}}]}}\n\
                     ---\nkind: Service\napiVersion: v1\nmetadata: {{name: s{i}, namespace: ns}}\n\
                     spec: {{clusterIP: 10.96.0.1{i}, clusterIPs: [10.96.0.1{i}], ipFamilies: [IPv4], ports: [{{name: p, port: {port}}}]}}\n\
                     ---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\n\
                     metadata: {{name: s{i}-x, namespace: ns, labels: {{kubernetes.io/service-name: s{i}}}}}\n\
                     ports: [{{name: p, port: 8080}}]\n\
                     endpoints: [{{addresses: [10.244.{i}.10], nodeName: n{i}}}]\n"
                );
            }
            text
        };
        let flags = Flags { cluster_cidr: Some("10.244.0.0/16".to_owned()), ..Flags::default() };
        let mut configuration = Configuration::default();
        configuration.override_with(&flags, &release);
        let settings = Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0;
        let read = |text: String| {
            let (snapshot, _) = input::read_text("test", &text).unwrap();
            Cluster::build(&snapshot, &settings).unwrap().0
        };
        let (old, new, sources) = (read(state(80)), read(state(81)), Sources::default());
        let state = |cluster| State { cluster, settings: &settings, sources: &sources };
        let (found, _) = all_at_once(state(&old), state(&new), Level::All).unwrap();
        let plain = one_by_one(state(&old), state(&new), Level::All).unwrap();
        for (i, (found, plain)) in found.iter().zip(&plain).take(2).enumerate() {
            assert_eq!(in_order(&found.0), in_order(&plain.0), "{networks:?}");
            for service in found.0.iter().flat_map(|family| &family.services) {
                let clients: Vec<Client> = service.cells.iter().map(|cell| cell.client).collect();
                // If no network is known, the other Service's endpoint is the only Pod elsewhere.
                let is_known = !networks.contains(&"") || service.service.to_string() == format!("ns/s{i}");
                assert!(!is_known || clients.contains(&Client::PodsElsewhere), "{networks:?} {service:?}");
            }
        }
    }
}
