//! Facts about nodes and rules of others before a migration; and each known difference is found in an example.

use std::collections::BTreeSet;

use super::{Target, look};
use crate::capture::{self, Captured};
use crate::cluster::Cluster;
use crate::compare::node::{Level, compare};
use crate::compare::pre_flight::{Check, PreFlight, Readiness};
use crate::compare::traffic::Reason;
use crate::input::{self, Snapshot};
use crate::net::Family;
use crate::node::NodePlan;
use crate::settings::{Configuration, Flags, HostFacts, ProxyMode, Settings};

fn node(name: &str, kernel: &str) -> String {
    format!(
        "---\nkind: Node\napiVersion: v1\nmetadata: {{name: {name}}}\nspec: {{podCIDR: 10.244.1.0/24, podCIDRs: \
         [10.244.1.0/24]}}\nstatus: {{addresses: [{{type: InternalIP, address: 192.168.0.11}}], nodeInfo: \
         {{kernelVersion: \"{kernel}\"}}}}\n"
    )
}

fn settings(mode: &str, release: &str, change: impl FnOnce(&mut Flags)) -> Settings {
    let release = release.parse().unwrap();
    let mut flags = Flags {
        proxy_mode: Some(mode.to_owned()),
        cluster_cidr: Some("10.244.0.0/16".to_owned()),
        feature_gates: [("NFTablesProxyMode".to_owned(), true)].into(),
        ..Flags::default()
    };
    change(&mut flags);
    let mut configuration = Configuration::default();
    configuration.override_with(&flags, &release);
    let addresses = ["192.168.0.11", "172.16.0.5"].map(|ip| ip.parse().unwrap());
    let host = HostFacts { addresses: addresses.into(), ..HostFacts::default() };
    Settings::resolve(&configuration, release, host, None).unwrap().0
}

fn read(text: &str, settings: &Settings) -> (Snapshot, Cluster) {
    let (snapshot, _) = input::read_text("test.yaml", text).unwrap();
    let cluster = Cluster::build(&snapshot, settings).unwrap().0;
    (snapshot, cluster)
}

/// What is checked before a change of mode.
fn checks(objects: &str, (from, to, release): (ProxyMode, &str, &str), captured: &[&str]) -> Vec<PreFlight> {
    let settings = settings(to, release, |_| {});
    let (snapshot, cluster) = read(objects, &settings);
    let captured: Vec<(String, Captured)> = captured
        .iter()
        .map(|text| ("node-1".to_owned(), capture::read(text, Some(Family::Ipv4)).unwrap()))
        .collect();
    look(&Target { snapshot: &snapshot, cluster: &cluster, settings: &settings }, from, &captured)
}

fn to_nftables(objects: &str, captured: &[&str]) -> Vec<PreFlight> {
    checks(objects, (ProxyMode::Iptables, "nftables", "1.36"), captured)
}

fn found(checks: &[PreFlight], of: Check) -> (Readiness, &str) {
    let one = checks.iter().find(|one| one.check == of).unwrap();
    (one.state, one.found.as_str())
}

#[test]
fn without_a_change_of_mode_nothing_is_looked_at() {
    assert_eq!(checks(&node("n1", "5.4.0"), (ProxyMode::Nftables, "nftables", "1.36"), &[]), []);
}

#[test]
fn an_old_kernel_stops_the_migration() {
    let both = node("n1", "5.15.0-105-generic") + &node("n2", "5.4.0-150-generic");
    let checks_of_both = to_nftables(&both, &[]);
    let expected = "kernel 5.4.0-150-generic on n2; nftables mode asks for 5.13";
    assert_eq!(found(&checks_of_both, Check::Kernel), (Readiness::Stops, expected));
    let new = to_nftables(&node("n1", "5.13.0"), &[]);
    assert_eq!(found(&new, Check::Kernel), (Readiness::Fine, "5.13.0 on 1, all at least 5.13"));
    let silent = to_nftables(&(node("n1", "6.8.0") + &node("n2", "")), &[]);
    assert_eq!(found(&silent, Check::Kernel), (Readiness::NotKnown, "1 of 2 Nodes report none"));
    let back = checks(&both, (ProxyMode::Nftables, "iptables", "1.36"), &[]);
    assert!(back.iter().all(|one| one.check != Check::Kernel), "iptables mode asks for no kernel");
}

