//! Findings as JSON.

use serde::Serialize;

use super::Finding;

/// Name and version of the schema; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.lint/v1";

/// What `lint` found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Findings<'f> {
    /// Name and version of this form.
    schema: &'static str,
    /// Each finding, in the order of files and lines.
    findings: Vec<LintFinding<'f>>,
}

/// Something that is probably a mistake.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LintFinding<'f> {
    /// Such as `KR005`; stable.
    code: &'static str,
    /// Such as `port-mismatch`
    name: &'static str,
    /// `error`, `warning` or `note`
    severity: &'static str,
    /// The file with the object.
    file: Option<&'f str>,
    /// The line, counted from 1.
    line: Option<u32>,
    /// The object it is about.
    object: Option<LintObject<'f>>,
    /// Such as `spec.ports[0].targetPort`
    field: &'f str,
    /// What is found, a sentence without a full stop.
    message: &'f str,
    /// What to do.
    remedy: &'f str,
    /// Where the code is explained.
    page: String,
}

/// An object of the input.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LintObject<'f> {
    /// Such as `Service`
    kind: &'f str,
    /// Empty for objects without one.
    namespace: &'f str,
    /// Its name.
    name: &'f str,
}

/// Findings as one object.
pub fn value(findings: &[Finding]) -> Findings<'_> {
    Findings { schema: SCHEMA, findings: findings.iter().map(finding_json).collect() }
}

fn finding_json(finding: &Finding) -> LintFinding<'_> {
    let object = finding.object.as_ref().map(|object| LintObject {
        kind: &object.kind,
        namespace: &object.namespace,
        name: &object.name,
    });
    LintFinding {
        code: finding.lint.code,
        name: finding.lint.name,
        severity: finding.severity.name(),
        file: finding.place.as_ref().map(|place| &*place.file),
        line: finding.place.as_ref().and_then(|place| place.line),
        object,
        field: &finding.field,
        message: &finding.message,
        remedy: &finding.remedy,
        page: finding.lint.page(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tests::samples;

    #[test]
    fn one_object_per_finding() {
        let samples = samples();
        let value = serde_json::to_value(value(&samples)).unwrap();
        assert_eq!(value["schema"], SCHEMA);
        assert_snapshot!(format!("{:#}", value["findings"][0]));
    }
}
