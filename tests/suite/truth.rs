//! What is said is true, or it says that it is not known: each of these cases once got a silent wrong answer.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

use kuberules::capture;
use kuberules::compare::change::NodeChange;
use kuberules::compare::diff::Diff;
use kuberules::compare::node::{self, Level};
use kuberules::node::Host;
use kuberules::report::diff::{json, markdown, text};
use kuberules::style::Style;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::scope::full;
use crate::support::{kuberules, testdata};

fn written(text: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn run(arguments: &[&str]) -> (String, Option<i32>) {
    let result = kuberules(arguments);
    let told = String::from_utf8(result.stdout).unwrap() + &String::from_utf8(result.stderr).unwrap();
    (told, result.status.code())
}

/// The shop's capture of worker-1 in iptables mode.
fn shop() -> String {
    fs::read_to_string(testdata().join("captures/shop-worker-1.iptables-save-c.txt")).unwrap()
}

/// `check` of worker-1 of the shop.
fn check_shop(captured: &str, mode: &str, more: &[&str]) -> (String, Option<i32>) {
    let folder = testdata().join("shop");
    let config = folder.join(format!("before-worker-1/kube-proxy.{mode}.json"));
    let (cluster, file) = (folder.join("before.yaml"), written(captured));
    let arguments = [
        "check",
        "-q",
        cluster.to_str().unwrap(),
        "--node",
        "worker-1",
        "--config",
        config.to_str().unwrap(),
        "--captured",
        file.path().to_str().unwrap(),
    ];
    run(&[&arguments, more].concat())
}

fn report(told: &str) -> Value {
    serde_json::from_str(told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn kinds(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["kind"].as_str().unwrap()).collect()
}

/// The kinds of findings that list traffic to a destination.
fn blamed<'r>(report: &'r Value, destination: &str) -> Vec<&'r str> {
    let is_to = |flow: &Value| flow["to"].as_array().unwrap().iter().any(|to| to == destination);
    let stands = |finding: &&Value| finding["traffic"].as_array().unwrap().iter().any(is_to);
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter(stands).map(|finding| finding["kind"].as_str().unwrap()).collect()
}

/// Adds a line after the first one that contains a text.
fn after(text: &str, place: &str, more: &str) -> String {
    let mut out = String::new();
    let mut done = false;
    for line in text.lines() {
        _ = writeln!(out, "{line}");
        if !done && line.contains(place) {
            _ = writeln!(out, "{more}");
            done = true;
        }
    }
    assert!(done, "no line has {place}");
    out
}

fn without(text: &str, part: &str) -> String {
    assert!(text.contains(part), "no line has {part}");
    text.lines().filter(|line| !line.contains(part)).fold(String::new(), |out, line| out + line + "\n")
}

const CANNOT: &str = "could not be compared";

/// Rules that may or may not match, each with its own mark.
fn sets(chain: &str) -> String {
    (0..13).fold(String::new(), |mut rules, i| {
        let bit = 1 << i;
        _ = writeln!(rules, "-A {chain} -m set --match-set s{i} src -j MARK --set-xmark {bit:#x}/{bit:#x}");
        rules
    })
}

/// Some of them in each hook, in the table mangle.
fn with_sets_in_each_hook(text: &str) -> String {
    in_each_hook(text, sets)
}

/// The same with a rule that matches on all the marks, so that no walk gets through.
fn asked_sets(chain: &str) -> String {
    sets(chain) + &format!("-A {chain} -m mark --mark 0x1555/0x1fff -j ACCEPT\n")
}

fn in_each_hook(text: &str, rules: fn(&str) -> String) -> String {
    let hooks = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
    let rules: String = hooks.iter().map(|hook| rules(hook)).collect();
    let (before, mangle) = text.split_once("*mangle\n").unwrap();
    let (chains, after) = mangle.split_once("COMMIT\n").unwrap();
    format!("{before}*mangle\n{chains}{rules}COMMIT\n{after}")
}

