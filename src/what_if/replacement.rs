//! Pods that controllers make to replace others.

use std::collections::BTreeSet;

use super::story::Story;
use crate::assume::controllers::Key;
use crate::input::api::{self, Text};
use crate::net::{Family, parse_ip_lenient};

/// When the controller of a Pod makes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Successor {
    /// At once, while the old one is still terminating.
    AtOnce,
    /// Once the old one is gone: it has the same name.
    OnceGone,
    /// Never: no one owns it, or its owner is not known.
    Never,
}

pub(super) fn successor(pod: &api::Pod) -> Successor {
    match pod.metadata.owner.as_deref().map(|owner| owner.kind.as_str()) {
        Some("StatefulSet") => Successor::OnceGone,
        Some("DaemonSet" | "Node") | None => Successor::Never,
        Some(_) => Successor::AtOnce,
    }
}

impl Story<'_> {
    /// Makes the replacements for these Pods that are due now: not ready, and on Nodes if some accept them.
    pub(super) fn replace(&mut self, pods: &BTreeSet<Key>, when: Successor) -> Vec<api::Pod> {
        let old: Vec<api::Pod> = (self.now.pods.iter().map(|pod| &pod.object))
            .filter(|pod| pods.contains(&(pod.metadata.namespace.clone(), pod.metadata.name.clone())))
            .filter(|pod| successor(pod) == when)
            .cloned()
            .collect();
        old.iter().map(|pod| self.like(pod, when == Successor::OnceGone)).collect()
    }

    /// A new Pod of the same controller, not yet on a Node.
    pub(super) fn like(&mut self, pod: &api::Pod, same_name: bool) -> api::Pod {
        let owner = pod.metadata.owner.as_deref().map_or("", |owner| owner.name.as_str());
        let name = match same_name {
            true => pod.metadata.name.clone(),
            false => format!("{owner}-new-{}", self.next_serial()).into(),
        };
        api::Pod {
            metadata: api::Metadata { name, being_deleted: false, ..pod.metadata.clone() },
            node_name: Text::default(),
            ready: false,
            phase: "Running".into(),
            ..pod.clone()
        }
    }

    /// Puts new Pods on Nodes and adds them; returns the names of those that run, and how many wait.
    pub(super) fn start(&mut self, pods: Vec<api::Pod>) -> (BTreeSet<Key>, usize) {
        let mut open: Vec<(api::Pod, Vec<Family>)> = pods
            .into_iter()
            .map(|mut pod| {
                let families = pod.ips.iter().filter_map(|ip| parse_ip_lenient(ip)).map(Family::of).collect();
                pod.ips.clear();
                (pod, families)
            })
            .collect();
        self.controllers.bind(&self.now, &mut open);
        let (running, waiting): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(pod, _)| !pod.node_name.is_empty());
        (self.add(running.into_iter().map(|(pod, _)| pod).collect()), waiting.len())
    }
}

/// What to say about Pods that fit on no Node.
pub(super) fn waiting_words(waiting: usize) -> Option<String> {
    match waiting {
        0 => None,
        1 => Some("1 replacement fits on no Node and waits".to_owned()),
        many => Some(format!("{many} replacements fit on no Node and wait")),
    }
}