#[test]
fn long_names_matter_until_the_release_that_cuts_comments() {
    let (namespace, name, port) = ("n".repeat(63), "s".repeat(63), "p".repeat(15));
    let service = format!(
        "---\nkind: Service\napiVersion: v1\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{{name: {port}, port: 80}}]}}\n\
         ---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\n\
         metadata: {{name: x, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         ports: [{{name: {port}, port: 80}}]\nendpoints: [{{addresses: [10.244.1.5]}}]\n"
    );
    let of = |objects: &str, release| {
        let checks = checks(objects, (ProxyMode::Iptables, "nftables", release), &[]);
        found(&checks, Check::Comments).0
    };
    let objects = node("n1", "6.8.0") + &service;
    assert_eq!(of(&objects, "1.36"), Readiness::Look);
    assert_eq!(of(&objects, "1.37"), Readiness::Fine);
    assert_eq!(of(&node("n1", "6.8.0"), "1.36"), Readiness::Fine);
}

const OWN: &str =
    "*nat\n:KUBE-SERVICES - [0:0]\n-A KUBE-SERVICES -d 10.96.0.10/32 -j KUBE-MARK-MASQ\nCOMMIT\n";

#[test]
fn rules_that_were_not_given_are_not_known() {
    let checks = to_nftables(&node("n1", "6.8.0"), &[]);
    for check in [Check::ForeignRules, Check::Leftovers, Check::NftVersion] {
        assert_eq!(found(&checks, check).0, Readiness::NotKnown);
    }
    assert!(checks.iter().all(|one| one.check != Check::ForwardPolicy));
}

#[test]
fn foreign_rules_with_the_marks_or_chains_of_kube_proxy_are_found() {
    let state = |rule: &str| {
        let text = format!("*mangle\n:OTHER - [0:0]\n-A OTHER {rule}\nCOMMIT\n{OWN}");
        found(&to_nftables(&node("n1", "6.8.0"), &[&text]), Check::ForeignRules).0
    };
    assert_eq!(state("-m mark --mark 0x4000/0x4000 -j ACCEPT"), Readiness::Look);
    assert_eq!(state("-j KUBE-MARK-MASQ"), Readiness::Look);
    assert_eq!(state("-m mark --mark 0x100/0x100 -j ACCEPT"), Readiness::Fine);
    assert_eq!(state("-p tcp -j ACCEPT"), Readiness::Fine);
}

#[test]
fn leftovers_of_the_mode_to_come_are_found() {
    let leftovers = |captured: &str, from, to: &str| {
        let checks = checks(&node("n1", "6.8.0"), (from, to, "1.36"), &[captured]);
        let (state, words) = found(&checks, Check::Leftovers);
        (state, words.to_owned())
    };
    let fine = (Readiness::Fine, "only iptables mode has rules".to_owned());
    assert_eq!(leftovers(OWN, ProxyMode::Iptables, "nftables"), fine);
    let already = (Readiness::Look, "node-1 has rules of iptables mode already".to_owned());
    assert_eq!(leftovers(OWN, ProxyMode::Nftables, "iptables"), already);
    let none = (Readiness::Look, "node-1 has no rules of iptables mode".to_owned());
    assert_eq!(leftovers("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n", ProxyMode::Iptables, "nftables"), none);
}

#[test]
fn a_firewall_that_drops_forwarded_packets_is_found() {
    let of = |policy: &str| {
        let text = format!("*filter\n:FORWARD {policy} [0:0]\nCOMMIT\n{OWN}");
        to_nftables(&node("n1", "6.8.0"), &[&text]).iter().any(|one| one.check == Check::ForwardPolicy)
    };
    assert!(of("DROP"));
    assert!(!of("ACCEPT"));
}

#[test]
fn the_first_transaction_is_measured_in_the_language_of_the_new_mode() {
    for (from, to) in [(ProxyMode::Iptables, "nftables"), (ProxyMode::Nftables, "iptables")] {
        let checks = checks(&node("n1", "6.8.0"), (from, to, "1.36"), &[]);
        let (state, words) = found(&checks, Check::FirstTransaction);
        assert_eq!(state, Readiness::Fine);
        assert!(words.starts_with("on node n1: IPv4 ") && words.contains(" lines, "), "{words}");
    }
}

