//! YAML and JSON are read as kubectl reads them: texts with the objects that Kubernetes' own decoder reads from them.

use std::process::Command;

use serde_json::Value;

use crate::support::{in_parallel, run_with_input, testdata};

/// Exit code and rules of a text.
fn rules(text: &str) -> (Option<i32>, Vec<u8>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kuberules"));
    command.args(["compile", "-", "--assume", "--node", "n1", "-q"]);
    let output = run_with_input(&mut command, text.as_bytes());
    (output.status.code(), output.stdout)
}

/// What is wrong with the answer to a case.
fn fault(case: &Value) -> Option<String> {
    let found = rules(case["text"].as_str().unwrap());
    let expected = match &case["kubectl"] {
        Value::Array(objects) if !objects.is_empty() => {
            rules(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())
        }
        _ => (Some(2), Vec::new()),
    };
    (found != expected).then(|| format!("{}: exit {:?}", case["name"], found.0))
}

#[test]
fn every_text_is_read_or_refused_as_kubectl_does() {
    let cases = std::fs::read_to_string(testdata().join("kubectl-cases.jsonl")).unwrap();
    let cases: Vec<Value> = cases.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 150);
    let faults: Vec<_> = in_parallel(&cases, fault).into_iter().flatten().collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
