//! The policy Local on nodes that have no endpoint.

use std::collections::BTreeSet;

use super::subject::{ServiceView, Subject, is_usable};
use super::{Findings, Lint, Severity, words};
use crate::cluster::{ServicePort, TrafficPolicy};

pub(super) static LINT: Lint = Lint {
    code: "KR005",
    name: "local-policy-without-endpoint",
    severity: Severity::Warning,
    summary: "with the traffic policy Local, nodes without an endpoint drop what clients send them",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        for port in view.ports.iter().filter(|port| port.endpoints.iter().any(is_usable)) {
            internal(subject, view, port, found);
            external(subject, view, port, found);
        }
    }
}

fn internal<'a>(
    subject: &Subject<'a>,
    view: &ServiceView<'a>,
    port: &'a ServicePort,
    found: &mut Findings<'_>,
) {
    if port.internal_policy != TrafficPolicy::Local {
        return;
    }
    let nodes = nodes_without(subject, port);
    if nodes.is_empty() {
        return;
    }
    let message = format!(
        "internalTrafficPolicy is Local and {} {} no endpoint of port {}/{}: what pods there send to {} is dropped",
        words::nodes(&nodes),
        have(&nodes),
        port.port,
        port.name.protocol(),
        port.cluster_ip
    );
    let remedy = "run an endpoint on every node that has clients (a DaemonSet), or use the policy Cluster, with trafficDistribution to stay near";
    found.add(view.about("spec.internalTrafficPolicy"), message, remedy);
}

fn external<'a>(
    subject: &Subject<'a>,
    view: &ServiceView<'a>,
    port: &'a ServicePort,
    found: &mut Findings<'_>,
) {
    let doors = doors(port);
    if port.external_policy != TrafficPolicy::Local || doors.is_empty() {
        return;
    }
    let nodes = nodes_without(subject, port);
    if nodes.is_empty() {
        return;
    }
    let message = format!(
        "externalTrafficPolicy is Local and {} {} no endpoint of port {}/{}: what clients outside send there to {} is dropped",
        words::nodes(&nodes),
        have(&nodes),
        port.port,
        port.name.protocol(),
        doors.join(", ")
    );
    let checked = port.health_check_node_port.is_some();
    let (severity, remedy) = if checked {
        let remedy = "fine where clients come by a load balancer that asks the health-check port; those that use the node port must choose a node with an endpoint";
        (Severity::Note, remedy)
    } else {
        let remedy = "send clients to nodes with an endpoint alone, run an endpoint on every node, or use the policy Cluster";
        (Severity::Warning, remedy)
    };
    found.add_as(severity, view.about("spec.externalTrafficPolicy"), message, remedy);
}

fn have(nodes: &[&str]) -> &'static str {
    if nodes.len() == 1 { "has" } else { "have" }
}

/// By what clients outside come in.
fn doors(port: &ServicePort) -> Vec<String> {
    let addresses = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value.to_string());
    port.node_port.iter().map(|node_port| format!("node port {node_port}")).chain(addresses).collect()
}

/// Nodes that have no usable endpoint of their own, as the plan chooses them.
fn nodes_without<'a>(subject: &Subject<'a>, port: &'a ServicePort) -> Vec<&'a str> {
    let named: BTreeSet<&str> = port.endpoints.iter().filter_map(|e| e.node_name.as_deref()).collect();
    let has = |node: &&&crate::cluster::Node| {
        named.contains(node.name.as_str()) && !subject.plan(port, node).local_endpoints.is_empty()
    };
    subject.nodes.iter().filter(|node| !has(node)).map(|node| node.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, node, service, slice};

    fn cluster(spec: &str) -> String {
        let spec = format!("{{clusterIP: 10.96.0.1, {spec}, ports: [{{port: 80, nodePort: 30080}}]}}");
        let endpoint = "{addresses: [10.1.0.1], nodeName: a}";
        service("web", &spec) + &slice("web", "{port: 8080}", endpoint) + &node("a", "") + &node("b", "")
    }

    #[test]
    fn fires_for_each_policy() {
        assert_eq!(
            found("KR005", &cluster("type: NodePort, externalTrafficPolicy: Local")),
            [
                "externalTrafficPolicy is Local and node b has no endpoint of port 80/tcp: what clients outside send there to node port 30080 is dropped"
            ]
        );
        assert_eq!(
            found("KR005", &cluster("internalTrafficPolicy: Local")),
            [
                "internalTrafficPolicy is Local and node b has no endpoint of port 80/tcp: what pods there send to 10.96.0.1 is dropped"
            ]
        );
    }

    #[test]
    fn is_silent_for_the_policy_cluster_and_where_every_node_has_one() {
        assert!(found("KR005", &cluster("type: NodePort")).is_empty());
        let both = cluster("type: NodePort, externalTrafficPolicy: Local")
            + &slice("web", "{port: 8080}", "{addresses: [10.1.0.2], nodeName: b, conditions: {ready: false, serving: true, terminating: true}}").replace("name: web-slice", "name: web-more");
        assert!(found("KR005", &both).is_empty());
    }
}
