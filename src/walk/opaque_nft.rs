//! Statements of nftables that kube-proxy never writes and that rulesets keep as text, as far as they can be understood.

use crate::net::{Port, Protocol};

use super::host::Host;
use super::op::{Act, Op};
use super::opaque::{self, has_state, number, port_in};
use super::outcome::Answer;
use super::packet::{Interface, View};

/// Statements that let a packet go on and change nothing that the walk follows, by their first word.
const HARMLESS: [&str; 9] = ["log", "counter", "dup", "flow", "trace", "add", "update", "delete", "comment"];

/// What an opaque statement does, or that it is a match.
pub(super) fn statement(text: &str) -> Op<'_> {
    let text = text.trim();
    let mut words = text.split_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if HARMLESS.contains(&first) {
        return Op::Nothing;
    }
    match (first, second) {
        ("reject", _) => Op::Act(Act::Reject(reject_answer(text))),
        ("snat", _) => Op::Act(Act::Snat),
        ("masquerade", _) => Op::Act(Act::Masquerade),
        ("redirect", _) => {
            Op::Act(Act::Redirect(text.rsplit_once(':').and_then(|(_, port)| Port::parse(port.trim()))))
        }
        ("dnat", _) => Op::Act(dnat(text)),
        ("notrack", _) => Op::Act(Act::Untrack),
        ("queue" | "tproxy" | "synproxy" | "fwd", _) => Op::Act(Act::Unknown(text)),
        ("meta", "mark") | ("mark", "set") if text.contains(" set ") => Op::Act(set_mark(text)),
        ("meta" | "ct" | "ip" | "ip6" | "tcp" | "udp" | "th", _) if text.contains(" set ") => Op::Nothing,
        _ => opaque::unknown(text),
    }
}

fn dnat(text: &str) -> Act<'_> {
    match text.rsplit_once(" to ").and_then(|(_, to)| to.trim().parse().ok()) {
        Some(address) => Act::Dnat(address),
        None => Act::Unknown(text),
    }
}

/// `meta mark set N`; another expression leaves the mark unknown, which no rule of kube-proxy's depends on.
fn set_mark(text: &str) -> Act<'_> {
    match text.rsplit_once(" set ").and_then(|(_, value)| number(value.trim())) {
        Some(value) => Act::SetMark { keep: 0, flip: value },
        None => Act::Continue,
    }
}

fn reject_answer(text: &str) -> Answer {
    match text.split_once("with ").map(|(_, with)| with.trim()) {
        None => Answer::PortUnreachable,
        Some("tcp reset") => Answer::TcpReset,
        Some(with) if with.ends_with("port-unreachable") => Answer::PortUnreachable,
        Some(_) => Answer::OtherIcmp,
    }
}

/// Whether a packet passes an opaque match; none where that is not known.
pub(super) fn matches(text: &str, view: &View, _host: &Host) -> Option<bool> {
    let (selector, value) = split(text)?;
    let (negated, value) = match value.strip_prefix("!=") {
        Some(value) => (true, value.trim()),
        None => (false, value),
    };
    let list: String = value
        .trim_start_matches('{')
        .trim_end_matches('}')
        .split(',')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(",");
    known_match(selector, &list, view).map(|holds| holds != negated)
}

/// The selectors that are understood, each a prefix of the statement.
const SELECTORS: [&str; 15] = [
    "ct state",
    "ct status",
    "tcp dport",
    "udp dport",
    "sctp dport",
    "th dport",
    "tcp flags",
    "meta nfproto",
    "meta l4proto",
    "ip protocol",
    "ip6 nexthdr",
    "iifname",
    "iif",
    "oifname",
    "oif",
];

fn split(text: &str) -> Option<(&'static str, &str)> {
    let text = text.trim();
    SELECTORS.iter().find_map(|selector| {
        let rest = text.strip_prefix(selector)?.strip_prefix(' ')?;
        Some((*selector, rest.trim()))
    })
}

fn known_match(selector: &str, list: &str, view: &View) -> Option<bool> {
    let port = view.destination.port();
    let is = |protocol: Protocol| view.protocol == protocol;
    match selector {
        "ct state" => Some(has_state(list, view)),
        "ct status" if list == "dnat" => Some(view.translated),
        "tcp dport" => Some(is(Protocol::Tcp) && port_in(list, port)?),
        "udp dport" => Some(is(Protocol::Udp) && port_in(list, port)?),
        "sctp dport" => Some(is(Protocol::Sctp) && port_in(list, port)?),
        "th dport" => port_in(list, port),
        "tcp flags" if !is(Protocol::Tcp) => Some(false),
        "meta nfproto" => Some(list == if view.source.is_ipv4() { "ipv4" } else { "ipv6" }),
        "meta l4proto" | "ip protocol" | "ip6 nexthdr" => {
            Some(list.split(',').any(|name| opaque::is_protocol(name, view.protocol)))
        }
        "iifname" | "iif" => interface(list, view.input),
        "oifname" | "oif" => interface(list, view.output),
        _ => None,
    }
}

/// Only `lo` and the absence of an interface are certain here.
fn interface(list: &str, interface: Interface) -> Option<bool> {
    let names_loopback = list.split(',').any(|name| name.trim_matches('"') == "lo");
    let names_others = list.split(',').any(|name| name.trim_matches('"') != "lo");
    match interface {
        Interface::None => Some(false),
        Interface::Loopback if names_loopback => Some(true),
        Interface::Loopback => (!list.contains('*')).then_some(false),
        Interface::PodSide | Interface::External => (!names_others).then_some(false),
    }
}
