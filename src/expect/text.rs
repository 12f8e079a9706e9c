//! For people.

use std::fmt::Write;

use super::evidence::{Evidence, from_words};
use super::report::{Finding, Outcome, Report};
use crate::diagnostic::Inert;

/// At most this many failures of one expectation are printed; the first of them with its trace.
const TOLD: usize = 6;

/// Prints it: the verdict, then what fails.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    line(&mut out, 0, &report.verdict());
    for result in report.results.iter().filter(|result| !result.failures.is_empty()) {
        print_result(&mut out, result);
    }
    out
}

/// Appends a line without terminal control characters.
fn line(out: &mut String, depth: usize, text: &str) {
    let _ = writeln!(out, "{:width$}{}", "", Inert(text), width = depth * 2);
}

fn print_result(out: &mut String, result: &Outcome) {
    out.push('\n');
    line(out, 0, &format!("{}: {}", result.place, result.title));
    for (i, finding) in result.failures.iter().take(TOLD).enumerate() {
        line(out, 1, &finding.words);
        finding.places.iter().for_each(|place| line(out, 2, place));
        if let Some(evidence) = finding.evidence.as_ref().filter(|_| i == 0) {
            print_evidence(out, evidence);
        }
    }
    if let Some(more) = result.failures.len().checked_sub(TOLD).filter(|more| *more > 0) {
        line(out, 1, &format!("and {more} more: --output json has them all"));
    }
}

fn print_evidence(out: &mut String, evidence: &Evidence) {
    let Evidence { node, packet, meaning, remarks, rule, field, steps, .. } = evidence;
    let (from, to, protocol) = (packet.source, packet.destination, packet.protocol);
    line(out, 2, &format!("{from} ({}) to {to}/{protocol} on {node} {meaning}", packet.client.words()));
    remarks.iter().for_each(|remark| line(out, 2, remark));
    rule.iter().for_each(|rule| line(out, 2, &format!("rule:  {rule}")));
    if let Some((path, place)) = field {
        let place = place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        line(out, 2, &format!("field: {place}{path}"));
    }
    line(out, 2, "trace:");
    for (i, step) in steps.iter().enumerate() {
        line(out, 3, &format!("{}. {step}", i + 1));
    }
    let from = from_words(packet);
    line(out, 2, &format!("kuberules trace --node {node} --from {from} --to {to} --protocol {protocol}"));
}

/// What else to say about a failure: for annotations and test reports.
pub(super) fn details(finding: &Finding) -> String {
    let mut out = String::new();
    line(&mut out, 0, &finding.words);
    finding.places.iter().for_each(|place| line(&mut out, 1, place));
    finding.evidence.iter().for_each(|evidence| print_evidence(&mut out, evidence));
    out
}
