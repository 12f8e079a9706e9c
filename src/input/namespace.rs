//! The namespace of objects that were written without one.

use super::api;
use super::snapshot::Snapshot;

impl Snapshot {
    /// Puts every object that was written without a namespace into this one, as `kubectl --namespace` does.
    pub fn put_into_namespace(&mut self, namespace: &str) {
        let put = |metadata: &mut api::Metadata| {
            if metadata.namespace_left_out.0 {
                metadata.namespace = namespace.into();
            }
        };
        self.services.iter_mut().for_each(|located| put(&mut located.object.metadata));
        self.endpoint_slices.iter_mut().for_each(|located| put(&mut located.object.metadata));
        self.endpoints.iter_mut().for_each(|located| put(&mut located.object.metadata));
        self.pods.iter_mut().for_each(|located| put(&mut located.object.metadata));
        self.workloads.iter_mut().for_each(|located| put(&mut located.object.metadata));
        self.autoscalers.iter_mut().for_each(|located| put(&mut located.object.metadata));
        self.disruption_budgets.iter_mut().for_each(|located| put(&mut located.object.metadata));
        self.ingresses.iter_mut().for_each(|located| put(&mut located.object.metadata));
        self.pod_makers.iter_mut().for_each(|located| put(&mut located.object.metadata));
    }
}
