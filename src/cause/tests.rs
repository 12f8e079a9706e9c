//! Each cause is found in an example, and in the words of the objects.

use std::collections::BTreeSet;

use super::{Cause, Change};
use crate::input;
use crate::names::ServiceName;

fn service(spec: &str) -> String {
    format!("---\nkind: Service\napiVersion: v1\nmetadata: {{name: web, namespace: shop}}\nspec:\n  {spec}\n")
}

/// The Service of most examples.
fn web() -> String {
    service("selector: {app: web}\n  ports: [{name: http, port: 80, targetPort: http}]")
}

fn pod(name: &str, port: &str) -> String {
    format!(
        "---\nkind: Pod\napiVersion: v1\nmetadata: {{name: {name}, namespace: shop, labels: {{app: web}}}}\n\
         spec: {{containers: [{{name: c, ports: [{port}]}}]}}\n"
    )
}

const HTTP: &str = "{name: http, containerPort: 8080}";

fn deployment(replicas: u8, port: &str) -> String {
    format!(
        "---\nkind: Deployment\napiVersion: apps/v1\nmetadata: {{name: web, namespace: shop}}\n\
         spec: {{replicas: {replicas}, selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: \
         {{app: web}}}}, spec: {{containers: [{{name: c, ports: [{port}]}}]}}}}}}\n"
    )
}

fn slice(ready: bool) -> String {
    format!(
        "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\n\
         metadata: {{name: web-1, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}\n\
         ports: [{{name: http, port: 8080}}]\nendpoints: [{{addresses: [10.244.1.5], conditions: {{ready: {ready}}}, \
         targetRef: {{kind: Pod, name: web-0}}}}]\n"
    )
}

const NODE: &str = "---\nkind: Node\napiVersion: v1\nmetadata: {name: node-1}\n";

fn causes(old: &[String], new: &[String]) -> Vec<Cause> {
    // An input without any object is an error.
    let read = |texts: &[String]| input::read_text("test.yaml", texts.concat() + NODE).unwrap().0;
    let (old, new) = (read(old), read(new));
    Change::new(&old, &new).of_service(&ServiceName::parse("shop/web").unwrap())
}

/// The name of a kind of cause; a new kind does not compile without one.
fn kind(cause: &Cause) -> &'static str {
    match cause {
        Cause::SelectorMatchesNone { .. } => "selectorMatchesNone",
        Cause::NoSuchPort { .. } => "noSuchPort",
        Cause::UndeclaredPort { .. } => "undeclaredPort",
        Cause::Replicas { .. } => "replicas",
        Cause::WorkloadGone { .. } => "workloadGone",
        Cause::NotReady { .. } => "notReady",
        Cause::Ready { .. } => "ready",
        Cause::PodsGone { .. } => "podsGone",
        Cause::PodsNew { .. } => "podsNew",
        Cause::Field { .. } => "field",
        Cause::Added { .. } => "added",
        Cause::Removed { .. } => "removed",
    }
}

const KINDS: usize = 12;

#[test]
fn each_cause_is_found() {
    let (one, two) = (pod("web-0", HTTP), pod("web-1", HTTP));
    let at = |target: &str| {
        service(&format!("selector: {{app: web}}\n  ports: [{{port: 80, targetPort: {target}}}]"))
    };
    let wrong = service("selector: {app: wbe}\n  ports: [{name: http, port: 80, targetPort: http}]");
    let local = web() + "  externalTrafficPolicy: Local\n";
    let examples: [(&[&str], Vec<String>, Vec<String>); 11] = [
        (&["selectorMatchesNone"], vec![web(), one.clone()], vec![wrong, one.clone()]),
        (
            &["noSuchPort"],
            vec![web(), one.clone()],
            vec![web(), pod("web-0", "{name: web, containerPort: 8080}")],
        ),
        (&["undeclaredPort", "field"], vec![at("8080"), one.clone()], vec![at("9090"), one.clone()]),
        (&["replicas"], vec![web(), deployment(2, HTTP), one.clone()], vec![web(), deployment(0, HTTP)]),
        (&["workloadGone"], vec![web(), deployment(2, HTTP), one.clone()], vec![web()]),
        (&["notReady"], vec![web(), slice(true)], vec![web(), slice(false)]),
        (&["ready"], vec![web(), slice(false)], vec![web(), slice(true)]),
        (&["podsGone", "podsNew"], vec![web(), one.clone()], vec![web(), two]),
        (&["field"], vec![web(), one.clone()], vec![local, one]),
        (&["added"], vec![], vec![web()]),
        (&["removed"], vec![web()], vec![]),
    ];
    let mut met = BTreeSet::new();
    for (expected, old, new) in &examples {
        let found: Vec<&str> = causes(old, new).iter().map(kind).collect();
        assert_eq!(&found, expected, "{}\n\n{}", old.concat(), new.concat());
        met.extend(found);
    }
    assert_eq!(met.len(), KINDS, "{met:?}");
}

