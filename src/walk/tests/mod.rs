//! Small rulesets, built by hand, and what happens to packets under them.

mod bounds;
mod foreign;
mod iptables;
mod nftables;
mod onward;
mod rewriting;
mod telling;

use super::{Host, Outcome, Packet, Verdict, Walker};
use crate::net::{Cidr, Protocol};

pub(super) fn host() -> Host {
    Host {
        addresses: vec!["192.168.0.11".parse().unwrap(), "fd00:192::11".parse().unwrap()],
        pod_networks: vec![Cidr::parse_lenient("10.244.1.0/24").unwrap()],
        cluster_networks: vec![Cidr::parse_lenient("10.244.0.0/16").unwrap()],
        ..Host::default()
    }
}

pub(super) fn tcp(source: &str, destination: &str) -> Packet {
    Packet::new(&host(), Protocol::Tcp, source.parse().unwrap(), destination.parse().unwrap()).unwrap()
}

pub(super) fn from_node(destination: &str) -> Packet {
    Packet::from_node(&host(), Protocol::Tcp, destination.parse().unwrap())
}

/// Every outcome in a line: verdict, destination, chance as a fraction, and the rest.
pub(super) fn lines(outcomes: &[Outcome<'_>]) -> Vec<String> {
    outcomes.iter().map(line).collect()
}

fn line(outcome: &Outcome<'_>) -> String {
    let (n, d) = outcome.chance.fraction().unwrap();
    let verdict = match outcome.verdict {
        Verdict::Reject(answer) => format!("reject {answer:?}"),
        other => other.name().to_owned(),
    };
    let mut line = format!("{verdict} {} {n}/{d}", outcome.destination);
    if outcome.snat {
        line.push_str(" snat");
    }
    if outcome.delivered_locally {
        line.push_str(" local");
    }
    for condition in &outcome.given {
        line.push_str(&match condition {
            super::Condition::Affinity { list, .. } => format!(" if on {list}"),
            super::Condition::Opaque { text, matches, .. } => format!(" if {text} is {matches}"),
            super::Condition::Verdict { text, verdicts, .. } => {
                let names: Vec<&str> = verdicts.iter().map(|verdict| verdict.name()).collect();
                format!(" if {text} is {}", names.join(" or "))
            }
            super::Condition::Order { text, .. } => format!(" if {text}"),
            super::Condition::Several { count, .. } => format!(" depending on {count}"),
            super::Condition::Supposed { text, .. } => format!(" supposing {text}"),
        });
    }
    line
}

pub(super) fn walked(walker: &Walker<'_>, packet: &Packet) -> Vec<String> {
    lines(&walker.walk(packet).unwrap())
}
