//! What several forms say in the same words.

use std::collections::BTreeMap;

use super::{Client, Endpoint, Explanation, Met, MoreEndpoints, Port, Rule};
use crate::cluster::ServicePort;
use crate::net::Family;

/// `Service shop/web on worker-1`
pub(super) fn title(explanation: &Explanation) -> String {
    format!("Service {} on node {}", explanation.service, explanation.node)
}

/// Release, mode, zone and place.
pub(super) fn subtitle(explanation: &Explanation) -> String {
    let zone = explanation.zone.as_ref().map(|zone| format!(", zone {zone}")).unwrap_or_default();
    let place = explanation.place.as_ref().map(|place| format!("; {place}")).unwrap_or_default();
    format!("kube-proxy {} in {} mode{zone}{place}", explanation.release, explanation.mode)
}

/// `Port http, 80/tcp, IPv4`
pub(super) fn port_title(port: &Port) -> String {
    titled(&port.name, port.port, port.protocol, port.family)
}

/// The same, for a port of the cluster.
pub(super) fn port_words(port: &ServicePort, family: Family) -> String {
    let name = &port.name;
    titled(name.port(), port.port.get(), name.protocol().lower_name(), family.api_name())
}

fn titled(name: &str, port: u16, protocol: &str, family: &str) -> String {
    let name = if name.is_empty() { String::new() } else { format!("{name}, ") };
    format!("Port {name}{port}/{protocol}, {family}")
}

/// How affinity works; empty without it.
pub(super) fn affinity(port: &Port) -> String {
    let Some(seconds) = port.affinity_seconds else { return String::new() };
    format!(
        "Session affinity: a client (its IP address) stays with the endpoint it got first for {seconds} s after its last \
         new connection, at this port only. The chances are those of a client that connects for the first time."
    )
}

/// What an endpoint gets: its chances, or why it is left out.
pub(super) fn chance_words(endpoint: &Endpoint, port: &Port) -> String {
    let several = port.shares.len() > 1;
    let chances: Vec<String> = (port.shares.iter().zip(&endpoint.chances))
        .filter_map(|(share, chance)| {
            let chance = &chance.as_ref()?.text;
            Some(if several { format!("{}: {chance}", share.letter) } else { chance.clone() })
        })
        .collect();
    match &endpoint.left_out {
        Some(why) => format!("left out: {}", why.words),
        None if chances.is_empty() => "not used from here".to_owned(),
        None if chances == ["1"] => "every connection".to_owned(),
        None => format!("chance {}", chances.join(", ")),
    }
}

/// `and 9,940 more, ready: chance 1/10000 each`
pub(super) fn more_words(more: &MoreEndpoints, port: &Port) -> String {
    let words = chance_words(&more.like, port);
    let each = if words.starts_with("chance") && more.count > 1 { " each" } else { "" };
    format!("and {} more, {}: {words}{each}", more.count, more.like.state)
}

/// Says that rules of endpoints that are not listed are not shown; empty if all are listed.
pub(super) fn left_out_rules(port: &Port) -> String {
    let used = |more: &&MoreEndpoints| more.like.chances.iter().any(Option::is_some);
    match port.more_endpoints.iter().filter(used).map(|more| more.count).sum::<usize>() {
        0 => String::new(),
        count => format!(
            "Only those of the endpoints listed above; the other {count} have the same rules with their own addresses."
        ),
    }
}

/// Table, chain and text of a rule, and the element that decided.
pub(super) fn rule(rule: &Rule) -> String {
    let chain = if rule.names_chain { String::new() } else { format!(" {}", rule.chain) };
    let element = if rule.element.is_empty() { String::new() } else { format!("; element {}", rule.element) };
    format!("{}{chain}: {}{element}", rule.table, rule.text)
}

/// `10.32.1.7, pod default/web-0`
pub(super) fn client(client: &Client) -> String {
    match client.name.as_str() {
        "" => client.ip.clone(),
        name => format!("{}, {name}", client.ip),
    }
}

/// The rules that some kinds of clients meet, in the order of evaluation.
pub(super) struct Stretch<'p> {
    /// The kinds of clients, in words.
    pub(super) who: String,
    /// The rules.
    pub(super) rules: Vec<Shown<'p>>,
}

/// A rule where it first occurs, or rules that were shown before.
pub(super) enum Shown<'p> {
    /// With the number that it has from here on.
    New(usize, &'p Rule),
    /// By their numbers.
    Before(Vec<usize>),
}

/// The rules for one kind of client at a time; what was shown before is not repeated.
pub(super) fn by_client(port: &Port) -> Vec<Stretch<'_>> {
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    port.met.iter().map(|met| stretch(met, port, &mut numbers)).collect()
}

fn stretch<'p>(met: &Met, port: &'p Port, numbers: &mut BTreeMap<usize, usize>) -> Stretch<'p> {
    let clients = met.clients.iter().filter_map(|client| port.clients.get(*client));
    let who: Vec<&str> = clients.map(|client| client.words.as_str()).collect();
    let mut rules: Vec<Shown<'p>> = Vec::new();
    for (index, rule) in met.rules.iter().filter_map(|index| Some((*index, port.rules.get(*index)?))) {
        match (numbers.get(&index).copied(), rules.last_mut()) {
            (Some(number), Some(Shown::Before(known))) => known.push(number),
            (Some(number), _) => rules.push(Shown::Before(vec![number])),
            (None, _) => {
                let number = numbers.len() + 1;
                numbers.insert(index, number);
                rules.push(Shown::New(number, rule));
            }
        }
    }
    let who = match who.is_empty() {
        true => "a client that connected before (session affinity)".to_owned(),
        false => who.join(" and "),
    };
    Stretch { who, rules }
}

/// `1 to 3, 7: as above`
pub(super) fn as_above(numbers: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let words = parts.iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    });
    format!("{}: as above", words.collect::<Vec<_>>().join(", "))
}

/// `worker-1 (this node)`
pub(super) fn node(endpoint: &Endpoint) -> String {
    match (endpoint.node.as_str(), endpoint.here) {
        ("", _) => "-".to_owned(),
        (node, true) => format!("{node} (this node)"),
        (node, false) => node.to_owned(),
    }
}

/// Sentences that several cases share, each once, and the numbers of each case's sentences.
pub(super) fn footnotes(port: &Port) -> (Vec<&str>, Vec<Vec<usize>>) {
    let mut notes: Vec<&str> = Vec::new();
    let numbers = port.cases.iter().map(|case| {
        let number =
            |sentence: &'_ str, notes: &mut Vec<&str>| notes.iter().position(|note| *note == sentence);
        let mut numbers = Vec::new();
        for sentence in &case.why {
            let known = number(sentence, &mut notes);
            numbers.push(known.unwrap_or(notes.len()) + 1);
            if known.is_none() {
                notes.push(sentence);
            }
        }
        numbers
    });
    let numbers = numbers.collect();
    (notes, numbers)
}
