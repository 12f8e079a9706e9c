//! Findings as text for a terminal.

use std::collections::HashMap;
use std::fmt::Write;

use super::{Finding, Severity, Summary};
use crate::diagnostic::{self, Kind, SHOWN_OF_A_KIND};
use crate::style::{Style, Tone};

/// Prints findings; if many say the same, only the first of them, with a note after the last about the others.
pub fn print(findings: &[Finding], style: Style) -> String {
    let mut kinds: HashMap<_, Vec<&Finding>> = HashMap::new();
    let mut add = |finding| {
        let alike = kinds.entry(kind(finding)).or_default();
        alike.push(finding);
        alike.len()
    };
    let ranks: Vec<usize> = findings.iter().map(&mut add).collect();
    let mut text = String::new();
    for (finding, rank) in findings.iter().zip(ranks).filter(|(_, rank)| *rank <= SHOWN_OF_A_KIND) {
        let alike = kinds.get(&kind(finding)).filter(|_| rank == SHOWN_OF_A_KIND);
        let others = alike.and_then(|alike| alike.get(rank..)).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = print_one(finding, others, style, &mut text);
    }
    let _ = writeln!(text, "{}", Summary(findings));
    text
}

/// Findings that say the same, each about its object.
fn kind(finding: &Finding) -> (&'static str, Severity, &Kind) {
    (finding.lint.code, finding.severity, &finding.kind)
}

fn print_one(finding: &Finding, others: &[&Finding], style: Style, text: &mut String) -> std::fmt::Result {
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
    if !others.is_empty() {
        let name = |other: &&Finding| other.object.as_ref().map(ToString::to_string).unwrap_or_default();
        let others: Vec<String> = others.iter().map(name).collect();
        let more = format!("{}; --output json lists them all", diagnostic::and_more(&others));
        text.push_str(&style.wrap("  ", "    ", &more));
    }
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
    use crate::diagnostic::ObjectRef;
    use crate::lint::tests::samples;

    const COLORED: Style = Style { colored: true, width: 80 };

    #[test]
    fn text_for_people() {
        assert_snapshot!(print(&samples(), Style::default()));
    }

    #[test]
    fn many_findings_of_a_kind_are_counted() {
        let [first, other] = [&samples()[0], &samples()[1]].map(Clone::clone);
        let name = |n: usize| ObjectRef {
            kind: "Service".into(),
            namespace: "a".into(),
            name: format!("web-{n}").into(),
        };
        let alike = |n: usize| Finding {
            object: Some(name(n)),
            message: format!("port {n} is taken"),
            kind: Kind::Of("port {n} is taken", String::new()),
            ..first.clone()
        };
        let findings: Vec<Finding> = (0..1_000).map(alike).chain([other]).collect();
        let text = print(&findings, Style::default());
        assert_eq!(text.matches("is taken").count(), SHOWN_OF_A_KIND);
        let more = "  and 980 more of this kind: Service a/web-20, Service a/web-21, Service\n    a/web-22, ...; --output json lists them all\n";
        assert!(text.contains(more), "{text}");
        assert!(text.contains(&findings[1_000].message));
        assert!(text.ends_with(&format!("{}\n", Summary(&findings))));
        assert!(!print(&findings[..20], Style::default()).contains("more of this kind"));
    }

    #[test]
    fn nothing_from_the_input_reaches_the_terminal_raw() {
        let text = print(&samples(), Style::default());
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert!(print(&samples(), COLORED).contains("\u{1b}[1;31merror[KR006]\u{1b}[0m Service shop/b"));
        assert_eq!(print(&[], Style::default()), "nothing found\n");
    }
}
