//! How long serde_json takes to decode a JSON dump into lean structs, in seconds: the measure that the machine at hand
//! gives for all other times. `cargo bench --bench yardstick -- FILE`
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use serde::Deserialize;

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

/// A Service, EndpointSlice or Node: what kube-proxy reads of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "decoded, not used")]
struct Item {
    kind: String,
    metadata: Metadata,
    spec: Option<Spec>,
    address_type: Option<String>,
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "decoded, not used")]
struct Metadata {
    name: String,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "decoded, not used")]
struct Spec {
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    ports: Option<Vec<Port>>,
    #[serde(rename = "type")]
    type_: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "decoded, not used")]
struct Port {
    name: Option<String>,
    port: u16,
    protocol: Option<String>,
    node_port: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "decoded, not used")]
struct Endpoint {
    addresses: Vec<String>,
    conditions: Option<Conditions>,
    node_name: Option<String>,
    zone: Option<String>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "decoded, not used")]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

fn main() {
    let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        return println!("usage: cargo bench --bench yardstick -- FILE");
    };
    let text = std::fs::read(path).unwrap();
    let seconds = |()| {
        let start = Instant::now();
        let list: List = serde_json::from_slice(&text).unwrap();
        let taken = start.elapsed().as_secs_f64();
        black_box(list.items.len());
        taken
    };
    let mut times = [(); 5].map(seconds);
    times.sort_by(f64::total_cmp);
    println!("{:.3}", times[2]);
}
