//! Which Service ports are unchanged between two plans, so that their rules need not be made or compared twice. Fields
//! are named one by one, so that a new one cannot be forgotten.

use std::ptr;

use super::service_port::Chosen;
use super::{Plan, ServicePortPlan};
use crate::cluster::{Endpoint, ServicePort};

impl Plan<'_> {
    /// Whether iptables has equal rules for equal Service ports of both: the plans differ only in what is said once per
    /// node.
    pub(crate) fn has_rules_in_common_with(&self, other: &Plan<'_>) -> bool {
        self.common == other.common
    }

    /// Whether both plans are the same in everything but their Service ports.
    pub(crate) fn is_same_beside_service_ports(&self, other: &Plan<'_>) -> bool {
        self.common == other.common && self.own == other.own
    }
}

impl ServicePortPlan<'_> {
    /// Whether both have the same rules if all else is equal, wherever they were read and for whatever reasons.
    pub(crate) fn is_unchanged(&self, other: &ServicePortPlan<'_>) -> bool {
        let ServicePortPlan { service_port, internal, external, cluster, local, reachable } = self;
        (internal, external) == (&other.internal, &other.external)
            && same_service_port(service_port, other.service_port)
            && same_chosen(cluster, &other.cluster)
            && same_chosen(local, &other.local)
            && same_endpoints(reachable, &other.reachable)
    }
}

fn same_service_port(a: &ServicePort, b: &ServicePort) -> bool {
    let ServicePort {
        name,
        position: _,
        port_index: _,
        cluster_ip_index: _,
        cluster_ip,
        port,
        node_port,
        external_ips,
        load_balancer_ips,
        source_ranges,
        internal_policy,
        external_policy,
        affinity_seconds,
        health_check_node_port,
        asks_for_zone_hints: _,
        has_headless_label: _,
        endpoints: _,
    } = a;
    ptr::eq(a, b)
        || *name == b.name
            && (cluster_ip, port, node_port) == (&b.cluster_ip, &b.port, &b.node_port)
            && (external_ips, load_balancer_ips, source_ranges)
                == (&b.external_ips, &b.load_balancer_ips, &b.source_ranges)
            && (internal_policy, external_policy) == (&b.internal_policy, &b.external_policy)
            && (affinity_seconds, health_check_node_port) == (&b.affinity_seconds, &b.health_check_node_port)
}

/// Whether every node plans both in the same way, with the same settings.
pub(crate) fn is_planned_alike(a: &ServicePort, b: &ServicePort) -> bool {
    let same = |(a, b): (&Endpoint, &Endpoint)| {
        same_endpoint(a, b)
            && (a.ready, a.serving, a.terminating) == (b.ready, b.serving, b.terminating)
            && a.hints == b.hints
    };
    ptr::eq(a, b)
        || same_service_port(a, b)
            && a.asks_for_zone_hints == b.asks_for_zone_hints
            && a.endpoints.len() == b.endpoints.len()
            && a.endpoints.iter().zip(&b.endpoints).all(same)
}

fn same_chosen(a: &Chosen<'_>, b: &Chosen<'_>) -> bool {
    let Chosen { endpoints, choice: _ } = a;
    same_endpoints(endpoints, &b.endpoints)
}

fn same_endpoints(a: &[&Endpoint], b: &[&Endpoint]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_endpoint(a, b))
}

fn same_endpoint(a: &Endpoint, b: &Endpoint) -> bool {
    let Endpoint {
        text,
        ip,
        port,
        ready: _,
        serving: _,
        terminating: _,
        node_name,
        hints: _,
        pod: _,
        has_proxy_name_label: _,
        place: _,
    } = a;
    ptr::eq(a, b) || *text == b.text && *ip == b.ip && *port == b.port && *node_name == b.node_name
}
