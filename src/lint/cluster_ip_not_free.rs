//! Cluster IPs that the API server cannot assign.

use std::net::IpAddr;

use super::finding::{Findings, Lint, Severity};
use super::subject::{ServiceNetworks, ServiceView, Subject};
use super::words;
use crate::diagnostic::message;
use crate::net::{Cidr, Family, parse_ip_lenient};

pub(super) static LINT: Lint = Lint {
    code: "KR051",
    name: "cluster-ip-not-free",
    severity: Severity::Error,
    summary: "a cluster IP lies outside the service network, or the network keeps it for itself",
    check,
};

fn check(subject: &Subject<'_>, found: &mut Findings<'_>) {
    let known = &subject.service_networks;
    if known.networks.is_empty() {
        return;
    }
    for view in subject.services.values().filter(|view| !view.located.object.metadata.stored.0) {
        let spec = view.spec();
        let listed = spec.cluster_ips.iter().enumerate().map(|(i, ip)| (format!("spec.clusterIPs[{i}]"), ip));
        let single =
            Some(("spec.clusterIP".to_owned(), &spec.cluster_ip)).filter(|_| spec.cluster_ips.is_empty());
        for (field, text) in listed.chain(single) {
            let Some(ip) = parse_ip_lenient(text) else { continue };
            if let Some(why) = why_not(ip, view, known) {
                let remedy = if known.are_assumed {
                    "the service network is assumed: give the cluster's with --service-cidr, or leave the address out"
                } else {
                    "choose an address in the network, or leave it out and get one"
                };
                let message = message!("Invalid value: {text:?}: failed to allocate IP {ip}: {why}");
                found.add(view.about(field), message, remedy);
            }
        }
    }
}

fn why_not(ip: IpAddr, view: &ServiceView<'_>, known: &ServiceNetworks) -> Option<String> {
    let of_family: Vec<Cidr> =
        known.networks.iter().copied().filter(|cidr| cidr.family() == Family::of(ip)).collect();
    if of_family.is_empty() {
        return Some(format!("{} is not configured on this cluster", Family::of(ip).api_name()));
    }
    let inside = of_family.iter().find(|cidr| cidr.contains(ip));
    let is_usable = inside.is_some_and(|cidr| !is_end(*cidr, ip));
    if !is_usable {
        return Some(format!("the provided IP is not in the valid range {}", words::list(&of_family)));
    }
    let metadata = &view.located.object.metadata;
    let is_kubernetes = metadata.namespace == "default" && metadata.name == "kubernetes";
    let first = known.networks.first().and_then(|cidr| next(cidr.network()));
    (first == Some(ip) && !is_kubernetes).then(|| "it is that of the Service default/kubernetes".to_owned())
}

/// Whether it is the network's own address, or its broadcast address.
fn is_end(cidr: Cidr, ip: IpAddr) -> bool {
    !cidr.is_host() && (ip == cidr.network() || (ip == cidr.last() && ip.is_ipv4()))
}

fn next(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|number| IpAddr::V4(number.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|number| IpAddr::V6(number.into())),
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{found, service};

    const NETWORK: &str = "---\napiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: kubernetes}\nspec: {cidrs: [10.96.0.0/16]}\n";

    fn with(ip: &str) -> Vec<String> {
        found("KR051", &(service("web", &format!("{{clusterIP: '{ip}', ports: [{{port: 80}}]}}")) + NETWORK))
    }

    #[test]
    fn fires_outside_at_the_ends_and_for_that_of_the_api_server() {
        assert_eq!(
            with("10.97.0.5"),
            [
                "Invalid value: \"10.97.0.5\": failed to allocate IP 10.97.0.5: the provided IP is not in the valid range 10.96.0.0/16"
            ]
        );
        assert!(with("10.96.255.255")[0].contains("not in the valid range"));
        assert!(with("10.96.0.1")[0].ends_with("it is that of the Service default/kubernetes"));
        assert!(with("fd00::5")[0].ends_with("IPv6 is not configured on this cluster"));
    }

    #[test]
    fn is_silent_inside_and_where_the_network_is_not_known() {
        assert!(with("10.96.0.5").is_empty());
        assert!(found("KR051", &service("web", "{clusterIP: 10.7.0.5, ports: [{port: 80}]}")).is_empty());
    }
}
