//! Several sources or nodes side by side.

use super::Trace;
use super::remark::Remark;
use super::verdict::{Answer, answer};
use crate::diagnostic::Inert;
use crate::style::{Style, Tone};

/// What happens to a packet from each kind of source: the answer in one line, then line by line.
pub fn table(traces: &[Trace<'_, '_>], style: Style) -> String {
    let Some(first) = traces.first() else { return String::new() };
    let answers: Vec<Answer> = traces.iter().map(answer).collect();
    let from = |trace: &Trace<'_, '_>| format!("from {}", trace.packet.client.words());
    let mut out = summed_up(&traces.iter().map(from).zip(&answers).collect::<Vec<_>>(), style);
    out.push_str(&reasons(&answers, style));
    out.push('\n');
    out.push_str(&heading(first, &node_words(first), style));
    out.push('\n');
    for (trace, answer) in traces.iter().zip(&answers) {
        let source = format!("{} ({})", trace.packet.client.words(), trace.packet.source);
        out.push_str(&row(&source, answer, style));
    }
    out.push_str(&destinations(traces, style));
    out.push_str(&existing(&answers, style));
    out
}

/// At most this many destinations are listed.
const DESTINATIONS: usize = 8;

/// Where translated packets go, by name.
fn destinations(traces: &[Trace<'_, '_>], style: Style) -> String {
    let mut all: Vec<String> = Vec::new();
    for (trace, outcome) in traces.iter().flat_map(|trace| trace.outcomes.iter().map(move |o| (trace, o))) {
        let words = format!("{}{}", outcome.destination, trace.names.in_brackets(outcome.destination.ip()));
        if outcome.destination != trace.packet.destination && !all.contains(&words) {
            all.push(words);
        }
    }
    if all.len() < 2 {
        return String::new();
    }
    let more = match all.len().saturating_sub(DESTINATIONS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    all.truncate(DESTINATIONS);
    style.wrap("", "    ", &format!("endpoints: {}{more}", all.join(", ")))
}

/// The same question on every node: first on which nodes it works, then nodes grouped by answer.
pub fn every_node(nodes: &[Vec<Trace<'_, '_>>], brief: bool, style: Style) -> String {
    let Some(first) = nodes.first().and_then(|traces| traces.first()) else { return String::new() };
    let kinds = nodes.iter().map(Vec::len).max().unwrap_or_default();
    let (mut out, mut rows, mut all) = (String::new(), String::new(), Vec::new());
    let is_one = nodes.iter().flatten().all(|trace| trace.packet.destination == first.packet.destination);
    for kind in 0..kinds {
        let of_kind: Vec<&Trace<'_, '_>> = nodes.iter().filter_map(|traces| traces.get(kind)).collect();
        let Some(one) = of_kind.first() else { continue };
        let answered: Vec<(String, Answer)> =
            of_kind.iter().map(|trace| (trace.rules.node.clone(), answer(trace))).collect();
        let groups = by_answer(&answered);
        let who = if kinds > 1 { format!("from {}", one.packet.client.words()) } else { String::new() };
        out.push_str(&on_nodes(&who, &groups, answered.len(), style));
        if kinds > 1 {
            rows.push_str(&format!("{}\n", style.bold(&who)));
        }
        groups.iter().for_each(|(names, answer)| rows.push_str(&row(&listed(names), answer, style)));
        all.extend(answered.into_iter().map(|(_, answer)| answer));
    }
    out.push_str(&reasons(&all, style));
    if !brief {
        let count = nodes.len();
        out.push('\n');
        let to = match is_one {
            true => destination(first),
            false => format!("port {} of each node", first.packet.destination.port()),
        };
        out.push_str(&heading_to(first, &to, &format!("{count} nodes"), style));
        out.push('\n');
        out.push_str(&rows);
    }
    if is_one {
        out.push_str(&existing(&all, style));
    }
    out
}

type Group<'a> = (Vec<&'a str>, &'a Answer);

/// Nodes grouped by answer, in the order of the first of each.
fn by_answer(answered: &[(String, Answer)]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (node, answer) in answered {
        match groups.iter_mut().find(|(_, known)| known.line() == answer.line()) {
            Some((names, _)) => names.push(node),
            None => groups.push((vec![node], answer)),
        }
    }
    groups
}

/// `works on 2 of 3 nodes: worker-1, worker-2; times out on worker-3`
fn on_nodes(who: &str, groups: &[Group<'_>], count: usize, style: Style) -> String {
    let mut headlines: Vec<(&str, Vec<&str>, Tone)> = Vec::new();
    for (names, answer) in groups {
        match headlines.iter_mut().find(|(headline, ..)| *headline == answer.headline) {
            Some((_, known, _)) => known.extend(names),
            None => headlines.push((&answer.headline, names.clone(), answer.tone)),
        }
    }
    headlines.sort_by_key(|(headline, ..)| *headline != "works");
    let who = if who.is_empty() { String::new() } else { format!("{who}: ") };
    let parts: Vec<String> = headlines
        .iter()
        .map(|(headline, names, _)| match names.len() == count {
            true if count == 1 => format!("{headline} on {}", listed(names)),
            true => format!("{headline} on all {count} nodes"),
            false => format!("{headline} on {} of {count} nodes: {}", names.len(), listed(names)),
        })
        .collect();
    let tone = match headlines.as_slice() {
        [(.., tone)] => *tone,
        _ => Tone::Mixed,
    };
    let line = style.wrap("", "  ", &format!("{who}{}", parts.join("; ")));
    if style.colored { style.tone(tone, line.trim_end()) + "\n" } else { line }
}

/// Sources grouped by answer: `works from a pod on this node; times out from outside the cluster`.
fn summed_up(answers: &[(String, &Answer)], style: Style) -> String {
    let mut headlines: Vec<(&str, Vec<&str>, Tone)> = Vec::new();
    for (from, answer) in answers {
        match headlines.iter_mut().find(|(headline, ..)| *headline == answer.headline) {
            Some((_, known, _)) => known.push(from),
            None => headlines.push((&answer.headline, vec![from], answer.tone)),
        }
    }
    let line = match headlines.as_slice() {
        [(headline, _, _)] if answers.len() > 1 => format!("{headline} from everywhere"),
        several => {
            let parts = several.iter().map(|(headline, from, _)| format!("{headline} {}", from.join(", ")));
            parts.collect::<Vec<_>>().join("; ")
        }
    };
    let tone = match headlines.as_slice() {
        [(.., tone)] => *tone,
        _ => Tone::Mixed,
    };
    let wrapped = style.wrap("", "  ", &line);
    if style.colored { style.tone(tone, wrapped.trim_end()) + "\n" } else { wrapped }
}

/// At most this many nodes are named.
const LISTED: usize = 6;

fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| Inert(name).to_string()).collect();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What answers say besides the result, each once.
fn reasons(answers: &[Answer], style: Style) -> String {
    let mut told: Vec<&Remark> = Vec::new();
    for remark in answers.iter().flat_map(|answer| &answer.remarks) {
        if !told.contains(&remark) {
            told.push(remark);
        }
    }
    let mut remedies: Vec<String> = told.iter().filter_map(|remark| remark.remedy()).collect();
    let mut out: String =
        told.iter().map(|remark| style.wrap("  why: ", "    ", &remark.to_string())).collect();
    remedies.dedup();
    out.extend(remedies.iter().map(|remedy| style.wrap("  remedy: ", "    ", remedy)));
    out
}

fn existing(answers: &[Answer], style: Style) -> String {
    let found = answers.iter().find_map(|answer| answer.existing.as_deref());
    found.map(|command| format!("\n{}", super::text::existing(command, style))).unwrap_or_default()
}

fn row(who: &str, answer: &Answer, style: Style) -> String {
    let line = style.wrap("", "    ", &format!("{who}: {}", answer.line()));
    let plain = format!("{}:", answer.headline);
    if style.colored { line.replacen(&plain, &style.tone(answer.tone, &plain), 1) } else { line }
}

fn node_words(trace: &Trace<'_, '_>) -> String {
    match trace.rules.node.as_str() {
        "" => "a node".to_owned(),
        name => Inert(name).to_string(),
    }
}

fn destination(trace: &Trace<'_, '_>) -> String {
    let to = trace.packet.destination;
    format!("{to}{}", trace.names.in_brackets(to.ip()))
}

fn heading(trace: &Trace<'_, '_>, node: &str, style: Style) -> String {
    heading_to(trace, &destination(trace), node, style)
}

fn heading_to(trace: &Trace<'_, '_>, to: &str, node: &str, style: Style) -> String {
    let rules = trace.rules;
    style.wrap("", "  ", &format!("{} to {to}", trace.packet.protocol))
        + &style.wrap("", "  ", &format!("through the {} rules of {node}, {}", rules.language, rules.words))
}
