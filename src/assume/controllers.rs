//! The controllers and the scheduler on a cluster that runs: where a new Pod goes, and how EndpointSlices follow their Pods.
//! What [`super::fill`] does for objects that were never applied is done here for a change of those that were.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::nodes_of::{NodeSlot, slots};
use super::scheduler::Scheduler;
use super::slices::{self, Index};
use super::topology::{self, Shares};
use super::{Assumed, Options, Run, families, ranges};
use crate::diagnostic::Diagnostics;
use crate::input::api::{self, Text};
use crate::input::{Located, Snapshot};
use crate::net::{Family, parse_ip_lenient};
use crate::settings::Settings;

/// Namespace and name.
pub(crate) type Key = (Text, Text);

/// Pods that belong to a Service though their labels are not known, by the Service.
pub(crate) type Members = BTreeMap<Key, BTreeSet<Text>>;

/// The controllers of a cluster.
#[derive(Debug)]
pub(crate) struct Controllers<'s> {
    settings: &'s Settings,
    options: Options,
}

impl<'s> Controllers<'s> {
    pub(crate) fn new(settings: &'s Settings) -> Controllers<'s> {
        Controllers { settings, options: Options::default() }
    }

    fn run(&self, snapshot: &Snapshot) -> Run<'_> {
        Run {
            options: &self.options,
            settings: self.settings,
            service_cidrs: ranges::service_cidrs(snapshot, &self.options),
            assumed: Assumed::default(),
            found: Diagnostics::default(),
            job_pods: BTreeSet::new(),
        }
    }

    /// Puts Pods on Nodes, one after the other: of those that fit, each goes to the Node with the fewest Pods of its
    /// owner, then by name. It gets addresses of the families that `like` has. One that fits nowhere has no Node.
    pub(crate) fn bind(&self, snapshot: &Snapshot, pods: &mut [(api::Pod, Vec<Family>)]) {
        let run = self.run(snapshot);
        let slots = slots(snapshot, &run);
        let mut scheduler = Scheduler::new(&slots);
        let mut of_owner: BTreeMap<(Key, Text), usize> = BTreeMap::new();
        for pod in snapshot.pods.iter().map(|located| &located.object).filter(|pod| !has_run(pod)) {
            scheduler.note(pod);
            if let Some(owner) = owner(pod).filter(|_| !pod.metadata.being_deleted) {
                *of_owner.entry((owner, pod.node_name.clone())).or_default() += 1;
            }
        }
        let mut taken = taken(snapshot);
        for (pod, families) in pods {
            let count = |slot: &NodeSlot| {
                let key = owner(pod).map(|owner| (owner, slot.name.clone()));
                key.and_then(|key| of_owner.get(&key)).copied().unwrap_or_default()
            };
            let fitting = scheduler.fitting(pod);
            let Some(slot) = fitting.into_iter().min_by_key(|slot| (count(slot), slot.name.clone())) else {
                continue;
            };
            pod.node_name = slot.name.clone();
            pod.ips = match pod.host_network {
                true => families.iter().filter_map(|family| slot.host_ip(*family)).map(text).collect(),
                false => {
                    families.iter().filter_map(|family| free(slot, *family, &mut taken)).map(text).collect()
                }
            };
            scheduler.note(pod);
            if let Some(owner) = owner(pod) {
                *of_owner.entry((owner, pod.node_name.clone())).or_default() += 1;
            }
        }
    }

