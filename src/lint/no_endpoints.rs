//! A Service to which no endpoint belongs.

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject};
use super::words;
use crate::input::api;

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
        let (why, remedy) = why(subject, view);
        found.add(view.about(field), format!("{why}: every connection to it is refused"), remedy);
    }
}

fn has_none(view: &ServiceView<'_>) -> bool {
    view.endpoints().next().is_none() && view.slices.iter().all(|slice| slice.object.endpoints.is_empty())
}

fn why(subject: &Subject<'_>, view: &ServiceView<'_>) -> (String, &'static str) {
    let metadata = &view.located.object.metadata;
    let selector = &view.spec().selector;
    if selector.is_empty() {
        let why = "it has no selector, and the input has no EndpointSlice with an endpoint for it";
        let remedy = "make an EndpointSlice with the label kubernetes.io/service-name, or add the one of the cluster to the input";
        return (why.to_owned(), remedy);
    }
    let pairs = selector.iter().map(|(key, value)| format!("{key}={value}"));
    let selector_text = pairs.collect::<Vec<_>>().join(",");
    let here =
        || subject.snapshot.pods.iter().filter(|pod| pod.object.metadata.namespace == metadata.namespace);
    let all = here().count();
    let selected = here().filter(|pod| is_selected(&pod.object, selector)).count();
    if selected > 0 {
        let why = format!(
            "no EndpointSlice has an endpoint for it, though its selector {selector_text} matches {}",
            words::count(selected, "Pod")
        );
        return (
            why,
            "look whether the Pods have an IP and a node, and whether the EndpointSlice controller runs",
        );
    }
    let remedy = "correct the selector or the labels of the Pods, or scale the workload up";
    if all > 0 {
        let pods = words::count(all, "Pod");
        return (
            format!(
                "its selector {selector_text} matches none of the {pods} in namespace {}",
                metadata.namespace
            ),
            remedy,
        );
    }
    (
        format!(
            "no EndpointSlice has an endpoint for it: its selector {selector_text} seems to match no Pod"
        ),
        remedy,
    )
}

fn is_selected(pod: &api::Pod, selector: &[(api::Text, api::Text)]) -> bool {
    selector.iter().all(|(key, value)| pod.metadata.label(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, slice};

    #[test]
    fn fires_by_what_the_input_knows() {
        let web = service("web", "{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]}");
        assert_eq!(
            found("KR001", &web),
            [
                "no EndpointSlice has an endpoint for it: its selector app=web seems to match no Pod: every connection to it is refused"
            ]
        );
        let pod = |app: &str| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop, labels: {{app: {app}}}}}\n"
            )
        };
        assert_eq!(
            found("KR001", &(web.clone() + &pod("cart"))),
            [
                "its selector app=web matches none of the 1 Pod in namespace shop: every connection to it is refused"
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
