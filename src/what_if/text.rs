//! For people: the verdict, then step by step who loses what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::consequences::{Change, Consequence, Load, State, Who};
use super::drains::Drained;
use super::story::Stage;
use crate::diagnostic::Inert;

/// Prints the steps; `stages` begins with the state before them.
pub fn print(stages: &[Stage], changes: &[Change]) -> String {
    let mut out = String::new();
    line(&mut out, 0, &verdict(changes));
    for (i, (stage, change)) in stages.iter().skip(1).zip(changes).enumerate() {
        let time = stage.time.map(|time| format!(" ({time})")).unwrap_or_default();
        out.push('\n');
        line(&mut out, 0, &format!("Step {}: {}{time}", i + 1, stage.title));
        stage.remarks.iter().for_each(|remark| line(&mut out, 1, &format!("note: {remark}")));
        print_change(&mut out, change);
    }
    out
}

/// Appends a line without terminal control characters.
fn line(out: &mut String, depth: usize, text: &str) {
    let _ = writeln!(out, "{:width$}{}", "", Inert(text), width = depth * 2);
}

fn service_of(service_port: &str) -> &str {
    service_port.split(':').next().unwrap_or_default()
}

/// At most this many Services are named in a line.
const NAMED: usize = 12;

/// Which Services lose clients, and in which steps.
fn verdict(changes: &[Change]) -> String {
    let mut lost: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, change) in changes.iter().enumerate() {
        for one in change.clients.iter().filter(|one| one.is_loss()) {
            let steps = lost.entry(service_of(&one.service_port)).or_default();
            if steps.last() != Some(&(i + 1)) {
                steps.push(i + 1);
            }
        }
    }
    if lost.is_empty() {
        return "Nobody loses a connection: new connections work at every step.".to_owned();
    }
    let mut named: Vec<String> = Vec::new();
    for (service, steps) in lost.iter().take(NAMED) {
        let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
        named.push(format!("{service} (step {})", steps.join(", ")));
    }
    let more = lost.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let services = if lost.len() == 1 { "1 Service loses" } else { &format!("{} Services lose", lost.len()) };
    format!("{services} somebody: {}{more}", named.join(", "))
}

fn print_change(out: &mut String, change: &Change) {
    if change.clients.is_empty() && change.load.is_empty() {
        line(out, 1, "no client sees a difference");
    }
    for (what, services) in folded(&change.clients) {
        line(out, 1, &format!("{what}: {}", some(&services)));
    }
    change.load.iter().take(NAMED).for_each(|load| line(out, 1, &load_words(load)));
    if let Some(more) = change.load.len().checked_sub(NAMED).filter(|more| *more > 0) {
        line(out, 1, &format!("and {more} more endpoints get more than twice the mean: --output json"));
    }
}

fn some(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

/// What happens to which clients, with the Service ports concerned; worst first, as it is printed.
fn folded(all: &[Consequence]) -> Vec<(String, Vec<String>)> {
    // Entries that differ only in the family, or in what was before, become one.
    let mut merged: Vec<(&str, Who, String, BTreeSet<&str>, usize)> = Vec::new();
    for one in all {
        let what = what_words(one);
        let nodes = one.nodes.iter().map(String::as_str);
        let known = merged
            .iter_mut()
            .find(|(port, who, known, ..)| *port == one.service_port && *who == one.who && *known == what);
        match known {
            Some((.., all, _)) => all.extend(nodes),
            None => merged.push((&one.service_port, one.who, what, nodes.collect(), one.of_nodes)),
        }
    }
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for (port, who, what, nodes, of_nodes) in &merged {
        let is_like = |(p, _, w, n, _): &&(&str, Who, String, BTreeSet<&str>, usize)| {
            p == port && w == what && n == nodes
        };
        let whose: Vec<Who> = merged.iter().filter(is_like).map(|(_, who, ..)| *who).collect();
        if whose.first() != Some(who) {
            continue;
        }
        let place = if nodes.len() == *of_nodes { String::new() } else { format!(", on {}", listed(nodes)) };
        let head = format!("{what} for {}{place}", clients(&whose));
        match lines.iter_mut().find(|(known, _)| *known == head) {
            Some((_, ports)) => ports.push((*port).to_owned()),
            None => lines.push((head, vec![(*port).to_owned()])),
        }
    }
    lines
}

fn clients(whose: &[Who]) -> &'static str {
    match (whose.contains(&Who::Outside), whose.contains(&Who::Inside)) {
        (true, true) => "all clients",
        (true, false) => "clients outside",
        (false, true) => "Pods and nodes",
        (false, false) => "Pods and nodes, at external addresses",
    }
}

fn what_words(one: &Consequence) -> String {
    match one.after {
        State::NotServed => "not served any more".to_owned(),
        State::Refused => "refused".to_owned(),
        State::TimesOut => "times out".to_owned(),
        State::PartlyTimesOut => {
            let lost = percent(one.lost_share.unwrap_or_default());
            format!("{lost} of the connections time out (they go to machines that are gone)")
        }
        State::WorksMasqueraded if one.before == State::Works => {
            "client IP lost, the Pod sees the node's IP (masqueraded),".to_owned()
        }
        State::WorksMasqueraded | State::Works if one.before.works() => "client IP preserved".to_owned(),
        State::WorksMasqueraded | State::Works => "works again".to_owned(),
    }
}

/// At most this many nodes are named.
const LISTED: usize = 6;

fn listed(names: &BTreeSet<&str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let named = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more nodes") }
}

fn load_words(load: &Load) -> String {
    let at: Vec<&str> =
        [load.pod.as_str(), load.node.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    let at = if at.is_empty() { String::new() } else { format!(" ({})", at.join(" on ")) };
    format!(
        "{}: {}{at} gets {} of the connections, the mean is {}",
        load.service_port,
        load.endpoint,
        percent(load.share),
        percent(load.mean)
    )
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The table of all drains.
pub fn print_drains(drains: &[Drained]) -> String {
    let mut out = String::new();
    let losing = drains.iter().filter(|drain| !drain.lost.is_empty()).count();
    line(
        &mut out,
        0,
        &match losing {
            0 => format!("Each of the {} nodes can be drained: nobody loses a connection.", drains.len()),
            _ => format!("{losing} of {} nodes cannot be drained without loss.", drains.len()),
        },
    );
    out.push('\n');
    let width = drains.iter().map(|drain| drain.node.chars().count()).max().unwrap_or(0).max(4);
    line(&mut out, 0, &format!("{:<width$}  SERVICES THAT LOSE SOMEBODY", "NODE"));
    for drain in drains {
        let lost: Vec<String> =
            drain.lost.iter().map(|(name, state)| format!("{name} ({})", state_words(*state))).collect();
        let lost = if lost.is_empty() { "-".to_owned() } else { some(&lost) };
        line(&mut out, 0, &format!("{:<width$}  {lost}", drain.node));
    }
    let mut remarks: Vec<&String> = drains.iter().flat_map(|drain| &drain.remarks).collect();
    remarks.sort_unstable();
    remarks.dedup();
    if let Some(first) = remarks.first() {
        out.push('\n');
        line(&mut out, 0, &format!("note: {first}"));
    }
    out
}

fn state_words(state: State) -> &'static str {
    match state {
        State::NotServed => "not served",
        State::Refused => "refused",
        State::TimesOut => "times out",
        State::PartlyTimesOut => "times out in part",
        State::WorksMasqueraded | State::Works => "works",
    }
}
