//! `kuberules.trace/v1`

use serde::Serialize;

use super::cause::{Cause, cause};
use super::meaning::meaning;
use super::observed::listener;
use super::remark::Remark;
use super::verdict::answer;
use super::{Existing, SCOPE, Trace, remarks, why, words};
use crate::plan::Listener;
use crate::ruleset::writer::Writer;
use crate::walk::{ClientKind, Condition, Outcome, Packet, RuleRef, Step, Verdict};

/// Name and version of the schema; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.trace/v1";

/// That of several traces.
pub const SCHEMA_OF_SEVERAL: &str = "kuberules.traces/v1";

/// A packet and everything that can happen to it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TraceJson<'t> {
    /// Name and version of this form.
    schema: &'static str,
    /// What the answer is about: new connections.
    scope: &'static str,
    /// Where the rules come from.
    rules: RulesJson<'t>,
    /// The packet that the trace is for.
    packet: PacketJson,
    /// What it comes to.
    answer: AnswerJson,
    /// What can happen to it; the probabilities add up to 1.
    outcomes: Vec<OutcomeJson<'t>>,
    /// Existing connections to the destination, if the node's were captured: rules do not redirect them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    existing: &'t [Existing],
}

/// The result of a trace, as in the first lines of the text.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct AnswerJson {
    /// `works`, `refused`, `times out`, `not a Service port`, or several with their shares.
    headline: String,
    /// What follows it in the first line.
    detail: String,
    /// Why it is so.
    why: Vec<String>,
    /// What to do about it.
    remedies: Vec<String>,
    /// The command that deletes existing connections, if there can be some that go elsewhere.
    end_existing_connections: Option<String>,
}

/// Several traces, one for each kind of source, or each node.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TracesJson<'t> {
    /// Name and version of this form.
    schema: &'static str,
    /// The traces.
    traces: Vec<TraceJson<'t>>,
}

/// Where rules come from.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RulesJson<'t> {
    /// The node's name; empty if it is not known.
    node: &'t str,
    /// `iptables` or `nftables`
    language: &'static str,
    /// In words.
    source: &'t str,
}

/// The first packet of a new connection.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct PacketJson {
    /// `ipv4` or `ipv6`
    family: &'static str,
    /// `tcp`, `udp` or `sctp`
    protocol: &'static str,
    /// Its source address.
    source: String,
    /// Who has that address, if known.
    source_name: Option<String>,
    /// Always null: any ephemeral port.
    source_port: Option<u16>,
    /// Its destination address.
    destination: String,
    /// Who has that address, if known.
    destination_name: Option<String>,
    /// Its destination port.
    destination_port: u16,
    /// Who sends it.
    origin: &'static str,
    /// Whether the sender is on this node.
    origin_on_node: bool,
}

/// Something that can happen to a packet.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct OutcomeJson<'t> {
    /// `accept`, `drop`, `reject` or `unknown`
    verdict: &'static str,
    /// What is sent back, for `reject`.
    answer: Option<&'static str>,
    /// How likely it is, 0 to 1.
    probability: f64,
    /// The same as a fraction such as `1/3`, if it is exact.
    fraction: Option<String>,
    /// On what it depends.
    given: Vec<ConditionJson<'t>>,
    /// Address and port to which the packet goes after translation.
    destination: String,
    /// Who has that address, if known.
    destination_name: Option<String>,
    /// Whether the node itself receives it.
    delivered_on_node: bool,
    /// Whether its source is rewritten.
    snat: bool,
    /// What it means for the client, as a code.
    result: &'static str,
    /// The same in words.
    meaning: String,
    /// What is worth knowing about it.
    remarks: Vec<String>,
    /// kube-proxy itself answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by_kube_proxy: Option<ListenerJson>,
    /// The rule that decides, if a program other than kube-proxy wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<DecidedByJson<'t>>,
    /// Why routing ends the packet, if it does: `no-route`, `unreachable`, `prohibit`, `blackhole` (for its
    /// destination), `forwarding-off`, `no-way-back`, `way-back-elsewhere`, `own-source`, `broadcast-source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    unrouted: Option<&'static str>,
    /// The rules that the packet meets.
    steps: Vec<StepJson<'t>>,
}

/// kube-proxy's own listener: the endpoints it connects to, and the source that they see.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ListenerJson {
    /// The Service port.
    service: String,
    /// Its endpoints, as address and port.
    endpoints: Vec<String>,
    /// Always `node`.
    source: &'static str,
    /// Whether a client keeps its endpoint.
    sticky: bool,
}

