//! Pods that the controllers of workloads would make.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::replicas::Autoscalers;
use super::{Rule, Run};
use crate::diagnostic::{Diagnostic, ObjectRef, message};
use crate::input::api::{self, Text, WorkloadKind};
use crate::input::labelled::Labelled;
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
    /// Pods that no controller has.
    bare: Labelled<'s, &'s api::Metadata>,
    /// Their namespaces and names.
    bare_names: BTreeSet<(&'s str, &'s str)>,
}

impl<'s> Made<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Made<'s> {
        let workloads = snapshot.workloads.iter().map(|located| &located.object);
        let by_identity: BTreeMap<Identity<'_>, &api::Workload> =
            workloads.map(|workload| (identity(workload), workload)).collect();
        let (mut owners, mut orphans) = (BTreeSet::new(), BTreeMap::new());
        let mut bare: Vec<&api::Metadata> = Vec::new();
        for pod in snapshot.pods.iter().map(|located| &located.object) {
            let metadata = &pod.metadata;
            let Some(owner) = owner(metadata) else {
                if is_active(pod) {
                    bare.push(metadata);
                }
                continue;
            };
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
        Made {
            workloads: by_identity.into_keys().collect(),
            owners,
            orphans,
            bare: Labelled::new(bare.iter().map(|m| (m.namespace.as_str(), m.labels.as_slice(), *m))),
            bare_names: bare.iter().map(|m| (m.namespace.as_str(), m.name.as_str())).collect(),
        }
    }

    /// Whether the Pods of a workload must be assumed: it is no hook, no other workload of the input makes it, and no
    /// Pods of it are in the input.
    pub(super) fn lacks(&self, workload: &api::Workload) -> bool {
        let identity = identity(workload);
        let made_by_another = owner(&workload.metadata).is_some_and(|owner| self.workloads.contains(&owner));
        let orphan = self.orphans.get(&(identity.1, identity.2));
        let has_orphan = identity.0 == "Deployment"
            && orphan
                .is_some_and(|labels| !workload.selector.is_empty() && workload.selector.matches(labels));
        !is_helm_hook(&workload.metadata)
            && !made_by_another
            && !self.owners.contains(&identity)
            && !has_orphan
    }

    /// Pods without a controller that this one takes for its own: its selector matches them. Those of a Deployment are
    /// told by a label that nobody writes.
    fn adopted(&self, workload: &api::Workload) -> usize {
        let adopts = matches!(workload.kind, WorkloadKind::ReplicaSet | WorkloadKind::ReplicationController);
        let namespace = &workload.metadata.namespace;
        match (adopts, workload.selector.is_empty()) {
            (false, _) => 0,
            // A ReplicationController without a selector has its template's labels.
            (true, true) => self.bare.with_all(namespace, &workload.template_labels).len(),
            (true, false) => self.bare.matching(namespace, &workload.selector).len(),
        }
    }

    fn has_bare(&self, namespace: &str, name: &str) -> bool {
        self.bare_names.contains(&(namespace, name))
    }
}

fn is_active(pod: &api::Pod) -> bool {
    !pod.metadata.being_deleted && !matches!(pod.phase.as_str(), "Succeeded" | "Failed")
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

/// What a workload's number of Pods depends on beside itself.
pub(super) struct Around<'a> {
    pub(super) made: &'a Made<'a>,
    pub(super) autoscalers: &'a Autoscalers<'a>,
    pub(super) sources: &'a Sources,
}

/// The Pods of a workload that is no DaemonSet, neither placed nor with addresses.
pub(super) fn pods(
    located: &Located<api::Workload>,
    around: &Around<'_>,
    run: &mut Run<'_>,
) -> Vec<api::Pod> {
    let workload = &located.object;
    let replicas = around.autoscalers.replicas(workload);
    if !(0..=MOST).contains(&replicas) {
        let field = if workload.kind == WorkloadKind::Job { "spec.parallelism" } else { "spec.replicas" };
        let message = message!("{field}: {replicas} is not within 0 to {MOST}");
        let fault = Diagnostic::error(message).help("kuberules assumes no more Pods of one workload");
        run.find(fault, object_ref(workload), located.position, around.sources);
        return Vec::new();
    }
    let count = usize::try_from(replicas).unwrap_or_default();
    let adopted = around.made.adopted(workload);
    if adopted > count {
        let message =
            message!("it takes {adopted} Pods without a controller for its own and deletes all but {count}");
        let warning = Diagnostic::warning(message).help("which of them is not known: here all of them stay");
        run.find(warning, object_ref(workload), located.position, around.sources);
    }
    let first = if workload.kind == WorkloadKind::StatefulSet { workload.first_ordinal } else { 0 };
    let numbers = (0..count.saturating_sub(adopted))
        .map(|i| (i, first.saturating_add(i64::try_from(i).unwrap_or_default())));
    let pods = numbers.map(|(i, number)| pod(workload, &number.to_string(), i));
    // A StatefulSet adopts the Pod that has the name.
    let is_there = |pod: &api::Pod| {
        workload.kind == WorkloadKind::StatefulSet
            && around.made.has_bare(&pod.metadata.namespace, &pod.metadata.name)
    };
    pods.filter(|pod| !is_there(pod)).collect()
}

