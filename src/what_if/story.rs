//! A cluster that changes, state by state.

use std::collections::{BTreeMap, BTreeSet};

use super::unknown;
use crate::assume::controllers::{Controllers, Key, Members, follows_pods, has_run, key};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::input::api::{self, Text};
use crate::input::labelled::Labelled;
use crate::input::{Located, Position, Snapshot, SourceId};
use crate::settings::Settings;

/// A state of the cluster.
#[derive(Debug, Clone)]
pub struct Stage {
    /// What happened, as a clause.
    pub title: String,
    /// When, where that is known.
    pub time: Option<&'static str>,
    /// What to know about it.
    pub remarks: Vec<String>,
    /// The objects.
    pub snapshot: Snapshot,
    /// Nodes whose machines may be gone: nothing answers there.
    pub dead: BTreeSet<Text>,
}

/// The current cluster, and all states that it has gone through.
#[derive(Debug)]
pub(super) struct Story<'s> {
    pub(super) controllers: Controllers<'s>,
    pub(super) now: Snapshot,
    stages: Vec<Stage>,
    /// Pods that are only known from endpoints, by Service.
    members: Members,
    pub(super) synthetic: BTreeSet<Key>,
    /// Every Pod that there was.
    known: BTreeSet<Key>,
    pub(super) dead: BTreeSet<Text>,
    /// Pods that were made.
    serial: usize,
}

const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

