//! `kuberules.test/v1`

use serde_json::{Value, json};

use super::report::{Finding, Outcome, Report};
use crate::diagnostic::Place;

/// Name and version of the form.
pub const SCHEMA: &str = "kuberules.test/v1";

/// All results, failing or not.
pub fn json(report: &Report) -> Value {
    json!({
        "schema": SCHEMA,
        "holds": report.failed() == 0,
        "expectations": report.results.len(),
        "failed": report.failed(),
        "nodes": report.nodes,
        "results": report.results.iter().map(result).collect::<Vec<_>>(),
    })
}

fn result(result: &Outcome) -> Value {
    json!({
        "place": place(&result.place),
        "expectation": result.title,
        "holds": result.failures.is_empty(),
        "connections": result.members,
        "failures": result.failures.iter().map(failure).collect::<Vec<_>>(),
    })
}

fn failure(finding: &Finding) -> Value {
    let evidence = finding.evidence.as_ref();
    let field = evidence.and_then(|evidence| evidence.field.as_ref());
    json!({
        "found": finding.code,
        "words": finding.words,
        "from": finding.client,
        "to": finding.address,
        "nodes": finding.nodes,
        "places": finding.places,
        "witness": evidence.map(|evidence| json!({
            "node": evidence.node,
            "meaning": evidence.meaning,
            "remarks": evidence.remarks,
            "rule": evidence.rule,
            "field": field.map(|(path, at)| json!({ "path": path, "place": at.as_ref().map(place) })),
            "trace": evidence.trace,
        })),
    })
}

fn place(place: &Place) -> Value {
    json!({ "file": &*place.file, "line": place.line })
}
