//! What the real API server said about objects (testdata/controllers/rejected), and what `lint` says.

use serde_json::Value;

use crate::support::{kuberules, testdata};

/// These can only be found with the other objects of the server's cluster.
const NEEDS_A_CLUSTER: [&str; 2] = ["taken", "namespace-missing"];

struct Judged {
    file: String,
    taken: bool,
    status: Option<i32>,
    findings: Vec<Value>,
}

fn judged() -> Vec<Judged> {
    let folders =
        ["controllers/rejected", "controllers/rejected/other"].map(|folder| testdata().join(folder));
    let mut all = Vec::new();
    for folder in folders {
        let messages = std::fs::read_to_string(folder.join("messages.json")).unwrap();
        let cases: Vec<Value> = serde_json::from_str(&messages).unwrap();
        for case in cases {
            let file = case["file"].as_str().unwrap().to_owned();
            if NEEDS_A_CLUSTER.iter().any(|word| file.contains(word)) {
                continue;
            }
            let path = folder.join(&file);
            let output = kuberules(&["lint", "--assume", "--output", "json", path.to_str().unwrap()]);
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let findings = answer["findings"].as_array().cloned().unwrap_or_default();
            all.push(Judged { file, taken: case["taken"] == true, status: output.status.code(), findings });
        }
    }
    all
}

#[test]
fn what_the_server_refuses_is_refused_and_nothing_else() {
    let judged = judged();
    assert!(judged.len() > 90);
    for case in &judged {
        let is_error = |finding: &&Value| finding["severity"] == "error";
        let errors: Vec<&Value> = case.findings.iter().filter(is_error).collect();
        if case.taken {
            assert_ne!(case.status, Some(2), "{} is taken", case.file);
            assert!(errors.is_empty(), "{} is taken: {errors:?}", case.file);
        } else {
            assert!(case.status == Some(2) || !errors.is_empty(), "{} is refused", case.file);
        }
    }
}

#[test]
fn what_a_server_stored_is_refused_by_no_rule() {
    for file in ["shop/before.yaml", "shop/after.yaml"] {
        let path = testdata().join(file);
        let select: Vec<String> = (40..=50).map(|n| format!("KR{n:03}")).collect();
        let output = kuberules(&["lint", "--select", &select.join(","), path.to_str().unwrap()]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing found\n", "{file}");
    }
}

#[test]
fn severities_decide_the_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yaml");
    std::fs::write(
        &path,
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {Type: NodePort, ports: [{port: 80}]}}",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let status = |more: &[&str]| kuberules(&[&["lint", "--assume", path], more].concat()).status.code();
    assert_eq!(status(&["--fail-on", "error"]), Some(1));
    assert_eq!(status(&["--fail-on", "error", "--ignore", "KR040"]), Some(0));
    std::fs::write(folder.path().join("kuberules.toml"), "[ignore]\nKR040 = 'an old client'\n").unwrap();
    assert_eq!(status(&["--fail-on", "error"]), Some(0));
    let shown = kuberules(&["lint", path, "--show-settings"]);
    assert!(String::from_utf8_lossy(&shown.stdout).ends_with("[ignore]\nKR040 = \"an old client\"\n"));
    assert_eq!(status(&["--select", "KR040"]), Some(0));
    assert!(kuberules(&["lint", "--explain", "kr040"]).stdout.starts_with(b"KR040: unknown-field\n"));
}
