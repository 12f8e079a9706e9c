//! As text for a terminal.

use std::fmt::Write;

use super::{
    advice_words, compared, destinations, heading, kind_of_change, nodes_of, release_words, verdict,
    why_unknown,
};
use crate::compare::diff::{Diff, FamilyChange, GroupChange, PlaceChange, RulesChange, TrafficChange};
use crate::compare::traffic::Flow;
use crate::diagnostic::Inert;

/// Prints it: the verdict, then node by node what changes.
pub fn print(diff: &Diff) -> String {
    let mut out = String::new();
    line(&mut out, 0, &format!("{} (from {} to {}).", verdict(diff), diff.old, diff.new));
    if let Some(compared) = compared(diff) {
        line(&mut out, 0, &format!("Traffic: {compared}"));
    }
    for (names, what) in [(&diff.nodes_added, "added"), (&diff.nodes_removed, "removed")] {
        if !names.is_empty() {
            line(&mut out, 0, &format!("Nodes {what}: {}", names.join(", ")));
        }
    }
    if let Some(release) = &diff.release {
        line(&mut out, 0, &release_words(release));
    }
    for change in &diff.changes {
        let what = if change.nodes.len() == 1 { "Node" } else { "Nodes" };
        line(&mut out, 0, &format!("\n{what} {}", nodes_of(change)));
        for family in change.families.iter().filter(|family| !family.is_empty()) {
            print_family(&mut out, family);
        }
    }
    if !diff.before_upgrade.is_empty() {
        line(&mut out, 0, "\nTo look at before the upgrade:");
    }
    for advice in &diff.before_upgrade {
        line(&mut out, 1, &advice_words(advice));
        line(&mut out, 2, &advice.remedy);
    }
    out
}

/// Appends a line in which nothing can steer a terminal.
fn line(out: &mut String, depth: usize, text: &str) {
    let (blank, text) = text.strip_prefix('\n').map_or(("", text), |rest| ("\n", rest));
    let _ = writeln!(out, "{blank}{:width$}{}", "", Inert(text), width = depth * 2);
}

fn print_family(out: &mut String, family: &FamilyChange) {
    if let Some(rules) = family.rules.as_ref().filter(|rules| !rules.groups.is_empty()) {
        print_rules(out, heading(family), rules);
    }
    if let Some(traffic) = family.traffic.as_ref().filter(|traffic| !traffic.is_empty()) {
        print_traffic(out, heading(family), traffic);
    }
}

fn print_traffic(out: &mut String, family: &str, traffic: &TrafficChange) {
    line(out, 1, &format!("{family} traffic of new connections:"));
    for unknown in &traffic.unknown {
        line(out, 2, &format!("Unknown: {}", why_unknown(unknown)));
    }
    for flow in traffic.flows.iter().filter(|flow| flow.reason.is_none()) {
        print_flow(out, flow);
    }
    for reason in &traffic.reasons {
        let flows: Vec<&Flow> = traffic.flows.iter().filter(|f| f.reason == Some(reason.code)).collect();
        let classes: usize = flows.iter().map(|flow| flow.classes).sum();
        line(out, 2, &format!("Known [{}], {classes} classes: {}", reason.code, reason.words));
        line(out, 3, if flows.len() > 1 { "for example" } else { "namely" });
        flows.first().into_iter().for_each(|flow| print_flow(out, flow));
    }
}

fn print_flow(out: &mut String, flow: &Flow) {
    let target = if flow.target.is_empty() { String::new() } else { format!(" ({})", flow.target) };
    line(out, 2, &format!("{}{target} from {}", destinations(&flow.to), flow.from.join(", ")));
    line(out, 3, &format!("before: {}", flow.before));
    line(out, 3, &format!("after:  {}{}", flow.after, kind_of_change(flow)));
}

fn print_rules(out: &mut String, family: &str, rules: &RulesChange) {
    let RulesChange { added, removed, rewritten, .. } = rules;
    let mut summary = format!("{family} rules: {added} added, {removed} removed");
    if *rewritten > 0 {
        let _ = write!(summary, ", {rewritten} with another chance");
    }
    line(out, 1, &summary);
    for group in &rules.groups {
        print_group(out, group);
    }
}

fn print_group(out: &mut String, group: &GroupChange) {
    let title = match &group.service {
        Some(service) => format!("Service {service}"),
        None => "What every node has".to_owned(),
    };
    let words =
        if group.changes.is_empty() { String::new() } else { format!(": {}", group.changes.join("; ")) };
    line(out, 2, &format!("{title}{words}"));
    for place in &group.places {
        print_place(out, place);
    }
}

fn print_place(out: &mut String, place: &PlaceChange) {
    let PlaceChange { table, kind, name, purpose, change, lines, rewritten } = place;
    let change = if *change == "changed" { String::new() } else { format!(" {change}") };
    let purpose = if purpose.is_empty() { String::new() } else { format!(" ({purpose})") };
    line(out, 3, &format!("{table} {kind} {name}{change}{purpose}"));
    for changed in lines {
        line(out, 4, &format!("{} {}", changed.op, changed.text));
    }
    if *rewritten > 0 {
        let rules = if *rewritten == 1 { "rule" } else { "rules" };
        line(out, 4, &format!("~ {rewritten} {rules} with another chance"));
    }
}
