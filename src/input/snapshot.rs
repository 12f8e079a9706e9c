//! What was read: API objects, each with its place.

use std::collections::{BTreeMap, BTreeSet};

use super::api;
use super::position::Located;
use super::source::Sources;

/// Everything that was read and that kuberules knows, in the order of the input.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The bytes, for positions.
    pub sources: Sources,
    /// `v1` Services.
    pub services: Vec<Located<api::Service>>,
    /// `discovery.k8s.io` EndpointSlices.
    pub endpoint_slices: Vec<Located<api::EndpointSlice>>,
    /// `v1` Endpoints, which only count if slices are assumed from them.
    pub endpoints: Vec<Located<api::Endpoints>>,
    /// `v1` Nodes.
    pub nodes: Vec<Located<api::Node>>,
    /// `networking.k8s.io` ServiceCIDRs.
    pub service_cidrs: Vec<Located<api::ServiceCidr>>,
    /// `v1` Pods.
    pub pods: Vec<Located<api::Pod>>,
    /// Deployments and other kinds that make Pods.
    pub workloads: Vec<Located<api::Workload>>,
    /// `networking.k8s.io/v1` Ingresses.
    pub ingresses: Vec<Located<api::HttpIngress>>,
    /// `autoscaling` HorizontalPodAutoscalers.
    pub autoscalers: Vec<Located<api::Autoscaler>>,
    /// `policy` PodDisruptionBudgets. They are also counted as ignored.
    pub disruption_budgets: Vec<Located<api::DisruptionBudget>>,
    /// Objects of kinds that make Pods, or may, in ways that are not modelled. They are also counted as ignored.
    pub pod_makers: Vec<Located<api::PodMaker>>,
    /// Objects in one of Kubernetes' own groups that does not have their kind. They are also counted as ignored.
    pub misplaced: Vec<Located<api::Misplaced>>,
    /// The text of every KubeProxyConfiguration found, bare or in a ConfigMap.
    pub configurations: Vec<Located<api::ConfigurationText>>,
    /// How many objects of other kinds were ignored, by kind.
    pub skipped: BTreeMap<String, usize>,
    /// Kinds of which an empty list says that there are none, such as `EndpointSlice`.
    pub declared_empty: BTreeSet<String>,
}

impl Snapshot {
    /// Whether there are no objects of any kind that is decoded.
    pub fn is_empty(&self) -> bool {
        let objects = self.services.len() + self.endpoint_slices.len() + self.nodes.len() + self.pods.len();
        objects + self.service_cidrs.len() + self.workloads.len() + self.configurations.len() == 0
    }
}