    /// Lets the EndpointSlices of some Services follow their Pods. Endpoints of which no Pod is known stay as they are.
    pub(crate) fn follow(
        &self,
        snapshot: &mut Snapshot,
        services: &BTreeSet<Key>,
        members: &Members,
        known: &BTreeSet<Key>,
    ) {
        let run = self.run(snapshot);
        let index = Index::new(snapshot);
        let shares = Shares::of(snapshot);
        let mut changed: BTreeMap<usize, api::EndpointSlice> = BTreeMap::new();
        let mut added: Vec<Located<api::EndpointSlice>> = Vec::new();
        let of_service = slices_by_service(snapshot);
        let meant =
            snapshot.services.iter().filter(|located| services.contains(&key(&located.object.metadata)));
        for located in meant {
            let service = &located.object;
            let own = key(&service.metadata);
            let nobody = BTreeSet::new();
            let pods = index.members_of(service, members.get(&own).unwrap_or(&nobody));
            for family in families::of(&service.spec) {
                let is_of_family = |i: &&usize| {
                    let slice = snapshot.endpoint_slices.get(**i);
                    slice.is_some_and(|slice| slice.object.address_type == family.api_name())
                };
                let places: Vec<usize> =
                    of_service.get(&own).into_iter().flatten().filter(is_of_family).copied().collect();
                let before: Vec<api::EndpointSlice> = (places.iter())
                    .filter_map(|i| snapshot.endpoint_slices.get(*i))
                    .map(|slice| slice.object.clone())
                    .collect();
                let wanted = slices::slices(service, family, &pods, &index, &run);
                let mut after = merged(&before, wanted, known);
                if topology::is_asked_for(&service.metadata) && self.settings.gates.topology_aware_hints {
                    add_hints(&before, &mut after, shares.as_ref().ok());
                }
                for (i, slice) in after.into_iter().enumerate() {
                    match places.get(i) {
                        Some(place) => _ = changed.insert(*place, slice),
                        None => added.push(Located { object: slice, position: located.position }),
                    }
                }
            }
        }
        for (place, slice) in changed {
            if let Some(located) = snapshot.endpoint_slices.get_mut(place) {
                located.object = slice;
            }
        }
        snapshot.endpoint_slices.append(&mut added);
    }
}

pub(crate) fn key(metadata: &api::Metadata) -> Key {
    (metadata.namespace.clone(), metadata.name.clone())
}

/// Kind and name of a Pod's controller, as one text, in its namespace.
fn owner(pod: &api::Pod) -> Option<Key> {
    let owner = pod.metadata.owner.as_deref()?;
    Some((pod.metadata.namespace.clone(), format!("{} {}", owner.kind, owner.name).into()))
}

pub(crate) fn has_run(pod: &api::Pod) -> bool {
    matches!(pod.phase.as_str(), "Succeeded" | "Failed")
}

fn text(ip: IpAddr) -> Text {
    ip.to_string().into()
}

/// Addresses that somebody has.
fn taken(snapshot: &Snapshot) -> BTreeSet<IpAddr> {
    let pods = snapshot.pods.iter().flat_map(|pod| &pod.object.ips);
    let slices = snapshot.endpoint_slices.iter().flat_map(|slice| &slice.object.endpoints);
    let nodes = snapshot.nodes.iter().flat_map(|node| &node.object.addresses).map(|address| &address.address);
    let texts = pods.chain(slices.flat_map(|endpoint| &endpoint.addresses)).chain(nodes);
    texts.filter_map(|text| parse_ip_lenient(text)).collect()
}

/// The next free address of a node's Pod network.
fn free(slot: &NodeSlot, family: Family, taken: &mut BTreeSet<IpAddr>) -> Option<IpAddr> {
    let net = slot.pod_cidr(family)?;
    let first = ranges::number(net.network()).checked_add(2)?;
    let mut all = (first..=ranges::number(net.last())).filter_map(|number| ranges::address(number, family));
    let ip = all.find(|ip| !taken.contains(ip))?;
    taken.insert(ip);
    Some(ip)
}

/// The slices that follow the Pods of each Service, by number.
pub(crate) fn slices_by_service(snapshot: &Snapshot) -> BTreeMap<Key, Vec<usize>> {
    let mut found: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (i, located) in snapshot.endpoint_slices.iter().enumerate() {
        let metadata = &located.object.metadata;
        if let Some(service) = metadata.label(slices::SERVICE_NAME_LABEL).filter(|_| follows_pods(metadata)) {
            found.entry((metadata.namespace.clone(), service.into())).or_default().push(i);
        }
    }
    found
}

/// Whether a slice is the EndpointSlice controller's, as far as it says so.
pub(crate) fn follows_pods(slice: &api::Metadata) -> bool {
    slice.label(slices::MANAGED_BY_LABEL).is_none_or(|manager| manager == slices::MANAGER)
}

