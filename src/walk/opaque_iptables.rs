//! What is understood of other programs' rules, as text of either language: names of targets and of protocols.

use crate::net::Protocol;

use super::rule_part::{Match, MatchKind, RulePart};

/// Targets that let a packet go on to the next rule and change nothing that the walk follows
/// (iptables-extensions(8)).
const HARMLESS: [&str; 20] = [
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
    "CONNSECMARK",
    "SECMARK",
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

/// Names and numbers of the protocol of a packet.
pub(super) fn is_protocol(name: &str, protocol: Protocol) -> bool {
    matches!(name, "all" | "0") || name == protocol.lower_name() || name.parse() == Ok(protocol.number())
}

/// Statements of nftables that are not understood, as a test.
pub(super) fn unknown(text: &str) -> RulePart<'_> {
    RulePart::Match(Match { negated: false, kind: MatchKind::Opaque(text) })
}
