//! What makes Pods.

use std::collections::BTreeSet;

use crate::input::{Located, api};

/// What made a Pod: kind and name.
pub(super) type Maker<'a> = (&'a str, &'a str);

/// What made Pods, except bare Pods. A ReplicaSet of a Deployment counts as the Deployment.
pub(super) fn makers<'a>(pods: &[&'a Located<api::Pod>]) -> BTreeSet<Maker<'a>> {
    pods.iter().filter_map(|pod| maker(&pod.object)).collect()
}

fn maker(pod: &api::Pod) -> Option<Maker<'_>> {
    let owner = pod.metadata.owner.as_deref()?;
    let hash = pod.metadata.label("pod-template-hash");
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(hash)?.strip_suffix('-'));
    Some(match deployment {
        Some(deployment) if owner.kind == "ReplicaSet" => ("Deployment", deployment),
        _ => (owner.kind.as_str(), owner.name.as_str()),
    })
}
