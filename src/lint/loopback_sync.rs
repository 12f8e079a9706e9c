//! A configuration that kube-proxy cannot apply over the table that the node has.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::diagnostic::message;
use crate::net::{Family, Protocol};
use crate::plan::{LoopbackNodePorts, loopback_node_ports};
use crate::settings::Settings;

pub(super) const CODE: &str = "KR033";

pub(super) static LINT: Lint = Lint {
    code: CODE,
    name: "loopback-sync-fails",
    severity: Severity::Note,
    summary: "kube-proxy 1.37 cannot begin to serve node ports on loopback over a table that rejects them",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let settings = subject.settings;
    if !settings.release.nftables.loopback_needs_fresh_table {
        return;
    }
    for family in Family::ALL.into_iter().filter(|family| is_served(settings, *family)) {
        let ports = &subject.cluster.family(family).service_ports;
        let tcp = |port: &crate::cluster::ServicePort| {
            port.node_port.is_some() && port.name.protocol() == Protocol::Tcp
        };
        if !ports.iter().any(tcp) {
            continue;
        }
        let message = message!(
            "nodePortAddresses has a loopback network for {family}: where the gate KubeProxyNFTablesLocalhostNodePorts was on \
             without it before, every sync of {family} fails (\"Device or resource busy\"), and the node keeps its old rules"
        );
        let table = crate::nftables::ruleset::TableFamily::from(family).name();
        let remedy = format!(
            "when you change the list on a node that runs with the gate: stop kube-proxy, nft delete table {table} kube-proxy, \
             start it again (kubernetes/kubernetes 142183)"
        );
        found.add_at(settings.configuration.clone(), "nodePortAddresses", message, remedy);
    }
}

fn is_served(settings: &Settings, family: Family) -> bool {
    loopback_node_ports(settings, family) == LoopbackNodePorts::Proxied
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{configured, found_by, service};

    const GATE: &str = "mode: nftables\nfeatureGates: {KubeProxyNFTablesLocalhostNodePorts: true}\n";

    fn messages(addresses: &str, protocol: &str) -> Vec<String> {
        let settings = configured("1.37", &format!("{GATE}nodePortAddresses: {addresses}"));
        let ports = format!("[{{port: 80, nodePort: 30080, protocol: {protocol}}}]");
        let web = service("web", &format!("{{type: NodePort, clusterIP: 10.96.0.1, ports: {ports}}}"));
        found_by("KR033", &web, &settings)
    }

    #[test]
    fn fires_where_tcp_node_ports_are_served_on_loopback() {
        let found = messages("[primary, localhost]", "TCP");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("nodePortAddresses has a loopback network for IPv4"), "{found:?}");
    }

    #[test]
    fn is_silent_elsewhere() {
        assert!(messages("[primary]", "TCP").is_empty());
        assert!(messages("[primary, localhost]", "UDP").is_empty());
    }
}
