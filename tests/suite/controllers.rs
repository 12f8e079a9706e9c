//! `--assume` behaves like the real API server and its controllers: `testdata/controllers`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use kuberules::assume::{self, Assumed, Options};
use kuberules::cluster::Cluster;
use kuberules::input::api::ServiceSpec;
use kuberules::input::{self, InputPath, Snapshot};
use kuberules::iptables;
use kuberules::net::{Cidr, Family};
use kuberules::plan::Plan;
use kuberules::settings::{Configuration, Flags, HostFacts, Release, Settings};

use crate::support::{kuberules, testdata};

/// Cases that depend on states of Pods that no manifest shows.
const UNKNOWABLE: [&str; 7] = ["07", "14", "31", "32", "33", "50", "51"];

fn folder() -> PathBuf {
    testdata().join("controllers")
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join("assume")).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    assert_eq!(cases.len(), 36);
    cases
}

fn number(case: &Path) -> &str {
    case.file_name().unwrap().to_str().unwrap().split('-').next().unwrap()
}

fn read(paths: &[PathBuf]) -> Snapshot {
    let paths: Vec<InputPath> = paths.iter().cloned().map(InputPath::Path).collect();
    input::read(&paths, std::io::empty()).unwrap().0
}

fn settings() -> Settings {
    let mut configuration = Configuration::default();
    let flags = Flags {
        proxy_mode: Some("iptables".to_owned()),
        cluster_cidr: Some("10.244.0.0/16,fd00:10:244::/56".to_owned()),
        ..Flags::default()
    };
    let release: Release = "1.36".parse().unwrap();
    configuration.override_with(&flags, &release);
    Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0
}

fn options() -> Options {
    let networks = ["10.96.0.0/16", "fd00:10:96::/112"];
    Options {
        service_cidrs: networks.iter().map(|network| Cidr::parse_lenient(network).unwrap()).collect(),
        ..Options::default()
    }
}

fn assumed(paths: &[PathBuf]) -> Snapshot {
    let mut snapshot = read(paths);
    let (_, found) = assume::fill(&mut snapshot, &options(), &settings());
    assert!(!found.has_errors(), "{paths:?}: {found:?}");
    snapshot
}

/// The rules of all nodes, by node and family.
fn rules(snapshot: &Snapshot) -> BTreeMap<(String, Family), String> {
    let settings = settings();
    let (cluster, _) = Cluster::build(snapshot, &settings).unwrap();
    let mut texts = BTreeMap::new();
    for node in &cluster.nodes {
        for family in Family::ALL {
            let mut text = String::new();
            let (plan, _) = Plan::new(&cluster, &settings, node, family).unwrap();
            iptables::save::print(&iptables::compile(&plan), &mut text);
            texts.insert((node.name.to_string(), family), text);
        }
    }
    texts
}

#[test]
fn slices_from_real_pods_give_the_same_bytes() {
    for case in cases().into_iter().filter(|case| case.join("pods.yaml").exists()) {
        let ours = rules(&assumed(&[case.join("without-slices.yaml"), case.join("pods.yaml")]));
        assert!(ours == rules(&read(&[case.join("cluster.yaml")])), "{}", case.display());
    }
}

#[test]
fn manifests_give_the_same_rules_for_each_service_port() {
    for case in cases().into_iter().filter(|case| !UNKNOWABLE.contains(&number(case))) {
        let manifest = std::fs::read_to_string(case.join("manifests/app.yaml")).unwrap();
        let given: BTreeSet<&str> = manifest
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("- ").split_once(':'))
            .filter(|(key, _)| key.ends_with("odePort"))
            .map(|(_, value)| value.trim())
            .collect();
        let ours =
            by_service_port(&rules(&assumed(&[case.join("manifests"), case.join("nodes.yaml")])), &given);
        let real = by_service_port(&rules(&read(&[case.join("cluster.yaml")])), &given);
        let ports: BTreeSet<_> = ours.keys().chain(real.keys()).collect();
        let differing: Vec<_> = ports.into_iter().filter(|port| ours.get(port) != real.get(port)).collect();
        assert!(differing.is_empty(), "{}: {differing:?}", case.display());
    }
}

