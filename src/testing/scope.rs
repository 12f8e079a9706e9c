//! What a quick run leaves out: with `KUBERULES_FULL=1`, as `.ci/run` sets it, nothing.

/// Tests that do only a part of their work in a quick run, and what only the full run covers.
pub(crate) const LEFT_OUT: [(&str, &str); 38] = [
    ("bounds", "a line of more than 64 MiB to annotate"),
    ("check", "23 of 24 captured rulesets of the corpus"),
    (
        "compare::check",
        "39 of 40 changes of one rule of a capture, eleven of twelve random clusters and five of eight changes \
         of the other, 25 of 26 rulesets of others",
    ),
    ("compare::nodes", "nine of ten random clusters"),
    ("compare::part_comparison", "ten of eleven random clusters"),
    ("compare::parts", "four of five random clusters"),
    ("compare::traffic", "four of five random clusters"),
    ("compare::unchanged", "four of five random clusters"),
    ("conformance::iptables", "three of four captured rulesets"),
    ("conformance::nftables", "three of four captured tables"),
    ("conformance::traces", "eleven of twelve captured rulesets, packet by packet"),
    ("determinism::input_order", "three of four clusters"),
    ("diff", "35 of 36 comparisons between the modes, 47 of 48 between releases, and their snapshots"),
    ("escaping::pages", "24 of 25 fields"),
    ("escaping::rules", "19 of 20 hostile texts"),
    ("every_node", "five of six clusters"),
    (
        "explain_journey",
        "two of three journeys of the example step by step in the browser, 47 of 48 of the shop",
    ),
    ("expect_groups", "five of six clusters"),
    (
        "explain_page",
        "whether everything of the shop is within the window, and of the example after 6 of 60 turns",
    ),
    ("explain_trace", "eleven of twelve nodes, eleven of twelve addresses"),
    ("expect::corpus", "five of six clusters of the corpus"),
    ("expect::random", "eleven of twelve random clusters"),
    ("judges::agreement", "119 of 120 nodes of the corpus"),
    ("judges::diff", "19 of 20 changes of a field, one of three random clusters"),
    ("kernel::foreign_iptables", "29 of 30 rulesets with rules of other programs, and packets sent through"),
    ("kernel::foreign_nftables", "15 of 16 rulesets with rules of other programs, and packets sent through"),
    ("kernel::iptables", "six of seven rulesets"),
    ("kernel::journey", "two of three destinations over two nodes"),
    ("kernel::nftables", "96 of 97 rulesets"),
    ("kernel::random_clusters", "19 of 20 batches of random clusters"),
    ("kernel::routing", "seven of eight nodes with random routes, and packets sent through"),
    ("kernel::trace", "47 of 48 rulesets with packets sent through"),
    ("services", "five of six clusters, 57 of 58 packets"),
    ("truth", "an answer where no walk gets through, which takes its time"),
    ("ruleset", "nine of ten clusters compiled around one Service port"),
    ("what_if_traffic", "six of seven clusters"),
    ("limits", "blanks, nested lists and maps sixteen times as long"),
    ("mutations", "fuzz seeds of more than 16 KiB, 29 of 30 mutations of all"),
];

/// Tests of which the full run does a third, since the checks must stay under 20 minutes; `KUBERULES_FULL=all` does all
/// of them, by hand.
const BY_HAND: [&str; 5] =
    ["services", "expect::corpus", "expect::random", "explain_journey", "kernel::foreign_iptables"];

fn is_full(level: &str) -> bool {
    std::env::var("KUBERULES_FULL").is_ok_and(|value| value == level)
}

/// Whether everything runs, except what is left to runs by hand.
pub(crate) fn full() -> bool {
    is_full("1") || all()
}

/// Whether everything runs.
pub(crate) fn all() -> bool {
    is_full("all")
}

/// The items of a list that a test processes: all in the full run, else one in `every`. `test` is its name in
/// [`LEFT_OUT`].
pub(crate) fn share<T>(test: &str, every: usize, list: Vec<T>) -> Vec<T> {
    assert!(LEFT_OUT.iter().any(|(name, _)| *name == test), "LEFT_OUT lacks {test}");
    let step = match (full(), all() || !BY_HAND.contains(&test)) {
        (false, _) => every,
        (true, true) => 1,
        (true, false) => every.div_ceil(3),
    };
    list.into_iter().step_by(step).collect()
}

/// How much of the whole a quick run reaches at least.
pub(crate) fn part(whole: usize, every: usize) -> usize {
    if full() { whole } else { whole / every }
}
