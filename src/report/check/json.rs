//! As JSON.

use crate::compare::check::Report;

/// Prints it, with a line feed at the end.
pub fn print(report: &Report) -> String {
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    text + "\n"
}