#[test]
fn nothing_changed_has_no_cause() {
    let state = [web(), deployment(2, HTTP), pod("web-0", HTTP), slice(true)];
    assert_eq!(causes(&state, &state), []);
    assert_eq!(causes(&[], &[]), []);
}

#[test]
fn a_typo_in_a_selector_names_the_labels_that_would_match() {
    let typo = web().replace("app: web", "app: wbe");
    let pods = [pod("web-0", HTTP), pod("web-1", HTTP)].concat();
    match causes(&[web(), pods.clone()], &[typo, pods]).as_slice() {
        [Cause::SelectorMatchesNone { selector, before, pods, nearest, place }] => {
            assert_eq!((selector.as_str(), *before, *pods), ("app=wbe", 2, 2));
            assert_eq!(*nearest, Some(("app=web".to_owned(), 2)));
            assert_eq!(place.as_ref().unwrap().to_string(), "test.yaml:6");
        }
        others => panic!("{others:?}"),
    }
    // Another application is no slip of the hand.
    let other = web().replace("app: web", "app: telescope");
    let found = causes(&[web(), pod("web-0", HTTP)], &[other, pod("web-0", HTTP)]);
    assert!(matches!(found.as_slice(), [Cause::SelectorMatchesNone { nearest: None, .. }]), "{found:?}");
}

#[test]
fn a_port_that_a_container_had_is_named_with_what_makes_the_pods() {
    let renamed = "{name: web, containerPort: 8080}";
    let new = [web(), deployment(1, renamed), pod("web-0", renamed)];
    match causes(&[web(), deployment(1, HTTP), pod("web-0", HTTP)], &new).as_slice() {
        [Cause::NoSuchPort { name, had, service_port, makers, .. }] => {
            assert_eq!((name.as_str(), *had, service_port.as_str()), ("http", true, "http"));
            assert_eq!(makers.len(), 1);
            assert_eq!(
                (makers[0].object.to_string().as_str(), &makers[0].ports),
                ("Deployment shop/web", &vec!["web".to_owned()])
            );
        }
        others => panic!("{others:?}"),
    }
}

#[test]
fn a_container_port_with_another_number_is_a_field_of_the_workload() {
    let moved = "{name: http, containerPort: 9090}";
    let old = [web(), deployment(1, HTTP), pod("web-0", HTTP)];
    match causes(&old, &[web(), deployment(1, moved), pod("web-0", moved)]).as_slice() {
        [Cause::Field { object, field, old, new, .. }] => {
            assert_eq!(object.to_string(), "Deployment shop/web");
            assert_eq!(field, "containerPort of http");
            assert_eq!((old.as_deref(), new.as_deref()), (Some("8080"), Some("9090")));
        }
        others => panic!("{others:?}"),
    }
}

/// What a cluster fills in, such as the address of a load balancer, is a cause only where nothing written changed.
#[test]
fn what_follows_from_a_written_field_is_left_out() {
    let balanced = |ip: &str, policy: &str| {
        web()
            + &format!(
                "  type: LoadBalancer\n  externalTrafficPolicy: {policy}\nstatus: {{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}\n"
            )
    };
    let fields = |old: String, new: String| -> Vec<String> {
        let found = causes(&[old], &[new]);
        found
            .into_iter()
            .filter_map(|cause| if let Cause::Field { field, .. } = cause { Some(field) } else { None })
            .collect()
    };
    let old = balanced("203.0.113.1", "Cluster");
    assert_eq!(fields(old.clone(), balanced("203.0.113.2", "Cluster")), ["status.loadBalancer.ingress"]);
    assert_eq!(fields(old, balanced("203.0.113.2", "Local")), ["spec.externalTrafficPolicy"]);
}
