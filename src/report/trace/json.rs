//! `kuberules.trace/v1`

use serde_json::{Value, json};

use super::meaning::meaning;
use super::observed::listener;
use super::remark::Remark;
use super::{SCOPE, Trace, remarks, why, words};
use crate::plan::Listener;
use crate::walk::{ClientKind, Condition, Outcome, Packet, Step, Verdict};

/// One trace.
pub fn json(trace: &Trace<'_, '_>) -> Value {
    json!({
        "schema": "kuberules.trace/v1",
        "scope": SCOPE,
        "rules": {
            "node": trace.rules.node,
            "language": trace.rules.language,
            "source": trace.rules.words,
        },
        "packet": packet(&trace.packet, trace),
        "outcomes": trace.outcomes.iter().map(|o| outcome(o, trace)).collect::<Vec<_>>(),
    })
}

/// Several traces, one for each kind of source.
pub fn all_json(traces: &[Trace<'_, '_>]) -> Value {
    json!({
        "schema": "kuberules.traces/v1",
        "traces": traces.iter().map(json).collect::<Vec<_>>(),
    })
}

fn packet(packet: &Packet, trace: &Trace<'_, '_>) -> Value {
    let on_node = matches!(packet.client, ClientKind::LocalPod | ClientKind::Node);
    json!({
        "family": packet.family().lower_name(),
        "protocol": packet.protocol.lower_name(),
        "source": packet.source.to_string(),
        "sourceName": trace.names.words(packet.source),
        "sourcePort": null,
        "destination": packet.destination.ip().to_string(),
        "destinationName": trace.names.words(packet.destination.ip()),
        "destinationPort": packet.destination.port(),
        "origin": packet.client.name(),
        "originOnNode": on_node,
    })
}

fn outcome(outcome: &Outcome<'_>, trace: &Trace<'_, '_>) -> Value {
    let family = trace.packet.family();
    let answer = match outcome.verdict {
        Verdict::Reject(answer) => Some(answer.name(family)),
        _ => None,
    };
    let mut json = json!({
        "verdict": outcome.verdict.name(),
        "answer": answer,
        "probability": outcome.chance.as_f64(),
        "fraction": outcome.chance.fraction().map(|(n, d)| format!("{n}/{d}")),
        "given": outcome.given.iter().map(condition).collect::<Vec<_>>(),
        "destination": outcome.destination.to_string(),
        "destinationName": trace.names.words(outcome.destination.ip()),
        "deliveredOnNode": outcome.delivered_locally,
        "snat": outcome.snat,
        "result": meaning(outcome, trace).code(),
        "meaning": words::outcome(outcome, trace),
        "remarks": remarks::remarks(outcome, trace).iter().map(Remark::to_string).collect::<Vec<_>>(),
        "steps": outcome.steps.iter().map(step).collect::<Vec<_>>(),
    });
    if let (Value::Object(fields), Some(listener)) = (&mut json, listener(outcome, trace)) {
        fields.insert("answeredByKubeProxy".to_owned(), answered(listener));
    }
    json
}

/// kube-proxy's own listener: the endpoints it connects to, and what they see as the source.
fn answered(listener: Listener<'_>) -> Value {
    let endpoints: Vec<&str> = listener.endpoints.iter().map(|endpoint| endpoint.text.as_str()).collect();
    json!({
        "service": listener.service_port.service_port().name.to_string(),
        "endpoints": endpoints,
        "source": "node",
        "sticky": listener.service_port.service_port().affinity_seconds.is_some(),
    })
}

fn condition(condition: &Condition<'_>) -> Value {
    let words = words::condition(condition);
    match condition {
        Condition::Affinity { list, rule, listed } => json!({
            "kind": "affinity",
            "list": list,
            "listed": listed,
            "chain": rule.chain_name(),
            "table": rule.table_name(),
            "words": words,
        }),
        Condition::Opaque { text, rule, matches } => json!({
            "kind": "opaque",
            "text": text,
            "table": rule.table_name(),
            "chain": rule.chain_name(),
            "rule": rule.text(),
            "number": rule.number(),
            "matches": matches,
            "words": words,
        }),
        Condition::Supposed { text, rule } => json!({
            "kind": "supposed",
            "text": text,
            "table": rule.table_name(),
            "chain": rule.chain_name(),
            "rule": rule.text(),
            "number": rule.number(),
            "words": words,
        }),
    }
}

fn step(step: &Step<'_>) -> Value {
    json!({
        "hook": step.hook.name(),
        "table": step.rule.map(|rule| rule.table_name()),
        "chain": step.rule.map(|rule| rule.chain_name()),
        "rule": step.rule.map(|rule| rule.text()),
        "element": step.element.map(ToString::to_string),
        "why": why::words(step),
        "chance": step.chance.map(|chance| chance.as_f64()),
        "effect": words::effects(step),
    })
}
