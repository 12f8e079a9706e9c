//! The page plays what `trace --end-to-end` says: every client, node, address and mode of the example and of the shop.
//! For the example, the steps are read from the page in a browser.

use serde_json::Value;

use crate::support::browser::{self, Browser};
use crate::support::scope::{part, share, share_by_hand};
use crate::support::{in_parallel, kuberules, testdata};

/// A cluster as arguments, without `--node`.
struct Cluster {
    arguments: Vec<String>,
    node: &'static str,
    _folder: tempfile::TempDir,
}

impl Cluster {
    fn example() -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("example.yaml");
        std::fs::write(&path, kuberules::explain::example::TEXT).unwrap();
        Cluster { arguments: vec![path.to_str().unwrap().to_owned()], node: "node-1", _folder: folder }
    }

    fn shop() -> Cluster {
        let path = |path: &str| testdata().join(path).to_str().unwrap().to_owned();
        let config = path("shop/before-worker-1/kube-proxy.iptables.json");
        let arguments = vec![path("shop/before.yaml"), "--config".to_owned(), config];
        Cluster { arguments, node: "worker-1", _folder: tempfile::tempdir().unwrap() }
    }

    fn run(&self, more: &[&str]) -> Vec<u8> {
        let own = self.arguments.iter().map(String::as_str);
        let arguments: Vec<&str> = more.iter().copied().chain(own).chain(["--quiet"]).collect();
        let answer = kuberules(&arguments);
        assert!(answer.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&answer.stderr));
        answer.stdout
    }

    fn page(&self) -> String {
        String::from_utf8(self.run(&["explain", "--output", "html", "--node", self.node])).unwrap()
    }

    /// The journey of a case, as the command line reports it.
    fn journey(&self, stage: &Value, case: &Value) -> Value {
        let played = &stage["journeys"][index(&case["journey"])];
        let from = if case["client"] == "node" { "node" } else { text(&played["source"]) };
        let node = text(&stage["nodes"][index(&case["node"])]["name"]);
        let to = text(&stage["addresses"][index(&case["address"])]["text"]);
        let (mode, protocol) = (text(&case["mode"]), text(&stage["protocol"]));
        let flags = ["trace", "--end-to-end", "--output", "json", "--from", from, "--to", to, "--node", node];
        let more = ["--proxy-mode", mode, "--protocol", protocol];
        serde_json::from_slice(&self.run(&[flags.as_slice(), &more].concat())).unwrap()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn index(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The data of a page, with texts and steps in place of their indices, as its script reads it.
fn data(page: &str) -> Value {
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let mut data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    for stage in data["stages"].as_array_mut().unwrap() {
        let text = |number: &Value| stage["texts"][index(number)].clone();
        let step = |step: &Value| {
            let mut full = serde_json::json!({ "row": step[0], "hook": text(&step[1]) });
            if let Some(packet) = step[2].as_array() {
                full["packet"] = packet.iter().map(text).collect();
            }
            full
        };
        let steps: Vec<Value> = list(&stage["steps"]).iter().map(step).collect();
        stage["journeys"] = full(&stage["journeys"], "", &text, &steps);
    }
    data
}

fn full(value: &Value, key: &str, text: &impl Fn(&Value) -> Value, steps: &[Value]) -> Value {
    match value {
        Value::Number(_) => text(value),
        Value::Array(all) if key == "steps" => all.iter().map(|one| steps[index(one)].clone()).collect(),
        Value::Array(all) => all.iter().map(|one| full(one, "", text, steps)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), full(value, key, text, steps))).collect()
        }
        other => other.clone(),
    }
}

/// The cases that the input has an answer for, without what-if.
fn cases(data: &Value) -> Vec<(&Value, &Value)> {
    let of_stage = |stage: &'_ Value| -> Vec<usize> {
        let given = |case: &Value| stage["policies"][index(&case["policy"])]["given"] == true;
        (0..list(&stage["cases"]).len()).filter(|i| given(&stage["cases"][*i])).collect()
    };
    let stages = list(&data["stages"]).iter();
    stages.flat_map(|stage| of_stage(stage).into_iter().map(move |i| (stage, &stage["cases"][i]))).collect()
}

#[test]
fn the_page_plays_what_a_trace_says() {
    for (cluster, every, least) in
        [(Cluster::example(), (3, 1), part(60, 3)), (Cluster::shop(), (48, 16), 20)]
    {
        let data = data(&cluster.page());
        let (quick, full) = every;
        let cases = share_by_hand("explain_journey", quick, full, cases(&data));
        assert!(cases.len() >= least, "{} cases", cases.len());
        in_parallel(&cases, |(stage, case)| {
            let journey = cluster.journey(stage, case);
            let played = &stage["journeys"][index(&case["journey"])];
            assert_eq!(ways_played(stage, played), ways_told(&journey), "{} {case}", stage["service"]);
        });
    }
}

