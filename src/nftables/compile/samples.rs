//! Small plans for tests.

use std::net::SocketAddr;

use crate::cluster::{Endpoint, EndpointPlace, ServicePort, TrafficPolicy};
use crate::input::{Position, SourceId};
use crate::names::ServicePortName;
use crate::net::{Cidr, Family, Port, Protocol};
use crate::plan::{
    Basis, Choice, EndpointSet, HintUse, LocalTraffic, LoopbackNodePorts, Masquerade, NodePorts, Plan, Reach,
    Route, ServicePortPlan,
};
use crate::settings::{ProxyMode, Release};

const POSITION: Position = Position { source: SourceId(0), offset: 0, length: 0 };

/// A ready endpoint.
pub(in crate::nftables) fn endpoint(text: &str) -> Endpoint {
    let address: SocketAddr = text.parse().unwrap();
    Endpoint {
        text: text.into(),
        ip: address.ip(),
        port: Port::new(address.port().into()).unwrap(),
        ready: true,
        serving: true,
        terminating: false,
        node_name: None,
        hints: None,
        pod: None,
        place: EndpointPlace { slice: POSITION, index: 0 },
    }
}

/// A port of the Service `default/web`: cluster IP 10.96.0.13, port 80, nothing else.
pub(in crate::nftables) fn service_port(port_name: &str) -> ServicePort {
    ServicePort {
        name: ServicePortName::new("default", "web", port_name, Protocol::Tcp).unwrap(),
        position: POSITION,
        port_index: 0,
        cluster_ip_index: Some(0),
        cluster_ip: "10.96.0.13".parse().unwrap(),
        port: Port::new(80).unwrap(),
        node_port: None,
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        internal_policy: TrafficPolicy::Cluster,
        external_policy: TrafficPolicy::Cluster,
        affinity_seconds: None,
        health_check_node_port: None,
        zone_hints_allowed: false,
        endpoints: Vec::new(),
    }
}

/// A plan for IPv4 in which every endpoint is ready, and those on `worker` are local.
pub(in crate::nftables) fn plan(release: Release, service_ports: &[ServicePort]) -> Plan<'_> {
    Plan {
        family: Family::Ipv4,
        mode: ProxyMode::Nftables,
        release,
        node_name: "worker".into(),
        node_ip: "192.168.0.2".parse().unwrap(),
        interface_addresses: Vec::new(),
        masquerade: Masquerade { mark: 1 << 14, all: false, random_fully: true },
        local_traffic: Some(LocalTraffic::From(Cidr::parse_lenient("10.244.0.0/16").unwrap())),
        node_ports: NodePorts::Addresses(vec!["192.168.0.2".parse().unwrap()]),
        localhost_node_ports: false,
        loopback_node_ports: LoopbackNodePorts::Untouched,
        large_cluster: false,
        nfacct: false,
        drop_invalid: false,
        service_cidrs: Vec::new(),
        service_ports: service_ports.iter().map(planned).collect(),
    }
}

fn planned(service_port: &ServicePort) -> ServicePortPlan<'_> {
    let all: Vec<&Endpoint> = service_port.endpoints.iter().collect();
    let local: Vec<&Endpoint> = all.iter().copied().filter(|e| e.node_name.is_some()).collect();
    let has_endpoints = !all.is_empty();
    let route = |policy| {
        let reach = match policy {
            _ if !has_endpoints => Reach::RejectNoEndpoints,
            TrafficPolicy::Local if local.is_empty() => Reach::DropNoLocalEndpoints,
            TrafficPolicy::Local => Reach::Balance(EndpointSet::Local),
            TrafficPolicy::Cluster => Reach::Balance(EndpointSet::Cluster),
        };
        Route { policy, reach }
    };
    let choice = Choice { basis: Basis::Ready, hints: HintUse::None };
    let local_policy =
        [service_port.internal_policy, service_port.external_policy].contains(&TrafficPolicy::Local);
    ServicePortPlan {
        service_port,
        internal: route(service_port.internal_policy),
        external: route(service_port.external_policy),
        cluster_endpoints: all.clone(),
        local_endpoints: if local_policy { local } else { Vec::new() },
        reachable_endpoints: all,
        has_endpoints,
        uses_cluster_endpoints: true,
        uses_local_endpoints: local_policy,
        externally_accessible: service_port.node_port.is_some()
            || !service_port.external_ips.is_empty()
            || !service_port.load_balancer_ips.is_empty(),
        serves_external_ips: true,
        source_restricted: !service_port.source_ranges.is_empty(),
        allow_from_node: false,
        cluster_choice: choice,
        local_choice: choice,
    }
}
