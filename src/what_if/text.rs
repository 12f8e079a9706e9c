//! For people: the verdict, then step by step who loses what.

use std::collections::BTreeMap;
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

/// Appends a line in which nothing can steer a terminal.
fn line(out: &mut String, depth: usize, text: &str) {
    let _ = writeln!(out, "{:width$}{}", "", Inert(text), width = depth * 2);
}

fn service_of(service_port: &str) -> &str {
    service_port.split(':').next().unwrap_or_default()
}

/// Which Services lose somebody, and whether they have everybody back in the end.
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
    let named = lost.iter().map(|(service, steps)| {
        let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
        format!("{service} (step {})", steps.join(", "))
    });
    let services = if lost.len() == 1 { "1 Service loses" } else { &format!("{} Services lose", lost.len()) };
    format!("{services} somebody: {}", named.collect::<Vec<_>>().join(", "))
}

fn print_change(out: &mut String, change: &Change) {
    if change.clients.is_empty() && change.load.is_empty() {
        line(out, 1, "no client sees a difference");
    }
    for words in folded(&change.clients) {
        line(out, 1, &words);
    }
    change.load.iter().for_each(|load| line(out, 1, &load_words(load)));
}

/// What differs in the family or the kind of client alone is one line.
fn folded(all: &[Consequence]) -> Vec<String> {
    let mut lines: Vec<(Vec<Who>, &Consequence)> = Vec::new();
    for one in all {
        let is_like = |(_, other): &&mut (Vec<Who>, &Consequence)| {
            other.service_port == one.service_port
                && other.after == one.after
                && other.before.works() == one.before.works()
                && other.nodes == one.nodes
        };
        match lines.iter_mut().find(is_like) {
            Some((who, _)) => {
                if !who.contains(&one.who) {
                    who.push(one.who);
                }
            }
            None => lines.push((vec![one.who], one)),
        }
    }
    lines.iter().map(|(who, one)| words(who, one)).collect()
}

fn words(who: &[Who], one: &Consequence) -> String {
    let clients = if who.contains(&Who::Outside) && who.contains(&Who::Inside) {
        "all clients"
    } else if who.contains(&Who::Outside) {
        "clients outside"
    } else if who.contains(&Who::Inside) {
        "Pods and nodes"
    } else {
        "Pods and nodes, at external addresses"
    };
    let place = match one.nodes.len() {
        count if count == one.of_nodes => String::new(),
        _ => format!(", on {}", listed(&one.nodes)),
    };
    let what = match one.after {
        State::NotServed => "not served any more".to_owned(),
        State::Refused => "refused".to_owned(),
        State::TimesOut => "times out".to_owned(),
        State::PartlyTimesOut => {
            format!(
                "{} of the connections time out, as they go to machines that are gone",
                percent(one.lost_share.unwrap_or_default())
            )
        }
        State::WorksMasqueraded if one.before == State::Works => {
            "loses the client IP: the Pod sees the node's IP (masqueraded)".to_owned()
        }
        State::WorksMasqueraded | State::Works if one.before.works() => {
            "works, client IP preserved".to_owned()
        }
        State::WorksMasqueraded | State::Works => "works again".to_owned(),
    };
    format!("{}: {what}: {clients}{place}", one.service_port)
}

/// At most this many nodes are named.
const LISTED: usize = 6;

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let named = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
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
        let lost = if lost.is_empty() { "-".to_owned() } else { lost.join(", ") };
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
