//! Jumps from the built-in chains of iptables into kube-proxy's.

use super::Kind;
use super::delta::Draft;
use super::delta::{Delta, by_service};

pub(super) fn find<'d, 'r>(deltas: &'d [Delta<'r>]) -> Vec<Draft<'d, 'r>> {
    let jumps = || deltas.iter().filter(|delta| delta.is_builtin() && !delta.change.reordered);
    let missing =
        by_service(Kind::BaseJumpMissing, jumps().filter(|delta| delta.is_missing()), |_, deltas| {
            let chains: Vec<&str> = deltas.iter().map(|delta| delta.change.place.name()).collect();
            format!("jumps into kube-proxy's chains are missing or altered in {}", chains.join(", "))
        });
    let extra = jumps().filter(|delta| delta.is_extra() && !delta.is_missing());
    let mut extra = by_service(Kind::Stale, extra, |_, deltas| {
        let chains: Vec<&str> = deltas.iter().map(|delta| delta.change.place.name()).collect();
        format!("jumps that should not be there, or that occur twice, in {}", chains.join(", "))
    });
    let mut found = missing;
    found.append(&mut extra);
    found
}
