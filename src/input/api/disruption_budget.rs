//! `policy` PodDisruptionBudget.

use serde::Deserialize;

use super::fields::nullable;
use super::{IntOrString, LabelSelector, Metadata};

/// `policy/v1` PodDisruptionBudget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct DisruptionBudget {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec.selector`; none selects no Pod.
    pub selector: Option<LabelSelector>,
    /// `spec.minAvailable`
    pub min_available: Option<IntOrString>,
    /// `spec.maxUnavailable`
    pub max_unavailable: Option<IntOrString>,
}

/// A budget in its written form.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Wire {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Spec {
    selector: Option<LabelSelector>,
    min_available: Option<IntOrString>,
    max_unavailable: Option<IntOrString>,
}

impl From<Wire> for DisruptionBudget {
    fn from(wire: Wire) -> Self {
        let Spec { selector, min_available, max_unavailable } = wire.spec;
        DisruptionBudget { metadata: wire.metadata, selector, min_available, max_unavailable }
    }
}
