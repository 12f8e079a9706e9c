//! `discovery.k8s.io` EndpointSlice.

use serde::{Deserialize, Deserializer};
use smallvec::SmallVec;

use super::fields::{nullable, pairs};
use super::{Metadata, Text};

/// EndpointSlice, `v1` or `v1beta1`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct EndpointSlice {
    /// `metadata`
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// `addressType`
    #[serde(deserialize_with = "nullable")]
    pub address_type: Text,
    /// `endpoints`
    #[serde(deserialize_with = "nullable")]
    pub endpoints: Vec<Endpoint>,
    /// `ports`
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<SlicePort>,
}

/// `addresses` of an endpoint; nearly always only one, which is stored inline.
pub type Addresses = SmallVec<[Text; 1]>;

/// An entry of `endpoints`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct Endpoint {
    /// `addresses`
    pub addresses: Addresses,
    /// `conditions`
    pub conditions: Conditions,
    /// `nodeName`; in old `v1beta1` slices, the topology label with this meaning.
    pub node_name: Option<Text>,
    /// `zone`; in `v1beta1`, the topology label with this meaning.
    pub zone: Option<Text>,
    /// `hints`, if it has any.
    pub hints: Option<Box<Hints>>,
    /// `targetRef`
    pub target_ref: Option<TargetRef>,
}

/// An entry of `endpoints` in its written form.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Wire {
    #[serde(deserialize_with = "nullable")]
    addresses: Addresses,
    #[serde(deserialize_with = "nullable")]
    conditions: Conditions,
    node_name: Option<Text>,
    zone: Option<Text>,
    #[serde(deserialize_with = "hints")]
    hints: Option<Box<Hints>>,
    target_ref: Option<TargetRef>,
    /// Only in `v1beta1`.
    #[serde(deserialize_with = "pairs")]
    topology: Vec<(Text, Text)>,
}

impl From<Wire> for Endpoint {
    fn from(wire: Wire) -> Self {
        let topology = |key| super::lookup(&wire.topology, key).map(Text::from);
        Endpoint {
            node_name: wire.node_name.or_else(|| topology("kubernetes.io/hostname")),
            zone: wire.zone.or_else(|| topology("topology.kubernetes.io/zone")),
            addresses: wire.addresses,
            conditions: wire.conditions,
            hints: wire.hints,
            target_ref: wire.target_ref,
        }
    }
}

/// `conditions` of an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct Conditions {
    /// `ready`
    pub ready: Option<bool>,
    /// `serving`
    pub serving: Option<bool>,
    /// `terminating`
    pub terminating: Option<bool>,
}

/// `hints` of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Names in `forZones`.
    pub zones: Vec<Text>,
    /// Names in `forNodes`.
    pub nodes: Vec<Text>,
}

fn hints<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Hints>>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase", expecting = "a map")]
    struct Written {
        #[serde(deserialize_with = "nullable")]
        for_zones: Vec<Hint>,
        #[serde(deserialize_with = "nullable")]
        for_nodes: Vec<Hint>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, expecting = "a map")]
    struct Hint {
        #[serde(deserialize_with = "nullable")]
        name: Text,
    }
    let names = |hints: Vec<Hint>| hints.into_iter().map(|hint| hint.name).collect();
    Ok(Option::<Written>::deserialize(deserializer)?
        .map(|written| Box::new(Hints { zones: names(written.for_zones), nodes: names(written.for_nodes) })))
}

/// `targetRef` of an endpoint; its namespace is the slice's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct TargetRef {
    /// `kind`
    #[serde(deserialize_with = "nullable")]
    pub kind: Text,
    /// `name`
    #[serde(deserialize_with = "nullable")]
    pub name: Text,
}

/// An entry of `ports` of a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct SlicePort {
    /// `name`; absent counts as empty, as the API server stores it.
    #[serde(deserialize_with = "nullable")]
    pub name: Text,
    /// `protocol`; empty where absent.
    #[serde(deserialize_with = "nullable")]
    pub protocol: Text,
    /// `port`
    pub port: Option<i64>,
}