#[test]
fn two_walks_that_fail_alike_are_unknown_and_not_the_same() {
    // Some thousand ways for each kind of connection take a while.
    if !full() {
        return;
    }
    let right = compiled("iptables", "ipv4", "save");
    let wrong = right.replace("--to-destination 10.244.1.7:8080", "--to-destination 10.244.1.7:8081");
    assert_ne!(wrong, right);
    let captured = in_each_hook(&wrong, asked_sets);
    let (json, code) = check(&captured, "iptables", "json");
    let report = report(&json);
    assert_eq!(code, Some(1));
    assert!(kinds(&report).contains(&"unknown") && json.contains(CANNOT), "{json}");
    assert!(report["unknown"].as_u64().unwrap() > 0, "{json}");
    assert!(!json.contains("no new connection has another outcome"), "{json}");
    let (text, code) = check(&captured, "iptables", "text");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(CANNOT) && text.contains("unknown: "), "{text}");
    assert!(!text.contains("no new connection has another outcome"), "{text}");
    let (github, code) = check(&captured, "iptables", "github");
    assert_eq!(code, Some(1));
    assert!(github.contains("title=kuberules unknown::") && github.contains(CANNOT), "{github}");
}

/// It cannot be said whether foreign rules take connections first. If packets can only reach the same rules on both
/// sides, nothing needs to be followed.
#[test]
fn rules_that_cannot_be_followed_are_told_where_it_matters() {
    let right = compiled("iptables", "ipv4", "save");
    let first = right.replacen("-A PREROUTING", &(asked_sets("PREROUTING") + "-A PREROUTING"), 1);
    assert_ne!(first, right);
    let (json, code) = check(&first, "iptables", "json");
    let report_of_first = report(&json);
    let kinds_of_first = kinds(&report_of_first);
    assert!(!kinds_of_first.is_empty() && kinds_of_first.iter().all(|kind| *kind == "unknown"), "{json}");
    assert_eq!(code, Some(1), "{json}");
    // Marks that no rule matches on change nothing.
    let (json, code) = check(&with_sets_in_each_hook(&right), "iptables", "json");
    assert_eq!((kinds(&report(&json)), code), (Vec::new(), Some(0)), "{json}");
}

#[test]
fn a_jump_to_a_chain_that_is_not_there_is_unknown() {
    let chain = "KUBE-SVC-67NZLRHBNDSAWJRO";
    let captured = without(&without(&shop(), &format!(":{chain} ")), &format!("-A {chain} "));
    let told = |output| check_shop(&captured, "iptables", &["--output", output]);
    let (json, code) = told("json");
    assert_eq!(code, Some(1));
    assert!(kinds(&report(&json)).contains(&"unknown"), "{json}");
    for output in ["text", "json", "github"] {
        let (told, code) = told(output);
        assert_eq!(code, Some(1));
        assert!(told.contains(CANNOT) && told.contains("which does not exist"), "{output}: {told}");
        assert!(!told.contains("no new connection has another outcome"), "{output}: {told}");
    }
}

/// The same broken rules on both sides.
#[test]
fn a_diff_of_rules_that_cannot_be_followed_says_unknown_in_every_form() {
    let broken = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A PREROUTING -d 10.96.0.1/32 -j KUBE-SVC-67NZLRHBNDSAWJRO\n-A OUTPUT -d 10.96.0.1/32 -j KUBE-SVC-67NZLRHBNDSAWJRO\nCOMMIT\n";
    let rules = || capture::read(broken, None).unwrap().node_rules(|_| Host::default()).ipv4.unwrap();
    let (family, classes) = node::family(&rules(), &rules(), Level::Traffic);
    let mut diff = Diff::new("old".to_owned(), "new".to_owned(), true);
    diff.add("worker-1", NodeChange { families: vec![family], classes, ..NodeChange::default() });
    assert!(diff.traffic_differs() && diff.unknown() > 0 && classes > 0);
    for told in
        [text::print(&diff, "", Style::default()), markdown::print(&diff, "", markdown::MAX_CHARACTERS)]
    {
        assert!(told.contains(CANNOT) && told.contains("Unknown on 1 of 1 node"), "{told}");
        assert!(told.contains("on both sides") && !told.contains("No difference"), "{told}");
    }
    let json = serde_json::to_value(json::document(&diff)).unwrap();
    let unknown = json["traffic"]["unknown"].as_array().unwrap();
    assert!(unknown.iter().all(|unknown| unknown["side"] == "both"), "{json}");
    let classes: u64 = unknown.iter().filter_map(|unknown| unknown["classes"].as_u64()).sum();
    assert_eq!(classes, diff.unknown(), "{json}");
}

