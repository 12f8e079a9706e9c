//! A Service whose endpoints are all unready.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use super::words;
use crate::cluster::Endpoint;
use crate::diagnostic::message;

pub(super) static LINT: Lint = Lint {
    code: "KR002",
    name: "no-usable-endpoints",
    severity: Severity::Error,
    summary: "a Service has endpoints, but none is ready: every connection to it is refused",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        for port in &view.ports {
            if port.endpoints.is_empty() || port.endpoints.iter().any(Endpoint::is_usable) {
                continue;
            }
            let endpoints = words::list(port.endpoints.iter().map(|endpoint| &endpoint.text));
            let message = message!(
                "port {}/{}: none of its endpoints is ready, nor serving while it terminates ({endpoints}): every connection is refused",
                port.port,
                port.name.protocol()
            );
            let remedy = "look at the readiness probes of the Pods; publishNotReadyAddresses sends traffic to unready ones";
            found.add(view.about(format!("spec.ports[{}]", port.port_index)), message, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::found_of_endpoint;

    fn with(conditions: &str) -> Vec<String> {
        found_of_endpoint("KR002", conditions)
    }

    #[test]
    fn fires_where_none_can_be_used() {
        assert_eq!(
            with("{ready: false}"),
            [
                "port 80/tcp: none of its endpoints is ready, nor serving while it terminates (10.1.0.1:8080): every connection is refused"
            ]
        );
        assert_eq!(with("{ready: false, serving: false, terminating: true}").len(), 1);
    }

    #[test]
    fn is_silent_where_one_is_ready_or_still_serves() {
        assert!(with("{ready: true}").is_empty());
        assert!(with("{ready: false, serving: true, terminating: true}").is_empty());
    }
}
