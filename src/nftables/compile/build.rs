//! Rules and statements that several parts of the table use.

use compact_str::CompactString;

use super::name;
use crate::net::{Cidr, Family};
use crate::nftables::ruleset::{Addresses, Chain, Field, PlacedRule, Rule, Statement, Verdict};
use crate::plan::origin::{self, Origin};
use crate::plan::{LocalTraffic, Plan};

pub(super) fn rule(statements: Vec<Statement>, comment: Option<&str>, origin: Origin) -> PlacedRule {
    PlacedRule { rule: Rule { statements, comment: comment.map(CompactString::from) }, origin: Some(origin) }
}

pub(super) fn chain(name: CompactString, rules: Vec<PlacedRule>) -> Chain {
    Chain { name, comment: None, base: None, rules }
}

pub(super) fn jump(to: &str) -> Statement {
    Statement::Verdict(Verdict::Jump(to.into()))
}

pub(super) fn goto(to: CompactString) -> Statement {
    Statement::Verdict(Verdict::Goto(to))
}

pub(super) fn source(family: Family, negated: bool, addresses: Addresses) -> Statement {
    Statement::Address { field: Field::SourceAddress(family), negated, addresses }
}

pub(super) fn destination(family: Family, negated: bool, addresses: Addresses) -> Statement {
    Statement::Address { field: Field::DestinationAddress(family), negated, addresses }
}

pub(super) fn destination_in(family: Family, set: &str) -> Statement {
    destination(family, false, Addresses::Named(set.into()))
}

/// Sets the mark by which the chain `masquerading` recognizes the packet.
pub(super) fn set_masquerade_mark(plan: &Plan<'_>) -> Statement {
    if plan.release().nftables.direct_dnat {
        Statement::SetMarkOr(plan.masquerade().mark)
    } else {
        jump(name::MARK_FOR_MASQUERADE)
    }
}

/// Matches traffic of local pods.
pub(super) fn from_local_pod(plan: &Plan<'_>) -> Option<Statement> {
    local_traffic_match(plan, false)
}

/// Which traffic to cluster IPs is masqueraded: matches besides the address, and what made them.
pub(super) fn masqueraded_cluster_ip_traffic(plan: &Plan<'_>) -> Option<(Vec<Statement>, origin::Field)> {
    if plan.masquerade().all {
        return Some((Vec::new(), origin::Field::Masquerade));
    }
    let from_elsewhere = local_traffic_match(plan, true)?;
    Some((vec![from_elsewhere], origin::Field::DetectLocal))
}

fn local_traffic_match(plan: &Plan<'_>, negated: bool) -> Option<Statement> {
    let interface =
        |name| Statement::InInterface { by_name: plan.release().nftables.interface_by_name, negated, name };
    Some(match plan.local_traffic()? {
        LocalTraffic::From(cidr) => source(plan.family(), negated, Addresses::One(*cidr)),
        LocalTraffic::Interface(name) => interface(name.clone()),
        LocalTraffic::InterfacePrefix(prefix) => interface(format!("{prefix}*").into()),
    })
}

/// Loopback addresses of a family.
pub(super) fn loopback(family: Family) -> Cidr {
    let ip = family.loopback();
    let length = match family {
        Family::Ipv4 => 8,
        Family::Ipv6 => 128,
    };
    Cidr::new(ip, length).unwrap_or_else(|| Cidr::host(ip))
}

pub(super) fn base_rule(statements: Vec<Statement>) -> PlacedRule {
    rule(statements, None, Origin::BASE)
}

pub(super) fn made_by(field: origin::Field) -> Origin {
    Origin { field, ..Origin::BASE }
}

pub(super) fn by_node_port(map: &str) -> Statement {
    Statement::VerdictMap { key: vec![Field::L4Protocol, Field::DestinationPort], map: map.into() }
}
