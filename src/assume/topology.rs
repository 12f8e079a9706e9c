//! Hints of `service.kubernetes.io/topology-mode: Auto`: each zone gets endpoints by its share of the CPUs
//! (k8s.io/endpointslice/topologycache). Where the controller's choice depends on the order of a map, the first zone by
//! name counts.

use std::collections::BTreeMap;

use crate::input::Snapshot;
use crate::input::api::{self, Text};

/// An endpoint may get so much more traffic than its share.
const OVERLOAD: f64 = 0.2;
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
const CONTROL_PLANE_LABELS: [&str; 2] =
    ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// Whether a Service asks for such hints. The older annotation goes first.
pub(super) fn is_asked_for(service: &api::Metadata) -> bool {
    let old = service.annotation("service.kubernetes.io/topology-aware-hints");
    let mode = old.or_else(|| service.annotation("service.kubernetes.io/topology-mode"));
    matches!(mode, Some("Auto" | "auto"))
}

/// The share of the CPUs that each zone has.
#[derive(Debug, Default)]
pub(super) struct Shares(BTreeMap<Text, f64>);

impl Shares {
    /// # Errors
    /// A Node does not say what is needed: its name.
    pub(super) fn of(snapshot: &Snapshot) -> Result<Shares, Text> {
        let mut cpus: BTreeMap<Text, f64> = BTreeMap::new();
        for node in snapshot.nodes.iter().map(|located| &located.object) {
            let metadata = &node.metadata;
            let excluded = CONTROL_PLANE_LABELS.iter().any(|label| metadata.label(label).is_some());
            if excluded || node.not_ready {
                continue;
            }
            match metadata.label(ZONE_LABEL).filter(|zone| !zone.is_empty()) {
                Some(zone) if node.milli_cpus > 0 => {
                    *cpus.entry(zone.into()).or_default() += number(node.milli_cpus)
                }
                _ => return Err(metadata.name.clone()),
            }
        }
        let total: f64 = cpus.values().sum();
        cpus.values_mut().for_each(|cpus| *cpus /= total);
        Ok(Shares(cpus))
    }

    /// Whether so many endpoints can be shared out.
    pub(super) fn can_share(&self, endpoints: usize) -> bool {
        self.desired(endpoints).is_some()
    }

    /// How many endpoints each zone should have; none where so few endpoints cannot be shared out.
    fn desired(&self, endpoints: usize) -> Option<BTreeMap<Text, f64>> {
        if self.0.len() < 2 || self.0.len() > endpoints {
            return None;
        }
        let mut left = number(u64::try_from(endpoints).ok()?);
        let endpoints = left;
        let mut desired = BTreeMap::new();
        for (zone, share) in &self.0 {
            let least = (share * endpoints * (1.0 / (1.0 + OVERLOAD))).ceil();
            left -= least;
            desired.insert(zone.clone(), (share * endpoints).max(least));
        }
        (left >= 0.0).then_some(desired)
    }
}

#[allow(clippy::cast_precision_loss, reason = "CPUs and endpoints are few")]
fn number(of: u64) -> f64 {
    of as f64
}

/// Gives every ready endpoint of a Service in one family a hint, or none of them.
pub(super) fn add_hints(slices: &mut [api::EndpointSlice], shares: &Shares) {
    let mut ready: Vec<&mut api::Endpoint> = Vec::new();
    for endpoint in slices.iter_mut().flat_map(|slice| &mut slice.endpoints) {
        endpoint.hints = None;
        if endpoint.conditions.ready != Some(false) {
            ready.push(endpoint);
        }
    }
    let zoned = ready.iter().all(|endpoint| endpoint.zone.as_ref().is_some_and(|zone| !zone.is_empty()));
    let Some(desired) = shares.desired(ready.len()).filter(|_| zoned) else { return };
    let mut moves = moves(&ready, &desired);
    for endpoint in ready {
        let Some(own) = endpoint.zone.clone() else { continue };
        let zone = moves.take(&own).unwrap_or(own);
        endpoint.hints = Some(Box::new(api::Hints { zones: vec![zone], nodes: Vec::new() }));
    }
}

/// How many endpoints which zones give, and get.
#[derive(Default)]
struct Moves {
    giving: BTreeMap<Text, usize>,
    receiving: BTreeMap<Text, usize>,
}

impl Moves {
    /// Where an endpoint of a zone goes, if that zone has some to give.
    fn take(&mut self, from: &Text) -> Option<Text> {
        let give = self.giving.get_mut(from).filter(|left| **left > 0)?;
        let (zone, get) = self.receiving.iter_mut().find(|(_, left)| **left > 0)?;
        *give -= 1;
        *get -= 1;
        Some(zone.clone())
    }
}

fn moves(ready: &[&mut api::Endpoint], desired: &BTreeMap<Text, f64>) -> Moves {
    let (mut surplus, mut lack) = (BTreeMap::new(), BTreeMap::new());
    for (zone, desired) in desired {
        let here = ready.iter().filter(|endpoint| endpoint.zone.as_ref() == Some(zone)).count();
        let beyond = number(u64::try_from(here).unwrap_or_default()) - desired;
        if beyond > 0.0 {
            surplus.insert(zone.clone(), beyond);
        } else if beyond < 0.0 {
            lack.insert(zone.clone(), -beyond);
        }
    }
    let mut moves = Moves::default();
    while let (Some((from, give)), Some((to, get))) = (most(&mut surplus), most(&mut lack)) {
        if (*give < 1.0 && *get < 1.0) || *give < 0.5 || *get < 0.5 {
            break;
        }
        *give -= 1.0;
        *get -= 1.0;
        *moves.giving.entry(from).or_default() += 1;
        *moves.receiving.entry(to).or_default() += 1;
    }
    moves
}

fn most(zones: &mut BTreeMap<Text, f64>) -> Option<(Text, &mut f64)> {
    let most = zones.values().copied().fold(0.0, f64::max);
    let mut zones = zones.iter_mut().filter(|(_, left)| **left > 0.0);
    zones.find(|(_, left)| **left >= most).map(|(zone, left)| (zone.clone(), left))
}
