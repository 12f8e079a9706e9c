//! Why a rule matched a packet: its conditions as data, with the packet's own values.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::diagnostic::Inert;
use crate::iptables::ruleset::{self as ipt, Probability};
use crate::net::{Cidr, Port, Protocol};
use crate::nftables::ruleset as nft;
use crate::walk::{RuleRef, Step, View, is_opaque_match};

/// One condition of a rule that a packet met. Its words are a clause: `the source is 10.244.1.9`.
#[derive(Debug, Clone)]
pub(crate) enum Clause<'r> {
    /// An address is in a network, or is not.
    Network { side: Side, ip: IpAddr, negated: bool, net: Cidr },
    /// An address is among several, or is not.
    Among { side: Side, ip: IpAddr, negated: bool, addresses: &'r nft::Addresses },
    /// An address is one of the node's own, or is not.
    OwnAddress { side: Side, ip: IpAddr, negated: bool },
    /// The packet comes in by an interface, or does not.
    InInterface { negated: bool, name: &'r str },
    /// The packet goes out by an interface, or does not.
    OutInterface { negated: bool, name: &'r str },
    /// The protocol.
    Protocol(Protocol),
    /// The destination port.
    Port(Protocol, Port),
    /// The connection's state is one of those that the rule names.
    State { state: &'static str },
    /// The connection's state is none of those that the rule names.
    NotInState { state: &'static str, translated: bool, names: String },
    /// The destination was translated.
    Translated,
    /// Bits of the mark are set, or are not.
    Mark { bits: u32, set: bool },
    /// The rule was drawn from what earlier rules left over.
    Drawn(Probability),
    /// One of this many branches was chosen at random.
    OneOf(u32),
    /// The client was sent there before, at most this many seconds ago.
    Remembered { seconds: u32 },
    /// Source and destination are in a set, or are not.
    InSet { source: IpAddr, destination: SocketAddr, negated: bool, set: &'r str },
    /// A map has an element for the packet.
    Mapped { map: &'r str, key: String },
    /// A condition that is kept as text.
    Opaque(Cow<'r, str>),
}

/// Which end of a packet a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// Why the rule of a step matched; empty if it matches everything.
pub(crate) fn clauses<'r>(step: &Step<'r>) -> Vec<Clause<'r>> {
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

/// The clauses in words.
pub(crate) fn words(step: &Step<'_>) -> Vec<String> {
    clauses(step).iter().map(Clause::to_string).collect()
}

fn of_iptables<'r>(rule: &'r ipt::Rule, view: &View) -> Vec<Clause<'r>> {
    let mut why = Vec::new();
    if let Some(source) = ipt::effective(&rule.source) {
        why.push(network(Side::Source, view, source.negated, source.net));
    }
    if let Some(destination) = ipt::effective(&rule.destination) {
        why.push(network(Side::Destination, view, destination.negated, destination.net));
    }
    if let Some(interface) = &rule.in_interface {
        why.push(Clause::InInterface { negated: interface.negated, name: &interface.name });
    }
    if let Some(interface) = &rule.out_interface {
        why.push(Clause::OutInterface { negated: interface.negated, name: &interface.name });
    }
    let has_port = |m: &ipt::Match| matches!(m, ipt::Match::Transport { destination_port: Some(_), .. });
    if rule.protocol.is_some() && !rule.matches.iter().any(has_port) {
        why.push(Clause::Protocol(view.protocol));
    }
    why.extend(rule.matches.iter().filter_map(|m| of_match(m, view)));
    why
}

fn of_match<'r>(m: &'r ipt::Match, view: &View) -> Option<Clause<'r>> {
    match m {
        ipt::Match::Transport { protocol, destination_port: Some(port) } => {
            Some(Clause::Port(*protocol, *port))
        }
        ipt::Match::ConntrackState { negated: true, states } => {
            let names: Vec<&str> = states.names().collect();
            Some(Clause::NotInState {
                state: view.tracking.state_name(),
                translated: view.translated,
                names: names.join(","),
            })
        }
        ipt::Match::ConntrackState { negated: false, .. } => {
            Some(Clause::State { state: view.tracking.state_name() })
        }
        ipt::Match::Mark { negated, value, mask } => Some(mark(*negated, *value, *mask)),
        ipt::Match::AddressType { end, negated } => {
            let side = match end {
                ipt::End::Source => Side::Source,
                ipt::End::Destination => Side::Destination,
            };
            Some(Clause::OwnAddress { side, ip: side.of(view), negated: *negated })
        }
        ipt::Match::Probability(probability) => Some(Clause::Drawn(*probability)),
        ipt::Match::Recent { action: ipt::RecentAction::Check { seconds }, .. } => {
            Some(Clause::Remembered { seconds: *seconds })
        }
        ipt::Match::Foreign(foreign) => Some(Clause::Opaque(Cow::Borrowed(foreign.text()))),
        _ => None,
    }
}

fn of_nftables<'r>(rule: &'r nft::Rule, view: &View) -> Vec<Clause<'r>> {
    rule.statements.iter().filter_map(|statement| of_statement(statement, view)).collect()
}

