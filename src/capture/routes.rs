//! `ip route show table all` and `ip rule`.

use std::net::IpAddr;

use compact_str::CompactString;
use serde::Deserialize;

use crate::diagnostic::ParseError;
use crate::net::{Cidr, Family};
use crate::node::{Route, RouteKind, RoutingRule};

const KINDS: [(&str, RouteKind); 9] = [
    ("unicast", RouteKind::Unicast),
    ("local", RouteKind::Local),
    ("broadcast", RouteKind::Broadcast),
    ("anycast", RouteKind::Local),
    ("multicast", RouteKind::Multicast),
    ("throw", RouteKind::Throw),
    ("unreachable", RouteKind::Refusal),
    ("prohibit", RouteKind::Refusal),
    ("blackhole", RouteKind::Refusal),
];

/// Whether a line is a route: `10.0.0.0/8 dev eth0 ...`, `default via ...`, `local 10.0.0.1 dev ...`.
pub(super) fn is_route(line: &str) -> bool {
    let words = ["via", "dev", "table", "proto", "scope", "metric", "nhid"];
    let mut parts = line.split_ascii_whitespace();
    let first = parts.next().unwrap_or_default();
    let kind = KINDS.iter().any(|(name, _)| *name == first);
    let destination = if kind { parts.next().unwrap_or_default() } else { first };
    network(destination, Family::Ipv4).is_some()
        && (kind || parts.next().is_some_and(|word| words.contains(&word)))
}

/// Whether a line is a routing rule: `32766:\tfrom all lookup main`.
pub(super) fn is_rule(line: &str) -> bool {
    let Some((priority, rest)) = line.split_once(':') else { return false };
    let rest = rest.trim_start();
    priority.parse::<u32>().is_ok() && (rest.starts_with("from ") || rest.starts_with("not from "))
}

fn network(text: &str, family: Family) -> Option<Cidr> {
    match text {
        "default" | "all" => Cidr::new(family.unspecified(), 0),
        _ => match text.parse::<IpAddr>() {
            Ok(ip) => Some(Cidr::host(ip)),
            Err(_) => Cidr::parse_lenient(text),
        },
    }
}

/// Reads the text of `ip route show table all`; lines that say something else are ignored. A route to everything that
/// tells no address is of the family of the routes around it.
pub(super) fn read(text: &str) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match (words.first(), routes.last_mut()) {
            // Of several ways to go, which one is taken is not known.
            (Some(&"nexthop"), Some(route)) => {
                let device = after(&words, "dev");
                let same = route.device.as_deref() == device || route.device.is_none();
                route.device = device.filter(|_| same).map(CompactString::from);
            }
            _ => routes.extend(route(&words)),
        }
    }
    routes
}

fn after<'t>(words: &[&'t str], word: &str) -> Option<&'t str> {
    let at = words.iter().position(|found| *found == word)?;
    words.get(at + 1).copied()
}

fn route(words: &[&str]) -> Option<Route> {
    let first = words.first()?;
    let kind = KINDS.iter().find(|(name, _)| name == first).map(|(_, kind)| *kind);
    let destination = if kind.is_some() { words.get(1)? } else { first };
    let is_ipv6 = words.iter().skip(1).any(|word| word.contains(':')) || words.contains(&"pref");
    let family = if is_ipv6 { Family::Ipv6 } else { Family::Ipv4 };
    Some(Route {
        destination: network(destination, family)?,
        device: after(words, "dev").map(CompactString::from),
        table: after(words, "table").unwrap_or("main").into(),
        kind: kind.unwrap_or(RouteKind::Unicast),
        metric: after(words, "metric").and_then(|metric| metric.parse().ok()).unwrap_or_default(),
    })
}

/// Reads the text of `ip rule`; lines that say something else are ignored.
pub(super) fn read_rules(text: &str) -> Vec<RoutingRule> {
    let lines = text.lines().filter(|line| is_rule(line));
    lines.filter_map(rule).collect()
}

fn rule(line: &str) -> Option<RoutingRule> {
    let (priority, rest) = line.split_once(':')?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let known = ["from", "to", "lookup", "proto"];
    let net = |word: &str| {
        after(&words, word).filter(|text| *text != "all").and_then(|text| network(text, Family::Ipv4))
    };
    let (source, destination) = (net("from"), net("to"));
    let asks = |word: &&&str| !known.contains(*word) && !is_value(&words, word);
    Some(RoutingRule {
        priority: priority.parse().ok()?,
        family: source.or(destination).map(Cidr::family),
        source,
        destination,
        asks_more: words.iter().filter(|word| asks(word)).count() > 0,
        table: after(&words, "lookup").map(CompactString::from),
    })
}

/// Whether a word is the value of one that is understood.
fn is_value(words: &[&str], word: &&str) -> bool {
    ["from", "to", "lookup", "proto"].iter().any(|known| after(words, known) == Some(*word))
}

#[derive(Deserialize)]
struct JsonRoute {
    dst: Option<String>,
    gateway: Option<String>,
    dev: Option<CompactString>,
    table: Option<CompactString>,
    #[serde(rename = "type")]
    kind: Option<String>,
    metric: Option<u32>,
    pref: Option<String>,
    #[serde(default)]
    nexthops: Vec<JsonHop>,
}

#[derive(Deserialize)]
struct JsonHop {
    dev: Option<CompactString>,
}

/// Reads the text of `ip -j route show table all`.
///
/// # Errors
/// It is broken JSON.
pub(super) fn read_json(text: &str) -> Result<Vec<Route>, ParseError> {
    let routes: Vec<JsonRoute> = parse(text)?;
    Ok(routes.into_iter().filter_map(of_json).collect())
}