pub(super) fn object_ref(workload: &api::Workload) -> ObjectRef {
    workload.metadata.object_ref(workload.kind.name())
}

/// The Pod of a suffix, with its index in the workload.
pub(super) fn pod(workload: &api::Workload, suffix: &str, index: usize) -> api::Pod {
    let ready = workload.ready.and_then(|ready| usize::try_from(ready).ok());
    let name = format!("{}-{suffix}", workload.metadata.name);
    api::Pod {
        metadata: api::Metadata {
            labels: labels(workload, &name, suffix),
            name: name.into(),
            namespace: workload.metadata.namespace.clone(),
            owner: Some(Box::new(api::Owner {
                kind: workload.kind.name().into(),
                name: workload.metadata.name.clone(),
            })),
            ..api::Metadata::default()
        },
        node_name: workload.node_name.clone(),
        host_network: workload.host_network,
        ports: workload.template_ports.clone(),
        phase: "Running".into(),
        ips: Vec::new(),
        ready: ready.is_none_or(|ready| index < ready),
        scheduling: workload.scheduling.clone(),
    }
}

/// The template's labels and those that the workload's controller adds.
fn labels(workload: &api::Workload, pod: &str, suffix: &str) -> Vec<(Text, Text)> {
    let mut labels = workload.template_labels.clone();
    for (key, value) in added_labels(workload, pod, suffix) {
        labels.retain(|(known, _)| known != key);
        labels.push((key.into(), value));
    }
    labels.sort();
    labels
}

/// Labels by key. What the controllers draw from hashes of the whole template or at random stands here by a hash of
/// the workload's name: nobody can write it into a selector beforehand.
pub(super) fn added_labels(workload: &api::Workload, pod: &str, suffix: &str) -> Vec<(&'static str, Text)> {
    let name = &workload.metadata.name;
    let revision = "controller-revision-hash";
    match workload.kind {
        WorkloadKind::Deployment => vec![("pod-template-hash", token(workload))],
        WorkloadKind::StatefulSet => vec![
            ("statefulset.kubernetes.io/pod-name", pod.into()),
            ("apps.kubernetes.io/pod-index", suffix.into()),
            (revision, Text::from(format!("{name}-{}", token(workload)))),
        ],
        WorkloadKind::DaemonSet => vec![(revision, token(workload)), ("pod-template-generation", "1".into())],
        WorkloadKind::Job => {
            let index = ("batch.kubernetes.io/job-completion-index", Text::from(suffix));
            let names = [("batch.kubernetes.io/job-name", name.clone()), ("job-name", name.clone())];
            names.into_iter().chain(Some(index).filter(|_| workload.indexed)).collect()
        }
        WorkloadKind::ReplicaSet | WorkloadKind::ReplicationController => Vec::new(),
    }
}

/// As the controllers write hashes: no vowels, and no digits that look like them.
fn token(workload: &api::Workload) -> Text {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let digest = Sha256::digest(object_ref(workload).to_string());
    let letters = digest.iter().take(10).filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
    letters.map(|letter| char::from(*letter)).collect()
}

pub(super) fn record(pod: &api::Pod, workload: &api::Workload, run: &mut Run<'_>) {
    let object = pod.metadata.object_ref("Pod");
    let owner = format!("{} {}", workload.kind.name(), workload.metadata.name);
    run.record(&object, "metadata.ownerReferences[0]", owner, Rule::Pod);
    let suffix = pod.metadata.name.strip_prefix(workload.metadata.name.as_str()).unwrap_or_default();
    for (key, value) in added_labels(workload, &pod.metadata.name, suffix.trim_start_matches('-')) {
        run.record(&object, &format!("metadata.labels[{key}]"), value, Rule::PodLabel);
    }
}
