//! A JUnit report, which CI servers show: a test case for each expectation.

use std::fmt::Write;

use super::report::{Outcome, Report};
use super::text::details;
use crate::diagnostic::{Inert, is_invisible};

/// Prints it.
pub fn print(report: &Report) -> String {
    let (all, failed) = (report.results.len(), report.failed());
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"kuberules\" tests=\"{all}\" failures=\"{failed}\">");
    let _ = writeln!(out, "  <testsuite name=\"kuberules test\" tests=\"{all}\" failures=\"{failed}\">");
    report.results.iter().for_each(|result| print_case(&mut out, result));
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn print_case(out: &mut String, result: &Outcome) {
    let (name, file) = (attribute(&result.title), attribute(&result.place.file));
    let line = result.place.line.unwrap_or_default();
    let _ = write!(out, "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\"");
    let Some(first) = result.failures.first() else {
        out.push_str("/>\n");
        return;
    };
    let (message, code) = (attribute(&first.words), first.code);
    let _ = write!(out, ">\n      <failure message=\"{message}\" type=\"{code}\">");
    result.failures.iter().for_each(|finding| out.push_str(&text(&details(finding))));
    out.push_str("</failure>\n    </testcase>\n");
}

fn attribute(value: &str) -> String {
    text(&Inert(value).to_string()).replace('"', "&quot;")
}

/// Escapes characters with a meaning in XML; those that it cannot contain are left out.
fn text(value: &str) -> String {
    let kept: String = value.chars().filter(|c| *c == '\n' || !is_invisible(*c)).collect();
    kept.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(attribute("a\"<b>&\u{1b}"), "a&quot;&lt;b&gt;&amp;\\u{1b}");
        assert_eq!(text("a\n\u{202e}]]>"), "a\n]]&gt;");
    }
}
