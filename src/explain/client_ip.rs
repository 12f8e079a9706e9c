//! Why an endpoint sees the client's IP or the node's.

use std::fmt;

use crate::diagnostic::Inert;
use crate::plan::origin::{self, Field};
use crate::plan::{External, LocalTraffic, Plan, ServicePortPlan};
use crate::walk::{ClientKind, Effect, Outcome, Packet, Step};

/// Why an endpoint sees the client's IP or the node's. Its words are one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WhyClientIp {
    /// Masqueraded: `masqueradeAll`.
    MasqueradeAll,
    /// Masqueraded: the client is not a Pod, which is recognized by this.
    NotAPod(Option<LocalTraffic>),
    /// Masqueraded: the client is the endpoint itself.
    Hairpin,
    /// Masqueraded: the node may use all endpoints.
    NodeItself,
    /// Masqueraded: the policy is Cluster.
    ClusterPolicy,
    /// Preserved: kube-proxy cannot tell Pods from other clients.
    CannotTellPods,
    /// Preserved: the client is a Pod.
    Pod,
    /// Preserved: a Pod goes straight to the endpoints.
    PodShortCircuit,
    /// Preserved: the traffic counts as that of Pods.
    CountsAsPod,
    /// Preserved: the policy is Local.
    LocalPolicy,
}

/// Why the endpoint of an outcome sees the source that it sees.
pub(super) fn why(
    outcome: &Outcome<'_>,
    packet: &Packet,
    plan: &Plan<'_>,
    port: &ServicePortPlan<'_>,
) -> WhyClientIp {
    match field_that_marked(outcome, plan) {
        Some(field) if outcome.snat => why_masqueraded(field, outcome, packet, plan, port),
        _ if outcome.snat => WhyClientIp::Hairpin,
        _ => why_preserved(packet, plan, port),
    }
}

/// The field whose rule set the mark for masquerading, or called the chain that sets it.
fn field_that_marked(outcome: &Outcome<'_>, plan: &Plan<'_>) -> Option<Field> {
    let marks = |step: &Step<'_>| {
        step.effects
            .iter()
            .any(|effect| matches!(effect, Effect::Mark(mark) if *mark & plan.masquerade().mark != 0))
    };
    let index = outcome.steps.iter().position(marks)?;
    let origins = outcome.steps.get(..=index)?.iter().rev().take(2).filter_map(|step| step.rule?.origin());
    // The chain that sets the mark exists whatever masqueradeAll says.
    let tells = |origin: &origin::Origin| match origin.field {
        Field::Base => false,
        Field::Masquerade => plan.masquerade().all,
        _ => true,
    };
    origins.filter(tells).map(|origin| origin.field).next()
}

fn why_masqueraded(
    field: Field,
    outcome: &Outcome<'_>,
    packet: &Packet,
    plan: &Plan<'_>,
    port: &ServicePortPlan<'_>,
) -> WhyClientIp {
    match field {
        Field::Masquerade => WhyClientIp::MasqueradeAll,
        Field::DetectLocal => WhyClientIp::NotAPod(plan.local_traffic().cloned()),
        Field::Endpoint(_) => WhyClientIp::Hairpin,
        _ if port.external().is_some_and(External::has_short_circuit) => WhyClientIp::NodeItself,
        _ if outcome.destination.ip() == packet.source => WhyClientIp::Hairpin,
        _ => WhyClientIp::ClusterPolicy,
    }
}

fn why_preserved(packet: &Packet, plan: &Plan<'_>, port: &ServicePortPlan<'_>) -> WhyClientIp {
    let to_cluster_ip = packet.destination.ip() == port.service_port().cluster_ip;
    match packet.client {
        _ if to_cluster_ip && plan.local_traffic().is_none() => WhyClientIp::CannotTellPods,
        ClientKind::LocalPod | ClientKind::RemotePod if to_cluster_ip => WhyClientIp::Pod,
        ClientKind::LocalPod | ClientKind::RemotePod => WhyClientIp::PodShortCircuit,
        _ if to_cluster_ip => WhyClientIp::CountsAsPod,
        _ => WhyClientIp::LocalPolicy,
    }
}

impl fmt::Display for WhyClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let WhyClientIp::NotAPod(by) = self {
            f.write_str("Masqueraded, because the client is not a Pod (")?;
            told_by(by.as_ref(), f)?;
            return f.write_str("): replies must return through this node.");
        }
        f.write_str(match self {
            WhyClientIp::NotAPod(_) => "",
            WhyClientIp::MasqueradeAll => {
                "Masqueraded, because masqueradeAll is on: that is so for all traffic to cluster IPs."
            }
            WhyClientIp::Hairpin => {
                "Masqueraded, because the client is the endpoint itself (hairpin): replies must return through this node."
            }
            WhyClientIp::NodeItself => {
                "Masqueraded, because the client is the node itself, which may use all endpoints whatever the policy."
            }
            WhyClientIp::ClusterPolicy => {
                "Masqueraded, because externalTrafficPolicy is Cluster: the endpoint may be on another node, and its \
                 replies must return through this one."
            }
            WhyClientIp::CannotTellPods => {
                "The client IP is preserved: kube-proxy has nothing that tells which traffic of this family comes from Pods."
            }
            WhyClientIp::Pod => {
                "The client IP is preserved, because the client is a Pod: replies can be routed straight back."
            }
            WhyClientIp::PodShortCircuit => {
                "The client IP is preserved: a Pod goes straight to the endpoints, whatever the external policy."
            }
            WhyClientIp::CountsAsPod => "The client IP is preserved: this traffic counts as that of Pods.",
            WhyClientIp::LocalPolicy => {
                "The client IP is preserved, because externalTrafficPolicy is Local: the endpoint is on this node."
            }
        })
    }
}

fn told_by(by: Option<&LocalTraffic>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match by {
        Some(LocalTraffic::From(net)) => write!(f, "its address is not in {net}"),
        Some(LocalTraffic::Interface(name)) => write!(f, "it does not come in by {}", Inert(name)),
        Some(LocalTraffic::InterfacePrefix(name)) => write!(f, "it does not come in by {}...", Inert(name)),
        None => f.write_str("nothing tells Pods from others"),
    }
}
