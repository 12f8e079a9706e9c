//! What `explain` says agrees with `trace`: every Service, address and kind of client, on every node of the shop and in
//! some random clusters, in both modes.

use serde_json::Value;

use crate::support::scope::{part, share};
use crate::support::{in_parallel, kuberules, testdata};

/// A cluster, the configuration of its nodes, one node.
struct Scene {
    cluster: String,
    config: String,
    node: String,
}

impl Scene {
    fn arguments(&self) -> Vec<&str> {
        vec![&self.cluster, "--config", &self.config, "--node", &self.node, "--quiet", "--force"]
    }
}

fn scenes() -> Vec<Scene> {
    let path = |path: &str| testdata().join(path).to_str().unwrap().to_owned();
    let scene = |cluster: &str, folder: &str, node: &str| Scene {
        cluster: path(cluster),
        config: path(&format!("{folder}/kube-proxy.iptables.json")),
        node: node.to_owned(),
    };
    let mut scenes = Vec::new();
    for node in ["cp-1", "worker-1", "worker-2", "worker-3"] {
        scenes.push(scene("shop/before.yaml", "shop/before-worker-1", node));
    }
    for node in ["worker-1", "worker-3"] {
        scenes.push(scene("shop/after.yaml", "shop/before-worker-1", node));
    }
    for number in ["12", "15"] {
        let folder = format!("random/{number}");
        let case = std::fs::read_to_string(testdata().join(&folder).join("case.json")).unwrap();
        let case: Value = serde_json::from_str(&case).unwrap();
        let cluster = format!("{folder}/{}", case["cluster"].as_str().unwrap());
        scenes.push(scene(&cluster, &folder, case["node"].as_str().unwrap()));
    }
    scenes
}

#[test]
fn both_say_the_same() {
    let compared: Vec<usize> = in_parallel(&share("explain_trace", 12, scenes()), compare);
    let total: usize = compared.iter().sum();
    assert!(compared.iter().all(|count| *count > part(20, EVERY)), "{compared:?}");
    assert!(total > part(1000, 12 * EVERY), "{total} cases are too few");
}

/// A quick run asks for one in this many addresses.
const EVERY: usize = 12;

fn compare(scene: &Scene) -> usize {
    let mut asked = Vec::new();
    let page = page_data(scene);
    for entry in page["entries"].as_array().unwrap() {
        for explanation in entry["modes"].as_array().unwrap() {
            for port in explanation["ports"].as_array().unwrap() {
                for (index, address) in port["addresses"].as_array().unwrap().iter().enumerate() {
                    asked.push((explanation, port, (index, address)));
                }
            }
        }
    }
    let asked = share("explain_trace", EVERY, asked).into_iter();
    asked.map(|(explanation, port, address)| compare_address(scene, explanation, port, address)).sum()
}

/// The data of all Services in the page, in both modes.
fn page_data(scene: &Scene) -> Value {
    let answer = kuberules(&[&["explain", "--output", "html"], scene.arguments().as_slice()].concat());
    let page = String::from_utf8(answer.stdout).unwrap();
    let (_, data) = page
        .split_once("id=\"data\">")
        .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&answer.stderr)));
    serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
}

fn compare_address(
    scene: &Scene,
    explanation: &Value,
    port: &Value,
    (index, address): (usize, &Value),
) -> usize {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (to, mode, protocol) = (text(&address["text"]), text(&explanation["mode"]), text(&port["protocol"]));
    let flags = [
        "trace",
        "--from",
        "any",
        "--to",
        &to,
        "--protocol",
        &protocol,
        "--proxy-mode",
        &mode,
        "--output",
        "json",
    ];
    let answer = kuberules(&[&flags, scene.arguments().as_slice()].concat());
    let traced: Value = serde_json::from_slice(&answer.stdout).unwrap_or_else(|_| {
        panic!("{flags:?} {:?}: {}", scene.arguments(), String::from_utf8_lossy(&answer.stderr))
    });
    let mut compared = 0;
    for trace in traced["traces"].as_array().unwrap() {
        let client = client_words(&trace["packet"]);
        let clients = port["clients"].as_array().unwrap();
        let position = clients.iter().position(|known| known["words"] == client);
        let is_it =
            |case: &&Value| case["address"] == index && case["client"].as_u64() == position.map(|p| p as u64);
        let Some(case) = port["cases"].as_array().unwrap().iter().find(is_it) else { continue };
        let place = format!("{} {to} {mode} from {client} on {}", explanation["service"], scene.node);
        assert_eq!(
            happens(&case["outcomes"], "chance"),
            happens(&trace["outcomes"], "probability"),
            "{place}"
        );
        compared += 1;
    }
    compared
}

fn client_words(packet: &Value) -> &'static str {
    match (packet["origin"].as_str().unwrap(), packet["originOnNode"].as_bool().unwrap()) {
        ("pod", true) => "a pod on this node",
        ("pod", false) => "a pod on another node",
        ("node", _) => "the node itself",
        _ => "outside the cluster",
    }
}

/// Verdict, destination, chance and whether the source is rewritten, for outcomes without conditions.
fn happens(outcomes: &Value, chance: &str) -> Vec<(String, String, String, bool)> {
    let mut all: Vec<_> = (outcomes.as_array().unwrap().iter())
        .filter(|outcome| outcome["given"].as_array().is_none_or(Vec::is_empty))
        .map(|outcome| {
            let value = outcome[chance].as_f64().or(outcome[chance]["value"].as_f64()).unwrap();
            let verdict = outcome["verdict"].as_str().unwrap().to_owned();
            let to = outcome["destination"].as_str().unwrap().to_owned();
            (verdict, to, format!("{value:.9}"), outcome["snat"].as_bool().unwrap())
        })
        .collect();
    all.sort();
    all
}
