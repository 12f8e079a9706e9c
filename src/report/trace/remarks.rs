//! Finds the remarks on an outcome, from the rules that it met.

use super::Trace;
use super::cause::{Cause, cause};
use super::observed::{is_hairpin, is_translated, listener, meets_rule_without_address};
use super::remark::{Location, NotServed, Remark, Subject};
use super::unroutable::Unroutable;
use crate::plan::origin::Origin;
use crate::plan::reasons::Reason;
use crate::plan::{External, LoopbackNodePorts, NodePorts, ServicePortPlan};
use crate::ruleset::writer::Writer;
use crate::walk::{ClientKind, Effect, Outcome, RuleRef, Step, Verdict};

/// The remarks on an outcome.
pub(crate) fn remarks(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Vec<Remark> {
    match outcome.verdict {
        Verdict::Accept => accepted(outcome, trace),
        Verdict::Drop | Verdict::Reject(_) => stopped(outcome, trace).into_iter().collect(),
    }
}

/// Why it was dropped or refused.
fn stopped(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<Remark> {
    Some(match cause(outcome)? {
        Cause::Martian(family) => Remark::Martian(family),
        Cause::Unrouted(fault, seen) => Remark::Unrouted(Unroutable {
            fault,
            source: seen.source,
            to: seen.destination.ip(),
            is_own: trace.packet.client == ClientKind::Node,
            is_translated: seen.destination.ip() != seen.original.destination.ip(),
            is_told: outcome.verdict != Verdict::Drop,
        }),
        Cause::NoAddress => Remark::NoAddress,
        Cause::Localnet => Remark::Localnet,
        Cause::LoopbackNodePort => Remark::LoopbackNodePort {
            service: subject(outcome, trace).0,
            tcp_is_served: trace.plan.is_some_and(|p| p.loopback_node_ports() == LoopbackNodePorts::Proxied),
        },
        Cause::NoSuchPort => no_such_port(outcome, trace, true),
        Cause::UnallocatedClusterIp => Remark::UnallocatedClusterIp(outcome.destination.ip()),
        Cause::NoEndpoints => {
            let (service, plan) = subject(outcome, trace);
            Remark::NoEndpoints { service, why: plan.and_then(why_no_endpoints) }
        }
        Cause::NoLocalEndpoints => {
            let (service, plan) = subject(outcome, trace);
            Remark::NoLocalEndpoints { service, nodes: plan.map(nodes_with_endpoints) }
        }
        Cause::SourceRanges => source_ranges(outcome, trace),
        Cause::Policy(rule) => Remark::Policy(location(&rule), rule.writer()),
        Cause::Altered(rule) => Remark::Altered(location(&rule)),
        Cause::Foreign(rule) => Remark::Foreign(location(&rule), rule.writer()),
    })
}

/// A packet that the firewall of a load balancer drops. In iptables mode that rule also drops packets that the ranges
/// allowed but that then found no endpoint on this node: those are not translated.
fn source_ranges(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Remark {
    let (service, plan) = subject(outcome, trace);
    let Some(plan) = plan else {
        return Remark::SourceRanges { service, ranges: None, certain: trace.rules.language == "nftables" };
    };
    let ranges: Vec<_> = plan.service_port().source_ranges.iter().map(|range| range.value).collect();
    match ranges.iter().any(|range| range.contains(trace.packet.source)) {
        true => Remark::NoLocalEndpoints { service, nodes: Some(nodes_with_endpoints(plan)) },
        false => Remark::SourceRanges { service, ranges: Some(ranges), certain: true },
    }
}

fn location(rule: &RuleRef<'_>) -> Location {
    Location { table: rule.table_name(), chain: rule.chain_name().into(), number: rule.number() }
}

/// The Service port that the last rules are about, with its plan if the rules were compiled.
fn subject<'t>(outcome: &Outcome<'_>, trace: &Trace<'t, '_>) -> (Subject, Option<&'t ServicePortPlan<'t>>) {
    let mut last = outcome.steps.iter().rev().take(2);
    if let Some(plan) = last.clone().find_map(|step| planned(step, trace)) {
        return (Subject::Named(plan.service_port().name.to_string()), Some(plan));
    }
    match last.find_map(named_by_rule) {
        Some(name) => (Subject::Named(name.to_owned()), None),
        None => (Subject::At(outcome.destination), None),
    }
}

/// The Service port whose field made the rule of a step.
pub(crate) fn planned<'t>(step: &Step<'_>, trace: &Trace<'t, '_>) -> Option<&'t ServicePortPlan<'t>> {
    let origin: Option<Origin> = match step.element {
        Some(element) => element.origin,
        None => step.rule.and_then(|rule| rule.origin()),
    };
    trace.plan?.service_ports().get(origin?.service_port? as usize)
}

/// The name that kube-proxy has put into a rule: the first word of the comment, or a part of the chain's name.
fn named_by_rule<'r>(step: &Step<'r>) -> Option<&'r str> {
    let comment = match step.element {
        Some(element) => element.comment.as_deref(),
        None => step.rule.and_then(|rule| rule.comment()),
    };
    let name = comment.and_then(|comment| comment.split(' ').next()).filter(|word| word.contains('/'));
    name.or_else(|| step.rule.and_then(|rule| service_in_chain_name(rule.chain_name())))
}

/// `namespace/name` in the name of an nftables chain such as `firewall-TAO5FKKM-ns/name/tcp/http`.
fn service_in_chain_name(chain: &str) -> Option<&str> {
    let name = chain.splitn(3, '-').nth(2)?;
    let (end, _) = name.match_indices('/').nth(1)?;
    name.get(..end)
}