/// The slices as they are, with the endpoints that are wanted: each where it stood, new ones where there is room.
fn merged(
    before: &[api::EndpointSlice],
    wanted: Vec<api::EndpointSlice>,
    known: &BTreeSet<Key>,
) -> Vec<api::EndpointSlice> {
    let mut after = before.to_vec();
    let mut open: BTreeMap<Text, (Vec<api::SlicePort>, api::Endpoint)> = BTreeMap::new();
    for slice in &wanted {
        for endpoint in &slice.endpoints {
            let address = endpoint.addresses.first().cloned().unwrap_or_default();
            open.insert(address, (slice.ports.clone(), endpoint.clone()));
        }
    }
    for slice in &mut after {
        let namespace = slice.metadata.namespace.clone();
        slice.endpoints.retain_mut(|endpoint| {
            let address = endpoint.addresses.first().cloned().unwrap_or_default();
            match open.remove(&address) {
                Some((_, new)) => {
                    renew(endpoint, new);
                    true
                }
                None => !is_known(endpoint, &namespace, known),
            }
        });
    }
    for (ports, endpoint) in open.into_values() {
        let has_room = |s: &&mut api::EndpointSlice| s.ports == ports && s.endpoints.len() < slices::MOST;
        let is_empty = |s: &&mut api::EndpointSlice| s.endpoints.is_empty();
        let place = match after.iter_mut().position(|s| has_room(&s)) {
            Some(i) => Some(i),
            None => after.iter_mut().position(|s| is_empty(&s)),
        };
        match place.and_then(|i| after.get_mut(i)) {
            Some(slice) => {
                slice.ports = ports;
                slice.endpoints.push(endpoint);
            }
            None => {
                let metadata = wanted.first().map(|slice| slice.metadata.clone()).unwrap_or_default();
                let metadata =
                    api::Metadata { name: format!("{}-{}", metadata.name, after.len()).into(), ..metadata };
                let address_type = wanted.first().map(|slice| slice.address_type.clone()).unwrap_or_default();
                after.push(api::EndpointSlice { metadata, address_type, endpoints: vec![endpoint], ports });
            }
        }
    }
    after
}

/// Takes the new state; what stays as it is keeps its hints, by whatever rule they were given.
fn renew(endpoint: &mut api::Endpoint, new: api::Endpoint) {
    let same = is_like(endpoint, &new);
    endpoint.conditions = new.conditions;
    endpoint.node_name = new.node_name.or(endpoint.node_name.take());
    if !same {
        endpoint.hints = new.hints;
    }
}

/// Whether two endpoints differ in nothing but their hints.
fn is_like(a: &api::Endpoint, b: &api::Endpoint) -> bool {
    let state = |e: &api::Endpoint| {
        let ready = e.conditions.ready.unwrap_or(true);
        (ready, e.conditions.serving.unwrap_or(ready), e.conditions.terminating.unwrap_or(false))
    };
    state(a) == state(b) && a.addresses.first() == b.addresses.first()
}

fn is_known(endpoint: &api::Endpoint, namespace: &Text, known: &BTreeSet<Key>) -> bool {
    let name = match &endpoint.target_ref {
        Some(target) if target.kind == "Pod" || target.kind.is_empty() => Some(target.name.clone()),
        _ => endpoint.addresses.first().cloned(),
    };
    name.is_some_and(|name| known.contains(&(namespace.clone(), name)))
}

/// Hints of Auto, which are given anew where endpoints changed; where none did, a zone that lost its share takes them
/// away only (k8s.io/endpointslice/topologycache, AddHints and GetOverloadedServices).
fn add_hints(before: &[api::EndpointSlice], after: &mut [api::EndpointSlice], shares: Option<&Shares>) {
    let all = |slices: &[api::EndpointSlice]| -> Vec<api::Endpoint> {
        slices.iter().flat_map(|slice| slice.endpoints.clone()).collect()
    };
    let (old, new) = (all(before), all(after));
    let same = old.len() == new.len() && old.iter().zip(&new).all(|(a, b)| is_like(a, b));
    let hinted: Vec<&Text> =
        old.iter().filter_map(|endpoint| endpoint.hints.as_ref()?.zones.first()).collect();
    let ready = new.iter().filter(|endpoint| endpoint.conditions.ready != Some(false)).count();
    match shares {
        Some(shares) if !same => topology::add_hints(after, shares),
        Some(shares) if hinted.is_empty() || shares.can_share(ready) => {
            after
                .iter_mut()
                .flat_map(|slice| &mut slice.endpoints)
                .zip(old)
                .for_each(|(e, o)| e.hints = o.hints);
        }
        _ => {
            after.iter_mut().flat_map(|slice| &mut slice.endpoints).for_each(|endpoint| endpoint.hints = None)
        }
    }
}
