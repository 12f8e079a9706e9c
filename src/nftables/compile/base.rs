//! The chains that every node has.

use super::super::interval;
use super::super::ruleset::{
    Addresses, BaseChain, Chain, FibEnd, Field, Hook, PlacedRule, Statement, Verdict,
};
use super::build::{
    base_rule, by_node_port, chain, destination, destination_in, jump, loopback, made_by,
    masqueraded_cluster_ip_traffic, rule, set_masquerade_mark,
};
use super::{loopback as loopback_node_ports, name};
use crate::net::{Cidr, Family};
use crate::plan::origin::{self, Origin};
use crate::plan::{NodePorts, Plan};
use crate::settings::release::{BaseLayout, ClusterIpMasquerade};

/// Base chains, then the chains that they jump to, in the order in which kube-proxy makes them.
pub(super) fn chains(plan: &Plan<'_>) -> Vec<Chain> {
    let mut chains: Vec<Chain> = layout(plan.release().nftables.layout)
        .into_iter()
        .chain(NAT_CHAINS)
        .map(Hooked::into_chain)
        .collect();
    chains.extend([
        fixed(name::NODE_PORT_ENDPOINTS_CHECK, node_port_checks(plan)),
        fixed(
            name::SERVICE_ENDPOINTS_CHECK,
            vec![base_rule(vec![by_address(plan.family(), name::NO_ENDPOINT_SERVICES)])],
        ),
        fixed(name::FIREWALL_CHECK, vec![base_rule(vec![by_address(plan.family(), name::FIREWALL_IPS)])]),
        fixed(name::SERVICES, services(plan)),
        fixed(name::MASQUERADING, masquerading(plan)),
        fixed(name::CLUSTER_IPS_CHECK, cluster_ips_check(plan)),
    ]);
    if !plan.release().nftables.direct_dnat {
        let set_mark = masquerade_rule(vec![Statement::SetMarkOr(plan.masquerade().mark)]);
        chains.push(fixed(name::MARK_FOR_MASQUERADE, vec![set_mark]));
    }
    chains.push(Chain {
        comment: Some("helper for @no-endpoint-services / @no-endpoint-nodeports".into()),
        ..fixed(name::REJECT_CHAIN, vec![base_rule(vec![Statement::Reject])])
    });
    chains.extend(loopback_node_ports::reject_chains(plan));
    chains
}

/// A base chain that only jumps.
struct Hooked {
    name: &'static str,
    kind: &'static str,
    hook: Hook,
    priority: i32,
    jumps: &'static [&'static str],
}

