//! `v1` Endpoints, the older form of EndpointSlices. kube-proxy does not read them; a controller mirrors those of
//! Services without a selector into slices.

use serde::Deserialize;

use super::fields::nullable;
use super::{Metadata, SlicePort, TargetRef, Text};

/// `v1` Endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct Endpoints {
    /// `metadata`
    #[serde(deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// `subsets`
    #[serde(deserialize_with = "nullable")]
    pub subsets: Vec<Subset>,
}

/// An entry of `subsets`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct Subset {
    /// `addresses`
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<SubsetAddress>,
    /// `notReadyAddresses`
    #[serde(deserialize_with = "nullable")]
    pub not_ready_addresses: Vec<SubsetAddress>,
    /// `ports`
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<SlicePort>,
}

/// An entry of `addresses` or `notReadyAddresses`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
pub struct SubsetAddress {
    /// `ip`
    #[serde(deserialize_with = "nullable")]
    pub ip: Text,
    /// `nodeName`
    pub node_name: Option<Text>,
    /// `targetRef`
    pub target_ref: Option<TargetRef>,
}
