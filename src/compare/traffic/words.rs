//! Outcomes and sources in words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::names::Names;
use super::outcome_set::{Assumed, End, Given, OutcomeSet};
use super::verdict::ConnectionVerdict;
use crate::walk::Verdict;

/// kube-proxy listens on a loopback address itself (KEP-6032).
pub(super) const BY_KUBE_PROXY: &str =
    "works: kube-proxy itself answers and connects to an endpoint, the Pod sees the node's IP";

/// At most this many destinations are named; further ones are counted.
const NAMED: usize = 4;

/// What outcomes are about: where the packets went, and which names are known.
pub(super) struct Scene<'n> {
    pub(super) names: &'n Names,
    pub(super) original: SocketAddr,
    /// Whether that is an address of the node.
    pub(super) own: bool,
}

impl Scene<'_> {
    /// What happens to packets to the destination. If not all of it can be named, what `other` does not have comes
    /// first.
    pub(super) fn outcomes(&self, outcomes: &OutcomeSet, other: &OutcomeSet) -> String {
        if let Some(fault) = outcomes.fault() {
            return format!("unknown: the rules cannot be followed: {fault}");
        }
        let mut first: Vec<(&End, f64)> = Vec::new();
        let mut others: Vec<(&Given, &End, f64)> = Vec::new();
        for (given, end, chance) in outcomes.ends() {
            if *given == Given::default() {
                first.push((end, chance));
            } else {
                others.push((given, end, chance));
            }
        }
        if first.len() > NAMED {
            let known: BTreeSet<&End> = other.ends().map(|(_, end, _)| end).collect();
            first.sort_by_key(|(end, _)| known.contains(end));
        }
        let mut parts = Vec::new();
        if !first.is_empty() {
            parts.push(self.ends(&first, preserves(outcomes) != preserves(other)));
        }
        parts.extend(affinity(&others));
        parts.extend(self.given(&others));
        parts.join("; ")
    }

    /// What can happen under conditions, grouped by condition.
    fn given(&self, others: &[(&Given, &End, f64)]) -> Vec<String> {
        let mut groups: BTreeMap<&Given, Vec<(&End, f64)>> = BTreeMap::new();
        for (given, end, chance) in others.iter().filter(|(given, ..)| given.affinity.is_none()) {
            groups.entry(given).or_default().push((end, *chance));
        }
        let words = |ends: &[(&End, f64)]| match ends {
            [(end, _)] => self.one(end),
            several => self.ends(several, false),
        };
        let group =
            |(given, ends): (&Given, Vec<_>)| format!("given {}: {}", conditions(given), words(&ends));
        groups.into_iter().map(group).collect()
    }

    fn ends(&self, ends: &[(&End, f64)], tells_client_ip: bool) -> String {
        let is_served = |end: &End| end.destination.is_some_and(|to| to != self.original);
        let named: Vec<String> = match ends {
            [(end, _)] => return self.alone(end, tells_client_ip),
            _ => ends.iter().take(NAMED).map(|(end, chance)| self.shared(end, *chance, ends)).collect(),
        };
        let more = ends.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let equal = is_equal(ends);
        let each =
            if equal { format!(", each {}", per_cent(1.0 / ends.len() as f64)) } else { String::new() };
        let works = if ends.iter().all(|(end, _)| is_served(end)) { "works: " } else { "" };
        let snat = ends.iter().all(|(end, _)| end.snat);
        let kept = tells_client_ip && ends.iter().all(|(end, _)| is_served(end) && !end.snat);
        format!("{works}{}{more}{each}{}", named.join(" or "), client_ip(snat, kept))
    }

    /// One of several ends.
    fn shared(&self, end: &End, chance: f64, all: &[(&End, f64)]) -> String {
        let agreed = all.iter().all(|(end, _)| end.snat);
        let end = End { snat: end.snat && !agreed, ..*end };
        if is_equal(all) { self.one(&end) } else { format!("{} ({})", self.one(&end), per_cent(chance)) }
    }

    /// The only end.
    fn alone(&self, end: &End, tells_client_ip: bool) -> String {
        let served = end.destination.is_some_and(|to| to != self.original);
        let works = if served { "works: " } else { "" };
        let kept = tells_client_ip && served && !end.snat;
        format!("{works}{}{}", self.one(&End { snat: false, ..*end }), client_ip(end.snat, kept))
    }

    fn one(&self, end: &End) -> String {
        let text = match (end.verdict, end.destination) {
            (Verdict::Drop, _) => ConnectionVerdict::TimesOut.words().to_owned(),
            (Verdict::Reject(answer), _) if answer.is_unreachable() => "unreachable".to_owned(),
            (Verdict::Reject(_), _) => ConnectionVerdict::Refused.words().to_owned(),
            (Verdict::Accept, Some(to)) if to != self.original => self.names.endpoint(to),
            (Verdict::Accept, _) if self.own => ConnectionVerdict::NodeItself.words().to_owned(),
            (Verdict::Accept, _) => ConnectionVerdict::NotAServicePort.words().to_owned(),
        };
        format!("{text}{}", client_ip(end.snat, false))
    }
}

fn client_ip(snat: bool, kept: bool) -> &'static str {
    match (snat, kept) {
        (true, _) => ", the Pod sees the node's IP (masqueraded)",
        (false, true) => ", client IP preserved",
        (false, false) => "",
    }
}

/// Whether clients keep their address, if all do or none.
fn preserves(outcomes: &OutcomeSet) -> Option<bool> {
    let mut snat =
        outcomes.ends().filter(|(_, end, _)| end.destination.is_some()).map(|(_, end, _)| end.snat);
    let first = snat.next()?;
    snat.all(|other| other == first).then_some(!first)
}

fn is_equal(ends: &[(&End, f64)]) -> bool {
    ends.iter().all(|(_, chance)| (chance - 1.0 / ends.len() as f64).abs() < 1e-6)
}

fn conditions(given: &Given) -> String {
    let one = |(text, assumed): &(compact_str::CompactString, Assumed)| match assumed {
        Assumed::Holds(true) => format!("'{text}'"),
        Assumed::Holds(false) => format!("not '{text}'"),
        Assumed::Verdicts(verdicts) => {
            let verdicts: Vec<String> = verdicts.iter().map(ToString::to_string).collect();
            format!("'{text}' {}", verdicts.join(" or "))
        }
    };
    given.assumed.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// Says that a client which was there before goes back.
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
