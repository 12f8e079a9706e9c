//! EndpointSlices that no Service wants.

use super::finding::{Findings, Lint, Severity};
use super::subject::{SERVICE_NAME_LABEL, Subject, about_slice};
use crate::diagnostic::message;

pub(super) static LINT: Lint = Lint {
    code: "KR018",
    name: "orphaned-slice",
    severity: Severity::Warning,
    summary: "an EndpointSlice names no Service, or one that is not there",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for slice in &subject.snapshot.endpoint_slices {
        let metadata = &slice.object.metadata;
        match metadata.label(SERVICE_NAME_LABEL).filter(|name| !name.is_empty()) {
            None => {
                let message = message!("it has no label {SERVICE_NAME_LABEL}: kube-proxy ignores it");
                found.add(
                    about_slice(slice, "metadata.labels"),
                    message,
                    "label it with the name of its Service",
                );
            }
            Some(name) if !subject.services.contains_key(&(metadata.namespace.as_str(), name)) => {
                let message = message!(
                    "there is no Service {}/{name} in the input: kube-proxy ignores the slice",
                    metadata.namespace
                );
                let field = format!("metadata.labels[\"{SERVICE_NAME_LABEL}\"]");
                found.add(
                    about_slice(slice, field),
                    message,
                    "remove it, correct the label, or add the Service to the input",
                );
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, slice};

    #[test]
    fn fires_without_a_service_and_without_a_label() {
        let orphan = slice("gone", "{port: 80}", "{addresses: [10.1.0.1]}");
        assert_eq!(
            found("KR018", &orphan),
            ["there is no Service shop/gone in the input: kube-proxy ignores the slice"]
        );
        let bare = orphan.replace("kubernetes.io/service-name: gone", "app: gone");
        assert_eq!(
            found("KR018", &bare),
            ["it has no label kubernetes.io/service-name: kube-proxy ignores it"]
        );
    }

    #[test]
    fn is_silent_where_the_service_is_there() {
        let web = service("web", "{clusterIP: None, ports: [{port: 80}]}");
        assert!(found("KR018", &(web + &slice("web", "{port: 80}", "{addresses: [10.1.0.1]}"))).is_empty());
    }
}
