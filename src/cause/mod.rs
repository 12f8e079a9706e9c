//! What changed about a Service between two snapshots, as far as its objects tell: its own fields, the Pods that it
//! selects, what makes them. Data for whoever says why its connections have another outcome.

mod fields;
mod pods;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::diagnostic::{ObjectRef, Place};
use crate::input::labelled::Labelled;
use crate::input::{Located, Snapshot, api};
use crate::names::ServiceName;

/// Why connections to a Service have another outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Cause {
    /// The selector matches no Pod.
    SelectorMatchesNone {
        /// The selector, such as `app=web`.
        selector: String,
        /// How many Pods it matched before.
        before: usize,
        /// How many Pods the namespace has.
        pods: usize,
        /// Labels that would match, and how many Pods.
        nearest: Option<(String, usize)>,
        /// Where the selector stands.
        #[serde(serialize_with = "place_text")]
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        place: Option<Place>,
    },
    /// No Pod of the Service has a container port of the name in `targetPort`.
    NoSuchPort {
        /// The name.
        name: String,
        /// Whether some Pod had it before.
        had: bool,
        /// The port of the Service.
        service_port: String,
        /// What makes the Pods, such as `Deployment web`, with the names that its ports have and where they stand.
        makers: Vec<Maker>,
        /// Where the Service's `targetPort` stands.
        #[serde(serialize_with = "place_text")]
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        place: Option<Place>,
    },
    /// `targetPort` is a number that no container declares: nothing may listen there.
    UndeclaredPort {
        /// The number.
        number: i64,
        /// What containers declare.
        declared: Vec<i64>,
        /// Where `targetPort` stands.
        #[serde(serialize_with = "place_text")]
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        place: Option<Place>,
    },
    /// A workload has another number of replicas.
    Replicas {
        /// The workload.
        #[serde(serialize_with = "object_text")]
        #[cfg_attr(test, schemars(with = "String"))]
        workload: ObjectRef,
        /// Before.
        old: i64,
        /// Now.
        new: i64,
        /// Where it stands.
        #[serde(serialize_with = "place_text")]
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        place: Option<Place>,
    },
    /// The workload that made the Pods is gone.
    WorkloadGone {
        /// The workload.
        #[serde(serialize_with = "object_text")]
        #[cfg_attr(test, schemars(with = "String"))]
        workload: ObjectRef,
    },
    /// Pods that were ready are not.
    NotReady {
        /// Their names.
        pods: Vec<String>,
    },
    /// Pods that were not ready are.
    Ready {
        /// Their names.
        pods: Vec<String>,
    },
    /// Pods of the Service that are gone.
    PodsGone {
        /// Their names.
        pods: Vec<String>,
    },
    /// Pods that are new.
    PodsNew {
        /// Their names.
        pods: Vec<String>,
    },
    /// A field of an object changed.
    Field {
        /// The object.
        #[serde(serialize_with = "object_text")]
        #[cfg_attr(test, schemars(with = "String"))]
        object: ObjectRef,
        /// Its path.
        field: String,
        /// The value before; none where it was absent.
        old: Option<String>,
        /// The value now.
        new: Option<String>,
        /// Where it stands, in the new state; in the old one where it is gone.
        #[serde(serialize_with = "place_text")]
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        place: Option<Place>,
    },
    /// The Service is new.
    Added {
        /// Where it stands.
        #[serde(serialize_with = "place_text")]
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        place: Option<Place>,
    },
    /// The Service is gone.
    Removed {
        /// Where it stood.
        #[serde(serialize_with = "place_text")]
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        place: Option<Place>,
    },
}

/// What makes Pods, with their ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Maker {
    /// The object.
    #[serde(serialize_with = "object_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub object: ObjectRef,
    /// Names of the container ports.
    pub ports: Vec<String>,
    /// Where the first of them stands.
    #[serde(serialize_with = "place_text")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub place: Option<Place>,
}

fn place_text<S: Serializer>(place: &Option<Place>, to: S) -> Result<S::Ok, S::Error> {
    place.as_ref().map(Place::to_string).serialize(to)
}

