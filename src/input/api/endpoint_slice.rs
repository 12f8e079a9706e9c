//! `discovery.k8s.io` EndpointSlice.

use super::{Metadata, Text};

/// EndpointSlice, `v1` or `v1beta1`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointSlice {
    /// `metadata`
    pub metadata: Metadata,
    /// `addressType`
    pub address_type: Text,
    /// `endpoints`
    pub endpoints: Vec<Endpoint>,
    /// `ports`
    pub ports: Vec<SlicePort>,
}

/// An entry of `endpoints`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// `addresses`
    pub addresses: Vec<Text>,
    /// `conditions`
    pub conditions: Conditions,
    /// `nodeName`
    pub node_name: Option<Text>,
    /// `zone`; in `v1beta1` the topology label of that meaning.
    pub zone: Option<Text>,
    /// `hints`, if it has any.
    pub hints: Option<Box<Hints>>,
    /// `targetRef`
    pub target_ref: Option<TargetRef>,
}

/// `conditions` of an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// `targetRef` of an endpoint; its namespace is the slice's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetRef {
    /// `kind`
    pub kind: Text,
    /// `name`
    pub name: Text,
}

/// An entry of `ports` of a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlicePort {
    /// `name`; absent counts as empty, as the API server stores it.
    pub name: Text,
    /// `protocol`; empty where absent.
    pub protocol: Text,
    /// `port`
    pub port: Option<i64>,
}
