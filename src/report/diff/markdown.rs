//! As Markdown: reads well as a comment on a pull request.

use std::fmt::Write;

use super::{heading, nodes_of, verdict};
use crate::compare::diff::{Diff, FamilyChange, GroupChange, NodesChange};
use crate::diagnostic::Inert;

/// GitHub takes no comment beyond 65,536 characters; room is left for what stands around.
const LONGEST: usize = 60_000;

/// Prints it: verdict, table, folded details.
pub fn print(diff: &Diff) -> String {
    let mut out = format!("**{}** ({} → {})\n", text(&verdict(diff)), text(&diff.old), text(&diff.new));
    for (names, what) in [(&diff.nodes_added, "added"), (&diff.nodes_removed, "removed")] {
        if !names.is_empty() {
            let _ = writeln!(out, "\nNodes {what}: {}", text(&names.join(", ")));
        }
    }
    for change in &diff.changes {
        print_nodes(&mut out, change);
    }
    out
}

fn print_nodes(out: &mut String, change: &NodesChange) {
    let what = if change.nodes.len() == 1 { "Node" } else { "Nodes" };
    let _ = writeln!(out, "\n### {what} {}", text(&nodes_of(change)));
    for family in change.families.iter().filter(|family| !family.is_empty()) {
        print_rules_table(out, family);
    }
    for family in change.families.iter().filter(|family| !family.is_empty()) {
        print_details(out, family);
    }
}

fn print_rules_table(out: &mut String, family: &FamilyChange) {
    let Some(rules) = family.rules.as_ref().filter(|rules| !rules.groups.is_empty()) else { return };
    let _ = writeln!(out, "\n| {} Service | change | rules |\n| --- | --- | --- |", heading(family));
    for group in &rules.groups {
        let name = group.service.as_deref().unwrap_or("(every node)");
        let count = |op| group.places.iter().flat_map(|p| &p.lines).filter(|line| line.op == op).count();
        let rewritten: usize = group.places.iter().map(|place| place.rewritten).sum();
        let rewritten = if rewritten > 0 { format!(" ~{rewritten}") } else { String::new() };
        let words = text(&group.changes.join("; "));
        let _ = writeln!(out, "| {} | {words} | +{} −{}{rewritten} |", text(name), count('+'), count('-'));
    }
}

fn print_details(out: &mut String, family: &FamilyChange) {
    let Some(rules) = family.rules.as_ref().filter(|rules| !rules.groups.is_empty()) else { return };
    let (added, removed) = (rules.added, rules.removed);
    let summary = format!("{} rules: {added} added, {removed} removed", heading(family));
    let mut body = String::new();
    for group in &rules.groups {
        print_group(&mut body, group);
    }
    let fence = fence(&body);
    let room = LONGEST.saturating_sub(out.len());
    let cut = cut(&body, room);
    let _ =
        writeln!(out, "\n<details>\n<summary>{summary}</summary>\n\n{fence}diff\n{cut}{fence}\n\n</details>");
}

fn print_group(out: &mut String, group: &GroupChange) {
    let name = group.service.as_deref().unwrap_or("every node");
    let _ = writeln!(out, "# {}", Inert(name));
    for place in &group.places {
        let _ = writeln!(out, "@@ {} {} {} {} @@", place.table, place.kind, Inert(&place.name), place.change);
        for line in &place.lines {
            let _ = writeln!(out, "{}{}", line.op, Inert(&line.text));
        }
        if place.rewritten > 0 {
            let _ = writeln!(out, "! {} with another chance", place.rewritten);
        }
    }
}

/// Whole lines, as many as there is room for.
fn cut(body: &str, room: usize) -> String {
    if body.len() <= room {
        return body.to_owned();
    }
    let end = (0..=room).rev().find(|end| body.is_char_boundary(*end)).unwrap_or_default();
    let whole = body.get(..end).and_then(|kept| kept.rfind('\n')).unwrap_or_default();
    format!("{}\n(cut: see --output text)\n", body.get(..whole).unwrap_or_default())
}

/// A fence longer than any run of backticks within.
fn fence(body: &str) -> String {
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

/// Text in which nothing is markup, a mention or a line break.
fn text(text: &str) -> String {
    let mut out = String::new();
    for c in Inert(text).to_string().chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '#' | '@' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            _ => out.push(c),
        }
    }
    out
}
