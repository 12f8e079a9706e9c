//! How long each stage takes on a cluster of 1,000 Services and 25,000 endpoints, in milliseconds, the quickest and the
//! median of some rounds: `cargo bench --bench stages`
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Instant;

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

const ROUNDS: usize = 31;

fn time<T>(stage: &str, work: impl Fn() -> T) {
    black_box(work()); // what only the first run pays for
    let mut times = [(); ROUNDS].map(|()| {
        let start = Instant::now();
        black_box(work());
        start.elapsed().as_secs_f64() * 1000.0
    });
    times.sort_by(f64::total_cmp);
    println!("{stage:16} {:8.2} {:8.2}", times[0], times[ROUNDS / 2]);
}

fn main() {
    for format in ["json", "yaml"] {
        let text = dump(format);
        time(&format!("read {format}"), || input::read_text("dump", text.clone()).unwrap());
    }
    let (snapshot, _) = input::read_text("dump", dump("json")).unwrap();
    let settings = Settings::default();
    time("cluster", || Cluster::build(&snapshot, &settings));
    let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
    let node = cluster.node("node-1").unwrap().clone();
    time("plan", || Plan::new(&cluster, &settings, &node, Family::Ipv4));
    let (plan, _) = Plan::new(&cluster, &settings, &node, Family::Ipv4).unwrap();
    time("iptables restore", || iptables::restore::print(&plan));
    time("nftables list", || nftables::list::print(&nftables::compile(&plan)));
}
