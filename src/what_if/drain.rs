//! `kubectl drain`, with `--ignore-daemonsets` and `--force`: cordon, evict, wait.

use std::collections::BTreeSet;

use super::replacement::{Successor, waiting_words};
use super::story::{Story, is_or_are};
use super::unknown;
use crate::assume::controllers::{Key, has_run, key};
use crate::diagnostic::Diagnostics;
use crate::input::api::{self, Text};

/// How many times `kubectl drain` is retried while budgets keep Pods.
const ROUNDS: usize = 20;

impl Story<'_> {
    /// Drains nodes, all at once.
    pub(super) fn drain(&mut self, names: &[String]) -> Result<(), Diagnostics> {
        if names.is_empty() {
            return Ok(());
        }
        let nodes = self.named_nodes(names)?;
        for node in self.now.nodes.iter_mut().map(|node| &mut node.object) {
            node.unschedulable |= nodes.contains(&node.metadata.name);
        }
        let list: Vec<&str> = names.iter().map(String::as_str).collect();
        let which = if list.len() == 1 { format!("of {}", list.join("")) } else { "of the nodes".to_owned() };
        for round in 0..ROUNDS {
            let there = self.pods(|pod| is_evicted(pod, &nodes));
            let (evicted, kept) = self.evictable(&there);
            if evicted.is_empty() {
                if round == 0 {
                    self.keep(
                        format!("{} cordoned; no Pod is evicted", is_or_are(&list)),
                        None,
                        self.kept_words(&kept),
                    );
                }
                break;
            }
            let head = if round == 0 {
                format!("{} cordoned, the Pods {which} are evicted", is_or_are(&list))
            } else {
                format!("more Pods {which} are evicted")
            };
            let remarks = [self.bare_words(&evicted), self.synthetic_words(&evicted)].into_iter().flatten();
            let remarks: Vec<String> = remarks.chain(self.kept_words(&kept)).collect();
            self.end(&evicted, &format!("{head}: they end, and still serve"), None, remarks);
        }
        Ok(())
    }

    /// Nodes by name.
    pub(super) fn named_nodes(&self, names: &[String]) -> Result<BTreeSet<Text>, Diagnostics> {
        let all: Vec<&str> = self.now.nodes.iter().map(|node| node.object.metadata.name.as_str()).collect();
        let mut faults = Diagnostics::default();
        let mut found = BTreeSet::new();
        for name in names.iter().map(|name| name.strip_prefix("node/").unwrap_or(name)) {
            match all.contains(&name) {
                true => _ = found.insert(name.into()),
                false => faults.push(unknown("Node", name, all.iter().copied())),
            }
        }
        if faults.has_errors() { Err(faults) } else { Ok(found) }
    }

    /// Ends Pods, step by step, and lets others take their places.
    pub(super) fn end(
        &mut self,
        pods: &BTreeSet<Key>,
        title: &str,
        time: Option<&'static str>,
        remarks: Vec<String>,
    ) {
        self.change(pods, |pod| pod.metadata.being_deleted = true);
        self.follow(pods);
        self.keep(title, time, remarks);
        let fresh = self.replace(pods, Successor::AtOnce);
        let has_fresh = !fresh.is_empty();
        let (mut started, waiting) = self.start(fresh);
        if has_fresh {
            self.follow(&started);
            let remarks = waiting_words(waiting).into_iter().collect();
            self.keep("their replacements start, not ready yet", None, remarks);
        }
        self.change(pods, |pod| pod.ready = false);
        self.follow(pods);
        self.keep("the Pods that end no longer serve", None, Vec::new());
        let anew = self.replace(pods, Successor::OnceGone);
        let names = if anew.is_empty() { "" } else { "; StatefulSets make theirs anew" };
        let services = self.services_of(pods);
        self.remove(pods);
        let (again, waiting) = self.start(anew);
        started.extend(again);
        self.follow_services(&services);
        self.keep(format!("they are gone{names}"), None, waiting_words(waiting).into_iter().collect());
        if !started.is_empty() {
            self.ready(&started, "the replacements are ready");
        }
    }

    /// New Pods become ready.
    pub(super) fn ready(&mut self, pods: &BTreeSet<Key>, title: &str) {
        self.change(pods, |pod| pod.ready = true);
        self.follow(pods);
        self.keep(title, None, Vec::new());
    }

    /// Pods that no controller replaces.
    fn bare_words(&self, pods: &BTreeSet<Key>) -> Option<String> {
        let bare: Vec<String> = (self.now.pods.iter().map(|pod| &pod.object))
            .filter(|pod| pods.contains(&key(&pod.metadata)) && pod.metadata.owner.is_none())
            .filter(|pod| !self.synthetic.contains(&key(&pod.metadata)))
            .map(|pod| format!("{}/{}", pod.metadata.namespace, pod.metadata.name))
            .collect();
        match bare.as_slice() {
            [] => None,
            [one] => Some(format!("{one} has no controller and does not come back")),
            several => Some(format!("{} have no controller and do not come back", several.join(", "))),
        }
    }

    /// What is not known without Pods.
    pub(super) fn synthetic_words(&self, pods: &BTreeSet<Key>) -> Option<String> {
        let count = pods.intersection(&self.synthetic).count();
        (count > 0).then(|| {
            format!(
                "{count} of the Pods are known only from EndpointSlices: no replacements are assumed, and those of \
                 DaemonSets, which a drain leaves, are taken for others (add kubectl get pods -A -o yaml)"
            )
        })
    }

    fn kept_words(&self, kept: &BTreeSet<Key>) -> Vec<String> {
        let names: Vec<String> = kept.iter().map(|(space, name)| format!("{space}/{name}")).collect();
        match names.as_slice() {
            [] => Vec::new(),
            [one] => vec![format!("{one} stays: its PodDisruptionBudget allows no eviction now")],
            several => {
                vec![format!("{} stay: PodDisruptionBudgets allow no eviction now", several.join(", "))]
            }
        }
    }
}

/// Whether a drain evicts a Pod: not those of DaemonSets, nor those that a kubelet has from a file.
fn is_evicted(pod: &api::Pod, nodes: &BTreeSet<Text>) -> bool {
    let owner = pod.metadata.owner.as_deref().map(|owner| owner.kind.as_str());
    nodes.contains(&pod.node_name)
        && !matches!(owner, Some("DaemonSet" | "Node"))
        && !pod.metadata.being_deleted
        && !has_run(pod)
}
