//! What the API server refuses of the objects read, in its words: strict decoding and validation as kube-apiserver
//! does them before anything else sees an object. Objects that a server has stored already are not judged again.
//!
//! The rules read the object's own text once more, as a tree: most fields that can be wrong are none that rules are
//! made of, and so are not kept anywhere else.

mod endpoints;
mod families;
mod fault;
mod field;
mod metadata;
mod pod;
mod ports;
mod rules;
mod schema;
mod service;
#[cfg(test)]
mod tests;
mod view;
mod workload;

pub use fault::{Class, Fault};

use fault::Faults;
use field::Field;

use crate::diagnostic::{Message, ObjectRef, message};
use crate::input::tree::{self, Tree};
use crate::input::{Located, Position, Snapshot, api};
use crate::parallel;
use crate::settings::Release;

/// An object that the API server refuses, with everything that is wrong with it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The object.
    pub object: ObjectRef,
    /// Where it was read.
    pub position: Position,
    /// What is wrong, in the order of the rules.
    pub faults: Vec<Fault>,
}

impl Refusal {
    /// Whether the object is refused however it is sent; unknown fields are dropped where kubectl does not validate.
    pub fn is_certain(&self) -> bool {
        self.faults.iter().any(|fault| fault.class != Class::UnknownField)
    }
}

/// What differs between releases.
#[derive(Debug, Clone, Copy)]
struct Facts {
    strict_addresses: bool,
    relaxed_service_names: bool,
}

/// An object to judge.
struct Subject<'a> {
    kind: &'static str,
    metadata: &'a api::Metadata,
    position: Position,
}

/// Judges every object that was read and not stored by a server before.
pub fn judge(snapshot: &Snapshot, release: Release) -> Vec<Refusal> {
    let facts = Facts {
        strict_addresses: release.api.strict_addresses,
        relaxed_service_names: release.api.relaxed_service_names,
    };
    let subjects = subjects(snapshot);
    let judged = parallel::by_stretch(&subjects, 16, |_, subjects| {
        let refused = subjects.iter().filter_map(|subject| judge_one(subject, snapshot, &facts));
        refused.collect::<Vec<_>>()
    });
    judged.into_iter().flatten().chain(snapshot.misplaced.iter().map(misplaced)).collect()
}

fn misplaced(located: &Located<api::Misplaced>) -> Refusal {
    let api::Misplaced { kind, api_version, namespace, name } = &located.object;
    let object = ObjectRef {
        kind: kind.as_str().into(),
        namespace: if namespace.is_empty() { "default".into() } else { namespace.as_str().into() },
        name: name.as_str().into(),
    };
    Refusal { object, position: located.position, faults: vec![not_served(kind, api_version)] }
}

fn subjects(snapshot: &Snapshot) -> Vec<Subject<'_>> {
    fn of<'a, T>(
        objects: &'a [Located<T>],
        kind: impl Fn(&T) -> &'static str + 'a,
        metadata: impl Fn(&'a T) -> &'a api::Metadata + 'a,
    ) -> impl Iterator<Item = Subject<'a>> {
        objects.iter().map(move |located| Subject {
            kind: kind(&located.object),
            metadata: metadata(&located.object),
            position: located.position,
        })
    }
    let services = of(&snapshot.services, |_| "Service", |service| &service.metadata);
    let slices = of(&snapshot.endpoint_slices, |_| "EndpointSlice", |slice| &slice.metadata);
    let endpoints = of(&snapshot.endpoints, |_| "Endpoints", |endpoints| &endpoints.metadata);
    let pods = of(&snapshot.pods, |_| "Pod", |pod| &pod.metadata);
    let workloads = of(&snapshot.workloads, |workload| workload.kind.name(), |workload| &workload.metadata);
    let all = services.chain(slices).chain(endpoints).chain(pods).chain(workloads);
    // What a controller made was stored, too.
    let is_stored = |metadata: &api::Metadata| metadata.stored.0 || metadata.owner.is_some();
    all.filter(|subject| !is_stored(subject.metadata)).collect()
}

fn judge_one(subject: &Subject<'_>, snapshot: &Snapshot, facts: &Facts) -> Option<Refusal> {
    let text = snapshot.sources.standalone(subject.position)?;
    let tree = tree::read_documents(&text).ok()?.into_iter().next()?;
    let faults = faults_of(&tree, subject.kind, facts);
    let object = subject.metadata.object_ref(subject.kind);
    (!faults.is_empty()).then_some(Refusal { object, position: subject.position, faults })
}

fn faults_of(tree: &Tree, kind: &str, facts: &Facts) -> Vec<Fault> {
    let mut faults = Faults::default();
    let object = Field::root(tree);
    let version = object.child("apiVersion").text();
    if !version.is_empty() && version != served(kind) {
        return vec![not_served(kind, version)];
    }
    schema::check(tree, kind, &mut faults);
    if faults.found.iter().any(|fault| fault.class == Class::WrongType) {
        return faults.found;
    }
    match kind {
        "Service" => service::check(&object, facts, &mut faults),
        "EndpointSlice" => endpoints::check_slice(&object, facts, &mut faults),
        "Endpoints" => endpoints::check_endpoints(&object, facts, &mut faults),
        "Pod" => pod::check(&object, &mut faults),
        _ => workload::check(&object, kind, &mut faults),
    }
    faults.found
}

/// The version in which the server has a kind.
fn served(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "apps/v1",
        "Job" => "batch/v1",
        "EndpointSlice" => "discovery.k8s.io/v1",
        _ => "v1",
    }
}

fn not_served(kind: &str, version: &str) -> Fault {
    let Message { text: message, kind: of } = message!("no matches for kind {kind:?} in version {version:?}");
    Fault {
        class: Class::Version,
        field: "apiVersion".to_owned(),
        written_as: None,
        message,
        remedy: format!("write {}, and see what else differs in it", served(kind)),
        kind: of,
    }
}

/// Addresses that a Service takes for itself.
fn addresses(list: &Field<'_>, facts: &Facts, faults: &mut Faults) {
    for ip in list.items() {
        let mut broken = rules::ip(ip.text(), facts.strict_addresses);
        if broken.is_empty() {
            broken = rules::ordinary_ip(ip.text());
        }
        faults.all_invalid(Class::Address, &ip, broken);
    }
}
