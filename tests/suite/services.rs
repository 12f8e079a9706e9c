//! What `services` says about each Service is what `trace` says about the same packets.

use serde_json::Value;

use crate::support::scope::share_by_hand;
use crate::support::{cases, in_parallel, kuberules, testdata};

fn json(arguments: &[&str]) -> Value {
    let output = kuberules(&[arguments, &["--quiet", "--output", "json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A packet, with what `services` says about it.
struct Probe {
    service: String,
    node: String,
    from: String,
    to: String,
    protocol: String,
    result: String,
}

fn probes(report: &Value) -> Vec<Probe> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found = Vec::new();
    for service in report["services"].as_array().unwrap() {
        for client in ["pods", "nodes", "outside"] {
            for probe in service[client]["probes"].as_array().unwrap() {
                found.push(Probe {
                    service: text(&service["service"]),
                    node: text(&probe["node"]),
                    from: text(&probe["source"]),
                    to: text(&probe["destination"]),
                    protocol: text(&probe["protocol"]),
                    result: text(&probe["result"]),
                });
            }
        }
    }
    found
}

fn fault(probe: &Probe, common: &[&str]) -> Option<String> {
    let mut arguments = vec!["trace"];
    arguments.extend(common);
    let asked = [
        ("--node", &probe.node),
        ("--from", &probe.from),
        ("--to", &probe.to),
        ("--protocol", &probe.protocol),
    ];
    asked.iter().for_each(|(flag, value)| arguments.extend([*flag, value.as_str()]));
    let answer = json(&arguments);
    let headline = answer["answer"]["headline"].as_str().unwrap();
    let fits = match probe.result.as_str() {
        "works in part" => headline.contains(" for ") || headline.starts_with("depends"),
        result => result == headline,
    };
    (!fits).then(|| format!("{}: {} {arguments:?}: {headline}", probe.service, probe.result))
}

#[test]
fn each_cell_is_what_trace_says() {
    for mode in ["iptables", "nftables"] {
        let mut seen = std::collections::BTreeSet::new();
        let clusters = cases(mode).into_iter().filter(|case| seen.insert(case.cluster.clone()));
        for case in share_by_hand("services", 13, 2, clusters.collect()) {
            let config = case.folder.join(format!("kube-proxy.{mode}.json"));
            let mut common = vec![case.cluster.to_str().unwrap(), "--config", config.to_str().unwrap()];
            common.extend(["--kube-version", &case.version]);
            if case.version == "1.30" && mode == "nftables" {
                common.extend(["--feature-gates", "NFTablesProxyMode=true"]);
            }
            let report = json(&[&["services"], &common[..]].concat());
            let probes = share_by_hand("services", 119, 20, probes(&report));
            assert!(!probes.is_empty(), "{}", case.cluster.display());
            let faults: Vec<String> =
                in_parallel(&probes, |probe| fault(probe, &common)).into_iter().flatten().collect();
            assert!(faults.is_empty(), "{}", faults.join("\n"));
        }
    }
}

#[test]
fn the_shop_in_twenty_lines() {
    let shop = testdata().join("shop/before.yaml");
    let output = kuberules(&["services", "-q", shop.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() <= 20, "{text}");
    assert_snapshot!(text);
    let problems = kuberules(&["services", "-q", "--problems", shop.to_str().unwrap()]);
    let text = String::from_utf8(problems.stdout).unwrap();
    assert!(text.starts_with("14 Services on 4 nodes, 4 with problems"), "{text}");
    assert_eq!(text.lines().count(), 6, "{text}");
}
