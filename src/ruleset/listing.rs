//! A ruleset of either language as places (chains, sets) that have lines (rules, elements).

use std::fmt;

use compact_str::{CompactString, format_compact};

use super::Ruleset;
use crate::iptables::save::rule_text;
use crate::net::Family;
use crate::plan::origin::Origin;
use crate::{iptables::ruleset as ipt, nftables::ruleset as nft};

/// A chain, set or map.
#[derive(Debug, Clone, Copy)]
pub enum Place<'r> {
    /// A chain of iptables.
    IptablesChain(Family, ipt::TableName, &'r ipt::Chain),
    /// A chain of nftables.
    Chain(&'r nft::Table, &'r nft::Chain),
    /// A named counter of nftables.
    Counter(&'r nft::Table, &'r nft::Counter),
    /// A set or map of nftables.
    Set(&'r nft::Table, &'r nft::Set),
}

/// What identifies a place within a ruleset. Counters come before sets, sets before chains, as in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceKey<'r> {
    table: (u8, &'r str),
    kind: PlaceKind,
    name: &'r str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PlaceKind {
    Counter,
    Set,
    Chain,
}

impl Ruleset {
    /// All places, sorted by their keys.
    pub fn places(&self) -> Vec<Place<'_>> {
        let mut places: Vec<Place<'_>> = match self {
            Ruleset::Iptables(ruleset) => {
                ruleset.tables.iter().flat_map(|t| iptables_places(ruleset.family, t)).collect()
            }
            Ruleset::Nftables(ruleset, family) => {
                ruleset.tables.iter().filter(|t| t.family.sees(*family)).flat_map(nftables_places).collect()
            }
        };
        places.sort_by(|a, b| a.key().cmp(&b.key()));
        places
    }
}

fn iptables_places(family: Family, table: &ipt::Table) -> impl Iterator<Item = Place<'_>> {
    table.chains.iter().map(move |chain| Place::IptablesChain(family, table.name, chain))
}

fn nftables_places(table: &nft::Table) -> impl Iterator<Item = Place<'_>> {
    let counters = table.counters.iter().map(move |counter| Place::Counter(table, counter));
    let sets = table.sets.iter().map(move |set| Place::Set(table, set));
    counters.chain(sets).chain(table.chains.iter().map(move |chain| Place::Chain(table, chain)))
}

impl<'r> Place<'r> {
    /// Its identity.
    pub fn key(&self) -> PlaceKey<'r> {
        match self {
            Place::IptablesChain(_, table, chain) => {
                PlaceKey { table: (0, table.name()), kind: PlaceKind::Chain, name: chain.name.as_str() }
            }
            Place::Chain(table, chain) => PlaceKey {
                table: (table.family as u8, &table.name),
                kind: PlaceKind::Chain,
                name: &chain.name,
            },
            Place::Counter(table, counter) => PlaceKey {
                table: (table.family as u8, &table.name),
                kind: PlaceKind::Counter,
                name: &counter.name,
            },
            Place::Set(table, set) => {
                PlaceKey { table: (table.family as u8, &table.name), kind: PlaceKind::Set, name: &set.name }
            }
        }
    }

    /// `nat`, `ip kube-proxy`
    pub fn table(&self) -> CompactString {
        match self {
            Place::IptablesChain(_, table, _) => table.name().into(),
            Place::Chain(table, _) | Place::Counter(table, _) | Place::Set(table, _) => {
                format_compact!("{} {}", table.family.name(), table.name)
            }
        }
    }

    /// The name.
    pub fn name(&self) -> &'r str {
        self.key().name
    }

    /// `chain`, `counter`, `set` or `map`.
    pub fn kind(&self) -> &'static str {
        match self {
            Place::IptablesChain(..) | Place::Chain(..) => "chain",
            Place::Counter(..) => "counter",
            Place::Set(_, set) if set.maps_to.is_some() => "map",
            Place::Set(..) => "set",
        }
    }

    /// Its lines, in order; those of a set sorted, since their order has no meaning.
    pub fn lines(&self) -> Vec<Line<'r>> {
        match *self {
            Place::IptablesChain(family, _, chain) => {
                let property = chain.policy.map(|_| Line::Policy(chain));
                let rules = chain.rules.iter().map(|rule| Line::IptablesRule(family, chain, rule));
                property.into_iter().chain(rules).collect()
            }
            Place::Chain(table, chain) => {
                let property = chain.base.as_ref().map(|base| Line::Hook(table.family, base));
                property.into_iter().chain(chain.rules.iter().map(|rule| Line::Rule(chain, rule))).collect()
            }
            Place::Counter(_, counter) => vec![Line::Counter(counter)],
            Place::Set(_, set) => {
                let mut elements: Vec<_> = set.elements.iter().map(|e| Line::Element(set, e)).collect();
                elements.sort_by_cached_key(|line| line.text());
                std::iter::once(Line::Properties(set)).chain(elements).collect()
            }
        }
    }

    /// Whether two places have the same contents, by value and without producing every text.
    pub fn is_same(&self, other: &Place<'_>) -> bool {
        match (self, other) {
            (Place::IptablesChain(_, _, a), Place::IptablesChain(_, _, b)) => {
                a.policy == b.policy && a.rules == b.rules
            }
            (Place::Chain(_, a), Place::Chain(_, b)) => a.base == b.base && a.rules == b.rules,
            (Place::Counter(_, a), Place::Counter(_, b)) => Line::Counter(a) == Line::Counter(b),
            (Place::Set(_, a), Place::Set(_, b)) => {
                Line::Properties(a) == Line::Properties(b) && a.elements == b.elements
            }
            _ => false,
        }
    }
}

