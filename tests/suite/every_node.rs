//! `compile --all-nodes` writes for each node what a run for only that node prints.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::scope::share;
use crate::support::{Case, cases, in_parallel, kuberules};

fn run(case: &Case, families: &str, output: &str, more: &[&str]) -> String {
    let mut arguments = case.arguments(families, output);
    let node = arguments.iter().position(|argument| argument == "--node").unwrap();
    arguments.drain(node..node + 2);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let result = kuberules(&arguments);
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    String::from_utf8(result.stdout).unwrap()
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap()))
        .collect()
}

/// The nodes of a case whose files differ from what a single run prints.
fn faults(case: &Case) -> Vec<String> {
    let outputs = if case.mode == "iptables" { ["save", "restore"] } else { ["list", "script"] };
    let mut faults = Vec::new();
    for output in outputs {
        let folder = tempfile::tempdir().unwrap();
        run(case, "all", output, &["--all-nodes", "--out-dir", folder.path().to_str().unwrap()]);
        let files = files(folder.path());
        assert!(files.len() >= 2);
        for (name, text) in files {
            let (node, suffix) = name.split_once('.').unwrap();
            let family = if suffix.contains('6') { "ipv6" } else { "ipv4" };
            if run(case, family, output, &["--node", node]) != text {
                faults.push(format!("{} {name}", case.name()));
            }
        }
    }
    faults
}

#[test]
fn files_of_every_node_are_those_of_single_runs() {
    // One run of each cluster: the releases do not differ in anything that matters here.
    let newest = |mode| cases(mode).into_iter().filter(|case| case.version == "1.36");
    let cases: Vec<Case> = newest("iptables").chain(newest("nftables")).collect();
    assert!(cases.len() > 20);
    let cases = share("every_node", 13, cases);
    let faults: Vec<String> = in_parallel(&cases, faults).into_iter().flatten().collect();
    assert!(faults.is_empty(), "{faults:?}");
}
