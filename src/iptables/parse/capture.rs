//! The result of reading: rulesets by family and variant.

use crate::iptables::ruleset::Ruleset;
use crate::net::Family;

/// The contents of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capture {
    /// One ruleset for each family and variant, in the order of the text.
    pub parts: Vec<Part>,
    /// Whether the tool warned that tables of the legacy variant exist besides those that it printed.
    pub legacy_tables_present: bool,
    /// Families whose tool says that it wrote the text, or a part of it, even one without tables.
    pub headers: Vec<Family>,
    /// Names of tables that the tool left out because it cannot express them.
    pub incompatible_tables: Vec<String>,
}

/// A ruleset of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the header says about the tool's variant; none without a header.
    pub variant: Option<Variant>,
    /// The ruleset.
    pub ruleset: Ruleset,
}

/// Variant of the iptables tools: which kernel interface they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The header has `(nf_tables)`, or the tool is called `xtables-save`.
    Nft,
    /// The header has no such note: the legacy variant, or a version before 1.8.8.
    Legacy,
}
