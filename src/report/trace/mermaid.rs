//! A trace as a sequence diagram that GitHub renders.

use std::fmt::Write;

use super::{Trace, words};
use crate::markup;
use crate::walk::{Hook, Outcome, Step, Verdict};

/// At most this many outcomes are drawn: a diagram with more is unreadable.
const DRAWN: usize = 12;

/// The diagram, without a fence around it.
pub fn mermaid(trace: &Trace<'_, '_>) -> String {
    let mut out = "sequenceDiagram\n    autonumber\n".to_owned();
    participants(trace, &mut out);
    let packet = format!("{} to {}", trace.packet.protocol, trace.packet.destination);
    let _ = writeln!(out, "    source->>node: {}", escaped(&packet));
    let common = common_steps(&trace.outcomes);
    if let Some(first) = trace.outcomes.first() {
        first.steps.iter().take(common).for_each(|step| line(step, &mut out));
    }
    for (number, outcome) in trace.outcomes.iter().enumerate().take(DRAWN) {
        branch(number, outcome, common, trace, &mut out);
    }
    if trace.outcomes.len() > 1 {
        out.push_str("    end\n");
    }
    if trace.outcomes.len() > DRAWN {
        let _ = writeln!(out, "    Note over node: and {} more outcomes", trace.outcomes.len() - DRAWN);
    }
    out
}

fn participants(trace: &Trace<'_, '_>, out: &mut String) {
    let packet = &trace.packet;
    let source = match trace.names.words(packet.source) {
        Some(name) => format!("{name}<br/>{}", packet.source),
        None => format!("{}<br/>{}", packet.client.words(), packet.source),
    };
    let node = if trace.rules.node.is_empty() { "the node" } else { &trace.rules.node };
    let _ = writeln!(out, "    participant source as {}", escaped(&source));
    let _ = writeln!(out, "    participant node as {}<br/>{} rules", escaped(node), trace.rules.language);
    let mut drawn = Vec::new();
    for outcome in trace.outcomes.iter().take(DRAWN).filter(|o| leaves(o)) {
        if !drawn.contains(&outcome.destination) {
            drawn.push(outcome.destination);
            let name = trace.names.words(outcome.destination.ip()).map(|name| format!("{name}<br/>"));
            let to = format!("{}{}", name.unwrap_or_default(), outcome.destination);
            let _ = writeln!(out, "    participant {} as {}", participant(outcome), escaped(&to));
        }
    }
}

fn leaves(outcome: &Outcome<'_>) -> bool {
    outcome.verdict == Verdict::Accept && !outcome.delivered_locally
}

/// An identifier for the destination, of letters and digits.
fn participant(outcome: &Outcome<'_>) -> String {
    let text = outcome.destination.to_string();
    format!("to_{}", text.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
}

fn common_steps(outcomes: &[Outcome<'_>]) -> usize {
    let Some((first, others)) = outcomes.split_first() else { return 0 };
    let same =
        |(a, b): &(&Step<'_>, &Step<'_>)| a.rule == b.rule && a.hook == b.hook && a.effects == b.effects;
    let common = |other: &Outcome<'_>| first.steps.iter().zip(&other.steps).take_while(same).count();
    others.iter().map(common).min().unwrap_or(first.steps.len())
}

fn branch(number: usize, outcome: &Outcome<'_>, common: usize, trace: &Trace<'_, '_>, out: &mut String) {
    if trace.outcomes.len() > 1 {
        let given: String =
            outcome.given.iter().map(|condition| format!(", {}", words::condition(condition))).collect();
        let word = if number == 0 { "alt" } else { "else" };
        let _ = writeln!(out, "    {word} {}", escaped(&format!("{}{given}", outcome.chance)));
    }
    outcome.steps.iter().skip(common).for_each(|step| line(step, out));
    let end = words::outcome(outcome, trace);
    let _ = match outcome.verdict {
        Verdict::Accept if outcome.delivered_locally => {
            writeln!(out, "    Note over node: {}", escaped(&end))
        }
        Verdict::Accept => writeln!(out, "    node->>{}: {}", participant(outcome), escaped(&end)),
        Verdict::Drop => writeln!(out, "    node-xnode: {}", escaped(&end)),
        Verdict::Reject(_) => writeln!(out, "    node-->>source: {}", escaped(&end)),
    };
}

fn line(step: &Step<'_>, out: &mut String) {
    let effects = words::effects(step);
    let text = match step.rule {
        Some(rule) => format!("{} {} {}: {effects}", step.hook.name(), rule.table_name(), rule.chain_name()),
        None => effects,
    };
    match step.hook {
        Hook::Routing => _ = writeln!(out, "    Note over node: {}", escaped(&text)),
        _ => _ = writeln!(out, "    node->>node: {}", escaped(&text)),
    }
}

/// Text without special meaning to Mermaid; `<br/>` stays a line break.
fn escaped(text: &str) -> String {
    text.split("<br/>").map(markup::mermaid).collect::<Vec<_>>().join("<br/>")
}
