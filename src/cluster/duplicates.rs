//! Endpoints that are in several slices of one Service. kube-proxy keeps one entry for an address and port, and visits
//! the slices of a Service in random order (pkg/proxy/endpointslicecache.go), so which one it keeps can be a matter of
//! chance.

use std::collections::BTreeSet;

use super::{Endpoint, Hints};
use crate::settings::release::DuplicateEndpoint;

/// Two entries for one address and port between which chance decides, on one of the named nodes: the first such entries
/// in the order of the slices' names. Endpoints are those of a Service port, sorted by their text.
pub(crate) fn decided_by_chance<'e>(
    endpoints: &'e [Endpoint],
    rule: DuplicateEndpoint,
    nodes: &BTreeSet<&str>,
) -> Vec<(&'e Endpoint, &'e Endpoint)> {
    let groups = endpoints.chunk_by(|a, b| a.text == b.text).filter(|group| group.len() > 1);
    groups.filter_map(|group| rivals(group, rule, nodes)).collect()
}

fn rivals<'e>(
    group: &'e [Endpoint],
    rule: DuplicateEndpoint,
    nodes: &BTreeSet<&str>,
) -> Option<(&'e Endpoint, &'e Endpoint)> {
    let named: BTreeSet<&str> = group.iter().filter_map(|e| e.node_name.as_deref()).collect();
    // On other nodes none of the entries is local, so one of these nodes stands for all.
    let elsewhere = nodes.is_empty() || nodes.iter().any(|node| !named.contains(node));
    let on_nodes = named.iter().copied().filter(|node| nodes.is_empty() || nodes.contains(node)).map(Some);
    on_nodes.chain(elsewhere.then_some(None)).find_map(|node| {
        let candidates = candidates(group, rule, node);
        let (first, others) = candidates.split_first()?;
        let differs = |other: &&&Endpoint| {
            other.place.slice != first.place.slice && effect(other, node) != effect(first, node)
        };
        Some((*first, *others.iter().find(differs)?))
    })
}

/// Those that can be kept on a node: the release prefers some of them, whatever the order.
fn candidates<'e>(group: &'e [Endpoint], rule: DuplicateEndpoint, node: Option<&str>) -> Vec<&'e Endpoint> {
    let is_preferred = |endpoint: &&Endpoint| match rule {
        DuplicateEndpoint::LocalWins => is_local(endpoint, node),
        DuplicateEndpoint::NonTerminatingWins => !endpoint.terminating,
    };
    let preferred: Vec<&Endpoint> = group.iter().filter(is_preferred).collect();
    if preferred.is_empty() { group.iter().collect() } else { preferred }
}

fn is_local(endpoint: &Endpoint, node: Option<&str>) -> bool {
    node.is_some() && endpoint.node_name.as_deref() == node
}

/// Everything about an entry that can make a difference on a node.
fn effect<'e>(endpoint: &'e Endpoint, node: Option<&str>) -> (bool, bool, bool, Option<&'e Hints>) {
    let Endpoint { ready, hints, .. } = endpoint;
    (*ready, endpoint.is_usable(), is_local(endpoint, node), hints.as_deref().filter(|_| *ready))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Position;
    use crate::plan::samples::endpoint;

    /// Entries for one address, each in its own slice.
    fn chance(
        rule: DuplicateEndpoint,
        nodes: &[&str],
        change: impl Fn(&mut Endpoint, &mut Endpoint),
    ) -> bool {
        let mut entries = [endpoint("10.1.0.5:8080"), endpoint("10.1.0.5:8080")];
        entries[1].place.slice = Position { offset: 100, ..entries[0].place.slice };
        let [a, b] = &mut entries;
        change(a, b);
        !decided_by_chance(&entries, rule, &nodes.iter().copied().collect()).is_empty()
    }

    const RULES: [DuplicateEndpoint; 2] =
        [DuplicateEndpoint::LocalWins, DuplicateEndpoint::NonTerminatingWins];

    #[test]
    fn issue_13_entries_of_two_slices_that_differ_in_readiness_are_told() {
        for rule in RULES {
            assert!(chance(rule, &["a"], |_, b| b.ready = false));
            assert!(!chance(rule, &["a"], |_, _| ()));
        }
    }

    #[test]
    fn one_slice_has_its_own_order() {
        let in_one = |a: &mut Endpoint, b: &mut Endpoint| {
            b.ready = false;
            b.place.slice = a.place.slice;
        };
        assert!(RULES.into_iter().all(|rule| !chance(rule, &["a"], in_one)));
    }

    #[test]
    fn chance_has_no_part_where_the_release_prefers_one() {
        let terminating = |_: &mut Endpoint, b: &mut Endpoint| (b.ready, b.terminating) = (false, true);
        assert!(!chance(DuplicateEndpoint::NonTerminatingWins, &["a"], terminating));
        assert!(chance(DuplicateEndpoint::LocalWins, &["a"], terminating));
        let local = |_: &mut Endpoint, b: &mut Endpoint| {
            (b.ready, b.node_name) = (false, Some("a".into()));
        };
        assert!(!chance(DuplicateEndpoint::LocalWins, &["a"], local));
        assert!(chance(DuplicateEndpoint::LocalWins, &["a", "b"], local));
    }
}