/// A rule that is not kube-proxy's, and who wrote it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DecidedByJson<'t> {
    /// Such as `calico`, `docker`, `firewalld`, `ufw`; `unnamed` if no name shows it.
    owner: &'static str,
    /// The zone of firewalld, if the chain's name contains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    /// The owner in words.
    words: String,
    /// The table.
    table: String,
    /// The chain.
    chain: &'t str,
    /// The rule's number in the chain, counted from 1; none for the policy.
    number: Option<usize>,
    /// The rule as its tool prints it.
    rule: String,
}

/// A condition that does not depend on the packet alone.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ConditionJson<'t> {
    /// What kind of condition it is.
    #[serde(flatten)]
    kind: ConditionKind<'t>,
    /// Table of the rule with the condition.
    table: String,
    /// Chain of the rule with the condition.
    chain: &'t str,
    /// The condition in words.
    words: String,
}

/// Kinds of conditions.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
enum ConditionKind<'t> {
    /// Whether the client is remembered.
    Affinity {
        /// The list or set of clients.
        list: &'t str,
        /// Whether the client is in it.
        listed: bool,
    },
    /// Whether a rule that is not understood matches.
    Opaque {
        /// What is not understood.
        text: &'t str,
        /// The rule.
        rule: String,
        /// Its number in the chain, counted from 1; none for a policy.
        number: Option<usize>,
        /// Whether it is assumed to match.
        matches: bool,
    },
    /// Which verdict a target gives that is not understood, or that leaves the packet to a program.
    Verdict {
        /// The target.
        text: &'t str,
        /// The rule.
        rule: String,
        /// Its number in the chain, counted from 1.
        number: Option<usize>,
        /// One of these: `drop`, `accept` (no more rules of this table at this hook), `continue`.
        verdicts: Vec<&'static str>,
    },
    /// In which order base chains of one priority run, which no listing tells.
    Order {
        /// The chains, in this order.
        text: &'t str,
    },
    /// More unknown things than can be listed.
    Several {
        /// How many things.
        count: usize,
        /// The first of them.
        text: &'t str,
        /// The rule.
        rule: String,
        /// Its number in the chain, counted from 1; none for a policy.
        number: Option<usize>,
    },
    /// What is taken for granted, such as a limit that is not reached.
    Supposed {
        /// `within-limit`, `has-route` (one that the rule looks up), `not-listed` (of the client, on the rule's list).
        supposition: &'static str,
        /// What is asked.
        text: &'t str,
        /// The rule.
        rule: String,
        /// Its number in the chain, counted from 1; none for a policy.
        number: Option<usize>,
    },
}

/// A rule that the packet meets.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StepJson<'t> {
    /// Such as `prerouting`
    hook: &'static str,
    /// The table.
    table: Option<String>,
    /// The chain.
    chain: Option<&'t str>,
    /// The rule as its tool prints it.
    rule: Option<String>,
    /// The element of a set or map that matched.
    element: Option<String>,
    /// Which of its conditions the packet meets, and why.
    why: Vec<String>,
    /// How likely it is to match, for random rules.
    chance: Option<f64>,
    /// What it does.
    effect: String,
}

/// One trace.
pub fn json<'t>(trace: &'t Trace<'_, '_>) -> TraceJson<'t> {
    TraceJson {
        schema: SCHEMA,
        scope: SCOPE,
        rules: RulesJson {
            node: &trace.rules.node,
            language: trace.rules.language,
            source: &trace.rules.words,
        },
        packet: packet(&trace.packet, trace),
        answer: answer_of(trace),
        outcomes: trace.outcomes.iter().map(|o| outcome(o, trace)).collect(),
        existing: &trace.existing,
    }
}

fn answer_of(trace: &Trace<'_, '_>) -> AnswerJson {
    let answer = answer(trace);
    AnswerJson {
        headline: answer.headline,
        detail: answer.detail,
        why: answer.remarks.iter().map(Remark::to_string).collect(),
        remedies: answer.remarks.iter().filter_map(Remark::remedy).collect(),
        end_existing_connections: answer.existing,
    }
}

/// Several traces, one for each kind of source, or each node.
pub fn all_json<'t>(traces: impl IntoIterator<Item = &'t Trace<'t, 't>>) -> TracesJson<'t> {
    TracesJson { schema: SCHEMA_OF_SEVERAL, traces: traces.into_iter().map(json).collect() }
}

