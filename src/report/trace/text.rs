//! A trace for people.

use std::fmt::Write;

use super::meaning::{Meaning, meaning};
use super::{SCOPE, Trace, existing, remarks, why, words};
use crate::diagnostic::Inert;
use crate::walk::{Outcome, Packet, Step};

/// So many outcomes are shown with their steps; the others only with what they mean.
const DETAILED: usize = 12;

/// Terminal codes, or none.
#[derive(Debug, Clone, Copy)]
struct Style {
    colored: bool,
}

impl Style {
    fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    fn headline(self, meaning: Meaning, before: &str) -> String {
        let code = match meaning {
            Meaning::Works { .. } | Meaning::AnsweredByKubeProxy => "1;32",
            Meaning::Refused(_) | Meaning::TimesOut(_) => "1;31",
            Meaning::NotServicePort(_) => "1;33",
        };
        self.code(code, &format!("{before}{}:", meaning.headline()))
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.colored { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The whole trace: the packet, the steps to each outcome, then the outcomes with their chances.
pub fn text(trace: &Trace<'_, '_>, colored: bool) -> String {
    let style = Style { colored };
    let mut out = heading(trace, style);
    for (number, outcome) in trace.outcomes.iter().enumerate().take(DETAILED) {
        let before = number.checked_sub(1).and_then(|i| trace.outcomes.get(i));
        detail(number, outcome, before, trace, style, &mut out);
    }
    if let Some(more) = trace.outcomes.len().checked_sub(DETAILED).filter(|more| *more > 0) {
        let _ = writeln!(out, "... and {more} more outcomes: --output json has them all\n");
    }
    summary(trace, style, &mut out);
    let existing = existing::lines(&trace.existing, &trace.packet);
    if !existing.is_empty() {
        let _ = writeln!(out, "\n{}", existing.join("\n"));
    }
    let _ = writeln!(out, "\n{}", wrap(SCOPE));
    out
}

fn heading(trace: &Trace<'_, '_>, style: Style) -> String {
    let line = packet_line(&trace.packet, trace);
    let node = match trace.rules.node.as_str() {
        "" => "a node".to_owned(),
        name => Inert(name).to_string(),
    };
    let rules = &trace.rules;
    format!(
        "{}\nthrough the {} rules of {node}, {}\n\n",
        style.bold(&line),
        rules.language,
        Inert(&rules.words)
    )
}

pub(super) fn packet_line(packet: &Packet, trace: &Trace<'_, '_>) -> String {
    let name = |ip| trace.names.in_brackets(ip);
    format!(
        "{} from {}{}, {}, to {}{}",
        packet.protocol,
        packet.source,
        name(packet.source),
        packet.client.words(),
        packet.destination,
        name(packet.destination.ip())
    )
}

fn detail(
    number: usize,
    outcome: &Outcome<'_>,
    before: Option<&Outcome<'_>>,
    trace: &Trace<'_, '_>,
    style: Style,
    out: &mut String,
) {
    let many = trace.outcomes.len() > 1;
    let mut indent = "";
    if many {
        let chance = format!("Outcome {}: {}{}", number + 1, outcome.chance, given(outcome));
        let _ = writeln!(out, "{}", style.bold(&chance));
        indent = "  ";
    }
    let common = before.map_or(0, |before| common_steps(before, outcome));
    match common {
        0 => (),
        1 => _ = writeln!(out, "{indent}{}", style.dim("1. as before")),
        _ => _ = writeln!(out, "{indent}{}", style.dim(&format!("1.-{common}. as before"))),
    }
    for (i, step) in outcome.steps.iter().enumerate().skip(common) {
        step_lines(i + 1, step, indent, style, out);
    }
    let meaning = meaning(outcome, trace);
    let clause = words::clause(meaning, outcome, trace);
    let _ = writeln!(out, "{indent}{} {clause}", style.headline(meaning, "=> "));
    for remark in remarks::remarks(outcome, trace) {
        let _ = writeln!(out, "{indent}   {remark}");
    }
    if many {
        out.push('\n');
    }
}

fn given(outcome: &Outcome<'_>) -> String {
    let conditions: Vec<String> = outcome.given.iter().map(words::condition).collect();
    match conditions.is_empty() {
        true => String::new(),
        false => format!(", {}", conditions.join(" and ")),
    }
}

/// How many steps two outcomes have in common from the beginning.
fn common_steps(a: &Outcome<'_>, b: &Outcome<'_>) -> usize {
    a.steps.iter().zip(&b.steps).take_while(|(a, b)| is_same(a, b)).count()
}

fn is_same(a: &Step<'_>, b: &Step<'_>) -> bool {
    a.hook == b.hook && a.rule == b.rule && a.seen == b.seen && a.effects == b.effects && a.chance == b.chance
}

fn step_lines(number: usize, step: &Step<'_>, indent: &str, style: Style, out: &mut String) {
    let place = match step.rule {
        Some(rule) => {
            format!("{}, {}, {}", step.hook.name(), Inert(&rule.table_name()), Inert(rule.chain_name()))
        }
        None => step.hook.name().to_owned(),
    };
    let _ = writeln!(out, "{indent}{number}. {}", style.bold(&place));
    if let Some(rule) = step.rule {
        let _ = writeln!(out, "{indent}   {}", style.dim(&Inert(&rule.text()).to_string()));
    }
    if let Some(element) = step.element {
        let _ =
            writeln!(out, "{indent}   {}", style.dim(&format!("element {}", Inert(&element.to_string()))));
    }
    let why = why::words(step);
    if !why.is_empty() {
        let _ = writeln!(out, "{indent}   because {}", why.join(", "));
    }
    let _ = writeln!(out, "{indent}   -> {}", words::effects(step));
}

fn summary(trace: &Trace<'_, '_>, style: Style, out: &mut String) {
    if trace.outcomes.len() < 2 {
        return;
    }
    let _ = writeln!(out, "{}", style.bold("What happens to it:"));
    for outcome in &trace.outcomes {
        let meaning = meaning(outcome, trace);
        let (headline, clause) = (style.headline(meaning, ""), words::clause(meaning, outcome, trace));
        let _ = writeln!(out, "  {:>16}  {headline} {clause}{}", outcome.chance.to_string(), given(outcome));
    }
}

/// Breaks a sentence into lines for a terminal.
fn wrap(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let full = lines.last().is_some_and(|line| line.len() + 1 + word.len() > WIDTH);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}
