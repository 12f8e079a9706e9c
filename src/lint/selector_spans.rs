//! A selector that matches Pods of several workloads.

use super::finding::{Findings, Lint, Severity};
use super::pods::makers;
use super::subject::Subject;
use super::words;
use crate::diagnostic::message;

pub(super) static LINT: Lint = Lint {
    code: "KR052",
    name: "selector-spans-workloads",
    severity: Severity::Note,
    summary: "a Service selects Pods of more than one workload",
    check,
};

/// Kinds whose Pods come and go and rarely serve anything.
const PASSING: [&str; 2] = ["Job", "CronJob"];

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.services.values() {
        let pods = subject.pods.of_service(&view.located.object);
        let makers = makers(&pods);
        if makers.len() < 2 {
            continue;
        }
        let passes = makers.iter().any(|(kind, _)| PASSING.contains(kind));
        let severity = if passes { Severity::Warning } else { Severity::Note };
        let named = words::list(makers.iter().map(|(kind, name)| format!("{kind} {name}")));
        let message = message!(
            "it selects Pods of {} workloads ({named}): each gets its share of the connections",
            makers.len()
        );
        let remedy = "where that is not meant, add a label that only one of them has to the selector and to its template";
        found.add_as(severity, view.about("spec.selector"), message, remedy);
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, owned_pod, service};

    fn with(pods: &str) -> Vec<String> {
        found(
            "KR052",
            &(service("web", "{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]}") + pods),
        )
    }

    #[test]
    fn fires_for_two() {
        let two = owned_pod("a", "ReplicaSet", "web-1") + &owned_pod("b", "Job", "migrate");
        assert_eq!(
            with(&two),
            [
                "it selects Pods of 2 workloads (Job migrate, ReplicaSet web-1): each gets its share of the connections"
            ]
        );
    }

    #[test]
    fn is_silent_for_one() {
        assert!(
            with(&(owned_pod("a", "ReplicaSet", "web-1") + &owned_pod("b", "ReplicaSet", "web-1")))
                .is_empty()
        );
        assert!(with("").is_empty());
    }
}
