//! What kube-proxy ignores, unless another lint reports it better.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::diagnostic;

pub(super) static LINT: Lint = Lint {
    code: "KR021",
    name: "passed-over",
    severity: Severity::Warning,
    summary: "kube-proxy ignores a part of an object or of its configuration",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let warnings = |d: &&diagnostic::Diagnostic| d.severity == diagnostic::Severity::Warning;
    found.add_diagnostics(subject.diagnostics.iter().filter(warnings));
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service};

    /// As an object that a server has stored, so that today's rules are not applied to it.
    fn with(external_ip: &str) -> Vec<String> {
        let spec = format!("{{clusterIP: 10.96.0.1, externalIPs: [{external_ip}], ports: [{{port: 80}}]}}");
        let stored =
            service("web", &spec).replace("namespace: shop", "namespace: shop, resourceVersion: '1'");
        found("KR021", &stored)
    }

    #[test]
    fn fires_for_what_is_passed_over() {
        assert_eq!(
            with("203.0.113"),
            ["spec.externalIPs[0]: \"203.0.113\" is not an IP address and is ignored"]
        );
    }

    #[test]
    fn is_silent_for_what_is_taken_and_what_another_lint_tells() {
        assert!(with("203.0.113.1").is_empty());
        let two = service("a", "{clusterIP: 10.96.0.1, externalIPs: [203.0.113.7], ports: [{port: 80}]}")
            + &service("b", "{clusterIP: 10.96.0.2, externalIPs: [203.0.113.7], ports: [{port: 80}]}");
        assert!(found("KR021", &two).is_empty());
    }
}
