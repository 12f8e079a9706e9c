//! `v1` Service.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::fields::{nullable, pairs};
use super::{Metadata, Text};

/// `v1` Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct Service {
    /// `metadata`
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// `spec`
    #[serde(deserialize_with = "nullable")]
    pub spec: ServiceSpec,
    /// `status.loadBalancer.ingress`
    #[serde(rename = "status", deserialize_with = "load_balancer_ingress")]
    pub ingress: Vec<Ingress>,
}

/// `spec` of a Service. Absent and null strings are empty, absent numbers are 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct ServiceSpec {
    /// `spec.type`
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub type_: Text,
    /// `spec.clusterIP`
    #[serde(rename = "clusterIP", deserialize_with = "nullable")]
    pub cluster_ip: Text,
    /// `spec.clusterIPs`
    #[serde(rename = "clusterIPs", deserialize_with = "nullable")]
    pub cluster_ips: Vec<Text>,
    /// `spec.ipFamilies`
    #[serde(deserialize_with = "nullable")]
    pub ip_families: Vec<Text>,
    /// `spec.ipFamilyPolicy`
    #[serde(deserialize_with = "nullable")]
    pub ip_family_policy: Text,
    /// `spec.ports`
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<ServicePort>,
    /// `spec.selector`, sorted by key.
    #[serde(deserialize_with = "pairs")]
    pub selector: Vec<(Text, Text)>,
    /// `spec.externalIPs`
    #[serde(rename = "externalIPs", deserialize_with = "nullable")]
    pub external_ips: Vec<Text>,
    /// `spec.sessionAffinity`
    #[serde(deserialize_with = "nullable")]
    pub session_affinity: Text,
    /// `spec.sessionAffinityConfig.clientIP.timeoutSeconds`
    #[serde(rename = "sessionAffinityConfig", deserialize_with = "affinity_timeout")]
    pub affinity_timeout_seconds: Option<i64>,
    /// `spec.externalTrafficPolicy`
    #[serde(deserialize_with = "nullable")]
    pub external_traffic_policy: Text,
    /// `spec.internalTrafficPolicy`
    #[serde(deserialize_with = "nullable")]
    pub internal_traffic_policy: Text,
    /// `spec.healthCheckNodePort`
    #[serde(deserialize_with = "nullable")]
    pub health_check_node_port: i64,
    /// `spec.loadBalancerClass`
    #[serde(deserialize_with = "nullable")]
    pub load_balancer_class: Text,
    /// `spec.loadBalancerSourceRanges`
    #[serde(deserialize_with = "nullable")]
    pub load_balancer_source_ranges: Vec<Text>,
    /// `spec.allocateLoadBalancerNodePorts`
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// `spec.publishNotReadyAddresses`
    #[serde(deserialize_with = "nullable")]
    pub publish_not_ready_addresses: bool,
    /// `spec.trafficDistribution`
    #[serde(deserialize_with = "nullable")]
    pub traffic_distribution: Text,
}

/// An entry of `spec.ports`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct ServicePort {
    /// `name`
    #[serde(deserialize_with = "nullable")]
    pub name: Text,
    /// `protocol`
    #[serde(deserialize_with = "nullable")]
    pub protocol: Text,
    /// `port`
    #[serde(deserialize_with = "nullable")]
    pub port: i64,
    /// `nodePort`
    #[serde(deserialize_with = "nullable")]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct Ingress {
    /// `ip`
    #[serde(deserialize_with = "nullable")]
    pub ip: Text,
    /// `hostname`
    #[serde(deserialize_with = "nullable")]
    pub hostname: Text,
    /// `ipMode`
    pub ip_mode: Option<Text>,
}

fn load_balancer_ingress<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Ingress>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase", expecting = "a map")]
    struct Status {
        #[serde(deserialize_with = "nullable")]
        load_balancer: LoadBalancer,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, expecting = "a map")]
    struct LoadBalancer {
        #[serde(deserialize_with = "nullable")]
        ingress: Vec<Ingress>,
    }
    Ok(nullable::<Status, _>(deserializer)?.load_balancer.ingress)
}

fn affinity_timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, expecting = "a map")]
    struct Config {
        #[serde(rename = "clientIP", deserialize_with = "nullable")]
        client_ip: ClientIp,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase", expecting = "a map")]
    struct ClientIp {
        timeout_seconds: Option<i64>,
    }
    Ok(nullable::<Config, _>(deserializer)?.client_ip.timeout_seconds)
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntOrStringVisitor)
    }
}

struct IntOrStringVisitor;

impl Visitor<'_> for IntOrStringVisitor {
    type Value = IntOrString;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number or a string")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(IntOrString::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        let too_large = |_| E::invalid_value(Unexpected::Unsigned(number), &self);
        i64::try_from(number).map(IntOrString::Int).map_err(too_large)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(IntOrString::String(text.into()))
    }
}
