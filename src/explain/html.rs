//! An explanation as one self-contained page.

use super::Explanation;

/// Prints the page. Explanations of the same Service in both modes stand together.
pub fn print(explanations: &[Explanation]) -> String {
    let _ = explanations;
    String::new()
}
