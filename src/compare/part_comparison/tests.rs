//! Parts of one shape have the same outcomes: on random clusters of Services that differ in one thing or nothing, what
//! is said about each part is what a separate comparison of that part says.

use std::fmt::Write;

use super::{PartChange, PartComparison};
use crate::cluster::Cluster;
use crate::compare::consequence::Neighbours;
use crate::compare::parts::{Parts, split};
use crate::compare::traffic::{Ground, Shape};
use crate::input::{self, Sources};
use crate::net::Family;
use crate::node::NodePlan;
use crate::settings::release::RELEASES;
use crate::settings::{Configuration, Flags, HostFacts, Release, Settings};
use crate::testing::random::Random;
use crate::testing::scope::{part, share_by_hand};

const SERVICES: u64 = 24;

/// The addresses of a family.
struct Addresses {
    family: &'static str,
    is_ipv6: bool,
}

impl Addresses {
    fn of(family: Family) -> Addresses {
        match family {
            Family::Ipv4 => Addresses { family: "IPv4", is_ipv6: false },
            Family::Ipv6 => Addresses { family: "IPv6", is_ipv6: true },
        }
    }

    fn at(&self, ipv4: &str, ipv6: &str, number: u64) -> String {
        if self.is_ipv6 { format!("{ipv6}{number:x}") } else { format!("{ipv4}{number}") }
    }

    fn range(&self, random: &mut Random) -> &'static str {
        match self.is_ipv6 {
            false => random.pick(&[
                "198.51.100.0/24",
                "10.244.1.0/25",
                "192.168.0.0/24",
                "203.0.113.64/26",
                "8.8.8.8/32",
            ]),
            true => {
                random.pick(&["2001:db8:7::/64", "fd00:244:1::/120", "fd00:192::/64", "2001:db8:9::9/128"])
            }
        }
    }
}

fn nodes(addresses: &Addresses) -> String {
    let mut text = String::new();
    for (i, zone) in [(1, "a"), (2, "a"), (3, "b")] {
        let network = match addresses.is_ipv6 {
            false => format!("10.244.{i}.0/24"),
            true => format!("fd00:244:{i}::/64"),
        };
        _ = write!(
            text,
            "---\nkind: Node\napiVersion: v1\nmetadata: {{name: n{i}, labels: {{topology.kubernetes.io/zone: {zone}}}}}\n\
             spec: {{podCIDR: '{network}', podCIDRs: ['{network}']}}\n\
             status: {{addresses: [{{type: InternalIP, address: '{}'}}]}}\n",
            addresses.at("192.168.0.", "fd00:192::", i)
        );
    }
    let cidr = if addresses.is_ipv6 { "fd00:96::/112" } else { "10.96.0.0/16" };
    text += &format!(
        "---\nkind: ServiceCIDR\napiVersion: networking.k8s.io/v1\nmetadata: {{name: c}}\nspec: {{cidrs: ['{cidr}']}}\n"
    );
    text
}

/// What a Service is like: a number for each property.
type Traits = [u64; 12];

/// A Service like a template, sometimes with one property changed.
fn traits(templates: &[Traits], random: &mut Random) -> Traits {
    let mut traits = random.pick(templates);
    if random.one_in(3) {
        traits[random.below(12)] = random.next();
    }
    traits
}

fn template(random: &mut Random) -> Traits {
    std::array::from_fn(|_| random.next())
}

