//! So many endpoints that kube-proxy writes different rules.

use super::finding::{Findings, Lint, Severity};
use super::subject::{About, Subject};
use crate::diagnostic::message;
use crate::net::Family;
use crate::plan::{LARGE_CLUSTER_ENDPOINTS, endpoint_count};
use crate::settings::ProxyMode;

pub(super) static LINT: Lint = Lint {
    code: "KR019",
    name: "large-cluster",
    severity: Severity::Note,
    summary: "more than 1000 endpoints: kube-proxy leaves comments out of its iptables rules",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    if subject.settings.mode != ProxyMode::Iptables {
        return;
    }
    for family in Family::ALL {
        let count = endpoint_count(subject.cluster.family(family));
        if count > LARGE_CLUSTER_ENDPOINTS {
            let message = message!(
                "{count} {family} endpoints: kube-proxy is in its large-cluster mode and leaves the comments out of its rules"
            );
            let remedy =
                "kuberules check and trace tell which Service a rule is of; the nftables mode scales better";
            found.add(About { position: None, object: None, field: String::new() }, message, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, found_in, service, slice};
    use crate::settings::ProxyMode;

    fn with(count: usize) -> String {
        let endpoints: Vec<String> =
            (0..count).map(|i| format!("{{addresses: [10.1.{}.{}]}}", i / 250, i % 250 + 1)).collect();
        service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
            + &slice("web", "{port: 80}", &endpoints.join(", "))
    }

    #[test]
    fn fires_beyond_a_thousand() {
        assert_eq!(
            found("KR019", &with(1001)),
            [
                "1001 IPv4 endpoints: kube-proxy is in its large-cluster mode and leaves the comments out of its rules"
            ]
        );
    }

    #[test]
    fn is_silent_up_to_a_thousand_and_in_nftables_mode() {
        assert!(found("KR019", &with(1000)).is_empty());
        assert!(found_in("KR019", &with(1001), ProxyMode::Nftables).is_empty());
    }
}
