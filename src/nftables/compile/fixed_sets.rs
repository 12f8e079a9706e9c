//! The sets and maps that every node has.

use super::super::ruleset::{DataType, Datum, Set};
use super::elements::Elements;
use super::{loopback, name};
use crate::net::Family;
use crate::plan::origin::{Field, Origin};
use crate::plan::{NodePorts, Plan};

/// Elements of the sets and maps that every node has.
#[derive(Debug)]
pub(super) struct FixedSets {
    family: Family,
    /// Endpoints that may reach themselves through a Service; none if endpoint chains handle that.
    pub(super) hairpin: Option<Elements>,
    pub(super) cluster_ips: Elements,
    node_port_ips: Option<Elements>,
    pub(super) no_endpoint_services: Elements,
    pub(super) no_endpoint_node_ports: Elements,
    /// Node ports that are rejected on loopback addresses; none if the gate is off.
    pub(super) localhost_reject_ports: Option<Elements>,
    pub(super) firewall_ips: Elements,
    pub(super) service_ips: Elements,
    pub(super) service_node_ports: Elements,
}

impl FixedSets {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        FixedSets {
            family: plan.family(),
            hairpin: plan.release().nftables.direct_dnat.then(Elements::default),
            cluster_ips: Elements::default(),
            node_port_ips: node_port_ips(plan.node_ports()),
            no_endpoint_services: Elements::default(),
            no_endpoint_node_ports: Elements::default(),
            localhost_reject_ports: loopback::is_on(plan).then(Elements::default),
            firewall_ips: Elements::default(),
            service_ips: Elements::default(),
            service_node_ports: Elements::default(),
        }
    }

    /// In the order in which kube-proxy makes them.
    pub(super) fn into_sets(self) -> Vec<Set> {
        let address = DataType::from(self.family);
        let by_address = || vec![address.clone(), DataType::InetProto, DataType::InetService];
        let by_node_port = || vec![DataType::InetProto, DataType::InetService];
        let by_connection =
            vec![address.clone(), address.clone(), DataType::InetProto, DataType::InetService];
        let mut sets = Vec::new();
        if let Some(elements) = self.hairpin {
            sets.push(set(name::HAIRPIN, by_connection, "service hairpin connections", elements));
        }
        sets.push(set(name::CLUSTER_IPS, vec![address.clone()], "Active ClusterIPs", self.cluster_ips));
        if let Some(elements) = self.node_port_ips {
            let comment = "IPs that accept NodePort traffic";
            sets.push(set(name::NODE_PORT_IPS, vec![address.clone()], comment, elements));
        }
        sets.extend([
            map(
                name::NO_ENDPOINT_SERVICES,
                by_address(),
                "vmap to drop or reject packets to services with no endpoints",
                self.no_endpoint_services,
            ),
            map(
                name::NO_ENDPOINT_NODE_PORTS,
                by_node_port(),
                "vmap to drop or reject packets to service nodeports with no endpoints",
                self.no_endpoint_node_ports,
            ),
        ]);
        if let Some(elements) = self.localhost_reject_ports {
            let comment = "localhost NodePorts rejected by kube-proxy";
            sets.push(map(name::LOCALHOST_REJECT_PORTS, by_node_port(), comment, elements));
        }
        sets.extend([
            map(
                name::FIREWALL_IPS,
                by_address(),
                "destinations that are subject to LoadBalancerSourceRanges",
                self.firewall_ips,
            ),
            map(
                name::SERVICE_IPS,
                by_address(),
                "ClusterIP, ExternalIP and LoadBalancer IP traffic",
                self.service_ips,
            ),
            map(name::SERVICE_NODE_PORTS, by_node_port(), "NodePort traffic", self.service_node_ports),
        ]);
        sets
    }
}

fn node_port_ips(node_ports: &NodePorts) -> Option<Elements> {
    let NodePorts::Addresses(addresses) = node_ports else {
        return None;
    };
    let origin = Origin { field: Field::NodePortAddresses, ..Origin::BASE };
    let mut elements = Elements::default();
    for ip in addresses {
        elements.add(vec![Datum::Address(*ip)], origin);
    }
    Some(elements)
}

fn set(name: &str, key: Vec<DataType>, comment: &str, elements: Elements) -> Set {
    Set {
        name: name.into(),
        key,
        maps_to: None,
        size: None,
        flags: Vec::new(),
        timeout_seconds: None,
        comment: Some(comment.into()),
        opaque: Vec::new(),
        elements: elements.into_vec(),
    }
}

fn map(name: &str, key: Vec<DataType>, comment: &str, elements: Elements) -> Set {
    Set { maps_to: Some(DataType::Verdict), ..set(name, key, comment, elements) }
}
