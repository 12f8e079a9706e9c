//! `v1` Pod.

use super::{Metadata, Text};

/// `v1` Pod, as far as the EndpointSlice controller reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.nodeName`
    pub node_name: Text,
    /// `spec.hostNetwork`
    pub host_network: bool,
    /// Named and numbered ports of `spec.containers`, then of those `spec.initContainers` that restart always.
    pub ports: Vec<ContainerPort>,
    /// `status.phase`
    pub phase: Text,
    /// `status.podIPs`, or `status.podIP` where that is all there is.
    pub ips: Vec<Text>,
    /// Whether the condition `Ready` is `True`.
    pub ready: bool,
}

/// An entry of a container's `ports`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerPort {
    /// `name`
    pub name: Text,
    /// `containerPort`
    pub port: i64,
    /// `protocol`; empty where absent.
    pub protocol: Text,
}
