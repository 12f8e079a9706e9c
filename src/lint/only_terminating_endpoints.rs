//! A Service whose only endpoints are terminating.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use super::words;
use crate::diagnostic::message;

pub(super) static LINT: Lint = Lint {
    code: "KR003",
    name: "only-terminating-endpoints",
    severity: Severity::Warning,
    summary: "all usable endpoints of a Service are terminating",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        for port in &view.ports {
            let usable = || port.endpoints.iter().filter(|endpoint| endpoint.is_usable());
            if usable().next().is_none() || usable().any(|endpoint| endpoint.ready) {
                continue;
            }
            let message = message!(
                "port {}/{}: no endpoint is ready; traffic goes to those that terminate but still serve ({})",
                port.port,
                port.name.protocol(),
                words::list(usable().map(|endpoint| &endpoint.text))
            );
            let remedy =
                "connections are refused once these Pods are gone; see why their successors are not ready";
            found.add(view.about(format!("spec.ports[{}]", port.port_index)), message, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::found_of_endpoint;

    fn with(conditions: &str) -> Vec<String> {
        found_of_endpoint("KR003", conditions)
    }

    #[test]
    fn fires_where_only_terminating_ones_serve() {
        assert_eq!(
            with("{ready: false, serving: true, terminating: true}"),
            [
                "port 80/tcp: no endpoint is ready; traffic goes to those that terminate but still serve (10.1.0.1:8080)"
            ]
        );
    }

    #[test]
    fn is_silent_where_one_is_ready_or_none_serves() {
        assert!(with("{ready: true}").is_empty());
        assert!(with("{ready: false, serving: false, terminating: true}").is_empty());
    }
}