/// A line for each thing that happens, of each way.
fn ways_played(stage: &Value, played: &Value) -> Vec<Vec<String>> {
    let pair = |packet: &Value| format!("{} > {}", text(&packet[0]), text(&packet[1]));
    let way = |way: &Value| {
        let mut lines =
            vec![format!("{} {} {}", text(&way["result"]), text(&way["chance"]), text(&way["server"]))];
        for hop in list(&way["there"]) {
            let mut packet = pair(&hop["packet"]);
            lines.push(format!("{} {packet}", text(&hop["node"])));
            for step in list(&hop["steps"]) {
                let row = &stage["rows"][index(&step["row"])];
                if !step["packet"].is_null() {
                    packet = pair(&step["packet"]);
                }
                lines.push(format!(
                    "{} {} {} {packet}",
                    text(&step["hook"]),
                    text(&row["chain"]),
                    text(&row["text"])
                ));
            }
        }
        for hop in list(&way["back"]) {
            let leaves = if hop["translated"].is_null() { &hop["packet"] } else { &hop["translated"] };
            lines.push(format!("back {} {} {}", text(&hop["node"]), pair(&hop["packet"]), pair(leaves)));
        }
        lines.push(format!("answer from {}", way["clientSees"]));
        lines
    };
    list(&played["ways"]).iter().map(way).collect()
}

fn ways_told(journey: &Value) -> Vec<Vec<String>> {
    let pair = |packet: &Value| format!("{} > {}", text(&packet["source"]), text(&packet["destination"]));
    let some = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let way = |outcome: &Value| {
        let chance = text(&outcome["fraction"]).trim_end_matches("/1").to_owned();
        let server = some(&outcome["server"]["address"]);
        let mut lines = vec![format!("{} {chance} {server}", text(&outcome["result"]))];
        for hop in list(&outcome["there"]) {
            lines.push(format!("{} {}", text(&hop["node"]), pair(&hop["arrives"])));
            for step in list(&hop["steps"]) {
                let element = step["element"].as_str().map(|element| format!("\nelement {element}"));
                let rule = some(&step["rule"]) + &element.unwrap_or_default();
                lines.push(format!("{} {} {rule} {}", text(&step["hook"]), some(&step["chain"]), pair(step)));
            }
        }
        for hop in list(&outcome["back"]) {
            let (arrives, leaves) = (pair(&hop["arrives"]), pair(&hop["leaves"]));
            lines.push(format!("back {} {arrives} {leaves}", text(&hop["node"])));
        }
        lines.push(format!("answer from {}", outcome["clientSees"]));
        lines
    };
    let first = list(&journey["outcomes"]).iter().filter(|outcome| list(&outcome["given"]).is_empty());
    first.map(way).collect()
}

/// Opens a state of the page and steps through it; returns what each step shows of the packet.
const STEPS: &str = "(() => {
  const shown = [];
  const of = (id) => document.getElementById(id).dataset.value;
  document.getElementById('first').click();
  for (;;) {
    shown.push(`${of('field-source')} > ${of('field-destination')}`);
    if (document.getElementById('next').disabled) return shown;
    document.getElementById('next').click();
  }
})()";

#[test]
fn the_steps_in_the_browser_are_those_of_a_trace() {
    let Some(program) = browser::chromium() else { return };
    let cluster = Cluster::example();
    let page = cluster.page();
    let data = data(&page);
    let path = cluster._folder.path().join("page.html");
    std::fs::write(&path, &page).unwrap();
    let mut browser = Browser::open(program, &path);
    // Without motion, which takes most of the time.
    browser.show(1280, 720, false);
    let cases = share("explain_journey", 19, cases(&data));
    let journeys = in_parallel(&cases, |(stage, case)| cluster.journey(stage, case));
    for ((stage, case), journey) in cases.iter().zip(&journeys) {
        for (number, outcome) in list(&journey["outcomes"]).iter().enumerate() {
            let state = format!(
                "service={}&client={}&node={}&address={}&mode={}&policy={}&way={number}",
                text(&stage["service"]),
                text(&case["client"]),
                text(&stage["nodes"][index(&case["node"])]["name"]),
                text(&stage["addresses"][index(&case["address"])]["id"]),
                text(&case["mode"]),
                text(&stage["policies"][index(&case["policy"])]["value"]),
            );
            browser.evaluate(&format!("location.hash = {state:?}; dispatchEvent(new Event('hashchange'))"));
            let shown = browser.evaluate(STEPS);
            let shown: Vec<&str> = list(&shown).iter().map(text).collect();
            assert_eq!(shown, expected(journey, outcome), "{state}");
        }
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// What the packet looks like at each step: as sent, before and after each rule on each node, as received, and the same
/// on the way back.
fn expected(journey: &Value, outcome: &Value) -> Vec<String> {
    let pair = |packet: &Value| format!("{} > {}", text(&packet["source"]), text(&packet["destination"]));
    let mut all = vec![pair(&journey["connection"])];
    let there = list(&outcome["there"]);
    for hop in there {
        all.push(pair(&hop["arrives"]));
        all.extend(list(&hop["steps"]).iter().map(pair));
    }
    all.push(all.last().cloned().unwrap());
    let Some(server) = outcome["server"]["address"].as_str() else { return all };
    let back = list(&outcome["back"]);
    let answer = format!("{server} > {}", text(&outcome["serverSees"]));
    all.push(back.first().map_or(answer, |hop| pair(&hop["arrives"])));
    for hop in back {
        all.push(pair(&hop["arrives"]));
        if hop["translated"] == true {
            all.push(pair(&hop["leaves"]));
        }
    }
    all.push(all.last().cloned().unwrap());
    all
}
