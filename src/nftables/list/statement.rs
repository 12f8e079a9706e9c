//! Rules and their parts in a listing.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;

use super::expression::{ComparisonBy, Listed};
use super::join;
use super::version::ListingFacts;
use crate::net::{Cidr, Family, inet_ntop};
use crate::nftables::ruleset::{Addresses, FibEnd, Field, Interval, Rule, Statement, TableFamily, Verdict};

/// As nft 1.0.6 lists it.
impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        RuleBy(self, ListingFacts::default()).fmt(f)
    }
}

/// A rule as a version of nft lists it.
pub(super) struct RuleBy<'a>(pub(super) &'a Rule, pub(super) ListingFacts);

impl Display for RuleBy<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let RuleBy(rule, facts) = *self;
        for (i, statement) in rule.statements.iter().enumerate() {
            f.write_str(if i > 0 { " " } else { "" })?;
            StatementBy(statement, facts).fmt(f)?;
        }
        match &rule.comment {
            Some(comment) => write!(f, " comment \"{comment}\""),
            None => Ok(()),
        }
    }
}

/// A statement as a version of nft lists it.
pub(in crate::nftables) struct StatementBy<'a>(
    pub(in crate::nftables) &'a Statement,
    pub(in crate::nftables) ListingFacts,
);

impl Display for StatementBy<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let StatementBy(statement, facts) = *self;
        match statement {
            Statement::Mark { mask, negated, value } => {
                MarkMatch { mask: *mask, negated: *negated, value: *value, facts }.fmt(f)
            }
            Statement::Compare(comparison) => ComparisonBy(comparison, facts).fmt(f),
            other => other.fmt(f),
        }
    }
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Address { field, negated, addresses } => {
                write!(f, "{field} {}{addresses}", Not(*negated))
            }
            Statement::InSet { key, negated, set } => write!(f, "{} {}@{set}", Key(key), Not(*negated)),
            Statement::InInterface { by_name, negated, name } => {
                let word = if *by_name { "iifname" } else { "iif" };
                write!(f, "{word} {}\"{name}\"", Not(*negated))
            }
            Statement::ConntrackState(states) => write!(f, "ct state {}", states.join(",")),
            Statement::ConntrackStatusDnat => f.write_str("ct status dnat"),
            Statement::L4Protocol(protocol) => write!(f, "meta l4proto {protocol}"),
            Statement::DestinationPort(protocol, port) => write!(f, "{protocol} dport {port}"),
            Statement::Mark { .. } | Statement::Compare(_) => {
                StatementBy(self, ListingFacts::default()).fmt(f)
            }
            Statement::FibLocal(FibEnd::Source) => f.write_str("fib saddr type local"),
            Statement::FibLocal(FibEnd::Destination) => f.write_str("fib daddr type local"),
            Statement::SetMarkOr(bits) => write!(f, "meta mark set meta mark | {bits:#010x}"),
            Statement::SetMarkXor(bits) => write!(f, "meta mark set meta mark ^ {bits:#010x}"),
            Statement::VerdictMap { key, map } => write!(f, "{} vmap @{map}", Key(key)),
            Statement::RandomVerdict { modulus, verdicts } => {
                write!(f, "{} vmap {}", Random(*modulus), Numbered(verdicts))
            }
            Statement::Dnat(to) => write!(f, "dnat to {}", Target(*to)),
            Statement::RandomDnat { family, modulus, destinations } => {
                let family = TableFamily::from(*family).name();
                let destinations: Vec<_> = destinations.iter().map(|(n, to)| (*n, Pair(*to))).collect();
                write!(f, "dnat {family} to {} map {}", Random(*modulus), Numbered(&destinations))
            }
            Statement::UpdateSet { set, field } => write!(f, "update @{set} {{ {field} }}"),
            Statement::Masquerade { fully_random: true } => f.write_str("masquerade fully-random"),
            Statement::Masquerade { fully_random: false } => f.write_str("masquerade"),
            Statement::Reject => f.write_str("reject"),
            Statement::Counter { packets, bytes } => write!(f, "counter packets {packets} bytes {bytes}"),
            Statement::NamedCounter(name) => write!(f, "counter name \"{name}\""),
            Statement::Verdict(verdict) => verdict.fmt(f),
            Statement::LookUp(lookup) => write!(f, "{} vmap {}", lookup.0, lookup.1),
            Statement::Assign(assignment) => write!(f, "{} set {}", assignment.0, Listed(&assignment.1)),
            Statement::Translate(translation) => translation.fmt(f),
            Statement::RejectWith(answer) => write!(f, "reject with {answer}"),
            Statement::Limit(limit) => limit.fmt(f),
            Statement::Notrack => f.write_str("notrack"),
            Statement::Log(log) => log.fmt(f),
            Statement::ChangeSet(change) => change.fmt(f),
            Statement::Spelled(text, _)
            | Statement::Divert(_, text)
            | Statement::Aside(text)
            | Statement::Opaque(text) => f.write_str(text),
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::SourceAddress(Family::Ipv4) => "ip saddr",
            Field::SourceAddress(Family::Ipv6) => "ip6 saddr",
            Field::DestinationAddress(Family::Ipv4) => "ip daddr",
            Field::DestinationAddress(Family::Ipv6) => "ip6 daddr",
            Field::L4Protocol => "meta l4proto",
            Field::DestinationPort => "th dport",
        })
    }
}

