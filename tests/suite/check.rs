//! `check`: captured rulesets of the corpus are clean, and what goes wrong on nodes is reported by its name.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::scope::share;
use crate::support::{Case, cases, in_parallel, kuberules, testdata};

fn shop_check(captured: &Path, mode: &str, more: &[&str]) -> (String, Option<i32>) {
    let shop = testdata().join("shop");
    let cluster = shop.join("before.yaml").display().to_string();
    let config = shop.join(format!("before-worker-1/kube-proxy.{mode}.json")).display().to_string();
    let captured = captured.display().to_string();
    let mut arguments =
        vec!["check", "-q", &cluster, "--node", "worker-1", "--config", &config, "--captured", &captured];
    arguments.extend(more);
    let result = kuberules(&arguments);
    let told = String::from_utf8(result.stdout).unwrap() + &String::from_utf8(result.stderr).unwrap();
    (told, result.status.code())
}

fn kinds(json: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(json).unwrap();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect()
}

/// The shop's capture of worker-1 in iptables mode, edited.
fn edited(edit: impl Fn(&str) -> String) -> tempfile::NamedTempFile {
    let text = fs::read_to_string(testdata().join("captures/shop-worker-1.iptables-save-c.txt")).unwrap();
    written(&edit(&text))
}

fn written(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

fn findings(case: &Case) -> Vec<String> {
    let config = case.folder.join(format!("kube-proxy.{}.json", case.mode)).display().to_string();
    let cluster = case.cluster.display().to_string();
    let mut found = Vec::new();
    for (family, file) in [
        ("ipv4", "iptables-save.txt"),
        ("ipv6", "ip6tables-save.txt"),
        ("ipv4", "nft-ip.txt"),
        ("ipv6", "nft-ip6.txt"),
    ] {
        let captured = case.expected.join(file);
        if !captured.exists() {
            continue;
        }
        let captured = captured.display().to_string();
        let mut arguments = vec![
            "check",
            &cluster,
            "-q",
            "--force",
            "--node",
            &case.node,
            "--config",
            &config,
            "--family",
            family,
            "--captured",
            &captured,
        ];
        arguments.extend(case.host_ips.iter().flat_map(|ip| ["--host-ip", ip]));
        let result = kuberules(&arguments);
        if result.status.code() != Some(0) {
            let told = String::from_utf8_lossy(&result.stdout) + String::from_utf8_lossy(&result.stderr);
            found.push(format!("{captured}: {told}"));
        }
    }
    found
}

#[test]
fn every_captured_ruleset_of_the_corpus_is_clean() {
    let all: Vec<Case> = ["iptables", "nftables"].into_iter().flat_map(cases).collect();
    let all = share("check", 24, all);
    let found: Vec<String> = in_parallel(&all, findings).into_iter().flatten().collect();
    assert!(found.is_empty(), "{} are not\n{}", found.len(), found.join("\n"));
}

#[test]
fn whole_nodes_are_clean_among_the_rules_of_others() {
    let captures = testdata().join("captures");
    for (file, mode) in [
        ("shop-worker-1.iptables-save-c.txt", "iptables"),
        ("shop-worker-1.nft-list-ruleset.txt", "nftables"),
        ("shop-worker-1.nft-j-list-ruleset.json", "nftables"),
    ] {
        let (told, code) = shop_check(&captures.join(file), mode, &[]);
        assert_eq!(code, Some(0), "{file}: {told}");
    }
}

/// kubernetes/kubernetes 35641, 28674: one node of six is wrong.
#[test]
fn k35641_the_node_that_is_wrong_is_told_by_service() {
    let file = edited(|text| {
        let kept = text
            .lines()
            .filter(|line| !(line.contains("-A KUBE-SERVICES") && line.contains("shop/web:http cluster IP")));
        kept.collect::<Vec<_>>().join("\n") + "\n"
    });
    let (told, code) = shop_check(file.path(), "iptables", &[]);
    assert_eq!(code, Some(1));
    assert!(told.contains("missing: Service shop/web: 1 rule missing"), "{told}");
    assert!(told.contains("cluster IP of shop/web:http"), "{told}");
    assert!(told.contains("is:        not a Service port"), "{told}");
}

/// kubernetes/kubernetes 35641: a node that did not see the last changes has the rules of the day before.
#[test]
fn k28674_stale_rules_name_their_service() {
    let shop = testdata().join("shop");
    let captured =
        shop.join("before-worker-1/expected/1.36.3-iptables/iptables-save.txt").display().to_string();
    let (cluster, config) = (shop.join("after.yaml"), shop.join("after-worker-1/kube-proxy.iptables.json"));
    let (cluster, config) = (cluster.display().to_string(), config.display().to_string());
    let arguments =
        ["check", "-q", &cluster, "--node", "worker-1", "--config", &config, "--captured", &captured];
    let result = kuberules(&arguments);
    let told = String::from_utf8(result.stdout).unwrap();
    assert_eq!(result.status.code(), Some(1));
    assert!(told.contains("stale: Service shop/legacy-erp is not in the cluster"), "{told}");
    assert!(told.contains("missing: Service shop/search"), "{told}");
    assert_snapshot!(told.replace(&testdata().display().to_string(), ""));
}

/// kubernetes/kubernetes 102314, 119265, 109286: leftovers after a change of mode.
#[test]
fn k102314_leftovers_of_the_other_mode_are_told() {
    let listing = fs::read_to_string(testdata().join("captures/shop-worker-1.nft-list-ruleset.txt")).unwrap();
    let nat = "table ip nat {\n\tchain KUBE-SERVICES {\n\t\tip daddr 10.96.0.10 counter packets 0 bytes 0 jump KUBE-SVC-X\n\t}\n\n\tchain KUBE-SVC-X {\n\t}\n}\n";
    let has_nat = listing.contains("table ip nat {");
    let text = match has_nat {
        true => listing.replacen(
            "table ip nat {",
            "table ip nat {\n\tchain KUBE-SERVICES {\n\t\tip daddr 10.96.0.10 accept\n\t}\n",
            1,
        ),
        false => listing + nat,
    };
    let (json, code) = shop_check(written(&text).path(), "nftables", &["--output", "json"]);
    assert_eq!(code, Some(1), "{json}");
    assert!(kinds(&json).contains(&"other-mode-leftovers".to_owned()), "{json}");
    let incompatible = "# Table `kube-proxy' is incompatible, use 'nft' tool.\n";
    let file = edited(|text| format!("{incompatible}{text}"));
    let (json, code) = shop_check(file.path(), "iptables", &["--output", "json"]);
    assert_eq!((kinds(&json), code), (vec!["other-mode-leftovers".to_owned()], Some(1)), "{json}");
}

/// kubernetes/kubernetes 107965, 71305: iptables shows nothing, and packets still meet KUBE-SERVICES.
#[test]
fn k107965_legacy_and_nft_mixed() {
    let warning = "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n";
    let nothing = format!(
        "# Generated by iptables-save v1.8.9 (nf_tables) on Sat Nov 21 02:13:49 2026\n*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n{warning}"
    );
    let (json, code) = shop_check(written(&nothing).path(), "iptables", &["--output", "json"]);
    assert_eq!((kinds(&json), code), (vec!["legacy-mix".to_owned()], Some(1)), "{json}");
    let file = edited(|text| format!("{text}{warning}"));
    let (json, code) = shop_check(file.path(), "iptables", &["--output", "json"]);
    assert_eq!((kinds(&json), code), (vec!["legacy-mix".to_owned()], Some(1)), "{json}");
}

/// kubernetes/kubernetes 114537, 112477: `DNAT --to-destination :0`.
#[test]
fn k114537_dnat_to_no_address_is_a_known_corruption() {
    let file = edited(|text| {
        let corrupt = |line: &str| match line.split_once("-j DNAT --to-destination ") {
            Some((rule, to)) if to.starts_with("10.244.1.4:") => {
                format!("{rule}-j DNAT --to-destination :0 --persistent --to-destination :0")
            }
            _ => line.to_owned(),
        };
        text.lines().map(corrupt).collect::<Vec<_>>().join("\n") + "\n"
    });
    let (told, code) = shop_check(file.path(), "iptables", &[]);
    assert_eq!(code, Some(1));
    assert!(told.contains("zero-destination: Service shop/web"), "{told}");
    assert!(told.contains("112477, 114537"), "{told}");
}

#[test]
fn another_masquerade_bit_is_one_finding() {
    let file =
        edited(|text| text.replace("0x4000/0x4000", "0x8000/0x8000").replace("0x4000/0x0", "0x8000/0x0"));
    let (json, code) = shop_check(file.path(), "iptables", &["--output", "json"]);
    assert_eq!((kinds(&json), code), (vec!["masquerade-mark".to_owned()], Some(1)), "{json}");
}

#[test]
fn another_release_than_told_is_one_finding() {
    let captured = testdata().join("shop/before-worker-1/expected/1.30.3-iptables/iptables-save.txt");
    let (json, code) = shop_check(&captured, "iptables", &["--kube-version", "1.36", "--output", "json"]);
    assert_eq!((kinds(&json), code), (vec!["other-release".to_owned()], Some(1)), "{json}");
}

#[test]
fn a_missing_jump_and_a_foreign_rule_before_it_are_told() {
    let file = edited(|text| {
        let kept = text
            .lines()
            .filter(|line| !(line.contains("-A PREROUTING") && line.contains("-j KUBE-SERVICES")));
        kept.collect::<Vec<_>>().join("\n") + "\n"
    });
    let (told, _) = shop_check(file.path(), "iptables", &[]);
    assert!(told.contains("base-jump-missing"), "{told}");
    let file = edited(|text| {
        let foreign =
            "[0:0] -A PREROUTING -p tcp -m tcp --dport 30080 -j DNAT --to-destination 192.168.0.99:80\n";
        let at = text
            .find("[0:0] -A PREROUTING")
            .or(text.find("-A PREROUTING").map(|at| text[..at].rfind('\n').unwrap() + 1));
        let nat = text.find("*nat").unwrap();
        let at = at.filter(|at| *at > nat).unwrap_or_else(|| {
            nat + text[nat..]
                .find("-A PREROUTING")
                .map(|at| text[nat..nat + at].rfind('\n').unwrap() + 1)
                .unwrap()
        });
        format!("{}{foreign}{}", &text[..at], &text[at..])
    });
    let (told, _) = shop_check(file.path(), "iptables", &[]);
    assert!(told.contains("preceded: foreign rules take packets to Services first"), "{told}");
    assert!(told.contains("192.168.0.99:80"), "{told}");
}

/// The set of a foreign rule that comes first was not captured: this is said once, whatever depends on it.
#[test]
fn what_was_not_captured_is_named_once() {
    let foreign = "-A FORWARD -m set --match-set blocked src -j DROP\n";
    let file = edited(|text| {
        let filter = text.find("*filter").unwrap();
        let rule = filter + text[filter..].find("-A FORWARD").unwrap();
        let line = text[..rule].rfind('\n').unwrap() + 1;
        format!("{}{foreign}{}", &text[..line], &text[line..])
    });
    let cluster = testdata().join("shop/before.yaml");
    let arguments = ["check", cluster.to_str().unwrap(), "--node", "worker-1", "--captured"];
    let output = kuberules(&[&arguments[..], &[file.path().to_str().unwrap()]].concat());
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.matches("because ipset save was not captured").count(), 1, "{told}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn annotations_for_github() {
    let file = edited(|text| {
        let kept = text.lines().filter(|line| !line.contains("-A KUBE-MARK-MASQ"));
        kept.collect::<Vec<_>>().join("\n") + "\n"
    });
    let (told, code) = shop_check(file.path(), "iptables", &["--output", "github"]);
    assert_eq!(code, Some(1));
    assert!(
        told.lines()
            .any(|line| line.starts_with("::error file=") && line.contains("title=kuberules missing::")),
        "{told}"
    );
}