/// Services of every kind that some difference between modes or releases affects.
const SERVICES: &str = "
---
kind: ServiceCIDR
apiVersion: networking.k8s.io/v1
metadata: {name: kubernetes}
spec: {cidrs: [10.96.0.0/16]}
---
kind: Service
apiVersion: v1
metadata: {name: web, namespace: shop}
spec: {type: NodePort, clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{name: http, port: 80, nodePort: 30080}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
addressType: IPv4
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.1.5], nodeName: n1}, {addresses: [10.244.2.5], nodeName: n2}]
---
kind: Service
apiVersion: v1
metadata: {name: empty, namespace: shop}
spec: {type: LoadBalancer, clusterIP: 10.96.0.11, clusterIPs: [10.96.0.11], loadBalancerSourceRanges: [198.51.100.0/24],
  externalIPs: [203.0.113.20], ports: [{name: http, port: 80, nodePort: 30081}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
---
kind: Service
apiVersion: v1
metadata: {name: local, namespace: shop}
spec: {type: LoadBalancer, clusterIP: 10.96.0.12, clusterIPs: [10.96.0.12], externalTrafficPolicy: Local,
  ports: [{name: http, port: 80, nodePort: 30082}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.11}]}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
addressType: IPv4
metadata: {name: local-1, namespace: shop, labels: {kubernetes.io/service-name: local}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.2.9], nodeName: n2}]
";

/// Services for which releases choose endpoints by different rules; the node has no zone.
const CHOICES: &str = "
---
kind: Service
apiVersion: v1
metadata: {name: labelled, namespace: shop, labels: {service.kubernetes.io/headless: ''}}
spec: {clusterIP: 10.96.0.20, clusterIPs: [10.96.0.20], ports: [{name: http, port: 80}]}
---
kind: Service
apiVersion: v1
metadata: {name: other-proxy, namespace: shop}
spec: {clusterIP: 10.96.0.21, clusterIPs: [10.96.0.21], ports: [{name: http, port: 80}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
addressType: IPv4
metadata: {name: other-proxy-1, namespace: shop, labels: {kubernetes.io/service-name: other-proxy,
  service.kubernetes.io/service-proxy-name: other}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.1.21], nodeName: n1}]
---
kind: Service
apiVersion: v1
metadata: {name: twice, namespace: shop}
spec: {clusterIP: 10.96.0.22, clusterIPs: [10.96.0.22], ports: [{name: http, port: 80}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
addressType: IPv4
metadata: {name: twice-1, namespace: shop, labels: {kubernetes.io/service-name: twice}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.2.22], nodeName: n2, conditions: {ready: true}}]
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
addressType: IPv4
metadata: {name: twice-2, namespace: shop, labels: {kubernetes.io/service-name: twice}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.2.22], nodeName: n2, conditions: {ready: false}}]
---
kind: Service
apiVersion: v1
metadata: {name: empty-zone, namespace: shop, annotations: {service.kubernetes.io/topology-mode: Auto}}
spec: {clusterIP: 10.96.0.23, clusterIPs: [10.96.0.23], ports: [{name: http, port: 80}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
addressType: IPv4
metadata: {name: empty-zone-1, namespace: shop, labels: {kubernetes.io/service-name: empty-zone}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.1.23], nodeName: n1, hints: {forZones: [{name: ''}]}},
  {addresses: [10.244.2.23], nodeName: n2, hints: {forZones: [{name: b}]}}]
---
kind: Service
apiVersion: v1
metadata: {name: same-node, namespace: shop}
spec: {clusterIP: 10.96.0.24, clusterIPs: [10.96.0.24], ports: [{name: http, port: 80}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
addressType: IPv4
metadata: {name: same-node-1, namespace: shop, labels: {kubernetes.io/service-name: same-node}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.1.24], nodeName: n1, hints: {forNodes: [{name: n1}]}},
  {addresses: [10.244.2.24], nodeName: n2, hints: {forNodes: [{name: n2}]}}]
";

/// A Service whose endpoints are hinted for the node's zone, with and without the annotation.
fn zoned(annotations: &str) -> String {
    let node =
        node("n1", "6.8.0").replace("{name: n1}", "{name: n1, labels: {topology.kubernetes.io/zone: a}}");
    format!(
        "{node}---\nkind: Service\napiVersion: v1\nmetadata: {{name: zoned, namespace: shop, annotations: {annotations}}}\n\
         spec: {{clusterIP: 10.96.0.30, clusterIPs: [10.96.0.30], ports: [{{name: http, port: 80}}]}}\n\
         ---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\n\
         metadata: {{name: zoned-1, namespace: shop, labels: {{kubernetes.io/service-name: zoned}}}}\n\
         ports: [{{name: http, port: 8080}}]\nendpoints:\n\
         - {{addresses: [10.244.1.30], nodeName: n1, hints: {{forZones: [{{name: a}}]}}}}\n\
         - {{addresses: [10.244.2.30], nodeName: n2, hints: {{forZones: [{{name: b}}]}}}}\n"
    )
}

