//! What a packet changed in sets of nftables on its way.

use super::value::Value;

/// A change that a packet made in a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Filled<'r> {
    /// The number of its table.
    pub(super) table: Option<usize>,
    pub(super) set: &'r str,
    /// What the packet had for each part of the key.
    pub(super) key: Vec<Value>,
    pub(super) does: Fills,
}

/// What a rule does with an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fills {
    PutsIn,
    /// Puts in an element with a limit of its own, which is asked with each look-up (net/netfilter/nft_lookup.c).
    PutsInLimited,
    TakesOut,
}
