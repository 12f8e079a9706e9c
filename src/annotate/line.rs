//! The annotations of a line.

use std::net::SocketAddr;

use compact_str::{CompactString, ToCompactString};

use super::index::{Index, PREFIXES};
use super::pod::Pod;
use super::{Meaning, packet, service_words};
use crate::capture::connection;
use crate::diagnostic::Inert;
use crate::net::Protocol;

/// At most this many names of a line are explained: a dispatch map of a listing has thousands.
const MOST: usize = 12;

/// What something in a line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// What the line has: a name, or an address and port.
    pub text: CompactString,
    /// What it means.
    pub meaning: Meaning,
}

/// The annotations of a line, without duplicates, in the order of the line.
pub fn annotations(line: &str, index: &Index) -> Vec<Annotation> {
    let mut found = names(line, index);
    if let Some(connection) = connection(line) {
        let (protocol, to, target) = (connection.protocol, connection.destination, connection.reply_source);
        of_connection(protocol, to, target, index, &mut found);
    } else if let Some((protocol, to)) = packet::destination(line) {
        found.extend(destination(protocol, to, index));
    }
    found
}

fn names(line: &str, index: &Index) -> Vec<Annotation> {
    let mut found: Vec<Annotation> = Vec::new();
    let mut rest = line;
    while let Some((start, prefix, role)) = next_prefix(rest) {
        let (before, from) = (rest.get(..start).unwrap_or_default(), rest.get(start..).unwrap_or_default());
        let name = name_at(from, prefix);
        let is_inside =
            before.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.'));
        if !is_inside
            && let Some((name, meaning)) = look_up(name, role, prefix, index)
            && !found.iter().any(|known| known.text == name)
        {
            found.push(Annotation { text: name.into(), meaning });
        }
        rest = from.get(name.len().max(1)..).unwrap_or_default();
        if found.len() > MOST {
            break;
        }
    }
    found
}

/// The name as it is, or without punctuation after it.
fn look_up<'n>(name: &'n str, role: super::Role, prefix: usize, index: &Index) -> Option<(&'n str, Meaning)> {
    let whole = index.look_up(name, role, prefix);
    match whole {
        Some(meaning) if meaning != (Meaning::Gone { role }) => Some((name, meaning)),
        whole => {
            let bare = name.trim_end_matches(['.', '/', '-', '_', ':']);
            let found = index.look_up(bare, role, prefix).map(|meaning| (bare, meaning));
            found.or(whole.map(|meaning| (name, meaning)))
        }
    }
}

/// Where the next name may begin: the position, the length of its prefix, and what that means.
fn next_prefix(text: &str) -> Option<(usize, usize, super::Role)> {
    let places = PREFIXES.iter().filter_map(|(prefix, role)| Some((text.find(prefix)?, prefix.len(), *role)));
    places.min_by_key(|(start, ..)| *start)
}

/// The name at the beginning of a text.
fn name_at(text: &str, prefix: usize) -> &str {
    let is_iptables = text.starts_with("KUBE-");
    let end = text.char_indices().skip(prefix).find(|(_, c)| match is_iptables {
        true => !c.is_ascii_alphanumeric(),
        false => !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '\u{2026}')),
    });
    text.get(..end.map_or(text.len(), |(at, _)| at)).unwrap_or(text)
}

fn destination(protocol: Protocol, to: SocketAddr, index: &Index) -> Option<Annotation> {
    let text = to.to_compact_string();
    if let Some((service, kind)) = index.addresses.service(protocol, to) {
        return Some(Annotation { text, meaning: Meaning::Destination { service: service.clone(), kind } });
    }
    let pod = index.pod_of(to.ip())?.clone();
    let meaning = Meaning::Target { address: text.clone(), pod: Some(pod), is_endpoint: true };
    Some(Annotation { text, meaning })
}

fn of_connection(
    protocol: Protocol,
    to: SocketAddr,
    target: SocketAddr,
    index: &Index,
    found: &mut Vec<Annotation>,
) {
    let Some(first) = destination(protocol, to, index) else { return };
    let service = match &first.meaning {
        Meaning::Destination { service, .. } => Some(service.clone()),
        _ => None,
    };
    found.push(first);
    if let Some(service) = service.filter(|_| target != to) {
        let text = target.to_compact_string();
        let pod = index.pod_of(target.ip()).cloned();
        let is_endpoint = index.addresses.is_endpoint(&service, target);
        let meaning = Meaning::Target { address: text.clone(), pod, is_endpoint };
        found.push(Annotation { text, meaning });
    }
}

/// The Service port that a rule of `iptables-save` matches on.
pub(super) fn service_of_rule(line: &str, index: &Index) -> Option<String> {
    let (protocol, to) = packet::of_rule(line)?;
    let (service, kind) = index.addresses.service(protocol, to)?;
    Some(format!("{}, {}", service_words(service), kind.words()))
}

/// What is added to a line: `  # shop/web:http, all endpoints`; empty if there is nothing to say.
pub fn suffix(annotations: &[Annotation]) -> String {
    let words = |annotation: &Annotation| match &annotation.meaning {
        Meaning::Target { .. } | Meaning::Destination { .. } => words(&annotation.meaning),
        meaning if annotations.len() == 1 => words(meaning),
        meaning => format!("{}: {}", short(&annotation.text), words(meaning)),
    };
    let more = annotations.len().saturating_sub(MOST);
    let mut all: Vec<String> = annotations.iter().take(MOST).map(words).collect();
    if more > 0 {
        all.push("and more".to_owned());
    }
    if all.is_empty() { String::new() } else { format!("  # {}", Inert(&all.join("; "))) }
}

/// A name up to its hash: in nftables, names continue with what is said anyway.
fn short(name: &str) -> &str {
    let end = name.match_indices('-').nth(1).map(|(at, _)| at);
    end.filter(|_| !name.starts_with("KUBE-")).and_then(|end| name.get(..end)).unwrap_or(name)
}

/// What something means.
pub(super) fn words(meaning: &Meaning) -> String {
    match meaning {
        Meaning::Service { service, role, addresses } => {
            format!("{}, {} ({})", service_words(service), role.words(), addresses.join(", "))
        }
        Meaning::Endpoint { service, address, pod, is_affinity } => {
            let what = if *is_affinity { "clients of endpoint" } else { "endpoint" };
            format!("{}, {what} {address}{}", service_words(service), of_pod(pod.as_ref()))
        }
        Meaning::Gone { role } => {
            let what = match role {
                super::Role::Endpoint | super::Role::Affinity => "endpoint",
                _ => "Service",
            };
            format!("no {what} of the input")
        }
        Meaning::Destination { service, kind } => format!("{}, {}", service_words(service), kind.words()),
        Meaning::Target { address, pod, is_endpoint } => {
            let gone = if *is_endpoint { "" } else { ", which is not an endpoint of it" };
            format!("{address}{}{gone}", of_pod(pod.as_ref()))
        }
    }
}

fn of_pod(pod: Option<&Pod>) -> String {
    match pod {
        None => String::new(),
        Some(Pod { name, node: None }) => format!(" (Pod {name})"),
        Some(Pod { name, node: Some(node) }) => format!(" (Pod {name} on {node})"),
    }
}
