//! Matches and targets that kube-proxy never writes and that rulesets keep as text: as far as they can be understood,
//! so that a foreign rule is not called unknown without need.

use std::net::IpAddr;

use crate::net::{Cidr, Port, Protocol};

use super::outcome::Answer;
use super::packet::View;
use super::rule_part::{Action, Match, MatchKind, RulePart};
use crate::node::Host;

/// Targets that let a packet go on to the next rule and change nothing that the walk follows
/// (iptables-extensions(8)).
const HARMLESS: [&str; 22] = [
    "LOG",
    "NFLOG",
    "ULOG",
    "TCPMSS",
    "TRACE",
    "AUDIT",
    "CHECKSUM",
    "DSCP",
    "TOS",
    "CLASSIFY",
    "TTL",
    "HL",
    "CONNMARK",
    "CONNSECMARK",
    "SECMARK",
    "SET",
    "IDLETIMER",
    "RATEEST",
    "LED",
    "TEE",
    "TCPOPTSTRIP",
    "ECN",
];

/// Whether a target of iptables lets a packet go on unchanged.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
}

pub(super) fn has_state(list: &str, view: &View) -> bool {
    list.split(',').any(|name| {
        name.eq_ignore_ascii_case(view.tracking.state_name())
            || (name.eq_ignore_ascii_case("DNAT") && view.translated)
    })
}

/// Whether a port is one of a comma list of ports and of ranges `a:b` or `a-b`.
pub(super) fn port_in(list: &str, port: u16) -> Option<bool> {
    let mut found = false;
    for item in list.split(',').map(str::trim) {
        let (low, high) = item.split_once([':', '-']).unwrap_or((item, item));
        let low = if low.is_empty() { 0 } else { low.parse().ok()? };
        let high = if high.is_empty() { u16::MAX } else { high.parse().ok()? };
        found |= (low..=high).contains(&port);
    }
    Some(found)
}

pub(super) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Names and numbers of the protocol of a packet.
pub(super) fn is_protocol(name: &str, protocol: Protocol) -> bool {
    name == "all" || name == protocol.lower_name() || name.parse() == Ok(protocol.number())
}

/// An opaque match of iptables or statement of nftables as a test.
pub(super) fn unknown(text: &str) -> RulePart<'_> {
    RulePart::Match(Match { negated: false, kind: MatchKind::Opaque(text) })
}
