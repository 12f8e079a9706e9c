//! As text for a terminal.

use std::fmt::Write;

use super::{compared, effect, family, is_served_otherwise, verdict};
use crate::compare::check::{Finding, Kind, Report};
use crate::diagnostic::Inert;
use crate::style::{Style, Tone};

/// At most this many flows of a finding are shown.
const FLOWS: usize = 4;

/// Prints it: the verdict, then finding by finding, with what each does before the rules.
pub fn print(report: &Report, style: Style) -> String {
    let mut out = String::new();
    let tone = if report.findings.is_empty() { Tone::Good } else { Tone::Bad };
    for line in style.wrap("", "  ", &verdict(report)).lines() {
        let _ = writeln!(out, "{}", style.tone(tone, line));
    }
    for finding in &report.findings {
        out.push('\n');
        print_finding(&mut out, finding, style);
    }
    if !is_served_otherwise(report) {
        out.push_str(if report.findings.is_empty() { "" } else { "\n" });
        out.push_str(&style.wrap("", "  ", &format!("Traffic: {}.", compared(report))));
    }
    if !report.notes.is_empty() {
        out.push('\n');
    }
    for note in &report.notes {
        out.push_str(&style.wrap("", "  ", &format!("note: {note}")));
    }
    out
}

fn line(out: &mut String, depth: usize, text: &str) {
    let _ = writeln!(out, "{:width$}{}", "", Inert(text), width = depth * 2);
}

fn print_finding(out: &mut String, finding: &Finding, style: Style) {
    let (kind, family) = (finding.kind.code(), family(finding));
    let heading = format!("{family}{kind}: {}", finding.message);
    for line in style.wrap("", "  ", &heading).lines() {
        let _ = writeln!(out, "{}", style.bold(line));
    }
    if finding.family.is_some() {
        flows(out, finding, style);
    }
    for place in &finding.places {
        line(out, 1, &format!("{} {}", place.table, place.name));
        for changed in &place.lines {
            let text = format!("    {} {}", changed.op, Inert(&changed.text));
            let tone = if changed.op == '+' { Tone::Good } else { Tone::Bad };
            let _ = writeln!(out, "{}", style.tone(tone, &text));
        }
    }
    if finding.kind == Kind::OtherDataPath {
        line(out, 1, "look further with:");
        finding.commands.iter().for_each(|command| line(out, 2, command));
    }
}

/// What a finding about the rules of a family does to connections.
fn flows(out: &mut String, finding: &Finding, style: Style) {
    line(out, 1, &effect(finding));
    for flow in finding.traffic.iter().take(FLOWS) {
        let target = if flow.target.is_empty() { String::new() } else { format!(" ({})", flow.target) };
        let to = format!("{}{target} from {}", flow.to.join("; "), flow.from.join(", "));
        out.push_str(&style.wrap("    ", "      ", &to));
        out.push_str(&style.wrap("      ", "        ", &format!("should be: {}", flow.before)));
        out.push_str(&style.wrap("      ", "        ", &format!("is:        {}", flow.after)));
    }
    let more = finding.traffic.len().saturating_sub(FLOWS);
    if more > 0 {
        line(out, 2, &format!("and {more} more: see --output json"));
    }
    if !finding.commands.is_empty() {
        line(out, 1, "on the node, this ends them:");
    }
    finding.commands.iter().for_each(|command| line(out, 2, command));
}
