//! Plan to ruleset: the table that kube-proxy keeps on the node for one family.

mod base;
mod build;
mod elements;
mod fixed_sets;
mod forward;
mod loopback;
mod name;
mod service_port;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::ruleset::{Chain, Ruleset, Set, Table, TableFamily};
use crate::parallel;
use crate::plan::{Plan, ServicePortPlan};
use fixed_sets::FixedSets;
pub use loopback::is_loopback_object;

/// The name of kube-proxy's tables.
pub const TABLE: &str = "kube-proxy";

/// The ruleset of one family: one table, as kube-proxy of the plan's release leaves it on a fresh node.
///
/// If two Services use the same address and port, the last in the plan's order gets the element; if both have the same
/// verdict, the first's comment stays.
pub fn compile(plan: &Plan<'_>) -> Ruleset {
    written(plan, |_| true)
}

/// The same, but with the chains and sets of only some Service ports, by their index in the plan; these are exactly as
/// in the whole.
pub fn compile_around(plan: &Plan<'_>, indices: &BTreeSet<usize>) -> Ruleset {
    written(plan, |index| indices.contains(&index))
}

fn written(plan: &Plan<'_>, is_wanted: impl Fn(usize) -> bool + Sync) -> Ruleset {
    let (mut sets, own) = parallel::both(|| fixed_sets(plan), || of_service_ports(plan, is_wanted));
    let mut chains: Vec<Chain> = base::chains(plan);
    for (affinity_sets, chains_of_ports) in own {
        sets.extend(affinity_sets);
        chains.extend(chains_of_ports);
    }
    Ruleset {
        tables: vec![Table {
            family: TableFamily::from(plan.family()),
            name: TABLE.into(),
            comment: Some("rules for kube-proxy".into()),
            counters: loopback::counters(plan),
            sets,
            chains,
            opaque: Vec::new(),
        }],
    }
}

/// The sets and maps that every node has, with their elements.
fn fixed_sets(plan: &Plan<'_>) -> Vec<Set> {
    let mut fixed = FixedSets::new(plan);
    compilers(plan, 0, plan.service_ports()).for_each(|compiler| compiler.add_elements(&mut fixed));
    fixed.into_sets()
}

/// A thread is worth starting for at least this many Service ports.
const SHORTEST_STRETCH: usize = 256;

/// The sets and chains of the Service ports themselves, in order.
fn of_service_ports(
    plan: &Plan<'_>,
    is_wanted: impl Fn(usize) -> bool + Sync,
) -> Vec<(Vec<Set>, Vec<Chain>)> {
    parallel::by_stretch(plan.service_ports(), SHORTEST_STRETCH, |first, ports| {
        let (mut sets, mut chains) = (Vec::new(), Vec::new());
        let wanted = (first..).zip(compilers(plan, first, ports)).filter(|(index, _)| is_wanted(*index));
        for (_, compiler) in wanted {
            sets.extend(compiler.affinity_sets());
            chains.extend(compiler.chains());
        }
        (sets, chains)
    })
}

/// Compilers of a stretch of the plan's Service ports that starts at the index `first`.
fn compilers<'p, 'c>(
    plan: &'p Plan<'c>,
    first: usize,
    ports: &'p [ServicePortPlan<'c>],
) -> impl Iterator<Item = service_port::Compiler<'p, 'c>> {
    let first = u32::try_from(first).unwrap_or(u32::MAX);
    (first..).zip(ports).map(|(index, port)| service_port::Compiler::new(plan, index, port))
}
