//! As JSON.

use crate::compare::check::Report;

/// Prints it, with a line feed at the end.
pub fn print(report: &Report) -> String {
    crate::markup::json(report)
}
