//! Texts of `nft list table` and `nft list ruleset`.

/// Comments, sets, maps and chains of all tables, each as printed, sorted: kube-proxy processes Services in no fixed
/// order, so the order of their chains and sets does not count.
pub fn blocks(listing: &str) -> Vec<String> {
    let tables = listing.split("\n}\n").filter(|table| !table.is_empty());
    let mut blocks: Vec<String> =
        tables.flat_map(|table| table.split("\n\n")).map(|block| block.trim_end().to_owned()).collect();
    blocks.sort();
    blocks
}