/// Codes of the reasons for the differences; every difference has one.
fn reasons(old: &Settings, new: &Settings) -> BTreeSet<&'static str> {
    let objects = node("n1", "6.8.0") + SERVICES;
    let found = reasons_of((&objects, old), (&objects, new));
    found.into_iter().map(|reason| reason.unwrap_or_else(|| panic!("something has no reason"))).collect()
}

/// Codes of the reasons for the differences, and none for those without a known reason.
fn reasons_of(old: (&str, &Settings), new: (&str, &Settings)) -> BTreeSet<Option<&'static str>> {
    let ((old_snapshot, before), (new_snapshot, after)) = (read(old.0, old.1), read(new.0, new.1));
    let (old, new) = (old.1, new.1);
    let plan = |snapshot: &Snapshot, cluster, settings| {
        let node = before.node("n1").unwrap();
        NodePlan::new(cluster, settings, &snapshot.sources, node, Family::Ipv4).unwrap().0
    };
    let pair = (plan(&old_snapshot, &before, old), plan(&new_snapshot, &after, new));
    let change = compare([pair], Level::Traffic);
    let flows = change.families.iter().flat_map(|family| &family.traffic).flat_map(|traffic| &traffic.flows);
    flows.map(|flow| flow.reason).collect()
}

/// Every difference of some objects between two releases has a reason.
fn by_release(mode: &str, from: &str, to: &str, objects: &str) -> BTreeSet<&'static str> {
    let objects = node("n1", "6.8.0") + objects;
    let (old, new) = (settings(mode, from, |_| {}), settings(mode, to, |_| {}));
    let found = reasons_of((&objects, &old), (&objects, &new));
    assert!(!found.contains(&None), "{mode} {from} {to}: {found:?}");
    found.into_iter().flatten().collect()
}

/// Networks are given, but those of the other family.
fn of_other_family() -> BTreeSet<&'static str> {
    let at = |release| {
        settings("nftables", release, |flags| flags.nodeport_addresses = Some(vec!["fd00::/64".to_owned()]))
    };
    reasons(&at("1.30"), &at("1.31"))
}

#[test]
fn what_the_objects_change_is_no_known_difference() {
    let (old, new) = (settings("iptables", "1.30", |_| {}), settings("iptables", "1.31", |_| {}));
    let (plain, annotated) = (zoned("{}"), zoned("{service.kubernetes.io/topology-mode: Auto}"));
    assert_eq!(reasons_of((&plain, &old), (&plain, &new)), [Some("zone-hints-without-annotation")].into());
    assert_eq!(reasons_of((&annotated, &old), (&annotated, &new)), [].into());
    assert_eq!(reasons_of((&plain, &old), (&annotated, &old)), [None].into());
    let moved = plain.replace("10.244.1.30", "10.244.1.31");
    assert_eq!(reasons_of((&plain, &old), (&moved, &new)), [None].into());
}

#[test]
fn each_known_difference_is_found_in_an_example() {
    let modes =
        |release| reasons(&settings("iptables", release, |_| {}), &settings("nftables", release, |_| {}));
    let mut found = modes("1.36");
    let with_gate = settings("nftables", "1.37", |flags| {
        flags.feature_gates.insert("KubeProxyNFTablesLocalhostNodePorts".to_owned(), true);
    });
    let refused = reasons(&settings("nftables", "1.37", |_| {}), &with_gate);
    assert_eq!(refused, ["refused-on-loopback"].into());
    found.extend(refused);
    let at_one_network = |mode| {
        settings(mode, "1.36", |flags| flags.nodeport_addresses = Some(vec!["192.168.0.0/24".to_owned()]))
    };
    found.extend(reasons(&at_one_network("iptables"), &at_one_network("nftables")));
    let old = modes("1.32");
    assert!(
        old.contains("checked-before-forwarding") && !found.contains("checked-before-forwarding"),
        "{old:?}"
    );
    found.extend(old);
    found.extend(by_release("nftables", "1.33.5", "1.33.6", SERVICES));
    found.extend(by_release("iptables", "1.33", "1.37", CHOICES));
    found.extend(by_release("nftables", "1.32", "1.33", CHOICES));
    found.extend(of_other_family());
    let zoned = zoned("{}");
    let (old, new) = (settings("iptables", "1.30", |_| {}), settings("iptables", "1.31", |_| {}));
    found.extend(reasons_of((&zoned, &old), (&zoned, &new)).into_iter().flatten());
    let all: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(found, all);
}