const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: worker-1}
spec: {podCIDRs: [10.244.1.0/24, 'fd00:10:244:1::/64']}
status: {addresses: [{type: InternalIP, address: 192.168.0.11}, {type: InternalIP, address: 'fd00::11'}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-4, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints:
- {addresses: [10.244.1.7], nodeName: worker-1, conditions: {ready: true}}
- {addresses: [10.244.1.8], nodeName: worker-1, conditions: {ready: true}}
ports: [{port: 8080, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-6, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
endpoints: [{addresses: ['fd00:10:244:1::7'], nodeName: worker-1, conditions: {ready: true}}]
ports: [{port: 8080, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.80
  clusterIPs: [10.96.0.80, 'fd00:10:96::80']
  ipFamilies: [IPv4, IPv6]
  ports: [{port: 80}]
";

fn with_affinity(seconds: u32) -> NamedTempFile {
    written(&format!(
        "{NODE}  sessionAffinity: ClientIP\n  sessionAffinityConfig: {{clientIP: {{timeoutSeconds: {seconds}}}}}\n"
    ))
}

#[test]
fn another_affinity_time_is_a_change_of_traffic_in_both_modes() {
    let (long, short) = (with_affinity(10_800), with_affinity(60));
    let (long, short) = (long.path().to_str().unwrap(), short.path().to_str().unwrap());
    for mode in ["iptables", "nftables"] {
        for release in ["1.31", "1.33", "1.37"] {
            let arguments = |new| {
                [
                    "diff",
                    "-q",
                    long,
                    new,
                    "--proxy-mode",
                    mode,
                    "--kube-version",
                    release,
                    "--level",
                    "traffic",
                ]
            };
            let (told, code) = run(&arguments(short));
            assert_eq!(code, Some(1), "{mode} {release}: {told}");
            assert!(told.contains("within 10800 s") && told.contains("within 60 s"), "{mode}: {told}");
            let (told, code) = run(&arguments(long));
            assert_eq!(code, Some(0), "{mode} {release}: {told}");
        }
    }
}

fn compiled(mode: &str, family: &str, output: &str) -> String {
    let cluster = written(NODE);
    let cluster = cluster.path().to_str().unwrap();
    run(&["compile", "-q", cluster, "--proxy-mode", mode, "--family", family, "--output", output]).0
}

fn check(captured: &str, mode: &str, output: &str) -> (String, Option<i32>) {
    let (cluster, file) = (written(NODE), written(captured));
    let (cluster, file) = (cluster.path().to_str().unwrap(), file.path().to_str().unwrap());
    run(&["check", "-q", cluster, "--proxy-mode", mode, "--captured", file, "--output", output])
}

#[test]
fn a_capture_without_any_rule_of_kube_proxy_is_a_finding() {
    let foreign = "table inet firewalld {\n\tchain input {\n\t\ttype filter hook input priority 10; policy accept;\n\t}\n}\n";
    let built_in = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
    let emptied: String = compiled("iptables", "ipv4", "save")
        .lines()
        .filter(|line| !line.starts_with("-A "))
        .fold(String::new(), |out, line| out + line + "\n");
    let cases = [
        (
            "nftables",
            "{\"nftables\": [{\"metainfo\": {\"version\": \"1.0.6\", \"json_schema_version\": 1}}]}",
        ),
        ("nftables", foreign),
        ("nftables", built_in),
        ("iptables", "# Generated by iptables-save v1.8.9 on Sat Nov 21 02:13:49 2026\n# Completed\n"),
        ("iptables", "# Generated by ip6tables-save v1.8.9 (nf_tables)\n"),
        ("iptables", "# nothing\n"),
        ("iptables", built_in),
        ("iptables", foreign),
        ("iptables", &emptied),
    ];
    for (mode, captured) in cases {
        for output in ["text", "json", "github"] {
            let (told, code) = check(captured, mode, output);
            assert!(matches!(code, Some(1)), "{mode} {output} {code:?}: {captured}\n{told}");
            assert!(
                told.contains("no-rules") && told.contains("shop/web"),
                "{mode} {output}: {captured}\n{told}"
            );
            assert!(!told.contains("no findings"), "{told}");
        }
    }
}

#[test]
fn a_family_that_is_gone_from_a_capture_is_a_finding() {
    let whole = compiled("nftables", "ipv4", "list") + &compiled("nftables", "ipv6", "list");
    assert_eq!(check(&whole, "nftables", "text").1, Some(0));
    let foreign = "table inet firewalld {\n}\n";
    for family in ["ipv4", "ipv6"] {
        for (more, kind) in [("", "nothing-compared"), (foreign, "no-rules")] {
            let (told, code) = check(&(compiled("nftables", family, "list") + more), "nftables", "json");
            assert_eq!(code, Some(1), "{family}: {told}");
            assert_eq!(kinds(&report(&told))[0], kind, "{family}: {told}");
        }
    }
    // ip6tables-save ran, and printed nothing.
    let captured = format!("{}# Generated by ip6tables-save v1.8.9\n", compiled("iptables", "ipv4", "save"));
    let (told, code) = check(&captured, "iptables", "json");
    assert_eq!((kinds(&report(&told))[0], code), ("no-rules", Some(1)), "{told}");
    // iptables-save by itself says nothing about IPv6, and the output says so.
    let (told, code) = check(&compiled("iptables", "ipv4", "save"), "iptables", "text");
    assert_eq!(code, Some(0));
    assert!(told.contains("IPv6 is not checked"), "{told}");
}

#[test]
fn a_comparison_of_no_node_is_not_the_same() {
    let other = written(&NODE.replace("worker-1", "worker-2"));
    let (old, new) = (written(NODE), other);
    let (old, new) = (old.path().to_str().unwrap(), new.path().to_str().unwrap());
    let (told, code) = run(&["diff", "-q", old, new, "--all-nodes", "--fail-on", "traffic"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("Nothing was compared"), "{told}");
}

#[test]
fn the_warning_of_legacy_tables_does_not_hide_the_rules() {
    let warning = "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n";
    let bare: String =
        shop().lines().filter(|line| !line.starts_with('#')).fold(String::new(), |o, l| o + l + "\n");
    for captured in [format!("{warning}{bare}"), format!("{bare}{warning}"), format!("{}{warning}", shop())] {
        let (told, code) = check_shop(&captured, "iptables", &[]);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("tables of the legacy variant"), "{told}");
        assert!(
            !told.contains("no rules of kube-proxy") && !told.contains("no rule of kube-proxy"),
            "{told}"
        );
        assert!(told.contains("1 finding"), "{told}");
    }
}

#[test]
fn a_forward_policy_that_drops_is_a_finding_as_trace_says() {
    let captured = without(&shop(), "-A FORWARD -m comment --comment \"flanneld forward\"");
    let (told, code) = check_shop(&captured, "iptables", &["--output", "json"]);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(kinds(&report(&told)), ["policy-drop"], "{told}");
    assert!(told.contains("by the policy of filter FORWARD"), "{told}");
    assert_eq!(blamed(&report(&told), "10.96.16.219:80/tcp"), ["policy-drop"], "{told}");
    let file = written(&captured);
    let cluster = testdata().join("shop/before.yaml");
    let arguments = ["trace", "-q", cluster.to_str().unwrap(), "--node", "worker-1", "--captured"];
    let more = [file.path().to_str().unwrap(), "--from", "10.244.1.99", "--to", "10.96.16.219:80"];
    let (traced, _) = run(&[arguments.as_slice(), &more].concat());
    assert!(traced.contains("drop"), "{traced}");
}

/// A Service's stale endpoint gets a part of its traffic.
#[test]
fn traffic_of_a_stale_endpoint_stands_under_the_stale_rules() {
    let stale = "KUBE-SEP-STALESTALESTALES";
    let captured = after(&shop(), ":KUBE-SEP-ZXMNUKOKXUTL2MK2", &format!(":{stale} - [0:0]"));
    let captured = after(
        &captured,
        "-A KUBE-SEP-ZXMNUKOKXUTL2MK2 -p",
        &format!(
            "[0:0] -A {stale} -p tcp -m comment --comment \"shop/web:http\" -m tcp -j DNAT --to-destination 10.244.1.250:8080"
        ),
    );
    let captured = after(
        &captured,
        "-A KUBE-SVC-67NZLRHBNDSAWJRO ! -s",
        &format!(
            "[0:0] -A KUBE-SVC-67NZLRHBNDSAWJRO -m comment --comment \"shop/web:http -> 10.244.1.250:8080\" -m statistic --mode random --probability 0.25000000000 -j {stale}"
        ),
    );
    // A rule of the same Service is missing, too, but not to blame for this.
    let captured = without(&captured, "-A KUBE-SEP-WLKAO6SOUZTWPUMO -s");
    let (json, code) = check_shop(&captured, "iptables", &["--output", "json"]);
    let report = report(&json);
    assert_eq!(code, Some(1));
    assert!(!kinds(&report).contains(&"unexplained"), "{json}");
    let blamed = blamed(&report, "10.96.16.219:80/tcp");
    assert!(blamed.contains(&"stale"), "{blamed:?} {json}");
}

#[test]
fn a_stale_rule_does_not_adopt_traffic_to_the_same_port() {
    let stale = "[0:0] -A KUBE-SERVICES -d 10.96.77.77/32 -p tcp -m comment --comment \"shop/gone:https cluster IP\" -m tcp --dport 443 -j DROP";
    let captured = after(&shop(), "-A KUBE-SERVICES -d 10.96.0.12/32", stale);
    let captured = captured.replace("--to-destination 10.244.1.9:443", "--to-destination 10.244.1.9:444");
    let (json, _) = check_shop(&captured, "iptables", &["--output", "json"]);
    let report = report(&json);
    assert_eq!(blamed(&report, "10.96.77.77:443/tcp"), ["stale"], "{json}");
    assert_eq!(blamed(&report, "10.96.157.55:443/tcp"), ["altered"], "{json}");
    assert!(!kinds(&report).contains(&"unexplained"), "{json}");
}

#[test]
fn a_chain_to_which_a_stale_rule_jumps_is_not_unused() {
    let chain = "KUBE-SVC-STALESTALESTALES";
    let captured = after(&shop(), ":KUBE-SVC-YXV5H5BMJ7R44KSX", &format!(":{chain} - [0:0]"));
    let (told, _) = check_shop(&captured, "iptables", &[]);
    assert!(told.contains(&format!("nat chain {chain} is left over and unused")), "{told}");
    let jump = format!(
        "[0:0] -A KUBE-SERVICES -d 10.96.77.77/32 -p tcp -m comment --comment \"shop/gone:http cluster IP\" -m tcp --dport 80 -j {chain}"
    );
    let captured = after(&captured, "-A KUBE-SERVICES -d 10.96.0.12/32", &jump);
    let (told, code) = check_shop(&captured, "iptables", &[]);
    assert_eq!(code, Some(1));
    assert!(!told.contains("unused"), "{told}");
    assert!(told.contains("stale: Service shop/gone"), "{told}");
}

#[test]
fn files_of_nodes_that_are_gone_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    let both = written(&format!(
        "{NODE}---\napiVersion: v1\nkind: Node\nmetadata: {{name: worker-2}}\nstatus: {{addresses: [{{type: InternalIP, address: 192.168.0.12}}]}}\n"
    ));
    let arguments = |cluster: &NamedTempFile| {
        let cluster = cluster.path().to_str().unwrap().to_owned();
        run(&["compile", &cluster, "--all-nodes", "--family", "ipv4", "--out-dir", directory])
    };
    let (told, code) = arguments(&both);
    assert!(code == Some(0) && !told.contains("worker-2"), "{told}");
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let (told, code) = arguments(&written(NODE));
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("worker-2.iptables-save") && !told.contains("notes.txt"), "{told}");
    assert!(folder.path().join("worker-2.iptables-save").exists());
}

#[test]
fn a_folder_under_a_final_name_leaves_every_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let both = written(&format!(
        "{NODE}---\napiVersion: v1\nkind: Node\nmetadata: {{name: worker-2}}\nstatus: {{addresses: [{{type: InternalIP, address: 192.168.0.12}}]}}\n"
    ));
    fs::create_dir(folder.path().join("worker-2.ip6tables-save")).unwrap();
    let (cluster, directory) = (both.path().to_str().unwrap(), folder.path().to_str().unwrap());
    let (told, code) =
        run(&["compile", "-q", cluster, "--all-nodes", "--family", "all", "--out-dir", directory]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("worker-2.ip6tables-save"), "{told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{told}");
}
