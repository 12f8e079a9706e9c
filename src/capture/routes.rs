//! `ip route show table all` and `ip rule`.

use std::net::IpAddr;

use compact_str::CompactString;
use serde::Deserialize;

use crate::diagnostic::ParseError;
use crate::net::{Cidr, Family};
use crate::node::{Refusal, Route, RouteKind, RoutingRule, RuleAction};

const KINDS: [(&str, RouteKind); 9] = [
    ("unicast", RouteKind::Unicast),
    ("local", RouteKind::Local),
    ("broadcast", RouteKind::Broadcast),
    ("anycast", RouteKind::Local),
    ("multicast", RouteKind::Multicast),
    ("throw", RouteKind::Throw),
    ("unreachable", RouteKind::Refusal(Refusal::Unreachable)),
    ("prohibit", RouteKind::Refusal(Refusal::Prohibit)),
    ("blackhole", RouteKind::Refusal(Refusal::Blackhole)),
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
            // One that is dead is not taken (net/ipv4/fib_semantics.c, `fib_select_multipath`).
            (Some(&"nexthop"), Some(route)) if !words.contains(&"dead") => {
                add_device(route, after(&words, "dev").map(CompactString::from));
            }
            (Some(&"nexthop"), _) => {}
            _ => routes.extend(route(&words)),
        }
    }
    routes
}

fn add_device(route: &mut Route, device: Option<CompactString>) {
    let new = device.filter(|device| !route.devices.contains(device));
    route.devices.extend(new);
}

/// What a route asks of packets beside their destination.
const ASKED: [&str; 3] = ["from", "tos", "dsfield"];

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
        devices: after(words, "dev").map(CompactString::from).into_iter().collect(),
        table: after(words, "table").unwrap_or("main").into(),
        kind: kind.unwrap_or(RouteKind::Unicast),
        metric: after(words, "metric").and_then(|metric| metric.parse().ok()).unwrap_or_default(),
        asks_more: words.iter().any(|word| ASKED.contains(word)),
        gateway: after(words, "via").and_then(|ip| ip.parse().ok()),
        source: after(words, "src").and_then(|ip| ip.parse().ok()),
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
    let net = |word: &str| {
        after(&words, word).filter(|text| *text != "all").and_then(|text| network(text, Family::Ipv4))
    };
    let (source, destination) = (net("from"), net("to"));
    let mark = after(&words, "fwmark");
    let known_mark = mark.and_then(|text| match text.split_once('/') {
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(text)?, u32::MAX)),
    });
    let input = after(&words, "iif");
    let refusal = words.last().and_then(|word| refusal(word));
    let table = after(&words, "lookup").map(|table| RuleAction::Table(table.into()));
    let is_opposite = words.contains(&"not");
    let suppressed = after(&words, "suppress_prefixlength").and_then(|length| length.parse().ok());
    // Each is followed by its value.
    let known = ["from", "to", "fwmark", "iif", "lookup", "proto", "suppress_prefixlength"].iter();
    let count = known.filter(|word| words.contains(word)).count() * 2;
    let count = count + usize::from(refusal.is_some()) + usize::from(is_opposite);
    Some(RoutingRule {
        priority: priority.parse().ok()?,
        family: source.or(destination).map(Cidr::family),
        source,
        destination,
        mark: known_mark,
        input: input.map(CompactString::from),
        is_opposite,
        suppressed,
        asks_more: count != words.len() || known_mark.is_some() != mark.is_some(),
        action: table.or(refusal.map(RuleAction::Refuse)).unwrap_or(RuleAction::Other),
    })
}

