//! Node ports on loopback addresses, with the gate KubeProxyNFTablesLocalhostNodePorts on: those that kube-proxy does
//! not serve there itself it rejects and counts, by protocol (KEP-6032).

use compact_str::{CompactString, format_compact};

use super::super::ruleset::{Addresses, Chain, Counter, PlacedRule, Statement, Verdict};
use super::build::{base_rule, by_node_port, chain, destination, loopback, made_by, rule};
use super::name;
use crate::net::Protocol;
use crate::plan::{LoopbackNodePorts, Plan, origin};

/// Whether the table has the objects at all.
pub(super) fn is_on(plan: &Plan<'_>) -> bool {
    plan.loopback_node_ports() != LoopbackNodePorts::Untouched
}

/// One counter for each protocol that is rejected.
pub(super) fn counters(plan: &Plan<'_>) -> Vec<Counter> {
    let counter =
        |protocol: &Protocol| Counter { name: counter_name(*protocol), comment: None, packets: 0, bytes: 0 };
    plan.loopback_node_ports().rejected().iter().map(counter).collect()
}

/// One chain for each protocol that is rejected.
pub(super) fn reject_chains(plan: &Plan<'_>) -> impl Iterator<Item = Chain> {
    plan.loopback_node_ports().rejected().iter().map(|protocol| {
        let statements = vec![Statement::NamedCounter(counter_name(*protocol)), Statement::Reject];
        chain(chain_name(*protocol), vec![base_rule(statements)])
    })
}

/// Sends node ports on loopback addresses to the chain that rejects them.
pub(super) fn check(plan: &Plan<'_>) -> Option<PlacedRule> {
    let to_loopback = destination(plan.family(), false, Addresses::One(loopback(plan.family())));
    let statements = vec![to_loopback, by_node_port(name::LOCALHOST_REJECT_PORTS)];
    is_on(plan).then(|| rule(statements, None, made_by(origin::Field::NodePortAddresses)))
}

/// What rejects a node port of this protocol; none if kube-proxy serves it, or does nothing.
pub(super) fn rejection(plan: &Plan<'_>, protocol: Protocol) -> Option<Verdict> {
    let rejected = plan.loopback_node_ports().rejected().contains(&protocol);
    rejected.then(|| Verdict::Goto(chain_name(protocol)))
}

/// Whether an object with this name is for node ports on loopback: the map, a chain or a counter.
pub fn is_loopback_object(name: &str) -> bool {
    name == name::LOCALHOST_REJECT_PORTS
        || Protocol::ALL.into_iter().any(|p| name == chain_name(p) || name == counter_name(p))
}

fn chain_name(protocol: Protocol) -> CompactString {
    format_compact!("localhost-nodeport-reject-{protocol}")
}

fn counter_name(protocol: Protocol) -> CompactString {
    format_compact!("localhost-nodeport-rejected-{protocol}")
}
