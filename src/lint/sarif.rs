//! Findings as SARIF 2.1.0, which code-scanning services read.

use serde_json::{Value, json};

use super::{Finding, LINTS, Lint};
use crate::assume::{self, Assumed};

/// Prints findings, and what was assumed of the cluster if anything was.
pub fn print(findings: &[Finding], assumed: Option<&Assumed>) -> String {
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run(findings, assumed)],
    });
    crate::markup::json(&log)
}

fn run(findings: &[Finding], assumed: Option<&Assumed>) -> Value {
    let rules: Vec<Value> = LINTS.iter().map(|lint| rule(lint)).collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    let mut run = json!({
        "tool": { "driver": {
            "name": "kuberules",
            "version": env!("CARGO_PKG_VERSION"),
            "informationUri": env!("CARGO_PKG_REPOSITORY"),
            "rules": rules,
        }},
        "columnKind": "unicodeCodePoints",
        "results": results,
    });
    if let (Some(fields), Some(assumed)) = (run.as_object_mut(), assumed) {
        let note = json!({ "level": "note", "message": { "text": assume::banner() } });
        let invocation = json!({ "executionSuccessful": true, "toolExecutionNotifications": [note] });
        fields.insert("invocations".to_owned(), json!([invocation]));
        fields.insert("properties".to_owned(), json!({ "assumed": assumed.json() }));
    }
    run
}

fn rule(lint: &Lint) -> Value {
    json!({
        "id": lint.code,
        "name": lint.name,
        "shortDescription": { "text": lint.summary },
        "helpUri": lint.page(),
        "defaultConfiguration": { "level": lint.severity.name() },
    })
}

fn result(finding: &Finding) -> Value {
    let remedy = if finding.remedy.is_empty() { String::new() } else { format!("\n{}", finding.remedy) };
    let about = finding.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    let field = if finding.field.is_empty() { String::new() } else { format!("{}: ", finding.field) };
    let mut result = json!({
        "ruleId": finding.lint.code,
        "ruleIndex": LINTS.iter().position(|lint| lint.code == finding.lint.code),
        "level": finding.severity.name(),
        "message": { "text": format!("{about}{field}{}{remedy}", finding.message) },
        "locations": [location(finding)],
    });
    if let (Some(fields), None) = (result.as_object_mut(), &finding.place) {
        fields.remove("locations");
    }
    result
}

fn location(finding: &Finding) -> Value {
    let place = finding.place.as_ref();
    let file = place.map(|place| uri(&place.file));
    let mut physical = json!({ "artifactLocation": { "uri": file } });
    if let (Some(line), Some(fields)) = (place.and_then(|place| place.line), physical.as_object_mut()) {
        fields.insert("region".to_owned(), json!({ "startLine": line }));
    }
    let mut location = json!({ "physicalLocation": physical });
    if let (Some(object), Some(fields)) = (&finding.object, location.as_object_mut()) {
        fields.insert(
            "logicalLocations".to_owned(),
            json!([{ "fullyQualifiedName": object.to_string(), "kind": "object" }]),
        );
    }
    location
}

/// A file name as a URI reference (RFC 3986): everything but unreserved characters and `/` is percent-encoded.
fn uri(file: &str) -> String {
    let mut uri = String::new();
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tests::samples;

    fn validator() -> jsonschema::Validator {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/schemas/sarif-2.1.0-rtm.5.json");
        // The published schema has a bracket too many in two patterns, which validators refuse.
        let schema = std::fs::read_to_string(path).unwrap().replace("{2}]?$", "{2}$");
        let schema: Value = serde_json::from_str(&schema).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    }

    #[test]
    fn the_log_fits_the_schema() {
        let validator = validator();
        let assumed = Assumed::default();
        for (findings, assumed) in [(samples(), None), (Vec::new(), None), (samples(), Some(&assumed))] {
            let log: Value = serde_json::from_str(&print(&findings, assumed)).unwrap();
            let faults: Vec<String> = validator.iter_errors(&log).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{faults:?}");
            assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), findings.len());
            assert_eq!(log["runs"][0]["invocations"].is_array(), assumed.is_some());
        }
        assert!(!validator.is_valid(&json!({ "version": "2.1.0" })), "the schema tells nothing");
    }

    #[test]
    fn file_names_become_uris() {
        assert_eq!(uri("dir/a b%#.yaml"), "dir/a%20b%25%23.yaml");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
    }
}
