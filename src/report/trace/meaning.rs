//! What an outcome means for the client.

use std::fmt;

use super::observed::{is_hairpin, is_translated, listener, meets_rule_without_address};
use super::{Name, Trace};
use crate::walk::{Answer, Effect, Outcome, Verdict};

/// What an outcome means for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It reaches an endpoint.
    Works { client_ip: ClientIp },
    /// It reaches something, but rules rewrite it past connection tracking: whether answers find back is not known.
    Arrives,
    /// It is refused with an answer.
    Refused(Answer),
    /// It hears nothing.
    TimesOut(Silence),
    /// kube-proxy itself answers, in user space, and connects to an endpoint from the node.
    AnsweredByKubeProxy,
    /// No Service takes the packet.
    NotServicePort(Instead),
}

/// Which source an endpoint sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientIp {
    /// The client's.
    Preserved,
    /// The node's.
    Masqueraded,
    /// Another, by SNAT.
    Translated,
}

/// Why a client hears nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// A rule or the kernel drops its packet.
    Dropped,
    /// Its own packet comes back to it.
    OwnAddress,
    /// A DNAT rule sends its packet to no address at all.
    NoAddress,
}

/// Where a packet goes that no Service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead {
    /// Nowhere: a cluster IP, which nothing in the network has.
    ClusterIp,
    /// Nowhere: the Service has this port on its cluster IP, but no rule of the node serves it.
    Unserved,
    /// To the node itself.
    Node,
    /// On to its destination, unchanged.
    Onward,
}

impl Meaning {
    /// The word in JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Meaning::Works { .. } => "works",
            Meaning::Arrives => "arrives",
            Meaning::Refused(answer) if answer.is_unreachable() => "unreachable",
            Meaning::Refused(_) => "refused",
            Meaning::TimesOut(_) => "times-out",
            Meaning::AnsweredByKubeProxy => "answered-by-kube-proxy",
            Meaning::NotServicePort(Instead::Unserved) => "not-served",
            Meaning::NotServicePort(_) => "not-a-service-port",
        }
    }

    /// The words at the beginning of a text.
    pub(crate) fn headline(self) -> &'static str {
        match self {
            Meaning::Works { .. } => "works",
            Meaning::Arrives => "arrives",
            Meaning::Refused(answer) if answer.is_unreachable() => "unreachable",
            Meaning::Refused(_) => "refused",
            Meaning::TimesOut(_) => "times out",
            Meaning::AnsweredByKubeProxy => "works",
            Meaning::NotServicePort(Instead::Unserved) => "not served",
            Meaning::NotServicePort(_) => "not a Service port",
        }
    }
}

/// What an outcome means.
pub(crate) fn meaning(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Meaning {
    if outcome.verdict != Verdict::Drop && meets_rule_without_address(outcome) {
        return Meaning::TimesOut(Silence::NoAddress);
    }
    match outcome.verdict {
        Verdict::Drop => Meaning::TimesOut(Silence::Dropped),
        Verdict::Reject(answer) => Meaning::Refused(answer),
        Verdict::Accept if outcome.rewritten => Meaning::Arrives,
        Verdict::Accept if is_translated(outcome, trace) => match client_ip(outcome) {
            ClientIp::Preserved if is_hairpin(outcome, trace) => Meaning::TimesOut(Silence::OwnAddress),
            client_ip => Meaning::Works { client_ip },
        },
        Verdict::Accept if listener(outcome, trace).is_some() => Meaning::AnsweredByKubeProxy,
        Verdict::Accept => Meaning::NotServicePort(instead(outcome, trace)),
    }
}

fn client_ip(outcome: &Outcome<'_>) -> ClientIp {
    let by_address = |effect: &Effect<'_>| matches!(effect, Effect::Snat);
    match outcome.snat {
        false => ClientIp::Preserved,
        true if outcome.steps.iter().any(|step| step.effects.iter().any(by_address)) => ClientIp::Translated,
        true => ClientIp::Masqueraded,
    }
}

fn instead(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Instead {
    let ip = outcome.destination.ip();
    let in_networks =
        || trace.plan.is_some_and(|plan| plan.service_cidrs().iter().any(|net| net.contains(ip)));
    match trace.names.of(ip) {
        _ if outcome.delivered_locally => Instead::Node,
        Some(Name::ClusterIp(_)) if trace.names.has_port(outcome.destination, trace.packet.protocol) => {
            Instead::Unserved
        }
        Some(Name::ClusterIp(_)) => Instead::ClusterIp,
        None if in_networks() => Instead::ClusterIp,
        _ => Instead::Onward,
    }
}

impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClientIp::Preserved => "client IP preserved",
            ClientIp::Masqueraded => "the Pod sees the node's IP (masqueraded)",
            ClientIp::Translated => "the Pod sees another source IP (SNAT)",
        })
    }
}
