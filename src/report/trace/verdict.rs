//! The result of a trace: the answer in one line, why it is so, and what to do about it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::meaning::{ClientIp, Meaning, meaning};
use super::remark::Remark;
use super::{Name, Trace, existing, remarks, words};
use crate::plan::reasons::Reason;
use crate::style::{Style, Tone};
use crate::walk::{Chance, Condition, Outcome};

/// The result of a trace.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// `works`, `refused`, `times out`, `not a Service port`, or several with their shares.
    pub(crate) headline: String,
    /// What follows it.
    pub(crate) detail: String,
    /// How good or bad it is, which decides its colour.
    pub(crate) tone: Tone,
    /// Answers to the next questions, each once.
    pub(crate) remarks: Vec<Remark>,
    /// How to delete an existing connection that goes elsewhere, if there can be one.
    pub(crate) existing: Option<String>,
}

/// Outcomes that mean alike.
struct Group<'t, 'r> {
    meaning: Meaning,
    outcomes: Vec<&'t Outcome<'r>>,
}

/// What a trace comes to.
pub(crate) fn answer(trace: &Trace<'_, '_>) -> Answer {
    let first = first_contact(trace);
    let groups = groups(&first, trace);
    let mut remarks: Vec<Remark> = Vec::new();
    for outcome in &trace.outcomes {
        let new = remarks::remarks(outcome, trace).into_iter().filter(|remark| !remarks.contains(remark));
        let new: Vec<Remark> = new.collect();
        remarks.extend(new);
    }
    let is_open = first.iter().any(|outcome| !outcome.given.is_empty());
    let (headline, detail) = match groups.as_slice() {
        [] => ("unknown".to_owned(), "the walk found no outcome".to_owned()),
        [only] => (only.meaning.headline().to_owned(), detail(only, trace)),
        several => (shares(several, is_open), several_details(several, trace)),
    };
    Answer {
        headline,
        detail: detail_with_hints(detail_with_affinity(detail, trace), trace),
        tone: tone(&groups),
        remarks,
        existing: existing::command(trace),
    }
}

/// What happens to a client that connects for the first time; parts of rules that are not understood stay open.
fn first_contact<'t, 'r>(trace: &'t Trace<'_, 'r>) -> Vec<&'t Outcome<'r>> {
    let remembered = |outcome: &Outcome<'_>| {
        outcome.given.iter().any(|condition| matches!(condition, Condition::Affinity { .. }))
    };
    let first: Vec<&Outcome<'r>> = trace.outcomes.iter().filter(|outcome| !remembered(outcome)).collect();
    if first.is_empty() { trace.outcomes.iter().collect() } else { first }
}

fn groups<'t, 'r>(outcomes: &[&'t Outcome<'r>], trace: &Trace<'_, 'r>) -> Vec<Group<'t, 'r>> {
    let mut groups: Vec<Group<'t, 'r>> = Vec::new();
    for outcome in outcomes {
        let meaning = meaning(outcome, trace);
        match groups.iter_mut().find(|group| group.meaning.headline() == meaning.headline()) {
            Some(group) => group.outcomes.push(outcome),
            None => groups.push(Group { meaning, outcomes: vec![outcome] }),
        }
    }
    groups
}

fn tone(groups: &[Group<'_, '_>]) -> Tone {
    match groups {
        [Group { meaning: Meaning::Works { .. } | Meaning::AnsweredByKubeProxy, .. }] => Tone::Good,
        [Group { meaning: Meaning::Refused(_) | Meaning::TimesOut(_), .. }] => Tone::Bad,
        _ => Tone::Mixed,
    }
}

/// `works for 50 % (1/2), times out for 50 % (1/2)`; if it is not known which, only `works or times out`.
fn shares(groups: &[Group<'_, '_>], is_open: bool) -> String {
    if is_open {
        let words: Vec<&str> = groups.iter().map(|group| group.meaning.headline()).collect();
        return format!("depends: {}", words.join(" or "));
    }
    let share = |group: &Group<'_, '_>| {
        let chances = group.outcomes.iter().map(|outcome| outcome.chance);
        let chance = chances.reduce(Chance::plus).unwrap_or(Chance::CERTAIN);
        format!("{} for {chance}", group.meaning.headline())
    };
    groups.iter().map(share).collect::<Vec<_>>().join(", ")
}

fn several_details(groups: &[Group<'_, '_>], trace: &Trace<'_, '_>) -> String {
    let outcomes = groups.iter().flat_map(|group| &group.outcomes);
    let unknown: BTreeSet<String> =
        outcomes.flat_map(|outcome| &outcome.given).filter_map(words::not_known).collect();
    match unknown.is_empty() {
        true => groups.iter().map(|group| detail(group, trace)).collect::<Vec<_>>().join("; "),
        false => format!("it is not known {}", unknown.into_iter().collect::<Vec<_>>().join("; ")),
    }
}