type Counted = BTreeMap<String, usize>;

/// The rules of each Service port in each family, counted over all nodes, without allocated values.
fn by_service_port(
    files: &BTreeMap<(String, Family), String>,
    given: &BTreeSet<&str>,
) -> BTreeMap<(String, Family), Counted> {
    let mut found: BTreeMap<(String, Family), Counted> = BTreeMap::new();
    for ((_, family), text) in files {
        for line in text.lines().filter(|line| line.starts_with("-A")) {
            if let Some(port) = service_port(line) {
                let counted = found.entry((port, *family)).or_default();
                *counted.entry(without_allocated(line, given)).or_default() += 1;
            }
        }
    }
    found
}

/// The Service port that a comment names.
fn service_port(line: &str) -> Option<String> {
    let (_, comment) = line.split_once("--comment ")?;
    let comment = match comment.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => comment.split(' ').next()?,
    };
    comment.split(' ').find(|word| word.contains('/')).map(str::to_owned)
}

fn without_allocated(line: &str, given: &BTreeSet<&str>) -> String {
    let mut words = line.split(' ');
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--probability" => {
                words.next();
            }
            "--dport" => {
                let port = words.next().unwrap();
                let allocated = port.len() == 5 && port.starts_with('3') && !given.contains(port);
                kept.push(if allocated {
                    "--dport <node port>".to_owned()
                } else {
                    format!("--dport {port}")
                });
            }
            _ => kept.push(role(word)),
        }
    }
    // The rule of the last endpoint has no probability.
    kept.join(" ").replace("-m statistic --mode random ", "")
}

/// Replaces a word by what it is.
fn role(word: &str) -> String {
    for prefix in ["KUBE-SEP-", "KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-"] {
        if word.starts_with(prefix) {
            return prefix.to_owned();
        }
    }
    let (address, port) = match word.rsplit_once(':') {
        Some((address, port)) if address.starts_with('[') || !address.contains(':') => (address, port),
        _ => (word, ""),
    };
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.strip_suffix("/32").or(bare.strip_suffix("/128")).unwrap_or(bare);
    match bare.parse::<IpAddr>() {
        Ok(ip) => format!("{}:{port}", kind(ip)),
        Err(_) => word.to_owned(),
    }
}

fn kind(ip: IpAddr) -> String {
    let is_in = |network: &str| Cidr::parse_lenient(network).unwrap().contains(ip);
    // Addresses that manifests give themselves.
    let written = is_in("10.96.200.0/24") || ip.to_string().starts_with("fd00:10:96::c");
    if is_in("10.244.0.0/16") || is_in("fd00:10:244::/56") {
        "<pod>".to_owned()
    } else if !written && (is_in("10.96.0.0/16") || is_in("fd00:10:96::/112")) {
        "<cluster IP>".to_owned()
    } else if is_in("192.168.0.0/27") || is_in("fd00:192:168::/123") {
        "<node>".to_owned()
    } else {
        ip.to_string()
    }
}

/// One entry of `updates.yaml`.
struct Update {
    name: String,
    before: String,
    after: String,
    stored_before: String,
    stored_after: Option<String>,
    message: Option<String>,
}

/// The file is a list of flat maps whose values are texts or Service specs.
fn updates() -> Vec<Update> {
    let text = std::fs::read_to_string(folder().join("updates.yaml")).unwrap();
    let entries = format!("\n{text}");
    let entries = entries.split("\n- ").skip(1);
    entries.map(|entry| update(&format!("  {entry}\n"))).collect()
}

fn update(entry: &str) -> Update {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut current = String::new();
    for line in entry.lines() {
        match line.strip_prefix("  ") {
            Some(field) if !field.starts_with([' ', '-']) => {
                let (key, value) = field.split_once(':').unwrap();
                current = key.to_owned();
                fields.insert(current.clone(), value.trim().trim_matches('\'').to_owned());
            }
            _ => {
                let field = fields.get_mut(&current).unwrap();
                *field += "\n";
                *field += line;
            }
        }
    }
    let mut take = |key: &str| fields.remove(key);
    Update {
        name: take("name").unwrap(),
        before: take("before").unwrap(),
        after: take("after").unwrap(),
        stored_before: take("before-as-stored").unwrap(),
        stored_after: take("after-as-stored"),
        message: take("message"),
    }
}

