//! Rules that should be there and are not.

use super::delta::{Delta, by_service, count};
use super::{Finding, Kind};

pub(super) fn find(deltas: &[Delta<'_>]) -> Vec<Finding> {
    let missing = deltas.iter().filter(|d| !d.is_builtin() && d.is_missing() && !d.is_extra());
    by_service(Kind::Missing, missing, |name, deltas| {
        let lines = deltas.iter().flat_map(|delta| delta.missing());
        format!("{name}: {} missing", count(lines))
    })
}
