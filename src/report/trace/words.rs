//! The walk's data in words.

use crate::diagnostic::Inert;
use crate::iptables::foreign::MarkOf;
use crate::node::Refusal;
use crate::walk::{
    Answer, AssumedVerdict, Condition, Effect, Interface, Outcome, RuleRef, Step, Supposition, Unrouted,
};

use super::Trace;
use super::meaning::{Instead, Meaning, Silence, meaning};
use super::observed::listener;

/// What a step did, its effects in order.
pub(crate) fn effects(step: &Step<'_>) -> String {
    let effects: Vec<String> = step.effects.iter().map(|effect| self::effect(*effect, step)).collect();
    effects.join("; ")
}

fn effect(effect: Effect<'_>, step: &Step<'_>) -> String {
    match effect {
        Effect::Jump(chain) => format!("jump {}", Inert(chain)),
        Effect::Goto(chain) => format!("goto {}", Inert(chain)),
        Effect::Return => "return to the calling chain".to_owned(),
        Effect::Accept => "accept: no more rules of this table at this hook".to_owned(),
        Effect::Drop => "drop".to_owned(),
        Effect::Reject(answer) => format!("reject with {}", answer_name(answer, step)),
        Effect::PolicyDrop => "drop: the policy of the chain".to_owned(),
        Effect::Mark(mark) => mark_change(step.seen.mark, mark),
        Effect::ConnectionMark(mark) => format!("set the mark of the connection to {mark:#x}"),
        Effect::MarkNotKnown(MarkOf::Packet) => "set the mark to a value that is not known".to_owned(),
        Effect::MarkNotKnown(MarkOf::Connection) => {
            "set the mark of the connection to a value that is not known".to_owned()
        }
        Effect::Dnat(to) => format!("dnat to {to}"),
        Effect::Masquerade => "masquerade: the source becomes an address of the node".to_owned(),
        Effect::Snat => "snat: the source becomes another address".to_owned(),
        Effect::Remember(list) => format!("remember the client in {}", Inert(list)),
        Effect::Untrack => "take out of connection tracking".to_owned(),
        Effect::RouteLocal => "the destination is an address of the node: deliver".to_owned(),
        Effect::RouteForward => route(step),
        Effect::Martian => {
            let setting = if step.seen.source.is_ipv4() { " (route_localnet is off)" } else { "" };
            format!("drop: a loopback address may not cross other interfaces{setting}")
        }
        Effect::Unrouted(fault) => unrouted(fault, step),
        Effect::SourceNotChecked => {
            "the way back to the source is checked (rp_filter) and not known: assumed to be right".to_owned()
        }
        Effect::WayNotKnown => {
            "routing rules decide which way it goes, and that is not known: assumed to be sent on".to_owned()
        }
        Effect::Unknown(AssumedVerdict::Drop) => "not understood, assumed to drop".to_owned(),
        Effect::Unknown(AssumedVerdict::Accept) => {
            "not understood, assumed to accept: no more rules of this table at this hook".to_owned()
        }
        Effect::Unknown(AssumedVerdict::Continue) => "not understood, assumed to let through".to_owned(),
    }
}

fn route(step: &Step<'_>) -> String {
    let way = match step.seen.output {
        Interface::PodSide => "to a pod on this node",
        _ => "to the network",
    };
    match step.seen.input {
        Interface::None => format!("send {way}"),
        _ => format!("forward {way}"),
    }
}

/// What routing does with a packet that it ends.
fn unrouted(fault: Unrouted, step: &Step<'_>) -> String {
    let (source, to) = (step.seen.source, step.seen.destination.ip());
    match fault {
        Unrouted::NoWay(Refusal::NoRoute) => format!("no route leads to {to}: the packet ends here"),
        Unrouted::NoWay(refusal) => {
            format!("{to} falls under a route of type {}: the packet ends here", refusal.name())
        }
        Unrouted::NotForwarded(_) => "drop: the node does not forward packets".to_owned(),
        Unrouted::NoWayBack(_) => format!("drop: no route leads back to {source} (rp_filter)"),
        Unrouted::BackElsewhere(_) => {
            format!("drop: the way back to {source} leaves by another interface (rp_filter)")
        }
        Unrouted::OwnSource => format!("drop: the source {source} is the node's own address (martian)"),
        Unrouted::SourceOfMany => format!("drop: the source {source} is a broadcast address (rp_filter)"),
    }
}

fn mark_change(before: u32, after: u32) -> String {
    match (after & !before, before & !after) {
        (0, 0) => "leave the mark as it is".to_owned(),
        (set, 0) => format!("set mark {set:#x}"),
        (0, cleared) => format!("clear mark {cleared:#x}"),
        _ => format!("mark {after:#x}"),
    }
}

