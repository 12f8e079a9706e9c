//! Ingresses that lead to a Service or port that does not exist.

use super::finding::{Findings, Lint, Severity};
use super::subject::{About, Subject};
use super::words;
use crate::diagnostic::{Message, message};
use crate::input::api::{Backend, IntOrString, ServicePort};

pub(super) static LINT: Lint = Lint {
    code: "KR055",
    name: "missing-backend",
    severity: Severity::Warning,
    summary: "an Ingress leads to a Service, or to a port of it, that is not there",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for located in &subject.snapshot.ingresses {
        let metadata = &located.object.metadata;
        for backend in &located.object.backends {
            if let Some((field, message)) = wrong(subject, &metadata.namespace, backend) {
                let about = About {
                    position: Some(located.position),
                    object: Some(metadata.object_ref("Ingress")),
                    field: format!("{}.{field}", backend.field),
                };
                found.add(
                    about,
                    message,
                    "an Ingress reaches only Services of its own namespace, by number or name of their ports",
                );
            }
        }
    }
}

fn wrong(subject: &Subject<'_>, namespace: &str, backend: &Backend) -> Option<(&'static str, Message)> {
    let name = backend.service.as_str();
    if !subject.knows_service(namespace, name) {
        let elsewhere: Vec<&str> = subject
            .services
            .keys()
            .filter(|(_, service)| *service == name)
            .map(|(namespace, _)| *namespace)
            .collect();
        let elsewhere = if elsewhere.is_empty() {
            String::new()
        } else {
            format!("; there is one in {}", words::list(elsewhere))
        };
        return Some(("name", message!("the input has no Service {namespace}/{name}{elsewhere}")));
    }
    let spec = subject.services.get(&(namespace, name))?.spec();
    let port = backend.port.as_ref()?;
    if spec.type_ == "ExternalName" || spec.ports.iter().any(|there| is_meant(there, port)) {
        return None;
    }
    let there = words::list(spec.ports.iter().map(shown));
    let (field, wanted) = match port {
        IntOrString::Int(number) => ("port.number", number.to_string()),
        IntOrString::String(name) => ("port.name", format!("{name:?}")),
    };
    Some((field, message!("Service {namespace}/{name} has no port {wanted}, but {there}")))
}

fn is_meant(port: &ServicePort, wanted: &IntOrString) -> bool {
    match wanted {
        IntOrString::Int(number) => port.port == *number,
        IntOrString::String(name) => port.name == *name,
    }
}

fn shown(port: &ServicePort) -> String {
    if port.name.is_empty() { port.port.to_string() } else { format!("{} ({:?})", port.port, port.name) }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service};

    fn with(backend: &str) -> Vec<String> {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80, name: http}]}");
        found(
            "KR055",
            &format!(
                "{web}---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i, namespace: shop}}\nspec: {{rules: [{{http: {{paths: [{{backend: {{service: {backend}}}}}]}}}}]}}\n"
            ),
        )
    }

    #[test]
    fn fires_for_a_service_or_port_that_is_not_there() {
        assert_eq!(with("{name: wbe, port: {number: 80}}"), ["the input has no Service shop/wbe"]);
        assert_eq!(
            with("{name: web, port: {number: 8080}}"),
            ["Service shop/web has no port 8080, but 80 (\"http\")"]
        );
        assert_eq!(
            with("{name: web, port: {name: web}}"),
            ["Service shop/web has no port \"web\", but 80 (\"http\")"]
        );
    }

    #[test]
    fn is_silent_for_what_is_there() {
        assert!(with("{name: web, port: {number: 80}}").is_empty());
        assert!(with("{name: web, port: {name: http}}").is_empty());
    }
}
