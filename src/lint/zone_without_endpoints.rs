//! Topology hints that leave out a zone.

use std::collections::BTreeMap;

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject};
use super::words;
use crate::cluster::{Node, ServicePort};
use crate::diagnostic::message;
use crate::plan::{EndpointSet, HintUse, HintsIgnored};

pub(super) static LINT: Lint = Lint {
    code: "KR012",
    name: "zone-without-endpoints",
    severity: Severity::Warning,
    summary: "no endpoint is hinted for a zone that has nodes: traffic from there crosses zones",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        for port in view.ports.iter().filter(|port| port.endpoints.iter().any(|e| e.hints.is_some())) {
            let zones: Vec<&str> = (zones(subject, port).into_iter())
                .filter(|(_, node)| is_left_out(subject, port, node))
                .map(|(zone, _)| zone)
                .collect();
            if !zones.is_empty() {
                tell(view, port, &zones, found);
            }
        }
    }
}

/// A node of each zone stands for all of it, unless hints name nodes.
fn zones<'a>(subject: &Subject<'a>, port: &ServicePort) -> BTreeMap<&'a str, &'a Node> {
    let hinted = |name: &str| {
        port.endpoints.iter().filter_map(|e| e.hints.as_ref()).any(|h| h.nodes.iter().any(|n| n == name))
    };
    let others = subject.nodes.iter().filter(|node| !hinted(&node.name));
    others.filter_map(|node| Some((node.zone.as_deref()?, *node))).collect()
}

fn is_left_out<'a>(subject: &Subject<'a>, port: &'a ServicePort, node: &Node) -> bool {
    subject.plan(port, node).choice(EndpointSet::Cluster).hints == HintUse::Ignored(HintsIgnored::NoneForHere)
}

fn tell(view: &ServiceView<'_>, port: &ServicePort, zones: &[&str], found: &mut Findings<'_>) {
    let noun = if zones.len() == 1 { "zone" } else { "zones" };
    let message = message!(
        "port {}/{}: no ready endpoint is hinted for {noun} {}: nodes there use the endpoints of all zones",
        port.port,
        port.name.protocol(),
        words::list(zones)
    );
    let field = if view.spec().traffic_distribution.is_empty() { "" } else { "spec.trafficDistribution" };
    found.add(view.about(field), message, "run an endpoint in every zone that has clients");
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, slice, zoned_node};

    fn with(zones: &[&str]) -> Vec<String> {
        let endpoint =
            |(i, zone)| format!("{{addresses: [10.1.0.{i}], hints: {{forZones: [{{name: {zone}}}]}}}}");
        let endpoints: Vec<String> = (1..).zip(zones).map(endpoint).collect();
        let web = service(
            "web",
            "{clusterIP: 10.96.0.1, trafficDistribution: PreferSameZone, ports: [{port: 80}]}",
        );
        let nodes = zoned_node("n1", "a") + &zoned_node("n2", "b") + &zoned_node("n3", "b");
        found("KR012", &(web + &slice("web", "{port: 8080}", &endpoints.join(", ")) + &nodes))
    }

    #[test]
    fn fires_for_the_zone_that_is_left_out() {
        assert_eq!(
            with(&["a"]),
            [
                "port 80/tcp: no ready endpoint is hinted for zone b: nodes there use the endpoints of all zones"
            ]
        );
    }

    #[test]
    fn is_silent_where_every_zone_has_one_and_without_hints() {
        assert!(with(&["a", "b"]).is_empty());
        assert!(with(&[]).is_empty());
    }
}
