//! Plan to ruleset: the table that kube-proxy keeps on the node for one family.

mod base;
mod build;
mod elements;
mod fixed_sets;
mod forward;
mod name;
mod service_port;

#[cfg(test)]
pub(in crate::nftables) mod samples;
#[cfg(test)]
mod tests;

use super::ruleset::{Chain, Ruleset, Set, Table, TableFamily};
use crate::plan::Plan;
use fixed_sets::FixedSets;

/// The name of kube-proxy's tables.
pub const TABLE: &str = "kube-proxy";

/// The ruleset of one family: one table, as kube-proxy of the plan's release leaves it on a fresh node.
///
/// Where two Services claim one address and port, the last in the plan's order has the element; where both want the
/// same verdict, the first's comment stays.
pub fn compile(plan: &Plan<'_>) -> Ruleset {
    let mut fixed = FixedSets::new(plan);
    let mut affinity_sets: Vec<Set> = Vec::new();
    let mut chains: Vec<Chain> = base::chains(plan);
    for (index, service_port) in (0u32..).zip(&plan.service_ports) {
        let compiler = service_port::Compiler::new(plan, index, service_port);
        compiler.add_elements(&mut fixed);
        affinity_sets.extend(compiler.affinity_sets());
        chains.extend(compiler.chains());
    }
    let mut sets = fixed.into_sets();
    sets.append(&mut affinity_sets);
    Ruleset {
        tables: vec![Table {
            family: TableFamily::from(plan.family),
            name: TABLE.into(),
            comment: Some("rules for kube-proxy".into()),
            sets,
            chains,
            opaque: Vec::new(),
        }],
    }
}
