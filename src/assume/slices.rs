//! EndpointSlices, as their controller makes them (k8s.io/endpointslice, reconciler and utils).

use std::collections::{BTreeMap, BTreeSet};

use super::service::{is_external_name, is_headless};
use super::topology::{self, Shares};
use super::{Rule, Run, families};
use crate::diagnostic::{Diagnostic, message};
use crate::input::api::{self, IntOrString, Text};
use crate::input::labelled::Labelled;
use crate::input::{Located, Snapshot};
use crate::net::{Family, parse_ip_lenient};

pub(super) const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
const HEADLESS_LABEL: &str = "service.kubernetes.io/headless";
pub(super) const MANAGED_BY_LABEL: &str = "endpointslice.kubernetes.io/managed-by";
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// The controller that makes slices from Pods.
pub(super) const MANAGER: &str = "endpointslice-controller.k8s.io";

/// So many endpoints it puts into a slice.
pub(super) const MOST: usize = 100;

/// What stands between a Service's name and the rest in the names of assumed slices.
const INFIX: &str = "-assumed-";

/// The Service of an assumed slice, by the slice's name.
pub(super) fn service_of(slice: &str) -> Option<&str> {
    slice.rsplit_once(INFIX).map(|(service, _)| service)
}

/// A snapshot's objects by name.
pub(super) struct Index<'s> {
    nodes: BTreeMap<&'s str, &'s api::Node>,
    /// Namespace and name of the Services that have slices, and who manages those.
    with_slices: BTreeSet<(&'s str, &'s str, &'s str)>,
    pods: Labelled<'s, &'s Located<api::Pod>>,
    /// By namespace and name.
    pods_by_name: BTreeMap<(&'s str, &'s str), &'s api::Pod>,
}

impl<'s> Index<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Index<'s> {
        let slices = snapshot.endpoint_slices.iter().map(|located| &located.object.metadata);
        let nodes = snapshot.nodes.iter().map(|located| &located.object);
        let pods = snapshot.pods.iter().map(|located| &located.object);
        Index {
            nodes: nodes.map(|node| (node.metadata.name.as_str(), node)).collect(),
            with_slices: slices
                .filter_map(|slice| {
                    let manager = slice.label(MANAGED_BY_LABEL).unwrap_or_default();
                    Some((slice.namespace.as_str(), slice.label(SERVICE_NAME_LABEL)?, manager))
                })
                .collect(),
            pods: Labelled::pods(snapshot),
            pods_by_name: pods.map(|pod| ((&*pod.metadata.namespace, &*pod.metadata.name), pod)).collect(),
        }
    }

    /// Whether the input has slices of the Service of that name that a controller made: then they count. Slices by
    /// hand stand beside the controller's.
    pub(super) fn has_slices(&self, service: &api::Metadata, manager: &str) -> bool {
        self.with_slices.contains(&(service.namespace.as_str(), service.name.as_str(), manager))
    }

    fn node_of(&self, pod: &api::Pod) -> Option<&'s api::Node> {
        self.nodes.get(pod.node_name.as_str()).copied()
    }

    /// The Pods that a Service's endpoints are.
    fn pods_of(&self, service: &api::Service) -> Vec<&'s api::Pod> {
        let selected = self.pods.of_service(service).into_iter().map(|located| &located.object);
        selected.filter(|pod| self.is_listed(pod, service)).collect()
    }

    /// The Pods of a running Service, with those that are known to be its own.
    pub(super) fn members_of(&self, service: &api::Service, known: &BTreeSet<Text>) -> Vec<&'s api::Pod> {
        let namespace = service.metadata.namespace.as_str();
        let known = known.iter().filter_map(|name| self.pods_by_name.get(&(namespace, name)).copied());
        let mut members = self.pods_of(service);
        members.extend(known.filter(|pod| self.is_listed(pod, service)));
        members.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        members.dedup_by(|a, b| a.metadata.name == b.metadata.name);
        members
    }

    fn is_listed(&self, pod: &api::Pod, service: &api::Service) -> bool {
        let has_run = matches!(pod.phase.as_str(), "Succeeded" | "Failed");
        let on_known_node = self.nodes.is_empty() || self.node_of(pod).is_some();
        !has_run && !pod.ips.is_empty() && (on_known_node || service.spec.publish_not_ready_addresses)
    }
}

