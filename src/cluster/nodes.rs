//! Nodes.

use std::net::IpAddr;

use super::Node;
use super::report::{ObjectReport, Report};
use crate::diagnostic::message;
use crate::input::{Located, Snapshot, api};
use crate::names::is_dns_subdomain;
use crate::net::{Cidr, parse_ip_lenient};

/// The label that names a node's zone.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

pub(super) fn nodes(snapshot: &Snapshot, report: &mut Report<'_>) -> Vec<Node> {
    let mut nodes: Vec<Node> = snapshot.nodes.iter().map(|located| node(located, report)).collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes
}

fn node(located: &Located<api::Node>, report: &mut Report<'_>) -> Node {
    let node = &located.object;
    let mut report = report.about(node.metadata.object_ref("Node"), located.position);
    if !is_dns_subdomain(&node.metadata.name) {
        report.error(
            "metadata.name",
            "is not a DNS subdomain",
            "use lower-case letters, digits, '-' and '.'",
        );
    }
    Node {
        name: node.metadata.name.clone(),
        position: Some(located.position),
        zone: node.metadata.label(ZONE_LABEL).map(Into::into),
        internal_ips: addresses(node, "InternalIP", &mut report),
        external_ips: addresses(node, "ExternalIP", &mut report),
        pod_cidrs: pod_cidrs(node, &mut report),
    }
}

fn addresses(node: &api::Node, kind: &str, report: &mut ObjectReport<'_, '_>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for (i, entry) in node.addresses.iter().enumerate().filter(|(_, entry)| entry.type_ == kind) {
        match parse_ip_lenient(&entry.address) {
            Some(ip) => found.push(ip),
            None => report.warning(
                &format!("status.addresses[{i}].address"),
                message!("{:?} is not an IP address and is ignored", entry.address),
                "",
            ),
        }
    }
    found
}

fn pod_cidrs(node: &api::Node, report: &mut ObjectReport<'_, '_>) -> Vec<Cidr> {
    let only = [node.pod_cidr.clone()];
    let texts: &[_] =
        if node.pod_cidrs.is_empty() && !node.pod_cidr.is_empty() { &only } else { &node.pod_cidrs };
    let mut found = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        match Cidr::parse_lenient(text) {
            Some(cidr) => found.push(cidr),
            None => report.error(
                &format!("spec.podCIDRs[{i}]"),
                message!("{text:?} is not a network"),
                "write it as address/length",
            ),
        }
    }
    found
}
