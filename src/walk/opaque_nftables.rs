//! Statements of nftables that kube-proxy never writes and that rulesets keep as text, of a listing or of its JSON, as
//! far as they can be understood.

use serde_json::Value;

use super::opaque_iptables::{self, has_state, number, port_in};
use super::outcome::Answer;
use super::packet::{Interface, View};
use super::rule_part::{Action, Match, MatchKind, RulePart};
use crate::net::{Port, Protocol};

/// Words with which statements begin that let a packet go on and change nothing that the walk follows.
const HARMLESS: [&str; 10] =
    ["log", "counter", "dup", "flow", "trace", "add", "update", "delete", "comment", "meter"];
/// Words with which statements begin that do something the walk follows, or end the way through the chain.
const ACTING: [&str; 10] =
    ["reject", "snat", "dnat", "masquerade", "redirect", "notrack", "queue", "tproxy", "synproxy", "fwd"];

/// Whether an opaque statement of nftables is a match, rather than something that is done.
pub fn is_opaque_match(text: &str) -> bool {
    matches!(statement(text), RulePart::Match(_) | RulePart::Conditional(..))
}

/// What an opaque text does: matches, then perhaps an action.
///
/// nft prints nothing for a comment of iptables-nft, which makes an empty text; it matches everything.
pub(super) fn statement(text: &str) -> RulePart<'_> {
    if text.starts_with('{') {
        return json_statement(text);
    }
    let words = words(text);
    let Some(at) = words.iter().position(|(_, word)| is_statement(word, text)) else {
        return if words.is_empty() { RulePart::Nothing } else { opaque_iptables::unknown(text) };
    };
    let start = words.get(at).map_or(0, |(start, _)| *start);
    let (matches, rest) = text.split_at_checked(start).unwrap_or(("", text));
    let Some(action) = action(rest.trim()) else {
        return RulePart::Nothing;
    };
    match matches.trim() {
        "" => RulePart::Action(action),
        matches => RulePart::Conditional(Match { negated: false, kind: MatchKind::Opaque(matches) }, action),
    }
}

fn is_statement(word: &str, text: &str) -> bool {
    HARMLESS.contains(&word)
        || ACTING.contains(&word)
        || (word == "xt" && text.contains("xt target"))
        || (word == "set" && text.contains(" set "))
}

/// The words outside braces and quotes, each with its position.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut depth, mut quoted, mut start) = (0usize, false, None);
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match c {
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth = depth.saturating_sub(1),
            _ => (),
        }
        let outside = !quoted && depth == 0;
        match (outside && c != ' ', start) {
            (true, None) => start = Some(i),
            (false, Some(from)) => {
                found.extend(text.get(from..i).map(|word| (from, word)));
                start = None;
            }
            _ => (),
        }
    }
    found
}

/// What a statement does that begins with one of the words above; none if nothing that counts. `set` alone is the end of
/// `meta mark set N` and its like.
fn action(text: &str) -> Option<Action<'_>> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    match first {
        "reject" => Some(Action::Reject(reject_answer(rest))),
        "snat" => Some(Action::Snat),
        "masquerade" => Some(Action::Masquerade),
        "redirect" => {
            let port = text.rsplit_once(':').and_then(|(_, port)| Port::parse(port.trim()));
            Some(Action::Redirect(port))
        }
        "dnat" => Some(dnat(text)),
        "notrack" => Some(Action::Untrack),
        "queue" | "tproxy" | "synproxy" | "fwd" => Some(Action::Unknown(text)),
        "xt" => xt(rest, text),
        _ => None,
    }
}

/// `xt match "name"`, `xt target "name"`: extensions of iptables that nft cannot say.
fn xt<'r>(rest: &str, text: &'r str) -> Option<Action<'r>> {
    let name = rest.strip_prefix("target ")?.split(' ').next()?.trim_matches('"');
    xt_target(name, text)
}

fn xt_target<'r>(name: &str, text: &'r str) -> Option<Action<'r>> {
    match name {
        "MASQUERADE" => Some(Action::Masquerade),
        "SNAT" => Some(Action::Snat),
        "REJECT" => Some(Action::Reject(Answer::PortUnreachable)),
        name if opaque_iptables::is_harmless(name) => None,
        _ => Some(Action::Unknown(text)),
    }
}

