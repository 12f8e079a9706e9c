//! `--assume`: manifests that were never applied, against the cluster that they became.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kuberules::assume::{self, Assumed, Options};
use kuberules::cluster::Cluster;
use kuberules::input::api::{EndpointSlice, Service};
use kuberules::input::{self, Snapshot};
use kuberules::net::{Cidr, Family};
use kuberules::plan::Plan;
use kuberules::settings::{Configuration, Flags, HostFacts, ProxyMode, Release, Settings};
use kuberules::{iptables, nftables};
use support::{kuberules, testdata};

fn run(arguments: &[&str]) -> String {
    let output = kuberules(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn path(name: &str) -> String {
    testdata().join(name).display().to_string()
}

fn compile(input: &str, node: &str, more: &[&str]) -> String {
    let arguments = ["compile", &path(input), "--quiet", "--node", node];
    run(&[&arguments, more].concat())
}

fn read(name: &str) -> Snapshot {
    let input = input::InputPath::Path(testdata().join(name));
    input::read(&[input], std::io::empty()).unwrap().0
}

fn settings(mode: &str) -> Settings {
    let mut configuration = Configuration::default();
    let flags = Flags {
        proxy_mode: Some(mode.to_owned()),
        cluster_cidr: Some("10.244.0.0/16,fd00:10:244::/56".to_owned()),
        ..Flags::default()
    };
    configuration.override_with(&flags, &Release::NEWEST);
    Settings::resolve(&configuration, Release::NEWEST, HostFacts::default(), None).0
}

/// Rulesets of every node in both families.
fn rulesets(snapshot: &Snapshot, settings: &Settings) -> BTreeMap<String, String> {
    let (cluster, found) = Cluster::build(snapshot, settings);
    assert!(!found.has_errors(), "{found:?}");
    let mut texts = BTreeMap::new();
    for node in &cluster.nodes {
        for family in Family::ALL {
            let (plan, _) = Plan::new(&cluster, settings, node, family);
            let text = match settings.mode {
                ProxyMode::Nftables => nftables::list::print(&nftables::compile(&plan)),
                ProxyMode::Iptables => {
                    let mut text = String::new();
                    iptables::save::print(&iptables::compile(&plan), &mut text);
                    text
                }
            };
            texts.insert(format!("{} {family}", node.name), text);
        }
    }
    texts
}

fn key(service: &Service) -> (String, String) {
    (service.metadata.namespace.to_string(), service.metadata.name.to_string())
}

/// Gives the assumed Services what the real cluster's allocator and cloud gave the same ones; nothing else.
fn map_allocated(assumed: &mut Snapshot, real: &Snapshot) {
    let real: BTreeMap<_, _> =
        real.services.iter().map(|located| (key(&located.object), &located.object)).collect();
    for located in &mut assumed.services {
        let service = &mut located.object;
        let twin = real[&key(service)];
        service.spec.cluster_ip.clone_from(&twin.spec.cluster_ip);
        service.spec.cluster_ips.clone_from(&twin.spec.cluster_ips);
        service.ingress.clone_from(&twin.ingress);
    }
}

/// A slice without its name and the order of its parts, which are the controller's whim.
fn shape(slice: &EndpointSlice) -> String {
    let mut ports: Vec<String> = slice.ports.iter().map(|port| format!("{port:?}")).collect();
    let mut endpoints: Vec<String> = slice.endpoints.iter().map(|endpoint| format!("{endpoint:?}")).collect();
    ports.sort();
    endpoints.sort();
    let metadata = &slice.metadata;
    format!("{} {:?} {} {ports:?} {endpoints:?}", metadata.namespace, metadata.labels, slice.address_type)
}

#[test]
fn the_shop_assumed_is_the_shop_as_it_became() {
    for mode in ["iptables", "nftables"] {
        let settings = settings(mode);
        let mut real = read("shop/before.yaml");
        // The API server makes this one for itself.
        real.services.retain(|service| service.object.metadata.name != "kubernetes");
        let mut assumed = read("shop/manifests");
        let (_, found) = assume::fill(&mut assumed, &Options::default(), &settings);
        assert_eq!(found.iter().count(), 0, "{found:?}");
        map_allocated(&mut assumed, &real);

        let services = |snapshot: &Snapshot| -> BTreeMap<_, _> {
            snapshot.services.iter().map(|s| (key(&s.object), s.object.clone())).collect()
        };
        for (key, service) in services(&real) {
            assert_eq!(services(&assumed).get(&key), Some(&service));
        }
        assert_eq!(assumed.services.len(), real.services.len());
        let slices = |snapshot: &Snapshot| -> BTreeSet<_> {
            snapshot.endpoint_slices.iter().map(|slice| shape(&slice.object)).collect()
        };
        assert_eq!(slices(&assumed), slices(&real));
        assert_eq!(rulesets(&assumed, &settings), rulesets(&real, &settings), "{mode}");
    }
}

#[test]
fn a_cluster_info_dump_is_the_cluster_as_far_as_it_tells() {
    let dump = testdata().join("shop/cluster-info-dump");
    let streamed = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(streamed.path(), as_one_stream(&dump)).unwrap();
    let real = compile("shop/before.yaml", "worker-1", &[]);
    for input in [&dump, streamed.path()].map(|input| input.to_str().unwrap()) {
        let assumed = compile(input, "worker-1", &["--assume"]);
        let rules = |text: &str| -> Vec<String> {
            // Endpoints without a selector are not in a dump.
            let of_it = |line: &str| line.contains("shop/legacy-erp") || line.contains("2JRX7CQEO3DWSBJ6");
            let told = |line: &&str| line.starts_with("-A") && !of_it(line);
            text.lines().filter(told).map(str::to_owned).collect()
        };
        assert_eq!(rules(&assumed), rules(&real), "{input}");
    }
}

/// What `kubectl cluster-info dump` prints without `--output-directory`.
fn as_one_stream(dump: &Path) -> String {
    let mut files = vec![dump.join("nodes.json")];
    let mut folders: Vec<_> = std::fs::read_dir(dump).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    for folder in folders {
        files.extend(
            ["services", "daemonsets", "deployments", "replicasets", "pods"]
                .map(|kind| folder.join(format!("{kind}.json"))),
        );
    }
    let mut all = String::new();
    for file in files {
        all += &std::fs::read_to_string(file).unwrap();
    }
    all + "==== START logs for container c of pod shop/web-0 ====\n{ not: json\n==== END logs for container c of pod shop/web-0 ====\n"
}

#[test]
fn without_the_flag_it_is_said_what_is_missing() {
    for (name, input) in [("chart", "chart/v1"), ("dump", "shop/cluster-info-dump")] {
        let output = kuberules(&["compile", &path(input), "--node", "worker-1"]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        let told =
            String::from_utf8(output.stderr).unwrap().replace(&format!("{}/", testdata().display()), "");
        insta::assert_snapshot!(format!("without_the_flag_{name}"), told);
    }
}

const THREE_NODES: [&str; 3] = ["--assume", "--assume-nodes", "3"];

#[test]
fn the_chart_has_its_ruleset() {
    insta::assert_snapshot!("chart_iptables", compile("chart/v1", "node-1", &THREE_NODES));
    let nftables = [&THREE_NODES[..], &["--proxy-mode", "nftables"]].concat();
    insta::assert_snapshot!("chart_nftables", compile("chart/v1", "node-1", &nftables));
}

#[test]
fn a_renamed_port_is_all_that_the_next_version_changes() {
    let rules = |version: &str| {
        let text = compile(&format!("chart/{version}"), "node-1", &THREE_NODES);
        text.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect::<Vec<_>>()
    };
    let (old, new) = (rules("v1"), rules("v2"));
    let gone = old.iter().filter(|rule| !new.contains(rule)).map(|rule| format!("- {rule}\n"));
    let come = new.iter().filter(|rule| !old.contains(rule)).map(|rule| format!("+ {rule}\n"));
    let changes: Vec<String> = gone.chain(come).collect();
    assert!(
        changes
            .iter()
            .all(|change| change.contains("notes/notes-web:http") || change.contains("TKOH6QK3BOZTUI6H")),
        "{changes:#?}"
    );
    insta::assert_snapshot!("chart_bump", changes.concat());
}

#[test]
fn diff_tells_of_the_renamed_port_alone() {
    let versions = [path("chart/v1"), path("chart/v2")];
    let arguments = ["diff", &versions[0], &versions[1], "--quiet", "--node", "node-1"];
    let output = kuberules(&[&arguments[..], &THREE_NODES[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().next(), Some(format!("# {}", assume::banner()).as_str()));
    assert!(text.contains("notes/notes-web") && !text.contains("notes/notes-db"), "{text}");
}

#[test]
fn lint_finds_the_port_that_the_next_version_forgot() {
    let lint = |version: &str, output: &str| {
        let output = kuberules(&[&["lint", &path(version), "--output", output], &THREE_NODES[..]].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = lint("chart/v2", "text");
    assert_eq!(text.lines().next(), Some(format!("# {}", assume::banner()).as_str()));
    assert!(text.contains("error[KR004] Service notes/notes-web"), "{text}");
    assert!(!lint("chart/v1", "text").contains("KR004"));
    let json: serde_json::Value = serde_json::from_str(&lint("chart/v2", "json")).unwrap();
    assert_eq!(json["assumed"]["note"], assume::banner());
    let finding =
        json["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "KR004").unwrap();
    assert_eq!(
        finding["message"],
        "port http (TCP) is in none of its EndpointSlices, which have metrics (TCP): every connection to it is refused"
    );
}

#[test]
fn jobs_and_the_tests_of_a_chart_have_no_endpoints() {
    let mut snapshot = read("chart/v1");
    assume::fill(&mut snapshot, &Options { nodes: Some(3), ..Options::default() }, &settings("iptables"));
    let slices = snapshot.endpoint_slices.iter().map(|slice| &slice.object);
    let pods = slices
        .filter(|slice| slice.metadata.name.starts_with("notes-web"))
        .flat_map(|slice| &slice.endpoints);
    let pods: Vec<&str> = pods.map(|endpoint| endpoint.target_ref.as_ref().unwrap().name.as_str()).collect();
    assert_eq!(pods, ["notes-web-0", "notes-web-1"]);
}

#[test]
fn every_output_says_so_first() {
    let banner = format!("# {}", assume::banner());
    let outputs =
        [("iptables", "save"), ("iptables", "restore"), ("nftables", "list"), ("nftables", "script")];
    for (mode, output) in outputs {
        let text = compile("chart/v1", "node-1", &["--assume", "--proxy-mode", mode, "--output", output]);
        assert_eq!(text.lines().next(), Some(banner.as_str()), "{output}");
    }
    for (mode, pointer) in [("iptables", "/assumed"), ("nftables", "/kuberules/assumed")] {
        let text = compile("chart/v1", "node-1", &["--assume", "--proxy-mode", mode, "--output", "json"]);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let assumed = json.pointer(pointer).unwrap();
        assert_eq!(assumed["note"], assume::banner());
        assert_eq!(assumed["values"][0]["object"], "Service notes/notes-agent");
    }
    let plain = compile("shop/before.yaml", "worker-1", &[]);
    assert!(!plain.contains("--assume"));
}

#[test]
fn what_an_earlier_state_was_given_stays() {
    let options = |previous: Option<Assumed>| Options {
        // So few addresses that a new claim is sure to meet an old one.
        service_cidrs: vec![Cidr::parse_lenient("10.0.0.0/28").unwrap()],
        nodes: Some(1),
        previous,
    };
    let mut old = read("chart/v1");
    let (assumed, _) = assume::fill(&mut old, &options(None), &settings("iptables"));
    for extra in 0..8 {
        let mut new = read("chart/v1");
        let mut service = new.services[0].clone();
        service.object.metadata.name = format!("extra-{extra}").into();
        new.services.push(service);
        assume::fill(&mut new, &options(Some(assumed.clone())), &settings("iptables"));
        new.services.pop();
        let ips = |snapshot: &Snapshot| -> Vec<_> {
            snapshot.services.iter().map(|service| service.object.spec.cluster_ips.clone()).collect()
        };
        assert_eq!(ips(&old), ips(&new));
    }
}
