//! Ports of a Service and of its EndpointSlices that do not meet: they are joined by name and protocol alone.

use std::collections::BTreeSet;

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject, about_slice};
use super::words;
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
        let missed = tell_missed(view, &offered, found);
        if !missed {
            filled().for_each(|slice| tell_left_over(view, slice, found));
        }
    }
}

fn tell_missed(view: &ServiceView<'_>, offered: &BTreeSet<Key<'_>>, found: &mut Findings<'_>) -> bool {
    let mut missed = false;
    for (i, port) in view.spec().ports.iter().enumerate() {
        let key = (port.name.as_str(), protocol(&port.protocol));
        if offered.contains(&key) {
            continue;
        }
        missed = true;
        let there = offered.iter().copied().map(shown).collect::<Vec<_>>();
        let there = if there.is_empty() { "no ports".to_owned() } else { words::list(there) };
        let message = format!(
            "port {} is in none of its EndpointSlices, which have {there}: every connection to it is refused",
            shown(key)
        );
        let remedy = "name it alike in the Service and in the slices; where the endpoints are derived, see that every Pod has a container port named as targetPort says";
        found.add(view.about(format!("spec.ports[{i}].name")), message, remedy);
    }
    missed
}

fn tell_left_over(view: &ServiceView<'_>, slice: &Located<api::EndpointSlice>, found: &mut Findings<'_>) {
    let wanted: BTreeSet<Key<'_>> =
        view.spec().ports.iter().map(|port| (port.name.as_str(), protocol(&port.protocol))).collect();
    for (i, port) in slice.object.ports.iter().enumerate() {
        let key = slice_key(port);
        if !wanted.contains(&key) {
            let message = format!(
                "port {} fits no port of {}: kube-proxy passes it over",
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
                "port http (TCP) is in none of its EndpointSlices, which have without a name (TCP): every connection to it is refused"
            ]
        );
    }

    #[test]
    fn fires_at_the_slice_port_left_over() {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}");
        let ports = "{name: http, port: 80}, {name: admin, port: 81}";
        assert_eq!(
            found("KR004", &(web + &slice("web", ports, ENDPOINT))),
            ["port admin (TCP) fits no port of Service shop/web: kube-proxy passes it over"]
        );
    }

    #[test]
    fn is_silent_where_all_meet() {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{name: http, port: 80, protocol: TCP}]}");
        assert!(found("KR004", &(web + &slice("web", "{name: http, port: 8080}", ENDPOINT))).is_empty());
    }
}
