//! Pods: those of workloads, and those that were never applied; their Nodes and addresses.

use std::collections::{BTreeMap, BTreeSet};

use super::allocator::Pool;
use super::nodes_of::{NodeSlot, slots};
use super::replicas::Autoscalers;
use super::scheduler::Scheduler;
use super::workloads::Around;
use super::{Rule, Run, ranges, workloads};
use crate::diagnostic::{Diagnostic, ObjectRef, message};
use crate::input::api::{self, Text, WorkloadKind};
use crate::input::{Located, Position, Snapshot, Sources};
use crate::net::{Cidr, Family, parse_ip_lenient};

/// Labels that the API server copies from a Node onto its Pods (KEP-4742).
const TOPOLOGY_LABELS: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

pub(super) fn fill(snapshot: &mut Snapshot, run: &mut Run<'_>) {
    let slots = slots(snapshot, run);
    snapshot
        .pods
        .retain(|pod| !(never_applied(&pod.object) && workloads::is_helm_hook(&pod.object.metadata)));
    let mut scheduler = Scheduler::new(&slots);
    let placed = snapshot.pods.iter().map(|located| &located.object);
    placed.filter(|pod| !has_run(pod)).for_each(|pod| scheduler.note(pod));
    let mut added = of_workloads(snapshot, &mut scheduler, run);
    let taken = taken_addresses(snapshot);
    let Snapshot { pods, sources, .. } = snapshot;
    let mut open: Vec<&mut Located<api::Pod>> =
        pods.iter_mut().filter(|located| never_applied(&located.object)).collect();
    open.sort_by(|a, b| key(&a.object).cmp(&key(&b.object)));
    for located in &mut open {
        start(located, &mut scheduler, sources, run);
    }
    open.extend(&mut added);
    give_addresses(&mut open, &slots, taken, sources, run);
    snapshot.pods.append(&mut added);
}

fn key(pod: &api::Pod) -> (&str, &str) {
    (&pod.metadata.namespace, &pod.metadata.name)
}

fn has_run(pod: &api::Pod) -> bool {
    matches!(pod.phase.as_str(), "Succeeded" | "Failed")
}

/// The Pods of workloads on their Nodes; DaemonSets go first, as they are on every Node from its beginning.
fn of_workloads(
    snapshot: &Snapshot,
    scheduler: &mut Scheduler<'_>,
    run: &mut Run<'_>,
) -> Vec<Located<api::Pod>> {
    let made = workloads::Made::new(snapshot);
    let autoscalers = Autoscalers::of(snapshot);
    let around = Around { made: &made, autoscalers: &autoscalers, sources: &snapshot.sources };
    let mut lacking: Vec<&Located<api::Workload>> =
        snapshot.workloads.iter().filter(|located| made.lacks(&located.object)).collect();
    lacking.sort_by_key(|located| {
        let workload = &located.object;
        let not_first = workload.kind != WorkloadKind::DaemonSet;
        (not_first, &workload.metadata.namespace, workload.kind, &workload.metadata.name)
    });
    let mut added = Vec::new();
    for workload in lacking {
        for object in of_workload(workload, &around, scheduler, run) {
            if workload.object.kind == WorkloadKind::Job {
                run.job_pods.insert((object.metadata.namespace.clone(), object.metadata.name.clone()));
            }
            added.push(Located { object, position: workload.position });
        }
    }
    added
}

fn of_workload(
    located: &Located<api::Workload>,
    around: &Around<'_>,
    scheduler: &mut Scheduler<'_>,
    run: &mut Run<'_>,
) -> Vec<api::Pod> {
    let running = over_earlier(&located.object, run);
    let located = &Located { object: running, position: located.position };
    let workload = &located.object;
    let mut pods: Vec<(api::Pod, Option<&NodeSlot>)>;
    if workload.kind == WorkloadKind::DaemonSet {
        let places = scheduler.place_on_all(&workloads::pod(workload, "", 0));
        let pod = |(i, slot): (usize, &NodeSlot)| workloads::pod(workload, &slot.name, i);
        pods = places.iter().enumerate().map(|(i, slot)| (pod((i, slot)), Some(*slot))).collect();
    } else {
        let made = workloads::pods(located, around, run);
        let places = match made.first() {
            Some(first) if first.node_name.is_empty() => scheduler.place(first, made.len()),
            _ => Vec::new(),
        };
        let places = places.into_iter().chain(std::iter::repeat(None));
        pods = made.into_iter().zip(places).collect();
        let nowhere = pods.iter().filter(|(pod, slot)| pod.node_name.is_empty() && slot.is_none()).count();
        warn_of_pending(
            nowhere,
            pods.len(),
            workloads::object_ref(workload),
            located.position,
            around.sources,
            run,
        );
    }
    for (pod, slot) in &mut pods {
        workloads::record(pod, workload, run);
        bind(pod, *slot, run);
    }
    pods.into_iter().map(|(pod, _)| pod).collect()
}

