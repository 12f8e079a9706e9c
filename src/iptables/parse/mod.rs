//! Reads what `iptables-save` and `ip6tables-save` of version 1.8 print (both variants, with or without counters), and
//! what kube-proxy hands to `iptables-restore`.
//!
//! What kube-proxy never writes is kept as opaque text, so that printing gives the same text again. Time and memory are
//! linear in the text.

mod document;
mod matches;
mod rule;
mod stretch;
mod target;
mod token;

use crate::diagnostic::{Excerpt, ParseError};
use crate::net::Family;

use super::ruleset::Ruleset;

/// The longest line in bytes. The longest that iptables prints (a bytecode of `-m bpf`) is far below.
pub const MAX_LINE: usize = 1 << 16;

/// What a text holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capture {
    /// One ruleset for each family and variant, in the order of the text.
    pub parts: Vec<Part>,
    /// Whether the tool warned that tables of the legacy variant exist besides those that it printed.
    pub legacy_tables_present: bool,
    /// Names of tables that the tool left out because it cannot say them in its language.
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

/// Variant of the iptables tools: which kernel interface they speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The header says `(nf_tables)`, or the tool is called `xtables-save`.
    Nft,
    /// The header says nothing: the legacy variant, or a version before 1.8.8.
    Legacy,
}

/// Reads a text. A header tells the family of its tables, else their addresses do, else `hint`, else they are taken for
/// IPv4.
///
/// # Errors
/// The first line that is not understood, and tables that are cut off or come twice.
pub fn parse(text: &str, hint: Option<Family>) -> Result<Capture, ParseError> {
    document::Document::default().read(text, hint)
}

/// The first word of a text, and what follows it.
fn token_of(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    text.find([' ', '\t']).map_or((text, ""), |end| text.split_at(end))
}

/// A fault within a line.
type Fault = String;

#[cfg(test)]
mod tests;
