//! As Markdown: reads well as a comment on a pull request.

use std::fmt::Write;

use super::{
    advice_words, compared, destinations, heading, kind_of_change, nodes_of, release_words, verdict,
    why_unknown,
};
use crate::compare::diff::{Diff, FamilyChange, GroupChange, NodesChange};
use crate::compare::traffic::Flow;
use crate::diagnostic::Inert;
use crate::markup::markdown as text;

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
    if let Some(compared) = compared(diff) {
        let _ = writeln!(out, "\n{compared}");
    }
    if let Some(release) = &diff.release {
        let _ = writeln!(out, "\n{}", text(&release_words(release)));
    }
    for change in &diff.changes {
        print_nodes(&mut out, change);
    }
    if !diff.before_upgrade.is_empty() {
        let _ = writeln!(out, "\n### To look at before the upgrade\n");
    }
    for advice in &diff.before_upgrade {
        let _ = writeln!(out, "- {}: {}", text(&advice_words(advice)), text(&advice.remedy));
    }
    out
}

fn print_nodes(out: &mut String, change: &NodesChange) {
    let what = if change.nodes.len() == 1 { "Node" } else { "Nodes" };
    let _ = writeln!(out, "\n### {what} {}", text(&nodes_of(change)));
    for family in change.families.iter().filter(|family| !family.is_empty()) {
        print_rules_table(out, family);
        print_flows(out, family);
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

fn print_flows(out: &mut String, family: &FamilyChange) {
    let Some(traffic) = family.traffic.as_ref().filter(|traffic| !traffic.is_empty()) else { return };
    let heading = heading(family);
    for unknown in &traffic.unknown {
        let _ = writeln!(out, "\n**Unknown** ({heading}): {}", text(&why_unknown(unknown)));
    }
    let unknown = || traffic.flows.iter().filter(|flow| flow.reason.is_none());
    if unknown().next().is_some() {
        let _ =
            writeln!(out, "\n| {heading} traffic to | from | before | after |\n| --- | --- | --- | --- |");
        unknown().for_each(|flow| print_row(out, flow));
    }
    for reason in &traffic.reasons {
        let flows = || traffic.flows.iter().filter(|flow| flow.reason == Some(reason.code));
        let classes: usize = flows().map(|flow| flow.classes).sum();
        let (code, words) = (reason.code, text(reason.words));
        let _ =
            writeln!(out, "\n<details>\n<summary>{code}: {words} ({classes} {heading} classes)</summary>\n");
        let _ = writeln!(out, "| to | from | before | after |\n| --- | --- | --- | --- |");
        flows().take(ROWS).for_each(|flow| print_row(out, flow));
        let more = flows().count().saturating_sub(ROWS);
        let more = if more == 0 { String::new() } else { format!("\n{more} more: see --output json\n") };
        let _ = writeln!(out, "{more}\n</details>");
    }
}

/// At most this many rows of a known difference.
const ROWS: usize = 10;

fn print_row(out: &mut String, flow: &Flow) {
    let target = if flow.target.is_empty() { String::new() } else { format!(" ({})", flow.target) };
    let to = text(&format!("{}{target}", destinations(&flow.to)));
    let from = text(&flow.from.join(", "));
    let after = text(&format!("{}{}", flow.after, kind_of_change(flow)));
    let _ = writeln!(out, "| {to} | {from} | {} | {after} |", text(&flow.before));
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
