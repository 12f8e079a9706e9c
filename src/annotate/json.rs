//! `kuberules.annotate/v1`: an object for each line of the text, and one for the counters at the end.

use serde::Serialize;

use super::counters::Counted;
use super::line::words;
use super::{Annotation, Meaning};

/// Name and version of the schema; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.annotate/v1";

/// A line of the text, or what was counted in all of it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LineJson<'t> {
    /// Name and version of this form.
    schema: &'static str,
    /// The line, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'t str>,
    /// What it names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<NameJson<'t>>,
    /// Rules that refuse or drop and met packets, the busiest first; only in the last object.
    #[serde(skip_serializing_if = "Option::is_none")]
    counters: Option<Vec<CountedJson<'t>>>,
}

/// A name, or an address and port, with what it means.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct NameJson<'t> {
    /// As the line has it.
    name: &'t str,
    /// `service`, `endpoint`, `gone`, `destination` or `target`
    kind: &'static str,
    /// The Service port as `namespace/name:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// Its protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    /// The endpoint as `ip:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'t str>,
    /// Its Pod as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'t str>,
    /// The Pod's node.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'t str>,
    /// All of it in words.
    words: String,
}

/// A rule that refuses or drops.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CountedJson<'t> {
    /// How many packets it met.
    packets: u64,
    /// Its line in the text, counted from 1.
    line: usize,
    /// Its table and chain.
    chain: &'t str,
    /// The rule without its counters.
    rule: &'t str,
    /// The Service that it is about, in words; empty if none is known.
    about: &'t str,
}

/// A line.
pub fn line<'t>(text: &'t str, annotations: &'t [Annotation]) -> LineJson<'t> {
    LineJson {
        schema: SCHEMA,
        text: Some(text),
        names: annotations.iter().map(name).collect(),
        counters: None,
    }
}

/// What was counted.
pub fn counters(counted: &[Counted]) -> LineJson<'_> {
    let all = counted.iter().map(|found| CountedJson {
        packets: found.packets,
        line: found.line,
        chain: &found.chain,
        rule: &found.rule,
        about: &found.about,
    });
    LineJson { schema: SCHEMA, text: None, names: Vec::new(), counters: Some(all.collect()) }
}

fn name(annotation: &Annotation) -> NameJson<'_> {
    let (kind, service, endpoint, pod) = match &annotation.meaning {
        Meaning::Service { service, .. } => ("service", Some(service), None, None),
        Meaning::Endpoint { service, address, pod, .. } => {
            ("endpoint", Some(service), Some(address.as_str()), pod.as_ref())
        }
        Meaning::Gone { .. } => ("gone", None, None, None),
        Meaning::Destination { service, .. } => ("destination", Some(service), None, None),
        Meaning::Target { address, pod, .. } => ("target", None, Some(address.as_str()), pod.as_ref()),
    };
    NameJson {
        name: &annotation.text,
        kind,
        service: service.map(ToString::to_string),
        protocol: service.map(|service| service.protocol().lower_name()),
        endpoint,
        pod: pod.map(|pod| pod.name.as_str()),
        node: pod.and_then(|pod| pod.node.as_deref()),
        words: words(&annotation.meaning),
    }
}
