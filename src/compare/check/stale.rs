//! Rules of a Service or an endpoint that is gone.

use super::Kind;
use super::delta::Draft;
use super::delta::{Delta, by_service, count};

pub(super) fn find<'d, 'r>(deltas: &'d [Delta<'r>]) -> Vec<Draft<'d, 'r>> {
    let stale = deltas.iter().filter(|d| !d.is_builtin() && d.is_extra() && (!d.is_missing() || !d.is_known));
    by_service(Kind::Stale, stale, |name, deltas| {
        let lines = count(deltas.iter().flat_map(|delta| delta.extra()));
        match deltas.first() {
            Some(delta) if !delta.is_known => {
                format!("{name} is not in the cluster, but its rules are on the node: {lines}")
            }
            _ => format!("{name}: {lines} that should not be there"),
        }
    })
}
