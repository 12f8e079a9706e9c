//! What a quick run leaves out: with `KUBERULES_FULL=1`, as `.ci/run` sets it, nothing.

/// Tests that do only a part of their work in a quick run, and what only the full run covers.
pub(crate) const LEFT_OUT: [(&str, &str); 41] = [
    ("bounds", "a line of more than 64 MiB to annotate"),
    ("check", "23 of 24 captured rulesets of the corpus"),
    (
        "compare::check",
        "39 of 40 changes of one rule of a capture, 24 of 25 random clusters and seven of eight changes \
         of the other, 66 of 67 rulesets of others, seven of eight nodes with random routes",
    ),
    ("compare::consequence", "18 of 19 random clusters"),
    ("compare::nodes", "18 of 19 random clusters"),
    ("compare::part_comparison", "22 of 23 random clusters"),
    ("compare::parts", "eight of nine random clusters"),
    ("compare::traffic", "eight of nine random clusters"),
    ("compare::unchanged", "four of five random clusters"),
    ("conformance::iptables", "twelve of thirteen captured rulesets"),
    ("conformance::nftables", "twelve of thirteen captured tables"),
    ("conformance::traces", "22 of 23 captured rulesets, packet by packet"),
    ("determinism::environment", "three of five environments"),
    ("determinism::input_order", "three of four clusters"),
    ("diff", "35 of 36 comparisons between the modes, 47 of 48 between releases, and their snapshots"),
    ("escaping::pages", "24 of 25 fields"),
    ("escaping::rules", "60 of 61 hostile texts"),
    ("every_node", "twelve of thirteen clusters"),
    (
        "explain_journey",
        "two of three journeys of the example, 18 of 19 step by step in the browser, 47 of 48 \
         of the shop",
    ),
    ("expect_groups", "four of five clusters"),
    (
        "explain_page",
        "whether everything of the shop is within the window, and of the example after 3 of 60 turns",
    ),
    ("explain_trace", "eleven of twelve nodes, eleven of twelve addresses"),
    ("expect::corpus", "eleven of twelve clusters of the corpus"),
    ("expect::random", "29 of 30 random clusters"),
    ("judges::agreement", "119 of 120 nodes of the corpus"),
    ("judges::diff", "30 of 31 changes of a field, one of three random clusters"),
    (
        "kernel::foreign_iptables",
        "150 of 151 rulesets with rules of other programs, and packets sent through",
    ),
    ("kernel::foreign_nftables", "30 of 31 rulesets with rules of other programs, and packets sent through"),
    ("kernel::iptables", "twelve of thirteen rulesets"),
    ("kernel::journey", "two of three destinations over two nodes"),
    ("kernel::nftables", "96 of 97 rulesets, seven of eight unusual plans"),
    ("kernel::random_clusters", "29 of 30 batches of random clusters"),
    ("kernel::routing", "16 of 17 nodes with random routes, and packets sent through"),
    ("kernel::trace", "96 of 97 rulesets with packets sent through"),
    ("services", "twelve of thirteen clusters, 118 of 119 packets"),
    ("truth", "an answer where no walk gets through, which takes its time"),
    ("ruleset", "nine of ten clusters compiled around one Service port"),
    ("what_if_traffic", "six of seven clusters"),
    ("walk::interface_rules", "nine of ten random rulesets"),
    ("limits", "blanks, nested lists and maps sixteen times as long"),
    ("mutations", "fuzz seeds of more than 16 KiB, 58 of 59 mutations of all"),
];

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

/// The items of a list that a test processes: all in the full run, else one in `every`, which should have no divisor in
/// common with what alternates in the list. `test` is its name in [`LEFT_OUT`].
pub(crate) fn share<T>(test: &str, every: usize, list: Vec<T>) -> Vec<T> {
    share_by_hand(test, every, 1, list)
}

/// The same for a test of which the full run, too, does only one item in so many, since the checks must stay under 20
/// minutes: `KUBERULES_FULL=all` does all of them, by hand.
pub(crate) fn share_by_hand<T>(test: &str, quick: usize, full_run: usize, list: Vec<T>) -> Vec<T> {
    assert!(LEFT_OUT.iter().any(|(name, _)| *name == test), "LEFT_OUT lacks {test}");
    let step = match (all(), full()) {
        (true, _) => 1,
        (false, true) => full_run,
        (false, false) => quick,
    };
    list.into_iter().step_by(step).collect()
}

/// How much of the whole a quick run reaches at least.
pub(crate) fn part(whole: usize, every: usize) -> usize {
    if full() { whole } else { whole / every }
}
