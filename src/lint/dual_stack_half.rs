//! Services that are only half dual-stack.

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceView, Subject};
use crate::cluster::ServicePort;
use crate::diagnostic::message;
use crate::net::Family;

pub(super) static LINT: Lint = Lint {
    code: "KR016",
    name: "dual-stack-half",
    severity: Severity::Warning,
    summary: "a Service asks for two IP families and has one, or has endpoints or load-balancer IPs in only one of its two",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let dual_stack =
        Family::ALL.iter().all(|family| !subject.cluster.family(*family).service_ports.is_empty());
    for view in subject.served() {
        let addresses: Vec<&ServicePort> = view.first_ports().collect();
        match addresses.as_slice() {
            [only] => one_address(view, only, dual_stack, found),
            _ => halves(view, found),
        }
    }
}

fn halves(view: &ServiceView<'_>, found: &mut Findings<'_>) {
    for family in Family::ALL {
        let of = |family| {
            view.ports.iter().filter(move |port: &&&ServicePort| Family::of(port.cluster_ip) == family)
        };
        let has_endpoints = |family| of(family).any(|port| !port.endpoints.is_empty());
        if has_endpoints(family.other()) && !has_endpoints(family) {
            let message = message!(
                "it has an {family} address, but endpoints only in {}: {family} clients are refused",
                family.other()
            );
            let remedy = "give the Pods addresses of both families, or the Service one family (ipFamilyPolicy: SingleStack)";
            found.add(view.about("spec.clusterIPs"), message, remedy);
        }
        let has_load_balancer = |family| of(family).any(|port| !port.load_balancer_ips.is_empty());
        if has_load_balancer(family.other()) && !has_load_balancer(family) {
            let message = message!("it is dual-stack, but its load-balancer IPs are only {}", family.other());
            found.add_as(
                Severity::Note,
                view.about("status.loadBalancer.ingress"),
                message,
                "ask the load balancer for an address of each family",
            );
        }
    }
}

fn one_address(view: &ServiceView<'_>, only: &ServicePort, dual_stack: bool, found: &mut Findings<'_>) {
    let policy = view.spec().ip_family_policy.as_str();
    let has = Family::of(only.cluster_ip);
    let severity = match policy {
        "RequireDualStack" => Severity::Warning,
        "PreferDualStack" if dual_stack => Severity::Note,
        _ => return,
    };
    let message = message!("ipFamilyPolicy is {policy}, but it has a cluster IP only in {has}");
    let remedy = "the cluster was single-stack when it was made: update the Service to have the other address allocated";
    found.add_as(severity, view.about("spec.ipFamilyPolicy"), message, remedy);
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service, slice};

    const BOTH: &str = "{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1'], ipFamilies: [IPv4, IPv6], ports: [{port: 80}]}";

    fn v6_slice() -> String {
        slice("web", "{port: 80}", "{addresses: ['fd00:1::1']}")
            .replace("addressType: IPv4", "addressType: IPv6")
            .replace("name: web-slice", "name: web-v6")
    }

    #[test]
    fn fires_for_a_half() {
        let v4 = slice("web", "{port: 80}", "{addresses: [10.1.0.1]}");
        assert_eq!(
            found("KR016", &(service("web", BOTH) + &v4)),
            ["it has an IPv6 address, but endpoints only in IPv4: IPv6 clients are refused"]
        );
        let required =
            service("web", "{clusterIP: 10.96.0.1, ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}");
        assert_eq!(
            found("KR016", &required),
            ["ipFamilyPolicy is RequireDualStack, but it has a cluster IP only in IPv4"]
        );
        let balanced = format!("{BOTH}\nstatus: {{loadBalancer: {{ingress: [{{ip: 203.0.113.1}}]}}}}");
        assert_eq!(
            found("KR016", &service("web", &balanced)),
            ["it is dual-stack, but its load-balancer IPs are only IPv4"]
        );
    }

    #[test]
    fn is_silent_for_both_halves_and_for_one_family() {
        let v4 = slice("web", "{port: 80}", "{addresses: [10.1.0.1]}");
        assert!(found("KR016", &(service("web", BOTH) + &v4 + &v6_slice())).is_empty());
        let single =
            service("web", "{clusterIP: 10.96.0.1, ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}");
        assert!(found("KR016", &(single + &v4)).is_empty());
    }
}
