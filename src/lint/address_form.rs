//! Addresses in a form that the API server will refuse.

use super::finding::{Findings, Lint, Severity};
use super::subject::{About, Subject, about_slice};
use crate::diagnostic::message;
use crate::net::{Cidr, parse_ip_lenient};
use crate::settings::release::STRICT_ADDRESSES;

pub(super) static LINT: Lint = Lint {
    code: "KR032",
    name: "lenient-address",
    severity: Severity::Note,
    summary: "an address or network is written in a form that the API server always refuses from 1.38 on",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    services(subject, found);
    slices(subject, found);
    for located in &subject.snapshot.nodes {
        let about = |field: String| About {
            position: Some(located.position),
            object: Some(located.object.metadata.object_ref("Node")),
            field,
        };
        for (i, text) in located.object.pod_cidrs.iter().enumerate() {
            network(text, about(format!("spec.podCIDRs[{i}]")), found);
        }
    }
}

fn services(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for view in subject.services.values() {
        let spec = view.spec();
        let mut addresses: Vec<(&str, String)> = Vec::new();
        if spec.cluster_ips.is_empty() {
            addresses.push((&spec.cluster_ip, "spec.clusterIP".to_owned()));
        }
        for (i, text) in spec.cluster_ips.iter().enumerate() {
            addresses.push((text, format!("spec.clusterIPs[{i}]")));
        }
        for (i, text) in spec.external_ips.iter().enumerate() {
            addresses.push((text, format!("spec.externalIPs[{i}]")));
        }
        for (i, ingress) in view.located.object.ingress.iter().enumerate() {
            addresses.push((&ingress.ip, format!("status.loadBalancer.ingress[{i}].ip")));
        }
        for (text, field) in addresses {
            address(text, view.about(field), found);
        }
        for (i, text) in spec.load_balancer_source_ranges.iter().enumerate() {
            network(text.trim(), view.about(format!("spec.loadBalancerSourceRanges[{i}]")), found);
        }
    }
}

fn slices(subject: &Subject<'_>, found: &mut Findings<'_>) {
    for slice in &subject.snapshot.endpoint_slices {
        for (i, endpoint) in slice.object.endpoints.iter().enumerate() {
            for (j, text) in endpoint.addresses.iter().enumerate() {
                if !is_strict_address(text) {
                    address(text, about_slice(slice, format!("endpoints[{i}].addresses[{j}]")), found);
                }
            }
        }
    }
}

fn address(text: &str, about: About, found: &mut Findings<'_>) {
    if let Some(ip) = parse_ip_lenient(text).filter(|_| !is_strict_address(text)) {
        tell(text, &ip.to_string(), about, found);
    }
}

fn network(text: &str, about: About, found: &mut Findings<'_>) {
    if let Some(cidr) = Cidr::parse_lenient(text).filter(|_| !is_strict_network(text)) {
        tell(text, &cidr.to_string(), about, found);
    }
}

fn tell(text: &str, strict: &str, about: About, found: &mut Findings<'_>) {
    let message = message!(
        "{text} is read as {strict}: from {STRICT_ADDRESSES} on the API server always refuses this form where it is written \
         anew (leading zeros, IPv4 within IPv6, bits beyond the length of a network)"
    );
    found.add(about, message, format!("write {strict}"));
}

/// No leading zeros, no IPv4 within IPv6 (apimachinery/pkg/util/validation, IsValidIP).
fn is_strict_address(text: &str) -> bool {
    match text.parse() {
        Ok(std::net::IpAddr::V6(ip)) => ip.to_ipv4_mapped().is_none(),
        Ok(std::net::IpAddr::V4(_)) => true,
        Err(_) => false,
    }
}

/// Also no bits beyond the length (IsValidCIDR).
fn is_strict_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let plain_length = length == "0" || !length.starts_with('0');
    let first = Cidr::parse_lenient(text).map(Cidr::network);
    plain_length && is_strict_address(address) && address.parse().ok() == first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::tests::{found, service, slice};

    #[test]
    fn fires_for_what_is_refused() {
        let web = service(
            "web",
            "{clusterIP: 10.96.0.1, externalIPs: ['203.0.113.010', '::ffff:203.0.113.7'], loadBalancerSourceRanges: \
             [10.0.0.5/8], ports: [{port: 80}]}",
        ) + &slice("web", "{port: 80}", "{addresses: [10.1.0.01]}");
        let read_as: Vec<String> = (found("KR032", &web).iter())
            .map(|message| message.split(": from").next().unwrap().to_owned())
            .collect();
        assert_eq!(
            read_as,
            [
                "203.0.113.010 is read as 203.0.113.10",
                "::ffff:203.0.113.7 is read as 203.0.113.7",
                "10.0.0.5/8 is read as 10.0.0.0/8",
                "10.1.0.01 is read as 10.1.0.1"
            ]
        );
    }

    #[test]
    fn is_silent_for_the_strict_form() {
        for text in ["10.0.0.1", "::1", "FD00::1", "2001:db8:0::1"] {
            assert!(is_strict_address(text), "{text}");
        }
        for text in ["10.0.0.0/8", "0.0.0.0/0", "fd00::/64"] {
            assert!(is_strict_network(text), "{text}");
        }
        for text in ["10.0.0.0/08", "10.0.0.1/8", "::ffff:10.0.0.0/104", "10.0.0.0"] {
            assert!(!is_strict_network(text), "{text}");
        }
    }
}
