//! Findings as workflow commands, which GitHub shows beside the lines of a pull request.

use std::fmt::Write;

use super::{Finding, Severity};
use crate::diagnostic::Inert;

/// Prints findings.
pub fn print(findings: &[Finding]) -> String {
    findings.iter().map(command).collect()
}

fn command(finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut command = format!("::{level} ");
    if let Some(place) = &finding.place {
        // Writing to a string cannot fail.
        let _ = write!(command, "file={},", property(&place.file));
        if let Some(line) = place.line {
            let _ = write!(command, "line={line},");
        }
    }
    let title = format!("{} {}", finding.lint.code, finding.lint.name);
    let about = finding.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    let field = if finding.field.is_empty() { String::new() } else { format!("{}: ", finding.field) };
    let remedy =
        if finding.remedy.is_empty() { String::new() } else { format!("\n{}", Inert(&finding.remedy)) };
    let message = format!("{about}{}{}", Inert(&field), Inert(&finding.message));
    let _ = writeln!(command, "title={}::{}", property(&title), data(&format!("{message}{remedy}")));
    command
}

/// The message of a command (actions/toolkit, packages/core/src/command.ts).
pub(crate) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command, which may contain neither colons nor commas.
pub(crate) fn property(text: &str) -> String {
    data(&Inert(text).to_string()).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tests::samples;

    #[test]
    fn a_line_per_finding() {
        let findings = samples();
        let text = print(&findings);
        assert_eq!(text.lines().count(), findings.len());
        assert!(text.lines().all(|line| line.starts_with("::")), "{text}");
        assert_snapshot!(text);
    }

    #[test]
    fn what_would_end_a_part_is_escaped() {
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25\\u{a}");
        assert_eq!(data("50%: a,\r\nb"), "50%25: a,%0D%0Ab");
    }
}
