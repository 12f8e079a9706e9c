//! A lost zone: its machines, with their kubelets, no longer respond (pkg/controller/nodelifecycle, tainteviction).

use std::collections::BTreeSet;

use super::replacement::{Successor, waiting_words};
use super::story::{Story, is_or_are};
use super::unknown;
use crate::assume::controllers::Key;
use crate::diagnostic::Diagnostics;
use crate::input::api::{self, Taint, Text};

const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

impl Story<'_> {
    /// Loses zones.
    pub(super) fn zones_down(&mut self, zones: &[String]) -> Result<(), Diagnostics> {
        if zones.is_empty() {
            return Ok(());
        }
        let nodes = self.nodes_in(zones)?;
        self.dead.extend(nodes.iter().cloned());
        for node in self.now.nodes.iter_mut().map(|node| &mut node.object) {
            if nodes.contains(&node.metadata.name) {
                lose(node);
            }
        }
        let list: Vec<&str> = zones.iter().map(String::as_str).collect();
        self.follow_nodes();
        let on_lost = |pod: &api::Pod| nodes.contains(&pod.node_name);
        let pods = self.pods(on_lost);
        let title =
            format!("zone {} lost, its Nodes are not ready; its Pods still count as ready", is_or_are(&list));
        self.keep(title, Some("for 54 s"), self.synthetic_words(&pods).into_iter().collect());
        self.change(&pods, |pod| pod.ready = false);
        self.follow(&pods);
        self.keep("its Pods are marked not ready", Some("after 54 s"), Vec::new());
        let evicted: BTreeSet<Key> = self.pods(|pod| on_lost(pod) && is_evicted(pod));
        self.change(&evicted, |pod| pod.metadata.being_deleted = true);
        let fresh = self.replace(&evicted, Successor::AtOnce);
        let (started, waiting) = self.start(fresh);
        self.follow(&evicted.union(&started).cloned().collect());
        let mut remarks: Vec<String> = waiting_words(waiting).into_iter().collect();
        let stateful = self.replace(&evicted, Successor::OnceGone).len();
        if stateful > 0 {
            remarks.push(
                "Pods of StatefulSets are not made anew: the old ones end only once their kubelets or the Nodes are back or gone"
                    .to_owned(),
            );
        }
        let title = "taint eviction deletes its Pods, which nobody ends there; their replacements start, not ready yet";
        self.keep(title, Some("after 365 s"), remarks);
        if !started.is_empty() {
            self.ready(&started, "the replacements are ready");
        }
        Ok(())
    }

    fn nodes_in(&self, zones: &[String]) -> Result<BTreeSet<Text>, Diagnostics> {
        let nodes = || self.now.nodes.iter().map(|node| &node.object);
        let all: BTreeSet<&str> = nodes().filter_map(|node| node.metadata.label(ZONE_LABEL)).collect();
        let mut faults = Diagnostics::default();
        for zone in zones.iter().filter(|zone| !all.contains(zone.as_str())) {
            let fault = unknown("Node with the zone", zone, all.iter().copied());
            faults.push(match fault.help.is_empty() {
                true => fault.help(format!(
                    "Nodes have the zones {}",
                    all.iter().copied().collect::<Vec<_>>().join(", ")
                )),
                false => fault,
            });
        }
        let is_in = |node: &&api::Node| {
            node.metadata.label(ZONE_LABEL).is_some_and(|zone| zones.iter().any(|wanted| wanted == zone))
        };
        let found = nodes().filter(is_in).map(|node| node.metadata.name.clone()).collect();
        if faults.has_errors() { Err(faults) } else { Ok(found) }
    }
}

/// What the node lifecycle controller does to a Node whose kubelet does not respond.
fn lose(node: &mut api::Node) {
    node.not_ready = true;
    for effect in ["NoSchedule", "NoExecute"] {
        node.taints.push(Taint {
            key: "node.kubernetes.io/unreachable".into(),
            value: Text::default(),
            effect: effect.into(),
        });
    }
}

/// Whether taint eviction deletes a Pod: not those that tolerate the taint forever, like those of DaemonSets.
fn is_evicted(pod: &api::Pod) -> bool {
    let owner = pod.metadata.owner.as_deref().map(|owner| owner.kind.as_str());
    !matches!(owner, Some("DaemonSet" | "Node"))
}
