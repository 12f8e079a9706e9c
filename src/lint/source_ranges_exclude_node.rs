//! Source ranges that exclude the cluster's own nodes.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use super::words;
use crate::cluster::ServicePort;
use crate::diagnostic::message;
use crate::net::Cidr;
use crate::plan::External;

pub(super) static LINT: Lint = Lint {
    code: "KR008",
    name: "source-ranges-exclude-node",
    severity: Severity::Note,
    summary: "loadBalancerSourceRanges shut out nodes of the cluster, which cannot use the load-balancer IP themselves",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        for port in
            view.first_ports().filter(|p| !p.load_balancer_ips.is_empty() && !p.source_ranges.is_empty())
        {
            let shut_out = |node: &&&crate::cluster::Node| {
                let plan = subject.plan(port, node);
                plan.external().and_then(External::source_ranges).is_some_and(|ranges| !ranges.include_node())
            };
            let nodes: Vec<&str> = subject.nodes.iter().filter(shut_out).map(|n| n.name.as_str()).collect();
            let who = match (nodes.is_empty(), network_shut_out(subject, port)) {
                (false, _) => words::nodes(&nodes),
                (true, Some(network)) => format!("the nodes' network {network}"),
                (true, None) => continue,
            };
            let ips = words::list(port.load_balancer_ips.iter().map(|ip| ip.value));
            let message =
                message!("no range includes the address of {who}: what it sends itself to {ips} is dropped");
            let remedy = "use the cluster IP from inside, or add the nodes' network to the ranges; the ranges apply only to the load-balancer IPs, not to node ports, external IPs or the cluster IP";
            found.add(view.about("spec.loadBalancerSourceRanges"), message, remedy);
        }
    }
}

/// The nodes' network, if the input has no Nodes and no range contains any of it.
fn network_shut_out(subject: &Subject<'_>, port: &ServicePort) -> Option<Cidr> {
    let network = subject.node_network.filter(|_| subject.nodes.is_empty())?;
    let meet = |range: Cidr| range.contains(network.network()) || network.contains(range.network());
    let is_of_family = port.source_ranges.iter().any(|range| range.value.family() == network.family());
    (is_of_family && !port.source_ranges.iter().any(|range| meet(range.value))).then_some(network)
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, node, service};

    fn with(range: &str) -> Vec<String> {
        let spec = format!(
            "{{type: LoadBalancer, clusterIP: 10.96.0.1, loadBalancerSourceRanges: [{range}], ports: [{{port: 80}}]}}\nstatus: {{loadBalancer: {{ingress: [{{ip: 203.0.113.1}}]}}}}"
        );
        found("KR008", &(service("web", &spec) + &node("a", "{type: InternalIP, address: 192.168.0.1}")))
    }

    #[test]
    fn fires_where_the_node_is_outside() {
        assert_eq!(
            with("198.51.100.0/24"),
            ["no range includes the address of node a: what it sends itself to 203.0.113.1 is dropped"]
        );
    }

    #[test]
    fn is_silent_where_it_is_inside_and_without_ranges() {
        assert!(with("192.168.0.0/24").is_empty());
        assert!(with("").is_empty());
    }
}
