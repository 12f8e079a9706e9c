//! Chains and rules that every node has.

use super::sink::Sink;
use crate::iptables::chains::{
    FORWARD, INPUT, KUBE_EXTERNAL_SERVICES, KUBE_FIREWALL, KUBE_FORWARD, KUBE_MARK_MASQ, KUBE_NODEPORTS,
    KUBE_POSTROUTING, KUBE_PROXY_CANARY, KUBE_PROXY_FIREWALL, KUBE_SERVICES, OUTPUT, POSTROUTING, PREROUTING,
};
use crate::iptables::ruleset::TableName::{Filter, Mangle, Nat};
use crate::iptables::ruleset::{ChainName, End, Rule, TableName, Target};
use crate::net::{Cidr, Family};
use crate::plan::origin::{Field, Origin};
use crate::plan::{NodePorts, Plan};

/// What kube-proxy installs by separate commands: canaries, and jumps from the built-in chains. Each command puts its
/// rule at the head of the chain, so here they are in reverse order.
pub(super) fn installed(sink: &mut impl Sink) {
    for table in [Mangle, Nat, Filter] {
        sink.chain(table, KUBE_PROXY_CANARY);
    }
    for (table, chain, states, comment, target) in JUMPS.iter().rev() {
        sink.chain(*table, *target);
        let mut rule = Rule::default();
        if !states.is_empty() {
            rule = rule.state(false, states);
        }
        if !comment.is_empty() {
            rule = rule.comment_after(comment);
        }
        sink.rule(*table, *chain, rule.jump(*target), Origin::BASE);
    }
}

type Jump = (TableName, ChainName, &'static [&'static str], &'static str, ChainName);

const NEW: &[&str] = &["NEW"];

/// In the order in which kube-proxy ensures them (proxier.go, iptablesJumpChains; the last two as the kubelet).
const JUMPS: [Jump; 14] = [
    (Filter, INPUT, NEW, "kubernetes externally-visible service portals", KUBE_EXTERNAL_SERVICES),
    (Filter, FORWARD, NEW, "kubernetes externally-visible service portals", KUBE_EXTERNAL_SERVICES),
    (Filter, INPUT, &[], "kubernetes health check service ports", KUBE_NODEPORTS),
    (Filter, FORWARD, NEW, "kubernetes service portals", KUBE_SERVICES),
    (Filter, OUTPUT, NEW, "kubernetes service portals", KUBE_SERVICES),
    (Filter, FORWARD, &[], "kubernetes forwarding rules", KUBE_FORWARD),
    (Filter, INPUT, NEW, "kubernetes load balancer firewall", KUBE_PROXY_FIREWALL),
    (Filter, OUTPUT, NEW, "kubernetes load balancer firewall", KUBE_PROXY_FIREWALL),
    (Filter, FORWARD, NEW, "kubernetes load balancer firewall", KUBE_PROXY_FIREWALL),
    (Nat, OUTPUT, &[], "kubernetes service portals", KUBE_SERVICES),
    (Nat, PREROUTING, &[], "kubernetes service portals", KUBE_SERVICES),
    (Nat, POSTROUTING, &[], "kubernetes postrouting rules", KUBE_POSTROUTING),
    (Filter, INPUT, &[], "", KUBE_FIREWALL),
    (Filter, OUTPUT, &[], "", KUBE_FIREWALL),
];

/// What a sync writes before the Services.
pub(in crate::iptables) fn head(plan: &Plan<'_>, sink: &mut impl Sink) {
    for chain in [KUBE_SERVICES, KUBE_EXTERNAL_SERVICES, KUBE_FORWARD, KUBE_NODEPORTS, KUBE_PROXY_FIREWALL] {
        sink.chain(Filter, chain);
    }
    if plan.localhost_node_ports() {
        block_localnet(sink);
    }
    for chain in [KUBE_SERVICES, KUBE_NODEPORTS, KUBE_POSTROUTING, KUBE_MARK_MASQ] {
        sink.chain(Nat, chain);
    }
    masquerading(plan, sink);
}