fn packet(packet: &Packet, trace: &Trace<'_, '_>) -> PacketJson {
    PacketJson {
        family: packet.family().lower_name(),
        protocol: packet.protocol.lower_name(),
        source: packet.source.to_string(),
        source_name: trace.names.words(packet.source),
        source_port: None,
        destination: packet.destination.ip().to_string(),
        destination_name: trace.names.words(packet.destination.ip()),
        destination_port: packet.destination.port(),
        origin: packet.client.name(),
        origin_on_node: matches!(packet.client, ClientKind::LocalPod | ClientKind::Node),
    }
}

fn outcome<'t>(outcome: &'t Outcome<'_>, trace: &'t Trace<'_, '_>) -> OutcomeJson<'t> {
    let family = trace.packet.family();
    let answer = match outcome.verdict {
        Verdict::Reject(answer) => Some(answer.name(family)),
        _ => None,
    };
    OutcomeJson {
        verdict: outcome.verdict.name(),
        answer,
        probability: outcome.chance.as_f64(),
        fraction: outcome.chance.fraction().map(|(n, d)| format!("{n}/{d}")),
        given: outcome.given.iter().map(condition).collect(),
        destination: outcome.destination.to_string(),
        destination_name: trace.names.words(outcome.destination.ip()),
        delivered_on_node: outcome.delivered_locally,
        snat: outcome.snat,
        result: meaning(outcome, trace).code(),
        meaning: words::outcome(outcome, trace),
        remarks: remarks::remarks(outcome, trace).iter().map(Remark::to_string).collect(),
        answered_by_kube_proxy: listener(outcome, trace).map(answered),
        decided_by: remarks::decided_by_others(outcome).map(decided_by),
        unrouted: unrouted(outcome),
        steps: outcome.steps.iter().map(step).collect(),
    }
}

fn answered(listener: Listener<'_>) -> ListenerJson {
    let service_port = listener.service_port.service_port();
    ListenerJson {
        service: service_port.name.to_string(),
        endpoints: listener.endpoints.iter().map(|endpoint| endpoint.text.to_string()).collect(),
        source: "node",
        sticky: service_port.affinity_seconds.is_some(),
    }
}

fn unrouted(outcome: &Outcome<'_>) -> Option<&'static str> {
    match cause(outcome)? {
        Cause::Unrouted(fault, _) => Some(fault.name()),
        _ => None,
    }
}

fn decided_by<'t>((rule, writer): (RuleRef<'t>, Writer)) -> DecidedByJson<'t> {
    let words = writer.to_string();
    let owner = writer.code();
    let zone = match writer {
        Writer::Firewalld { zone } => zone,
        _ => None,
    };
    DecidedByJson {
        owner,
        zone,
        words,
        table: rule.table_name().to_string(),
        chain: rule.chain_name(),
        number: rule.number(),
        rule: rule.text(),
    }
}

fn condition<'t>(condition: &'t Condition<'_>) -> ConditionJson<'t> {
    let (rule, kind) = match condition {
        Condition::Affinity { list, rule, listed } => {
            (rule, ConditionKind::Affinity { list, listed: *listed })
        }
        Condition::Opaque { text, rule, matches } => (
            rule,
            ConditionKind::Opaque { text, rule: rule.text(), number: rule.number(), matches: *matches },
        ),
        Condition::Verdict { text, rule, verdicts } => {
            let verdicts = verdicts.iter().map(|verdict| verdict.name()).collect();
            (rule, ConditionKind::Verdict { text, rule: rule.text(), number: rule.number(), verdicts })
        }
        Condition::Order { text, first } => (first, ConditionKind::Order { text }),
        Condition::Several { count, text, rule, .. } => {
            (rule, ConditionKind::Several { count: *count, text, rule: rule.text(), number: rule.number() })
        }
        Condition::Supposed { supposition, text, rule } => {
            let supposition = supposition.name();
            (rule, ConditionKind::Supposed { supposition, text, rule: rule.text(), number: rule.number() })
        }
    };
    ConditionJson {
        kind,
        table: rule.table_name().to_string(),
        chain: rule.chain_name(),
        words: words::condition(condition),
    }
}

fn step<'t>(step: &'t Step<'_>) -> StepJson<'t> {
    StepJson {
        hook: step.hook.name(),
        table: step.rule.map(|rule| rule.table_name().to_string()),
        chain: step.rule.map(|rule| rule.chain_name()),
        rule: step.rule.map(|rule| rule.text()),
        element: step.element.map(ToString::to_string),
        why: why::words(step),
        chance: step.chance.map(|chance| chance.as_f64()),
        effect: words::effects(step),
    }
}