fn object_text<S: Serializer>(object: &ObjectRef, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(object)
}

/// Two states of a cluster's objects.
pub struct Change<'s> {
    old: Side<'s>,
    new: Side<'s>,
}

/// Kind, namespace and name of a workload.
type Identity<'s> = (api::WorkloadKind, &'s str, &'s str);

struct Side<'s> {
    snapshot: &'s Snapshot,
    services: BTreeMap<(&'s str, &'s str), &'s Located<api::Service>>,
    /// By namespace and the name of their Service.
    slices: BTreeMap<(&'s str, &'s str), Vec<&'s api::EndpointSlice>>,
    pods: Labelled<'s, &'s Located<api::Pod>>,
    /// By the labels of their Pods.
    makers: Labelled<'s, &'s Located<api::Workload>>,
    workloads: BTreeMap<Identity<'s>, &'s Located<api::Workload>>,
}

impl<'s> Change<'s> {
    /// From one state to another.
    pub fn new(old: &'s Snapshot, new: &'s Snapshot) -> Change<'s> {
        Change { old: Side::new(old), new: Side::new(new) }
    }

    /// What changed about a Service, the weightiest first.
    pub fn of_service(&self, name: &ServiceName) -> Vec<Cause> {
        match (self.old.service(name), self.new.service(name)) {
            (None, None) => Vec::new(),
            (None, Some(new)) => {
                let mut causes = pods::causes(self, None, new);
                causes.push(Cause::Added { place: self.new.snapshot.sources.place(new.position) });
                causes
            }
            (Some(old), None) => {
                vec![Cause::Removed { place: self.old.snapshot.sources.place(old.position) }]
            }
            (Some(old), Some(new)) => {
                let mut causes = pods::causes(self, Some(old), new);
                let selector_told =
                    causes.iter().any(|cause| matches!(cause, Cause::SelectorMatchesNone { .. }));
                let fields = fields::causes(self, old, new);
                let told = |cause: &Cause| matches!(cause, Cause::Field { field, .. } if selector_told && field == "spec.selector");
                causes.extend(fields.into_iter().filter(|cause| !told(cause)));
                causes
            }
        }
    }
}

impl<'s> Side<'s> {
    fn new(snapshot: &'s Snapshot) -> Side<'s> {
        let services = snapshot.services.iter().map(|service| {
            let metadata = &service.object.metadata;
            ((metadata.namespace.as_str(), metadata.name.as_str()), service)
        });
        let mut slices: BTreeMap<_, Vec<&api::EndpointSlice>> = BTreeMap::new();
        for slice in snapshot.endpoint_slices.iter().map(|located| &located.object) {
            if let Some(service) = slice.metadata.label("kubernetes.io/service-name") {
                slices.entry((slice.metadata.namespace.as_str(), service)).or_default().push(slice);
            }
        }
        let makers = snapshot.workloads.iter().map(|located| {
            let workload = &located.object;
            (workload.metadata.namespace.as_str(), workload.template_labels.as_slice(), located)
        });
        Side {
            snapshot,
            services: services.collect(),
            slices,
            pods: Labelled::pods(snapshot),
            makers: Labelled::new(makers),
            workloads: snapshot
                .workloads
                .iter()
                .map(|located| (identity(&located.object), located))
                .collect(),
        }
    }

    fn service(&self, name: &ServiceName) -> Option<&'s Located<api::Service>> {
        self.services.get(&(name.namespace(), name.name())).copied()
    }

    /// The workload of the same kind and name.
    fn same_workload(&self, workload: &api::Workload) -> Option<&'s Located<api::Workload>> {
        self.workloads.get(&identity(workload)).copied()
    }

    /// The EndpointSlices of a Service.
    fn slices_of<'m>(&'m self, service: &'m api::Metadata) -> &'m [&'s api::EndpointSlice] {
        self.slices.get(&(service.namespace.as_str(), service.name.as_str())).map_or(&[], Vec::as_slice)
    }
}

fn identity(workload: &api::Workload) -> Identity<'_> {
    (workload.kind, &workload.metadata.namespace, &workload.metadata.name)
}
