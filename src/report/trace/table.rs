//! Several sources side by side.

use std::fmt::Write;

use super::remark::Remark;
use super::{SCOPE, Trace, remarks, words};
use crate::diagnostic::Inert;
use crate::walk::Outcome;

/// A table of what happens to a packet from each kind of source.
pub fn table(traces: &[Trace<'_, '_>]) -> String {
    let Some(first) = traces.first() else { return String::new() };
    let mut out = heading(first);
    let rows: Vec<[String; 3]> = traces.iter().flat_map(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (from, chance) = (width(0), width(1));
    for [source, share, end] in &rows {
        let _ = writeln!(out, "{source:<from$}  {share:>chance$}  {end}");
    }
    let mut told: Vec<Remark> = Vec::new();
    for (trace, outcome) in traces.iter().flat_map(|t| t.outcomes.iter().map(move |o| (t, o))) {
        let new = remarks::remarks(outcome, trace).into_iter().filter(|remark| !told.contains(remark));
        let new: Vec<Remark> = new.collect();
        told.extend(new);
    }
    for remark in told {
        let _ = writeln!(out, "\n{remark}");
    }
    let _ = writeln!(out, "\n{SCOPE}");
    out
}

fn heading(trace: &Trace<'_, '_>) -> String {
    let to = trace.packet.destination;
    let name = trace.names.in_brackets(to.ip());
    let (node, rules) = (Inert(&trace.rules.node), trace.rules);
    let node = if rules.node.is_empty() { "a node".to_owned() } else { node.to_string() };
    format!(
        "{} to {to}{name}\nthrough the {} rules of {node}, {}\n\n",
        trace.packet.protocol,
        rules.language,
        Inert(&rules.words)
    )
}

fn rows(trace: &Trace<'_, '_>) -> Vec<[String; 3]> {
    let source = format!("{} ({})", trace.packet.client.words(), trace.packet.source);
    let row = |(i, outcome): (usize, &Outcome<'_>)| {
        let source = if i == 0 { source.clone() } else { String::new() };
        let given: String =
            outcome.given.iter().map(|condition| format!(", {}", words::condition(condition))).collect();
        let end = words::outcome(outcome, trace);
        [source, outcome.chance.to_string(), format!("{end}{given}")]
    };
    trace.outcomes.iter().enumerate().map(row).collect()
}
