//! `test`: expectations hold if a trace says so, and what is written holds.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use kuberules::assume;
use kuberules::cluster::{Cluster, Node, ServicePort};
use kuberules::expect::{self, Ground, Side};
use kuberules::input::{Snapshot, read_text};
use kuberules::net::{Cidr, Family};
use kuberules::node::{ClientKind, NodePlan, NodeRules};
use kuberules::report::trace::{Names, RulesSource, Trace, json};
use kuberules::settings::{Configuration, HostFacts, Release, Settings};
use kuberules::walk::{Packet, Walker};

use crate::support::generate;
use crate::support::scope::share_by_hand;
use crate::support::{kuberules, testdata};
use crate::testing;

/// A cluster, with the settings of all its nodes.
pub(crate) struct World {
    pub name: String,
    pub snapshot: Snapshot,
    pub cluster: Cluster,
    settings: Settings,
}

impl World {
    fn of(name: &str, text: String, mode: &str, assumed: bool) -> Option<World> {
        let written = Configuration {
            mode: Some(mode.to_owned()),
            cluster_cidr: Some("10.244.0.0/16".to_owned()),
            ..Configuration::default()
        };
        let settings = Settings::resolve(&written, Release::NEWEST, HostFacts::default(), None);
        let mut settings = settings.unwrap().0;
        let mut snapshot = read_text(name, text).ok()?.0;
        if assumed {
            let (filled, found) = assume::fill(&mut snapshot, &assume::Options::default(), &settings);
            assert!(!found.has_errors());
            filled.tell(&mut settings);
        }
        let cluster = Cluster::build(&snapshot, &settings).ok()?.0;
        let name = format!("{name} ({mode})");
        Some(World { name, snapshot, cluster, settings }).filter(|world| !world.cluster.nodes.is_empty())
    }

    fn ground(&self) -> Ground<'_> {
        let side = Side { cluster: &self.cluster, settings: &self.settings };
        Ground::new(&self.snapshot, vec![(side, None)], Family::ALL.to_vec())
    }

    /// Whether each expectation of a file holds, with all that is said about it.
    pub(crate) fn verdicts(&self, file: &str) -> Vec<(bool, String)> {
        let (expectations, _) =
            expect::read("expectations.yaml", file).unwrap_or_else(|faults| panic!("{faults:?}"));
        let verdicts = expect::evaluate(&expectations, &self.ground()).unwrap_or_else(|faults| {
            let all: Vec<String> = faults.iter().take(5).map(ToString::to_string).collect();
            panic!("{}: {}", self.name, all.join("\n"))
        });
        verdicts.iter().map(|verdict| (verdict.holds(), format!("{verdict:?}"))).collect()
    }

    pub(crate) fn rules(&self, node: &Node, family: Family) -> NodeRules<'_> {
        let sources = &self.snapshot.sources;
        NodePlan::new(&self.cluster, &self.settings, sources, node, family).unwrap().0.compile()
    }
}

pub(crate) fn worlds() -> Vec<World> {
    let shop = |name: &str| std::fs::read_to_string(testdata().join("shop").join(name)).unwrap();
    let chart = std::fs::read_to_string(testdata().join("chart/v1/notes.yaml")).unwrap();
    let mut texts = vec![
        ("shop before".to_owned(), shop("before-with-pods.yaml"), false),
        ("shop after".to_owned(), shop("after.yaml"), false),
        ("chart".to_owned(), chart, true),
    ];
    for folder in share_by_hand("expect::corpus", 12, 2, (11..=22).collect()) {
        let file = |kind: &str| testdata().join(format!("random/{folder}/cluster.{kind}"));
        let text = ["yaml", "json"].into_iter().find_map(|kind| std::fs::read_to_string(file(kind)).ok());
        texts.push((format!("random {folder}"), text.unwrap(), false));
    }
    for i in share_by_hand("expect::random", 30, 4, (0..60).collect::<Vec<u64>>()) {
        texts.push((format!("seed {i}"), generate::cluster(testing::seed() + i).cluster.to_string(), false));
    }
    let modes = ["iptables", "nftables"];
    let all = texts.iter().flat_map(|text| modes.map(|mode| (text.clone(), mode)));
    all.filter_map(|((name, text, assumed), mode)| World::of(&name, text, mode, assumed)).collect()
}

