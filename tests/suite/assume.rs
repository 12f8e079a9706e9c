//! `--assume`: manifests that were never applied, compared with the cluster that they became.

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

use crate::support::{kuberules, testdata};

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
    Settings::resolve(&configuration, Release::NEWEST, HostFacts::default(), None).unwrap().0
}

/// Rulesets of every node in both families.
fn rulesets(snapshot: &Snapshot, settings: &Settings) -> BTreeMap<String, String> {
    let (cluster, _) = Cluster::build(snapshot, settings).unwrap();
    let mut texts = BTreeMap::new();
    for node in &cluster.nodes {
        for family in Family::ALL {
            let (plan, _) = Plan::new(&cluster, settings, node, family).unwrap();
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

/// Gives the assumed Services the values that the real cluster's allocator and cloud assigned; nothing else.
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

/// A slice without its name and the order of its parts, which the controller chooses freely.
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
        // The API server creates this one itself.
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
        assert_snapshot!(format!("without_the_flag_{name}"), told);
    }
}

const THREE_NODES: [&str; 3] = ["--assume", "--assume-nodes", "3"];

#[test]
fn the_chart_has_its_ruleset() {
    assert_snapshot!("chart_iptables", compile("chart/v1", "node-1", &THREE_NODES));
    let nftables = [&THREE_NODES[..], &["--proxy-mode", "nftables"]].concat();
    assert_snapshot!("chart_nftables", compile("chart/v1", "node-1", &nftables));
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
    assert_snapshot!("chart_bump", changes.concat());
}

#[test]
fn diff_tells_of_the_renamed_port_alone() {
    let versions = [path("chart/v1"), path("chart/v2")];
    let arguments = ["diff", &versions[0], &versions[1], "--quiet", "--node", "node-1"];
    let output = kuberules(&[&arguments[..], &THREE_NODES[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().nth(1), Some(format!("# {}", assume::banner()).as_str()));
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

/// What a subcommand prints about the chart with `--assume`, whatever its exit status; `v1` and `v2` are the two
/// versions.
fn printed(arguments: &[&str]) -> String {
    let arguments = arguments.iter().map(|argument| match *argument {
        "v1" | "v2" => path(&format!("chart/{argument}")),
        other => other.to_owned(),
    });
    let arguments: Vec<String> = arguments.chain(THREE_NODES.map(str::to_owned)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = kuberules(&[&arguments[..], &["--node", "node-1", "--quiet"]].concat());
    assert_ne!(output.status.code(), Some(2), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn captured() -> String {
    path("captures/shop-worker-1.iptables-save-c.txt")
}

#[test]
fn every_text_says_so_first() {
    let capture = captured();
    let trace = ["trace", "v1", "--from", "external", "--to", "node:30445", "--output"];
    let table = ["trace", "v1", "--from", "any", "--to", "node:30445", "--output"];
    let check = ["check", "v1", "--captured", &capture, "--output"];
    let comment = format!("# {}", assume::banner());
    let quote = format!("> {}", assume::banner());
    let diagram = format!("%% {}", assume::banner());
    let notice = format!("::notice title=kuberules --assume::{}", assume::banner());
    let outputs: [(&[&str], &[&str], &str); 11] = [
        (&["compile", "v1", "--proxy-mode", "iptables", "--output"], &["save", "restore"], &comment),
        (&["compile", "v1", "--proxy-mode", "nftables", "--output"], &["list", "script"], &comment),
        (&check, &["text"], &comment),
        (&check, &["github"], &notice),
        (&trace, &["text"], &comment),
        (&trace, &["mermaid"], &diagram),
        (&table, &["text"], &comment),
        (&["explain", "v1", "notes-web", "--output"], &["text"], &comment),
        (&["explain", "v1", "notes-web", "--output"], &["markdown"], &quote),
        (&["explain", "v1", "notes-web", "--output"], &["mermaid"], &diagram),
        (&["lint", "v2", "--output"], &["text"], &comment),
    ];
    for (arguments, formats, first) in outputs {
        for format in formats {
            let text = printed(&[arguments, &[*format]].concat());
            assert_eq!(text.lines().next(), Some(first), "{arguments:?} {format}");
        }
    }
    // What happens comes first there.
    for (format, first) in [("text", &comment), ("markdown", &quote)] {
        let text = printed(&["diff", "v1", "v2", "--output", format]);
        assert!(text.lines().take(3).any(|line| line == first), "{text}");
    }
    assert_eq!(printed(&["lint", "v2", "--output", "github"]).lines().next(), Some(notice.as_str()));
    let page = printed(&["explain", "v1", "notes-web", "--output", "html"]);
    assert_eq!(page.lines().nth(1), Some(format!("<!-- {} -->", assume::banner()).as_str()));
    assert!(page.contains(&format!("<p class=\"note\">{}</p>", assume::banner())));
    let plain = compile("shop/before.yaml", "worker-1", &[]);
    assert!(!plain.contains("--assume"));
}

#[test]
fn json_lists_what_was_assumed() {
    let capture = captured();
    let outputs: [(&[&str], &str); 8] = [
        (&["compile", "v1", "--proxy-mode", "iptables", "--output", "json"], "/assumed"),
        (&["compile", "v1", "--proxy-mode", "nftables", "--output", "json"], "/kuberules/assumed"),
        (&["diff", "v1", "v2", "--output", "json"], "/assumed"),
        (&["check", "v1", "--captured", &capture, "--output", "json"], "/assumed"),
        (&["trace", "v1", "--from", "node", "--to", "node:30445", "--output", "json"], "/assumed"),
        (&["trace", "v1", "--from", "any", "--to", "node:30445", "--output", "json"], "/assumed"),
        (&["lint", "v2", "--output", "json"], "/assumed"),
        (&["lint", "v2", "--output", "sarif"], "/runs/0/properties/assumed"),
    ];
    for (arguments, pointer) in outputs {
        let json: serde_json::Value = serde_json::from_str(&printed(arguments)).unwrap();
        let assumed = json.pointer(pointer).unwrap_or_else(|| panic!("{arguments:?} lists nothing"));
        assert_eq!(assumed["note"], assume::banner());
        let values = assumed["values"].as_array().unwrap();
        let has = |rule: &str| values.iter().any(|value| value["rule"] == rule);
        let rules = ["api-default", "cluster-ip-from-hash", "node-port-from-hash", "slice-from-pods"];
        assert!(rules.into_iter().all(has), "{arguments:?}");
        assert_eq!(values[0]["object"], "Service notes/notes-agent");
        assert_eq!(arguments[0] == "diff", assumed["oldValues"].is_array());
        let note = json.pointer("/runs/0/invocations/0/toolExecutionNotifications/0/message/text");
        assert!(note.is_none_or(|note| note == assume::banner()));
    }
}

#[test]
fn explain_lists_what_was_assumed_of_the_service_and_its_endpoints() {
    let of = |format: &str| printed(&["explain", "v1", "notes-web", "--output", format]);
    let text = of("text");
    let (_, listed) = text.split_once("What was assumed, not read from a cluster\n").unwrap();
    assert_snapshot!("explain_lists", listed);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let markdown = of("markdown");
    let line = "| Service notes/notes-web | spec.clusterIPs\\[0\\]=10.101.11.214 | an address of the service network";
    assert!(markdown.contains(line), "{markdown}");
    let page = of("html");
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let data: serde_json::Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    for mode in [0, 1] {
        let objects = data["entries"][0]["modes"][mode]["assumed"].as_array().unwrap();
        let objects: Vec<&str> = objects.iter().map(|one| one["object"].as_str().unwrap()).collect();
        assert_eq!(
            objects,
            [
                "Service notes/notes-web",
                "Node node-1",
                "Pod notes/notes-web-0",
                "Pod notes/notes-web-1",
                "EndpointSlice notes/notes-web-assumed-ipv4-0"
            ]
        );
    }
    let read = run(&["explain", &path("shop/before.yaml"), "shop/web", "--node", "worker-1", "--quiet"]);
    assert!(!read.contains("assumed"));
}

#[test]
fn a_stream_is_compared_with_a_folder() {
    let stream = std::fs::File::open(testdata().join("chart/v2/notes.yaml")).unwrap();
    let diff = std::process::Command::new(env!("CARGO_BIN_EXE_kuberules"))
        .args(["diff", &path("chart/v1"), "-", "--node", "node-1", "--level", "traffic", "--quiet"])
        .args(THREE_NODES)
        .stdin(stream)
        .output()
        .unwrap();
    let text = String::from_utf8(diff.stdout).unwrap();
    assert_eq!(diff.status.code(), Some(1), "{}", String::from_utf8_lossy(&diff.stderr));
    let arguments = ["diff", "v1", "v2", "--level", "traffic"];
    let folder = printed(&arguments).replace(&path("chart/v2/notes.yaml"), "<stdin>");
    // Where lines break depends on how long the path is.
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&text), words(&folder.replace(&path("chart/v2"), "-")));
}

#[test]
fn every_subcommand_names_the_flag_that_is_missing() {
    let (v1, v2, capture) = (path("chart/v1"), path("chart/v2"), captured());
    let subcommands: [&[&str]; 6] = [
        &["compile", &v1],
        &["diff", &v1, &v2],
        &["check", &v1, "--captured", &capture],
        &["trace", &v1, "--from", "any", "--to", "node:30445"],
        &["explain", &v1, "notes-web"],
        &["lint", &v1],
    ];
    for arguments in subcommands {
        let output = kuberules(&[arguments, &["--node", "node-1"]].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("spec.clusterIP: is missing") && told.contains("--assume"), "{told}");
    }
}

const NEWCOMER: &str = "
apiVersion: v1
kind: Service
metadata: {name: aaa-first, namespace: notes}
spec: {type: NodePort, selector: {app: aaa-first}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: aaa-first, namespace: notes}
spec: {replicas: 3, template: {metadata: {labels: {app: aaa-first}}, spec: {containers: []}}}
";

#[test]
fn what_comes_beside_renumbers_nothing() {
    let newcomer = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(newcomer.path(), NEWCOMER).unwrap();
    let more = newcomer.path().to_str().unwrap();
    for mode in ["iptables", "nftables"] {
        let assumed = |arguments: &[&str]| -> BTreeSet<String> {
            let flags = ["--proxy-mode", mode, "--output", "json"];
            let json: serde_json::Value =
                serde_json::from_str(&printed(&[arguments, &flags].concat())).unwrap();
            let assumed = json.pointer("/assumed").or(json.pointer("/kuberules/assumed")).unwrap();
            assumed["values"].as_array().unwrap().iter().map(ToString::to_string).collect()
        };
        let (old, new) = (assumed(&["compile", "v1"]), assumed(&["compile", "v1", more]));
        assert_eq!(old.difference(&new).count(), 0);
        let added: Vec<&String> = new.difference(&old).collect();
        assert!(
            !added.is_empty() && added.iter().all(|value| value.contains("notes/aaa-first")),
            "{added:?}"
        );
    }
}

#[test]
fn what_an_earlier_state_was_given_stays() {
    let options = |previous: Option<Assumed>| Options {
        // So few addresses that a new claim is sure to collide with an old one.
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
