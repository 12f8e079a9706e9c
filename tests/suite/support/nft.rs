//! Texts of nft.

/// Comments, sets, maps and chains of all tables, each as printed, sorted: kube-proxy processes Services in no fixed
/// order, so the order of their chains and sets does not count.
pub fn blocks(listing: &str) -> Vec<String> {
    let tables = listing.split("\n}\n").filter(|table| !table.is_empty());
    let mut blocks: Vec<String> =
        tables.flat_map(|table| table.split("\n\n")).map(|block| block.trim_end().to_owned()).collect();
    blocks.sort();
    blocks
}

/// The blocks of what nft 1.0.6 lists after JSON: it ignores the comments of tables, chains and sets in it.
pub fn without_comments_of_objects(listing: &str) -> Vec<String> {
    let is_comment = |line: &&str| line.trim_start().starts_with("comment \"");
    let lines: Vec<&str> = listing.lines().filter(|line| !is_comment(line)).collect();
    blocks(&(lines.join("\n") + "\n"))
}

/// Sets of clients in a ruleset that are loaded as large as they are.
const LARGE_SETS: usize = 40;

/// A ruleset (a script, a listing or JSON) in which each endpoint with session affinity has a set for fewer clients
/// than 65,535, if there are many of them: the kernel takes a megabyte for each at once, twice while one ruleset
/// replaces another. That it takes and lists this size is judged by all smaller rulesets.
pub fn with_small_sets(ruleset: &str) -> String {
    let mut text = ruleset.to_owned();
    for (large, small) in
        [("size 65535", "size 64"), ("\"size\": 65535", "\"size\": 64"), ("\"size\":65535", "\"size\":64")]
    {
        if text.matches(large).count() > LARGE_SETS {
            text = text.replace(large, small);
        }
    }
    text
}