fn detail(group: &Group<'_, '_>, trace: &Trace<'_, '_>) -> String {
    let reasons = || {
        let found = group.outcomes.iter().flat_map(|outcome| remarks::remarks(outcome, trace));
        let mut short: Vec<String> = found.filter_map(|remark| remark.short()).collect();
        short.dedup();
        short
    };
    match (group.meaning, group.outcomes.as_slice()) {
        (Meaning::Works { .. } | Meaning::Arrives, [only]) => words::clause(group.meaning, only, trace),
        (Meaning::Works { .. }, several) => endpoints(several, trace),
        (_, [first, ..]) => match reasons().as_slice() {
            [] => words::clause(group.meaning, first, trace),
            reasons => reasons.join("; "),
        },
        (_, []) => String::new(),
    }
}

/// `2 of 3 endpoints on other nodes, client IP preserved; each gets 33.33 % (1/3)`
fn endpoints(outcomes: &[&Outcome<'_>], trace: &Trace<'_, '_>) -> String {
    let mut ips: Vec<_> = outcomes.iter().map(|outcome| outcome.destination).collect();
    ips.sort_unstable();
    ips.dedup();
    let (count, where_) = (ips.len(), places(ips.iter().map(|to| to.ip()), trace));
    let node = trace.rules.node.as_str();
    let elsewhere = where_.iter().filter(|place| **place != node).count();
    let nodes = match (where_.len() == count, elsewhere) {
        _ if count == 1 => "1 endpoint".to_owned(),
        (false, _) => format!("{count} endpoints"),
        (true, 0) => format!("{count} endpoints, all on this node"),
        (true, all) if all == count => format!("{count} endpoints, all on other nodes"),
        (true, some) => format!("{some} of {count} endpoints on other nodes"),
    };
    format!("{nodes}, {}{}", client_ip(outcomes, trace), share(outcomes, count))
}

/// Where endpoints run, as far as known.
fn places<'t>(ips: impl Iterator<Item = IpAddr>, trace: &'t Trace<'_, '_>) -> Vec<&'t str> {
    let node = |ip| match trace.names.of(ip) {
        Some(Name::Pod { node, .. }) if !node.is_empty() => Some(node.as_str()),
        Some(Name::Node(node)) => Some(node.as_str()),
        _ => None,
    };
    ips.filter_map(node).collect()
}

fn client_ip(outcomes: &[&Outcome<'_>], trace: &Trace<'_, '_>) -> String {
    let mut seen: Vec<ClientIp> = Vec::new();
    for outcome in outcomes {
        if let Meaning::Works { client_ip } = meaning(outcome, trace)
            && !seen.contains(&client_ip)
        {
            seen.push(client_ip);
        }
    }
    match seen.as_slice() {
        [only] => only.to_string(),
        _ => "client IP preserved to some of them only".to_owned(),
    }
}

fn share(outcomes: &[&Outcome<'_>], count: usize) -> String {
    let first = outcomes.first().map(|outcome| outcome.chance);
    let equal = outcomes.len() == count && outcomes.iter().all(|outcome| Some(outcome.chance) == first);
    match first {
        _ if count < 2 => String::new(),
        Some(chance) if equal => format!("; each gets {chance}"),
        _ => "; their shares are not equal".to_owned(),
    }
}

fn detail_with_affinity(detail: String, trace: &Trace<'_, '_>) -> String {
    let mut seconds = trace.outcomes.iter().flat_map(|outcome| &outcome.given).filter_map(Condition::seconds);
    match seconds.next() {
        Some(seconds) => {
            format!("{detail}; a client stays with its endpoint for {seconds} s, at this port only")
        }
        None => detail,
    }
}

fn detail_with_hints(detail: String, trace: &Trace<'_, '_>) -> String {
    match hints(trace) {
        Some(words) => format!("{detail}; {words}"),
        None => detail,
    }
}

/// Which topology hints count, if there are any.
fn hints(trace: &Trace<'_, '_>) -> Option<&'static str> {
    let steps = || trace.outcomes.iter().flat_map(|outcome| &outcome.steps);
    let plan = steps().find_map(|step| remarks::planned(step, trace))?;
    let reasons = plan.internal_reasons().into_iter();
    reasons.filter(|reason| reason.is_about_hints()).map(Reason::words).next()
}

impl Answer {
    /// The first line, and the lines that say why and what to do.
    pub(crate) fn print(&self, style: Style) -> String {
        let first = format!("{}: {}", self.headline, self.detail);
        let mut out = style.wrap("", "  ", &first);
        if style.colored && out.starts_with(&self.headline) {
            let rest = out.split_off(self.headline.len() + 1);
            out = style.tone(self.tone, &format!("{}:", self.headline)) + &rest;
        }
        for remark in &self.remarks {
            out.push_str(&style.wrap("  why: ", "    ", &remark.to_string()));
        }
        let mut told: Vec<String> = Vec::new();
        for remedy in self.remarks.iter().filter_map(Remark::remedy) {
            if !told.contains(&remedy) {
                out.push_str(&style.wrap("  remedy: ", "    ", &remedy));
                told.push(remedy);
            }
        }
        out
    }

    /// Just the line.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.headline, self.detail)
    }
}
