//! Findings as text for a terminal.

use std::fmt::Write;

use super::{Finding, Severity, Summary};
use crate::style::{Style, Tone};

/// Prints findings.
pub fn print(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    for finding in findings {
        // Writing to a string cannot fail.
        let _ = print_one(finding, style, &mut text);
    }
    let _ = writeln!(text, "{}", Summary(findings));
    text
}

fn print_one(finding: &Finding, style: Style, text: &mut String) -> std::fmt::Result {
    let label = format!("{}[{}]", finding.severity.name(), finding.lint.code);
    text.push_str(&style.tone(tone(finding.severity), &label));
    if let Some(object) = &finding.object {
        write!(text, " {object}")?;
    }
    if let Some(place) = &finding.place {
        write!(text, "\n  --> {place}")?;
    }
    let field = if finding.field.is_empty() { String::new() } else { format!("{}: ", finding.field) };
    writeln!(text)?;
    text.push_str(&style.wrap("  ", "    ", &format!("{field}{}", finding.message)));
    text.push_str(&style.wrap("  = help: ", "    ", &finding.remedy));
    writeln!(text)
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Mixed,
        Severity::Note => Tone::Rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tests::samples;

    const COLORED: Style = Style { colored: true, width: 80 };

    #[test]
    fn text_for_people() {
        assert_snapshot!(print(&samples(), Style::default()));
    }

    #[test]
    fn nothing_from_the_input_reaches_the_terminal_raw() {
        let text = print(&samples(), Style::default());
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert!(print(&samples(), COLORED).contains("\u{1b}[1;31merror[KR006]\u{1b}[0m Service shop/b"));
        assert_eq!(print(&[], Style::default()), "nothing found\n");
    }
}
