//! What several forms say in the same words.

use super::{Client, Endpoint, Explanation, Port, Rule};
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

/// The same, of the cluster's port.
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

/// `worker-1 (this node)`
pub(super) fn node(endpoint: &Endpoint) -> String {
    match (endpoint.node.as_str(), endpoint.here) {
        ("", _) => "-".to_owned(),
        (node, true) => format!("{node} (this node)"),
        (node, false) => node.to_owned(),
    }
}

/// Sentences that several cases have, each once, and the numbers by which each case has them.
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
