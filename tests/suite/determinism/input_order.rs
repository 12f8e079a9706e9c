//! The order of documents, keys and files does not change a byte of any output.

use crate::support::random::Random;
use std::path::Path;

use serde_json::Value;

use crate::support::scope::share;
use crate::support::{Case, cases, in_parallel, kuberules};

#[test]
fn permuted_input_gives_the_same_bytes() {
    let mut runs = newest(cases("iptables"), "restore");
    runs.extend(newest(cases("nftables"), "list"));
    assert!(runs.len() > 20);
    let runs = share("determinism::input_order", 4, runs);
    let faults: Vec<String> =
        in_parallel(&runs, |(case, output)| fault(case, output)).into_iter().flatten().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// One run per cluster and node, with the format to print.
fn newest(cases: Vec<Case>, output: &'static str) -> Vec<(Case, &'static str)> {
    cases.into_iter().filter(|case| case.version == "1.36").map(|case| (case, output)).collect()
}

fn fault(case: &Case, output: &str) -> Option<String> {
    let text = std::fs::read_to_string(&case.cluster).unwrap();
    let expected = case.compile("all", output);
    (1..4).find_map(|seed| {
        let mut chance = Random::new(seed);
        let folder = tempfile::tempdir().unwrap();
        match serde_json::from_str::<Value>(&text) {
            Ok(list) => write_json(list, folder.path(), &mut chance),
            Err(_) => write_yaml(&text, folder.path(), &mut chance),
        }
        let mut arguments = case.arguments("all", output);
        arguments[1] = folder.path().to_str().unwrap().to_owned();
        let result = kuberules(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let same = String::from_utf8_lossy(&result.stdout) == expected;
        (!same).then(|| format!("{} seed {seed}: {}", case.name(), String::from_utf8_lossy(&result.stderr)))
    })
}

/// The items in random order over three files, the keys of every object in random order.
fn write_json(mut list: Value, folder: &Path, chance: &mut Random) {
    let mut items = std::mem::take(list["items"].as_array_mut().unwrap());
    chance.shuffle(&mut items);
    for (i, part) in items.chunks(items.len() / 3 + 1).enumerate() {
        let items: Vec<String> = part.iter().map(|item| permuted(item, chance)).collect();
        let text = format!("{{\"items\":[{}],\"kind\":\"List\",\"apiVersion\":\"v1\"}}", items.join(","));
        std::fs::write(folder.join(format!("{i}-{}.json", chance.next())), text).unwrap();
    }
}

fn permuted(value: &Value, chance: &mut Random) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::String(key.clone()), permuted(value, chance)))
                .collect();
            chance.shuffle(&mut fields);
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|item| permuted(item, chance)).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// The items as documents in random order over three files, the top-level keys of each in random order.
fn write_yaml(text: &str, folder: &Path, chance: &mut Random) {
    let items = text.split_once("items:\n").unwrap().1;
    let items = items.split("\nkind: List").next().unwrap();
    let mut documents: Vec<String> =
        format!("\n{items}").split("\n- ").skip(1).map(|item| document(item, chance)).collect();
    chance.shuffle(&mut documents);
    for (i, part) in documents.chunks(documents.len() / 3 + 1).enumerate() {
        std::fs::write(folder.join(format!("{i}-{}.yaml", chance.next())), part.join("---\n")).unwrap();
    }
}

fn document(item: &str, chance: &mut Random) -> String {
    let mut keys: Vec<String> = Vec::new();
    for line in format!("  {item}").lines().map(|line| line.get(2..).unwrap_or_default()) {
        match keys.last_mut() {
            Some(block) if line.is_empty() || line.starts_with([' ', '-', '#']) => {
                block.push_str(&format!("{line}\n"))
            }
            _ => keys.push(format!("{line}\n")),
        }
    }
    chance.shuffle(&mut keys);
    keys.concat()
}
