//! As annotations of GitHub Actions.

use std::fmt::Write;

use super::{effect, family, verdict};
use crate::compare::check::{Kind, Report};
use crate::diagnostic::Inert;
use crate::lint::github::{data, property};

/// Prints an annotation for each finding, and the verdict as a notice.
pub fn print(report: &Report) -> String {
    let file = property(&report.captured);
    let mut out = String::new();
    for finding in &report.findings {
        let is_told_elsewhere =
            finding.effect_unknown || matches!(finding.kind, Kind::NoRules | Kind::PinnedConnections);
        let is_harmless = finding.traffic.is_empty() && finding.family.is_some() && !is_told_elsewhere;
        let level = if is_harmless { "warning" } else { "error" };
        let effect = if finding.family.is_some() { format!(": {}", effect(finding)) } else { String::new() };
        let title = property(&format!("kuberules {}", finding.kind.code()));
        let message = data(&Inert(&format!("{}{}{effect}", family(finding), finding.message)).to_string());
        let _ = writeln!(out, "::{level} file={file},title={title}::{message}");
    }
    let _ = writeln!(out, "::notice file={file},title=kuberules check::{}", data(&verdict(report)));
    out
}
