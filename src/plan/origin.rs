//! What made a rule: the Service port and the field, or the configuration.

use std::borrow::Cow;

use super::{Plan, ServicePortPlan};
use crate::input::Position;

/// What made a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Index in [`super::Plan::service_ports`]; none for rules that every node has.
    pub service_port: Option<u32>,
    /// The field that made it.
    pub field: Field,
}

impl Origin {
    /// For a rule that every node has.
    pub const BASE: Origin = Origin { service_port: None, field: Field::Base };
}

/// The field of an object or the configuration that made a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// No field: every node has the rule.
    Base,
    /// `clusterCIDR`, `detectLocalMode` and related fields.
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

/// Where an origin's field stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldSource {
    /// Position of the object; none for fields of the configuration and for rules that every node has.
    pub position: Option<Position>,
    /// Path of the field in the object or the configuration, such as `spec.ports[0].nodePort`; empty for none.
    pub path: Cow<'static, str>,
}

impl Origin {
    /// The Service port that made the rule.
    pub fn service_port<'p, 'c>(&self, plan: &'p Plan<'c>) -> Option<&'p ServicePortPlan<'c>> {
        plan.service_ports().get(self.service_port? as usize)
    }

    /// Where the field is that made the rule.
    pub fn source(&self, plan: &Plan<'_>) -> FieldSource {
        match self.service_port(plan) {
            Some(service_port) => self.source_in(service_port),
            None => FieldSource { position: None, path: self.field.configuration_path().into() },
        }
    }

    fn source_in(&self, plan: &ServicePortPlan<'_>) -> FieldSource {
        let port = plan.service_port;
        let endpoint = |i: u32| plan.reachable.get(i as usize);
        if let Field::Endpoint(i) = self.field
            && let Some(endpoint) = endpoint(i)
        {
            let path = format!("endpoints[{}].addresses[0]", endpoint.place.index).into();
            return FieldSource { position: Some(endpoint.place.slice), path };
        }
        let path: Cow<'static, str> = match self.field {
            Field::ClusterIp => match port.cluster_ip_index {
                Some(i) => format!("spec.clusterIPs[{i}]").into(),
                None => "spec.clusterIP".into(),
            },
            Field::ExternalIp(i) => format!("spec.externalIPs[{i}]").into(),
            Field::LoadBalancerIp(i) => format!("status.loadBalancer.ingress[{i}].ip").into(),
            Field::SourceRange(i) => format!("spec.loadBalancerSourceRanges[{i}]").into(),
            Field::NodePort => format!("spec.ports[{}].nodePort", port.port_index).into(),
            Field::HealthCheckNodePort => "spec.healthCheckNodePort".into(),
            Field::ExternalTrafficPolicy => "spec.externalTrafficPolicy".into(),
            Field::SessionAffinity(_) => "spec.sessionAffinity".into(),
            field => field.configuration_path().into(),
        };
        FieldSource { position: Some(port.position), path }
    }
}

impl Field {
    /// Path in the kube-proxy configuration; empty for fields of objects.
    fn configuration_path(self) -> &'static str {
        match self {
            Field::DetectLocal => "detectLocalMode",
            Field::NodePortAddresses => "nodePortAddresses",
            Field::LocalhostNodePorts => "iptables.localhostNodePorts",
            Field::Masquerade => "masqueradeAll, masqueradeBit",
            Field::ServiceCidr => "spec.cidrs",
            _ => "",
        }
    }
}
