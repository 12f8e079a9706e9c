//! Verdicts with their evidence, as all forms print them.

use std::collections::BTreeMap;

use super::endings::Endings;
use super::evaluate::{Failure, Lost, TooFew, Verdict};
use super::evidence::{self, Evidence};
use super::ground::{Address, Ground};
use super::title::title;
use crate::diagnostic::Place;

/// The result of a run of expectations.
#[derive(Debug)]
pub struct Report {
    /// How many nodes were asked.
    pub(super) nodes: usize,
    pub(super) results: Vec<Outcome>,
}

/// What one expectation came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) place: Place,
    pub(super) title: String,
    pub(super) members: usize,
    pub(super) failures: Vec<Finding>,
}

/// Something that is not as expected.
#[derive(Debug)]
pub(super) struct Finding {
    /// `works`, `refused`, `times-out`, `not-served`, `mixed`, `unknown`, `too-few-endpoints`
    pub(super) code: &'static str,
    /// In a line.
    pub(super) words: String,
    pub(super) nodes: Vec<String>,
    pub(super) client: String,
    pub(super) address: Option<String>,
    pub(super) evidence: Option<Evidence>,
    /// Where the objects are that are to blame, if no connection shows it.
    pub(super) places: Vec<String>,
}

impl Report {
    /// Takes verdicts together.
    pub fn new(verdicts: &[Verdict<'_>], ground: &Ground<'_>) -> Report {
        let mut evidence = evidence::collect(verdicts, ground);
        let results = verdicts.iter().enumerate().map(|(v, verdict)| Outcome {
            place: verdict.expectation.place.clone(),
            title: title(verdict.expectation),
            members: verdict.members,
            failures: findings(v, verdict, &mut evidence, ground),
        });
        Report { nodes: ground.nodes.len(), results: results.collect() }
    }

    /// How many expectations fail.
    pub fn failed(&self) -> usize {
        self.results.iter().filter(|result| !result.failures.is_empty()).count()
    }

    /// The verdict in a line.
    pub(super) fn verdict(&self) -> String {
        let (all, failed) = (self.results.len(), self.failed());
        let plural =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let nodes = plural(self.nodes, "node");
        match failed {
            0 if all == 1 => format!("The expectation holds ({nodes})."),
            0 => format!("All {all} expectations hold ({nodes})."),
            1 => format!("1 of {} fails ({nodes}).", plural(all, "expectation")),
            _ => format!("{failed} of {} fail ({nodes}).", plural(all, "expectation")),
        }
    }
}

fn findings(
    v: usize,
    verdict: &Verdict<'_>,
    evidence: &mut BTreeMap<(usize, usize), Evidence>,
    ground: &Ground<'_>,
) -> Vec<Finding> {
    let finding = |(f, failure): (usize, &Failure)| match failure {
        Failure::Traffic(lost) => of_traffic(lost, evidence.remove(&(v, f)), ground),
        Failure::Endpoints(few) => of_endpoints(few),
    };
    verdict.failures.iter().enumerate().map(finding).collect()
}

fn of_traffic(lost: &Lost, evidence: Option<Evidence>, ground: &Ground<'_>) -> Finding {
    let names: Vec<String> =
        lost.nodes.iter().filter_map(|node| Some(ground.nodes.get(*node)?.node.name.to_string())).collect();
    let address = lost.address.as_ref().map(address_words);
    let words = match &address {
        None => format!("not served: {} has no node port, external IP or load-balancer IP", lost.to),
        Some(address) => {
            let why = if lost.endings.is_unknown() { UNKNOWN } else { "" };
            format!("{}{why} on {}: from {} to {address}", lost.endings.words(), listed(&names), lost.client)
        }
    };
    Finding {
        code: Endings::code(lost.endings),
        words,
        nodes: names,
        client: lost.client.clone(),
        address,
        evidence,
        places: Vec::new(),
    }
}

/// Why nothing is known: the address to follow a packet from or to is not known.
const UNKNOWN: &str = " (an address of the node or of the client is not known)";

fn address_words(address: &Address) -> String {
    let place = match address.ip {
        Some(ip) if ip.is_ipv6() => format!("[{ip}]:{}", address.port),
        Some(ip) => format!("{ip}:{}", address.port),
        None => format!("node:{}", address.port),
    };
    let of = match (address.kind, &address.service_port) {
        (Some(kind), Some(port)) => format!(" ({} of {port})", kind.words()),
        (None, Some(port)) => format!(" ({port})"),
        (Some(kind), None) => format!(" ({} of no Service)", kind.words()),
        (None, None) => String::new(),
    };
    let family = if address.ip.is_none() { format!(" {}", address.family) } else { String::new() };
    format!("{place}/{}{family}{of}", address.protocol)
}

/// At most this many nodes are named.
const LISTED: usize = 6;

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let named = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more nodes") }
}

fn of_endpoints(few: &TooFew) -> Finding {
    let zone = few.zone.as_ref().map(|zone| format!(" in zone {zone}")).unwrap_or_default();
    let (found, wanted) = (few.found, few.wanted);
    let endpoints = if found == 1 { "endpoint is" } else { "endpoints are" };
    let words = format!("{found} {endpoints} ready{zone}, not {wanted}: {}", few.service_port);
    let at = |place: &Option<Place>| place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let mut places: Vec<String> =
        few.others.iter().map(|(text, state, place)| format!("{}{text} is {state}", at(place))).collect();
    if places.is_empty() {
        places.push(format!("{}Service {}", at(&few.place), few.service_port));
    }
    Finding {
        code: "too-few-endpoints",
        words,
        nodes: Vec::new(),
        client: String::new(),
        address: None,
        evidence: None,
        places,
    }
}
