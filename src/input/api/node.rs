//! `v1` Node.

use super::{Metadata, Text};

/// `v1` Node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.podCIDR`
    pub pod_cidr: Text,
    /// `spec.podCIDRs`
    pub pod_cidrs: Vec<Text>,
    /// `status.addresses`
    pub addresses: Vec<NodeAddress>,
}

/// An entry of `status.addresses`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeAddress {
    /// `type`
    pub type_: Text,
    /// `address`
    pub address: Text,
}
