//! The kernel takes what `compile` prints, and lists it back the same: every nftables run of the corpus.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::kernel::{available, in_namespace, tell};
use support::nft::blocks;
use support::{Case, cases, difference, in_parallel};

/// The script twice, the second time on top of the first; then the JSON on a fresh host.
const LOAD: &str = "nft -f script; nft -f script; nft list ruleset > from-script; \
                    nft flush ruleset; nft -j -f json; nft list ruleset > from-json";

#[test]
fn scripts_and_json_load_and_list_as_printed() {
    if !available(&["nft"]) {
        return;
    }
    let cases = cases("nftables");
    assert!(cases.len() > 100, "the corpus is incomplete");
    let faults: Vec<String> = in_parallel(&cases, fault).into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} cases come back otherwise\n{}", faults.len(), faults.join("\n"));
    tell(&format!("{} cases came back from the kernel", cases.len()));
}

fn fault(case: &Case) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for output in ["script", "json"] {
        std::fs::write(folder.path().join(output), case.compile("all", output)).unwrap();
    }
    let result = in_namespace(&format!("cd {}; {LOAD}", folder.path().display()), "");
    if !result.status.success() {
        return Some(format!("{}: {}", case.name(), String::from_utf8_lossy(&result.stderr)));
    }
    let printed = case.compile("all", "list");
    let of_script = difference(&blocks(&printed), &blocks(&read("from-script")));
    let of_json =
        difference(&without_comments_of_objects(&printed), &without_comments_of_objects(&read("from-json")));
    let faults = format!("{of_script}{of_json}");
    (!faults.is_empty()).then(|| format!("{}: {faults}", case.name()))
}

/// nft 1.0.6 passes over the comments of tables, chains and sets when it reads JSON.
fn without_comments_of_objects(listing: &str) -> Vec<String> {
    let is_comment = |line: &&str| line.trim_start().starts_with("comment \"");
    let lines: Vec<&str> = listing.lines().filter(|line| !is_comment(line)).collect();
    blocks(&(lines.join("\n") + "\n"))
}
