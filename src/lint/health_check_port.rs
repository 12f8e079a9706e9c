//! Health-check node ports that collide with others, or are missing.

use std::collections::BTreeMap;

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject};
use crate::cluster::TrafficPolicy;
use crate::diagnostic::message;
use crate::net::{Port, Protocol};

pub(super) static LINT: Lint = Lint {
    code: "KR011",
    name: "health-check-port",
    severity: Severity::Error,
    summary: "a health-check node port is also another port of the nodes, or is missing",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let node_ports = node_ports(subject);
    let mut health_ports: BTreeMap<Port, String> = BTreeMap::new();
    for view in subject.served() {
        let port = view.ports.iter().find_map(|port| port.health_check_node_port);
        let Some(port) = port else {
            tell_missing(view, found);
            continue;
        };
        let name = view.object_ref().to_string();
        let node_port = node_ports.get(&port).map(|owner| format!("a node port of {owner}"));
        let health = health_ports.get(&port).map(|owner| format!("the health-check node port of {owner}"));
        if let Some(other) = node_port.or(health) {
            let message = message!(
                "{port} is {other} too: kube-proxy can listen on it for one of them at most, and health checks of the other are answered wrongly or not at all"
            );
            found.add(view.about("spec.healthCheckNodePort"), message, "give it another port");
        }
        health_ports.entry(port).or_insert(name);
    }
}

fn node_ports(subject: &Subject<'_>) -> BTreeMap<Port, String> {
    let ports = subject.served().flat_map(|view| view.ports.iter().map(move |port| (view, port)));
    let tcp = ports.filter(|(_, port)| port.name.protocol() == Protocol::Tcp);
    tcp.filter_map(|(view, port)| Some((port.node_port?, view.object_ref().to_string()))).collect()
}

fn tell_missing(view: &ServiceView<'_>, found: &mut Findings<'_>) {
    let spec = view.spec();
    let local = view.ports.iter().any(|port| port.external_policy == TrafficPolicy::Local);
    if spec.type_ == "LoadBalancer" && local && spec.health_check_node_port == 0 {
        let message = "externalTrafficPolicy is Local without a healthCheckNodePort: the load balancer cannot tell which nodes have an endpoint";
        let remedy = "apply the Service to a cluster, which allocates the port, or set one";
        found.add_as(Severity::Warning, view.about("spec.externalTrafficPolicy"), message, remedy);
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service};

    fn local(name: &str, ip: &str, rest: &str) -> String {
        service(
            name,
            &format!("{{type: LoadBalancer, clusterIP: {ip}, externalTrafficPolicy: Local, {rest}}}"),
        )
    }

    #[test]
    fn fires_for_a_clash_and_for_none() {
        let a = local("a", "10.96.0.1", "healthCheckNodePort: 32000, ports: [{port: 80, nodePort: 30080}]");
        let b = local("b", "10.96.0.2", "healthCheckNodePort: 30080, ports: [{port: 80, nodePort: 30081}]");
        let c = local("c", "10.96.0.3", "healthCheckNodePort: 32000, ports: [{port: 80, nodePort: 30082}]");
        let messages = found("KR011", &(a + &b + &c));
        assert_eq!(messages.len(), 2);
        assert!(messages[0].starts_with("30080 is a node port of Service shop/a too:"), "{messages:?}");
        assert!(
            messages[1].starts_with("32000 is the health-check node port of Service shop/a too:"),
            "{messages:?}"
        );
        let none = local("a", "10.96.0.1", "ports: [{port: 80}]");
        assert!(found("KR011", &none)[0].contains("without a healthCheckNodePort"));
    }

    #[test]
    fn is_silent_for_ports_of_their_own() {
        let a = local("a", "10.96.0.1", "healthCheckNodePort: 32000, ports: [{port: 80, nodePort: 30080}]");
        let b = service("b", "{clusterIP: 10.96.0.2, ports: [{port: 80, nodePort: 32000, protocol: UDP}]}");
        assert!(found("KR011", &(a + &b)).is_empty());
    }
}
