//! What proves that an expectation fails: the trace of one connection through the rules of one node, the rule that
//! decided, and the field behind it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::endings::Endings;
use super::evaluate::{Failure, Lost, Verdict};
use super::file::Asked;
use super::ground::Ground;
use crate::diagnostic::Place;
use crate::input::Sources;
use crate::net::Family;
use crate::node::{NodePlan, NodeRules};
use crate::plan::ServicePortPlan;
use crate::plan::origin::{Field, Origin};
use crate::report::trace::remark::Remark;
use crate::report::trace::{Name, Names, RulesSource, Trace, json, remarks, words};
use crate::walk::{ClientKind, Effect, Outcome, Packet, Step, Verdict as Walked, Walker};

/// One connection that is not as expected, followed.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    pub(super) node: String,
    pub(super) packet: Packet,
    /// What happens to it, in a clause: `times out: the packet is dropped ...`.
    pub(super) meaning: String,
    /// Why, each a sentence or two.
    pub(super) remarks: Vec<String>,
    /// The rule that decided.
    pub(super) rule: Option<String>,
    /// The field behind it, with its place.
    pub(super) field: Option<(String, Option<Place>)>,
    pub(super) steps: Vec<String>,
    /// `kuberules.trace/v1`
    pub(super) trace: Value,
}

/// At most this many connections are followed; the others are listed.
const FOLLOWED: usize = 200;

/// A connection to follow.
struct Wanted<'l> {
    /// The node and family whose rules it meets.
    rules: (usize, Family),
    /// The indices of its verdict, and of the failure in that.
    failure: (usize, usize),
    lost: &'l Lost,
}

/// The evidence for verdicts, by the indices of verdict and failure. Goes node by node, so that a node's rules are made
/// only once.
pub(super) fn collect(verdicts: &[Verdict<'_>], ground: &Ground<'_>) -> BTreeMap<(usize, usize), Evidence> {
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    for (v, verdict) in verdicts.iter().enumerate() {
        for (f, failure) in verdict.failures.iter().enumerate() {
            if let Failure::Traffic(lost) = failure
                && let (Some(node), Some(packet)) = (lost.nodes.first(), lost.packet)
            {
                wanted.push(Wanted { rules: (*node, packet.family()), failure: (v, f), lost });
            }
        }
    }
    wanted.truncate(FOLLOWED);
    wanted.sort_by_key(|one| (one.rules, one.failure));
    let mut found = BTreeMap::new();
    for of_node in wanted.chunk_by(|a, b| a.rules == b.rules) {
        let Some(Wanted { rules: (node, family), .. }) = of_node.first() else { continue };
        let Some(rules) = rules(*node, *family, ground) else { continue };
        for Wanted { failure, lost, .. } in of_node {
            let Some(verdict) = verdicts.get(failure.0) else { continue };
            let evidence = follow(lost, &verdict.expectation.asked, &rules, ground);
            found.extend(evidence.map(|evidence| (*failure, evidence)));
        }
    }
    found
}

/// All rules of a node.
fn rules<'g>(node: usize, family: Family, ground: &Ground<'g>) -> Option<NodeRules<'g>> {
    let here = ground.nodes.get(node)?;
    let side = ground.sides.get(here.side)?;
    let sources = &ground.snapshot.sources;
    let (plan, _) = NodePlan::new(side.cluster, side.settings, sources, here.node, family).ok()?;
    Some(plan.compile())
}

fn follow(lost: &Lost, asked: &Asked, rules: &NodeRules<'_>, ground: &Ground<'_>) -> Option<Evidence> {
    let (packet, plan) = (lost.packet?, rules.plan.as_ref()?);
    let walker = Walker::of(rules);
    let outcomes = walker.walk(&packet).ok()?;
    let number =
        outcomes.iter().position(|outcome| is_odd(outcome, asked, &packet, rules)).unwrap_or_default();
    let source = RulesSource {
        node: plan.node_name().to_string(),
        language: rules.ruleset.mode().name(),
        words: format!("as kube-proxy {} compiles them", plan.release()),
    };
    let names = names(&packet, &outcomes, ground);
    let trace =
        Trace { packet, outcomes, rules: &source, names: &names, plan: Some(plan), existing: Vec::new() };
    let outcome = trace.outcomes.get(number)?;
    let found = remarks::remarks(outcome, &trace);
    let json = serde_json::to_value(json(&trace)).unwrap_or_default();
    let meaning = json.pointer(&format!("/outcomes/{number}/meaning")).and_then(Value::as_str);
    let decided = deciding(outcome, asked);
    Some(Evidence {
        node: source.node.clone(),
        packet,
        meaning: meaning.unwrap_or_default().to_owned(),
        remarks: found.iter().map(Remark::to_string).collect(),
        rule: decided.and_then(|step| step.rule).map(|rule| rule.text()),
        field: field(outcome, decided, &found, &trace, &ground.snapshot.sources),
        steps: outcome.steps.iter().map(step_words).collect(),
        trace: json,
    })
}

/// Whether a single outcome is not as expected.
fn is_odd(outcome: &Outcome<'_>, asked: &Asked, packet: &Packet, rules: &NodeRules<'_>) -> bool {
    let endings = Endings::of_outcomes(std::slice::from_ref(outcome), packet, rules.plan.as_ref());
    match asked {
        Asked::Reach(reach) => !endings.are(reach.outcome, reach.client_ip),
        Asked::Exposed(_) => endings.may_work(),
    }
}

