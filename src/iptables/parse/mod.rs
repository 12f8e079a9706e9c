//! Reads what `iptables-save` and `ip6tables-save` of version 1.8 print (both variants, with or without counters), and
//! what kube-proxy hands to `iptables-restore`.
//!
//! What kube-proxy never writes is kept as opaque text, so that it is printed just as it was. Time and memory are
//! linear in the length of the text.

mod capture;
mod document;
mod families;
pub(crate) mod foreign;
mod line;
mod matches;
mod rule;
mod stretch;
mod target;
mod token;

use crate::diagnostic::ParseError;
use crate::net::Family;

pub use capture::{Capture, Part, Variant};
pub use line::MAX_LINE;

/// Reads a text. The family of tables comes from their header, else from their addresses, else from `hint`; otherwise
/// it is IPv4.
///
/// # Errors
/// The first line that is not understood, and tables that are cut off or occur twice.
pub fn parse(text: &str, hint: Option<Family>) -> Result<Capture, ParseError> {
    document::Document::default().read(text, hint)
}

#[cfg(test)]
mod tests;