/// One member of an expectation: `to`, `at`, `from`, the node and the packet.
struct Member {
    to: String,
    at: Option<&'static str>,
    from: String,
    node: String,
    packet: Packet,
}

/// An address that no endpoint and no node has.
pub(crate) fn free(world: &World, nets: &[Cidr], family: Family) -> Option<IpAddr> {
    let ports = || world.cluster.family(family).service_ports.iter();
    let ranges: Vec<Cidr> = ports().flat_map(|p| p.source_ranges.iter().map(|range| range.value)).collect();
    let is_free = |ip: &IpAddr| {
        !ports().flat_map(|p| &p.endpoints).any(|e| e.ip == *ip)
            && !world.cluster.nodes.iter().any(|node| node.internal_ips.contains(ip))
            && !ranges.iter().any(|range| range.contains(*ip))
    };
    let net = nets.iter().find(|net| net.family() == family)?;
    (3..60).map(|n| add(net.network(), n)).filter(|ip| net.contains(*ip)).find(is_free)
}

fn add(ip: IpAddr, n: u8) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => IpAddr::from((u32::from(v4) + u32::from(n)).to_be_bytes()),
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) + u128::from(n)).to_be_bytes()),
    }
}

fn name_of(port: &ServicePort) -> String {
    let text = match port.name.port() {
        "" => port.port.to_string(),
        name => name.to_owned(),
    };
    format!("{}:{text}/{}", port.name.service_name(), port.name.protocol())
}

fn members(world: &World, node: &Node, rules: &NodeRules<'_>) -> Vec<Member> {
    let family = rules.family();
    let Some(own) = rules.host.primary_address(family) else { return Vec::new() };
    let pod = free(world, &node.pod_cidrs, family);
    let outside =
        free(world, &["198.18.0.0/24", "2001:db8:77::/64"].map(|t| Cidr::parse_lenient(t).unwrap()), family);
    let mut members = Vec::new();
    for port in world.cluster.family(family).service_ports.iter().take(8) {
        let number = port.port.get();
        let mut targets = vec![("cluster-ip", SocketAddr::new(port.cluster_ip, number))];
        targets.extend(port.external_ips.iter().map(|ip| ("external-ip", SocketAddr::new(ip.value, number))));
        targets.extend(
            port.load_balancer_ips.iter().map(|ip| ("load-balancer-ip", SocketAddr::new(ip.value, number))),
        );
        targets.extend(port.node_port.map(|port| ("node-port", SocketAddr::new(own, port.get()))));
        for (kind, to) in targets {
            let mut clients = vec![("nodes", rules.host.source_to(to), ClientKind::Node)];
            clients.extend(pod.map(|ip| ("pods", ip, ClientKind::LocalPod)));
            let outside = outside.filter(|_| kind != "cluster-ip");
            clients.extend(outside.map(|ip| ("outside", ip, ClientKind::Outside)));
            for (from, source, client) in clients {
                let packet = Packet::plain(port.name.protocol(), source, to, client);
                let member = |to, at, from: &str| Member {
                    to,
                    at,
                    from: from.to_owned(),
                    node: node.name.to_string(),
                    packet,
                };
                let address = if kind == "node-port" {
                    format!("node:{}/{}", to.port(), port.name.protocol())
                } else {
                    format!("{to}/{}", port.name.protocol())
                };
                // One address of one family: what is written of a kind counts for all of them.
                if from != "nodes" {
                    members.push(member(address, None, &source.to_string()));
                } else if kind != "node-port" || world.cluster.family(family.other()).service_ports.is_empty()
                {
                    members.push(member(address, None, from));
                }
                let is_only = world.cluster.family(family.other()).service_ports.is_empty();
                let count = targets_of(port, kind);
                let is_one_for_pods = kind != "node-port" && kind != "load-balancer-ip";
                if is_only && count == 1 && (from != "pods" || is_one_for_pods) {
                    members.push(member(name_of(port), Some(kind), from));
                }
            }
        }
    }
    members
}

fn targets_of(port: &ServicePort, kind: &str) -> usize {
    match kind {
        "external-ip" => port.external_ips.len(),
        "load-balancer-ip" => port.load_balancer_ips.len(),
        _ => 1,
    }
}

/// What a trace says about an outcome.
#[derive(Debug, Clone)]
pub(crate) struct Traced {
    pub result: String,
    pub snat: bool,
    /// Whether it is a Pod that reaches itself.
    pub to_itself: bool,
}

