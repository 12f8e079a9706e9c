//! Fates and sources in words.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::outcome_set::{End, Given, OutcomeSet};
use crate::walk::Verdict;

/// At most this many destinations are named; more are counted.
const NAMED: usize = 4;

/// What becomes of packets to `original`. Where not all of it is named, what `other` does not have comes first.
pub(super) fn outcome_set(outcome_set: &OutcomeSet, other: &OutcomeSet, original: SocketAddr) -> String {
    if let Some(fault) = outcome_set.fault() {
        return format!("the rules cannot be followed: {fault}");
    }
    let mut first: Vec<(&End, f64)> = Vec::new();
    let mut others: Vec<(&Given, &End, f64)> = Vec::new();
    for (given, end, chance) in outcome_set.ends() {
        if *given == Given::default() { first.push((end, chance)) } else { others.push((given, end, chance)) }
    }
    if first.len() > NAMED {
        let known: BTreeSet<&End> = other.ends().map(|(_, end, _)| end).collect();
        first.sort_by_key(|(end, _)| known.contains(end));
    }
    let mut parts = Vec::new();
    if !first.is_empty() {
        parts.push(ends(&first, original));
    }
    parts.extend(affinity(&others));
    parts.extend(others.iter().filter(|(given, ..)| given.affinity.is_none()).map(|(given, end, _)| {
        let assumed: Vec<String> = given
            .assumed
            .iter()
            .map(|(text, holds)| format!("{}'{text}'", if *holds { "" } else { "not " }))
            .collect();
        format!("given {}: {}", assumed.join(" and "), one(end, original))
    }));
    parts.join("; ")
}

fn ends(ends: &[(&End, f64)], original: SocketAddr) -> String {
    match ends {
        [(end, _)] => one(end, original),
        _ => {
            let rewritten = ends.iter().all(|(end, _)| end.snat);
            let own = |end: &End| if rewritten { End { snat: false, ..*end } } else { *end };
            let like = ends.iter().all(|(_, chance)| (chance - 1.0 / ends.len() as f64).abs() < 1e-6);
            let named: Vec<String> = ends
                .iter()
                .take(NAMED)
                .map(|(end, chance)| match like {
                    true => one(&own(end), original),
                    false => format!("{} ({})", one(&own(end), original), per_cent(*chance)),
                })
                .collect();
            let more = ends.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let each =
                if like { format!(", each {}", per_cent(1.0 / ends.len() as f64)) } else { String::new() };
            let rewritten = if rewritten { ", source rewritten" } else { "" };
            format!("{}{more}{each}{rewritten}", named.join(" or "))
        }
    }
}

fn one(end: &End, original: SocketAddr) -> String {
    if end.verdict == Verdict::Accept && end.destination == Some(original) {
        let rewritten = if end.snat { ", source rewritten" } else { "" };
        return format!("passes to the address itself{rewritten}");
    }
    end.to_string()
}

/// That a client which was there before goes back.
fn affinity(others: &[(&Given, &End, f64)]) -> Option<String> {
    let seconds: Vec<Option<u32>> =
        others.iter().filter_map(|(given, ..)| given.affinity.map(|(_, seconds)| seconds)).collect();
    let first = seconds.first()?;
    let within = first.map_or(String::new(), |seconds| format!(" within {seconds} s"));
    Some(format!("the same endpoint again{within} ({} remembered)", seconds.len()))
}

pub(super) fn per_cent(chance: f64) -> String {
    let text = format!("{:.2}", chance * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