pub(super) fn fill(snapshot: &mut Snapshot, run: &mut Run<'_>) {
    let mut added = Vec::new();
    let index = Index::new(snapshot);
    let shares = Shares::of(snapshot);
    for located in &snapshot.services {
        let service = &located.object;
        let managed = !service.spec.selector.is_empty() && !is_external_name(service);
        if !managed || index.has_slices(&service.metadata, MANAGER) {
            continue;
        }
        let pods = without_job_pods(index.pods_of(service), located, snapshot, run);
        let shares = auto_hints(located, &shares, snapshot, run);
        for family in families::of(&service.spec) {
            let mut slices = slices(service, family, &pods, &index, run);
            if let Some(shares) = shares {
                topology::add_hints(&mut slices, shares);
            }
            for slice in slices {
                record(&slice, Rule::EndpointSlice, run);
                added.push(Located { object: slice, position: located.position });
            }
        }
    }
    snapshot.endpoint_slices.append(&mut added);
}

/// A Job ends: beside the Pods of lasting workloads its own are taken to have done so. A Service that selects nothing
/// else is there for the Job while it runs.
fn without_job_pods<'s>(
    mut pods: Vec<&'s api::Pod>,
    located: &Located<api::Service>,
    snapshot: &Snapshot,
    run: &mut Run<'_>,
) -> Vec<&'s api::Pod> {
    let of_job =
        |pod: &&api::Pod| run.job_pods.contains(&(pod.metadata.namespace.clone(), pod.metadata.name.clone()));
    let job = pods.iter().copied().find(of_job).and_then(|pod| pod.metadata.owner.as_deref());
    let (Some(job), false) = (job, pods.iter().all(of_job)) else { return pods };
    pods.retain(|pod| !of_job(pod));
    let message = message!(
        "spec.selector: it also matches the Pods of Job {}, which get traffic while the Job runs; here the Job is done",
        job.name
    );
    let warning = Diagnostic::warning(message).help("give the Job's Pods labels of their own");
    let object = located.object.metadata.object_ref("Service");
    run.find(warning, object, located.position, &snapshot.sources);
    pods
}

/// The zones' shares, where a Service wants hints by them and the Nodes tell enough.
fn auto_hints<'a>(
    located: &Located<api::Service>,
    shares: &'a Result<Shares, Text>,
    snapshot: &Snapshot,
    run: &mut Run<'_>,
) -> Option<&'a Shares> {
    let metadata = &located.object.metadata;
    if !topology::is_asked_for(metadata) || !run.settings.gates.topology_aware_hints {
        return None;
    }
    if let Err(node) = shares {
        let key = "service.kubernetes.io/topology-mode";
        let message = message!(
            "metadata.annotations[{key}]: hints of Auto are left out: Node {node} lacks its zone or status.allocatable.cpu"
        );
        let warning = Diagnostic::warning(message);
        let warning = warning.help("add the output of kubectl get nodes -o yaml to the input");
        run.find(warning, metadata.object_ref("Service"), located.position, &snapshot.sources);
    }
    shares.as_ref().ok()
}

/// The slices of a Service in one family: one for each set of ports that its Pods have. Without Pods one is empty.
pub(super) fn slices(
    service: &api::Service,
    family: Family,
    pods: &[&api::Pod],
    index: &Index<'_>,
    run: &Run<'_>,
) -> Vec<api::EndpointSlice> {
    let mut slices: Vec<api::EndpointSlice> = Vec::new();
    for pod in pods {
        let address =
            pod.ips.iter().filter_map(|ip| parse_ip_lenient(ip)).find(|ip| Family::of(*ip) == family);
        let Some(address) = address else { continue };
        let ports: Vec<api::SlicePort> =
            service.spec.ports.iter().filter_map(|port| slice_port(port, pod)).collect();
        let endpoint = endpoint(pod, address.to_string().into(), service, index, run);
        let has_room = |slice: &&mut api::EndpointSlice| slice.ports == ports && slice.endpoints.len() < MOST;
        match slices.iter_mut().find(has_room) {
            Some(slice) => slice.endpoints.push(endpoint),
            None => {
                let slice = empty_slice(service, family, slices.len());
                slices.push(api::EndpointSlice { ports, endpoints: vec![endpoint], ..slice });
            }
        }
    }
    if slices.is_empty() {
        slices.push(empty_slice(service, family, 0));
    }
    slices
}

fn empty_slice(service: &api::Service, family: Family, index: usize) -> api::EndpointSlice {
    let mut slice = new_slice(&service.metadata, MANAGER, family, index);
    if is_headless(service) {
        slice.metadata.labels.push((HEADLESS_LABEL.into(), Text::default()));
        slice.metadata.labels.sort();
    }
    slice
}