fn answer_name(answer: Answer, step: &Step<'_>) -> &'static str {
    answer.name(crate::net::Family::of(step.seen.source))
}

/// What an outcome means for the client, as a headline and a clause: `works: goes to ...`.
pub(super) fn outcome(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> String {
    let meaning = meaning(outcome, trace);
    format!("{}: {}", meaning.headline(), clause(meaning, outcome, trace))
}

/// What follows the headline.
pub(super) fn clause(meaning: Meaning, outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> String {
    let to = outcome.destination;
    let name = trace.names.in_brackets(to.ip());
    match meaning {
        Meaning::Works { client_ip } if outcome.delivered_locally => {
            format!("goes to {to}{name} on the node itself, {client_ip}")
        }
        Meaning::Works { client_ip } => format!("goes to {to}{name}, {client_ip}"),
        Meaning::Arrives => format!(
            "reaches {to}{name}, rewritten past connection tracking: whether answers find back is not known"
        ),
        Meaning::Refused(answer) => refusal(answer).to_owned(),
        Meaning::TimesOut(Silence::Dropped) => {
            "the packet is dropped and the client hears nothing (\"timeout\")".to_owned()
        }
        Meaning::TimesOut(Silence::OwnAddress) => {
            format!("goes back to the client at {to}{name} with the client's own address as its source")
        }
        Meaning::TimesOut(Silence::NoAddress) => {
            "a DNAT rule without an address takes the packet, and it is lost".to_owned()
        }
        Meaning::AnsweredByKubeProxy => answered_by_kube_proxy(outcome, trace),
        Meaning::NotServicePort(Instead::ClusterIp | Instead::Unserved) => {
            format!("nothing takes {to}{name}, so the connection times out or is unreachable")
        }
        Meaning::NotServicePort(Instead::Node) => format!(
            "reaches the node itself at {to}{name}, where it is refused unless a process listens on that port"
        ),
        Meaning::NotServicePort(Instead::Onward) => format!("goes on to {to}{name} as it is"),
    }
}

/// At most this many endpoints are listed.
const LISTED: usize = 5;

/// There are no rules on the way from kube-proxy to the endpoint.
fn answered_by_kube_proxy(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> String {
    let endpoints = listener(outcome, trace).map(|listener| listener.endpoints).unwrap_or_default();
    let listed: Vec<String> =
        endpoints.iter().take(LISTED).map(|endpoint| Inert(&endpoint.text).to_string()).collect();
    let more = match endpoints.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let one_of = if endpoints.len() > 1 { "one, at random, of " } else { "" };
    format!(
        "kube-proxy itself listens at {} and connects to {one_of}{}{more}; the Pod sees the node's IP",
        outcome.destination,
        listed.join(", ")
    )
}

fn refusal(answer: Answer) -> &'static str {
    match answer {
        Answer::PortUnreachable => {
            "the client is told at once that the port is unreachable (\"connection refused\")"
        }
        Answer::TcpReset => "the client gets a TCP reset (\"connection refused\")",
        Answer::OtherIcmp => "the client gets an ICMP error",
        Answer::NetworkUnreachable => "the connection fails at once (\"Network is unreachable\")",
        Answer::HostUnreachable => "the connection fails at once (\"No route to host\")",
        Answer::Prohibited => "the connection fails at once (\"No route to host\" or \"Permission denied\")",
        Answer::InvalidArgument => "the connection fails at once (\"Invalid argument\")",
    }
}

fn place(rule: &RuleRef<'_>) -> String {
    let number = rule.number().map_or_else(|| "the policy".to_owned(), |n| format!("rule {n}"));
    format!("{number} in chain {} (table {})", Inert(rule.chain_name()), Inert(&rule.table_name()))
}

/// What is not known, as an indirect question; none if the outcome depends on something else. It is the same for outcomes
/// that depend on different answers to it.
pub(super) fn not_known(condition: &Condition<'_>) -> Option<String> {
    match condition {
        Condition::Opaque { text, rule, .. } => {
            Some(format!("whether {} matches: {}", place(rule), Inert(text)))
        }
        Condition::Verdict { text, rule, .. } => {
            Some(format!("what {} does with the packet: {}", place(rule), Inert(text)))
        }
        Condition::Order { text, .. } => Some(format!("whether the order is {}", Inert(text))),
        Condition::Several { count, text, rule, .. } => Some(format!(
            "what the answers to {count} questions are, the first in {}: {}",
            place(rule),
            Inert(text)
        )),
        Condition::Affinity { .. } | Condition::Supposed { .. } => None,
    }
}

/// What an outcome depends on, as an `if`.
pub(crate) fn condition(condition: &Condition<'_>) -> String {
    match condition {
        Condition::Affinity { list, listed, .. } => {
            let listed = if *listed { ", which has the client now" } else { "" };
            format!("if this client was sent there before (session affinity, list {}{listed})", Inert(list))
        }
        Condition::Opaque { text, rule, matches } => {
            let matches = if *matches { "matches" } else { "does not match" };
            format!("if {} {matches}: {}", place(rule), Inert(text))
        }
        Condition::Verdict { text, rule, verdicts } => {
            let verdicts: Vec<String> = verdicts.iter().map(AssumedVerdict::to_string).collect();
            format!("if {} {}: {}", place(rule), verdicts.join(" or "), Inert(text))
        }
        Condition::Order { text, .. } => {
            format!("if the order is {}, which no listing tells", Inert(text))
        }
        Condition::Several { count, text, rule, .. } => {
            format!(
                "depending on {count} things that are not known, the first in {}: {}",
                place(rule),
                Inert(text)
            )
        }
        Condition::Supposed { supposition, text, rule } => {
            let (rule, text) = (place(rule), Inert(text));
            match supposition {
                Supposition::WithinLimit => format!("supposing that {rule} is not over its limit: {text}"),
                Supposition::HasRoute => {
                    format!("supposing that the node has the route that {rule} looks up: {text}")
                }
                Supposition::NotListed => {
                    format!("supposing that the client is not on the list that {rule} asks: {text}")
                }
            }
        }
    }
}
