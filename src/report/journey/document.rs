//! A journey as plain data: `kuberules.journey/v1`.

use serde::Serialize;

use super::names::{name, party};
use super::{ASSUMED, Told, words};
use crate::diagnostic::Inert;
use crate::journey::{self, ClientPlace, Party, SeenBack, ServerPlace, Way};
use crate::net::Family;
use crate::report::trace::remark::Remark;
use crate::report::trace::{Names, RulesSource, SCOPE, Trace, remarks, why, words as trace_words};
use crate::walk::{self, Effect, Packet};

/// Name and version of the schema; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.journey/v1";

/// That of several journeys.
pub const SCHEMA_OF_SEVERAL: &str = "kuberules.journeys/v1";

/// A journey.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// `kuberules.journey/v1`
    pub schema: &'static str,
    /// Which kinds of connections it is about.
    pub scope: &'static str,
    /// What is assumed about the network.
    pub assumed_of_network: &'static str,
    /// `iptables` or `nftables`: that of the first node.
    pub language: &'static str,
    /// The connection.
    pub connection: Connection,
    /// The first node, or nodes.
    pub entry: Entry,
    /// What can happen; the chances of those without conditions add up to 1.
    pub outcomes: Vec<Outcome>,
}

/// The client and what it connects to.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// `ipv4` or `ipv6`
    pub family: &'static str,
    /// `tcp`, `udp` or `sctp`
    pub protocol: &'static str,
    /// `pod`, `node` or `external`
    pub origin: &'static str,
    /// The client in words.
    pub client: String,
    /// The client's address.
    pub source: String,
    /// The client's node; none outside.
    pub node: Option<String>,
    /// The address that it connects to, `ip:port`.
    pub destination: String,
    /// Whose that is.
    pub destination_name: Option<String>,
}

/// The first node, or nodes.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Those that are followed, each equally likely.
    pub nodes: Vec<String>,
    /// How many more there are.
    pub not_followed: usize,
    /// What decides the first node: `clients-node`, `address`, `chosen`, `all-nodes`, `healthy-nodes`,
    /// `no-healthy-node`, `no-node`.
    pub by: &'static str,
    /// The same in words.
    pub words: String,
}

/// One thing that can happen.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `works`, `answered-by-kube-proxy`, `refused`, `times-out`, `not-a-service-port` or `unknown`
    pub result: &'static str,
    /// The same in words, with what it means.
    pub meaning: String,
    /// The chance.
    pub probability: f64,
    /// The chance as a fraction, if it is exact.
    pub fraction: Option<String>,
    /// What must hold for it, in words.
    pub given: Vec<String>,
    /// Who answers.
    pub server: Option<Server>,
    /// The source that the server sees.
    pub server_sees: Option<String>,
    /// The source of the reply that the client sees.
    pub client_sees: Option<String>,
    /// The nodes on the way there.
    pub there: Vec<Hop>,
    /// The nodes on the way back.
    pub back: Vec<BackHop>,
    /// What to know about it, and what is assumed.
    pub notes: Vec<String>,
}

/// Who answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// `ip:port`
    pub address: String,
    /// The Pod, as `namespace/name`, if it is known.
    pub pod: Option<String>,
    /// `pod`, `node` or `elsewhere`
    pub place: &'static str,
    /// Its node, if it is known.
    pub node: Option<String>,
}

/// Source and destination of a packet at some point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// The source; on the way back, with its port.
    pub source: String,
    /// The destination; on the way there, with its port.
    pub destination: String,
}

/// A node on the way there.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// Its name.
    pub node: String,
    /// The packet as it arrives.
    pub arrives: Addresses,
    /// What happens to it.
    pub steps: Vec<Step>,
    /// The packet as it leaves.
    pub leaves: Addresses,
}

/// Something that happens to a packet on a node.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The hook, or `routing`.
    pub hook: &'static str,
    /// The table; none for what the kernel itself does.
    pub table: Option<String>,
    /// The chain.
    pub chain: Option<String>,
    /// The rule, as it is listed.
    pub rule: Option<String>,
    /// The element of a map that decided.
    pub element: Option<String>,
    /// Why the rule matched.
    pub why: Vec<String>,
    /// What it does.
    pub effect: String,
    /// The packet after it.
    #[serde(flatten)]
    pub packet: Addresses,
}

/// A node on the way back.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BackHop {
    /// Its name.
    pub node: String,
    /// The reply as it arrives.
    pub arrives: Addresses,
    /// Whether connection tracking translates it back here.
    pub translated: bool,
    /// The reply as it leaves.
    pub leaves: Addresses,
}

/// A journey as a document.
pub fn document(told: &Told<'_, '_, '_, '_>) -> Document {
    let journey = told.journey;
    let language = journey.entry.nodes.first().and_then(|node| told.network.rules(*node));
    let (by, entry_words) = words::entry(&journey.entry, told);
    Document {
        schema: SCHEMA,
        scope: SCOPE,
        assumed_of_network: ASSUMED,
        language: language.map_or("", |rules| rules.ruleset.mode().name()),
        connection: connection(told),
        entry: Entry {
            nodes: journey.entry.nodes.iter().map(|node| told.node(*node)).collect(),
            not_followed: journey.entry.not_followed,
            by,
            words: entry_words,
        },
        outcomes: journey.ways.iter().map(|way| outcome(way, told)).collect(),
    }
}

/// Several journeys, one for each kind of client.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Documents {
    /// Name and version of this form.
    schema: &'static str,
    /// The journeys.
    journeys: Vec<Document>,
}