/// A slice that belongs to a Service; with all labels of `parent`, as both controllers make it.
pub(super) fn new_slice(
    parent: &api::Metadata,
    managed_by: &str,
    family: Family,
    index: usize,
) -> api::EndpointSlice {
    let own = [SERVICE_NAME_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL];
    let copied = parent.labels.iter().filter(|(key, _)| !own.contains(&key.as_str())).cloned();
    let mut labels: Vec<(Text, Text)> = copied.collect();
    labels.push((SERVICE_NAME_LABEL.into(), parent.name.clone()));
    labels.push((MANAGED_BY_LABEL.into(), managed_by.into()));
    labels.sort();
    api::EndpointSlice {
        metadata: api::Metadata {
            name: format!("{}{INFIX}{}-{index}", parent.name, family.lower_name()).into(),
            namespace: parent.namespace.clone(),
            labels,
            ..api::Metadata::default()
        },
        address_type: family.api_name().into(),
        ..api::EndpointSlice::default()
    }
}

/// The entry of `ports` for a Pod; none where its containers have no port of the name that `targetPort` gives.
fn slice_port(port: &api::ServicePort, pod: &api::Pod) -> Option<api::SlicePort> {
    let protocol = |text: &Text| if text.is_empty() { Text::const_new("TCP") } else { text.clone() };
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            let named = |candidate: &&api::ContainerPort| {
                candidate.name == *name && protocol(&candidate.protocol) == protocol(&port.protocol)
            };
            pod.ports.iter().find(named)?.port
        }
    };
    Some(api::SlicePort { name: port.name.clone(), protocol: protocol(&port.protocol), port: Some(number) })
}

fn endpoint(
    pod: &api::Pod,
    address: Text,
    service: &api::Service,
    index: &Index<'_>,
    run: &Run<'_>,
) -> api::Endpoint {
    let terminating = pod.metadata.being_deleted;
    let ready = service.spec.publish_not_ready_addresses || (pod.ready && !terminating);
    let conditions =
        api::Conditions { ready: Some(ready), serving: Some(pod.ready), terminating: Some(terminating) };
    let node_name = Some(pod.node_name.clone()).filter(|name| !name.is_empty());
    let zone = index.node_of(pod).and_then(|node| node.metadata.label(ZONE_LABEL)).map(Text::from);
    let by_zone = ready && !topology::is_asked_for(&service.metadata);
    let hints = if by_zone { hints(service, zone.clone(), node_name.clone(), run) } else { None };
    api::Endpoint {
        addresses: [address].into_iter().collect(),
        conditions,
        node_name,
        zone,
        hints,
        target_ref: Some(api::TargetRef { kind: "Pod".into(), name: pod.metadata.name.clone() }),
    }
}

/// Hints of `trafficDistribution` (k8s.io/endpointslice/trafficdist).
fn hints(
    service: &api::Service,
    zone: Option<Text>,
    node: Option<Text>,
    run: &Run<'_>,
) -> Option<Box<api::Hints>> {
    let gates = &run.settings.gates;
    let same_zone = match service.spec.traffic_distribution.as_str() {
        "PreferClose" => gates.service_traffic_distribution,
        "PreferSameZone" | "PreferSameNode" => gates.prefer_same_traffic_distribution,
        _ => false,
    };
    if !same_zone {
        return None;
    }
    let unknown = run.settings.release.model.hint_for_unknown_zone.then(Text::default);
    let zones: Vec<Text> = zone.or(unknown).into_iter().collect();
    let same_node = service.spec.traffic_distribution == "PreferSameNode";
    let nodes: Vec<Text> = node.filter(|_| same_node).into_iter().collect();
    (!zones.is_empty() || !nodes.is_empty()).then(|| Box::new(api::Hints { zones, nodes }))
}

/// Lists a slice: its ports and the first address of each endpoint, which is all that kube-proxy uses.
pub(super) fn record(slice: &api::EndpointSlice, rule: Rule, run: &mut Run<'_>) {
    let object = slice.metadata.object_ref("EndpointSlice");
    if slice.endpoints.is_empty() {
        run.record(&object, "endpoints", "[]", rule);
    }
    for (i, port) in slice.ports.iter().enumerate() {
        run.record(&object, &format!("ports[{i}].port"), port.port.unwrap_or_default(), rule);
    }
    for (i, endpoint) in slice.endpoints.iter().enumerate() {
        let address = endpoint.addresses.first().map_or("", Text::as_str);
        run.record(&object, &format!("endpoints[{i}].addresses[0]"), address, rule);
    }
}