impl Hooked {
    const fn filter(name: &'static str, hook: Hook, priority: i32, jumps: &'static [&'static str]) -> Self {
        Hooked { name, kind: "filter", hook, priority, jumps }
    }

    const fn nat(name: &'static str, hook: Hook, priority: i32, jumps: &'static [&'static str]) -> Self {
        Hooked { name, kind: "nat", hook, priority, jumps }
    }

    /// The kernel shows a nat chain only the first packet of a connection; a filter chain asks for it.
    fn into_chain(self) -> Chain {
        let matches = match self.kind {
            "filter" => vec![Statement::ConntrackState(vec!["new".into()])],
            _ => Vec::new(),
        };
        let rules = self.jumps.iter().map(|to| {
            let mut statements = matches.clone();
            statements.push(jump(to));
            base_rule(statements)
        });
        Chain {
            base: Some(BaseChain {
                kind: self.kind.into(),
                hook: self.hook,
                device: None,
                priority: self.priority,
                drops_by_default: false,
            }),
            ..fixed(self.name, rules.collect())
        }
    }
}

const FIREWALL: &[&str] = &[name::FIREWALL_CHECK];
const CLUSTER_IPS: &[&str] = &[name::CLUSTER_IPS_CHECK];
const NODE_PORTS_THEN_SERVICES: &[&str] = &[name::NODE_PORT_ENDPOINTS_CHECK, name::SERVICE_ENDPOINTS_CHECK];
const SERVICES_THEN_FIREWALL: &[&str] = &[name::SERVICE_ENDPOINTS_CHECK, name::FIREWALL_CHECK];
const SERVICES_THEN_CLUSTER_IPS: &[&str] = &[name::SERVICE_ENDPOINTS_CHECK, name::CLUSTER_IPS_CHECK];

const OLD_FILTER_CHAINS: [Hooked; 5] = [
    Hooked::filter("filter-prerouting", Hook::Prerouting, -110, FIREWALL),
    Hooked::filter("filter-input", Hook::Input, -110, NODE_PORTS_THEN_SERVICES),
    Hooked::filter("filter-forward", Hook::Forward, -110, SERVICES_THEN_CLUSTER_IPS),
    Hooked::filter("filter-output", Hook::Output, -110, SERVICES_THEN_FIREWALL),
    Hooked::filter("filter-output-post-dnat", Hook::Output, -90, CLUSTER_IPS),
];

const NEW_FILTER_CHAINS: [Hooked; 5] = [
    Hooked::filter("filter-prerouting-pre-dnat", Hook::Prerouting, -110, FIREWALL),
    Hooked::filter("filter-output-pre-dnat", Hook::Output, -110, FIREWALL),
    Hooked::filter("filter-input", Hook::Input, 0, NODE_PORTS_THEN_SERVICES),
    Hooked::filter("filter-forward", Hook::Forward, 0, SERVICES_THEN_CLUSTER_IPS),
    Hooked::filter("filter-output", Hook::Output, 0, SERVICES_THEN_CLUSTER_IPS),
];

const NAT_CHAINS: [Hooked; 3] = [
    Hooked::nat("nat-prerouting", Hook::Prerouting, -100, &[name::SERVICES]),
    Hooked::nat("nat-output", Hook::Output, -100, &[name::SERVICES]),
    Hooked::nat("nat-postrouting", Hook::Postrouting, 100, &[name::MASQUERADING]),
];

fn layout(layout: BaseLayout) -> [Hooked; 5] {
    match layout {
        BaseLayout::Old => OLD_FILTER_CHAINS,
        BaseLayout::New => NEW_FILTER_CHAINS,
    }
}

fn fixed(name: &str, rules: Vec<PlacedRule>) -> Chain {
    chain(name.into(), rules)
}

fn by_address(family: Family, map: &str) -> Statement {
    Statement::VerdictMap {
        key: vec![Field::DestinationAddress(family), Field::L4Protocol, Field::DestinationPort],
        map: map.into(),
    }
}

fn not_loopback(family: Family) -> Statement {
    destination(family, true, Addresses::One(loopback(family)))
}

fn node_port_checks(plan: &Plan<'_>) -> Vec<PlacedRule> {
    std::iter::once(node_ports_without_endpoints(plan)).chain(loopback_node_ports::check(plan)).collect()
}

fn node_ports_without_endpoints(plan: &Plan<'_>) -> PlacedRule {
    let matches = match plan.node_ports() {
        NodePorts::AllLocal => not_loopback(plan.family()),
        NodePorts::Addresses(_) => destination_in(plan.family(), name::NODE_PORT_IPS),
    };
    let statements = vec![matches, by_node_port(name::NO_ENDPOINT_NODE_PORTS)];
    rule(statements, None, made_by(origin::Field::NodePortAddresses))
}

fn node_ports(plan: &Plan<'_>) -> PlacedRule {
    let mut statements = match plan.node_ports() {
        NodePorts::AllLocal => vec![Statement::FibLocal(FibEnd::Destination), not_loopback(plan.family())],
        NodePorts::Addresses(_) => vec![destination_in(plan.family(), name::NODE_PORT_IPS)],
    };
    statements.push(by_node_port(name::SERVICE_NODE_PORTS));
    rule(statements, None, made_by(origin::Field::NodePortAddresses))
}

fn services(plan: &Plan<'_>) -> Vec<PlacedRule> {
    let mut rules = Vec::new();
    if plan.release().nftables.cluster_ip_masquerade == ClusterIpMasquerade::BySet {
        rules.extend(masquerade_of_cluster_ips(plan));
    }
    rules.push(base_rule(vec![by_address(plan.family(), name::SERVICE_IPS)]));
    rules.push(node_ports(plan));
    rules
}

fn masquerade_of_cluster_ips(plan: &Plan<'_>) -> Option<PlacedRule> {
    let (matches, field) = masqueraded_cluster_ip_traffic(plan)?;
    let comment = if plan.masquerade().all {
        "masquerade all clusterIP traffic"
    } else {
        "masquerade clusterIP traffic from outside cluster"
    };
    let mut statements = vec![destination_in(plan.family(), name::CLUSTER_IPS)];
    statements.extend(matches);
    statements.push(set_masquerade_mark(plan));
    Some(rule(statements, Some(comment), made_by(field)))
}

fn masquerade_rule(statements: Vec<Statement>) -> PlacedRule {
    rule(statements, None, made_by(origin::Field::Masquerade))
}

/// In this mode kube-proxy randomizes the source port without checking whether the host can.
const MASQUERADE: Statement = Statement::Masquerade { fully_random: true };

fn masquerading(plan: &Plan<'_>) -> Vec<PlacedRule> {
    let mark = plan.masquerade().mark;
    let marked = |negated| Statement::Mark { mask: mark, negated, value: 0 };
    let clear_mark = Statement::SetMarkXor(mark);
    let rules = if plan.release().nftables.direct_dnat {
        vec![
            vec![marked(true), clear_mark, MASQUERADE],
            vec![Statement::ConntrackStatusDnat, to_itself(plan.family()), MASQUERADE],
        ]
    } else {
        let unmarked = vec![marked(false), Statement::Verdict(Verdict::Return)];
        vec![unmarked, vec![clear_mark], vec![MASQUERADE]]
    };
    rules.into_iter().map(masquerade_rule).collect()
}

/// Matches what an endpoint sends to itself through a Service.
fn to_itself(family: Family) -> Statement {
    Statement::InSet {
        key: vec![
            Field::SourceAddress(family),
            Field::DestinationAddress(family),
            Field::L4Protocol,
            Field::DestinationPort,
        ],
        negated: false,
        set: name::HAIRPIN.into(),
    }
}

fn cluster_ips_check(plan: &Plan<'_>) -> Vec<PlacedRule> {
    let reject = rule(
        vec![destination_in(plan.family(), name::CLUSTER_IPS), Statement::Reject],
        Some("Reject traffic to invalid ports of ClusterIPs"),
        Origin::BASE,
    );
    let mut rules = vec![reject];
    if !plan.service_cidrs().is_empty() {
        rules.push(drop_unallocated(plan.family(), plan.service_cidrs().to_vec()));
    }
    rules
}

fn drop_unallocated(family: Family, service_cidrs: Vec<Cidr>) -> PlacedRule {
    rule(
        vec![
            destination(family, false, interval::anonymous(service_cidrs)),
            Statement::Verdict(Verdict::Drop),
        ],
        Some("Drop traffic to unallocated ClusterIPs"),
        made_by(origin::Field::ServiceCidr),
    )
}