/// `0x80`, `128`
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What a rule without a table does. `unreachable` is an answer as if there were no route (net/ipv4/fib_rules.c,
/// `fib4_rule_action`).
fn refusal(action: &str) -> Option<Refusal> {
    match action {
        "unreachable" => Some(Refusal::NoRoute),
        "prohibit" => Some(Refusal::Prohibit),
        "blackhole" => Some(Refusal::Blackhole),
        _ => None,
    }
}

#[derive(Deserialize)]
struct JsonRoute {
    dst: Option<String>,
    gateway: Option<String>,
    prefsrc: Option<String>,
    dev: Option<CompactString>,
    table: Option<CompactString>,
    #[serde(rename = "type")]
    kind: Option<String>,
    metric: Option<u32>,
    pref: Option<String>,
    from: Option<String>,
    tos: Option<serde_json::Value>,
    #[serde(default)]
    nexthops: Vec<JsonHop>,
}

#[derive(Deserialize)]
struct JsonHop {
    dev: Option<CompactString>,
    #[serde(default)]
    flags: Vec<String>,
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
    let mut read = Route {
        destination: network(route.dst.as_deref()?, family)?,
        devices: route.dev.into_iter().collect(),
        table: route.table.unwrap_or("main".into()),
        kind: KINDS.iter().find(|(name, _)| *name == kind)?.1,
        metric: route.metric.unwrap_or_default(),
        asks_more: route.from.is_some() || route.tos.is_some(),
        gateway: route.gateway.and_then(|ip| ip.parse().ok()),
        source: route.prefsrc.and_then(|ip| ip.parse().ok()),
    };
    let alive = route.nexthops.into_iter().filter(|hop| !hop.flags.iter().any(|flag| flag == "dead"));
    alive.for_each(|hop| add_device(&mut read, hop.dev));
    Some(read)
}

#[derive(Deserialize)]
struct JsonRule {
    priority: u32,
    src: Option<String>,
    srclen: Option<u8>,
    dst: Option<String>,
    dstlen: Option<u8>,
    table: Option<CompactString>,
    fwmark: Option<String>,
    fwmask: Option<String>,
    iif: Option<CompactString>,
    suppress_prefixlen: Option<u8>,
    action: Option<String>,
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
    let mask = rule.fwmask.as_deref().map_or(Some(u32::MAX), number);
    let mark = rule.fwmark.as_deref().and_then(number).zip(mask);
    let is_plain = |name: &String| name == "protocol" || name == "not";
    let refusal = rule.action.as_deref().and_then(refusal).map(RuleAction::Refuse);
    let is_opposite = rule.more.contains_key("not");
    RoutingRule {
        priority: rule.priority,
        family: source.or(destination).map(Cidr::family),
        source,
        destination,
        mark,
        input: rule.iif,
        is_opposite,
        suppressed: rule.suppress_prefixlen,
        asks_more: !rule.more.keys().all(is_plain) || rule.fwmark.is_some() != mark.is_some(),
        action: rule.table.map(RuleAction::Table).or(refusal).unwrap_or(RuleAction::Other),
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
    const JSON: &str = r#"[{"dst":"default","gateway":"10.244.1.253","dev":"br0","table":"7","flags":[]},{"dst":"default","gateway":"10.244.1.254","dev":"br0","flags":[]},{"dst":"10.66.0.0/16","flags":[],"nexthops":[{"gateway":"10.244.1.2","dev":"br0","weight":1,"flags":[]},{"gateway":"10.244.1.3","dev":"br0","weight":1,"flags":[]}]},{"type":"unreachable","dst":"10.99.0.0/16","metric":5,"flags":[]},{"type":"local","dst":"10.244.1.1","dev":"br0","table":"local","protocol":"kernel","scope":"host","prefsrc":"10.244.1.1","flags":[]},{"type":"broadcast","dst":"10.244.1.255","dev":"br0","table":"local","prefsrc":"10.244.1.1","flags":[]},{"dst":"fd00::/64","dev":"br0","protocol":"kernel","metric":256,"flags":[],"pref":"medium"},{"type":"multicast","dst":"ff00::/8","dev":"v0","table":"local","metric":256,"flags":[],"pref":"medium"}]"#;

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
        assert_eq!(asks, [false; 5]);
        assert_eq!(read_rules(RULES)[1].input.as_deref(), Some("br0"));
        assert_eq!(read_rules(RULES)[3].mark, Some((0x80, 0x80)));
        assert_eq!(read_rules(RULES)[1].action, RuleAction::Refuse(Refusal::Blackhole));
        let opposite = read_rules("32765:\tnot from fd00::/64 lookup 7\n").remove(0);
        assert!(opposite.is_opposite && !opposite.asks_more);
        assert!(read_rules("9:\tfrom all ipproto tcp lookup 7\n")[0].asks_more);
        let suppressing = "[{\"priority\":9,\"src\":\"all\",\"table\":\"main\",\"suppress_prefixlen\":0}]";
        let text = "9:\tfrom all lookup main suppress_prefixlength 0\n";
        assert_eq!(read_rules(text), read_rules_json(suppressing).unwrap());
    }
}
