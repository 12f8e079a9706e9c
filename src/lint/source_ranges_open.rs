//! Source ranges of the wrong family: they restrict nothing.

use super::finding::{Findings, Lint, Severity};
use super::subject::Subject;
use super::words;
use crate::diagnostic::message;
use crate::net::{Cidr, Family};

pub(super) static LINT: Lint = Lint {
    code: "KR009",
    name: "source-ranges-open",
    severity: Severity::Error,
    summary: "no entry of loadBalancerSourceRanges is of the family of a load-balancer IP, which is open to everybody",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.served() {
        let ranges = &view.spec().load_balancer_source_ranges;
        if ranges.is_empty() {
            continue;
        }
        for port in view.first_ports().filter(|port| !port.load_balancer_ips.is_empty()) {
            let family = Family::of(port.cluster_ip);
            let fits =
                |text: &str| Cidr::parse_lenient(text.trim()).is_some_and(|cidr| cidr.family() == family);
            if ranges.iter().any(|text| fits(text)) {
                continue;
            }
            let ips = words::list(port.load_balancer_ips.iter().map(|ip| ip.value));
            let message = message!("no entry is of the family {family}: {ips} is open to everybody");
            let remedy = format!("add a range of the family {family}, or have no load-balancer IP of it");
            found.add(view.about("spec.loadBalancerSourceRanges"), message, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service};

    fn with(ranges: &str) -> Vec<String> {
        let spec = format!(
            "{{type: LoadBalancer, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1'], ipFamilies: [IPv4, IPv6], loadBalancerSourceRanges: [{ranges}], ports: [{{port: 80}}]}}\nstatus: {{loadBalancer: {{ingress: [{{ip: 203.0.113.1}}, {{ip: '2001:db8::1'}}]}}}}"
        );
        found("KR009", &service("web", &spec))
    }

    #[test]
    fn fires_for_the_family_without_ranges() {
        assert_eq!(
            with("198.51.100.0/24"),
            ["no entry is of the family IPv6: 2001:db8::1 is open to everybody"]
        );
        assert_eq!(
            with("'2001:db8::/32'"),
            ["no entry is of the family IPv4: 203.0.113.1 is open to everybody"]
        );
    }

    #[test]
    fn is_silent_with_both_families_and_without_ranges() {
        assert!(with("198.51.100.0/24, '2001:db8::/32'").is_empty());
        assert!(with("").is_empty());
        assert!(with("0.0.0.0/0, '::/0'").is_empty());
    }
}
