//! What the API server and the controllers would fill in, for objects that were never applied to a cluster (`--assume`):
//! defaults, cluster IPs, node ports, Pods of workloads, EndpointSlices. A stage between [`crate::input`] and
//! [`crate::cluster`], off unless asked for.
//!
//! Values that the API server draws at random are drawn here by hashes of the object's name; how far one object can
//! disturb another is in the module `allocator`. What is in the input is never changed.

mod allocator;
mod cluster_cidr;
mod cluster_ips;
pub(crate) mod controllers;
mod families;
pub mod json;
mod mirror;
mod missing;
mod node_ports;
mod nodes;
mod nodes_of;
mod pods;
mod ranges;
mod replicas;
mod scheduler;
mod service;
mod services;
mod slices;
#[cfg(test)]
mod tests;
mod topology;
mod updates;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef};
use crate::input::api::{self, Text, WorkloadKind};
use crate::input::{Position, Snapshot, Sources};
use crate::net::{Cidr, Family};
use crate::settings::{DetectLocal, Settings};
use allocator::Held;
pub use missing::{check as check_nothing_missing, pod_makers};

/// What to assume with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Networks of cluster IPs, the cluster's default family first; empty for the input's own or the defaults.
    pub service_cidrs: Vec<Cidr>,
    /// How many Nodes to assume beside those of the input; without it one, where neither the input nor a Pod has any.
    pub nodes: Option<u16>,
    /// What was assumed for an earlier state of the same cluster, over which this one is applied: what was allocated
    /// stays, and what the API server does not let change is refused.
    pub previous: Option<Assumed>,
}

/// By which rule a value was assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A default of the API server.
    Default,
    /// A cluster IP.
    ClusterIp,
    /// What the API server carries over when an object is applied again.
    CarriedOver,
    /// A node port.
    NodePort,
    /// A health-check node port.
    HealthCheckNodePort,
    /// A Node.
    Node,
    /// A Pod of a workload, or a Pod that was never applied.
    Pod,
    /// The Node of a Pod.
    Placement,
    /// The address of a Pod.
    PodAddress,
    /// The address of a Pod in the host's network.
    HostAddress,
    /// A label that a controller or the API server puts on a Pod.
    PodLabel,
    /// The network of all Pods.
    ClusterCidr,
    /// An EndpointSlice from Pods.
    EndpointSlice,
    /// An EndpointSlice from legacy Endpoints.
    MirroredSlice,
}

impl Rule {
    /// The name in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Rule::Default => "api-default",
            Rule::ClusterIp => "cluster-ip-from-hash",
            Rule::CarriedOver => "carried-over",
            Rule::NodePort => "node-port-from-hash",
            Rule::HealthCheckNodePort => "health-check-node-port-from-hash",
            Rule::Node => "node-assumed",
            Rule::Pod => "pod-from-workload",
            Rule::Placement => "placed-on-node-with-fewest",
            Rule::PodLabel => "label-of-controller",
            Rule::ClusterCidr => "cluster-cidr-of-assumed-pods",
            Rule::PodAddress => "pod-address-from-hash",
            Rule::HostAddress => "node-address",
            Rule::EndpointSlice => "slice-from-pods",
            Rule::MirroredSlice => "slice-from-endpoints",
        }
    }

    /// The same for people.
    pub fn words(self) -> &'static str {
        match self {
            Rule::Default => "the API server's default",
            Rule::ClusterIp => "an address of the service network, by a hash of namespace and name",
            Rule::CarriedOver => "as it was before: the API server carries it over",
            Rule::NodePort => "a port of 30000-32767, by a hash of namespace, name and port",
            Rule::HealthCheckNodePort => "a port of 30000-32767, by a hash of namespace and name",
            Rule::Node => "a Node that was asked for, or that a Pod names",
            Rule::Pod => "as the workload's controller would make it, running and ready",
            Rule::Placement => {
                "the Node with the fewest Pods of the workload, of those that selectors, affinities and taints allow"
            }
            Rule::PodLabel => {
                "the workload's controller puts it on its Pods, the API server the Node's zone and region"
            }
            Rule::ClusterCidr => "kubeadm, kind and k3s tell kube-proxy the network of all Pods",
            Rule::PodAddress => "an address of the node's pod network, by a hash of namespace and name",
            Rule::HostAddress => "in the host's network a Pod has its Node's address",
            Rule::EndpointSlice => "as the EndpointSlice controller makes them from Pods",
            Rule::MirroredSlice => "as the EndpointSliceMirroring controller makes them from Endpoints",
        }
    }
}

/// One value that was not in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumption {
    /// The object that has it.
    pub object: ObjectRef,
    /// The path of the field, such as `spec.ports[0].nodePort`.
    pub field: String,
    /// The value as text.
    pub value: String,
    /// Why this value.
    pub rule: Rule,
}

/// A change of an object that the API server refuses: the object stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The object.
    pub object: ObjectRef,
    /// What the API server says, beginning with the field.
    pub message: String,
}

