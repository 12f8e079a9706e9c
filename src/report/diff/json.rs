//! As JSON.

use crate::compare::diff::Diff;

/// Prints it, with a line feed at the end.
pub fn print(diff: &Diff) -> String {
    crate::markup::json(diff)
}
