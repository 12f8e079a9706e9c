//! Objects that are deleted.

use std::collections::BTreeSet;

use super::replacement::{Successor, waiting_words};
use super::story::Story;
use super::unknown;
use crate::assume::controllers::{Key, key};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::input::api::{self, Text};

/// Something to delete, as it is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// `svc:shop/db`
    Service(String),
    /// `node/worker-1`
    Node(String),
    /// `pod:shop/web-1`
    Pod(String),
    /// `deployment/shop/web`: kind and name.
    Workload(&'static str, String),
}

/// Kinds, by the words of kubectl.
const KINDS: [(&str, &[&str]); 4] = [
    ("Deployment", &["deployment", "deployments", "deploy"]),
    ("StatefulSet", &["statefulset", "statefulsets", "sts"]),
    ("DaemonSet", &["daemonset", "daemonsets", "ds"]),
    ("ReplicaSet", &["replicaset", "replicasets", "rs"]),
];

impl Object {
    /// Reads `KIND:NAMESPACE/NAME` or `KIND/NAMESPACE/NAME`.
    ///
    /// # Errors
    /// What was expected.
    pub fn read(text: &str) -> Result<Object, String> {
        const EXPECTED: &str =
            "expect svc:NAMESPACE/NAME, node/NAME, pod:NAMESPACE/NAME or deployment:NAMESPACE/NAME";
        let (kind, name) = text.split_once([':', '/']).ok_or(EXPECTED)?;
        let name = name.to_owned();
        if name.is_empty() {
            return Err(EXPECTED.to_owned());
        }
        match kind.to_lowercase().as_str() {
            "svc" | "service" | "services" => Ok(Object::Service(name)),
            "node" | "nodes" | "no" => Ok(Object::Node(name)),
            "pod" | "pods" | "po" => Ok(Object::Pod(name)),
            kind => match KINDS.iter().find(|(_, words)| words.contains(&kind)) {
                Some((kind, _)) => Ok(Object::Workload(kind, name)),
                None => Err(EXPECTED.to_owned()),
            },
        }
    }
}

impl Story<'_> {
    /// Deletes objects: first Services, then Nodes, then objects whose deletion ends Pods.
    pub(super) fn delete(&mut self, objects: &[Object]) -> Result<(), Diagnostics> {
        let mut faults = Diagnostics::default();
        let names = |wanted: fn(&Object) -> Option<&String>| objects.iter().filter_map(wanted).cloned();
        let services: Vec<String> =
            names(|o| if let Object::Service(name) = o { Some(name) } else { None }).collect();
        let nodes: Vec<String> =
            names(|o| if let Object::Node(name) = o { Some(name) } else { None }).collect();
        let pods: Vec<String> =
            names(|o| if let Object::Pod(name) = o { Some(name) } else { None }).collect();
        if let Err(found) = self.delete_services(&services) {
            faults.append(found);
        }
        if let Err(found) = self.delete_nodes(&nodes) {
            faults.append(found);
        }
        match self.named_pods(&pods) {
            Ok(pods) if pods.is_empty() => {}
            Ok(pods) => self.end(&pods, "the Pods are deleted: they end, and still serve", None, Vec::new()),
            Err(found) => faults.append(found),
        }
        for object in objects {
            if let Object::Workload(kind, name) = object
                && let Err(fault) = self.delete_workload(kind, name)
            {
                faults.push(*fault);
            }
        }
        if faults.has_errors() { Err(faults) } else { Ok(()) }
    }

    fn delete_services(&mut self, names: &[String]) -> Result<(), Diagnostics> {
        if names.is_empty() {
            return Ok(());
        }
        let mut gone: BTreeSet<Key> = BTreeSet::new();
        let mut faults = Diagnostics::default();
        let all: Vec<Key> = self.now.services.iter().map(|service| key(&service.object.metadata)).collect();
        for name in names {
            match find(name, &all) {
                Ok(found) => _ = gone.insert(found),
                Err(()) => {
                    let names: Vec<String> =
                        all.iter().map(|(space, name)| format!("{space}/{name}")).collect();
                    faults.push(unknown("Service", name, names.iter().map(String::as_str)));
                }
            }
        }
        if faults.has_errors() {
            return Err(faults);
        }
        self.now.services.retain(|service| !gone.contains(&key(&service.object.metadata)));
        // It owns its slices, so they are deleted with it.
        self.now.endpoint_slices.retain(|slice| {
            let metadata = &slice.object.metadata;
            let service = metadata.label("kubernetes.io/service-name");
            !service.is_some_and(|service| gone.contains(&(metadata.namespace.clone(), service.into())))
        });
        let list: Vec<String> = gone.iter().map(|(space, name)| format!("{space}/{name}")).collect();
        let what = if list.len() == 1 { "Service" } else { "Services" };
        let verb = if list.len() == 1 { "is" } else { "are" };
        self.keep(
            format!("{what} {} {verb} deleted, with the EndpointSlices", list.join(", ")),
            None,
            Vec::new(),
        );
        Ok(())
    }

    /// A Node is gone at once, its Pods only after garbage collection.
    fn delete_nodes(&mut self, names: &[String]) -> Result<(), Diagnostics> {
        if names.is_empty() {
            return Ok(());
        }
        let nodes = self.named_nodes(names)?;
        self.now.nodes.retain(|node| !nodes.contains(&node.object.metadata.name));
        self.dead.extend(nodes.iter().cloned());
        let list: Vec<&str> = nodes.iter().map(Text::as_str).collect();
        let (what, verb) = if list.len() == 1 { ("Node", "is") } else { ("Nodes", "are") };
        let on_gone = |pod: &api::Pod| nodes.contains(&pod.node_name);
        let pods = self.pods(on_gone);
        let title = format!("{what} {} {verb} deleted; the Pods there still count as ready", list.join(", "));
        let remarks = self.synthetic_words(&pods).into_iter().collect();
        self.keep(title, Some("until garbage collection, which takes a minute or so"), remarks);
        let mut fresh = self.replace(&pods, Successor::AtOnce);
        fresh.extend(self.replace(&pods, Successor::OnceGone));
        let touched = self.services_of(&pods);
        self.remove(&pods);
        self.follow_services(&touched);
        self.keep("garbage collection removes the Pods", None, Vec::new());
        let (started, waiting) = self.start(fresh);
        if !started.is_empty() || waiting > 0 {
            self.follow(&started);
            let remarks = waiting_words(waiting).into_iter().collect();
            self.keep("their replacements start, not ready yet", None, remarks);
        }
        if !started.is_empty() {
            self.ready(&started, "the replacements are ready");
        }
        Ok(())
    }

    fn delete_workload(&mut self, kind: &'static str, name: &str) -> Result<(), Box<Diagnostic>> {
        let workload = self.workload(Some(kind), name)?;
        let pods = self.pods_of(&workload);
        let title = format!(
            "{kind} {}/{} is deleted: its Pods end, and still serve",
            workload.metadata.namespace, workload.metadata.name
        );
        self.orphan(&pods);
        self.end(&pods, &title, None, Vec::new());
        Ok(())
    }

    /// Nobody makes these Pods anew.
    pub(super) fn orphan(&mut self, pods: &BTreeSet<Key>) {
        self.change(pods, |pod| pod.metadata.owner = None);
    }
}

/// A name as `namespace/name`, or without the namespace if that is unambiguous.
pub(super) fn find(text: &str, all: &[Key]) -> Result<Key, ()> {
    let fits = |(namespace, name): &&Key| match text.split_once('/') {
        Some((space, wanted)) => namespace == space && name == wanted,
        None => name == text,
    };
    let mut found = all.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(()),
    }
}