/// All that was assumed, in the order of the input.
#[derive(Debug, Clone, Default)]
pub struct Assumed {
    values: Vec<Assumption>,
    held: Held,
    /// Names of the Nodes that are assumed.
    nodes: BTreeSet<Text>,
    cluster_cidrs: Vec<Cidr>,
    refusals: Vec<Refusal>,
    /// The Services as they are in the end, by namespace and name.
    services: BTreeMap<(Text, Text), api::Service>,
    /// The Deployments that run, by namespace and name.
    deployments: BTreeMap<(Text, Text), api::Workload>,
}

impl Assumed {
    /// All values.
    pub fn values(&self) -> &[Assumption] {
        &self.values
    }

    /// The values behind what a node forwards for a Service: those of the Service, its EndpointSlices, the Pods of these
    /// names in its namespace, and the Node.
    pub fn behind<'a>(
        &'a self,
        (namespace, service): (&'a str, &'a str),
        pods: &'a BTreeSet<&str>,
        node: &'a str,
    ) -> impl Iterator<Item = &'a Assumption> {
        let counts = move |object: &ObjectRef| match &*object.kind {
            "Node" => &*object.name == node,
            _ if &*object.namespace != namespace => false,
            "Service" => &*object.name == service,
            "EndpointSlice" => slices::service_of(&object.name) == Some(service),
            "Pod" => pods.contains(&*object.name),
            _ => false,
        };
        self.values.iter().filter(move |value| counts(&value.object))
    }

    /// Changes that the API server refuses.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Tells kube-proxy the network of assumed Pods, where its settings name none.
    pub fn tell(&self, settings: &mut Settings) {
        if let DetectLocal::ClusterCidr(networks) = &mut settings.detect_local
            && networks.is_empty()
        {
            networks.clone_from(&self.cluster_cidrs);
        }
    }
}

/// The sentence that every output made from assumed values begins with; in rulesets and text it is a comment line led
/// by `# `, in JSON the field `assumed.note`.
pub fn banner() -> &'static str {
    "kuberules --assume: values that a cluster would give are assumed, not read"
}

/// Fills in what a cluster would. With errors among the diagnostics the snapshot is incomplete.
pub fn fill(snapshot: &mut Snapshot, options: &Options, settings: &Settings) -> (Assumed, Diagnostics) {
    let mut run = Run {
        options,
        settings,
        service_cidrs: ranges::service_cidrs(snapshot, options),
        assumed: Assumed::default(),
        found: Diagnostics::default(),
        job_pods: BTreeSet::new(),
    };
    updates::fill(snapshot, &mut run);
    services::fill(snapshot, &mut run);
    nodes::fill(snapshot, &mut run);
    pods::fill(snapshot, &mut run);
    cluster_cidr::fill(snapshot, &mut run);
    slices::fill(snapshot, &mut run);
    mirror::fill(snapshot, &mut run);
    run.remember(snapshot);
    (run.assumed, run.found)
}

/// The networks that cluster IPs are taken from: those asked for, else those of the input, else the usual ones.
pub fn service_networks(snapshot: &Snapshot, options: &Options) -> Vec<Cidr> {
    ranges::service_cidrs(snapshot, options)
}

/// One run of [`fill`].
struct Run<'a> {
    options: &'a Options,
    settings: &'a Settings,
    service_cidrs: Vec<Cidr>,
    assumed: Assumed,
    found: Diagnostics,
    /// Namespace and name of the Pods of Jobs that are assumed.
    job_pods: BTreeSet<(Text, Text)>,
}

impl Run<'_> {
    /// The families of the service networks, the default one first.
    fn families(&self) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        for cidr in &self.service_cidrs {
            if !families.contains(&cidr.family()) {
                families.push(cidr.family());
            }
        }
        families
    }

    /// What a later state is applied over.
    fn remember(&mut self, snapshot: &Snapshot) {
        let key = |metadata: &api::Metadata| (metadata.namespace.clone(), metadata.name.clone());
        let services = snapshot.services.iter().map(|located| &located.object);
        self.assumed.services = services.map(|service| (key(&service.metadata), service.clone())).collect();
        let workloads = snapshot.workloads.iter().map(|located| &located.object);
        let running =
            workloads.filter(|workload| workload.kind == WorkloadKind::Deployment && !workload.paused);
        self.assumed.deployments = running.map(|one| (key(&one.metadata), one.clone())).collect();
    }

    fn record(&mut self, object: &ObjectRef, field: &str, value: impl ToString, rule: Rule) {
        let (object, field, value) = (object.clone(), field.to_owned(), value.to_string());
        self.assumed.values.push(Assumption { object, field, value, rule });
    }

    /// Serves claims, those of an earlier state first.
    fn assign(&mut self, pool: &mut allocator::Pool, claims: &BTreeSet<String>) -> Vec<String> {
        let nothing = Held::default();
        let previous = self.options.previous.as_ref().map_or(&nothing, |previous| &previous.held);
        pool.assign(claims, previous, &mut self.assumed.held)
    }

    fn find(
        &mut self,
        diagnostic: impl Into<Box<Diagnostic>>,
        object: ObjectRef,
        position: Position,
        sources: &Sources,
    ) {
        self.found.push(diagnostic.into().about(object).at(sources.place(position)));
    }
}
