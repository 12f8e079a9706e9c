//! Whether two plans, or two Service ports of them, are the same to a compiler. Fields are named one by one, so that a
//! new one cannot be forgotten.

use crate::cluster::{Endpoint, ServicePort};
use crate::plan::{Plan, ServicePortPlan};

/// Whether two plans agree in everything but their Service ports.
pub(super) fn beside_service_ports(a: &Plan<'_>, b: &Plan<'_>) -> bool {
    let Plan {
        family,
        mode,
        release,
        node_name,
        node_ip,
        interface_addresses,
        masquerade,
        local_traffic,
        node_ports,
        localhost_node_ports,
        loopback_node_ports,
        large_cluster,
        nfacct,
        drop_invalid,
        service_cidrs,
        service_ports: _,
    } = a;
    *family == b.family
        && *mode == b.mode
        && *release == b.release
        && *node_name == b.node_name
        && *node_ip == b.node_ip
        && *interface_addresses == b.interface_addresses
        && *masquerade == b.masquerade
        && *local_traffic == b.local_traffic
        && *node_ports == b.node_ports
        && *localhost_node_ports == b.localhost_node_ports
        && *loopback_node_ports == b.loopback_node_ports
        && *large_cluster == b.large_cluster
        && *nfacct == b.nfacct
        && *drop_invalid == b.drop_invalid
        && *service_cidrs == b.service_cidrs
}

/// Whether two Service ports agree in everything but where they were read, and why endpoints were chosen.
pub(super) fn service_ports(a: &ServicePortPlan<'_>, b: &ServicePortPlan<'_>) -> bool {
    let ServicePortPlan {
        service_port,
        cluster_endpoints,
        local_endpoints,
        reachable_endpoints,
        has_endpoints,
        uses_cluster_endpoints,
        uses_local_endpoints,
        externally_accessible,
        serves_external_ips,
        source_restricted,
        allow_from_node,
        internal,
        external,
        cluster_choice: _,
        local_choice: _,
    } = a;
    *has_endpoints == b.has_endpoints
        && *uses_cluster_endpoints == b.uses_cluster_endpoints
        && *uses_local_endpoints == b.uses_local_endpoints
        && *externally_accessible == b.externally_accessible
        && *serves_external_ips == b.serves_external_ips
        && *source_restricted == b.source_restricted
        && *allow_from_node == b.allow_from_node
        && *internal == b.internal
        && *external == b.external
        && fields(service_port, b.service_port)
        && endpoints(cluster_endpoints, &b.cluster_endpoints)
        && endpoints(local_endpoints, &b.local_endpoints)
        && endpoints(reachable_endpoints, &b.reachable_endpoints)
}

fn fields(a: &ServicePort, b: &ServicePort) -> bool {
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
        zone_hints_allowed: _,
        endpoints: _,
    } = a;
    *name == b.name
        && *cluster_ip == b.cluster_ip
        && *port == b.port
        && *node_port == b.node_port
        && *external_ips == b.external_ips
        && *load_balancer_ips == b.load_balancer_ips
        && *source_ranges == b.source_ranges
        && *internal_policy == b.internal_policy
        && *external_policy == b.external_policy
        && *affinity_seconds == b.affinity_seconds
        && *health_check_node_port == b.health_check_node_port
}

fn endpoints(a: &[&Endpoint], b: &[&Endpoint]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| endpoint(a, b))
}

fn endpoint(a: &Endpoint, b: &Endpoint) -> bool {
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
        place: _,
    } = a;
    *text == b.text && *ip == b.ip && *port == b.port && *node_name == b.node_name
}
