//! What made a rule: the Service port and the field, or the configuration.

/// What made a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Index in [`super::Plan::service_ports`]; none for rules that every node has.
    pub service_port: Option<u32>,
    /// The field that made it.
    pub field: Field,
}

impl Origin {
    /// Of a rule that every node has.
    pub const BASE: Origin = Origin { service_port: None, field: Field::Base };
}

/// The field of an object or the configuration that made a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// No field: every node has the rule.
    Base,
    /// `clusterCIDR`, `detectLocalMode` and what belongs to them.
    DetectLocal,
    /// `nodePortAddresses`
    NodePortAddresses,
    /// `localhostNodePorts`
    LocalhostNodePorts,
    /// `masqueradeBit`, `masqueradeAll`
    Masquerade,
    /// `spec.cidrs` of a ServiceCIDR.
    ServiceCidr,
    /// `spec.clusterIP`, `spec.clusterIPs`
    ClusterIp,
    /// `spec.externalIPs[i]`
    ExternalIp(u32),
    /// `status.loadBalancer.ingress[i].ip`
    LoadBalancerIp(u32),
    /// `spec.loadBalancerSourceRanges[i]`
    SourceRange(u32),
    /// `spec.ports[].nodePort`
    NodePort,
    /// `spec.healthCheckNodePort`
    HealthCheckNodePort,
    /// `spec.externalTrafficPolicy`
    ExternalTrafficPolicy,
    /// `spec.sessionAffinity`, for the i-th of the plan's reachable endpoints.
    SessionAffinity(u32),
    /// The i-th of the plan's reachable endpoints.
    Endpoint(u32),
}
