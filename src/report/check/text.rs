//! As text for a terminal.

use std::fmt::Write;

use super::{compared, effect, family, is_served_otherwise, verdict};
use crate::compare::check::{Finding, Kind, Report};
use crate::diagnostic::Inert;

/// At most this many flows of a finding are shown.
const FLOWS: usize = 4;

/// Prints it: the verdict, then finding by finding.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    line(&mut out, 0, &verdict(report));
    if !is_served_otherwise(report) {
        line(&mut out, 0, &format!("Traffic: {}.", compared(report)));
    }
    for finding in &report.findings {
        out.push('\n');
        print_finding(&mut out, finding);
    }
    if !report.notes.is_empty() {
        out.push('\n');
    }
    for note in &report.notes {
        line(&mut out, 0, &format!("note: {note}"));
    }
    out
}

fn line(out: &mut String, depth: usize, text: &str) {
    let _ = writeln!(out, "{:width$}{}", "", Inert(text), width = depth * 2);
}

fn print_finding(out: &mut String, finding: &Finding) {
    let (kind, family) = (finding.kind.code(), family(finding));
    line(out, 0, &format!("{family}{kind}: {}", finding.message));
    for place in &finding.places {
        line(out, 1, &format!("{} {}", place.table, place.name));
        for changed in &place.lines {
            line(out, 2, &format!("{} {}", changed.op, changed.text));
        }
    }
    if finding.kind == Kind::OtherDataPath {
        line(out, 1, "look further with:");
        finding.commands.iter().for_each(|command| line(out, 2, command));
    }
    if finding.family.is_none() {
        return;
    }
    line(out, 1, &effect(finding));
    for flow in finding.traffic.iter().take(FLOWS) {
        let target = if flow.target.is_empty() { String::new() } else { format!(" ({})", flow.target) };
        line(out, 2, &format!("{}{target} from {}", flow.to.join("; "), flow.from.join(", ")));
        line(out, 3, &format!("should be: {}", flow.before));
        line(out, 3, &format!("is:        {}", flow.after));
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
