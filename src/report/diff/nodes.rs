//! Sets of nodes in words.

/// At most this many nodes are named.
const NAMED: usize = 3;

/// `on node a`, `on all 100 nodes`, `on 97 nodes (all but cp-1, cp-2, cp-3)`, `on 2 of 5 nodes (a, b)`.
pub(super) fn on(nodes: &[String], all: &[String]) -> String {
    format!("on {}", words(nodes, all))
}

/// The same without the preposition.
pub(super) fn words(nodes: &[String], all: &[String]) -> String {
    let others: Vec<&String> = all.iter().filter(|name| nodes.binary_search(name).is_err()).collect();
    match (nodes, others.len()) {
        ([only], 0) => format!("node {only}"),
        (_, 0) => format!("all {} nodes", nodes.len()),
        (_, 1..=NAMED) if nodes.len() > NAMED => {
            let names: Vec<&str> = others.iter().map(|name| name.as_str()).collect();
            format!("{} nodes (all but {})", nodes.len(), names.join(", "))
        }
        ([only], _) => format!("1 of {} nodes ({only})", all.len()),
        _ => format!("{} of {} nodes ({})", nodes.len(), all.len(), listed(nodes)),
    }
}

/// `a, b, c and 4 more`
pub(super) fn listed(names: &[String]) -> String {
    let named = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_told_by_what_is_shorter() {
        let all: Vec<String> = (0..100).map(|i| format!("n{i:02}")).collect();
        assert_eq!(words(&all, &all), "all 100 nodes");
        assert_eq!(words(&all[3..], &all), "97 nodes (all but n00, n01, n02)");
        assert_eq!(words(&all[..2], &all), "2 of 100 nodes (n00, n01)");
        assert_eq!(words(&all[..7], &all), "7 of 100 nodes (n00, n01, n02 and 4 more)");
        assert_eq!(words(&all[..1], &all[..1]), "node n00");
        assert_eq!(words(&all[..1], &all[..2]), "1 of 2 nodes (n00)");
    }
}