fn service(text: &mut String, i: u64, traits: Traits, addresses: &Addresses, random: &mut Random) {
    let [kind, port, protocol, affinity, internal, external, ranges, listed, ports, endpoints, hints, odd] =
        traits;
    let is = |what: u64, one_in: u64| what.is_multiple_of(one_in);
    let kind = ["ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"][(kind % 4) as usize];
    let protocol = ["TCP", "TCP", "UDP", "SCTP"][(protocol % 4) as usize];
    let cluster_ip = addresses.at("10.96.0.", "fd00:96::", 16 + i);
    let mut spec = format!(
        "type: {kind}, clusterIP: '{cluster_ip}', clusterIPs: ['{cluster_ip}'], ipFamilies: [{}]",
        addresses.family
    );
    if is(affinity, 3) {
        spec += ", sessionAffinity: ClientIP";
    }
    if is(internal, 3) {
        spec += ", internalTrafficPolicy: Local";
    }
    if kind != "ClusterIP" && is(external, 2) {
        spec += ", externalTrafficPolicy: Local";
    }
    if kind == "LoadBalancer" && is(ranges, 2) {
        let mut random = Random::new(ranges);
        _ = write!(
            spec,
            ", loadBalancerSourceRanges: ['{}', '{}']",
            addresses.range(&mut random),
            addresses.range(&mut random)
        );
    }
    let mut external_ips = Vec::new();
    if is(listed, 4) {
        external_ips.push(addresses.at("203.0.113.", "2001:db8:11::", 16 + i));
    }
    if is(odd, 13) {
        // Used by several Services, or by the node.
        external_ips.push(match random.one_in(2) {
            true => addresses.at("203.0.113.", "2001:db8:11::", 200),
            false => addresses.at("192.168.0.", "fd00:192::", 1),
        });
    }
    if !external_ips.is_empty() {
        _ = write!(spec, ", externalIPs: ['{}']", external_ips.join("', '"));
    }
    let number = [80, 80, 443, 8080][(port % 4) as usize];
    let mut list = Vec::new();
    for p in 0..1 + u64::from(is(ports, 4)) {
        let node_port = match kind {
            "ClusterIP" => String::new(),
            // Sometimes another Service's port.
            _ if is(odd, 17) => format!(", nodePort: {}", 8080 + p),
            _ => format!(", nodePort: {}", 30000 + 2 * i + p),
        };
        list.push(format!("{{name: p{p}, port: {}, protocol: {protocol}{node_port}}}", number + p));
    }
    let status = match kind {
        "LoadBalancer" => {
            let ip = addresses.at("203.0.113.", "2001:db8:11::", 64 + i);
            format!("\nstatus: {{loadBalancer: {{ingress: [{{ip: '{ip}'}}]}}}}")
        }
        _ => String::new(),
    };
    // Names are in another order than addresses.
    let name = format!("s{:02}", i * 7 % SERVICES);
    _ = write!(
        text,
        "---\nkind: Service\napiVersion: v1\nmetadata: {{name: {name}, namespace: ns}}\nspec: {{{spec}, ports: [{}]}}{status}\n",
        list.join(", ")
    );
    slice(text, &name, i, [endpoints, hints, odd, number], addresses, random);
}

fn slice(
    text: &mut String,
    name: &str,
    i: u64,
    [endpoints, hints, odd, number]: [u64; 4],
    addresses: &Addresses,
    random: &mut Random,
) {
    let mut like = Random::new(endpoints);
    let mut list = Vec::new();
    for e in 0..endpoints % 6 {
        let node = like.pick(&[1, 1, 2, 3]);
        // Addresses of the nodes' networks, in any order.
        let own = 1 + (i * 6 + e) * 89 % 251;
        let mut ip = match node {
            1 => addresses.at("10.244.1.", "fd00:244:1::", own),
            2 => addresses.at("10.244.2.", "fd00:244:2::", own),
            _ => addresses.at("10.244.3.", "fd00:244:3::", own),
        };
        if odd % 11 == e {
            ip = match random.below(5) {
                0 => addresses.at("192.168.0.", "fd00:192::", node),
                1 => addresses.at("10.244.1.", "fd00:244:1::", 252),
                2 => addresses.at("172.30.0.", "fd00:30::", own),
                3 => addresses.at("10.96.0.", "fd00:96::", 16 + i),
                _ => addresses.at("10.96.0.", "fd00:96::", 18 + i),
            };
        }
        let hint = match hints % 5 {
            0 => format!(", hints: {{forZones: [{{name: {}}}]}}", if node == 3 { "b" } else { "a" }),
            1 => format!(", hints: {{forNodes: [{{name: n{node}}}]}}"),
            _ => String::new(),
        };
        let node_name = if like.one_in(9) { String::new() } else { format!(", nodeName: n{node}") };
        let ready = !like.one_in(5);
        list.push(format!(
            "{{addresses: ['{ip}']{node_name}{hint}, conditions: {{ready: {ready}, serving: true, terminating: {}}}}}",
            !ready && like.one_in(2)
        ));
    }
    let port = if odd.is_multiple_of(7) { 9090 } else { number };
    _ = write!(
        text,
        "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: {}\n\
         metadata: {{name: {name}-x, namespace: ns, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         ports: [{{name: p0, port: {port}}}, {{name: p1, port: 9091}}]\nendpoints: [{}]\n",
        addresses.family,
        list.join(", ")
    );
}