fn of_statement<'r>(statement: &'r nft::Statement, view: &View) -> Option<Clause<'r>> {
    use nft::Statement;
    let own = |side: Side| Clause::OwnAddress { side, ip: side.of(view), negated: false };
    match statement {
        Statement::Address { field, negated, addresses } => {
            Some(of_addresses(*field, *negated, addresses, view))
        }
        Statement::InSet { negated, set, .. } => {
            Some(Clause::InSet { source: view.source, destination: view.destination, negated: *negated, set })
        }
        Statement::InInterface { negated, name, .. } => Some(Clause::InInterface { negated: *negated, name }),
        Statement::ConntrackState(_) => Some(Clause::State { state: view.tracking.state_name() }),
        Statement::ConntrackStatusDnat => Some(Clause::Translated),
        Statement::L4Protocol(protocol) => Some(Clause::Protocol(*protocol)),
        Statement::DestinationPort(protocol, port) => Some(Clause::Port(*protocol, *port)),
        Statement::Mark { mask, negated, value } => Some(mark(*negated, *value, *mask)),
        Statement::FibLocal(nft::FibEnd::Source) => Some(own(Side::Source)),
        Statement::FibLocal(nft::FibEnd::Destination) => Some(own(Side::Destination)),
        Statement::VerdictMap { key, map } => Some(Clause::Mapped { map, key: key_words(key, view) }),
        Statement::RandomVerdict { modulus, .. } | Statement::RandomDnat { modulus, .. } if *modulus > 1 => {
            Some(Clause::OneOf(*modulus))
        }
        Statement::Opaque(text) if is_opaque_match(text) => Some(Clause::Opaque(Cow::Borrowed(text))),
        Statement::Compare(_) | Statement::LookUp(_) => Some(Clause::Opaque(statement.to_string().into())),
        _ => None,
    }
}

fn of_addresses<'r>(
    field: nft::Field,
    negated: bool,
    addresses: &'r nft::Addresses,
    view: &View,
) -> Clause<'r> {
    let side = match field {
        nft::Field::SourceAddress(_) => Side::Source,
        _ => Side::Destination,
    };
    match addresses {
        nft::Addresses::One(net) => network(side, view, negated, *net),
        addresses => Clause::Among { side, ip: side.of(view), negated, addresses },
    }
}

fn network<'r>(side: Side, view: &View, negated: bool, net: Cidr) -> Clause<'r> {
    Clause::Network { side, ip: side.of(view), negated, net }
}

/// nftables asks for "not 0" where iptables asks for the bit.
fn mark<'r>(negated: bool, value: u32, mask: u32) -> Clause<'r> {
    let bits = if value == 0 { mask } else { value };
    Clause::Mark { bits, set: negated == (value == 0) }
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

impl Side {
    fn of(self, view: &View) -> IpAddr {
        match self {
            Side::Source => view.source,
            Side::Destination => view.destination.ip(),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Source => "the source",
            Side::Destination => "the destination",
        })
    }
}

impl fmt::Display for Clause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clause::Network { side, ip, negated, net } => match (net.is_host(), negated) {
                (true, false) => write!(f, "{side} is {ip}"),
                (true, true) => write!(f, "{side} {ip} is not {}", net.network()),
                (false, false) => write!(f, "{side} {ip} is in {net}"),
                (false, true) => write!(f, "{side} {ip} is not in {net}"),
            },
            Clause::Among { side, ip, negated, addresses } => {
                write!(f, "{side} {ip} is {}in {}", not(*negated), Inert(&addresses.to_string()))
            }
            Clause::OwnAddress { side, ip, negated } => {
                let article = if *negated { "not an" } else { "an" };
                write!(f, "{side} {ip} is {article} address of the node")
            }
            Clause::InInterface { negated: false, name } => write!(f, "it comes in by {}", Inert(name)),
            Clause::InInterface { negated: true, name } => {
                write!(f, "it does not come in by {}", Inert(name))
            }
            Clause::OutInterface { negated: false, name } => write!(f, "it goes out by {}", Inert(name)),
            Clause::OutInterface { negated: true, name } => {
                write!(f, "it does not go out by {}", Inert(name))
            }
            Clause::Protocol(protocol) => write!(f, "the protocol is {protocol}"),
            Clause::Port(protocol, port) => write!(f, "the port is {protocol} {port}"),
            Clause::State { state } => write!(f, "the connection is {state}"),
            Clause::NotInState { state, translated, names } => {
                let and = if *translated { " and translated" } else { "" };
                write!(f, "the connection is {state}{and}, none of {}", Inert(names))
            }
            Clause::Translated => f.write_str("the destination was translated"),
            Clause::Mark { bits, set } => write!(f, "mark {bits:#x} is {}set", not(!set)),
            Clause::Drawn(probability) => drawn(*probability, f),
            Clause::OneOf(count) => write!(f, "by chance: 1 in {count}"),
            Clause::Remembered { seconds } => {
                write!(f, "this client was sent there in the last {seconds} s")
            }
            Clause::InSet { source, destination, negated, set } => {
                write!(f, "{source} to {destination} is {}in @{}", not(*negated), Inert(set))
            }
            Clause::Mapped { map, key } => write!(f, "@{} has {key}", Inert(map)),
            Clause::Opaque(text) => write!(f, "{} matches", Inert(text.as_ref())),
        }
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "not " } else { "" }
}

fn drawn(probability: Probability, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = probability.save_text();
    match probability.share() {
        Some(n) => write!(f, "by chance: 1 in {n} of what is left (the rule says {text})"),
        None => write!(f, "by chance: {text} of what is left"),
    }
}
