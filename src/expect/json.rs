//! `kuberules.test/v1`

use serde::Serialize;
use serde_json::Value;

use super::evidence::Evidence;
use super::report::{Finding, Outcome, Report};
use crate::diagnostic::Place;

/// Name and version of the form; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.test/v1";

/// The results of expectations, failed or not.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestJson<'r> {
    /// Name and version of this form.
    schema: &'static str,
    /// Whether every expectation holds.
    holds: bool,
    /// How many there are.
    expectations: usize,
    /// How many fail.
    failed: usize,
    /// How many nodes were asked.
    nodes: usize,
    /// Each expectation, in the order of the file.
    results: Vec<ResultJson<'r>>,
}

/// What one expectation came to.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ResultJson<'r> {
    /// Where it stands.
    place: PlaceJson<'r>,
    /// The expectation in a line.
    expectation: &'r str,
    /// Whether it holds.
    holds: bool,
    /// How many clients on how many nodes were checked.
    connections: usize,
    /// What is not as expected.
    failures: Vec<FailureJson<'r>>,
}

/// A place in a file.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PlaceJson<'r> {
    /// The file as it was named.
    file: &'r str,
    /// The line, from 1.
    line: Option<u32>,
}

/// Something that is not as expected.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FailureJson<'r> {
    /// `works`, `refused`, `times-out`, `not-served`, `mixed`, `unknown` or `too-few-endpoints`
    found: &'static str,
    /// The same in a line.
    words: &'r str,
    /// The client, as written; empty if endpoints are counted.
    from: &'r str,
    /// The address, if it is about connections.
    to: Option<&'r str>,
    /// The nodes.
    nodes: &'r [String],
    /// Endpoints that are not ready, if endpoints are counted.
    places: &'r [String],
    /// One of the connections, followed.
    witness: Option<WitnessJson<'r>>,
}

/// A connection that is not as expected.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WitnessJson<'r> {
    /// The node whose rules it meets.
    node: &'r str,
    /// What it means for the client.
    meaning: &'r str,
    /// Why.
    remarks: &'r [String],
    /// The rule that decided.
    rule: Option<&'r str>,
    /// The field behind it.
    field: Option<FieldJson<'r>>,
    /// `kuberules.trace/v1`
    trace: &'r Value,
}

/// A field of an object.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FieldJson<'r> {
    /// Its path.
    path: &'r str,
    /// Where it stands.
    place: Option<PlaceJson<'r>>,
}

/// All results.
pub fn json(report: &Report) -> TestJson<'_> {
    TestJson {
        schema: SCHEMA,
        holds: report.failed() == 0,
        expectations: report.results.len(),
        failed: report.failed(),
        nodes: report.nodes,
        results: report.results.iter().map(result).collect(),
    }
}

fn result(result: &Outcome) -> ResultJson<'_> {
    ResultJson {
        place: place(&result.place),
        expectation: &result.title,
        holds: result.failures.is_empty(),
        connections: result.members,
        failures: result.failures.iter().map(failure).collect(),
    }
}

fn failure(finding: &Finding) -> FailureJson<'_> {
    FailureJson {
        found: finding.code,
        words: &finding.words,
        from: &finding.client,
        to: finding.address.as_deref(),
        nodes: &finding.nodes,
        places: &finding.places,
        witness: finding.evidence.as_ref().map(witness),
    }
}

fn witness(evidence: &Evidence) -> WitnessJson<'_> {
    let field = evidence.field.as_ref();
    WitnessJson {
        node: &evidence.node,
        meaning: &evidence.meaning,
        remarks: &evidence.remarks,
        rule: evidence.rule.as_deref(),
        field: field.map(|(path, at)| FieldJson { path, place: at.as_ref().map(place) }),
        trace: &evidence.trace,
    }
}

fn place(place: &Place) -> PlaceJson<'_> {
    PlaceJson { file: &place.file, line: place.line }
}
