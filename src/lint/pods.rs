//! Pods, by what selects them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::input::{Snapshot, api};

type Nested<'a, T> = HashMap<&'a str, T>;

/// The Pods of the input, which can be looked up by their labels.
pub(super) struct Pods<'a> {
    by_namespace: BTreeMap<&'a str, Vec<&'a api::Pod>>,
    /// By namespace, key and value of a label.
    by_label: Nested<'a, Nested<'a, Nested<'a, Vec<&'a api::Pod>>>>,
}

/// What made a Pod: kind and name.
pub(super) type Maker<'a> = (&'a str, &'a str);

impl<'a> Pods<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Pods<'a> {
        let mut pods = Pods { by_namespace: BTreeMap::new(), by_label: HashMap::new() };
        for pod in snapshot.pods.iter().map(|located| &located.object) {
            let namespace = pod.metadata.namespace.as_str();
            pods.by_namespace.entry(namespace).or_default().push(pod);
            for (key, value) in &pod.metadata.labels {
                let of_key = pods.by_label.entry(namespace).or_default().entry(key).or_default();
                of_key.entry(value).or_default().push(pod);
            }
        }
        pods
    }

    /// All Pods of a namespace.
    pub(super) fn of_namespace(&self, namespace: &str) -> &[&'a api::Pod] {
        self.by_namespace.get(namespace).map_or(&[], Vec::as_slice)
    }

    fn with_label(&self, namespace: &str, key: &str, value: &str) -> &[&'a api::Pod] {
        let of_key = self.by_label.get(namespace).and_then(|keys| keys.get(key));
        of_key.and_then(|values| values.get(value)).map_or(&[], Vec::as_slice)
    }

    /// The Pods that a Service selects; none without a selector.
    pub(super) fn selected(&self, service: &api::Service) -> Vec<&'a api::Pod> {
        let (namespace, selector) = (service.metadata.namespace.as_str(), &service.spec.selector);
        let with = selector.iter().map(|(key, value)| self.with_label(namespace, key, value));
        let fewest = with.min_by_key(|pods| pods.len()).unwrap_or_default();
        let has_all =
            |pod: &api::Pod| selector.iter().all(|(key, value)| pod.metadata.label(key) == Some(value));
        fewest.iter().copied().filter(|pod| has_all(pod)).collect()
    }
}

/// What made Pods, except bare Pods. A ReplicaSet of a Deployment counts as the Deployment.
pub(super) fn makers<'a>(pods: &[&'a api::Pod]) -> BTreeSet<Maker<'a>> {
    pods.iter().filter_map(|pod| maker(pod)).collect()
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