/// Several journeys as a document.
pub fn document_of_many(journeys: Vec<Document>) -> Documents {
    Documents { schema: SCHEMA_OF_SEVERAL, journeys }
}

fn connection(told: &Told<'_, '_, '_, '_>) -> Connection {
    let connection = told.journey.connection;
    let (origin, node) = match connection.client.place {
        ClientPlace::Pod(node) => ("pod", Some(told.node(node))),
        ClientPlace::Node(node) => ("node", Some(told.node(node))),
        ClientPlace::Outside => ("external", None),
    };
    let to = connection.destination;
    Connection {
        family: Family::of(to.ip()).lower_name(),
        protocol: connection.protocol.lower_name(),
        origin,
        client: told.client(),
        source: connection.client.ip.to_string(),
        node,
        destination: to.to_string(),
        destination_name: name(told.network, to.ip()).map(|name| name.to_string()),
    }
}

fn outcome(way: &Way<'_>, told: &Told<'_, '_, '_, '_>) -> Outcome {
    let mut notes: Vec<String> = remarks_on(way, told).iter().map(Remark::to_string).collect();
    let assumed = way.notes(told.network, &told.journey.connection);
    notes.extend(assumed.into_iter().map(|note| words::note(note, told)));
    Outcome {
        result: way.result().code(),
        meaning: told.meaning(way),
        probability: way.chance.as_f64(),
        fraction: way.chance.fraction().map(|(n, d)| format!("{n}/{d}")),
        given: way.given.iter().map(trace_words::condition).collect(),
        server: way.server().map(|server| self::server(server, told)),
        server_sees: way.server_sees().map(|source| party(source, told.network)),
        client_sees: way.reply.as_ref().map(|reply| reply.arrives.source.to_string()),
        there: way.hops.iter().map(|hop| self::hop(hop, told)).collect(),
        back: back(way, told),
        notes,
    }
}

fn server(server: journey::Server, told: &Told<'_, '_, '_, '_>) -> Server {
    let (place, node) = match server.place {
        ServerPlace::Pod(node) => ("pod", Some(told.node(node))),
        ServerPlace::Node(node) => ("node", Some(told.node(node))),
        ServerPlace::Elsewhere => ("elsewhere", None),
    };
    let pod = told.network.pod_name(server.address.ip());
    Server { address: server.address.to_string(), pod: pod.map(|pod| Inert(pod).to_string()), place, node }
}

fn back(way: &Way<'_>, told: &Told<'_, '_, '_, '_>) -> Vec<BackHop> {
    let seen = |seen: SeenBack| Addresses {
        source: seen.source.to_string(),
        destination: party(seen.destination, told.network),
    };
    let hop = |hop: &journey::BackHop| BackHop {
        node: told.node(hop.node),
        arrives: seen(hop.arrives),
        translated: hop.translates(),
        leaves: seen(hop.leaves),
    };
    way.reply.iter().flat_map(|reply| &reply.hops).map(hop).collect()
}

fn hop(hop: &journey::Hop<'_>, told: &Told<'_, '_, '_, '_>) -> Hop {
    let seen = |seen: journey::Seen| Addresses {
        source: party(seen.source, told.network),
        destination: seen.destination.to_string(),
    };
    let leaves = seen(hop.leaves);
    let mut packet = seen(hop.arrives);
    let step = |step: &walk::Step<'_>| {
        for effect in &step.effects {
            match effect {
                Effect::Dnat(to) => packet.destination = to.to_string(),
                Effect::Masquerade | Effect::Snat => packet.source.clone_from(&leaves.source),
                _ => {}
            }
        }
        self::step(step, packet.clone(), told.with_texts)
    };
    let steps = hop.outcome.steps.iter().map(step).collect();
    Hop { node: told.node(hop.node), arrives: seen(hop.arrives), steps, leaves }
}

fn step(step: &walk::Step<'_>, packet: Addresses, with_texts: bool) -> Step {
    let inert = |text: &str| Inert(text).to_string();
    Step {
        hook: step.hook.name(),
        table: step.rule.map(|rule| inert(&rule.table_name())),
        chain: step.rule.map(|rule| inert(rule.chain_name())),
        rule: step.rule.filter(|_| with_texts).map(|rule| inert(&rule.text())),
        element: step.element.map(|element| inert(&element.to_string())),
        why: why::words(step),
        effect: trace_words::effects(step),
        packet,
    }
}

/// The remarks of a trace through the last node.
fn remarks_on(way: &Way<'_>, told: &Told<'_, '_, '_, '_>) -> Vec<Remark> {
    let Some(hop) = way.hops.last() else { return Vec::new() };
    let Party::Ip(source) = hop.arrives.source else { return Vec::new() };
    let Some(rules) = told.network.rules(hop.node) else { return Vec::new() };
    let mut names = Names::default();
    let to = hop.arrives.destination.ip();
    if let Some(name) = name(told.network, to) {
        names.add(to, || name);
    }
    let of_rules = RulesSource { language: rules.ruleset.mode().name(), ..RulesSource::default() };
    let packet = Packet::plain(told.journey.connection.protocol, source, hop.arrives.destination, hop.client);
    let trace = Trace {
        packet,
        outcomes: Vec::new(),
        rules: &of_rules,
        names: &names,
        plan: rules.plan.as_ref(),
        existing: Vec::new(),
    };
    remarks::remarks(&hop.outcome, &trace)
}