fn dnat(text: &str) -> Action<'_> {
    match text.rsplit_once(" to ").and_then(|(_, to)| to.trim().parse().ok()) {
        Some(address) => Action::Dnat(address),
        None => Action::Unknown(text),
    }
}

fn reject_answer(text: &str) -> Answer {
    match text.strip_prefix("with ").map(str::trim) {
        None => Answer::PortUnreachable,
        Some("tcp reset") => Answer::TcpReset,
        Some(with) if with.ends_with("port-unreachable") => Answer::PortUnreachable,
        Some(_) => Answer::OtherIcmp,
    }
}

/// A statement as JSON has one key, its name.
fn json_statement(text: &str) -> RulePart<'_> {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let Some((name, body)) = value.as_object().and_then(|object| object.iter().next()) else {
        return opaque_iptables::unknown(text);
    };
    match name.as_str() {
        "reject" => RulePart::Action(Action::Reject(json_reject(body))),
        "snat" => RulePart::Action(Action::Snat),
        "masquerade" => RulePart::Action(Action::Masquerade),
        "notrack" => RulePart::Action(Action::Untrack),
        "mangle" => RulePart::Nothing,
        "dnat" | "redirect" | "queue" | "tproxy" | "synproxy" | "fwd" => {
            RulePart::Action(Action::Unknown(text))
        }
        "xt" => json_xt(body, text),
        "match" | "limit" | "ct count" | "quota" => opaque_iptables::unknown(text),
        name if HARMLESS.contains(&name) => RulePart::Nothing,
        _ => opaque_iptables::unknown(text),
    }
}

fn json_xt<'r>(body: &Value, text: &'r str) -> RulePart<'r> {
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    match (field("type"), field("name")) {
        ("match", "comment") => RulePart::Nothing,
        ("target", name) => xt_target(name, text).map_or(RulePart::Nothing, RulePart::Action),
        _ => opaque_iptables::unknown(text),
    }
}

fn json_reject(body: &Value) -> Answer {
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    match (field("type"), field("expr")) {
        ("tcp reset", _) => Answer::TcpReset,
        (_, "" | "port-unreachable") => Answer::PortUnreachable,
        _ => Answer::OtherIcmp,
    }
}

/// Whether a packet passes opaque matches; none where that is not known.
pub(super) fn matches(text: &str, view: &View) -> Option<bool> {
    if text.starts_with('{') {
        return matches(&json_match(text)?, view);
    }
    let mut rest = text.trim();
    let mut all = Some(true);
    while !rest.is_empty() {
        let (holds, after) = first_match(rest, view)?;
        match holds {
            Some(true) => (),
            Some(false) => return Some(false),
            None => all = None,
        }
        rest = after.trim_start();
    }
    all
}

/// The selectors that are understood.
const SELECTORS: [&str; 18] = [
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
    "meta mark",
    "pkttype",
    "meta pkttype",
];

/// Whether the packet passes the first match of a text, and what follows it; none if the match is not understood at all.
fn first_match<'t>(text: &'t str, view: &View) -> Option<(Option<bool>, &'t str)> {
    let (selector, rest) = SELECTORS.iter().find_map(|selector| {
        let rest = text.strip_prefix(selector)?.strip_prefix(' ')?;
        Some((*selector, rest.trim_start()))
    })?;
    let (negated, rest) = match rest.strip_prefix("!= ") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, rest.strip_prefix("== ").unwrap_or(rest)),
    };
    let (value, after) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once('}')?,
        None => rest.split_once(' ').unwrap_or((rest, "")),
    };
    let list = value.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    // A value with an operator (`tcp flags & (syn|rst) == syn`) is more than one word.
    let simple = !after.trim_start().starts_with(['&', '|', '/', '=', '!', '<', '>', '(']) && value != "&";
    let holds = if simple { known_match(selector, &list, view) } else { None };
    let after = if simple { after } else { "" };
    Some((holds.map(|holds| holds != negated), after))
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
            Some(list.split(',').any(|name| opaque_iptables::is_protocol(name, view.protocol)))
        }
        "meta mark" => Some(number(list)? == view.mark),
        "iifname" | "iif" => interface(list, view.input),
        "oifname" | "oif" => interface(list, view.output),
        "pkttype" | "meta pkttype" => Some(list.split(',').any(|kind| kind == "unicast" || kind == "host")),
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

