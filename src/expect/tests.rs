#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use serde_json::{Value as Json, json};

use super::{Ground, Side, read, write};
use crate::cluster::Cluster;
use crate::input::read_text;
use crate::input::tree::{Tree, Value, read_documents};
use crate::node;
use crate::settings::{Configuration, HostFacts, Release, Settings};

/// As an editor reads it, for which `on` is a text.
fn json_of(tree: &Tree) -> Json {
    match &tree.value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(text) => json!(text),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(entries) => {
            let key = |key: &String| if key == "true" { "on".to_owned() } else { key.clone() };
            entries.iter().map(|(name, value)| (key(name), json_of(value))).collect()
        }
    }
}

fn validator() -> jsonschema::Validator {
    let text = include_str!("../../docs/schemas/expectations.json");
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

fn is_valid(text: &str) -> bool {
    let documents = read_documents(text).unwrap();
    validator().is_valid(&json_of(&documents[0]))
}

fn entry(entry: &str) -> String {
    format!("apiVersion: kuberules/v1\nexpectations:\n- {entry}\n")
}

#[test]
fn the_schema_knows_what_the_reader_knows() {
    for right in [
        "{to: shop/web, from: [pods, 'pod:shop/cart-0', 10.0.0.0/8], on: any, expect: works}",
        "{to: [shop/web, external], at: [node-port], from: outside, on: [a, 'x=y'], clientIP: preserved}",
        "{to: shop/web, on: {matchLabels: {a: b}}, endpoints: {atLeast: 2, perZone: 1}}",
        "{exposed: {only: []}}",
        "{exposed: {only: [shop/web:http]}, on: [a]}",
    ] {
        assert!(read("x", &entry(right)).is_ok(), "{right}: {:?}", read("x", &entry(right)));
        assert!(is_valid(&entry(right)), "{right}");
    }
    for wrong in [
        "{to: shop/web, from: pods, expects: works}",
        "{to: shop/web, from: pods, expect: work}",
        "{to: shop/web, expect: works}",
        "{to: shop/web, from: pods, clientIP: kept}",
        "{to: shop/web, at: pod-ip, from: pods, expect: works}",
        "{to: shop/web, endpoints: {}}",
        "{to: [], from: pods, expect: works}",
        "{exposed: {}}",
        "{exposed: {only: []}, from: pods}",
    ] {
        assert!(read("x", &entry(wrong)).is_err(), "{wrong}");
        assert!(!is_valid(&entry(wrong)), "{wrong}");
    }
}

#[test]
fn what_is_written_is_valid() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/shop/before.yaml");
    let (snapshot, _) = read_text("before.yaml", std::fs::read_to_string(shop).unwrap()).unwrap();
    let settings =
        Settings::resolve(&Configuration::default(), Release::NEWEST, HostFacts::default(), None).unwrap().0;
    let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
    let side = Side { cluster: &cluster, settings: &settings };
    let ground = Ground::new(&snapshot, vec![(side, None)], node::families(&cluster, &settings));
    let (text, _) = write(&ground);
    assert!(is_valid(&text), "{text}");
    assert_snapshot!(text);
}
