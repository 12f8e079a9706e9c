//! A file for `nft -f` after which the node has exactly the listing: on a fresh host, and again on top of itself, in
//! one transaction.
//!
//! The tables are replaced as a whole, so the clients that affinity sets remember are forgotten.

use std::fmt::Write;

use super::list;
use super::ruleset::{Addresses, Interval, Ruleset, Statement};

/// The script.
pub fn print(ruleset: &Ruleset) -> String {
    let mut script = String::new();
    for table in &ruleset.tables {
        let (family, name) = (table.family.name(), &table.name);
        // Deleting a table that does not exist is an error, adding one that does is not.
        let _ = writeln!(script, "add table {family} {name}\ndelete table {family} {name}");
    }
    script + &list::print(&keeping_braces(ruleset))
}

/// The ruleset written so that nft lists it as it is: a set of one interval would lose its braces, so the interval is
/// written as two, which nft merges.
pub(super) fn keeping_braces(ruleset: &Ruleset) -> Ruleset {
    let mut written = ruleset.clone();
    let chains = written.tables.iter_mut().flat_map(|table| &mut table.chains);
    let statements = chains.flat_map(|chain| &mut chain.rules).flat_map(|placed| &mut placed.rule.statements);
    for statement in statements {
        if let Statement::Address { addresses: Addresses::Anonymous(intervals), .. } = statement {
            split_single(intervals);
        }
    }
    written
}

fn split_single(intervals: &mut Vec<Interval>) {
    if let [single] = **intervals {
        *intervals = single.halves().to_vec();
    }
}