/// What a trace says about each outcome of a packet.
pub(crate) fn traced(rules: &NodeRules<'_>, packet: Packet) -> Vec<Traced> {
    let outcomes = Walker::of(rules).walk(&packet).unwrap();
    let to_itself: Vec<bool> = outcomes
        .iter()
        .map(|outcome| outcome.destination.ip() == packet.source && !outcome.delivered_locally)
        .collect();
    let (source, names) = (RulesSource::default(), Names::default());
    let trace = Trace {
        packet,
        outcomes,
        rules: &source,
        names: &names,
        plan: rules.plan.as_ref(),
        existing: Vec::new(),
    };
    let json = serde_json::to_value(json(&trace)).unwrap();
    let outcome = |(one, to_itself): (&serde_json::Value, bool)| {
        let (result, snat) = match one["result"].as_str().unwrap() {
            "answered-by-kube-proxy" => ("works", true),
            "not-a-service-port" => ("not-served", one["snat"].as_bool().unwrap()),
            result => (result, one["snat"].as_bool().unwrap()),
        };
        Traced { result: result.to_owned(), snat, to_itself }
    };
    json["outcomes"].as_array().unwrap().iter().zip(to_itself).map(outcome).collect()
}

pub(crate) const WANTED: [&str; 4] = ["works", "refused", "times-out", "not-served"];

#[test]
fn expectations_hold_where_a_trace_says_so() {
    let (mut asked, mut held) = (0, BTreeMap::<&str, usize>::new());
    for world in worlds() {
        let nodes: Vec<&Node> = world.cluster.nodes.iter().take(2).collect();
        let mut expected = Vec::new();
        let mut text = "apiVersion: kuberules/v1\nexpectations:\n".to_owned();
        for (node, family) in nodes.iter().flat_map(|node| Family::ALL.map(|family| (*node, family))) {
            let rules = world.rules(node, family);
            for member in members(&world, node, &rules) {
                let outcomes = traced(&rules, member.packet);
                let at = member.at.map(|at| format!("  at: {at}\n")).unwrap_or_default();
                let entry = format!(
                    "- to: {:?}\n{at}  from: {:?}\n  on: [{:?}]\n",
                    member.to, member.from, member.node
                );
                for wanted in WANTED {
                    text.push_str(&format!("{entry}  expect: {wanted}\n"));
                    expected.push((wanted, outcomes.iter().all(|one| one.result == wanted)));
                }
                for (wanted, snat) in [("preserved", false), ("masqueraded", true)] {
                    text.push_str(&format!("{entry}  clientIP: {wanted}\n"));
                    expected
                        .push((wanted, outcomes.iter().all(|one| one.result == "works" && one.snat == snat)));
                }
            }
        }
        if expected.is_empty() {
            continue;
        }
        let verdicts = world.verdicts(&text);
        assert_eq!(verdicts.len(), expected.len());
        for ((holds, told), (wanted, should)) in verdicts.iter().zip(&expected) {
            assert_eq!(holds, should, "{}: {wanted}: {told}", world.name);
            asked += 1;
            *held.entry(wanted).or_default() += usize::from(*should);
        }
    }
    eprintln!("{asked} expectations, {held:?} hold");
    assert!(held.values().all(|count| *count > 0), "{held:?}");
}

#[test]
fn what_is_written_holds_whatever_the_order() {
    let mut entries = 0;
    for world in worlds() {
        let (text, count) = expect::write(&world.ground());
        let (expectations, _) =
            expect::read("written.yaml", &text).unwrap_or_else(|f| panic!("{}: {f:?}\n{text}", world.name));
        assert_eq!(expectations.len(), count);
        entries += count;
        let verdicts = expect::evaluate(&expectations, &world.ground());
        let verdicts = verdicts.unwrap_or_else(|faults| panic!("{}: {faults:?}\n{text}", world.name));
        for verdict in &verdicts {
            assert!(verdict.holds(), "{}: {verdict:?}\n{text}", world.name);
        }
        let mut other = world.snapshot.clone();
        other.services.reverse();
        other.endpoint_slices.reverse();
        other.nodes.reverse();
        let cluster = Cluster::build(&other, &world.settings).unwrap().0;
        let side = Side { cluster: &cluster, settings: &world.settings };
        let reversed = Ground::new(&other, vec![(side, None)], Family::ALL.to_vec());
        // Two Services with one address, or two endpoints with one name, are distinguished by their order.
        if !world.name.starts_with("seed") {
            assert_eq!(expect::write(&reversed).0, text, "{}", world.name);
        }
    }
    eprintln!("{entries} entries");
}