fn service(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: shop, namespace: shop}}\nspec:{spec}\n")
}

fn fill(spec: &str, previous: Option<Assumed>) -> (ServiceSpec, Assumed) {
    let mut snapshot = input::read_text("shop.yaml", service(spec)).unwrap().0;
    let options = Options { previous, ..options() };
    let (assumed, found) = assume::fill(&mut snapshot, &options, &settings());
    assert!(!found.has_errors(), "{found:?}");
    (snapshot.services.remove(0).object.spec, assumed)
}

/// Without what the input cannot know: numbers that the API server newly assigned.
fn without_new(mut spec: ServiceSpec, before: &ServiceSpec) -> ServiceSpec {
    for (i, ip) in spec.cluster_ips.iter_mut().enumerate() {
        if before.cluster_ips.get(i) != Some(ip) {
            *ip = "<new>".into();
        }
    }
    for (i, port) in spec.ports.iter_mut().enumerate() {
        let was = before.ports.get(i).map(|port| port.node_port);
        if port.node_port != 0 && was != Some(port.node_port) && !(30_990..=30_999).contains(&port.node_port)
        {
            port.node_port = -1;
        }
    }
    if spec.health_check_node_port != 0 && spec.health_check_node_port != before.health_check_node_port {
        spec.health_check_node_port = -1;
    }
    if spec.type_ != "LoadBalancer" {
        spec.allocate_load_balancer_node_ports = None;
    }
    spec
}

#[test]
fn what_is_applied_again_keeps_what_the_api_server_keeps() {
    let updates = updates();
    assert!(updates.len() > 20);
    for update in updates {
        let (before, assumed) = fill(&update.stored_before, None);
        let (after, assumed) = fill(&update.after, Some(assumed));
        let refusals: Vec<&str> = assumed.refusals().iter().map(|refusal| refusal.message.as_str()).collect();
        match (&update.stored_after, &update.message) {
            (Some(stored), None) => {
                assert_eq!(refusals, [""; 0], "{}", update.name);
                let (stored, _) = fill(stored, None);
                assert_eq!(without_new(after, &before), without_new(stored, &before), "{}", update.name);
            }
            (None, Some(message)) => {
                assert!(message.ends_with(refusals[0]), "{}: {message}: {refusals:?}", update.name);
                assert_eq!(after, before, "{}", update.name);
            }
            _ => panic!("{}: neither taken nor refused", update.name),
        }
    }
}

#[test]
fn the_same_holds_where_the_old_side_is_manifests_too() {
    for update in updates().into_iter().filter(|update| update.stored_after.is_some()) {
        let (before, assumed) = fill(&update.before, None);
        let (after, assumed) = fill(&update.after, Some(assumed));
        assert!(assumed.refusals().is_empty(), "{}", update.name);
        if after.type_ != "ExternalName" {
            assert_eq!(after.cluster_ip, before.cluster_ip, "{}", update.name);
        }
    }
}

#[test]
fn diff_tells_that_an_apply_fails() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, spec: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, service(spec)).unwrap();
        path.display().to_string()
    };
    let spec = |ip: &str| format!(" {{clusterIP: {ip}, ports: [{{port: 80}}]}}");
    let (old, new) = (write("old.yaml", &spec("10.96.0.9")), write("new.yaml", &spec("10.96.0.8")));
    let told = |format: &str| {
        let output = kuberules(&["diff", &old, &new, "--assume", "--all-nodes", "--output", format]);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let message = "spec.clusterIPs[0]: Invalid value: [\"10.96.0.8\"]: may not change once set";
    let line = format!("# this apply fails: Service shop/shop: {message}; it stays as it was");
    assert_eq!(told("text").lines().nth(2), Some(line.as_str()));
    assert!(told("markdown").contains("> this apply fails: Service shop/shop: "));
    let json: serde_json::Value = serde_json::from_str(&told("json")).unwrap();
    assert_eq!(json["assumed"]["applyFails"][0]["message"], message);
}
