//! How long each stage takes on a cluster of 1,000 Services and 25,000 endpoints: `cargo bench`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use criterion::{Criterion, criterion_group, criterion_main};
use kuberules::cluster::Cluster;
use kuberules::net::Family;
use kuberules::plan::Plan;
use kuberules::settings::Settings;
use kuberules::{input, iptables, nftables};

fn dump(format: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/make_cluster");
    let output = std::process::Command::new("python3")
        .args([script, "--services", "1000", "--format", format])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn stages(c: &mut Criterion) {
    for format in ["json", "yaml"] {
        let text = dump(format);
        c.bench_function(&format!("read {format}"), |b| {
            b.iter(|| input::read_text("dump", text.clone()).unwrap())
        });
    }
    let (snapshot, _) = input::read_text("dump", dump("json")).unwrap();
    let settings = Settings::default();
    c.bench_function("cluster", |b| b.iter(|| Cluster::build(&snapshot, &settings)));
    let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
    let node = cluster.node("node-1").unwrap().clone();
    c.bench_function("plan", |b| b.iter(|| Plan::new(&cluster, &settings, &node, Family::Ipv4)));
    let (plan, _) = Plan::new(&cluster, &settings, &node, Family::Ipv4).unwrap();
    c.bench_function("iptables restore", |b| b.iter(|| iptables::restore::print(&plan)));
    c.bench_function("nftables list", |b| b.iter(|| nftables::list::print(&nftables::compile(&plan))));
}

criterion_group!(benches, stages);
criterion_main!(benches);