impl Display for Addresses {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Addresses::One(cidr) => Network(*cidr).fmt(f),
            Addresses::Anonymous(intervals) => {
                f.write_str("{ ")?;
                join(f, intervals, ", ")?;
                f.write_str(" }")
            }
            Addresses::Named(set) => write!(f, "@{set}"),
        }
    }
}

impl Display for Interval {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.as_network() {
            Some(cidr) => Network(cidr).fmt(f),
            None => write!(f, "{}-{}", inet_ntop(self.first), inet_ntop(self.last)),
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Accept => f.write_str("accept"),
            Verdict::Drop => f.write_str("drop"),
            Verdict::Return => f.write_str("return"),
            Verdict::Continue => f.write_str("continue"),
            Verdict::Jump(chain) => write!(f, "jump {chain}"),
            Verdict::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

struct Not(bool);

impl Display for Not {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "!= " } else { "" })
    }
}

struct Key<'a>(&'a [Field]);

impl Display for Key<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        join(f, self.0, " . ")
    }
}

/// A network of one address is printed as the address.
struct Network(Cidr);

impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&inet_ntop(self.0.network()))?;
        if self.0.is_host() { Ok(()) } else { write!(f, "/{}", self.0.length()) }
    }
}

struct MarkMatch {
    mask: u32,
    negated: bool,
    value: u32,
    facts: ListingFacts,
}

impl Display for MarkMatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let MarkMatch { mask, negated, value, facts } = *self;
        let is_prefix = mask != 0 && mask.leading_ones() + mask.trailing_zeros() == u32::BITS;
        if !(mask == u32::MAX || (is_prefix && facts.mark_as_prefix)) {
            let operator = if negated { "!=" } else { "==" };
            return write!(f, "meta mark & {mask:#010x} {operator} {value:#010x}");
        }
        write!(f, "meta mark {}{value:#010x}", Not(negated))?;
        match mask.leading_ones() {
            u32::BITS => Ok(()),
            length => write!(f, "/{length}"),
        }
    }
}

struct Random(u32);

impl Display for Random {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "numgen random mod {}", self.0)
    }
}

/// An anonymous map from numbers.
struct Numbered<'a, T>(&'a [(u32, T)]);

impl<T: Display> Display for Numbered<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("{ ")?;
        for (i, (number, value)) in self.0.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{number} : {value}")?;
        }
        f.write_str(" }")
    }
}

/// `address:port`
struct Target(SocketAddr);

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (ip, port) = (inet_ntop(self.0.ip()), self.0.port());
        match self.0 {
            SocketAddr::V4(_) => write!(f, "{ip}:{port}"),
            SocketAddr::V6(_) => write!(f, "[{ip}]:{port}"),
        }
    }
}

/// `address . port`
struct Pair(SocketAddr);

impl Display for Pair {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} . {}", inet_ntop(self.0.ip()), self.0.port())
    }
}
