//! Objects that are ignored but may make Pods: kinds that are left out on purpose, and those of operators.

use super::api::{self, Text};
use super::position::Located;
use super::written::{Scope, Type, Written};

/// The object, if it is of such a kind.
pub(super) fn read(type_: &Type, written: &impl Written) -> Option<Located<api::PodMaker>> {
    if !may_make_pods(type_) {
        return None;
    }
    let mut maker: api::PodMaker = written.decode().or_else(|_| named(written)).ok()?;
    maker.kind = Text::from(type_.kind.as_str());
    Scope::Namespaced.complete(&mut maker.metadata).ok()?;
    Some(Located { object: maker, position: written.position() })
}

/// A CronJob, a workload of an old API, or anything that is not Kubernetes' own.
fn may_make_pods(type_: &Type) -> bool {
    let group = type_.api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, type_.kind.as_str()) {
        ("batch", "CronJob") => true,
        ("apps" | "extensions", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet") => true,
        _ => group.contains('.') && !group.ends_with(".k8s.io"),
    }
}

/// Only what identifies the object, if the rest has another form.
fn named(written: &impl Written) -> Result<api::PodMaker, super::written::Wrong> {
    let header: api::Header = written.decode()?;
    let api::HeaderMetadata { name, namespace } = header.metadata;
    let metadata = api::Metadata { name, namespace, ..api::Metadata::default() };
    Ok(api::PodMaker { metadata, ..api::PodMaker::default() })
}
