//! Small pieces of sentences.

use std::fmt::Display;

/// At most this many items of a list are named.
const NAMED: usize = 5;

/// `1 note`, `2 notes`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `a, b and 3 more`.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let more = all.len().saturating_sub(NAMED);
    let named = all.get(..all.len() - more).unwrap_or_default().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

/// `node a`, `nodes a, b`.
pub(super) fn nodes(names: &[&str]) -> String {
    format!("{} {}", if names.len() == 1 { "node" } else { "nodes" }, list(names))
}

#[cfg(test)]
mod tests {
    #[test]
    fn long_lists_are_cut() {
        assert_eq!(super::list(1..=5), "1, 2, 3, 4, 5");
        assert_eq!(super::list(1..=7), "1, 2, 3, 4, 5 and 2 more");
        assert_eq!(super::nodes(&["a"]), "node a");
        assert_eq!(super::count(2, "note"), "2 notes");
    }
}
