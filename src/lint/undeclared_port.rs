//! A target port that no container declares.

use std::collections::BTreeSet;

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject};
use super::words;
use crate::diagnostic::message;
use crate::input::api::{self, IntOrString};

pub(super) static LINT: Lint = Lint {
    code: "KR053",
    name: "undeclared-port",
    severity: Severity::Note,
    summary: "a numeric targetPort is declared by no container of the Pods",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.services.values() {
        let pods = subject.pods.of_service(&view.located.object);
        // Containers may listen on ports that they do not declare, so only among declared ports can one be missing.
        if pods.iter().any(|pod| pod.object.ports.is_empty()) {
            continue;
        }
        let declared: BTreeSet<(i64, &str)> =
            pods.iter().flat_map(|pod| &pod.object.ports).map(declared).collect();
        if !declared.is_empty() {
            tell(view, &declared, found);
        }
    }
}

fn declared(port: &api::ContainerPort) -> (i64, &str) {
    (port.port, protocol(&port.protocol))
}

fn protocol(written: &str) -> &str {
    if written.is_empty() { "TCP" } else { written }
}

fn tell(view: &ServiceView<'_>, declared: &BTreeSet<(i64, &str)>, found: &mut Findings<'_>) {
    for (i, port) in view.spec().ports.iter().enumerate() {
        let target = match &port.target_port {
            None | Some(IntOrString::Int(0)) => port.port,
            Some(IntOrString::Int(number)) => *number,
            Some(IntOrString::String(_)) => continue,
        };
        let wanted = (target, protocol(&port.protocol));
        if declared.contains(&wanted) {
            continue;
        }
        let other_protocol = declared.iter().any(|(number, _)| *number == target);
        let field = match (&port.target_port, other_protocol) {
            (_, true) => "protocol",
            (Some(_), false) => "targetPort",
            (None, false) => "port",
        };
        let there = words::list(declared.iter().map(|(number, protocol)| format!("{number}/{protocol}")));
        let message =
            message!("{target}/{} is declared by no container of the Pods, which declare {there}", wanted.1);
        let remedy = "traffic goes there all the same; see whether a container listens on it";
        found.add(view.about(format!("spec.ports[{i}].{field}")), message, remedy);
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, serving_pod};

    fn with(port: &str, declared: &str) -> Vec<String> {
        let spec = format!("{{clusterIP: 10.96.0.1, selector: {{app: web}}, ports: [{{port: 80, {port}}}]}}");
        found("KR053", &(service("web", &spec) + &serving_pod("a", declared)))
    }

    #[test]
    fn fires_for_a_number_or_protocol_that_is_not_declared() {
        assert_eq!(
            with("targetPort: 8081", "{containerPort: 8080}"),
            ["8081/TCP is declared by no container of the Pods, which declare 8080/TCP"]
        );
        assert_eq!(with("targetPort: 8080, protocol: UDP", "{containerPort: 8080}").len(), 1);
    }

    #[test]
    fn is_silent_where_it_is_declared_or_none_is() {
        assert!(with("targetPort: 8080", "{containerPort: 8080}").is_empty());
        assert!(with("targetPort: http", "{containerPort: 8080}").is_empty());
        assert!(with("targetPort: 8081", "").is_empty());
    }
}