/// A rule, an element, or a property of a chain or set.
#[derive(Debug, Clone, Copy)]
pub enum Line<'r> {
    /// The policy of a built-in chain of iptables.
    Policy(&'r ipt::Chain),
    /// A rule of iptables.
    IptablesRule(Family, &'r ipt::Chain, &'r ipt::PlacedRule),
    /// Where a base chain of nftables hooks in.
    Hook(nft::TableFamily, &'r nft::BaseChain),
    /// A rule of nftables.
    Rule(&'r nft::Chain, &'r nft::PlacedRule),
    /// A counter, without its counts.
    Counter(&'r nft::Counter),
    /// Type, flags and timeout of a set or map.
    Properties(&'r nft::Set),
    /// An element of a set or map.
    Element(&'r nft::Set, &'r nft::Element),
}

impl PartialEq for Line<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Line::Policy(a), Line::Policy(b)) => a.policy == b.policy,
            (Line::IptablesRule(_, _, a), Line::IptablesRule(_, _, b)) => a == b,
            (Line::Hook(_, a), Line::Hook(_, b)) => a == b,
            (Line::Rule(_, a), Line::Rule(_, b)) => a == b,
            (Line::Element(_, a), Line::Element(_, b)) => a == b,
            (Line::Counter(a), Line::Counter(b)) => a.name == b.name,
            (Line::Properties(a), Line::Properties(b)) => {
                (&a.key, &a.maps_to, a.timeout_seconds) == (&b.key, &b.maps_to, b.timeout_seconds)
            }
            _ => false,
        }
    }
}

impl<'r> Line<'r> {
    /// What made it, if that is known.
    pub fn origin(&self) -> Option<Origin> {
        match self {
            Line::IptablesRule(_, _, placed) => placed.origin,
            Line::Rule(_, placed) => placed.origin,
            Line::Element(_, element) => element.origin,
            Line::Policy(_) | Line::Hook(..) | Line::Counter(_) | Line::Properties(_) => None,
        }
    }

    /// As it is listed, on one line.
    pub fn text(&self) -> String {
        self.to_string()
    }

    /// The text without the chance of a balancing rule, so that another chance does not make another rule.
    pub fn text_without_chance(&self) -> String {
        match self {
            Line::IptablesRule(family, chain, placed) if has_chance(&placed.rule) => {
                let mut rule = placed.rule.clone();
                rule.matches.retain(|m| !matches!(m, ipt::Match::Probability(_)));
                rule_text(&chain.name, &rule, *family)
            }
            line => line.text(),
        }
    }
}

fn has_chance(rule: &ipt::Rule) -> bool {
    rule.matches.iter().any(|m| matches!(m, ipt::Match::Probability(_)))
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Policy(chain) => {
                let policy = if chain.policy == Some(ipt::Policy::Drop) { "DROP" } else { "ACCEPT" };
                write!(f, "-P {} {policy}", chain.name)
            }
            Line::IptablesRule(family, chain, placed) => {
                f.write_str(&rule_text(&chain.name, &placed.rule, *family))
            }
            Line::Hook(_, base) => {
                let policy = if base.drops_by_default { "drop" } else { "accept" };
                let (kind, hook, priority) = (&base.kind, base.hook.name(), base.priority);
                write!(f, "type {kind} hook {hook} priority {priority}; policy {policy};")
            }
            Line::Rule(_, placed) => placed.rule.fmt(f),
            Line::Counter(counter) => write!(f, "counter {}", counter.name),
            Line::Properties(set) => {
                let key: Vec<&str> = set.key.iter().map(nft::DataType::name).collect();
                write!(f, "type {}", key.join(" . "))?;
                if let Some(value) = &set.maps_to {
                    write!(f, " : {}", value.name())?;
                }
                set.timeout_seconds.map_or(Ok(()), |seconds| write!(f, "; timeout {seconds}s"))
            }
            Line::Element(_, element) => element.fmt(f),
        }
    }
}
