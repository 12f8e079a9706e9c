//! Small plans for tests.

use std::net::SocketAddr;

use super::Plan;
use crate::cluster::{Endpoint, EndpointPlace, FamilyTable, Node, ServicePort, TrafficPolicy};
use crate::input::{Position, SourceId};
use crate::names::ServicePortName;
use crate::net::{Family, Port, Protocol};
use crate::settings::{Configuration, DetectLocal, Flags, HostFacts, ProxyMode, Release, Settings};

const POSITION: Position = Position { source: SourceId(0), offset: 0, length: 0 };

/// A ready endpoint.
pub(crate) fn endpoint(text: &str) -> Endpoint {
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
        has_proxy_name_label: false,
        place: EndpointPlace { slice: POSITION, index: 0 },
    }
}

/// A port of the Service `default/web`: cluster IP 10.96.0.13, port 80, nothing else.
pub(crate) fn service_port(port_name: &str) -> ServicePort {
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
        asks_for_zone_hints: false,
        has_headless_label: false,
        endpoints: Vec::new(),
    }
}

/// The node `worker` (192.168.0.2) and what it forwards in IPv4; its pods have 10.244.0.0/16 unless a test changes
/// that.
pub(crate) struct Sample {
    settings: Settings,
    node: Node,
    table: FamilyTable,
}

impl Sample {
    pub(crate) fn new(mode: ProxyMode, release: Release, service_ports: &[ServicePort]) -> Sample {
        let flags = Flags {
            proxy_mode: Some(mode.name().to_owned()),
            cluster_cidr: Some("10.244.0.0/16".to_owned()),
            feature_gates: [("NFTablesProxyMode".to_owned(), true)].into_iter().collect(),
            ..Flags::default()
        };
        let mut configuration = Configuration::default();
        configuration.override_with(&flags, &release);
        let settings = Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0;
        let internal_ips = vec!["192.168.0.2".parse().unwrap()];
        let node = Node { name: "worker".into(), internal_ips, ..Node::default() };
        Sample {
            settings,
            node,
            table: FamilyTable { service_ports: service_ports.to_vec(), endpoints_elsewhere: 0 },
        }
    }

    pub(crate) fn detect_local(mut self, detect_local: DetectLocal) -> Sample {
        self.settings.detect_local = detect_local;
        self
    }

    pub(crate) fn plan(&self) -> Plan<'_> {
        Plan::of(&self.table, Vec::new(), &self.settings, &self.node, Family::Ipv4).unwrap().0
    }
}
