//! Findings as text for a terminal.

use std::fmt::Write;

use super::{Finding, Severity, Summary};
use crate::diagnostic::Inert;
use crate::markup::log_line;

const WIDTH: usize = 80;

/// Prints findings, wrapped at 80 columns.
pub fn print(findings: &[Finding], color: bool) -> String {
    let mut text = String::new();
    for finding in findings {
        // Writing to a string cannot fail.
        let _ = print_one(finding, color, &mut text);
    }
    let _ = writeln!(text, "{}", Summary(findings));
    text
}

fn print_one(finding: &Finding, color: bool, text: &mut String) -> std::fmt::Result {
    let (on, off) = if color { (color_of(finding.severity), "\u{1b}[0m") } else { ("", "") };
    let label = format!("{}[{}]", finding.severity.name(), finding.lint.code);
    write!(text, "{on}{label}{off}")?;
    if let Some(object) = &finding.object {
        write!(text, " {object}")?;
    }
    if let Some(place) = &finding.place {
        write!(text, "\n  --> {place}")?;
    }
    let field = if finding.field.is_empty() { String::new() } else { format!("{}: ", finding.field) };
    writeln!(text)?;
    wrapped("  ", "    ", &format!("{field}{}", finding.message), text)?;
    if !finding.remedy.is_empty() {
        wrapped("  = help: ", "    ", &finding.remedy, text)?;
    }
    writeln!(text)
}

/// Adds a sentence, wrapped; its first line is led otherwise than the others.
pub(super) fn wrapped(lead: &str, further: &str, sentence: &str, text: &mut String) -> std::fmt::Result {
    let sentence = Inert(sentence).to_string();
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(lead)
        .subsequent_indent(further)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    let lines = textwrap::wrap(&sentence, options);
    lines.iter().try_for_each(|line| writeln!(text, "{}", log_line(line)))
}

fn color_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "\u{1b}[1;31m",
        Severity::Warning => "\u{1b}[1;33m",
        Severity::Note => "\u{1b}[1;36m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tests::samples;

    #[test]
    fn text_for_people() {
        assert_snapshot!(print(&samples(), false));
    }

    #[test]
    fn nothing_from_the_input_reaches_the_terminal_raw() {
        let text = print(&samples(), false);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert!(print(&samples(), true).contains("\u{1b}[1;31merror[KR006]\u{1b}[0m Service shop/b"));
        assert_eq!(print(&[], false), "nothing found\n");
    }
}
