//! Plan to ruleset: the table that kube-proxy keeps on the node for one family.

mod base;
mod elements;
mod fixed_sets;
mod forward;
mod service_port;

#[cfg(test)]
pub(in crate::nftables) mod samples;
#[cfg(test)]
mod tests;

use compact_str::CompactString;

use super::ruleset::{
    Addresses, Chain, Field, PlacedRule, Rule, Ruleset, Set, Statement, Table, TableFamily, Verdict,
};
use crate::net::{Cidr, Family};
use crate::plan::origin::{self, Origin};
use crate::plan::{LocalTraffic, Plan};
use fixed_sets::FixedSets;

/// The name of kube-proxy's tables.
pub const TABLE: &str = "kube-proxy";

/// The ruleset of one family: one table, as kube-proxy of the plan's release leaves it on a fresh node.
///
/// Where two Services claim one address and port, the last in the plan's order has the element; where both want the
/// same verdict, the first's comment stays.
pub fn compile(plan: &Plan<'_>) -> Ruleset {
    let mut fixed = FixedSets::new(plan);
    let mut affinity_sets: Vec<Set> = Vec::new();
    let mut chains: Vec<Chain> = base::chains(plan);
    for (index, service_port) in (0u32..).zip(&plan.service_ports) {
        let compiler = service_port::Compiler::new(plan, index, service_port);
        compiler.add_elements(&mut fixed);
        affinity_sets.extend(compiler.affinity_sets());
        chains.extend(compiler.chains());
    }
    let mut sets = fixed.into_sets();
    sets.append(&mut affinity_sets);
    Ruleset {
        tables: vec![Table {
            family: TableFamily::from(plan.family),
            name: TABLE.into(),
            comment: Some("rules for kube-proxy".into()),
            sets,
            chains,
            opaque: Vec::new(),
        }],
    }
}

/// Names of the sets, maps and chains that every node has.
mod name {
    pub(super) const HAIRPIN: &str = "hairpin-connections";
    pub(super) const CLUSTER_IPS: &str = "cluster-ips";
    pub(super) const NODE_PORT_IPS: &str = "nodeport-ips";
    pub(super) const NO_ENDPOINT_SERVICES: &str = "no-endpoint-services";
    pub(super) const NO_ENDPOINT_NODE_PORTS: &str = "no-endpoint-nodeports";
    pub(super) const FIREWALL_IPS: &str = "firewall-ips";
    pub(super) const SERVICE_IPS: &str = "service-ips";
    pub(super) const SERVICE_NODE_PORTS: &str = "service-nodeports";

    pub(super) const NODE_PORT_ENDPOINTS_CHECK: &str = "nodeport-endpoints-check";
    pub(super) const SERVICE_ENDPOINTS_CHECK: &str = "service-endpoints-check";
    pub(super) const FIREWALL_CHECK: &str = "firewall-check";
    pub(super) const SERVICES: &str = "services";
    pub(super) const MASQUERADING: &str = "masquerading";
    pub(super) const CLUSTER_IPS_CHECK: &str = "cluster-ips-check";
    pub(super) const MARK_FOR_MASQUERADE: &str = "mark-for-masquerade";
    pub(super) const REJECT_CHAIN: &str = "reject-chain";
}

fn rule(statements: Vec<Statement>, comment: Option<&str>, origin: Origin) -> PlacedRule {
    PlacedRule { rule: Rule { statements, comment: comment.map(CompactString::from) }, origin: Some(origin) }
}

fn chain(name: CompactString, rules: Vec<PlacedRule>) -> Chain {
    Chain { name, comment: None, base: None, rules }
}

fn jump(to: &str) -> Statement {
    Statement::Verdict(Verdict::Jump(to.into()))
}

fn goto(to: CompactString) -> Statement {
    Statement::Verdict(Verdict::Goto(to))
}

fn source(family: Family, negated: bool, addresses: Addresses) -> Statement {
    Statement::Address { field: Field::SourceAddress(family), negated, addresses }
}

fn destination(family: Family, negated: bool, addresses: Addresses) -> Statement {
    Statement::Address { field: Field::DestinationAddress(family), negated, addresses }
}

fn destination_in(family: Family, set: &str) -> Statement {
    destination(family, false, Addresses::Named(set.into()))
}

/// Sets the mark by which the chain `masquerading` knows the packet.
fn set_masquerade_mark(plan: &Plan<'_>) -> Statement {
    if plan.release.nftables.direct_dnat {
        Statement::SetMarkOr(plan.masquerade.mark)
    } else {
        jump(name::MARK_FOR_MASQUERADE)
    }
}

/// Matches traffic of local pods.
fn from_local_pod(plan: &Plan<'_>) -> Option<Statement> {
    local_traffic_match(plan, false)
}

/// Traffic to cluster IPs that is masqueraded: matches beside the address, and what made them.
fn masqueraded_cluster_ip_traffic(plan: &Plan<'_>) -> Option<(Vec<Statement>, origin::Field)> {
    if plan.masquerade.all {
        return Some((Vec::new(), origin::Field::Masquerade));
    }
    let from_elsewhere = local_traffic_match(plan, true)?;
    Some((vec![from_elsewhere], origin::Field::DetectLocal))
}

fn local_traffic_match(plan: &Plan<'_>, negated: bool) -> Option<Statement> {
    let interface =
        |name| Statement::InInterface { by_name: plan.release.nftables.interface_by_name, negated, name };
    Some(match plan.local_traffic.as_ref()? {
        LocalTraffic::From(cidr) => source(plan.family, negated, Addresses::One(*cidr)),
        LocalTraffic::Interface(name) => interface(name.clone()),
        LocalTraffic::InterfacePrefix(prefix) => interface(format!("{prefix}*").into()),
    })
}

/// Loopback addresses of a family.
fn loopback(family: Family) -> Cidr {
    let ip = family.loopback();
    let length = match family {
        Family::Ipv4 => 8,
        Family::Ipv6 => 128,
    };
    Cidr::new(ip, length).unwrap_or_else(|| Cidr::host(ip))
}
