//! Reads what `nft list ruleset`, `nft list table` and `nft -j list ruleset` print (1.0.6 to 1.1.x).
//!
//! What kube-proxy never writes is kept as opaque text. Nothing here recurses into the text, and time and memory are
//! linear in its length.

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
/// The first line that is not understood, and tables that are cut off or occur twice.
pub fn parse_listing(text: &str) -> Result<Ruleset, ParseError> {
    listing::read(text)
}

/// Reads JSON. Statements that kube-proxy never writes keep their JSON text, which is not the text of a listing; what
/// kube-proxy writes becomes the same value as from a listing, except that comments of tables and chains are missing in
/// the JSON of versions before 1.1.
///
/// # Errors
/// Text that is not nft's JSON, tables or chains that occur twice, rules of chains that do not exist.
pub fn parse_json(text: &str) -> Result<Ruleset, ParseError> {
    json::read(text)
}

#[cfg(test)]
mod tests;