/// A Deployment that is paused goes on with the Pods that it has: those of the state before.
fn over_earlier(workload: &api::Workload, run: &Run<'_>) -> api::Workload {
    let key = (workload.metadata.namespace.clone(), workload.metadata.name.clone());
    let paused = workload.paused && workload.kind == WorkloadKind::Deployment;
    let earlier = run.options.previous.as_ref().and_then(|previous| previous.deployments.get(&key));
    match earlier.filter(|_| paused) {
        Some(earlier) => api::Workload { replicas: workload.replicas, ..earlier.clone() },
        None => workload.clone(),
    }
}

fn warn_of_pending(
    nowhere: usize,
    all: usize,
    object: ObjectRef,
    position: Position,
    sources: &Sources,
    run: &mut Run<'_>,
) {
    if nowhere > 0 {
        let warning =
            Diagnostic::warning(message!("{nowhere} of its {all} Pods fit on no Node and stay pending"));
        let help =
            "look at nodeSelector, affinity, tolerations and host ports, and at the Nodes' labels and taints";
        run.find(warning.help(help), object, position, sources);
    }
}

/// A Pod in an API server has a phase from its first moment on.
fn never_applied(pod: &api::Pod) -> bool {
    pod.phase.is_empty() && pod.ips.is_empty()
}

/// Lets a Pod that was never applied run.
fn start(
    located: &mut Located<api::Pod>,
    scheduler: &mut Scheduler<'_>,
    sources: &Sources,
    run: &mut Run<'_>,
) {
    let pod = &mut located.object;
    let object = pod.metadata.object_ref("Pod");
    pod.phase = "Running".into();
    pod.ready = true;
    let place = match pod.node_name.is_empty() {
        true => scheduler.place(pod, 1).into_iter().flatten().next(),
        false => None,
    };
    let nowhere = usize::from(pod.node_name.is_empty() && place.is_none());
    bind(pod, place.or_else(|| scheduler.node(&pod.node_name)), run);
    run.record(&object, "status.phase", &pod.phase, Rule::Pod);
    warn_of_pending(nowhere, 1, object, located.position, sources, run);
}

/// Puts a Pod on a Node; without one it waits.
fn bind(pod: &mut api::Pod, slot: Option<&NodeSlot>, run: &mut Run<'_>) {
    let object = pod.metadata.object_ref("Pod");
    if let (true, Some(slot)) = (pod.node_name.is_empty(), slot) {
        pod.node_name = slot.name.clone();
        run.record(&object, "spec.nodeName", &pod.node_name, Rule::Placement);
    }
    if pod.node_name.is_empty() {
        pod.phase = "Pending".into();
        pod.ready = false;
    }
    if !run.settings.release.model.pod_topology_labels {
        return;
    }
    for (key, slot) in TOPOLOGY_LABELS.into_iter().filter_map(|key| Some((key, slot?))) {
        if let Some(value) = slot.label(key) {
            pod.metadata.labels.retain(|(known, _)| known != key);
            pod.metadata.labels.push((key.into(), value.into()));
            pod.metadata.labels.sort();
            run.record(&object, &format!("metadata.labels[{key}]"), value, Rule::PodLabel);
        }
    }
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
    let mut unserved: BTreeMap<Family, BTreeSet<String>> = BTreeMap::new();
    for (cidr, claims) in claims {
        let left = assign(ranges::pod_pool(cidr), cidr, &claims, &mut taken, run);
        if slots.values().any(|slot| slot.assumed && slot.pod_cidr(cidr.family()) == Some(cidr)) {
            unserved.entry(cidr.family()).or_default().extend(left);
        }
    }
    for pods in ranges::pod_cidrs(run.settings) {
        let networks = slots.values().filter_map(|slot| slot.pod_cidr(pods.family()));
        let pool = ranges::spare_pod_pool(pods, networks);
        if let (Some(claims), Some(pool)) = (unserved.get(&pods.family()), pool) {
            assign(pool, pods, claims, &mut taken, run);
        }
    }
    for located in pods.iter_mut() {
        let slot = slot_of(&located.object);
        if let Err(fault) = write(&mut located.object, slot, run) {
            run.find(fault, located.object.metadata.object_ref("Pod"), located.position, sources);
        }
    }
}

/// Serves claims to addresses of a network; returns those for which nothing is left.
fn assign(
    mut pool: Pool,
    network: Cidr,
    claims: &BTreeSet<String>,
    taken: &mut BTreeSet<u128>,
    run: &mut Run<'_>,
) -> Vec<String> {
    let inside = taken.range(ranges::number(network.network())..=ranges::number(network.last()));
    inside.for_each(|number| pool.reserve(*number));
    let unserved = run.assign(&mut pool, claims);
    taken.extend(claims.iter().filter_map(|claim| run.assumed.held.get(claim)));
    unserved
}

fn write(pod: &mut api::Pod, slot: Option<&NodeSlot>, run: &mut Run<'_>) -> Result<(), Box<Diagnostic>> {
    let object = pod.metadata.object_ref("Pod");
    for (family, slot) in Family::ALL.into_iter().filter_map(|family| Some((family, slot?))) {
        let ip = if pod.host_network {
            slot.host_ip(family)
        } else if let Some(cidr) = slot.pod_cidr(family) {
            let number = run.assumed.held.get(&claim(pod, family));
            let full = || {
                Diagnostic::error(message!("no address of {cidr}, the pod network of {}, is left", slot.name))
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
