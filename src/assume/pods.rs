//! Pods: those of workloads, and those that were never applied; their Nodes and addresses.

use std::collections::{BTreeMap, BTreeSet};

use super::nodes_of::{NodeSlot, slots};
use super::{Rule, Run, allocator, ranges, workloads};
use crate::diagnostic::Diagnostic;
use crate::input::api::{self, Text};
use crate::input::{Located, Snapshot, Sources};
use crate::net::{Cidr, Family, parse_ip_lenient};

pub(super) fn fill(snapshot: &mut Snapshot, run: &mut Run<'_>) {
    let slots = slots(snapshot, run);
    snapshot
        .pods
        .retain(|pod| !(never_applied(&pod.object) && workloads::is_helm_hook(&pod.object.metadata)));
    let mut added = of_workloads(snapshot, &slots, run);
    let taken = taken_addresses(snapshot);
    let mut open: Vec<&mut Located<api::Pod>> = Vec::new();
    for located in &mut snapshot.pods {
        if never_applied(&located.object) {
            start(&mut located.object, &slots, run);
            open.push(located);
        }
    }
    open.extend(&mut added);
    give_addresses(&mut open, &slots, taken, &snapshot.sources, run);
    snapshot.pods.append(&mut added);
}

fn of_workloads(snapshot: &Snapshot, slots: &[NodeSlot], run: &mut Run<'_>) -> Vec<Located<api::Pod>> {
    let mut added = Vec::new();
    let made = workloads::Made::new(snapshot);
    let counting = snapshot.workloads.iter().filter(|located| made.lacks(&located.object));
    for workload in counting {
        for object in workloads::pods(workload, slots, &snapshot.sources, run) {
            workloads::record(&object, run);
            record_node(&object, run);
            added.push(Located { object, position: workload.position });
        }
    }
    added
}

/// A Pod in an API server has a phase from its first moment on.
fn never_applied(pod: &api::Pod) -> bool {
    pod.phase.is_empty() && pod.ips.is_empty()
}

/// Lets a Pod that was never applied run.
fn start(pod: &mut api::Pod, slots: &[NodeSlot], run: &mut Run<'_>) {
    let object = pod.metadata.object_ref("Pod");
    pod.phase = "Running".into();
    pod.ready = true;
    run.record(&object, "status.phase", "Running", Rule::Pod);
    let place = allocator::spread(&object.to_string(), slots.len());
    if let (true, Some(slot)) = (pod.node_name.is_empty(), slots.get(place)) {
        pod.node_name = slot.name.clone();
        record_node(pod, run);
    }
}

fn record_node(pod: &api::Pod, run: &mut Run<'_>) {
    run.record(&pod.metadata.object_ref("Pod"), "spec.nodeName", &pod.node_name, Rule::Placement);
}

/// Addresses that no Pod may be given.
fn taken_addresses(snapshot: &Snapshot) -> BTreeSet<u128> {
    let pods = snapshot.pods.iter().flat_map(|pod| &pod.object.ips);
    let slices = snapshot.endpoint_slices.iter().flat_map(|slice| &slice.object.endpoints);
    let nodes = snapshot.nodes.iter().flat_map(|node| &node.object.addresses).map(|address| &address.address);
    let texts = pods.chain(slices.flat_map(|endpoint| &endpoint.addresses)).chain(nodes);
    texts.filter_map(|text| parse_ip_lenient(text)).map(ranges::number).collect()
}

/// A Pod's claim to an address. The workload's kind is part of it: a Deployment and a StatefulSet may share a name.
fn claim(pod: &api::Pod, family: Family) -> String {
    let kind = pod.metadata.owner.as_deref().map_or("", |owner| owner.kind.as_str());
    format!("{family} podIP of {kind} {}/{}", pod.metadata.namespace, pod.metadata.name)
}

fn give_addresses(
    pods: &mut [&mut Located<api::Pod>],
    slots: &[NodeSlot],
    mut taken: BTreeSet<u128>,
    sources: &Sources,
    run: &mut Run<'_>,
) {
    let slots: BTreeMap<&Text, &NodeSlot> = slots.iter().map(|slot| (&slot.name, slot)).collect();
    let slot_of = |pod: &api::Pod| slots.get(&pod.node_name).copied();
    let mut claims: BTreeMap<Cidr, BTreeSet<String>> = BTreeMap::new();
    for pod in pods.iter().map(|located| &located.object).filter(|pod| !pod.host_network) {
        for family in Family::ALL {
            if let Some(cidr) = slot_of(pod).and_then(|slot| slot.pod_cidr(family)) {
                claims.entry(cidr).or_default().insert(claim(pod, family));
            }
        }
    }
    for (cidr, claims) in claims {
        let mut pool = ranges::pod_pool(cidr);
        let inside = taken.range(ranges::number(cidr.network())..=ranges::number(cidr.last()));
        inside.for_each(|number| pool.reserve(*number));
        run.assign(&mut pool, &claims);
        taken.extend(claims.iter().filter_map(|claim| run.assumed.held.get(claim)));
    }
    for located in pods.iter_mut() {
        let slot = slot_of(&located.object);
        if let Err(fault) = write(&mut located.object, slot, run) {
            run.find(fault, located.object.metadata.object_ref("Pod"), located.position, sources);
        }
    }
}

fn write(pod: &mut api::Pod, slot: Option<&NodeSlot>, run: &mut Run<'_>) -> Result<(), Box<Diagnostic>> {
    let object = pod.metadata.object_ref("Pod");
    for (family, slot) in Family::ALL.into_iter().filter_map(|family| Some((family, slot?))) {
        let ip = if pod.host_network {
            slot.host_ip(family)
        } else if let Some(cidr) = slot.pod_cidr(family) {
            let number = run.assumed.held.get(&claim(pod, family));
            let full = || {
                Diagnostic::error(format!("no address of {cidr}, the pod network of {}, is left", slot.name))
            };
            let ip = number.and_then(|number| ranges::address(number, family));
            Some(ip.ok_or_else(|| Box::new(full().help("add Nodes, or give them larger podCIDRs")))?)
        } else {
            None
        };
        if let Some(ip) = ip {
            let rule = if pod.host_network { Rule::HostAddress } else { Rule::PodAddress };
            run.record(&object, &format!("status.podIPs[{}].ip", pod.ips.len()), ip, rule);
            pod.ips.push(ip.to_string().into());
        }
    }
    Ok(())
}