fn run(expectations: &str, output: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("expectations.yaml"), expectations).unwrap();
    let input = testdata().join("shop/before-with-pods.yaml");
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_kuberules"))
        .current_dir(folder.path())
        .args(["test", "expectations.yaml", "--quiet", "--cluster-cidr", "10.244.0.0/16"])
        .args(["--output", output, input.to_str().unwrap()])
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let root = format!("{}/", testdata().display());
    (out.status.code(), text(out.stdout).replace(&root, ""), text(out.stderr).replace(&root, ""))
}

fn entries(entries: &str) -> String {
    format!("apiVersion: kuberules/v1\nexpectations:\n{entries}")
}

/// Each kind twice: first one that holds, then one that fails.
const KINDS: [(&str, &str); 12] = [
    (
        "{to: shop/web, from: [pods, nodes, outside], expect: works}",
        "{to: shop/payments, from: pods, expect: works}",
    ),
    ("{to: shop/payments, from: pods, expect: refused}", "{to: shop/web, from: pods, expect: refused}"),
    (
        "{to: shop/cache, from: pods, on: [worker-3], expect: times-out}",
        "{to: shop/cache, from: pods, expect: times-out}",
    ),
    ("{to: shop/db, from: outside, expect: not-served}", "{to: shop/web, from: outside, expect: not-served}"),
    (
        "{to: shop/cache, from: pods, on: any, expect: works}",
        "{to: shop/payments, from: pods, on: any, expect: works}",
    ),
    ("{to: shop/web, endpoints: {atLeast: 2}}", "{to: shop/web, endpoints: {atLeast: 20}}"),
    ("{to: shop/web, endpoints: {perZone: 1}}", "{to: shop/db, endpoints: {perZone: 1}}"),
    ("{to: shop/db, from: pods, clientIP: preserved}", "{to: shop/db, from: nodes, clientIP: preserved}"),
    (
        "{to: shop/web, from: outside, clientIP: masqueraded}",
        "{to: shop/db, from: pods, clientIP: masqueraded}",
    ),
    (
        "{exposed: {only: [games/arena, games/lobby, ingress-nginx/ingress-nginx-controller, shop/legacy-erp, shop/web]}}",
        "{exposed: {only: [shop/web]}}",
    ),
    (
        "{to: 'node:30999', from: [nodes, pods], expect: not-served}",
        "{to: 'node:30080', from: pods, expect: not-served}",
    ),
    (
        "{to: 10.96.0.10:53/udp, from: pods, expect: works}",
        "{to: 10.96.0.10:54/udp, from: pods, expect: works}",
    ),
];

#[test]
fn every_kind_holds_and_fails() {
    for (holds, fails) in KINDS {
        let (code, out, err) = run(&entries(&format!("- {holds}\n")), "text");
        assert_eq!((code, out.as_str()), (Some(0), "The expectation holds (4 nodes).\n"), "{holds}: {err}");
        let (code, out, err) = run(&entries(&format!("- {fails}\n")), "text");
        assert_eq!(code, Some(1), "{fails}: {out}{err}");
        assert!(out.starts_with("1 of 1 expectation fails (4 nodes).\n\nexpectations.yaml:3: "), "{out}");
    }
}

#[test]
fn failures_are_told_with_their_evidence() {
    let all: String = KINDS.iter().map(|(_, fails)| format!("- {fails}\n")).collect();
    assert_snapshot!(run(&entries(&all), "text").1);
    let (code, junit, _) = run(&entries(&all), "junit");
    assert_eq!(code, Some(1));
    assert_eq!(junit.matches("<failure ").count(), KINDS.len());
    let github = run(&entries(&all), "github").1;
    assert_eq!(github.lines().count(), KINDS.len());
    assert!(github.starts_with("::error file=expectations.yaml,line=3,title="), "{github}");
    let json: serde_json::Value = serde_json::from_str(&run(&entries(&all), "json").1).unwrap();
    assert_eq!((json["schema"].as_str(), json["failed"].as_u64()), (Some("kuberules.test/v1"), Some(12)));
    let witness = &json["results"][0]["failures"][0]["witness"];
    assert_eq!(witness["trace"]["schema"], "kuberules.trace/v1");
    assert!(witness["rule"].as_str().unwrap().contains("has no endpoints"), "{witness}");
    assert!(witness["field"]["place"]["line"].is_u64(), "{witness}");
}

