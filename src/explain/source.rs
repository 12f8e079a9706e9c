//! Why a packet's source is kept or rewritten.

use crate::cluster::TrafficPolicy;
use crate::diagnostic::Inert;
use crate::plan::origin::{self, Field};
use crate::plan::{LocalTraffic, Plan, ServicePortPlan};
use crate::walk::{ClientKind, Effect, Outcome, Packet, Step};

/// Why, in one sentence.
pub(super) fn why(
    outcome: &Outcome<'_>,
    packet: &Packet,
    plan: &Plan<'_>,
    port: &ServicePortPlan<'_>,
) -> String {
    match field_that_marked(outcome, plan) {
        Some(field) if outcome.snat => why_rewritten(field, outcome, packet, plan, port),
        _ if outcome.snat => hairpin(),
        _ => why_kept(packet, plan, port),
    }
}

/// The field whose rule set the mark by which the packet is masqueraded, or called the chain that sets it.
fn field_that_marked(outcome: &Outcome<'_>, plan: &Plan<'_>) -> Option<Field> {
    let marks = |step: &Step<'_>| {
        step.effects
            .iter()
            .any(|effect| matches!(effect, Effect::Mark(mark) if *mark & plan.masquerade.mark != 0))
    };
    let index = outcome.steps.iter().position(marks)?;
    let origins = outcome.steps.get(..=index)?.iter().rev().take(2).filter_map(|step| step.rule?.origin());
    // The chain that sets the mark is there whatever masqueradeAll says.
    let tells = |origin: &origin::Origin| match origin.field {
        Field::Base => false,
        Field::Masquerade => plan.masquerade.all,
        _ => true,
    };
    origins.filter(tells).map(|origin| origin.field).next()
}

fn hairpin() -> String {
    "The client is the endpoint itself (hairpin): its source is rewritten, or its answer would not come back through this node.".to_owned()
}

fn why_rewritten(
    field: Field,
    outcome: &Outcome<'_>,
    packet: &Packet,
    plan: &Plan<'_>,
    port: &ServicePortPlan<'_>,
) -> String {
    let words = match field {
        Field::Masquerade => "masqueradeAll is on, so the source of all traffic to cluster IPs is rewritten.",
        Field::DetectLocal => {
            return format!(
                "The source is rewritten, because the client is no pod ({}): the answer must come back through this node.",
                not_a_pod(plan)
            );
        }
        Field::Endpoint(_) => return hairpin(),
        _ if port.external.policy == TrafficPolicy::Local => {
            "The client is the node itself, which may use all endpoints whatever the policy: its source is rewritten, so that the answer finds it."
        }
        _ if outcome.destination.ip() == packet.source => return hairpin(),
        _ => {
            "The source is rewritten, because externalTrafficPolicy is Cluster: the endpoint may be on another node, and its answer must come back through this one."
        }
    };
    words.to_owned()
}

fn not_a_pod(plan: &Plan<'_>) -> String {
    match &plan.local_traffic {
        Some(LocalTraffic::From(net)) => format!("its address is not in {net}"),
        Some(LocalTraffic::Interface(name)) => format!("it does not come in by {}", Inert(name)),
        Some(LocalTraffic::InterfacePrefix(name)) => format!("it does not come in by {}...", Inert(name)),
        None => "nothing tells pods from others".to_owned(),
    }
}

fn why_kept(packet: &Packet, plan: &Plan<'_>, port: &ServicePortPlan<'_>) -> String {
    let to_cluster_ip = packet.destination.ip() == port.service_port.cluster_ip;
    let words = match packet.client {
        _ if to_cluster_ip && plan.local_traffic.is_none() => {
            "The source is kept: nothing tells kube-proxy which traffic of this family comes from pods."
        }
        ClientKind::LocalPod | ClientKind::RemotePod if to_cluster_ip => {
            "The source is kept, because the client is a pod: the answer finds it."
        }
        ClientKind::LocalPod | ClientKind::RemotePod => {
            "The source is kept: a pod is taken straight to the endpoints, whatever the external policy."
        }
        _ if to_cluster_ip => "The source is kept: this traffic counts as that of pods.",
        _ => "The source is kept, because externalTrafficPolicy is Local: no other node has a part in it.",
    };
    words.to_owned()
}
