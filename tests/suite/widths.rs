//! Text for people fits 80 columns if it does not go to a terminal. The table of `services` has a line for each
//! Service, like kubectl's tables, whatever its width.

use crate::support::{kuberules, testdata};

/// Rules, addresses of pages and names cannot be broken.
fn is_unbreakable(line: &str) -> bool {
    let text = line.trim_start();
    let is_rule = ["+ ", "- ", "-A "].iter().any(|start| text.starts_with(start));
    is_rule || !text.contains(' ')
}

fn too_long(arguments: &[&str]) -> Vec<String> {
    let output = kuberules(&[arguments, &["--quiet"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let long = text.lines().filter(|line| line.chars().count() > 80 && !is_unbreakable(line));
    long.map(|line| format!("{arguments:?}: {line}")).collect()
}

#[test]
fn text_fits_80_columns_in_a_pipe() {
    let path = |name: &str| testdata().join(name).display().to_string();
    let (before, after) = (path("shop/before.yaml"), path("shop/after.yaml"));
    let (old, new) = (path("chart/v1"), path("chart/v2"));
    let expectations = path("expectations/shop.yaml");
    let folder = tempfile::tempdir().unwrap();
    let captured = folder.path().join("captured").display().to_string();
    let mut faults = Vec::new();
    for mode in ["iptables", "nftables"] {
        let rules = kuberules(&["compile", &after, "--node", "worker-1", "--proxy-mode", mode, "--quiet"]);
        std::fs::write(&captured, rules.stdout).unwrap();
        let commands: [&[&str]; 12] = [
            &["explain", &before, "--node", "worker-1"],
            &["explain", &new, "--assume", "--node", "node-1"],
            &["trace", &before, "--from", "any", "--to", "shop/web"],
            &["trace", &before, "--from", "any", "--to", "shop/cache", "--all-nodes"],
            &["trace", &before, "--from", "outside", "--to", "games/lobby", "--node", "worker-1", "--brief"],
            &["trace", &before, "--from", "any", "--to", "shop/payments", "--end-to-end"],
            &["trace", &before, "--from", "any", "--to", "shop/web", "--end-to-end"],
            &["lint", &before],
            &["diff", &before, &after, "--all-nodes"],
            &["diff", &old, &new, "--assume", "--all-nodes"],
            &["check", &before, "--node", "worker-1", "--captured", &captured],
            &["test", &expectations, &before],
        ];
        for command in commands {
            faults.extend(too_long(&[command, &["--proxy-mode", mode]].concat()));
        }
    }
    faults.extend(too_long(&["diff", &before, "--node", "worker-1", "--new-proxy-mode", "nftables"]));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
