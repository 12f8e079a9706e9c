//! As JSON.

use crate::compare::diff::Diff;

/// Prints it, with a line feed at the end.
pub fn print(diff: &Diff) -> String {
    let text = serde_json::to_string_pretty(diff).unwrap_or_default();
    text + "\n"
}
