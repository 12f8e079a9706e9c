//! What an input lacks when nothing is assumed.

use super::service::{is_external_name, is_headless};
use super::workloads::{is_helm_hook, selects};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::input::api::{self, Text, WorkloadKind};
use crate::input::{Located, Snapshot};

/// Objects of kinds that kuberules does not know which may make the Pods of a Service: their template has the labels,
/// or their name stands in the selector, as operators have it.
pub fn pod_makers<'s>(snapshot: &'s Snapshot, service: &api::Service) -> Vec<&'s api::PodMaker> {
    let selector = &service.spec.selector;
    let in_namespace = |maker: &&api::PodMaker| maker.metadata.namespace == service.metadata.namespace;
    let may_make = |maker: &&api::PodMaker| match maker.template_labels.as_slice() {
        [] => selector.iter().any(|(_, value)| *value == maker.metadata.name),
        labels => selects(selector, labels),
    };
    let makers = snapshot.pod_makers.iter().map(|located| &located.object);
    makers.filter(in_namespace).filter(may_make).collect()
}

/// Services that select Pods or workloads of the input, while the input has no EndpointSlices whatever: without them
/// every such Service would look as if nothing stood behind it. A cluster-info dump is such an input.
pub fn check(snapshot: &Snapshot) -> Diagnostics {
    let mut found = Diagnostics::default();
    if !snapshot.endpoint_slices.is_empty() {
        return found;
    }
    let lacking: Vec<&Located<api::Service>> =
        snapshot.services.iter().filter(|located| lacks_slices(&located.object, snapshot)).collect();
    if let Some((first, others)) = lacking.split_first() {
        let also = match others.len() {
            0 => String::new(),
            1 => ", and so does 1 other Service".to_owned(),
            more => format!(", and so do {more} other Services"),
        };
        let message =
            format!("selects Pods or workloads of the input{also}, but the input has no EndpointSlices");
        let fault = Diagnostic::error(message).help(
            "add the output of `kubectl get endpointslices -A -o yaml`, or have them assumed from the Pods with --assume",
        );
        let place = snapshot.sources.place(first.position);
        found.push(fault.about(first.object.metadata.object_ref("Service")).at(place));
    }
    found
}

fn lacks_slices(service: &api::Service, snapshot: &Snapshot) -> bool {
    if is_external_name(service) || is_headless(service) {
        return false;
    }
    let selected = |metadata: &api::Metadata, labels: &[(Text, Text)]| {
        metadata.namespace == service.metadata.namespace && selects(&service.spec.selector, labels)
    };
    let pods = snapshot.pods.iter().map(|located| &located.object.metadata);
    let mut pods = pods.filter(|metadata| !is_helm_hook(metadata));
    let workloads = snapshot.workloads.iter().map(|located| &located.object);
    let mut workloads =
        workloads.filter(|workload| workload.kind != WorkloadKind::Job && !is_helm_hook(&workload.metadata));
    pods.any(|metadata| selected(metadata, &metadata.labels))
        || workloads.any(|workload| selected(&workload.metadata, &workload.template_labels))
}
