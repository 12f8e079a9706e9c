//! Every node drained in turn: which Services lose clients.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::consequences::{self, State};
use super::{Changes, stages};
use crate::assume::controllers::{Key, follows_pods, key};
use crate::diagnostic::Diagnostics;
use crate::input::api::Text;
use crate::input::{Located, Snapshot};
use crate::parallel;
use crate::settings::Settings;

/// The result of draining one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Drained {
    /// The node.
    pub node: String,
    /// Services that lose clients in some step, `namespace/name`, with the worst that happens.
    pub lost: BTreeMap<String, State>,
    /// Services whose endpoints are on the node.
    pub services: usize,
    /// What else to know.
    pub remarks: Vec<String>,
}

/// Drains each node in turn.
///
/// # Errors
/// A state that kube-proxy could not use.
pub fn all_drains(snapshot: &Snapshot, settings: &Settings) -> Result<Vec<Drained>, Diagnostics> {
    let index = Index::of(snapshot);
    let mut names: Vec<Text> = snapshot.nodes.iter().map(|node| node.object.metadata.name.clone()).collect();
    names.sort_unstable();
    parallel::each(&names, |node| drained(&index.around(node), node, settings)).into_iter().collect()
}

fn drained(part: &Part, node: &Text, settings: &Settings) -> Result<Drained, Diagnostics> {
    let changes = Changes { drain: vec![node.to_string()], ..Changes::default() };
    let stages = stages(&part.snapshot, settings, &changes)?;
    let mut lost: BTreeMap<String, State> = BTreeMap::new();
    for change in consequences::of_stages(&stages, settings)? {
        for one in change.clients.iter().filter(|one| one.is_loss()) {
            let service = one.service_port.split(':').next().unwrap_or_default().to_owned();
            let worst = lost.entry(service).or_insert(one.after);
            *worst = (*worst).min(one.after);
        }
    }
    let mut remarks: Vec<String> = stages.into_iter().flat_map(|stage| stage.remarks).collect();
    remarks.dedup();
    Ok(Drained { node: node.to_string(), lost, services: part.services, remarks })
}

/// The Services by node.
struct Index<'s> {
    snapshot: &'s Snapshot,
    slices: BTreeMap<Key, Vec<usize>>,
    services: BTreeMap<Key, usize>,
    by_node: BTreeMap<Text, BTreeSet<Key>>,
}

/// What draining one node can affect.
struct Part {
    snapshot: Snapshot,
    services: usize,
}

impl<'s> Index<'s> {
    fn of(snapshot: &'s Snapshot) -> Index<'s> {
        let mut index =
            Index { snapshot, slices: BTreeMap::new(), services: BTreeMap::new(), by_node: BTreeMap::new() };
        for (i, service) in snapshot.services.iter().enumerate() {
            index.services.insert(key(&service.object.metadata), i);
        }
        for (i, slice) in snapshot.endpoint_slices.iter().map(|slice| &slice.object).enumerate() {
            let metadata = &slice.metadata;
            let Some(service) = metadata.label("kubernetes.io/service-name") else { continue };
            let of = (metadata.namespace.clone(), Text::from(service));
            index.slices.entry(of.clone()).or_default().push(i);
            for node in slice.endpoints.iter().filter_map(|endpoint| endpoint.node_name.as_ref()) {
                if follows_pods(metadata) {
                    index.by_node.entry(node.clone()).or_default().insert(of.clone());
                }
            }
        }
        index
    }

    fn around(&self, node: &Text) -> Part {
        let nothing = BTreeSet::new();
        let touched = self.by_node.get(node).unwrap_or(&nothing);
        let all = self.snapshot;
        let services = touched.iter().filter_map(|of| all.services.get(*self.services.get(of)?));
        let slices = touched.iter().filter_map(|of| self.slices.get(of)).flatten();
        let slices = slices.filter_map(|i| all.endpoint_slices.get(*i));
        let snapshot = Snapshot {
            services: services.cloned().collect(),
            endpoint_slices: slices.cloned().collect::<Vec<Located<_>>>(),
            nodes: all.nodes.clone(),
            pods: all.pods.clone(),
            workloads: all.workloads.clone(),
            disruption_budgets: all.disruption_budgets.clone(),
            ..Snapshot::default()
        };
        Part { snapshot, services: touched.len() }
    }
}
