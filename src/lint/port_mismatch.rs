//! Ports of a Service and of its EndpointSlices that do not match: they are joined only by name and protocol.

use std::collections::BTreeSet;

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject, about_slice};
use super::words;
use crate::diagnostic::message;
use crate::input::{Located, api};

pub(super) static LINT: Lint = Lint {
    code: "KR004",
    name: "port-mismatch",
    severity: Severity::Error,
    summary: "a port of a Service and a port of its EndpointSlices differ in name or protocol",
    check,
};

/// Name and protocol, the key by which kube-proxy joins.
type Key<'a> = (&'a str, &'a str);

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        let filled = || view.slices.iter().filter(|slice| !slice.object.endpoints.is_empty());
        let offered: BTreeSet<Key<'_>> =
            filled().flat_map(|slice| &slice.object.ports).map(slice_key).collect();
        if filled().next().is_none() {
            continue;
        }
        let missed = tell_missed(subject, view, &offered, found);
        if !missed {
            filled().for_each(|slice| tell_left_over(view, slice, found));
        }
    }
}

fn tell_missed(
    subject: &Subject<'_>,
    view: &ServiceView<'_>,
    offered: &BTreeSet<Key<'_>>,
    found: &mut Findings<'_>,
) -> bool {
    let mut missed = false;
    for (i, port) in view.spec().ports.iter().enumerate() {
        let key = (port.name.as_str(), protocol(&port.protocol));
        if offered.contains(&key) {
            continue;
        }
        missed = true;
        if let Some(target) = missing_target(subject, view, port) {
            tell_target(subject, view, i, target, found);
            continue;
        }
        let there = offered.iter().copied().map(shown_in_list).collect::<Vec<_>>();
        let there = if there.is_empty() { "no ports".to_owned() } else { words::list(there) };
        let message = message!(
            "port {} is in none of its EndpointSlices, which have {there}: every connection to it is refused",
            shown(key)
        );
        let remedy = "name it alike in the Service and in the slices; where the endpoints are derived, make sure that every Pod has a container port named as targetPort says";
        found.add(view.about(format!("spec.ports[{i}].name")), message, remedy);
    }
    missed
}

/// The name in targetPort, if Pods are selected: slices then have the Service's own port names, unless no container has
/// the port.
fn missing_target<'p>(
    subject: &Subject<'_>,
    view: &ServiceView<'_>,
    port: &'p api::ServicePort,
) -> Option<&'p str> {
    let Some(api::IntOrString::String(name)) = &port.target_port else { return None };
    let is_it = |there: &api::ContainerPort| {
        there.name == *name && protocol(&there.protocol) == protocol(&port.protocol)
    };
    let pods = subject.pods.of_service(&view.located.object);
    // If some Pods have it and others do not, the slices do not show which.
    let anywhere = pods.iter().flat_map(|pod| &pod.object.ports).any(is_it);
    (!view.spec().selector.is_empty() && !anywhere).then_some(name.as_str())
}

fn tell_target(
    subject: &Subject<'_>,
    view: &ServiceView<'_>,
    i: usize,
    target: &str,
    found: &mut Findings<'_>,
) {
    let port = view.spec().ports.get(i).map_or("", |port| protocol(&port.protocol));
    let pods = subject.pods.of_service(&view.located.object);
    let named = pods.iter().flat_map(|pod| &pod.object.ports).filter(|port| !port.name.is_empty());
    let there: BTreeSet<String> =
        named.map(|port| format!("{:?} ({}/{})", port.name, port.port, protocol(&port.protocol))).collect();
    let there = match (pods.is_empty(), there.is_empty()) {
        (true, _) => String::new(),
        (false, true) => ", whose ports have no names".to_owned(),
        (false, false) => format!(", which have {}", words::list(there)),
    };
    let message = message!(
        "no container of its Pods has a port named {target:?} of protocol {port}{there}: every connection to it is refused"
    );
    let remedy = "give the container's port this name, or write its number into targetPort";
    found.add(view.about(format!("spec.ports[{i}].targetPort")), message, remedy);
}

fn tell_left_over(view: &ServiceView<'_>, slice: &Located<api::EndpointSlice>, found: &mut Findings<'_>) {
    let wanted: BTreeSet<Key<'_>> =
        view.spec().ports.iter().map(|port| (port.name.as_str(), protocol(&port.protocol))).collect();
    for (i, port) in slice.object.ports.iter().enumerate() {
        let key = slice_key(port);
        if !wanted.contains(&key) {
            let message = message!(
                "port {} matches no port of {}: kube-proxy ignores it",
                shown(key),
                view.object_ref()
            );
            let remedy = "remove it, or add the port to the Service";
            found.add_as(Severity::Note, about_slice(slice, format!("ports[{i}].name")), message, remedy);
        }
    }
}

fn slice_key(port: &api::SlicePort) -> Key<'_> {
    (&port.name, protocol(&port.protocol))
}

fn protocol(text: &str) -> &str {
    if text.is_empty() { "TCP" } else { text }
}

fn shown((name, protocol): Key<'_>) -> String {
    if name.is_empty() { format!("without a name ({protocol})") } else { format!("{name} ({protocol})") }
}

fn shown_in_list(key: Key<'_>) -> String {
    if key.0.is_empty() { format!("one {}", shown(key)) } else { shown(key) }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, slice};

    const ENDPOINT: &str = "{addresses: [10.1.0.1]}";

    #[test]
    fn fires_at_the_service_port_that_nothing_fits() {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}");
        assert_eq!(
            found("KR004", &(web.clone() + &slice("web", "{name: web, port: 80}", ENDPOINT))),
            [
                "port http (TCP) is in none of its EndpointSlices, which have web (TCP): every connection to it is refused"
            ]
        );
        assert_eq!(
            found("KR004", &(web.clone() + &slice("web", "{name: http, port: 80, protocol: UDP}", ENDPOINT))),
            [
                "port http (TCP) is in none of its EndpointSlices, which have http (UDP): every connection to it is refused"
            ]
        );
        assert_eq!(
            found("KR004", &(web + &slice("web", "{port: 80}", ENDPOINT))),
            [
                "port http (TCP) is in none of its EndpointSlices, which have one without a name (TCP): every connection to it is refused"
            ]
        );
    }

    #[test]
    fn fires_at_the_slice_port_left_over() {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}");
        let ports = "{name: http, port: 80}, {name: admin, port: 81}";
        assert_eq!(
            found("KR004", &(web + &slice("web", ports, ENDPOINT))),
            ["port admin (TCP) matches no port of Service shop/web: kube-proxy ignores it"]
        );
    }

    #[test]
    fn is_silent_where_all_meet() {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{name: http, port: 80, protocol: TCP}]}");
        assert!(found("KR004", &(web + &slice("web", "{name: http, port: 8080}", ENDPOINT))).is_empty());
    }
}
