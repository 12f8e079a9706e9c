//! Statements of nftables that rulesets keep as text: what is not understood in a listing or in its JSON, and
//! extensions of iptables.

use compact_str::CompactString;
use serde_json::Value;

use super::opaque_iptables;
use super::outcome::Answer;
use super::port_choice::PortChoice;
use super::rule_part::{Action, Match, MatchKind, RulePart, States};
use crate::net::Protocol;

/// Whether an opaque statement of nftables is a match, as far as that can be known.
pub fn is_opaque_match(text: &str) -> bool {
    matches!(statement(text, true), RulePart::Match(_))
}

/// What an opaque text does. Text that is not understood can do anything: if an action follows in the rule, the text
/// decides whether that is reached; otherwise the text may itself end the packet's way.
///
/// nft prints nothing for a comment of iptables-nft, which results in an empty text; that matches everything.
pub(super) fn statement(text: &str, action_follows: bool) -> RulePart<'_> {
    if text.is_empty() {
        return RulePart::Nothing;
    }
    match extension(text) {
        Some(Extension::Comment) => RulePart::Nothing,
        Some(Extension::Target(name)) => target(&name, text),
        Some(Extension::Match) => opaque_iptables::unknown(text),
        None if action_follows => opaque_iptables::unknown(text),
        None => RulePart::Action(Action::Unknown(text)),
    }
}

/// What is done beside a packet's way can end the rule.
pub(super) fn aside(text: &str) -> RulePart<'_> {
    let required = |kind| RulePart::Match(Match { negated: false, kind });
    match text.split(' ').next() {
        // Only TCP has options (net/netfilter/nft_exthdr.c, `nft_exthdr_tcp_strip_eval`).
        Some("reset") => required(MatchKind::Protocol(Protocol::Tcp)),
        // No first packet is offloaded: its connection is not confirmed (nft_flow_offload.c, `nft_flow_offload_eval`).
        Some("flow") => required(MatchKind::State(States::Nftables(&CONFIRMED))),
        // The map may not have the key (nft_objref.c, `nft_objref_map_eval`).
        Some("counter") => opaque_iptables::unknown(text),
        _ => RulePart::Nothing,
    }
}

/// The state of packets of connections that were confirmed before.
static CONFIRMED: [CompactString; 1] = [CompactString::const_new("established")];

enum Extension {
    Comment,
    Match,
    Target(String),
}

/// `xt match "name"`, `xt target "name"`, or the same in JSON: extensions of iptables that nft has no syntax for.
fn extension(text: &str) -> Option<Extension> {
    let (kind, name) = match text.starts_with('{') {
        true => of_json(text)?,
        false => {
            let (kind, name) = text.strip_prefix("xt ")?.split_once(' ')?;
            let name = name.split(' ').next()?.trim_matches('"');
            (kind.to_owned(), name.to_owned())
        }
    };
    match (kind.as_str(), name.as_str()) {
        ("match", "comment") => Some(Extension::Comment),
        ("match", _) => Some(Extension::Match),
        ("target" | "watcher", _) => Some(Extension::Target(name)),
        _ => None,
    }
}

fn of_json(text: &str) -> Option<(String, String)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let body = value.get("xt")?;
    let field = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((field("type")?, field("name")?))
}

fn target<'r>(name: &str, text: &'r str) -> RulePart<'r> {
    RulePart::Action(match name {
        "MASQUERADE" => Action::Masquerade(PortChoice::UNKNOWN),
        "SNAT" => Action::Snat,
        "REJECT" => Action::Reject(Answer::PortUnreachable),
        name if opaque_iptables::is_harmless(name) => return RulePart::Nothing,
        _ => Action::Unknown(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_told_by_their_names() {
        let is = |text, expected: &str| {
            let part = format!("{:?}", statement(text, true));
            assert!(part.starts_with(expected), "{text}: {part}");
        };
        is("", "Nothing");
        is("xt target \"LOG\"", "Nothing");
        is("xt match \"statistic\"", "Match");
        is("xt target \"TPROXY\"", "Action(Unknown");
        is(r#"{"xt":{"type":"match","name":"comment"}}"#, "Nothing");
        is(r#"{"xt":{"type":"target","name":"MASQUERADE"}}"#, "Action(Masquerade");
    }

    #[test]
    fn what_is_not_understood_is_never_passed_over() {
        for text in ["log of something new", "some set thing", "{\"new\":null}"] {
            assert!(matches!(statement(text, true), RulePart::Match(_)), "{text}");
            assert!(matches!(statement(text, false), RulePart::Action(Action::Unknown(_))), "{text}");
        }
    }
}