/// Two states of a cluster, between which some Services change.
fn states(seed: u64, addresses: &Addresses) -> [String; 2] {
    let changes = Random::new(seed).one_in(2);
    [false, true].map(|is_new| {
        let mut random = Random::new(seed);
        let templates: Vec<Traits> = (0..3).map(|_| template(&mut random)).collect();
        let changed: Vec<Traits> = (0..3).map(|_| template(&mut random)).collect();
        let mut text = nodes(addresses);
        for i in 0..SERVICES {
            let mut own = Random::new(random.next());
            let old = traits(&templates, &mut own);
            let new = if own.one_in(4) { traits(&changed, &mut own) } else { old };
            service(&mut text, i, if is_new && changes { new } else { old }, addresses, &mut own);
        }
        text
    })
}

fn settings(random: &mut Random, mode: &str, release: Release, family: Family) -> Option<Settings> {
    let network = if family == Family::Ipv6 { "fd00:244::/32" } else { "10.244.0.0/16" };
    let flags = Flags {
        proxy_mode: Some(mode.to_owned()),
        cluster_cidr: (!random.one_in(5)).then(|| network.to_owned()),
        detect_local_mode: random.one_in(5).then(|| "NodeCIDR".to_owned()),
        masquerade_all: random.one_in(5).then_some(true),
        iptables_localhost_nodeports: Some(random.one_in(2)),
        feature_gates: [("NFTablesProxyMode".to_owned(), true)].into_iter().collect(),
        ..Flags::default()
    };
    let mut configuration = Configuration::default();
    configuration.override_with(&flags, &release);
    Some(Settings::resolve(&configuration, release, HostFacts::default(), None).ok()?.0)
}

/// What is compared: what each part adds to the changes, and how many packets were followed.
fn compared(old: NodePlan<'_>, new: NodePlan<'_>, by_themselves: bool) -> Vec<PartChange> {
    let family = new.plan.family();
    let (old_host, new_host) = (old.host, new.host);
    let ground = Ground::new(&old_host, &new_host, family);
    let comparison = PartComparison {
        ground: &ground,
        neighbours: &Neighbours::of(&new_host),
        with_rules: old.plan.mode() == new.plan.mode(),
        with_traffic: true,
        assumed: &std::sync::Arc::default(),
    };
    let Parts { parts, .. } = split(old.plan, new.plan);
    match by_themselves {
        true => parts.into_iter().map(|part| comparison.of_part(part, None)).collect(),
        false => comparison.of_parts(parts),
    }
}

#[test]
fn parts_of_one_shape_fare_alike() {
    let (mut parts, mut followed, mut of_each, mut differing) = (0, 0, 0, 0);
    for seed in share_by_hand("compare::part_comparison", 23, 2, (0..CASES).collect()) {
        let mut random = Random::new(seed * 7_777_777 + 21);
        let mode = |random: &mut Random| random.pick(&["iptables", "nftables"]);
        let (old_mode, new_mode) = (mode(&mut random), mode(&mut random));
        let (old_release, new_release) = (random.pick(&RELEASES), random.pick(&RELEASES));
        let family = random.pick(&[Family::Ipv4, Family::Ipv4, Family::Ipv6]);
        let flags = random.next();
        let settings = |mode, release| settings(&mut Random::new(flags), mode, release, family);
        let Some(settings) = settings(old_mode, old_release).zip(settings(new_mode, new_release)) else {
            continue;
        };
        let case = format!("seed {seed}: {old_mode} {old_release} to {new_mode} {new_release}, {family:?}");
        let texts = states(seed, &Addresses::of(family));
        let read = |text: &str, settings: &Settings| {
            let (snapshot, _) = input::read_text("test", text).unwrap();
            Cluster::build(&snapshot, settings).unwrap_or_else(|errors| panic!("{case}: {errors:?}")).0
        };
        let (old, new) = (read(&texts[0], &settings.0), read(&texts[1], &settings.1));
        let planned = |cluster, settings| {
            let node = Cluster::node(cluster, "n1").unwrap();
            NodePlan::new(cluster, settings, &Sources::default(), node, family).unwrap().0
        };
        let plans = || (planned(&old, &settings.0), planned(&new, &settings.1));
        let compared = |by_themselves| compared(plans().0, plans().1, by_themselves);
        let (found, plain) = (compared(false), compared(true));
        assert_eq!(found.len(), plain.len(), "{case}");
        for (found, plain) in found.iter().zip(&plain) {
            assert_eq!(found.rules, plain.rules, "{case}");
            assert_eq!(found.services, plain.services, "{case}\n{}", texts[0]);
            for (found, plain) in found.traffic.iter().zip(&plain.traffic) {
                assert_eq!(found.flows, plain.flows, "{case}\n{}", texts[0]);
                assert_eq!((&found.unknown, found.classes), (&plain.unknown, plain.classes), "{case}");
                (followed, of_each) = (followed + found.walked, of_each + plain.walked);
                differing += plain.flows.len();
            }
        }
        parts += plain.len();
    }
    assert!(
        parts > part(CASES as usize * 8, 25) && 3 * followed < 2 * of_each && differing > part(2000, 25),
        "{parts} parts, {followed} of {of_each} followed, {differing} flows"
    );
}