#[test]
fn what_is_not_there_is_an_error_with_its_line() {
    let wrong = [
        (
            "{to: shop/wep, from: pods, expect: works}",
            "there is no Service shop/wep",
            "did you mean shop/web",
        ),
        (
            "{to: shop/web:htp, from: pods, expect: works}",
            "Service shop/web has no port htp",
            "did you mean http?",
        ),
        ("{to: shop/web, from: pod, expect: works}", "from: \"pod\"", "did you mean pods?"),
        (
            "{to: shop/web, from: 'pod:shop/wep-0', expect: works}",
            "there is no Pod shop/wep-0",
            "did you mean shop/web-0",
        ),
        (
            "{to: shop/web, from: 'namespace:shpo', expect: works}",
            "there is no namespace shpo",
            "did you mean shop?",
        ),
        (
            "{to: shop/web, from: pods, on: [worker-9], expect: works}",
            "there is no Node worker-9",
            "did you mean worker-1",
        ),
        (
            "{to: shop/web, from: pods, on: 'x=y', expect: works}",
            "no Node has the labels x=y",
            "nothing can match",
        ),
        ("{to: shop/web, from: pods, expects: works}", "there is no such field", "did you mean expect?"),
        ("{to: shop/web, from: pods, expect: work}", "expect: \"work\"", "did you mean works?"),
        ("{to: shop/web, from: pods, expect: works, clientIP: lost}", "clientIP: \"lost\"", "preserved"),
        (
            "{to: shop/db, at: node-port, from: pods, expect: works}",
            "shop/db has no node port",
            "nothing can match",
        ),
        ("{to: shop/web, expect: works}", "from is missing", ""),
        ("{from: pods, expect: works}", "to is missing", ""),
        ("{to: shop/web, from: pods}", "nothing is expected", ""),
        ("{to: shop/web, endpoints: {atLeast: 0}}", "a number from 1 on", ""),
        ("{to: shop/web, to: shop/db, from: pods, expect: works}", "the key is here twice", ""),
        ("{exposed: {only: [shop/nothing]}}", "there is no Service shop/nothing", ""),
        ("{exposed: {}}", "only is missing", ""),
        (
            "{to: shop/web, from: 'pod:shop/web-0', on: [cp-1], at: cluster-ip, expect: works}",
            "nothing can match",
            "its own node",
        ),
    ];
    for (entry, message, help) in wrong {
        let (code, out, err) = run(&entries(&format!("- {entry}\n")), "text");
        assert_eq!((code, out.as_str()), (Some(2), ""), "{entry}: {err}");
        assert!(
            err.contains("expectations.yaml:3: ") && err.contains(message) && err.contains(help),
            "{entry}: {err}"
        );
    }
    let (code, _, err) = run("apiVersion: v1\nkind: List\n", "text");
    assert!(code == Some(2) && err.contains("expectations.yaml:1: apiVersion: expect kuberules/v1"), "{err}");
    let (code, _, err) = run("apiVersion: kuberules/v1\n", "text");
    assert!(code == Some(2) && err.contains("the file holds no expectations"), "{err}");
}

#[test]
fn a_file_that_is_no_expectations_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let shop = testdata().join("shop/before.yaml").display().to_string();
    std::fs::write(path("cluster.yaml"), "kind: List\n").unwrap();
    let out = kuberules(&["test", "--write", &path("cluster.yaml"), &shop]);
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(path("cluster.yaml")).unwrap(), "kind: List\n");
    let out = kuberules(&["test", "--write", &path("new.yaml"), &shop]);
    assert!(out.status.success() && out.stdout.is_empty());
    let written = std::fs::read_to_string(path("new.yaml")).unwrap();
    let out = kuberules(&["test", "--write", &path("new.yaml"), &shop]);
    assert!(out.status.success());
    assert_eq!(String::from_utf8(kuberules(&["test", "--write", &shop, "--quiet"]).stdout).unwrap(), written);
    let out = kuberules(&["test", &path("new.yaml"), &shop, "--quiet"]);
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "All 12 expectations hold (4 nodes).\n");
}