fn block_localnet(sink: &mut impl Sink) {
    let loopback = Cidr::IPV4_LOOPBACK;
    let rule = Rule::commented("block incoming localnet connections")
        .destination_net(loopback)
        .not_source_net(loopback)
        .state(true, &["RELATED", "ESTABLISHED", "DNAT"])
        .then(Target::Drop);
    sink.chain(Filter, KUBE_FIREWALL);
    let origin = Origin { service_port: None, field: Field::LocalhostNodePorts };
    sink.rule(Filter, KUBE_FIREWALL, rule, origin);
}

fn masquerading(plan: &Plan<'_>, sink: &mut impl Sink) {
    let mark = plan.masquerade().mark;
    let origin = Origin { service_port: None, field: Field::Masquerade };
    let mut rule = |chain, rule| sink.rule(Nat, chain, rule, origin);
    rule(KUBE_POSTROUTING, Rule::default().mark(true, mark).then(Target::Return));
    rule(KUBE_POSTROUTING, Rule::default().then(Target::SetMark { value: mark, mask: 0 }));
    let random_fully = plan.masquerade().random_fully;
    let snat = Rule::commented("kubernetes service traffic requiring SNAT");
    rule(KUBE_POSTROUTING, snat.then(Target::Masquerade { random_fully }));
    rule(KUBE_MARK_MASQ, Rule::default().then(Target::SetMark { value: mark, mask: mark }));
}

/// What a sync writes after the Services.
pub(in crate::iptables) fn tail(plan: &Plan<'_>, sink: &mut impl Sink) {
    node_port_jumps(plan, sink);
    forwarding(plan, sink);
}

fn node_port_jumps(plan: &Plan<'_>, sink: &mut impl Sink) {
    let origin = Origin { service_port: None, field: Field::NodePortAddresses };
    let rule =
        || Rule::commented("kubernetes service nodeports; NOTE: this must be the last rule in this chain");
    match plan.node_ports() {
        NodePorts::AllLocal => {
            let rule = rule().local(End::Destination);
            let rule = match loopback_left_out(plan) {
                Some(loopback) => rule.not_destination_net(loopback),
                None => rule,
            };
            sink.rule(Nat, KUBE_SERVICES, rule.jump(KUBE_NODEPORTS), origin);
        }
        NodePorts::Addresses(addresses) => {
            for ip in addresses {
                sink.rule(Nat, KUBE_SERVICES, rule().destination_ip(*ip).jump(KUBE_NODEPORTS), origin);
            }
        }
    }
}

/// The loopback network, if node ports are not served on it.
fn loopback_left_out(plan: &Plan<'_>) -> Option<Cidr> {
    match plan.family() {
        Family::Ipv4 if plan.localhost_node_ports() => None,
        Family::Ipv4 => Some(Cidr::IPV4_LOOPBACK),
        Family::Ipv6 => Some(Cidr::host(plan.family().loopback())),
    }
}

fn forwarding(plan: &Plan<'_>, sink: &mut impl Sink) {
    if plan.drop_invalid() {
        let rule = Rule::default().state(false, &["INVALID"]);
        let rule = if plan.nfacct() { rule.counted_by("ct_state_invalid_dropped_pkts") } else { rule };
        sink.rule(Filter, KUBE_FORWARD, rule.then(Target::Drop), Origin::BASE);
    }
    let marked = Rule::commented("kubernetes forwarding rules").mark(false, plan.masquerade().mark);
    sink.rule(Filter, KUBE_FORWARD, marked.then(Target::Accept), Origin::BASE);
    let known =
        Rule::commented("kubernetes forwarding conntrack rule").state(false, &["RELATED", "ESTABLISHED"]);
    sink.rule(Filter, KUBE_FORWARD, known.then(Target::Accept), Origin::BASE);
}
