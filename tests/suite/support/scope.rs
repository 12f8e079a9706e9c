//! What a quick run leaves out: with `KUBERULES_FULL=1`, as `.ci/run` sets it, nothing.

/// Tests that take their share of what they are given in a quick run, and what only the full run covers.
pub const LEFT_OUT: [(&str, &str); 22] = [
    ("check", "five of six captured rulesets of the corpus"),
    ("conformance::iptables", "three of four captured rulesets"),
    ("conformance::nftables", "three of four captured tables"),
    ("conformance::traces", "eleven of twelve captured rulesets, packet by packet"),
    ("determinism::input_order", "three of four clusters"),
    (
        "diff",
        "five of six comparisons between the modes, eleven of twelve between releases, and their snapshots",
    ),
    ("escaping::pages", "two of three fields"),
    ("escaping::rules", "two of three hostile texts"),
    ("every_node", "two of three clusters"),
    (
        "explain_journey",
        "two of three journeys of the example step by step in the browser, 23 of 24 of the shop",
    ),
    ("expect::corpus", "five of six clusters of the corpus"),
    ("expect::random", "eleven of twelve random clusters"),
    ("judges::agreement", "23 of 24 nodes of the corpus"),
    ("judges::diff", "six of seven changes of a field, one of three random clusters"),
    ("kernel::foreign_iptables", "29 of 30 rulesets with rules of other programs, and packets sent through"),
    ("kernel::iptables", "six of seven rulesets"),
    ("kernel::nftables", "five of six rulesets"),
    ("kernel::random_clusters", "nine of ten batches of random clusters"),
    ("kernel::trace", "seven of eight rulesets with packets sent through"),
    ("services", "three of four clusters, 28 of 29 packets"),
    ("truth", "two of three forms of an answer where no walk gets through"),
    ("mutations", "four of five mutations of fuzz seeds"),
];

/// Tests of which the full run takes a third, since the checks are to stay under 20 minutes; `KUBERULES_FULL=all`, by
/// hand, takes all of them.
const BY_HAND: [&str; 5] =
    ["services", "expect::corpus", "expect::random", "explain_journey", "kernel::foreign_iptables"];

fn is_full(level: &str) -> bool {
    std::env::var("KUBERULES_FULL").is_ok_and(|value| value == level)
}

/// Whether everything runs, but for what is left to runs by hand.
pub fn full() -> bool {
    is_full("1") || all()
}

/// Whether everything runs.
pub fn all() -> bool {
    is_full("all")
}

/// What of a list a test works through: all in the full run, else one of `every`. `test` is its name in [`LEFT_OUT`].
pub fn share<T>(test: &str, every: usize, list: Vec<T>) -> Vec<T> {
    assert!(LEFT_OUT.iter().any(|(name, _)| *name == test), "LEFT_OUT lacks {test}");
    let step = match (full(), all() || !BY_HAND.contains(&test)) {
        (false, _) => every,
        (true, true) => 1,
        (true, false) => every.div_ceil(3),
    };
    list.into_iter().step_by(step).collect()
}
