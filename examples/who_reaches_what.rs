//! A dump of a cluster in, who reaches what out: for each cluster IP, what happens to a connection from a Pod, from the
//! node, and from outside.
//!
//! ```console
//! $ cargo run --example who_reaches_what testdata/shop/cluster.yaml
//! ```
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use kuberules::cluster::{Cluster, ServicePort};
use kuberules::diagnostic::Diagnostics;
use kuberules::input;
use kuberules::net::Family;
use kuberules::node::NodePlan;
use kuberules::settings::{Configuration, HostFacts, Release, Settings};
use kuberules::walk::{Packet, Verdict, Walker};

/// An address of the documentation (RFC 5737): outside of every cluster.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        println!("usage: who_reaches_what CLUSTER.yaml");
        return ExitCode::from(2);
    };
    let answer = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"));
    match answer.and_then(|text| answers(&file, text).map_err(|found| found.to_string())) {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{why}");
            ExitCode::from(2)
        }
    }
}

fn answers(file: &str, text: String) -> Result<Vec<String>, Diagnostics> {
    // Every stage gives what it made with its warnings, or else everything that it found wrong.
    let (snapshot, _) = input::read_text(file, text)?;
    let host = HostFacts::default();
    let (settings, _) = Settings::resolve(&Configuration::default(), Release::NEWEST, host, None)?;
    let (cluster, _) = Cluster::build(&snapshot, &settings)?;
    let mut lines = Vec::new();
    for node in &cluster.nodes {
        let (plan, _) = NodePlan::new(&cluster, &settings, &snapshot.sources, node, Family::Ipv4)?;
        let rules = plan.compile();
        let walker = Walker::of(&rules);
        for port in &cluster.family(Family::Ipv4).service_ports {
            lines.push(format!("{}: {}", node.name, line(&walker, port)));
        }
    }
    Ok(lines)
}

fn line(walker: &Walker<'_>, port: &ServicePort) -> String {
    let to = SocketAddr::new(port.cluster_ip, port.port.get());
    let pod = port.endpoints.first().map(|endpoint| endpoint.ip);
    let node = walker.host().addresses.first().copied();
    let answers = [("pods", pod), ("nodes", node), ("outside", Some(OUTSIDE))].map(|(who, from)| {
        let packet = from.map(|from| Packet::new(walker.host(), port.name.protocol(), from, to));
        let what = match packet {
            Some(Ok(packet)) => outcome(walker, &packet),
            _ => "not asked",
        };
        format!("{who} {what}")
    });
    format!("{} at {to}: {}", port.name, answers.join(", "))
}

/// The worst that can happen to a packet.
fn outcome(walker: &Walker<'_>, packet: &Packet) -> &'static str {
    let Ok(outcomes) = walker.walk(packet) else { return "unknown" };
    match outcomes.iter().map(|outcome| outcome.verdict).max() {
        Some(Verdict::Accept) => "go through",
        Some(Verdict::Drop) => "time out",
        Some(Verdict::Reject(_)) => "are refused",
        None => "unknown",
    }
}
