//! Rules that differ.

use super::Kind;
use super::delta::Draft;
use super::delta::{Delta, by_service, count};

pub(super) fn find<'d, 'r>(deltas: &'d [Delta<'r>]) -> Vec<Draft<'d, 'r>> {
    let altered = deltas.iter().filter(|delta| {
        let both = delta.is_missing() && delta.is_extra() && !delta.change.reordered;
        delta.is_known
            && !delta.is_builtin()
            && (both || (delta.change.rewritten > 0 && delta.change.lines.is_empty()))
    });
    by_service(Kind::Altered, altered, |name, deltas| {
        let rewritten: usize = deltas.iter().map(|delta| delta.change.rewritten).sum();
        let lines = deltas.iter().flat_map(|delta| delta.missing());
        match deltas.iter().any(|delta| !delta.change.lines.is_empty()) {
            true => format!("{name}: {} altered", count(lines)),
            false => format!("{name}: {rewritten} rules with another chance"),
        }
    })
}
