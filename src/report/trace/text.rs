//! A trace for people: the answer, then the packet's way.

use std::fmt::Write;

use super::meaning::{Meaning, meaning};
use super::verdict::answer;
use super::{Trace, connections, remarks, why, words};
use crate::diagnostic::Inert;
use crate::style::{Style, Tone};
use crate::walk::{Chance, Outcome, Packet, Step};

/// At most this many outcomes are shown with their steps; others only with their meaning.
const DETAILED: usize = 12;

/// The whole trace: the answer, why and what to do, also about existing connections; the packet; the ways it can go;
/// the steps of each. `brief` omits the steps.
pub fn text(trace: &Trace<'_, '_>, brief: bool, style: Style) -> String {
    let answer = answer(trace);
    let mut out = answer.print(style);
    if let (Some(command), true) = (&answer.existing, trace.existing.is_empty()) {
        out.push_str(&existing(command, style));
    }
    out.push('\n');
    heading(trace, style, &mut out);
    summary(trace, style, &mut out);
    if !brief {
        steps(trace, style, &mut out);
    }
    let existing = connections::lines(&trace.existing, &trace.packet);
    if !existing.is_empty() {
        let _ = writeln!(out, "\n{}", existing.join("\n"));
    }
    out
}

/// What to know about existing connections.
pub(super) fn existing(command: &str, style: Style) -> String {
    let sentence = "New connections only: one that exists keeps going where it went. To end it:";
    format!("{}  {command}\n", style.wrap("", "", sentence))
}

fn steps(trace: &Trace<'_, '_>, style: Style, out: &mut String) {
    out.push('\n');
    let mut told: Vec<String> = Vec::new();
    for (number, outcome) in trace.outcomes.iter().enumerate().take(DETAILED) {
        let before = number.checked_sub(1).and_then(|i| trace.outcomes.get(i));
        detail(number, outcome, before, trace, style, out);
        if trace.outcomes.len() > 1 {
            remarks_once(outcome, trace, &mut told, style, out);
        }
        if number + 1 < trace.outcomes.len() {
            out.push('\n');
        }
    }
    if let Some(more) = trace.outcomes.len().checked_sub(DETAILED).filter(|more| *more > 0) {
        let _ = writeln!(out, "... and {more} more outcomes: --output json has them all");
    }
}

/// Remarks on an outcome, but for those on an outcome before.
fn remarks_once(
    outcome: &Outcome<'_>,
    trace: &Trace<'_, '_>,
    told: &mut Vec<String>,
    style: Style,
    out: &mut String,
) {
    for remark in remarks::remarks(outcome, trace) {
        let remark = remark.to_string();
        if !told.contains(&remark) {
            out.push_str(&style.wrap("     ", "     ", &remark));
            told.push(remark);
        }
    }
}

fn heading(trace: &Trace<'_, '_>, style: Style, out: &mut String) {
    let node = match trace.rules.node.as_str() {
        "" => "a node".to_owned(),
        name => Inert(name).to_string(),
    };
    let rules = &trace.rules;
    out.push_str(&style.wrap("", "  ", &packet_line(&trace.packet, trace)));
    let through = format!("through the {} rules of {node}, {}", rules.language, rules.words);
    out.push_str(&style.wrap("", "  ", &through));
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

fn headline(style: Style, meaning: Meaning, before: &str) -> String {
    let tone = match meaning {
        Meaning::Works { .. } | Meaning::AnsweredByKubeProxy => Tone::Good,
        Meaning::Refused(_) | Meaning::TimesOut(_) => Tone::Bad,
        Meaning::Arrives | Meaning::NotServicePort(_) => Tone::Mixed,
    };
    style.tone(tone, &format!("{before}{}:", meaning.headline()))
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
    let _ = writeln!(out, "{indent}{} {clause}", headline(style, meaning, "=> "));
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
        let _ = writeln!(out, "{indent}   {}", style.tone(Tone::Rule, &Inert(&rule.text()).to_string()));
    }
    if let Some(element) = step.element {
        let element = format!("element {}", Inert(&element.to_string()));
        let _ = writeln!(out, "{indent}   {}", style.tone(Tone::Rule, &element));
    }
    let lead = format!("{indent}   ");
    let why = why::words(step);
    if !why.is_empty() {
        out.push_str(&style.wrap(&lead, &format!("{lead}  "), &format!("because {}", why.join(", "))));
    }
    let _ = writeln!(out, "{indent}   -> {}", words::effects(step));
}

/// The ways that a packet can go, if there are several; those with the same meaning in one line.
fn summary(trace: &Trace<'_, '_>, style: Style, out: &mut String) {
    if trace.outcomes.len() < 2 {
        return;
    }
    let _ = writeln!(out, "\n{}", style.bold("What happens to it:"));
    let mut lines: Vec<(Meaning, String, Vec<usize>, Chance)> = Vec::new();
    for (number, outcome) in (1..).zip(&trace.outcomes) {
        let meaning = meaning(outcome, trace);
        let clause = format!("{}{}", words::clause(meaning, outcome, trace), given(outcome));
        match lines.iter_mut().find(|line| line.0 == meaning && line.1 == clause) {
            Some((_, _, numbers, chance)) => {
                numbers.push(number);
                *chance = chance.plus(outcome.chance);
            }
            None => lines.push((meaning, clause, vec![number], outcome.chance)),
        }
    }
    for (meaning, clause, numbers, chance) in lines {
        let plain = format!("{}:", meaning.headline());
        let line = format!("{chance}  {plain} {clause}{}", several(&numbers));
        let line = style.wrap("  ", "      ", &line);
        out.push_str(&line.replacen(&plain, &headline(style, meaning, ""), 1));
    }
}

/// ` (outcomes 1 and 3)`, if it is more than one.
fn several(numbers: &[usize]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match (texts.as_slice(), numbers) {
        ([] | [_], _) => String::new(),
        ([first, .., last], [one, .., other]) if other - one + 1 == numbers.len() && numbers.len() > 2 => {
            format!(" (outcomes {first} to {last})")
        }
        ([others @ .., last], _) => format!(" (outcomes {} and {last})", others.join(", ")),
    }
}
