//! What a person asks next about an outcome, answered: why a timeout, which nodes would take it, what does not bind.

use std::collections::BTreeSet;

use super::Trace;
use crate::diagnostic::Inert;
use crate::plan::origin::Origin as RuleOrigin;
use crate::plan::{External, NodePorts, ServicePortPlan};
use crate::walk::{Effect, Outcome, RuleRef, Step, Verdict};

/// The remarks on an outcome, each a sentence or two.
pub(crate) fn remarks(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Vec<String> {
    let remarks = match outcome.verdict {
        Verdict::Accept => accepted(outcome, trace),
        Verdict::Drop | Verdict::Reject(_) => vec![refused(outcome, trace)],
    };
    remarks.into_iter().flatten().collect()
}

/// The Service port that a step is about.
struct Subject<'t> {
    name: String,
    plan: Option<&'t ServicePortPlan<'t>>,
}

fn subject<'t>(step: &Step<'_>, trace: &Trace<'t, '_>) -> Option<Subject<'t>> {
    let origin: Option<RuleOrigin> = match step.element {
        Some(element) => element.origin,
        None => step.rule.and_then(|rule| rule.origin()),
    };
    if let Some(plan) = trace.plan.and_then(|plan| plan.service_ports().get(origin?.service_port? as usize)) {
        return Some(Subject { name: plan.service_port().name.to_string(), plan: Some(plan) });
    }
    let comment = match step.element {
        Some(element) => element.comment.as_deref(),
        None => step.rule.and_then(|rule| rule.comment()),
    };
    let name = comment.and_then(|comment| comment.split(' ').next()).filter(|word| word.contains('/'));
    let name = name.or_else(|| step.rule.and_then(|rule| service_in_chain_name(rule.chain_name())))?;
    Some(Subject { name: Inert(name).to_string(), plan: None })
}

/// `namespace/name` in the name of a chain such as `firewall-TAO5FKKM-ns/name/tcp/http` of nftables.
fn service_in_chain_name(chain: &str) -> Option<&str> {
    let name = chain.splitn(3, '-').nth(2)?;
    let (end, _) = name.match_indices('/').nth(1)?;
    name.get(..end)
}

