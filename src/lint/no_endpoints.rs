//! A Service without endpoints.

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject};
use super::words;
use crate::assume;
use crate::diagnostic::{Message, message};
use crate::input::{Located, api};

pub(super) static LINT: Lint = Lint {
    code: "KR001",
    name: "no-endpoints",
    severity: Severity::Warning,
    summary: "a Service has no endpoints: every connection to it is refused",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served().filter(|view| has_none(view)) {
        let spec = view.spec();
        let field = if spec.selector.is_empty() { "" } else { "spec.selector" };
        let Why { severity, message, remedy } = why(subject, view);
        found.add_as(severity, view.about(field), message, remedy);
    }
}

fn has_none(view: &ServiceView<'_>) -> bool {
    view.endpoints().next().is_none() && view.slices.iter().all(|slice| slice.object.endpoints.is_empty())
}

/// What is known about the reason.
struct Why {
    severity: Severity,
    message: Message,
    remedy: &'static str,
}

fn refused(why: impl Into<Message>, remedy: &'static str) -> Why {
    let message = why.into().within(|why| format!("{why}: every connection to it is refused"));
    Why { severity: Severity::Warning, message, remedy }
}

fn why(subject: &Subject<'_>, view: &ServiceView<'_>) -> Why {
    let service = &view.located.object;
    let (namespace, selector) = (&service.metadata.namespace, &view.spec().selector);
    if selector.is_empty() {
        return refused(
            "it has no selector, and the input has no EndpointSlice with an endpoint for it",
            "make an EndpointSlice with the label kubernetes.io/service-name, or add the one of the cluster to the input",
        );
    }
    let text = selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let selected = subject.pods.of_service(service).len();
    if selected > 0 {
        return refused(
            message!(
                "no EndpointSlice has an endpoint for it, though its selector {text} matches {}",
                words::count(selected, "Pod")
            ),
            "check whether the Pods have an IP and a node, and whether the EndpointSlice controller runs",
        );
    }
    let here = subject.pods.of_namespace(namespace);
    let remedy = "correct the selector or the labels of the Pods, or scale the workload up";
    if let Some(makers) = unknown_makers(subject, service) {
        let message = message!(
            "its selector {text} matches no Pod of the input, which has {makers}: whether they make Pods with these labels is not known"
        );
        return Why { severity: Severity::Note, message, remedy: "add the Pods to the input" };
    }
    if !here.is_empty() {
        return refused(unmatched(&text, subject, service, here.len()), remedy);
    }
    if subject.cluster_told(view) {
        let why = "no EndpointSlice has an endpoint for it: its selector";
        return refused(message!("{why} {text} seems to match no Pod"), remedy);
    }
    let message = message!(
        "the input holds no Pods in namespace {namespace}: what its selector {text} matches is not known"
    );
    Why {
        severity: Severity::Note,
        message,
        remedy: "add the Pods, what makes them or the EndpointSlices of the cluster to the input",
    }
}

/// Objects that may make the Service's Pods, but in ways that are not modelled.
fn unmatched(text: &str, subject: &Subject<'_>, service: &api::Service, number: usize) -> Message {
    let (namespace, selector) = (&service.metadata.namespace, &service.spec.selector);
    let nearest = nearest(&subject.pods.near(namespace, selector), selector);
    if number == 1 {
        let labels = nearest.map(|labels| format!(", which has {labels}")).unwrap_or_default();
        return message!("its selector {text} does not match the only Pod in namespace {namespace}{labels}");
    }
    let labels = nearest.map(|labels| format!("; the nearest has {labels}")).unwrap_or_default();
    message!("its selector {text} matches none of the {number} Pods in namespace {namespace}{labels}")
}

fn unknown_makers(subject: &Subject<'_>, service: &api::Service) -> Option<String> {
    let makers = assume::pod_makers(subject.snapshot, service);
    (!makers.is_empty())
        .then(|| words::list(makers.iter().map(|maker| maker.metadata.object_ref(&maker.kind))))
}

/// The labels that differ from a selector, for the Pod that comes closest to it.
fn nearest(pods: &[&Located<api::Pod>], selector: &[(api::Text, api::Text)]) -> Option<String> {
    let likeness = |pod: &api::Pod| -> f64 {
        let of = |(key, value): &(api::Text, api::Text)| match pod.metadata.label(key) {
            Some(there) if there == value => 2.0,
            Some(there) => strsim::normalized_damerau_levenshtein(there, value),
            None => 0.0,
        };
        selector.iter().map(of).sum()
    };
    let best =
        pods.iter().map(|pod| (likeness(&pod.object), &pod.object)).filter(|(likeness, _)| *likeness > 0.0);
    // Among equals, the first by name.
    let (_, pod) =
        best.min_by(|(a, pod), (b, other)| b.total_cmp(a).then(pod.metadata.name.cmp(&other.metadata.name)))?;
    let differs = selector.iter().filter(|(key, value)| pod.metadata.label(key) != Some(value));
    let shown = differs.map(|(key, _)| match pod.metadata.label(key) {
        Some(there) => format!("{key}={there}"),
        None => format!("no label {key}"),
    });
    Some(words::list(shown))
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, slice};

    #[test]
    fn fires_by_what_the_input_knows() {
        let web = service("web", "{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]}");
        assert_eq!(
            found("KR001", &web),
            ["the input holds no Pods in namespace shop: what its selector app=web matches is not known"]
        );
        let pod = |app: &str| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop, labels: {{app: {app}}}}}\n"
            )
        };
        assert_eq!(
            found("KR001", &(web.clone() + &slice("web", "{port: 80}", ""))),
            [
                "no EndpointSlice has an endpoint for it: its selector app=web seems to match no Pod: every connection to it is refused"
            ]
        );
        assert_eq!(
            found("KR001", &(web.clone() + &pod("wbe"))),
            [
                "its selector app=web does not match the only Pod in namespace shop, which has app=wbe: every connection to it is refused"
            ]
        );
        assert_eq!(
            found("KR001", &(web + &pod("web"))),
            [
                "no EndpointSlice has an endpoint for it, though its selector app=web matches 1 Pod: every connection to it is refused"
            ]
        );
        let bare = service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}");
        assert!(
            found("KR001", &bare)[0].starts_with("it has no selector, and the input has no EndpointSlice")
        );
    }

    #[test]
    fn is_silent_with_an_endpoint_or_without_rules() {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}");
        assert!(found("KR001", &(web + &slice("web", "{port: 8080}", "{addresses: [10.1.0.1]}"))).is_empty());
        assert!(found("KR001", &service("web", "{clusterIP: None, ports: [{port: 80}]}")).is_empty());
        assert!(found("KR001", &service("web", "{type: ExternalName, externalName: a.example}")).is_empty());
    }
}
