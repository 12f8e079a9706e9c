//! Rules that should be there and are not.

use super::Kind;
use super::delta::Draft;
use super::delta::{Delta, by_service, count};

pub(super) fn find<'d, 'r>(deltas: &'d [Delta<'r>]) -> Vec<Draft<'d, 'r>> {
    let missing = deltas.iter().filter(|d| !d.is_builtin() && d.is_missing() && !d.is_extra());
    by_service(Kind::Missing, missing, |name, deltas| {
        let lines = deltas.iter().flat_map(|delta| delta.missing());
        format!("{name}: {} missing", count(lines))
    })
}
