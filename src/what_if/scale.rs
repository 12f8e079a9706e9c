//! Workloads that get another number of Pods.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::delete::find;
use super::replacement::waiting_words;
use super::story::Story;
use super::unknown;
use crate::assume::controllers::{Key, key};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::input::api::{self, Text, WorkloadKind};
use crate::net::{Cidr, Family};

/// `shop/web=1`, with its kind if given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// The workload, as written.
    pub name: String,
    /// How many Pods it gets.
    pub replicas: usize,
}

impl Scale {
    /// Reads `NAMESPACE/NAME=N`.
    ///
    /// # Errors
    /// What was expected.
    pub fn read(text: &str) -> Result<Scale, String> {
        const EXPECTED: &str = "expect NAMESPACE/NAME=N, such as shop/web=1";
        let (name, replicas) = text.split_once('=').ok_or(EXPECTED)?;
        let replicas: usize = replicas.parse().map_err(|_| EXPECTED.to_owned())?;
        if name.is_empty() || replicas > 10_000 {
            return Err(EXPECTED.to_owned());
        }
        Ok(Scale { name: name.to_owned(), replicas })
    }
}

impl Story<'_> {
    /// Scales workloads, one after the other.
    pub(super) fn scale(&mut self, scales: &[Scale]) -> Result<(), Diagnostics> {
        for Scale { name, replicas } in scales {
            let workload = self.workload(None, name)?;
            let pods = self.pods_of(&workload);
            let title = format!(
                "{} {}/{} is scaled from {} to {replicas}",
                workload.kind.name(),
                workload.metadata.namespace,
                workload.metadata.name,
                pods.len()
            );
            self.set_replicas(&workload, *replicas);
            match pods.len().checked_sub(*replicas) {
                Some(0) => self.keep(title, None, Vec::new()),
                Some(surplus) => self.scale_down(&workload, &pods, surplus, &title),
                None => self.scale_up(&workload, &pods, *replicas - pods.len(), &title),
            }
        }
        Ok(())
    }

    fn set_replicas(&mut self, workload: &api::Workload, replicas: usize) {
        for other in self.now.workloads.iter_mut().map(|located| &mut located.object) {
            let is_it = other.kind == workload.kind && key(&other.metadata) == key(&workload.metadata);
            let is_its = is_owned_by(&other.metadata, workload) && other.replicas != Some(0);
            if is_it || is_its {
                other.replicas = i64::try_from(replicas).ok();
            }
        }
    }

    fn scale_down(&mut self, workload: &api::Workload, pods: &BTreeSet<Key>, surplus: usize, title: &str) {
        let victims = self.victims(workload, pods, surplus);
        let kept = pods.len() > victims.len();
        let choice = match workload.kind {
            WorkloadKind::StatefulSet => None,
            _ if !kept => None,
            _ => Some(
                "which of the Pods end is the ReplicaSet's choice: here those on nodes with more of them, then by name",
            ),
        };
        self.orphan(&victims);
        let title = format!("{title}: {} end, and still serve", Pods(victims.len()));
        self.end(&victims, &title, None, choice.map(str::to_owned).into_iter().collect());
    }

    /// The Pods that are deleted first (pkg/controller, ActivePodsWithRanks): those that are not ready, then those on a
    /// Node with more of them; for a StatefulSet those with the highest ordinals.
    fn victims(&self, workload: &api::Workload, pods: &BTreeSet<Key>, count: usize) -> BTreeSet<Key> {
        let all = self.now.pods.iter().map(|pod| &pod.object);
        let mut all: Vec<&api::Pod> = all.filter(|pod| pods.contains(&key(&pod.metadata))).collect();
        let mut on_node: BTreeMap<&Text, usize> = BTreeMap::new();
        all.iter().for_each(|pod| *on_node.entry(&pod.node_name).or_default() += 1);
        let ordinal = |pod: &api::Pod| -> u64 {
            pod.metadata.name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or_default()
        };
        match workload.kind {
            WorkloadKind::StatefulSet => all.sort_by_key(|pod| Reverse(ordinal(pod))),
            _ => all.sort_by_key(|pod| {
                let beside = on_node.get(&pod.node_name).copied().unwrap_or_default();
                (pod.ready, Reverse(beside), Reverse(pod.metadata.name.clone()))
            }),
        }
        all.into_iter().take(count).map(|pod| key(&pod.metadata)).collect()
    }

    fn scale_up(&mut self, workload: &api::Workload, pods: &BTreeSet<Key>, count: usize, title: &str) {
        let model =
            self.now.pods.iter().map(|pod| &pod.object).find(|pod| pods.contains(&key(&pod.metadata)));
        let model = model.cloned().unwrap_or_else(|| self.of_template(workload));
        let stateful = workload.kind == WorkloadKind::StatefulSet;
        let numbers = pods.len()..pods.len() + count;
        let made: Vec<api::Pod> = numbers
            .map(|number| {
                let mut pod = self.like(&model, false);
                if stateful {
                    pod.metadata.name = format!("{}-{number}", workload.metadata.name).into();
                }
                pod
            })
            .collect();
        let (started, waiting) = self.start(made);
        self.follow(&started);
        let remarks = waiting_words(waiting).into_iter().collect();
        self.keep(format!("{title}: the new Pods start, not ready yet"), None, remarks);
        if !started.is_empty() {
            self.ready(&started, "the new Pods are ready");
        }
    }

    /// The first Pod of a workload without Pods.
    fn of_template(&self, workload: &api::Workload) -> api::Pod {
        let owner = api::Owner { kind: workload.kind.name().into(), name: workload.metadata.name.clone() };
        let nodes = self.now.nodes.iter().flat_map(|node| &node.object.pod_cidrs);
        let networks: BTreeSet<Cidr> = nodes.filter_map(|net| Cidr::parse_lenient(net)).collect();
        let families: BTreeSet<Family> = networks.iter().map(|net| net.family()).collect();
        api::Pod {
            metadata: api::Metadata {
                namespace: workload.metadata.namespace.clone(),
                labels: workload.template_labels.clone(),
                owner: Some(Box::new(owner)),
                ..api::Metadata::default()
            },
            host_network: workload.host_network,
            ports: workload.template_ports.clone(),
            scheduling: workload.scheduling.clone(),
            // Replaced by addresses of the same families.
            ips: families.into_iter().map(|family| family.loopback().to_string().into()).collect(),
            ..api::Pod::default()
        }
    }

    /// A workload by `[KIND/]NAMESPACE/NAME`.
    pub(super) fn workload(&self, kind: Option<&str>, text: &str) -> Result<api::Workload, Box<Diagnostic>> {
        let words = [
            ("deployment", "Deployment"),
            ("deploy", "Deployment"),
            ("statefulset", "StatefulSet"),
            ("sts", "StatefulSet"),
            ("replicaset", "ReplicaSet"),
            ("rs", "ReplicaSet"),
        ];
        let split = text.split_once([':', '/']);
        let named = split.and_then(|(word, rest)| {
            let found = words.iter().find(|(known, _)| *known == word)?;
            Some((found.1, rest))
        });
        let (kind, name) = match named {
            Some((named, rest)) => (kind.or(Some(named)), rest),
            None => (kind, text),
        };
        let owned = |workload: &api::Workload| workload.metadata.owner.is_some();
        let scales = |workload: &&api::Workload| match kind {
            Some(kind) => workload.kind.name() == kind,
            None => !owned(workload) && !matches!(workload.kind, WorkloadKind::DaemonSet | WorkloadKind::Job),
        };
        let fitting: Vec<&api::Workload> =
            self.now.workloads.iter().map(|located| &located.object).filter(scales).collect();
        let all: Vec<Key> = fitting.iter().map(|workload| key(&workload.metadata)).collect();
        match find(name, &all) {
            Ok(found) => fitting
                .into_iter()
                .find(|workload| key(&workload.metadata) == found)
                .cloned()
                .ok_or_else(|| unknown("workload", name, []).into()),
            Err(()) => {
                let names: Vec<String> = all.iter().map(|(space, name)| format!("{space}/{name}")).collect();
                let fault = unknown(
                    kind.unwrap_or("Deployment or StatefulSet"),
                    name,
                    names.iter().map(String::as_str),
                );
                Err(Box::new(match fault.help.is_empty() {
                    true => fault.help(
                        "add the output of kubectl get deployments,replicasets,statefulsets,pods -A -o yaml",
                    ),
                    false => fault,
                }))
            }
        }
    }

    /// The Pods of a workload, directly or through a ReplicaSet.
    pub(super) fn pods_of(&self, workload: &api::Workload) -> BTreeSet<Key> {
        let sets = self.now.workloads.iter().map(|located| &located.object);
        let sets: Vec<&api::Workload> = sets.filter(|set| is_owned_by(&set.metadata, workload)).collect();
        self.pods(|pod| {
            let by_set = sets.iter().any(|set| is_owned_by(&pod.metadata, set));
            let by_name = workload.kind == WorkloadKind::Deployment
                && sets.is_empty()
                && is_named_after(&pod.metadata, workload);
            !pod.metadata.being_deleted && (by_set || by_name || is_owned_by(&pod.metadata, workload))
        })
    }
}

fn is_owned_by(metadata: &api::Metadata, workload: &api::Workload) -> bool {
    metadata.namespace == workload.metadata.namespace
        && metadata
            .owner
            .as_deref()
            .is_some_and(|owner| owner.kind == workload.kind.name() && owner.name == workload.metadata.name)
}

/// Whether it has the Deployment's name with a hash, like a ReplicaSet that is not in the input.
fn is_named_after(pod: &api::Metadata, deployment: &api::Workload) -> bool {
    pod.namespace == deployment.metadata.namespace
        && pod.owner.as_deref().is_some_and(|owner| {
            owner.kind == "ReplicaSet"
                && owner.name.rsplit_once('-').is_some_and(|(name, _)| *name == *deployment.metadata.name)
        })
}

/// `1 Pod`, `2 Pods`
struct Pods(usize);

impl std::fmt::Display for Pods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} Pod{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}