fn parse<'t, T: Deserialize<'t>>(text: &'t str) -> Result<Vec<T>, ParseError> {
    serde_json::from_str(text).map_err(|error| ParseError { line: error.line(), message: error.to_string() })
}

fn of_json(route: JsonRoute) -> Option<Route> {
    let is_ipv6 =
        route.pref.is_some() || route.gateway.as_deref().is_some_and(|gateway| gateway.contains(':'));
    let family = if is_ipv6 { Family::Ipv6 } else { Family::Ipv4 };
    let kind = route.kind.as_deref().unwrap_or("unicast");
    let first = route.nexthops.first().and_then(|hop| hop.dev.clone());
    let hops_agree = route.nexthops.iter().all(|hop| hop.dev == first);
    Some(Route {
        destination: network(route.dst.as_deref()?, family)?,
        device: route.dev.or(first.filter(|_| hops_agree)),
        table: route.table.unwrap_or("main".into()),
        kind: KINDS.iter().find(|(name, _)| *name == kind)?.1,
        metric: route.metric.unwrap_or_default(),
    })
}

#[derive(Deserialize)]
struct JsonRule {
    priority: u32,
    src: Option<String>,
    srclen: Option<u8>,
    dst: Option<String>,
    dstlen: Option<u8>,
    table: Option<CompactString>,
    #[serde(flatten)]
    more: serde_json::Map<String, serde_json::Value>,
}

/// Reads the text of `ip -j rule`.
///
/// # Errors
/// It is broken JSON.
pub(super) fn read_rules_json(text: &str) -> Result<Vec<RoutingRule>, ParseError> {
    let rules: Vec<JsonRule> = parse(text)?;
    Ok(rules.into_iter().map(rule_of_json).collect())
}

fn rule_of_json(rule: JsonRule) -> RoutingRule {
    let net = |text: Option<String>, length: Option<u8>| {
        let ip: IpAddr = text.filter(|text| text != "all")?.parse().ok()?;
        Cidr::new(ip, length.unwrap_or(Family::of(ip).bits()))
    };
    let (source, destination) = (net(rule.src, rule.srclen), net(rule.dst, rule.dstlen));
    let is_plain = |name: &String| name == "protocol" || name == "action";
    RoutingRule {
        priority: rule.priority,
        family: source.or(destination).map(Cidr::family),
        source,
        destination,
        asks_more: !rule.more.keys().all(is_plain),
        table: rule.table,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
default via 10.244.1.253 dev br0 table 7 
default via 10.244.1.254 dev br0 
10.66.0.0/16 
	nexthop via 10.244.1.2 dev br0 weight 1 
	nexthop via 10.244.1.3 dev br0 weight 1 
unreachable 10.99.0.0/16 metric 5 
local 10.244.1.1 dev br0 table local proto kernel scope host src 10.244.1.1 
broadcast 10.244.1.255 dev br0 table local proto kernel scope link src 10.244.1.1 
fd00::/64 dev br0 proto kernel metric 256 pref medium
multicast ff00::/8 dev v0 table local proto kernel metric 256 pref medium
";
    const JSON: &str = r#"[{"dst":"default","gateway":"10.244.1.253","dev":"br0","table":"7","flags":[]},{"dst":"default","gateway":"10.244.1.254","dev":"br0","flags":[]},{"dst":"10.66.0.0/16","flags":[],"nexthops":[{"gateway":"10.244.1.2","dev":"br0","weight":1,"flags":[]},{"gateway":"10.244.1.3","dev":"br0","weight":1,"flags":[]}]},{"type":"unreachable","dst":"10.99.0.0/16","metric":5,"flags":[]},{"type":"local","dst":"10.244.1.1","dev":"br0","table":"local","protocol":"kernel","scope":"host","prefsrc":"10.244.1.1","flags":[]},{"type":"broadcast","dst":"10.244.1.255","dev":"br0","table":"local","flags":[]},{"dst":"fd00::/64","dev":"br0","protocol":"kernel","metric":256,"flags":[],"pref":"medium"},{"type":"multicast","dst":"ff00::/8","dev":"v0","table":"local","metric":256,"flags":[],"pref":"medium"}]"#;

    #[test]
    fn both_forms_say_the_same() {
        assert_eq!(read(TEXT), read_json(JSON).unwrap());
        assert_eq!(read(TEXT).len(), 8);
    }

    const RULES: &str = "\
0:	from all lookup local
511:	from all iif br0 blackhole
512:	from all to 10.0.0.0/8 lookup main
32764:	from all fwmark 0x80/0x80 lookup 7
32765:	from 10.244.1.0/24 lookup 7
";
    const RULES_JSON: &str = r#"[{"priority":0,"src":"all","table":"local"},{"priority":511,"src":"all","iif":"br0","action":"blackhole"},{"priority":512,"src":"all","dst":"10.0.0.0","dstlen":8,"table":"main"},{"priority":32764,"src":"all","fwmark":"0x80","fwmask":"0x80","table":"7"},{"priority":32765,"src":"10.244.1.0","srclen":24,"table":"7"}]"#;

    #[test]
    fn rules_know_what_they_ask_for() {
        assert_eq!(read_rules(RULES), read_rules_json(RULES_JSON).unwrap());
        let asks: Vec<bool> = read_rules(RULES).iter().map(|rule| rule.asks_more).collect();
        assert_eq!(asks, [false, true, false, true, false]);
        assert!(read_rules("32765:\tnot from fd00::/64 lookup 7\n")[0].asks_more);
    }
}
