//! An external IP that is already another object's address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::diagnostic::message;
use crate::names::ServiceName;
use crate::net::Family;

pub(super) static LINT: Lint = Lint {
    code: "KR007",
    name: "external-ip-in-use",
    severity: Severity::Error,
    summary: "an external IP is the address of a node or the cluster IP of a Service",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let nodes = node_addresses(subject);
    let cluster_ips = cluster_ips(subject);
    for view in subject.served() {
        for (field, ip) in view.external_ips() {
            if let Some(service) = cluster_ips.get(&ip) {
                let message = message!(
                    "{ip} is the cluster IP of Service {service}: traffic for one of the two can reach the other"
                );
                found.add(view.about(field), message, "choose an address outside the Service network");
            } else if let Some(node) = nodes.get(&ip) {
                let message = message!(
                    "{ip} is an address of node {node}: what pods and nodes send to this port of the node goes to the Service instead"
                );
                let remedy =
                    "use type NodePort to serve on the nodes' own addresses, or an address that no node has";
                found.add_as(Severity::Warning, view.about(field), message, remedy);
            }
        }
    }
}

fn node_addresses<'a>(subject: &Subject<'a>) -> BTreeMap<IpAddr, &'a str> {
    let nodes = subject.cluster.nodes.iter();
    nodes
        .flat_map(|node| {
            node.internal_ips.iter().chain(&node.external_ips).map(|ip| (*ip, node.name.as_str()))
        })
        .collect()
}

fn cluster_ips(subject: &Subject<'_>) -> BTreeMap<IpAddr, ServiceName> {
    let ports = Family::ALL.iter().flat_map(|family| &subject.cluster.family(*family).service_ports);
    ports.map(|port| (port.cluster_ip, port.name.service_name())).collect()
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, node, service};

    fn with(external_ip: &str) -> Vec<String> {
        let spec = format!("{{clusterIP: 10.96.0.1, externalIPs: [{external_ip}], ports: [{{port: 80}}]}}");
        let other = service("db", "{clusterIP: 10.96.0.2, ports: [{port: 3306}]}");
        found(
            "KR007",
            &(service("web", &spec) + &other + &node("a", "{type: InternalIP, address: 192.168.0.1}")),
        )
    }

    #[test]
    fn fires_for_addresses_of_nodes_and_services() {
        assert!(with("10.96.0.2")[0].starts_with("10.96.0.2 is the cluster IP of Service shop/db:"));
        assert!(with("192.168.0.1")[0].starts_with("192.168.0.1 is an address of node a:"));
    }

    #[test]
    fn is_silent_for_an_address_of_nobody() {
        assert!(with("203.0.113.7").is_empty());
    }
}
