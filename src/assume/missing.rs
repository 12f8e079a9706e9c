//! What an input lacks when nothing is assumed.

use super::service::{is_external_name, is_headless};
use super::workloads::{is_helm_hook, selects};
use crate::diagnostic::{Diagnostic, Diagnostics, message};
use crate::input::api::{self, WorkloadKind};
use crate::input::labelled::Labelled;
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

/// Services that forward to endpoints, while the input has no EndpointSlices whatever and does not say, by an empty
/// list of them, that there are none: every such Service would look as if nothing stood behind it. What
/// `kubectl get all` prints is such an input, and a cluster-info dump.
pub fn check(snapshot: &Snapshot) -> Diagnostics {
    let mut found = Diagnostics::default();
    if !snapshot.endpoint_slices.is_empty() || snapshot.declared_empty.contains("EndpointSlice") {
        return found;
    }
    let forwarding = |located: &&Located<api::Service>| {
        !is_external_name(&located.object) && !is_headless(&located.object)
    };
    let selectable = Selectable::new(snapshot);
    let selecting = |located: &&Located<api::Service>| selectable.has_any(&located.object);
    let lacking: Vec<_> = snapshot.services.iter().filter(forwarding).filter(selecting).collect();
    let (lacking, why, help) = if lacking.is_empty() {
        let lacking = snapshot.services.iter().filter(forwarding).collect();
        let why = if snapshot.endpoints.is_empty() {
            "forwards to the endpoints of its EndpointSlices"
        } else {
            "forwards to the endpoints of its EndpointSlices, for which Endpoints are no substitute"
        };
        (
            lacking,
            why,
            "add the output of `kubectl get endpointslices -A -o yaml`, an EndpointSliceList even if it is empty",
        )
    } else {
        let help = "add the output of `kubectl get endpointslices -A -o yaml`, or have them assumed from the Pods with --assume";
        (lacking, "selects Pods or workloads of the input", help)
    };
    if let Some((first, others)) = lacking.split_first() {
        let also = match others.len() {
            0 => String::new(),
            1 => ", and so does 1 other Service".to_owned(),
            more => format!(", and so do {more} other Services"),
        };
        let fault =
            Diagnostic::error(message!("{why}{also}, but the input has no EndpointSlices")).help(help);
        let place = snapshot.sources.place(first.position);
        found.push(fault.about(first.object.metadata.object_ref("Service")).at(place));
    }
    found
}

/// What selectors select, and what would make it.
struct Selectable<'s> {
    pods: Labelled<'s, &'s Located<api::Pod>>,
    /// By the labels of their Pods.
    makers: Labelled<'s, &'s api::Workload>,
}

impl<'s> Selectable<'s> {
    fn new(snapshot: &'s Snapshot) -> Selectable<'s> {
        let makers = snapshot.workloads.iter().map(|located| &located.object);
        let makers = makers.map(|w| (w.metadata.namespace.as_str(), w.template_labels.as_slice(), w));
        Selectable { pods: Labelled::pods(snapshot), makers: Labelled::new(makers) }
    }

    fn has_any(&self, service: &api::Service) -> bool {
        let lasts = |workload: &&api::Workload| {
            workload.kind != WorkloadKind::Job && !is_helm_hook(&workload.metadata)
        };
        self.pods.of_service(service).iter().any(|pod| !is_helm_hook(&pod.object.metadata))
            || self.makers.of_service(service).iter().any(lasts)
    }
}