fn refused(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<String> {
    let step = outcome.steps.last()?;
    if step.effects.contains(&Effect::Martian) {
        return Some(
            "A packet with a loopback address would have to cross another interface, and the sysctl route_localnet is off."
                .to_owned(),
        );
    }
    let comment = step.rule.and_then(|rule| rule.comment()).unwrap_or_default();
    match comment {
        "Reject traffic to invalid ports of ClusterIPs" => return Some(invalid_port(outcome, trace)),
        "Drop traffic to unallocated ClusterIPs" => {
            return Some("The address lies in the network of cluster IPs, but no Service has it.".to_owned());
        }
        "block incoming localnet connections" => {
            return Some("Loopback addresses of the node are not to be reached from outside.".to_owned());
        }
        _ => (),
    }
    let subject = outcome.steps.iter().rev().take(2).find_map(|step| subject(step, trace))?;
    Some(if is_firewall(step, comment) {
        firewalled(&subject)
    } else if is_reject(outcome) {
        without_endpoints(&subject)
    } else {
        without_local_endpoints(&subject)
    })
    .filter(|_| is_kube_proxys(outcome))
}

/// Whether the last rules are kube-proxy's, so that its reasons apply.
fn is_kube_proxys(outcome: &Outcome<'_>) -> bool {
    outcome.steps.last().and_then(|step| step.rule).is_some_and(|rule| match rule {
        RuleRef::Iptables { chain, .. } => chain.name.as_str().starts_with("KUBE-"),
        RuleRef::Nftables { table, .. } => table.name == "kube-proxy",
    })
}

fn is_firewall(step: &Step<'_>, comment: &str) -> bool {
    let chain = step.rule.map(|rule| rule.chain_name()).unwrap_or_default();
    comment.contains(" traffic not accepted by ") || chain.starts_with("firewall-")
}

fn is_reject(outcome: &Outcome<'_>) -> bool {
    matches!(outcome.verdict, Verdict::Reject(_))
}

fn invalid_port(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> String {
    let to = outcome.destination;
    let owner =
        trace.names.of(to.ip()).map_or_else(|| "The Service".to_owned(), |name| Inert(name).to_string());
    format!("{owner} has the cluster IP {} but no port {} {}.", to.ip(), trace.packet.protocol, to.port())
}

fn without_endpoints(subject: &Subject<'_>) -> String {
    let why = subject.plan.and_then(|plan| plan.internal_reasons().first().copied());
    let why = why.map_or("no endpoint is usable anywhere", |reason| reason.words());
    format!(
        "Service {}: {why}. The node refuses at once, so clients see \"connection refused\".",
        subject.name
    )
}

fn without_local_endpoints(subject: &Subject<'_>) -> String {
    let mut words = format!(
        "Service {}: the traffic policy is Local and no usable endpoint is on this node. The node drops without an \
         answer (so that a load balancer passes it over), and clients see a timeout, not a refusal.",
        subject.name
    );
    if let Some(nodes) = subject.plan.map(nodes_with_endpoints) {
        words.push_str(&match nodes.is_empty() {
            true => " No node has a usable endpoint.".to_owned(),
            false => format!(" Nodes that accept: {}.", nodes.into_iter().collect::<Vec<_>>().join(", ")),
        });
    }
    words
}

fn nodes_with_endpoints(plan: &ServicePortPlan<'_>) -> BTreeSet<String> {
    let usable = plan.service_port().endpoints.iter().filter(|endpoint| endpoint.is_usable());
    usable.filter_map(|e| e.node_name.as_deref()).map(|name| Inert(name).to_string()).collect()
}

fn firewalled(subject: &Subject<'_>) -> String {
    let ranges = subject.plan.map(|plan| {
        let ranges: Vec<String> =
            plan.service_port().source_ranges.iter().map(|r| r.value.to_string()).collect();
        format!(" ({})", ranges.join(", "))
    });
    format!(
        "Service {}: its loadBalancerSourceRanges{} do not hold this source. They bind the load-balancer IPs, for pods and \
         nodes too; they do not bind node ports, external IPs and the cluster IP.",
        subject.name,
        ranges.unwrap_or_default(),
    )
}

fn accepted(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Vec<Option<String>> {
    vec![
        hairpin(outcome, trace),
        unbound_by_ranges(outcome, trace),
        node_port_not_served(outcome, trace),
        untranslated_cluster_ip(outcome, trace),
        corrupt_dnat(outcome),
    ]
}

fn is_translated(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> bool {
    let dnat = |effect: &Effect<'_>| matches!(effect, Effect::Dnat(_));
    outcome.destination != trace.packet.destination
        || outcome.steps.iter().any(|step| step.effects.iter().any(dnat))
}

fn hairpin(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<String> {
    let itself = outcome.destination.ip() == trace.packet.source && is_translated(outcome, trace);
    itself.then(|| match outcome.snat {
        true => "The client is its own endpoint (hairpin): its source is rewritten, so that its answer comes back \
                 through the node and is translated back."
            .to_owned(),
        false => "The client is its own endpoint (hairpin), and its source is kept: the answer will not come back \
                  through the node, and the client will not know it."
            .to_owned(),
    })
}

/// The Service port whose rules the packet took, where it was compiled.
fn taken<'t>(outcome: &Outcome<'_>, trace: &Trace<'t, '_>) -> Option<&'t ServicePortPlan<'t>> {
    outcome.steps.iter().find_map(|step| subject(step, trace)?.plan)
}

fn has_source_ranges(plan: &ServicePortPlan<'_>) -> bool {
    plan.external().and_then(External::source_ranges).is_some()
}

fn unbound_by_ranges(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<String> {
    let plan = taken(outcome, trace).filter(|plan| has_source_ranges(plan))?;
    let to = trace.packet.destination.ip();
    let bound = plan.service_port().load_balancer_ips.iter().any(|ip| ip.value == to);
    (!bound).then(|| {
        format!(
            "Service {} has loadBalancerSourceRanges, but they bind its load-balancer IPs only: not {to}.",
            plan.service_port().name
        )
    })
}

fn node_port_not_served(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<String> {
    if is_translated(outcome, trace) || !outcome.delivered_locally {
        return None;
    }
    let (plan, to) = (trace.plan?, trace.packet.destination);
    let has_port = |p: &&ServicePortPlan<'_>| {
        p.node_port().is_some_and(|port| port.get() == to.port())
            && p.service_port().name.protocol() == trace.packet.protocol
    };
    let service = plan.service_ports().iter().find(has_port)?;
    let why = match (plan.node_ports(), to.ip().is_loopback(), trace.rules.language) {
        (_, true, "nftables") => "nftables mode serves node ports on no loopback address".to_owned(),
        (_, true, _) if to.is_ipv6() => "node ports are never served on ::1".to_owned(),
        (_, true, _) => {
            "node ports are not served on loopback here (localhostNodePorts, nodePortAddresses)".to_owned()
        }
        (NodePorts::Addresses(served), false, _) => {
            let served: Vec<String> = served.iter().map(ToString::to_string).collect();
            format!("nodePortAddresses has node ports served on {} only", served.join(", "))
        }
        (NodePorts::AllLocal, false, _) => return None,
    };
    Some(format!(
        "{} is the node port of Service {}, but not on this address: {why}. The packet goes to whatever listens on the \
         node itself.",
        to.port(),
        service.service_port().name
    ))
}

fn untranslated_cluster_ip(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<String> {
    if is_translated(outcome, trace) {
        return None;
    }
    let to = trace.packet.destination;
    let plan = trace.plan?;
    if plan.service_ports().iter().any(|p| p.service_port().cluster_ip == to.ip()) {
        return Some(format!(
            "{} No rule takes it: iptables mode leaves such packets to the network.",
            invalid_port(outcome, trace)
        ));
    }
    let in_networks = plan.service_cidrs().iter().any(|net| net.contains(to.ip()));
    in_networks.then(|| "The address lies in the network of cluster IPs, but no Service has it.".to_owned())
}

/// A rule that some versions of iptables-nft garbled (kubernetes/kubernetes 114537, 112477).
fn corrupt_dnat(outcome: &Outcome<'_>) -> Option<String> {
    let garbled = |step: &Step<'_>| {
        step.rule.is_some_and(|rule| {
            matches!(rule, RuleRef::Iptables { .. }) && rule.text().contains("--to-destination :0")
        })
    };
    outcome.steps.iter().any(garbled).then(|| {
        "A DNAT rule has lost its address (\"--to-destination :0\"): iptables versions of two kinds, on the host and \
         in a container, wrote to the same tables."
            .to_owned()
    })
}
