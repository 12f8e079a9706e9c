//! A ruleset of nftables as a value. What the compiler emits and what the parsers read are the same types; a statement
//! that kube-proxy never writes is kept as opaque text.

mod bound;
mod datum;
mod duration;
mod expression;
mod set;
mod statement;

use compact_str::CompactString;

use crate::net::Family;
use crate::plan::origin::Origin;

pub(crate) use bound::Bound;
pub use datum::{DataType, Datum, Interval};
pub(in crate::nftables) use duration::Duration;
pub(crate) use expression::{BARE_META, EXTENSION_HEADERS, is_extension_field};
pub use expression::{Binary, Chooser, Direction, Expression, FibResult, Header, Selector};
pub use set::{Element, MapValue, Set, Verdict};
pub use statement::{
    Addresses, Comparison, Diversion, FibEnd, Field, Limit, Log, Operator, Rule, SetChange, SetOperation,
    Statement, Translation, TranslationKind,
};

/// Tables, in listing order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    /// The tables.
    pub tables: Vec<Table>,
}

/// Family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as the families are")]
pub enum TableFamily {
    Ip,
    Ip6,
    Inet,
    Arp,
    Bridge,
    Netdev,
}

impl TableFamily {
    /// All of them.
    pub const ALL: [TableFamily; 6] = [
        TableFamily::Ip,
        TableFamily::Ip6,
        TableFamily::Inet,
        TableFamily::Arp,
        TableFamily::Bridge,
        TableFamily::Netdev,
    ];

    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            TableFamily::Ip => "ip",
            TableFamily::Ip6 => "ip6",
            TableFamily::Inet => "inet",
            TableFamily::Arp => "arp",
            TableFamily::Bridge => "bridge",
            TableFamily::Netdev => "netdev",
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> Option<TableFamily> {
        TableFamily::ALL.into_iter().find(|f| f.name() == text)
    }

    /// Whether its rules see packets of an IP family.
    pub fn sees(self, family: Family) -> bool {
        match self {
            TableFamily::Ip => family == Family::Ipv4,
            TableFamily::Ip6 => family == Family::Ipv6,
            TableFamily::Inet => true,
            TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => false,
        }
    }
}

impl From<Family> for TableFamily {
    fn from(family: Family) -> Self {
        match family {
            Family::Ipv4 => TableFamily::Ip,
            Family::Ipv6 => TableFamily::Ip6,
        }
    }
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its family.
    pub family: TableFamily,
    /// Its name.
    pub name: CompactString,
    /// Its comment.
    pub comment: Option<CompactString>,
    /// Named counters, in listing order.
    pub counters: Vec<Counter>,
    /// Sets and maps, in listing order.
    pub sets: Vec<Set>,
    /// Chains, in listing order.
    pub chains: Vec<Chain>,
    /// Other objects (quotas, flowtables, flags, ...), each as printed, without the table's indentation.
    pub opaque: Vec<String>,
}

impl Table {
    /// Whether it is dormant: nothing runs its chains.
    pub fn is_dormant(&self) -> bool {
        let flags = |text: &String| text.starts_with("flags ") && text.contains("dormant");
        self.opaque.iter().any(flags)
    }

    /// Whether it has rules or a policy at hooks that the walk does not follow: those for bridged frames and ARP, and
    /// those of a device, before and after everything else.
    pub fn is_out_of_reach(&self) -> bool {
        let of_frames = matches!(self.family, TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev);
        let decides = |chain: &&Chain| {
            !chain.rules.is_empty() || chain.base.as_ref().is_some_and(|b| b.drops_by_default)
        };
        let at_device = |chain: &Chain| {
            let hook = chain.base.as_ref().map(|base| base.hook);
            of_frames && hook.is_some() || matches!(hook, Some(Hook::Ingress | Hook::Egress))
        };
        !self.is_dormant() && self.chains.iter().filter(decides).any(at_device)
    }

    /// The chain of that name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|c| c.name == name)
    }

    /// The set or map of that name.
    pub fn set(&self, name: &str) -> Option<&Set> {
        self.sets.iter().find(|s| s.name == name)
    }
}

/// A named counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Its name.
    pub name: CompactString,
    /// Its comment.
    pub comment: Option<CompactString>,
    /// Packets that it has counted.
    pub packets: u64,
    /// Bytes that it has counted.
    pub bytes: u64,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: CompactString,
    /// Its comment.
    pub comment: Option<CompactString>,
    /// Where it hooks in; none for a chain that is jumped to.
    pub base: Option<BaseChain>,
    /// Its rules, in order.
    pub rules: Vec<PlacedRule>,
}

/// Where a base chain hooks in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// `type`: `filter`, `nat` or `route`.
    pub kind: CompactString,
    /// `hook`
    pub hook: Hook,
    /// `device` or other words between hook and priority, as printed.
    pub device: Option<CompactString>,
    /// `priority`
    pub priority: i32,
    /// Whether the policy is `drop` instead of `accept`.
    pub drops_by_default: bool,
}

/// A netfilter hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as the hooks are")]
pub enum Hook {
    Ingress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    Egress,
}

impl Hook {
    /// All of them.
    pub const ALL: [Hook; 7] = [
        Hook::Ingress,
        Hook::Prerouting,
        Hook::Input,
        Hook::Forward,
        Hook::Output,
        Hook::Postrouting,
        Hook::Egress,
    ];

    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Ingress => "ingress",
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
            Hook::Egress => "egress",
        }
    }

    /// Reads the word.
    pub fn from_name(text: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|h| h.name() == text)
    }
}

/// A rule in a chain, with what made it. Two are equal if their rules are.
#[derive(Debug, Clone)]
pub struct PlacedRule {
    /// The rule.
    pub rule: Rule,
    /// What made it; none in captures.
    pub origin: Option<Origin>,
}

impl PartialEq for PlacedRule {
    fn eq(&self, other: &Self) -> bool {
        self.rule == other.rule
    }
}

impl Eq for PlacedRule {}
