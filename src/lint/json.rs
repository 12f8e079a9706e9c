//! Findings as JSON.

use serde_json::{Value, json};

use super::Finding;

/// Name and version of the schema; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.lint/v1";

/// Findings as one object.
pub fn value(findings: &[Finding]) -> Value {
    let findings: Vec<Value> = findings.iter().map(finding_json).collect();
    json!({ "schema": SCHEMA, "findings": findings })
}

fn finding_json(finding: &Finding) -> Value {
    let object = finding.object.as_ref().map(
        |object| json!({ "kind": &*object.kind, "namespace": &*object.namespace, "name": &*object.name }),
    );
    json!({
        "code": finding.lint.code,
        "name": finding.lint.name,
        "severity": finding.severity.name(),
        "file": finding.place.as_ref().map(|place| &*place.file),
        "line": finding.place.as_ref().and_then(|place| place.line),
        "object": object,
        "field": finding.field,
        "message": finding.message,
        "remedy": finding.remedy,
        "page": finding.lint.page(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tests::samples;

    #[test]
    fn one_object_per_finding() {
        let value = value(&samples());
        assert_eq!(value["schema"], SCHEMA);
        assert_snapshot!(format!("{:#}", value["findings"][0]));
    }
}
