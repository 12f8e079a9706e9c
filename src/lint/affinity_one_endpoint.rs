//! Session affinity although there is nothing to choose from.

use std::collections::BTreeSet;

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;

pub(super) static LINT: Lint = Lint {
    code: "KR010",
    name: "affinity-one-endpoint",
    severity: Severity::Note,
    summary: "sessionAffinity is ClientIP, but with one endpoint it only adds rules",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        let sticky = || view.ports.iter().filter(|port| port.affinity_seconds.is_some());
        let usable = |port: &&&crate::cluster::ServicePort| {
            let texts: BTreeSet<_> =
                port.endpoints.iter().filter(|e| e.is_usable()).map(|e| &e.text).collect();
            texts.len()
        };
        if sticky().next().is_some() && sticky().all(|port| usable(&port) == 1) {
            let message = "sessionAffinity is ClientIP, but there is one endpoint to choose from";
            let remedy = "leave sessionAffinity out until there are more endpoints";
            found.add(view.about("spec.sessionAffinity"), message, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, slice};

    fn with(endpoints: &str) -> Vec<String> {
        let web = service("web", "{clusterIP: 10.96.0.1, sessionAffinity: ClientIP, ports: [{port: 80}]}");
        found("KR010", &(web + &slice("web", "{port: 8080}", endpoints)))
    }

    #[test]
    fn fires_for_one_usable_endpoint() {
        let one = "{addresses: [10.1.0.1]}, {addresses: [10.1.0.2], conditions: {ready: false}}";
        assert_eq!(with(one), ["sessionAffinity is ClientIP, but there is one endpoint to choose from"]);
    }

    #[test]
    fn is_silent_for_two_and_none() {
        assert!(with("{addresses: [10.1.0.1]}, {addresses: [10.1.0.2]}").is_empty());
        assert!(with("").is_empty());
    }
}
