//! Node ports outside the usual range.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::diagnostic::message;

/// `--service-node-port-range` of the API server, where it is not set.
const RANGE: std::ops::RangeInclusive<i64> = 30_000..=32_767;

pub(super) static LINT: Lint = Lint {
    code: "KR017",
    name: "node-port-range",
    severity: Severity::Warning,
    summary: "a node port lies outside 30000 to 32767",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.services.values() {
        let spec = view.spec();
        let ports = spec.ports.iter().enumerate();
        let node_ports = ports.map(|(i, port)| (format!("spec.ports[{i}].nodePort"), port.node_port));
        let health = ("spec.healthCheckNodePort".to_owned(), spec.health_check_node_port);
        for (field, number) in node_ports.chain([health]) {
            let is_outside = number != 0 && !RANGE.contains(&number);
            if is_outside && !subject.refuses(view.located.position, &field) {
                let message = message!(
                    "{number} lies outside {} to {}: it may collide with ports that the nodes use themselves",
                    RANGE.start(),
                    RANGE.end()
                );
                let remedy =
                    "choose one in the range; an API server with another --service-node-port-range takes it";
                found.add(view.about(field), message, remedy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, stored};

    fn with(number: u16) -> Vec<String> {
        found(
            "KR017",
            &stored(&service(
                "web",
                &format!("{{clusterIP: 10.96.0.1, ports: [{{port: 80, nodePort: {number}}}]}}"),
            )),
        )
    }

    #[test]
    fn fires_outside() {
        assert_eq!(
            with(8080),
            ["8080 lies outside 30000 to 32767: it may collide with ports that the nodes use themselves"]
        );
        assert_eq!(with(32768).len(), 1);
    }

    #[test]
    fn is_silent_inside_and_without() {
        assert!(with(30000).is_empty());
        assert!(with(32767).is_empty());
        assert!(with(0).is_empty());
    }
}
