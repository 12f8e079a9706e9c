//! What in a cluster is probably a mistake: findings with stable codes, each with its place and remedy.
//!
//! A lint is a file: a [`Lint`] with its code and its check, and the tests that it fires and that it does not. To add
//! one: add the file, its line in [`LINTS`] and its page `docs/lint/KRnnn.md`.

mod address_conflict;
mod address_form;
mod affinity_one_endpoint;
mod cluster_ip_not_free;
mod comment_too_long;
mod deprecated;
mod dual_stack_half;
mod duplicate_endpoint;
mod external_ip_in_use;
mod finding;
pub mod github;
mod health_check_port;
mod hints_not_used;
mod ipvs_mode;
pub mod json;
mod kube_proxy_fails;
mod large_cluster;
mod local_policy;
mod loopback_sync;
mod missing_backend;
mod missing_governing_service;
mod no_endpoints;
mod no_usable_endpoints;
mod node_port_range;
mod only_terminating_endpoints;
mod orphaned_slice;
pub mod pages;
mod passed_over;
mod pods;
mod port_mismatch;
mod refused;
pub mod sarif;
mod selector_spans;
mod source_ranges_exclude_node;
mod source_ranges_open;
mod subject;
#[cfg(test)]
mod tests;
pub mod text;
mod undeclared_port;
mod unset_mode;
mod words;
mod zone_without_endpoints;

use std::collections::BTreeSet;

pub use finding::{Finding, Lint, Severity, Summary};
pub use subject::{ServiceNetworks, Subject};

use crate::parallel;
use finding::Findings;

/// Every lint, by code.
pub static LINTS: [&Lint; 42] = [
    &no_endpoints::LINT,
    &no_usable_endpoints::LINT,
    &only_terminating_endpoints::LINT,
    &port_mismatch::LINT,
    &local_policy::LINT,
    &address_conflict::LINT,
    &external_ip_in_use::LINT,
    &source_ranges_exclude_node::LINT,
    &source_ranges_open::LINT,
    &affinity_one_endpoint::LINT,
    &health_check_port::LINT,
    &zone_without_endpoints::LINT,
    &hints_not_used::LINT,
    &comment_too_long::LINT,
    &deprecated::LINT,
    &dual_stack_half::LINT,
    &node_port_range::LINT,
    &orphaned_slice::LINT,
    &large_cluster::LINT,
    &kube_proxy_fails::LINT,
    &passed_over::LINT,
    &duplicate_endpoint::LINT,
    &unset_mode::LINT,
    &ipvs_mode::LINT,
    &address_form::LINT,
    &loopback_sync::LINT,
    &refused::UNKNOWN_FIELD,
    &refused::WRONG_TYPE,
    &refused::FIELD_OFF_TYPE,
    &refused::INVALID_PORT,
    &refused::INVALID_NAME,
    &refused::INVALID_VALUE,
    &refused::INVALID_ADDRESS,
    &refused::FAMILY_MISMATCH,
    &refused::MISSING_VALUE,
    &refused::INVALID_TEMPLATE,
    &refused::VERSION_NOT_SERVED,
    &cluster_ip_not_free::LINT,
    &selector_spans::LINT,
    &undeclared_port::LINT,
    &missing_governing_service::LINT,
    &missing_backend::LINT,
];

/// Lints that repeat what other stages found, unless another lint reports it better.
static LAST: [&Lint; 2] = [&kube_proxy_fails::LINT, &passed_over::LINT];

/// The code of the lint for a change of nodePortAddresses over a live table.
pub const LOOPBACK_SYNC: &str = loopback_sync::CODE;

/// What to check before an upgrade of kube-proxy, or before a change of its configuration.
static BEFORE_UPGRADE: [&Lint; 5] =
    [&deprecated::LINT, &unset_mode::LINT, &ipvs_mode::LINT, &address_form::LINT, &loopback_sync::LINT];

/// The lint with this code, in any case.
pub fn find(code: &str) -> Option<&'static Lint> {
    LINTS.into_iter().find(|lint| lint.code.eq_ignore_ascii_case(code))
}

/// Looks for everything that is not ignored; sorted by place, then code.
pub fn run(subject: &Subject<'_>, ignored: &BTreeSet<&str>) -> Vec<Finding> {
    run_some(&LINTS, subject, ignored)
}

/// Looks for what must be done before an upgrade to the subject's release.
pub fn before_upgrade(subject: &Subject<'_>) -> Vec<Finding> {
    run_some(&BEFORE_UPGRADE, subject, &BTreeSet::new())
}

fn run_some(lints: &[&'static Lint], subject: &Subject<'_>, ignored: &BTreeSet<&str>) -> Vec<Finding> {
    let is_last = |lint: &&Lint| LAST.iter().any(|last| last.code == lint.code);
    let (last, first): (Vec<&'static Lint>, Vec<&'static Lint>) = lints.iter().copied().partition(is_last);
    let sources = &subject.snapshot.sources;
    let look = |lint: &'static Lint, earlier: &[Finding]| {
        let mut found = Findings { lint, sources, earlier, found: Vec::new() };
        (lint.check)(subject, &mut found);
        found.found
    };
    let found = parallel::each(&first, |lint| look(lint, &[])).into_iter().flatten().collect();
    let mut found = finding::placed(sources, found);
    for lint in last {
        let new = look(lint, &found);
        found.extend(finding::placed(sources, new));
    }
    for finding in found.iter_mut().filter(|finding| finding.place.is_none()) {
        finding.place = subject.fallback.clone();
    }
    found.retain(|finding| !ignored.contains(finding.lint.code));
    found.sort_by(|a, b| a.key().cmp(&b.key()));
    found.dedup_by(|a, b| a.key() == b.key());
    found
}