fn step_words(step: &Step<'_>) -> String {
    let at = match step.rule {
        Some(rule) => format!("{}, {}, {}", step.hook.name(), rule.table_name(), rule.chain_name()),
        None => step.hook.name().to_owned(),
    };
    format!("{at}: {}", words::effects(step))
}

fn names(packet: &Packet, outcomes: &[Outcome<'_>], ground: &Ground<'_>) -> Names {
    let mut names = Names::default();
    let shown = outcomes.iter().map(|outcome| outcome.destination.ip());
    let shown: Vec<IpAddr> = shown.chain([packet.source, packet.destination.ip()]).collect();
    for ip in &shown {
        if let Some(here) = ground.node_ips.get(ip).and_then(|node| ground.nodes.get(*node)) {
            names.add(*ip, || Name::Node(here.node.name.to_string()));
        }
    }
    for port in ground.service_ports() {
        let service = || port.name.service_name().to_string();
        if shown.contains(&port.cluster_ip) {
            names.add(port.cluster_ip, || Name::ClusterIp(service()));
        }
        let external = port.external_ips.iter().map(|ip| (ip.value, true));
        for (ip, is_external) in external.chain(port.load_balancer_ips.iter().map(|ip| (ip.value, false))) {
            if shown.contains(&ip) {
                names.add(ip, || match is_external {
                    true => Name::ExternalIp(service()),
                    false => Name::LoadBalancerIp(service()),
                });
            }
        }
        for endpoint in port.endpoints.iter().filter(|endpoint| shown.contains(&endpoint.ip)) {
            let node = endpoint.node_name.as_deref().unwrap_or_default().to_owned();
            names.add(endpoint.ip, || match &endpoint.pod {
                Some(pod) => Name::Pod { name: format!("{}/{pod}", port.name.namespace()), node },
                None => Name::Endpoint(service()),
            });
        }
    }
    names
}

/// The step whose rule caused what is not as expected.
fn deciding<'o, 'r>(outcome: &'o Outcome<'r>, asked: &Asked) -> Option<&'o Step<'r>> {
    if outcome.verdict != Walked::Accept {
        return outcome.steps.last();
    }
    let wants_ip = matches!(asked, Asked::Reach(reach) if reach.client_ip.is_some());
    let marks = |step: &&Step<'_>| {
        step.effects.iter().any(|effect| {
            matches!(effect, Effect::Jump("KUBE-MARK-MASQ" | "mark-for-masquerade") | Effect::Mark(_))
        })
    };
    let marked = outcome.steps.iter().find(marks).filter(|_| wants_ip && outcome.snat);
    let is_of_service = |step: &&Step<'_>| origin(step).is_some_and(|origin| origin.service_port.is_some());
    marked.or_else(|| outcome.steps.iter().find(is_of_service))
}

fn origin(step: &Step<'_>) -> Option<Origin> {
    match step.element {
        Some(element) => element.origin,
        None => step.rule.and_then(|rule| rule.origin()),
    }
}

/// The field behind the cause: the policy or the endpoint's condition if one of them is to blame, else the field that
/// made the rule.
fn field(
    outcome: &Outcome<'_>,
    decided: Option<&Step<'_>>,
    found: &[Remark],
    trace: &Trace<'_, '_>,
    sources: &Sources,
) -> Option<(String, Option<Place>)> {
    let plan = trace.plan?;
    let port = outcome.steps.iter().rev().find_map(|step| remarks::planned(step, trace));
    let of_service = |port: &ServicePortPlan<'_>, path: &str| {
        (path.to_owned(), sources.field_place(port.service_port().position, path))
    };
    for remark in found {
        match (remark, port) {
            (Remark::NoEndpoints { .. }, Some(port)) => return Some(behind_no_endpoints(port, sources)),
            (Remark::NoLocalEndpoints { .. }, Some(port)) => {
                let internal = trace.packet.destination.ip() == port.service_port().cluster_ip;
                let path = if internal { "spec.internalTrafficPolicy" } else { "spec.externalTrafficPolicy" };
                return Some(of_service(port, path));
            }
            (Remark::SourceRanges { .. }, Some(port)) => {
                return Some(of_service(port, "spec.loadBalancerSourceRanges"));
            }
            _ => {}
        }
    }
    let origin = origin(decided?).filter(|origin| origin.field != Field::Base)?;
    let source = origin.source(plan);
    let place = source.position.and_then(|position| sources.field_place(position, &source.path));
    Some((source.path.into_owned(), place)).filter(|(path, _)| !path.is_empty())
}

/// The condition of the first endpoint, or the selector that matches no Pods.
fn behind_no_endpoints(port: &ServicePortPlan<'_>, sources: &Sources) -> (String, Option<Place>) {
    let port = port.service_port();
    match port.endpoints.first() {
        Some(endpoint) => {
            let path = format!("endpoints[{}].conditions.ready", endpoint.place.index);
            let place = sources.field_place(endpoint.place.slice, &path);
            (path, place)
        }
        None => ("spec.selector".to_owned(), sources.field_place(port.position, "spec.selector")),
    }
}

/// `--from` for a trace that shows the same.
pub(super) fn from_words(packet: &Packet) -> String {
    match packet.client {
        ClientKind::Node => "node".to_owned(),
        _ => packet.source.to_string(),
    }
}
