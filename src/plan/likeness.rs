//! Which parts of two nodes' plans are the same, so that nothing need be made twice.

use std::ptr;

use super::{Plan, ServicePortPlan};
use crate::cluster::Endpoint;

impl Plan<'_> {
    /// Whether both forward equal Service ports by equal rules: they are alike in all but what is said once for a node.
    pub fn treats_service_ports_like(&self, other: &Plan<'_>) -> bool {
        let Plan {
            family,
            mode,
            release,
            node_name: _,
            node_ip: _,
            interface_addresses: _,
            masquerade,
            local_traffic,
            node_ports: _,
            localhost_node_ports,
            loopback_node_ports,
            large_cluster,
            nfacct,
            drop_invalid,
            service_cidrs: _,
            service_ports: _,
        } = self;
        (family, mode, release, masquerade, local_traffic, loopback_node_ports)
            == (
                &other.family,
                &other.mode,
                &other.release,
                &other.masquerade,
                &other.local_traffic,
                &other.loopback_node_ports,
            )
            && (localhost_node_ports, large_cluster, nfacct, drop_invalid)
                == (&other.localhost_node_ports, &other.large_cluster, &other.nfacct, &other.drop_invalid)
    }
}

impl ServicePortPlan<'_> {
    /// Whether two nodes of one cluster do the same with a Service port, for whatever reasons.
    pub fn is_like(&self, other: &ServicePortPlan<'_>) -> bool {
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
        } = self;
        ptr::eq(*service_port, other.service_port)
            && (internal, external) == (&other.internal, &other.external)
            && (has_endpoints, uses_cluster_endpoints, uses_local_endpoints)
                == (&other.has_endpoints, &other.uses_cluster_endpoints, &other.uses_local_endpoints)
            && (externally_accessible, serves_external_ips, source_restricted, allow_from_node)
                == (
                    &other.externally_accessible,
                    &other.serves_external_ips,
                    &other.source_restricted,
                    &other.allow_from_node,
                )
            && are_the_same(cluster_endpoints, &other.cluster_endpoints)
            && are_the_same(local_endpoints, &other.local_endpoints)
            && are_the_same(reachable_endpoints, &other.reachable_endpoints)
    }
}

fn are_the_same(some: &[&Endpoint], others: &[&Endpoint]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(a, b)| ptr::eq(*a, *b))
}
