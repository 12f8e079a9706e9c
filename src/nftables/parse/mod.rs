//! Reads what `nft list ruleset`, `nft list table` and `nft -j list ruleset` print (1.0.6 to 1.1.x).
//!
//! What kube-proxy never writes is kept as opaque text. Nothing here recurses into the text, and time and memory are
//! linear in it.

mod datum;
mod element;
mod expression;
mod general;
mod json;
mod listing;
mod statement;
mod word;

use super::ruleset::Ruleset;
use crate::diagnostic::ParseError;

/// Reads a listing. Handles and counts of elements (`# handle 5`, `# count 2`) are ignored.
///
/// # Errors
/// The first line that is not understood, and tables that are cut off or come twice.
pub fn parse_listing(text: &str) -> Result<Ruleset, ParseError> {
    listing::read(text)
}

/// Reads JSON. Statements that kube-proxy never writes keep their JSON text, which is no text of a listing; what
/// kube-proxy writes is the same value as from a listing, but comments of tables and chains are missing in the JSON of
/// versions before 1.1.
///
/// # Errors
/// Text that is not JSON of nft, tables or chains that come twice, rules of chains that are not there.
pub fn parse_json(text: &str) -> Result<Ruleset, ParseError> {
    json::read(text)
}

#[cfg(test)]
mod tests;
