//! What packets for a destination reach.

use crate::nftables::ruleset::{Element, Set};
use crate::walk::outcome::RuleRef;

/// Something that packets for a destination reach: two rulesets with equal lists of them treat every packet alike.
#[derive(Debug, Clone, Copy)]
pub enum Reached<'r> {
    /// A rule that some of them can match; a reference without an index is to the chain itself.
    Rule(RuleRef<'r>),
    /// A set or map that a rule looks up or fills: its type and how long it remembers a client, not its elements.
    Set(&'r Set),
    /// An element of a set or map.
    Element(&'r Element),
    /// All that they reach in a chain of another program, and in those that it leads to, as a number.
    Apart(u128),
    /// The end of a chain.
    EndOfChain,
    /// A jump to a chain, or a lookup in a set, that does not exist.
    Missing,
}

impl PartialEq for Reached<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Reached::Rule(a), Reached::Rule(b)) => is_same(a, b),
            (Reached::Set(a), Reached::Set(b)) => {
                (&a.key, &a.maps_to, &a.flags, a.timeout_seconds)
                    == (&b.key, &b.maps_to, &b.flags, b.timeout_seconds)
            }
            (Reached::Element(a), Reached::Element(b)) => a.key == b.key && a.value == b.value,
            (Reached::Apart(a), Reached::Apart(b)) => a == b,
            (Reached::EndOfChain, Reached::EndOfChain) | (Reached::Missing, Reached::Missing) => true,
            _ => false,
        }
    }
}

fn is_same(a: &RuleRef<'_>, b: &RuleRef<'_>) -> bool {
    match (a, b) {
        (
            RuleRef::Iptables { table: ta, chain: ca, index: ia, .. },
            RuleRef::Iptables { table: tb, chain: cb, index: ib, .. },
        ) => match (ia, ib) {
            (Some(ia), Some(ib)) => ca.rules.get(*ia) == cb.rules.get(*ib),
            (None, None) => ta == tb && ca.name == cb.name && ca.policy == cb.policy,
            _ => false,
        },
        (
            RuleRef::Nftables { table: ta, chain: ca, index: ia },
            RuleRef::Nftables { table: tb, chain: cb, index: ib },
        ) => match (ia, ib) {
            (Some(ia), Some(ib)) => ca.rules.get(*ia) == cb.rules.get(*ib),
            (None, None) => ta.name == tb.name && ca.name == cb.name && ca.base == cb.base,
            _ => false,
        },
        _ => false,
    }
}