const CASES: u64 = 100;

/// Services that differ only in their names, addresses and node ports.
fn uniform(services: u64, endpoints: u64) -> String {
    let addresses = Addresses::of(Family::Ipv4);
    let mut text = nodes(&addresses);
    for i in 0..services {
        let ip = addresses.at("10.96.0.", "", 16 + i);
        let list: Vec<String> = (0..endpoints)
            .map(|e| {
                format!(
                    "{{addresses: [10.244.{}.{}], nodeName: n{}}}",
                    1 + e % 3,
                    1 + (i * endpoints + e) / 3,
                    1 + e % 3
                )
            })
            .collect();
        _ = write!(
            text,
            "---\nkind: Service\napiVersion: v1\nmetadata: {{name: s{i}, namespace: ns}}\n\
             spec: {{type: NodePort, clusterIP: {ip}, clusterIPs: [{ip}], ports: [{{name: p, port: 80, nodePort: {}}}]}}\n\
             ---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\n\
             metadata: {{name: s{i}-x, namespace: ns, labels: {{kubernetes.io/service-name: s{i}}}}}\n\
             ports: [{{name: p, port: 8080}}]\nendpoints: [{}]\n",
            30000 + i,
            list.join(", ")
        );
    }
    text
}

/// A comparison between the modes costs as much as the packets that it follows: no more for four times the Services of
/// one shape, or for four times the endpoints of each.
#[test]
fn packets_followed_do_not_grow_with_services_or_endpoints_of_one_shape() {
    let release = RELEASES[RELEASES.len() - 1];
    let followed = |services, endpoints| -> u64 {
        let text = uniform(services, endpoints);
        let (snapshot, _) = input::read_text("test", &text).unwrap();
        let settings = ["iptables", "nftables"]
            .map(|mode| settings(&mut Random::new(3), mode, release, Family::Ipv4).unwrap());
        let clusters = settings.each_ref().map(|settings| Cluster::build(&snapshot, settings).unwrap().0);
        let planned = |i: usize| {
            let node = clusters[i].node("n1").unwrap();
            NodePlan::new(&clusters[i], &settings[i], &Sources::default(), node, Family::Ipv4).unwrap().0
        };
        let changes = compared(planned(0), planned(1), false);
        changes.iter().flat_map(|change| &change.traffic).map(|traffic| traffic.walked).sum()
    };
    let few = followed(12, 3);
    assert!(few > 0);
    assert!(followed(48, 3) <= few + few / 4 && followed(12, 12) <= few + few / 4, "{few}");
}

/// Whether each part of a cluster has a shape.
fn have_shapes(text: &str) -> Vec<bool> {
    let (snapshot, _) = input::read_text("test", text).unwrap();
    let settings =
        settings(&mut Random::new(3), "iptables", RELEASES[RELEASES.len() - 1], Family::Ipv4).unwrap();
    let cluster = Cluster::build(&snapshot, &settings).unwrap().0;
    let node = cluster.node("n1").unwrap();
    let planned = || NodePlan::new(&cluster, &settings, &Sources::default(), node, Family::Ipv4).unwrap().0;
    let (old, new) = (planned(), planned());
    let (old_host, new_host) = (old.host, new.host);
    let ground = Ground::new(&old_host, &new_host, Family::Ipv4);
    let parts = split(old.plan, new.plan).parts;
    parts.iter().map(|part| Shape::of(&part.old, &part.new, &ground).is_some()).collect()
}

/// A packet to that number on a cluster IP would otherwise count as one to the node port, which every other part has
/// elsewhere.
#[test]
fn a_part_has_no_shape_where_a_node_port_is_also_another_port() {
    let text = uniform(2, 3);
    assert_eq!(have_shapes(&text), [true, true]);
    for other in ["80", "8080"] {
        let ambiguous = have_shapes(&text.replace("nodePort: 30000", &format!("nodePort: {other}")));
        assert!(ambiguous.contains(&false), "{other}");
    }
}
