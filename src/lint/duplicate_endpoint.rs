//! An endpoint that is in two slices of a Service, which say different things about it.

use std::collections::BTreeSet;

use super::finding::{Findings, Lint, Severity};
use super::subject::{Subject, about_slice};
use crate::cluster;
use crate::diagnostic::message;

pub(super) static LINT: Lint = Lint {
    code: "KR022",
    name: "duplicate-endpoint",
    severity: Severity::Error,
    summary: "two EndpointSlices of a Service list the same endpoint with different conditions: chance decides which counts",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let rule = subject.settings.release.model.duplicate_endpoint;
    let nodes: BTreeSet<&str> = subject.cluster.nodes.iter().map(|node| node.name.as_str()).collect();
    for view in subject.served() {
        for (first, second) in
            view.ports.iter().flat_map(|port| cluster::decided_by_chance(&port.endpoints, rule, &nodes))
        {
            let slice_of =
                |e: &cluster::Endpoint| view.slices.iter().find(|s| s.position == e.place.slice).copied();
            let (Some(slice), Some(other)) = (slice_of(second), slice_of(first)) else { continue };
            let field = format!("endpoints[{}].addresses[0]", first.place.index);
            let at = found.sources.field_place(other.position, &field);
            let message = message!(
                "{} is in EndpointSlice {}/{} too{}, with other conditions: kube-proxy visits slices in random order, and chance decides which of the two counts",
                second.text,
                other.object.metadata.namespace,
                other.object.metadata.name,
                at.map(|place| format!(" ({place})")).unwrap_or_default()
            );
            let about = about_slice(slice, format!("endpoints[{}].addresses[0]", second.place.index));
            found.add(about, message, "remove the entry that is out of date");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{findings, found, service, settings, slice};

    fn with(conditions: &str) -> String {
        let entry = |conditions: &str| format!("{{addresses: [10.1.0.5], conditions: {conditions}}}");
        let first = slice("web", "{port: 8080}", &entry("{ready: true}"));
        let second = slice("web", "{port: 8080}", &entry(conditions)).replace("web-slice", "web-two");
        service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}") + &first + &second
    }

    #[test]
    fn fires_where_two_slices_disagree() {
        assert_eq!(
            found("KR022", &with("{ready: false}")),
            [
                "10.1.0.5:8080 is in EndpointSlice shop/web-slice too (cluster.yaml:12), with other conditions: kube-proxy visits slices in random order, and chance decides which of the two counts"
            ]
        );
    }

    #[test]
    fn is_silent_where_they_agree() {
        assert!(found("KR022", &with("{ready: true}")).is_empty());
    }

    #[test]
    fn is_told_once() {
        let all = findings(&with("{ready: false}"), &settings("1.36"));
        let of_slice = all.iter().filter(|finding| finding.message.contains("10.1.0.5:8080 is in"));
        assert_eq!(of_slice.count(), 1, "{all:?}");
    }
}
