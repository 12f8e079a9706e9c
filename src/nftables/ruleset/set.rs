//! Sets, maps and their elements.

use std::hash::{Hash, Hasher};

use compact_str::CompactString;

use super::bound::Bound;
use super::datum::{DataType, Datum};
use crate::plan::origin::Origin;

/// A set, or a map if `maps_to` is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: CompactString,
    /// Types of the key's parts.
    pub key: Vec<DataType>,
    /// What a map maps to.
    pub maps_to: Option<DataType>,
    /// `size`
    pub size: Option<u32>,
    /// `flags`, in printed order.
    pub flags: Vec<CompactString>,
    /// `timeout` in seconds.
    pub timeout_seconds: Option<u32>,
    /// `comment`
    pub comment: Option<CompactString>,
    /// Other properties (`auto-merge`, `gc-interval`, `policy`, ...), each as printed.
    pub opaque: Vec<CompactString>,
    /// The elements, in listing order.
    pub elements: Vec<Element>,
}

/// An element of a set or map.
#[derive(Debug, Clone)]
pub struct Element {
    /// The parts of the key.
    pub key: Vec<Datum>,
    /// Its comment.
    pub comment: Option<CompactString>,
    /// What a map maps it to.
    pub value: Option<MapValue>,
    /// Other properties (`expires`, `timeout`, `counter`), as printed between key and comment.
    pub opaque: Option<CompactString>,
    /// What made it; none in captures.
    pub origin: Option<Origin>,
}

impl Element {
    /// The limit of its own, if it has one, which each look-up asks (net/netfilter/nft_lookup.c, `nft_lookup_eval`).
    pub(crate) fn limit(&self) -> Option<Bound> {
        let text = self.opaque.as_deref()?;
        let starts =
            |limit: &&str| text.strip_prefix(*limit).is_some() || text.contains(&format!(" {limit}"));
        ["limit ", "quota ", "ct count "].iter().any(starts).then(|| Bound::of_text(text))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
            && self.comment == other.comment
            && self.value == other.value
            && self.opaque == other.opaque
    }
}

impl Eq for Element {}

impl Hash for Element {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.value.hash(state);
    }
}

/// What a map maps a key to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MapValue {
    /// A verdict.
    Verdict(Verdict),
    /// A value, with as many parts as its type.
    Data(Vec<Datum>),
    /// Anything else, as printed.
    Opaque(CompactString),
}

/// What ends the way through a chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the verdicts are")]
pub enum Verdict {
    Accept,
    Drop,
    Return,
    Continue,
    Jump(CompactString),
    Goto(CompactString),
}
