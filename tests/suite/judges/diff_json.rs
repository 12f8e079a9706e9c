//! JSON of `diff --all-nodes` has each part once, with the nodes on which it holds: what it says of a node is what
//! `diff --node` says of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::generate::{self, Generated};
use crate::support::in_parallel;
use crate::support::kuberules;
use crate::support::random::Random;

fn run(folder: &Path, generated: &Generated, more: &[&str]) -> Option<Value> {
    let file = |name: &str| folder.join(name).display().to_string();
    let (old, new, config) = (file("old.json"), file("new.json"), file("config.json"));
    let release = generated.release.to_string();
    let mut arguments = vec!["diff", "-q", "--force", &old, &new, "--config", &config, "--output", "json"];
    arguments.extend(["--kube-version", &release, "--feature-gates", "NFTablesProxyMode=true"]);
    arguments.extend(more);
    let result = kuberules(&arguments);
    let told = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.code() != Some(101), "{told}");
    matches!(result.status.code(), Some(0 | 1)).then(|| serde_json::from_slice(&result.stdout).unwrap())
}

/// Some Services are gone, others have another port or policy, some endpoints are gone or elsewhere.
fn changed(cluster: &Value, random: &mut Random) -> Value {
    let mut cluster = cluster.clone();
    let items = cluster["items"].as_array_mut().unwrap();
    items.retain(|item| item["kind"] != "Service" || !random.one_in(10));
    for item in items {
        match item["kind"].as_str() {
            Some("Service") if random.one_in(4) => {
                item["spec"]["internalTrafficPolicy"] = json!(random.pick(&["Local", "Cluster"]));
            }
            Some("Service") if random.one_in(4) => {
                if let Some(port) = item["spec"]["ports"].get_mut(0).and_then(|port| port.get_mut("port")) {
                    *port = json!(7000 + random.below(9));
                }
            }
            Some("EndpointSlice") if random.one_in(2) => {
                if let Some(endpoints) = item["endpoints"].as_array_mut() {
                    endpoints.retain(|_| !random.one_in(3));
                }
            }
            _ => {}
        }
    }
    cluster
}

/// The parts that a document has for a node, without the numbers of sets.
fn of_node(diff: &Value, node: &str) -> Value {
    let has = |part: &Value| {
        let set = &diff["nodeSets"][part["nodeSet"].as_u64().unwrap() as usize];
        let names = |list: &str| set[list].as_array().map(|names| names.iter().any(|name| name == node));
        assert!(names("only").is_some() != names("allBut").is_some(), "{set}");
        names("only").unwrap_or_else(|| !names("allBut").unwrap())
    };
    let parts = |list: &Value| -> BTreeSet<String> {
        let of_node = list.as_array().unwrap().iter().filter(|part| has(part));
        let plain = of_node.map(|part| {
            let mut part = part.clone();
            part.as_object_mut().unwrap().remove("nodeSet");
            part.to_string()
        });
        plain.collect()
    };
    let none = json!([]);
    let groups: Vec<Value> =
        diff["rules"]["groups"].as_array().map(Vec::as_slice).unwrap_or_default().to_vec();
    let groups: Vec<Value> = groups
        .iter()
        .map(|group| {
            json!([group["service"], group["family"], parts(&group["changes"]), parts(&group["places"])])
        })
        .filter(|group| group[2] != none || group[3] != none)
        .collect();
    let traffic = |list: &str| diff["traffic"].get(list).map(parts);
    json!([diff["rules"].is_object(), groups, traffic("flows"), traffic("unknown").unwrap_or_default()])
}

/// How many nodes were compared, and on how many of them something differs.
fn judge(seed: u64) -> (usize, usize) {
    let generated = generate::cluster(seed);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| fs::write(folder.path().join(name), value.to_string()).unwrap();
    write("old.json", &generated.cluster);
    write("new.json", &changed(&generated.cluster, &mut Random::new(seed ^ 0xd1ff)));
    write("config.json", &generated.configuration);
    let Some(all) = run(folder.path(), &generated, &["--all-nodes"]) else { return (0, 0) };
    assert_eq!(Some(&all), run(folder.path(), &generated, &["--all-nodes"]).as_ref(), "seed {seed}");
    let (mut compared, mut differing) = (0, 0);
    for name in all["nodeNames"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        let one = run(folder.path(), &generated, &["--node", name]).unwrap();
        let (found, expected) = (of_node(&all, name), of_node(&one, name));
        assert_eq!(found, expected, "seed {seed}, node {name}");
        compared += 1;
        differing += usize::from(found[1] != json!([]) || found[2] != json!([]));
    }
    (compared, differing)
}

#[test]
fn json_of_all_nodes_says_of_each_what_it_says_of_one() {
    let seeds: Vec<u64> = (0..24).collect();
    let found = in_parallel(&seeds, |seed| judge(*seed));
    let (compared, differing) = found.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(compared > 30 && differing > 15 && differing < compared, "{compared}, {differing}");
}

/// Nodes with a Pod of each of some Services on six of them, as many times more nodes as are asked for.
fn cluster(nodes: usize, port: u16) -> String {
    let mut text = String::new();
    for i in 0..nodes {
        writeln!(
            text,
            "---\n{{apiVersion: v1, kind: Node, metadata: {{name: n{i}}}, spec: {{podCIDRs: [10.244.{i}.0/24]}}, \
             status: {{addresses: [{{type: InternalIP, address: 192.168.0.{i}}}]}}}}"
        )
        .unwrap();
    }
    for i in 0..5 {
        let endpoints: Vec<String> =
            (0..6).map(|e| format!("{{addresses: [10.244.{e}.{}], nodeName: n{e}}}", i + 9)).collect();
        writeln!(
            text,
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: s{i}, namespace: ns}}, spec: {{clusterIP: 10.96.0.{i}, \
             clusterIPs: [10.96.0.{i}], internalTrafficPolicy: Local, ports: [{{port: 80}}]}}}}\n\
             ---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{{name: '', port: {port}}}], \
             metadata: {{name: s{i}-x, namespace: ns, labels: {{kubernetes.io/service-name: s{i}}}}}, \
             endpoints: [{}]}}",
            endpoints.join(", ")
        )
        .unwrap();
    }
    text
}

/// Each of six nodes has a flow for each Service that no other has. Once, all that they have in common was repeated
/// for each kind of nodes.
#[test]
fn json_grows_with_what_differs_and_not_with_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let size = |nodes: usize| {
        let file = |name: &str| folder.path().join(name).display().to_string();
        let (old, new) = (file("old.yaml"), file("new.yaml"));
        fs::write(&old, cluster(nodes, 8080)).unwrap();
        fs::write(&new, cluster(nodes, 8081)).unwrap();
        let result = kuberules(&["diff", "-q", &old, &new, "--all-nodes", "--output", "json"]);
        let diff: Value = serde_json::from_slice(&result.stdout).unwrap();
        let flows = diff["traffic"]["flows"].as_array().unwrap();
        assert!(flows.len() >= 5 * 6 && flows.len() < 5 * 6 * 4, "{}", flows.len());
        let groups = diff["rules"]["groups"].as_array().unwrap();
        let places: usize = groups.iter().map(|group| group["places"].as_array().unwrap().len()).sum();
        // Per Service: 12 chains of endpoints, one of all, and one of the local endpoint on each node.
        assert!(places <= 5 * (12 + 1 + 6 + 2), "{places}");
        result.stdout.len()
    };
    let (few, many) = (size(20), size(200));
    assert!(many < few + few / 4, "{few} bytes of 20 nodes, {many} of 200");
}
