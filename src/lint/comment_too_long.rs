//! Names that are too long for nft as a comment.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use crate::cluster::{Endpoint, ServicePort, TrafficPolicy};
use crate::diagnostic::message;
use crate::settings::ProxyMode;

/// The longest comment that nft accepts (NFTNL_UDATA_COMMENT_MAXLEN in libnftnl).
const LONGEST: usize = 128;

pub(super) static LINT: Lint = Lint {
    code: "KR014",
    name: "comment-too-long",
    severity: Severity::Error,
    summary: "a Service port's name is too long for an nft comment, and nft refuses all rules of kube-proxy up to 1.36",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    if subject.settings.release.nftables.comments_cut {
        return;
    }
    for view in subject.served() {
        for port in &view.ports {
            let name = port.name.to_string();
            if name.len() <= LONGEST {
                continue;
            }
            let nftables = subject.settings.mode == ProxyMode::Nftables;
            let now = nftables && lacks_endpoints(port);
            let (severity, when) = match (now, nftables) {
                (true, _) => (
                    Severity::Error,
                    "nft refuses this, and the node has none of kube-proxy's rules of the family",
                ),
                (false, true) => (
                    Severity::Warning,
                    "once it has no endpoint, nft refuses this, and the node has none of kube-proxy's rules of the family",
                ),
                (false, false) => {
                    (Severity::Note, "in nftables mode nft would refuse this once it has no endpoint")
                }
            };
            let message =
                message!("{name} has {} characters, and a comment can have {LONGEST}: {when}", name.len());
            let field = format!("spec.ports[{}]", port.port_index);
            found.add_as(
                severity,
                view.about(field),
                message,
                "shorten the name of the port, the Service or the namespace, or upgrade: kube-proxy 1.37 cuts the comment",
            );
        }
    }
}

/// Whether some node has an element for a Service port without endpoints, which has the comment.
fn lacks_endpoints(port: &ServicePort) -> bool {
    let local = port.internal_policy == TrafficPolicy::Local || port.external_policy == TrafficPolicy::Local;
    local || !port.endpoints.iter().any(Endpoint::is_usable)
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, found_by, found_in, service, settings};
    use crate::settings::ProxyMode;

    fn with(length: usize) -> String {
        let name = "p".repeat(length);
        let (namespace, service_name) = ("n".repeat(63), "s".repeat(63));
        service(&service_name, &format!("{{clusterIP: 10.96.0.1, ports: [{{name: {name}, port: 80}}]}}"))
            .replace("namespace: shop", &format!("namespace: {namespace}"))
    }

    #[test]
    fn fires_beyond_128_characters() {
        let messages = found_in("KR014", &with(20), ProxyMode::Nftables);
        assert!(found_by("KR014", &with(20), &settings("1.37")).is_empty());
        assert_eq!(messages.len(), 1);
        assert!(messages[0].ends_with("has 148 characters, and a comment can have 128: nft refuses this, and the node has none of kube-proxy's rules of the family"), "{messages:?}");
        assert!(
            found("KR014", &with(1))[0]
                .ends_with("in nftables mode nft would refuse this once it has no endpoint")
        );
    }

    #[test]
    fn is_silent_for_usual_names() {
        assert!(
            found("KR014", &service("web", "{clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}"))
                .is_empty()
        );
    }
}