impl<'s> Story<'s> {
    pub(super) fn new(snapshot: &Snapshot, settings: &'s Settings) -> Story<'s> {
        let mut story = Story {
            controllers: Controllers::new(settings),
            now: without_sources(snapshot),
            stages: Vec::new(),
            members: Members::default(),
            synthetic: BTreeSet::new(),
            known: BTreeSet::new(),
            dead: BTreeSet::new(),
            serial: 0,
        };
        story.learn_pods();
        story.known = story.now.pods.iter().map(|pod| key(&pod.object.metadata)).collect();
        let begin = Stage {
            title: "as it is".to_owned(),
            time: None,
            remarks: Vec::new(),
            snapshot: without_sources(snapshot),
            dead: BTreeSet::new(),
        };
        story.stages.push(begin);
        story
    }

    pub(super) fn finish(self) -> Vec<Stage> {
        self.stages
    }

    /// Records the current state, unless nothing has changed.
    pub(super) fn keep(
        &mut self,
        title: impl Into<String>,
        time: Option<&'static str>,
        remarks: Vec<String>,
    ) {
        let (snapshot, dead) = (self.now.clone(), self.dead.clone());
        self.stages.push(Stage { title: title.into(), time, remarks, snapshot, dead });
    }

    /// Updates the slices of these Pods' Services.
    pub(super) fn follow(&mut self, pods: &BTreeSet<Key>) {
        let services = self.services_of(pods);
        self.follow_services(&services);
    }

    /// The same for Services, by name.
    pub(super) fn follow_services(&mut self, services: &BTreeSet<Key>) {
        self.controllers.follow(&mut self.now, services, &self.members, &self.known);
    }

    /// The same for every Service with hints by zone, after Nodes have changed.
    pub(super) fn follow_nodes(&mut self) {
        let all = self.now.services.iter().map(|service| key(&service.object.metadata)).collect();
        self.controllers.follow(&mut self.now, &all, &self.members, &self.known);
    }

    /// The Services that have some of these Pods as endpoints.
    pub(super) fn services_of(&self, pods: &BTreeSet<Key>) -> BTreeSet<Key> {
        let all = self.now.pods.iter().map(|pod| &pod.object.metadata);
        let meant = Labelled::new(
            all.filter(|pod| pods.contains(&key(pod)))
                .map(|pod| (pod.namespace.as_str(), pod.labels.as_slice(), pod)),
        );
        let services = self.now.services.iter().map(|service| &service.object);
        let selected = services.filter(|service| !meant.of_service(service).is_empty());
        let mut services: BTreeSet<Key> = selected.map(|service| key(&service.metadata)).collect();
        for slice in self.now.endpoint_slices.iter().map(|slice| &slice.object) {
            let metadata = &slice.metadata;
            let is_meant = |endpoint: &api::Endpoint| pods.contains(&pod_of(endpoint, &metadata.namespace));
            if let Some(service) = metadata.label(SERVICE_NAME_LABEL).filter(|_| follows_pods(metadata))
                && slice.endpoints.iter().any(is_meant)
            {
                services.insert((metadata.namespace.clone(), service.into()));
            }
        }
        services
    }

    /// Makes Pods from endpoints whose Pods are not in the input.
    fn learn_pods(&mut self) {
        let there: BTreeSet<Key> = self.now.pods.iter().map(|pod| key(&pod.object.metadata)).collect();
        let mut made: BTreeMap<Key, Located<api::Pod>> = BTreeMap::new();
        for located in self.now.endpoint_slices.iter().filter(|slice| follows_pods(&slice.object.metadata)) {
            let slice = &located.object;
            let Some(service) = slice.metadata.label(SERVICE_NAME_LABEL) else { continue };
            for endpoint in &slice.endpoints {
                let name = pod_of(endpoint, &slice.metadata.namespace);
                if there.contains(&name) {
                    continue;
                }
                let of = (name.0.clone(), Text::from(service));
                self.members.entry(of).or_default().insert(name.1.clone());
                match made.get_mut(&name) {
                    Some(pod) => add_address(&mut pod.object, endpoint),
                    None => {
                        let object = pod_from(endpoint, name.0.clone(), name.1.clone());
                        made.insert(name, Located { object, position: located.position });
                    }
                }
            }
        }
        self.synthetic.extend(made.keys().cloned());
        self.now.pods.extend(made.into_values());
    }

    /// The Pods for which `is_meant` is true, and that are running.
    pub(super) fn pods(&self, is_meant: impl Fn(&api::Pod) -> bool) -> BTreeSet<Key> {
        let pods = self.now.pods.iter().map(|pod| &pod.object);
        pods.filter(|pod| !has_run(pod) && is_meant(pod)).map(|pod| key(&pod.metadata)).collect()
    }

    /// Does something to some Pods.
    pub(super) fn change(&mut self, pods: &BTreeSet<Key>, change: impl Fn(&mut api::Pod)) {
        let all = self.now.pods.iter_mut().map(|pod| &mut pod.object);
        all.filter(|pod| pods.contains(&key(&pod.metadata))).for_each(change);
    }

    pub(super) fn remove(&mut self, pods: &BTreeSet<Key>) {
        self.now.pods.retain(|pod| !pods.contains(&key(&pod.object.metadata)));
    }

    /// Adds new Pods; returns their names.
    pub(super) fn add(&mut self, pods: Vec<api::Pod>) -> BTreeSet<Key> {
        let mut added = BTreeSet::new();
        for object in pods {
            let name = key(&object.metadata);
            self.known.insert(name.clone());
            added.insert(name);
            let position = Position { source: SourceId(u32::MAX), offset: 0, length: 0 };
            self.now.pods.push(Located { object, position });
        }
        added
    }

    pub(super) fn next_serial(&mut self) -> usize {
        self.serial += 1;
        self.serial
    }

    /// Pods that fail readiness.
    pub(super) fn unready(&mut self, names: &[String]) -> Result<(), Diagnostics> {
        if names.is_empty() {
            return Ok(());
        }
        let pods = self.named_pods(names)?;
        self.change(&pods, |pod| pod.ready = false);
        self.follow(&pods);
        let list: Vec<&str> = names.iter().map(String::as_str).collect();
        self.keep(format!("{} not ready", is_or_are(&list)), None, Vec::new());
        Ok(())
    }

    /// Pods by `namespace/name`, or by an unambiguous name.
    pub(super) fn named_pods(&self, names: &[String]) -> Result<BTreeSet<Key>, Diagnostics> {
        let mut found = BTreeSet::new();
        let mut faults = Diagnostics::default();
        let all: BTreeSet<Key> = self.pods(|_| true);
        for name in names {
            let text = name.strip_prefix("pod/").or_else(|| name.strip_prefix("pod:")).unwrap_or(name);
            let fits = |(namespace, pod): &&Key| match text.split_once('/') {
                Some((wanted, name)) => namespace == wanted && pod == name,
                None => pod == text,
            };
            let fitting: Vec<&Key> = all.iter().filter(fits).collect();
            match fitting.as_slice() {
                [only] => _ = found.insert((*only).clone()),
                [] => {
                    let names: Vec<String> =
                        all.iter().map(|(space, name)| format!("{space}/{name}")).collect();
                    faults.push(unknown("Pod", text, names.iter().map(String::as_str)));
                }
                several => {
                    let names: Vec<String> =
                        several.iter().map(|(space, name)| format!("{space}/{name}")).collect();
                    faults
                        .push(Diagnostic::error(format!("which Pod {text}? There are {}", names.join(", "))));
                }
            }
        }
        if faults.has_errors() { Err(faults) } else { Ok(found) }
    }
}

/// The objects without the text that they were read from, which does not contain what is made up.
pub(super) fn without_sources(snapshot: &Snapshot) -> Snapshot {
    Snapshot {
        services: snapshot.services.clone(),
        endpoint_slices: snapshot.endpoint_slices.clone(),
        nodes: snapshot.nodes.clone(),
        service_cidrs: snapshot.service_cidrs.clone(),
        pods: snapshot.pods.clone(),
        workloads: snapshot.workloads.clone(),
        disruption_budgets: snapshot.disruption_budgets.clone(),
        ..Snapshot::default()
    }
}

/// `a is`, `a and b are`
pub(super) fn is_or_are(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// The name of an endpoint's Pod; its address if it names none.
fn pod_of(endpoint: &api::Endpoint, namespace: &Text) -> Key {
    let name = match &endpoint.target_ref {
        Some(target) if target.kind == "Pod" || target.kind.is_empty() => target.name.clone(),
        _ => endpoint.addresses.first().cloned().unwrap_or_default(),
    };
    (namespace.clone(), name)
}

fn pod_from(endpoint: &api::Endpoint, namespace: Text, name: Text) -> api::Pod {
    let conditions = endpoint.conditions;
    api::Pod {
        metadata: api::Metadata {
            name,
            namespace,
            being_deleted: conditions.terminating.unwrap_or(false),
            ..api::Metadata::default()
        },
        node_name: endpoint.node_name.clone().unwrap_or_default(),
        phase: "Running".into(),
        ips: endpoint.addresses.first().cloned().into_iter().collect(),
        ready: conditions.serving.or(conditions.ready).unwrap_or(true),
        ..api::Pod::default()
    }
}

fn add_address(pod: &mut api::Pod, endpoint: &api::Endpoint) {
    let address = endpoint.addresses.first().cloned().unwrap_or_default();
    if !pod.ips.contains(&address) {
        pod.ips.push(address);
    }
}
