//! Pods that the controllers of workloads would make.

use std::collections::{BTreeMap, BTreeSet};

use super::nodes_of::NodeSlot;
use super::{Rule, Run};
use crate::diagnostic::{Diagnostic, ObjectRef};
use crate::input::api::{self, Text, WorkloadKind};
use crate::input::{Located, Snapshot, Sources};

/// So many Pods are assumed of one workload.
const MOST: i64 = 10_000;

/// Objects with this annotation are no lasting part of a release: Helm runs them at a certain time, such as the tests
/// of a chart, whose Pods often carry the labels that its Services select.
const HELM_HOOK: &str = "helm.sh/hook";

pub(super) fn is_helm_hook(metadata: &api::Metadata) -> bool {
    metadata.annotation(HELM_HOOK).is_some()
}

/// Kind, namespace and name.
type Identity<'s> = (&'s str, &'s str, &'s str);

/// Which workloads have made their Pods already.
pub(super) struct Made<'s> {
    workloads: BTreeSet<Identity<'s>>,
    /// Owners with Pods in the input, directly or through a ReplicaSet.
    owners: BTreeSet<Identity<'s>>,
    /// Labels of a Pod whose ReplicaSet is not in the input, by namespace and name of the Deployment that it must be of.
    orphans: BTreeMap<(&'s str, &'s str), &'s [(Text, Text)]>,
}

impl<'s> Made<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Made<'s> {
        let workloads = snapshot.workloads.iter().map(|located| &located.object);
        let by_identity: BTreeMap<Identity<'_>, &api::Workload> =
            workloads.map(|workload| (identity(workload), workload)).collect();
        let (mut owners, mut orphans) = (BTreeSet::new(), BTreeMap::new());
        for metadata in snapshot.pods.iter().map(|located| &located.object.metadata) {
            let Some(owner) = owner(metadata) else { continue };
            owners.insert(owner);
            match by_identity.get(&owner) {
                Some(set) => owners.extend(self::owner(&set.metadata)),
                None if owner.0 == "ReplicaSet" => {
                    // A Deployment adds a hash to its own name.
                    let deployment = owner.2.rsplit_once('-').map(|(deployment, _)| (owner.1, deployment));
                    orphans.extend(deployment.map(|deployment| (deployment, metadata.labels.as_slice())));
                }
                None => {}
            }
        }
        Made { workloads: by_identity.into_keys().collect(), owners, orphans }
    }

    /// Whether the Pods of a workload must be assumed: it is no Job or hook, no other workload of the input makes it,
    /// and no Pods of it are in the input.
    pub(super) fn lacks(&self, workload: &api::Workload) -> bool {
        let identity = identity(workload);
        let made_by_another = owner(&workload.metadata).is_some_and(|owner| self.workloads.contains(&owner));
        let orphan = self.orphans.get(&(identity.1, identity.2));
        let has_orphan =
            identity.0 == "Deployment" && orphan.is_some_and(|labels| selects(&workload.selector, labels));
        workload.kind != WorkloadKind::Job
            && !is_helm_hook(&workload.metadata)
            && !made_by_another
            && !self.owners.contains(&identity)
            && !has_orphan
    }
}

fn identity(workload: &api::Workload) -> Identity<'_> {
    (workload.kind.name(), &workload.metadata.namespace, &workload.metadata.name)
}

fn owner(metadata: &api::Metadata) -> Option<Identity<'_>> {
    metadata
        .owner
        .as_deref()
        .map(|owner| (owner.kind.as_str(), metadata.namespace.as_str(), owner.name.as_str()))
}

/// Whether labels have every pair of a selector that is not empty.
pub(super) fn selects(selector: &[(Text, Text)], labels: &[(Text, Text)]) -> bool {
    !selector.is_empty() && selector.iter().all(|pair| labels.contains(pair))
}

/// The Pods of a workload, placed but without addresses.
pub(super) fn pods(
    located: &Located<api::Workload>,
    nodes: &[NodeSlot],
    sources: &Sources,
    run: &mut Run<'_>,
) -> Vec<api::Pod> {
    let workload = &located.object;
    if workload.kind == WorkloadKind::DaemonSet {
        let pod = |(i, node): (usize, &NodeSlot)| pod(workload, &node.name, Some(node), i);
        return nodes.iter().enumerate().map(pod).collect();
    }
    let replicas = workload.replicas.unwrap_or(1);
    if !(0..=MOST).contains(&replicas) {
        let message = format!("spec.replicas: {replicas} is not within 0 to {MOST}");
        let fault = Diagnostic::error(message).help("kuberules assumes no more Pods of one workload");
        run.find(fault, object_ref(workload), located.position, sources);
        return Vec::new();
    }
    let first = super::allocator::spread(&object_ref(workload).to_string(), nodes.len());
    let count = usize::try_from(replicas).unwrap_or_default();
    let node = |i: usize| nodes.get((first + i) % nodes.len().max(1));
    (0..count).map(|i| pod(workload, &i.to_string(), node(i), i)).collect()
}

pub(super) fn object_ref(workload: &api::Workload) -> ObjectRef {
    workload.metadata.object_ref(workload.kind.name())
}

fn pod(workload: &api::Workload, suffix: &str, node: Option<&NodeSlot>, index: usize) -> api::Pod {
    let ready = workload.ready.and_then(|ready| usize::try_from(ready).ok());
    api::Pod {
        metadata: api::Metadata {
            name: format!("{}-{suffix}", workload.metadata.name).into(),
            namespace: workload.metadata.namespace.clone(),
            labels: workload.template_labels.clone(),
            owner: Some(Box::new(api::Owner {
                kind: workload.kind.name().into(),
                name: workload.metadata.name.clone(),
            })),
            ..api::Metadata::default()
        },
        node_name: node.map(|node| node.name.clone()).unwrap_or_default(),
        host_network: workload.host_network,
        ports: workload.template_ports.clone(),
        phase: "Running".into(),
        ips: Vec::new(),
        ready: ready.is_none_or(|ready| index < ready),
    }
}

pub(super) fn record(pod: &api::Pod, run: &mut Run<'_>) {
    let object = pod.metadata.object_ref("Pod");
    let owner = pod.metadata.owner.as_deref();
    let owner =
        owner.map_or_else(|| "no workload".to_owned(), |owner| format!("{} {}", owner.kind, owner.name));
    run.record(&object, "metadata.ownerReferences[0]", owner, Rule::Pod);
}
