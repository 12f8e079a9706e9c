//! `v1` Service.

use super::{Metadata, Text};

/// `v1` Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec`
    pub spec: ServiceSpec,
    /// `status.loadBalancer.ingress`
    pub ingress: Vec<Ingress>,
}

/// `spec` of a Service. Absent and null strings are empty, absent numbers are 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceSpec {
    /// `spec.type`
    pub type_: Text,
    /// `spec.clusterIP`
    pub cluster_ip: Text,
    /// `spec.clusterIPs`
    pub cluster_ips: Vec<Text>,
    /// `spec.ipFamilies`
    pub ip_families: Vec<Text>,
    /// `spec.ipFamilyPolicy`
    pub ip_family_policy: Text,
    /// `spec.ports`
    pub ports: Vec<ServicePort>,
    /// `spec.selector`, sorted by key.
    pub selector: Vec<(Text, Text)>,
    /// `spec.externalIPs`
    pub external_ips: Vec<Text>,
    /// `spec.sessionAffinity`
    pub session_affinity: Text,
    /// `spec.sessionAffinityConfig.clientIP.timeoutSeconds`
    pub affinity_timeout_seconds: Option<i64>,
    /// `spec.externalTrafficPolicy`
    pub external_traffic_policy: Text,
    /// `spec.internalTrafficPolicy`
    pub internal_traffic_policy: Text,
    /// `spec.healthCheckNodePort`
    pub health_check_node_port: i64,
    /// `spec.loadBalancerSourceRanges`
    pub load_balancer_source_ranges: Vec<Text>,
    /// `spec.allocateLoadBalancerNodePorts`
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// `spec.publishNotReadyAddresses`
    pub publish_not_ready_addresses: bool,
    /// `spec.trafficDistribution`
    pub traffic_distribution: Text,
}

/// An entry of `spec.ports`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// `name`
    pub name: Text,
    /// `protocol`
    pub protocol: Text,
    /// `port`
    pub port: i64,
    /// `nodePort`
    pub node_port: i64,
    /// `targetPort`
    pub target_port: Option<IntOrString>,
}

/// A value that is a number or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntOrString {
    /// A number.
    Int(i64),
    /// A name.
    String(Text),
}

/// An entry of `status.loadBalancer.ingress`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingress {
    /// `ip`
    pub ip: Text,
    /// `hostname`
    pub hostname: Text,
    /// `ipMode`
    pub ip_mode: Option<Text>,
}
