//! What `diff` says of a change of kube-proxy's release beside what changes.

use super::pipeline::Pipeline;
use crate::capture::Captured;
use crate::compare::diff::Advice;
use crate::compare::migration::{Migration, Proxy};
use crate::diagnostic::Diagnostics;
use crate::lint::{self, Finding, Subject};
use crate::migration::{self, Target};
use crate::net::Family;
use crate::plan::{LoopbackNodePorts, loopback_node_ports};

/// What is to be looked at before the new side's release, or its configuration, comes to the nodes.
pub(super) fn advice(old: &Pipeline, new: &Pipeline) -> Vec<Advice> {
    let (from, to) = (old.settings.release, new.settings.release);
    let is_upgrade = (from.minor, from.since_patch) < (to.minor, to.since_patch);
    let sync_fails = loopback_sync_fails(old, new);
    if !is_upgrade && !sync_fails {
        return Vec::new();
    }
    let is_wanted = |finding: &Finding| match finding.lint.code {
        lint::LOOPBACK_SYNC => sync_fails,
        _ => is_upgrade,
    };
    let diagnostics = Diagnostics::default();
    let subject = Subject::new(&new.snapshot, &new.settings, &new.cluster, &diagnostics, None);
    lint::before_upgrade(&subject).into_iter().filter(is_wanted).map(of_finding).collect()
}

/// The change of kube-proxy's mode or release, if there is one.
pub(super) fn migration(
    old: &Pipeline,
    new: &Pipeline,
    captured: &[(String, Captured)],
) -> Option<Migration> {
    let proxy = |side: &Pipeline| Proxy {
        mode: side.settings.mode.name(),
        release: side.settings.release.to_string(),
    };
    let (from, to) = (proxy(old), proxy(new));
    (from != to).then(|| {
        let target = Target { snapshot: &new.snapshot, cluster: &new.cluster, settings: &new.settings };
        let pre_flight = migration::look(&target, old.settings.mode, captured);
        Migration { from, to, known: Vec::new(), pre_flight }
    })
}

/// Whether a family whose table rejects node ports on loopback is to serve them.
fn loopback_sync_fails(old: &Pipeline, new: &Pipeline) -> bool {
    Family::ALL.into_iter().any(|family| {
        loopback_node_ports(&old.settings, family) == LoopbackNodePorts::Rejected
            && loopback_node_ports(&new.settings, family) == LoopbackNodePorts::Proxied
    })
}

fn of_finding(finding: Finding) -> Advice {
    Advice {
        code: finding.lint.code,
        severity: finding.severity.name(),
        place: finding.place.map(|place| place.to_string()),
        object: finding.object.map(|object| object.to_string()),
        message: finding.message,
        remedy: finding.remedy,
    }
}
