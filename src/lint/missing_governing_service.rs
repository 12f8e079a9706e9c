//! A StatefulSet whose Service does not exist.

use super::finding::{Findings, Lint, Severity};
use super::subject::{About, Subject};
use crate::diagnostic::message;
use crate::input::api::{Workload, WorkloadKind};
use crate::input::{Located, tree};

pub(super) static LINT: Lint = Lint {
    code: "KR054",
    name: "missing-governing-service",
    severity: Severity::Warning,
    summary: "a StatefulSet's serviceName names no Service: its Pods have no DNS names",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let sets =
        subject.snapshot.workloads.iter().filter(|located| located.object.kind == WorkloadKind::StatefulSet);
    for located in sets {
        let metadata = &located.object.metadata;
        let Some(name) = service_name(subject, located).filter(|name| !name.is_empty()) else { continue };
        if subject.knows_service(&metadata.namespace, &name) {
            continue;
        }
        let about = About {
            position: Some(located.position),
            object: Some(metadata.object_ref("StatefulSet")),
            field: "spec.serviceName".to_owned(),
        };
        let message = message!(
            "the input has no Service {}/{name}: names such as {}-0.{name} resolve to nothing",
            metadata.namespace,
            metadata.name
        );
        found.add(
            about,
            message,
            "add a headless Service of this name (clusterIP: None) that selects the Pods",
        );
    }
}

/// Only this lint needs the field, so it is read from the text.
fn service_name(subject: &Subject<'_>, located: &Located<Workload>) -> Option<String> {
    let text = subject.snapshot.sources.standalone(located.position)?;
    let tree = tree::read_documents(&text).ok()?.into_iter().next()?;
    tree.get("spec")?.get("serviceName")?.as_text().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service};

    const SET: &str = "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: kafka, namespace: shop}\nspec: {serviceName: kafka-hs}\n";

    #[test]
    fn fires_without_the_service() {
        assert_eq!(
            found("KR054", &(service("other", "{clusterIP: None}") + SET)),
            ["the input has no Service shop/kafka-hs: names such as kafka-0.kafka-hs resolve to nothing"]
        );
    }

    #[test]
    fn is_silent_with_it() {
        assert!(found("KR054", &(service("kafka-hs", "{clusterIP: None}") + SET)).is_empty());
    }
}
