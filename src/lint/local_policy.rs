//! The policy Local on nodes without an endpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject};
use super::words;
use crate::cluster::{Endpoint, ServicePort, TrafficPolicy};
use crate::diagnostic::{Message, message};
use crate::plan::EndpointSet;

pub(super) static LINT: Lint = Lint {
    code: "KR005",
    name: "local-policy-without-endpoint",
    severity: Severity::Warning,
    summary: "with the traffic policy Local, nodes without an endpoint drop what clients send them",
    check,
};

/// For each group of nodes, the ports that have no endpoint there and the addresses that clients use for them.
type Missing<'a> = BTreeMap<Vec<&'a str>, (BTreeSet<String>, BTreeSet<String>)>;

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        let internal = |port: &ServicePort| match port.internal_policy {
            TrafficPolicy::Local => vec![port.cluster_ip.to_string()],
            TrafficPolicy::Cluster => Vec::new(),
        };
        for (nodes, missing) in missing(subject, view, internal) {
            let message = sentence("internalTrafficPolicy", &nodes, &missing, "pods there send");
            let remedy = "run an endpoint on every node that has clients (a DaemonSet), or use the policy Cluster, with trafficDistribution to stay near";
            found.add(view.about("spec.internalTrafficPolicy"), message, remedy);
        }
        for (nodes, missing) in missing(subject, view, doors) {
            let message = sentence("externalTrafficPolicy", &nodes, &missing, "clients outside send there");
            let (severity, remedy) = advice(view);
            found.add_as(severity, view.about("spec.externalTrafficPolicy"), message, remedy);
        }
    }
}

/// Load balancers that check the health-check port do not use nodes without an endpoint.
fn advice(view: &ServiceView<'_>) -> (Severity, &'static str) {
    if view.ports.iter().any(|port| port.health_check_node_port.is_some()) {
        let remedy = "fine where clients come by a load balancer that asks the health-check port; those that use the node port must choose a node with an endpoint";
        return (Severity::Note, remedy);
    }
    let remedy = "send clients only to nodes with an endpoint, run an endpoint on every node, or use the policy Cluster";
    (Severity::Warning, remedy)
}

fn missing<'a>(
    subject: &Subject<'a>,
    view: &ServiceView<'a>,
    doors: impl Fn(&ServicePort) -> Vec<String>,
) -> Missing<'a> {
    let mut missing = Missing::new();
    for port in view.ports.iter().filter(|port| port.endpoints.iter().any(Endpoint::is_usable)) {
        let doors = doors(port);
        let nodes = if doors.is_empty() { Vec::new() } else { nodes_without(subject, port) };
        if !nodes.is_empty() {
            let (all_doors, ports) = missing.entry(nodes).or_default();
            all_doors.extend(doors);
            ports.insert(format!("{}/{}", port.port, port.name.protocol()));
        }
    }
    missing
}

fn sentence(
    policy: &str,
    nodes: &[&str],
    (doors, ports): &(BTreeSet<String>, BTreeSet<String>),
    clients: &str,
) -> Message {
    let have = if nodes.len() == 1 { "has" } else { "have" };
    let noun = if ports.len() == 1 { "port" } else { "ports" };
    message!(
        "{policy} is Local and {} {have} no endpoint of {noun} {}: what {clients} to {} is dropped",
        words::nodes(nodes),
        words::list(ports),
        words::list(doors)
    )
}

/// Which addresses clients outside use, if the policy is Local.
fn doors(port: &ServicePort) -> Vec<String> {
    if port.external_policy != TrafficPolicy::Local {
        return Vec::new();
    }
    let addresses = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value.to_string());
    port.node_port.iter().map(|node_port| format!("node port {node_port}")).chain(addresses).collect()
}

/// Nodes without a usable endpoint of their own, as the plan chooses them.
fn nodes_without<'a>(subject: &Subject<'a>, port: &'a ServicePort) -> Vec<&'a str> {
    let named: BTreeSet<&str> = port.endpoints.iter().filter_map(|e| e.node_name.as_deref()).collect();
    let has = |node: &&&crate::cluster::Node| {
        named.contains(node.name.as_str())
            && !subject.plan(port, node).endpoints(EndpointSet::Local).is_empty()
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
