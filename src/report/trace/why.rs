//! Why a rule matched a packet, in clauses.

use crate::diagnostic::Inert;
use crate::iptables::ruleset as ipt;
use crate::net::Cidr;
use crate::nftables::ruleset as nft;
use crate::walk::{RuleRef, Step, View, is_opaque_match};

/// Why the rule of a step matched; empty where it matches everything.
pub(crate) fn reasons(step: &Step<'_>) -> Vec<String> {
    let view = &step.seen;
    match step.rule {
        Some(RuleRef::Iptables { chain, index: Some(index), .. }) => {
            chain.rules.get(index).map(|placed| of_iptables(&placed.rule, view)).unwrap_or_default()
        }
        Some(RuleRef::Nftables { chain, index: Some(index), .. }) => {
            chain.rules.get(index).map(|placed| of_nftables(&placed.rule, view)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn of_iptables(rule: &ipt::Rule, view: &View) -> Vec<String> {
    let mut why = Vec::new();
    if let Some(source) = ipt::effective(&rule.source) {
        why.push(lies("the source", view.source, source.negated, source.net));
    }
    if let Some(destination) = ipt::effective(&rule.destination) {
        why.push(lies("the destination", view.destination.ip(), destination.negated, destination.net));
    }
    let interfaces = [("in by", &rule.in_interface), ("out by", &rule.out_interface)];
    for (way, interface) in interfaces {
        let Some(interface) = interface else { continue };
        why.push(interface_words(way, interface.negated, &interface.name));
    }
    let has_port = |m: &ipt::Match| matches!(m, ipt::Match::Transport { destination_port: Some(_), .. });
    if rule.protocol.is_some() && !rule.matches.iter().any(has_port) {
        why.push(format!("the protocol is {}", view.protocol));
    }
    why.extend(rule.matches.iter().filter_map(|m| match_words(m, view)));
    why
}

fn match_words(m: &ipt::Match, view: &View) -> Option<String> {
    match m {
        ipt::Match::Transport { protocol, destination_port: Some(port) } => {
            Some(format!("the port is {protocol} {port}"))
        }
        ipt::Match::ConntrackState { negated, states } => {
            let names: Vec<&str> = states.names().collect();
            Some(state_words(*negated, &names.join(","), view))
        }
        ipt::Match::Mark { negated, value, mask } => Some(mark_words(*negated, *value, *mask)),
        ipt::Match::AddressType { end, negated } => {
            let (what, ip) = match end {
                ipt::End::Source => ("the source", view.source),
                ipt::End::Destination => ("the destination", view.destination.ip()),
            };
            Some(local_words(what, ip, *negated))
        }
        ipt::Match::Probability(p) => Some(match p.share() {
            Some(n) => format!("by chance: 1 in {n} of what is left (the rule says {})", p.save_text()),
            None => format!("by chance: {} of what is left", p.save_text()),
        }),
        ipt::Match::Recent { action: ipt::RecentAction::Check { seconds }, .. } => {
            Some(format!("this client was sent there in the last {seconds} s"))
        }
        ipt::Match::Opaque(text) => Some(format!("{} matches", Inert(text))),
        _ => None,
    }
}

fn lies(what: &str, ip: std::net::IpAddr, negated: bool, net: Cidr) -> String {
    match (net.is_host(), negated) {
        (true, false) => format!("{what} is {ip}"),
        (true, true) => format!("{what} {ip} is not {}", net.network()),
        (false, false) => format!("{what} {ip} lies in {net}"),
        (false, true) => format!("{what} {ip} does not lie in {net}"),
    }
}

fn interface_words(way: &str, negated: bool, name: &str) -> String {
    let not = if negated { "does not come" } else { "comes" };
    let not = match (way, negated) {
        ("out by", true) => "does not go",
        ("out by", false) => "goes",
        _ => not,
    };
    format!("it {not} {way} {}", Inert(name))
}

fn state_words(negated: bool, names: &str, view: &View) -> String {
    let state = view.tracking.state_name();
    match (negated, view.translated) {
        (false, _) => format!("the connection is {state}"),
        (true, false) => format!("the connection is {state}, none of {}", Inert(names)),
        (true, true) => format!("the connection is {state} and translated, none of {}", Inert(names)),
    }
}

fn mark_words(negated: bool, value: u32, mask: u32) -> String {
    // nftables asks for "not 0" where iptables asks for the bit.
    let is_set = negated == (value == 0);
    let bits = if value == 0 { mask } else { value };
    format!("mark {bits:#x} is {}set", if is_set { "" } else { "not " })
}

fn local_words(what: &str, ip: std::net::IpAddr, negated: bool) -> String {
    let is = if negated { "is no" } else { "is an" };
    format!("{what} {ip} {is} address of the node")
}

fn of_nftables(rule: &nft::Rule, view: &View) -> Vec<String> {
    rule.statements.iter().filter_map(|statement| statement_words(statement, view)).collect()
}

fn statement_words(statement: &nft::Statement, view: &View) -> Option<String> {
    use nft::Statement;
    match statement {
        Statement::Address { field, negated, addresses } => {
            Some(address_words(*field, *negated, addresses, view))
        }
        Statement::InSet { negated, set, .. } => {
            let (not, set) = (if *negated { "not " } else { "" }, Inert(set));
            Some(format!("{} to {} is {not}in @{set}", view.source, view.destination))
        }
        Statement::InInterface { negated, name, .. } => Some(interface_words("in by", *negated, name)),
        Statement::ConntrackState(_) => Some(state_words(false, "", view)),
        Statement::ConntrackStatusDnat => Some("the destination was translated".to_owned()),
        Statement::L4Protocol(protocol) => Some(format!("the protocol is {protocol}")),
        Statement::DestinationPort(protocol, port) => Some(format!("the port is {protocol} {port}")),
        Statement::Mark { mask, negated, value } => Some(mark_words(*negated, *value, *mask)),
        Statement::FibLocal(nft::FibEnd::Source) => Some(local_words("the source", view.source, false)),
        Statement::FibLocal(nft::FibEnd::Destination) => {
            Some(local_words("the destination", view.destination.ip(), false))
        }
        Statement::VerdictMap { key, map } => Some(format!("@{} has {}", Inert(map), key_words(key, view))),
        Statement::RandomVerdict { modulus, .. } | Statement::RandomDnat { modulus, .. } if *modulus > 1 => {
            Some(format!("by chance: 1 in {modulus}"))
        }
        Statement::Opaque(text) if is_opaque_match(text) => Some(format!("{} matches", Inert(text))),
        _ => None,
    }
}

fn address_words(field: nft::Field, negated: bool, addresses: &nft::Addresses, view: &View) -> String {
    let (what, ip) = match field {
        nft::Field::SourceAddress(_) => ("the source", view.source),
        _ => ("the destination", view.destination.ip()),
    };
    match addresses {
        nft::Addresses::One(net) => lies(what, ip, negated, *net),
        others => {
            format!("{what} {ip} is {}in {}", if negated { "not " } else { "" }, Inert(&others.to_string()))
        }
    }
}

/// The value that a key has for a packet: `10.96.0.12 . tcp . 3306`.
fn key_words(key: &[nft::Field], view: &View) -> String {
    let parts: Vec<String> = key
        .iter()
        .map(|field| match field {
            nft::Field::SourceAddress(_) => view.source.to_string(),
            nft::Field::DestinationAddress(_) => view.destination.ip().to_string(),
            nft::Field::L4Protocol => view.protocol.to_string(),
            nft::Field::DestinationPort => view.destination.port().to_string(),
        })
        .collect();
    parts.join(" . ")
}