/// A match of JSON as it stands in a listing.
fn json_match(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let body = value.get("match")?;
    let negation = match body.get("part")?.as_str()? {
        "==" | "in" => "",
        "!=" => "!= ",
        _ => return None,
    };
    Some(format!("{} {negation}{}", json_selector(body.get("left")?)?, json_value(body.get("right")?)?))
}

fn json_selector(left: &Value) -> Option<String> {
    let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    if let Some(ct) = left.get("ct") {
        return Some(format!("ct {}", text(ct, "key")?));
    }
    if let Some(payload) = left.get("payload") {
        return Some(format!("{} {}", text(payload, "protocol")?, text(payload, "field")?));
    }
    let key = text(left.get("meta")?, "key")?;
    Some(match key.as_str() {
        "iif" | "oif" | "iifname" | "oifname" => key,
        _ => format!("meta {key}"),
    })
}

fn json_value(right: &Value) -> Option<String> {
    match right {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => Some(items.iter().map(json_value).collect::<Option<Vec<_>>>()?.join(",")),
        Value::Object(object) => match object.iter().next()? {
            (key, Value::Array(items)) if key == "set" => {
                let items = items.iter().map(json_value).collect::<Option<Vec<_>>>()?;
                Some(format!("{{ {} }}", items.join(", ")))
            }
            (key, Value::Array(ends)) if key == "range" => {
                Some(ends.iter().map(json_value).collect::<Option<Vec<_>>>()?.join("-"))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View::from_outside("10.0.0.1:10250")
    }

    #[test]
    fn common_foreign_matches_are_understood() {
        let matches = |text| matches(text, &view());
        assert_eq!(matches("ct state { established, related }"), Some(false));
        assert_eq!(matches("tcp dport { 22, 10250, 30000-32767 }"), Some(true));
        assert_eq!(matches("tcp dport != { 22, 80 } meta nfproto ipv4"), Some(true));
        assert_eq!(matches("meta nfproto ipv6 iifname \"eth0\""), Some(false));
        assert_eq!(matches("iifname != \"lo\""), Some(true));
        assert_eq!(matches("iifname { \"eth0\", \"eth1\" }"), None);
        assert_eq!(matches("tcp flags & (fin | syn) == syn"), None);
        assert_eq!(matches("limit rate 5/minute"), None);
        assert_eq!(
            matches(
                r#"{"match":{"part":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[22,{"range":[10000,11000]}]}}}"#
            ),
            Some(true)
        );
    }

    #[test]
    fn statements_are_told_from_matches() {
        let is = |text, expected: &str| {
            let part = format!("{:?}", statement(text));
            assert!(part.starts_with(expected), "{text}: {part}");
        };
        is("", "Nothing");
        is("log prefix \"reject \"", "Nothing");
        is("limit rate 5/minute log prefix \"fwd: \"", "Nothing");
        is("reject with tcp reset", "Action(Reject(TcpReset))");
        is("{\"reject\":{\"type\":\"icmpx\",\"expr\":\"admin-prohibited\"}}", "Action(Reject(OtherIcmp))");
        is(
            "oifname \"eth0\" snat to 10.0.0.1",
            "Conditional(Match { negated: false, kind: Opaque(\"oifname \\\"eth0\\\"\")",
        );
        is("queue num 1", "Action(Unknown");
        is("tcp option maxseg size set rt mtu", "Nothing");
        is("xt target \"LOG\"", "Nothing");
        is("xt match \"statistic\"", "Match");
        is(r#"{"xt":{"type":"match","name":"comment"}}"#, "Nothing");
        is(r#"{"xt":{"type":"target","name":"MASQUERADE"}}"#, "Action(Masquerade)");
    }
}