/// A packet to a cluster IP that no rule for a Service port takes: the Service does not have that port, or its rules
/// are missing.
fn no_such_port(outcome: &Outcome<'_>, trace: &Trace<'_, '_>, decided: bool) -> Remark {
    let (to, protocol) = (outcome.destination, trace.packet.protocol);
    let service = trace.names.service_with_cluster_ip(to.ip()).map(str::to_owned);
    match service {
        Some(service) if trace.names.has_port(to, protocol) => {
            Remark::NoRule { to, protocol, service, decided }
        }
        service => Remark::NoSuchPort { to, protocol, service, decided },
    }
}

fn why_no_endpoints(plan: &ServicePortPlan<'_>) -> Option<Reason> {
    let mut reasons = plan.internal_reasons().into_iter().chain(plan.external_reasons());
    reasons.find(|reason| matches!(reason, Reason::NoEndpoints | Reason::NoReadyEndpoints))
}

fn nodes_with_endpoints(plan: &ServicePortPlan<'_>) -> std::collections::BTreeSet<String> {
    let usable = plan.service_port().endpoints.iter().filter(|endpoint| endpoint.is_usable());
    let nodes = usable.filter_map(|e| e.node_name.as_deref());
    nodes.map(str::to_owned).collect()
}

fn accepted(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Vec<Remark> {
    let all = [
        hairpin(outcome, trace),
        translated_by_others(outcome),
        ranges_do_not_apply(outcome, trace),
        node_port_not_served(outcome, trace),
        untranslated_cluster_ip(outcome, trace),
        without_address(outcome),
        source_not_checked(outcome, trace),
        way_not_known(outcome),
    ];
    all.into_iter().flatten().collect()
}

fn hairpin(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<Remark> {
    is_hairpin(outcome, trace).then_some(Remark::Hairpin { masqueraded: outcome.snat })
}

/// The rule that decides where an outcome leads, if it is not kube-proxy's: the one that stops the packet, or the last
/// one that translates its destination.
pub(crate) fn decided_by_others<'r>(outcome: &Outcome<'r>) -> Option<(RuleRef<'r>, Writer)> {
    let rule = match outcome.verdict {
        Verdict::Drop | Verdict::Reject(_) => match cause(outcome)? {
            Cause::Policy(rule) | Cause::Foreign(rule) => rule,
            _ => return None,
        },
        Verdict::Accept => {
            let translates =
                |step: &&Step<'_>| step.effects.iter().any(|effect| matches!(effect, Effect::Dnat(_)));
            outcome.steps.iter().rev().find(translates)?.rule?
        }
    };
    let writer = rule.writer();
    (!writer.is_kubernetes()).then_some((rule, writer))
}

fn translated_by_others(outcome: &Outcome<'_>) -> Option<Remark> {
    let (rule, writer) = decided_by_others(outcome)?;
    Some(Remark::TranslatedByOthers(location(&rule), writer))
}

fn ranges_do_not_apply(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<Remark> {
    let plan = outcome.steps.iter().find_map(|step| planned(step, trace))?;
    plan.external().and_then(External::source_ranges)?;
    let to = trace.packet.destination.ip();
    let applies = plan.service_port().load_balancer_ips.iter().any(|ip| ip.value == to);
    let service = plan.service_port().name.to_string();
    (!applies).then_some(Remark::RangesDoNotApply { service, to })
}

fn node_port_not_served(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<Remark> {
    if is_translated(outcome, trace) || !outcome.delivered_locally || listener(outcome, trace).is_some() {
        return None;
    }
    let (plan, to) = (trace.plan?, trace.packet.destination);
    let has_port = |p: &&ServicePortPlan<'_>| {
        p.node_port().is_some_and(|port| port.get() == to.port())
            && p.service_port().name.protocol() == trace.packet.protocol
    };
    let service = plan.service_ports().iter().find(has_port)?;
    let why = match (plan.node_ports(), to.ip().is_loopback()) {
        (_, true) if plan.loopback_node_ports() == LoopbackNodePorts::Proxied => {
            NotServed::NoListener(plan.family().loopback())
        }
        (_, true) if trace.rules.language == "nftables" => NotServed::LoopbackInNftables,
        (_, true) if to.is_ipv6() => NotServed::LoopbackIpv6,
        (_, true) => NotServed::LoopbackSwitchedOff,
        (NodePorts::Addresses(served), false) => NotServed::OtherAddresses(served.clone()),
        (NodePorts::AllLocal, false) => return None,
    };
    let service = service.service_port().name.to_string();
    Some(Remark::NodePortNotServed { port: to.port(), service, why })
}

fn untranslated_cluster_ip(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<Remark> {
    if is_translated(outcome, trace) {
        return None;
    }
    let ip = trace.packet.destination.ip();
    if trace.names.service_with_cluster_ip(ip).is_some() {
        return Some(no_such_port(outcome, trace, false));
    }
    let in_networks = trace.plan?.service_cidrs().iter().any(|net| net.contains(ip));
    in_networks.then_some(Remark::UnallocatedClusterIp(ip))
}

fn source_not_checked(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Option<Remark> {
    let mut effects = outcome.steps.iter().flat_map(|step| &step.effects);
    let is_assumed = effects.any(|effect| *effect == Effect::SourceNotChecked);
    is_assumed.then_some(Remark::SourceNotChecked { source: trace.packet.source })
}

fn way_not_known(outcome: &Outcome<'_>) -> Option<Remark> {
    let is_open = |step: &&Step<'_>| step.effects.contains(&Effect::WayNotKnown);
    let step = outcome.steps.iter().rev().find(is_open)?;
    Some(Remark::WayNotKnown { to: step.seen.destination.ip() })
}

fn without_address(outcome: &Outcome<'_>) -> Option<Remark> {
    meets_rule_without_address(outcome).then_some(Remark::NoAddress)
}
