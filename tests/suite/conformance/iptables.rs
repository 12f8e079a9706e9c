//! What `compile` prints is what the real kube-proxy wrote: every iptables run of the corpus.

use crate::support::scope::share;
use crate::support::{Case, cases, difference, in_parallel, iptables_lines};

const FILES: [(&str, &str, &str); 4] = [
    ("iptables-save.txt", "ipv4", "save"),
    ("ip6tables-save.txt", "ipv6", "save"),
    ("iptables-restore.txt", "ipv4", "restore"),
    ("ip6tables-restore.txt", "ipv6", "restore"),
];

#[test]
fn every_captured_ruleset_is_reproduced() {
    let cases = cases("iptables");
    assert!(cases.len() > 100, "the corpus is incomplete");
    let faults: Vec<String> =
        in_parallel(&share("conformance::iptables", 13, cases), faults).into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} files differ\n{}", faults.len(), faults.join("\n"));
}

fn faults(case: &Case) -> Vec<String> {
    let mut found = Vec::new();
    for (file, family, output) in FILES {
        let Ok(expected) = std::fs::read_to_string(case.expected.join(file)) else { continue };
        let actual = case.compile(family, output);
        let difference = difference(&iptables_lines(&expected), &iptables_lines(&actual));
        if !difference.is_empty() {
            found.push(format!("{}/{file}: {difference}", case.name()));
        }
    }
    found
}
