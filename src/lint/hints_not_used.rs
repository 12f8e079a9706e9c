//! Topology hints that are switched off, and by what.

use std::collections::BTreeMap;

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use super::words;
use crate::cluster::{Node, ServicePort};
use crate::diagnostic::message;
use crate::plan::reasons::Reason;
use crate::plan::{EndpointSet, HintUse, HintsIgnored};

pub(super) static LINT: Lint = Lint {
    code: "KR013",
    name: "hints-not-used",
    severity: Severity::Warning,
    summary: "topology hints are there but not used, and traffic crosses zones",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        for port in view.ports.iter().filter(|port| port.endpoints.iter().any(|e| e.hints.is_some())) {
            for (why, nodes) in ignored(subject, port) {
                let message = message!(
                    "port {}/{}, on {}: {}",
                    port.port,
                    port.name.protocol(),
                    words::nodes(&nodes),
                    Reason::HintsIgnored(why).words()
                );
                found.add(view.about(""), message, remedy(why));
            }
        }
    }
}

/// Nodes on which hints are ignored for a reason other than that their zone has none.
fn ignored<'a>(subject: &Subject<'a>, port: &'a ServicePort) -> BTreeMap<HintsIgnored, Vec<&'a str>> {
    let mut by_zone: BTreeMap<Option<&str>, Option<HintsIgnored>> = BTreeMap::new();
    let mut ignored: BTreeMap<HintsIgnored, Vec<&str>> = BTreeMap::new();
    let names_nodes = port.endpoints.iter().filter_map(|e| e.hints.as_ref()).any(|h| !h.nodes.is_empty());
    for node in &subject.nodes {
        let why = match by_zone.get(&node.zone.as_deref()) {
            Some(why) if !names_nodes => *why,
            _ => why(subject, port, node),
        };
        by_zone.insert(node.zone.as_deref(), why);
        if let Some(why) = why {
            ignored.entry(why).or_default().push(&node.name);
        }
    }
    ignored
}

fn why<'a>(subject: &Subject<'a>, port: &'a ServicePort, node: &Node) -> Option<HintsIgnored> {
    match subject.plan(port, node).choice(EndpointSet::Cluster).hints {
        HintUse::Ignored(
            why @ (HintsIgnored::SwitchedOff
            | HintsIgnored::EndpointWithoutHint
            | HintsIgnored::NodeWithoutZone),
        ) => Some(why),
        _ => None,
    }
}

fn remedy(why: HintsIgnored) -> &'static str {
    match why {
        HintsIgnored::SwitchedOff => {
            "annotate the Service with service.kubernetes.io/topology-mode: Auto, or use release 1.31 or later"
        }
        HintsIgnored::NodeWithoutZone => "give the node the label topology.kubernetes.io/zone",
        _ => {
            "one ready endpoint without a hint switches them off for all; make sure that every Pod runs on a node with a zone"
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, node, service, slice, zoned_node};

    const HINTED: &str = "{addresses: [10.1.0.1], hints: {forZones: [{name: a}]}}";

    fn with(endpoints: &str, node: &str) -> Vec<String> {
        let web = service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}");
        found("KR013", &(web + &slice("web", "{port: 8080}", endpoints) + node))
    }

    #[test]
    fn fires_for_an_endpoint_without_a_hint_and_a_node_without_a_zone() {
        assert_eq!(
            with(&format!("{HINTED}, {{addresses: [10.1.0.2]}}"), &zoned_node("n1", "a")),
            ["port 80/tcp, on node n1: topology hints are ignored: a ready endpoint has none"]
        );
        assert_eq!(
            with(HINTED, &node("n1", "")),
            ["port 80/tcp, on node n1: topology hints are ignored: the node has no zone label"]
        );
    }

    #[test]
    fn is_silent_where_they_are_used_and_where_there_are_none() {
        assert!(with(HINTED, &zoned_node("n1", "a")).is_empty());
        assert!(with("{addresses: [10.1.0.2]}", &zoned_node("n1", "a")).is_empty());
    }
}
