//! Two Services that use the same address, port and protocol.

use std::collections::BTreeMap;

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::cluster::{Claim, Endpoint, ServicePort};
use crate::diagnostic::message;
use crate::net::Family;

pub(super) static LINT: Lint = Lint {
    code: "KR006",
    name: "address-conflict",
    severity: Severity::Error,
    summary: "two Services claim the same address, port and protocol",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for family in Family::ALL {
        let mut first: BTreeMap<Claim, &ServicePort> = BTreeMap::new();
        for port in &subject.cluster.family(family).service_ports {
            for (claim, field) in port.claims() {
                let holder = *first.entry(claim).or_insert(port);
                if holder.name != port.name {
                    tell(subject, (holder, port), claim, field, found);
                }
            }
        }
    }
}

fn tell<'a>(
    subject: &Subject<'a>,
    (first, second): (&'a ServicePort, &'a ServicePort),
    claim: Claim,
    field: String,
    found: &mut Findings<'_>,
) {
    let Some(view) = subject.service_of(second) else { return };
    let message = message!("{claim} is claimed by Service {} too. {}", first.name, who_wins(first, second));
    found.add(view.about(field), message, "give one of the two another address or port");
}

/// Which of two gets the traffic. A Service without endpoints has only rules that refuse, and these come too late.
fn who_wins(first: &ServicePort, second: &ServicePort) -> String {
    let usable = |port: &ServicePort| port.endpoints.iter().any(Endpoint::is_usable);
    match (usable(first), usable(second)) {
        (true, false) => format!("only {} has endpoints, and takes the traffic in both modes", first.name),
        (false, true) => format!("only {} has endpoints, and takes the traffic in both modes", second.name),
        (false, false) => "Neither has endpoints, so all is refused".to_owned(),
        (true, true) => format!(
            "In iptables mode both have rules and those that kube-proxy happens to write first win; in nftables mode a map holds one of them, the one written last. kube-proxy writes in random order, kuberules by name: {} wins in iptables mode, {} in nftables mode",
            first.name, second.name
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service};

    #[test]
    fn fires_for_addresses_and_node_ports() {
        let a = service(
            "a",
            "{clusterIP: 10.96.0.1, externalIPs: [203.0.113.7], ports: [{port: 80, nodePort: 30080}]}",
        );
        let b = service(
            "b",
            "{clusterIP: 10.96.0.2, externalIPs: [203.0.113.7], ports: [{port: 80, nodePort: 30080}]}",
        );
        let messages = found("KR006", &(a + &b));
        assert_eq!(messages.len(), 2);
        assert!(
            messages[0].starts_with("203.0.113.7 port 80/tcp is claimed by Service shop/a too."),
            "{messages:?}"
        );
        assert!(
            messages[1].starts_with("node port 30080/tcp is claimed by Service shop/a too."),
            "{messages:?}"
        );
        assert!(messages[0].ends_with("Neither has endpoints, so all is refused"), "{messages:?}");
    }

    #[test]
    fn is_silent_for_other_ports_and_protocols() {
        let a = service(
            "a",
            "{clusterIP: 10.96.0.1, externalIPs: [203.0.113.7], ports: [{port: 80, nodePort: 30080}]}",
        );
        let b = service(
            "b",
            "{clusterIP: 10.96.0.2, externalIPs: [203.0.113.7], ports: [{port: 80, nodePort: 30080, protocol: UDP}]}",
        );
        let c = service(
            "c",
            "{clusterIP: 10.96.0.3, externalIPs: [203.0.113.7], ports: [{port: 81, nodePort: 30081}]}",
        );
        assert!(found("KR006", &(a + &b + &c)).is_empty());
    }
}
