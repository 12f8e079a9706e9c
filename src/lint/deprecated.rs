//! Settings that still work but will be removed.

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject};
use crate::diagnostic::message;
use crate::settings::release::EXTERNAL_IPS_OFF;

pub(super) static LINT: Lint = Lint {
    code: "KR015",
    name: "deprecated-setting",
    severity: Severity::Note,
    summary: "a setting is deprecated",
    check,
};

const OLD_ANNOTATION: &str = "service.kubernetes.io/topology-aware-hints";

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let release = subject.settings.release;
    for view in subject.services.values() {
        annotation(view, found);
        if release.deprecated.prefer_close && view.spec().traffic_distribution == "PreferClose" {
            let message = "PreferClose is a deprecated name of PreferSameZone";
            found.add(view.about("spec.trafficDistribution"), message, "write PreferSameZone");
        }
        if let Some(since) = release.deprecated.external_ips
            && !view.spec().external_ips.is_empty()
        {
            let message = message!(
                "externalIPs are deprecated from Kubernetes 1.{since} on, and {EXTERNAL_IPS_OFF} will ignore them by default: \
                 any user who may create a Service can take over traffic with them"
            );
            let remedy =
                "use type LoadBalancer with an implementation such as MetalLB or kube-vip, or a Gateway";
            found.add(view.about("spec.externalIPs"), message, remedy);
        }
    }
}

fn annotation(view: &ServiceView<'_>, found: &mut Findings<'_>) {
    if view.located.object.metadata.annotation(OLD_ANNOTATION).is_some() {
        let message = message!("the annotation {OLD_ANNOTATION} is deprecated");
        let remedy = "set spec.trafficDistribution, or the annotation service.kubernetes.io/topology-mode";
        found.add(view.about(format!("metadata.annotations[\"{OLD_ANNOTATION}\"]")), message, remedy);
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, found_by, service, settings};

    #[test]
    fn fires_as_the_release_has_it() {
        let close =
            service("web", "{clusterIP: 10.96.0.1, trafficDistribution: PreferClose, ports: [{port: 80}]}");
        assert_eq!(found("KR015", &close), ["PreferClose is a deprecated name of PreferSameZone"]);
        assert!(found_by("KR015", &close, &settings("1.33")).is_empty());
        let ips = service("web", "{clusterIP: 10.96.0.1, externalIPs: [203.0.113.1], ports: [{port: 80}]}");
        assert_eq!(found("KR015", &ips).len(), 1);
        assert!(found_by("KR015", &ips, &settings("1.35")).is_empty());
        let annotated = service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}").replace(
            "namespace: shop",
            "namespace: shop, annotations: {service.kubernetes.io/topology-aware-hints: auto}",
        );
        assert_eq!(
            found("KR015", &annotated),
            ["the annotation service.kubernetes.io/topology-aware-hints is deprecated"]
        );
    }

    #[test]
    fn is_silent_for_what_is_in_use() {
        let web = service(
            "web",
            "{clusterIP: 10.96.0.1, trafficDistribution: PreferSameZone, ports: [{port: 80}]}",
        );
        assert!(found("KR015", &web).is_empty());
    }
}
