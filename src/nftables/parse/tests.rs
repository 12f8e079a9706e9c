use std::path::{Path, PathBuf};

use super::*;
use crate::nftables::list;
use crate::nftables::ruleset::{Statement, TableFamily};

fn files(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, name, found);
        } else if path.file_name().unwrap() == name {
            found.push(path);
        }
    }
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(Path::new("testdata"), name, &mut found);
    found.sort();
    assert!(found.len() >= 15, "{name}: {}", found.len());
    found
}

fn assert_all_typed(ruleset: &Ruleset, path: &Path) {
    let rules = ruleset.tables.iter().flat_map(|t| &t.chains).flat_map(|c| &c.rules);
    for statement in rules.flat_map(|placed| &placed.rule.statements) {
        assert!(!matches!(statement, Statement::Opaque(_)), "{} {statement:?}", path.display());
    }
}

#[test]
fn what_kube_proxy_left_on_nodes_prints_again() {
    for path in corpus("nft-ip.txt").into_iter().chain(corpus("nft-ip6.txt")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let ruleset = parse_listing(&text).unwrap();
        assert_eq!(ruleset.tables.len(), 1);
        assert_all_typed(&ruleset, &path);
        assert!(list::print(&ruleset) == text, "{}", path.display());
    }
}

#[test]
fn a_whole_node_with_rules_of_others_prints_again() {
    let text = std::fs::read_to_string("testdata/captures/shop-worker-1.nft-list-ruleset.txt").unwrap();
    let ruleset = parse_listing(&text).unwrap();
    let names: Vec<_> = ruleset.tables.iter().map(|t| (t.family, t.name.as_str())).collect();
    let expected = [
        (TableFamily::Ip, "kube-proxy"),
        (TableFamily::Ip6, "kube-proxy"),
        (TableFamily::Ip, "nat"),
        (TableFamily::Ip, "filter"),
        (TableFamily::Inet, "firewalld"),
    ];
    assert_eq!(names, expected);
    assert_eq!(list::print(&ruleset), text);
}

/// nft 1.0.6 leaves comments of tables and chains out of its JSON.
fn without_comments(mut ruleset: Ruleset) -> Ruleset {
    for table in &mut ruleset.tables {
        table.comment = None;
        table.chains.iter_mut().for_each(|chain| chain.comment = None);
    }
    ruleset
}

#[test]
fn json_is_read_as_the_listing_is() {
    for path in corpus("nft-ip.json").into_iter().chain(corpus("nft-ip6.json")) {
        let json = parse_json(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let listing = parse_listing(&std::fs::read_to_string(path.with_extension("txt")).unwrap()).unwrap();
        assert_all_typed(&json, &path);
        assert!(json == without_comments(listing), "{}", path.display());
    }
}

#[test]
fn kube_proxys_tables_among_others_are_read_from_json() {
    let read =
        |name: &str| std::fs::read_to_string(format!("testdata/captures/shop-worker-1.{name}")).unwrap();
    let listing = without_comments(parse_listing(&read("nft-list-ruleset.txt")).unwrap());
    let json = parse_json(&read("nft-j-list-ruleset.json")).unwrap();
    assert_eq!(json.tables.len(), 5);
    assert_eq!(json.tables[..2], listing.tables[..2]);
    assert_eq!(json.tables[4].sets, listing.tables[4].sets);
    let bases = |ruleset: &Ruleset| -> Vec<_> {
        ruleset.tables.iter().flat_map(|t| &t.chains).map(|c| (c.name.clone(), c.base.clone())).collect()
    };
    assert_eq!(bases(&json), bases(&listing));
}

fn capture(name: &str) -> String {
    std::fs::read_to_string(format!("testdata/captures/{name}")).unwrap()
}

#[test]
fn whatever_nft_can_say_prints_again() {
    let text = capture("foreign.nft-list-ruleset.txt");
    let ruleset = parse_listing(&text).unwrap();
    assert_same_text(&list::print(&ruleset), &text);
    let with_handles = parse_listing(&capture("foreign.nft-a-list-ruleset.txt")).unwrap();
    assert_same_text(&list::print(&with_handles), &text);
    assert_eq!(with_handles, ruleset);
}

fn assert_same_text(printed: &str, expected: &str) {
    for (a, b) in printed.lines().zip(expected.lines()) {
        assert_eq!(a, b);
    }
    assert_eq!(printed.len(), expected.len());
}
