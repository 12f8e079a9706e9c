//! What lints look at: the cluster, by Service.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::api_server::Refusal;
use crate::cluster::{Cluster, Endpoint, Node, ServicePort};
use crate::diagnostic::{Diagnostics, ObjectRef, Place};
use crate::input::labelled::Labelled;
use crate::input::{Located, Position, Snapshot, api};
use crate::net::{Cidr, Family};
use crate::plan::ServicePortPlan;
use crate::settings::Settings;

/// The label that says which Service a slice belongs to.
pub(super) const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// A cluster to look at.
pub struct Subject<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) settings: &'a Settings,
    pub(super) cluster: &'a Cluster,
    pub(super) diagnostics: &'a Diagnostics,
    /// The nodes to look at.
    pub(super) nodes: Vec<&'a Node>,
    /// Objects that the API server refuses.
    pub(super) refusals: Vec<Refusal>,
    /// The networks of cluster IPs, as far as known.
    pub(super) service_networks: ServiceNetworks,
    /// The nodes' network, if known.
    pub(super) node_network: Option<Cidr>,
    /// Whether slices are made up.
    pub(super) is_assumed: bool,
    /// The place of findings that have none of their own.
    pub(super) fallback: Option<Place>,
    pub(super) pods: Labelled<'a, &'a Located<api::Pod>>,
    /// Services by namespace and name.
    pub(super) services: BTreeMap<(&'a str, &'a str), ServiceView<'a>>,
}

/// The networks from which cluster IPs are allocated.
#[derive(Debug, Clone, Default)]
pub struct ServiceNetworks {
    /// Empty if they are not known.
    pub networks: Vec<Cidr>,
    /// Whether nobody told them.
    pub are_assumed: bool,
}

/// What a finding is about: a field of an object.
pub(super) struct About {
    pub(super) position: Option<Position>,
    pub(super) object: Option<ObjectRef>,
    pub(super) field: String,
}

/// A Service, with what belongs to it.
pub(super) struct ServiceView<'a> {
    pub(super) located: &'a Located<api::Service>,
    /// Its ports in every family; none if kube-proxy ignores the Service.
    pub(super) ports: Vec<&'a ServicePort>,
    pub(super) slices: Vec<&'a Located<api::EndpointSlice>>,
}

impl<'a> Subject<'a> {
    /// Looks at one node, or at all of them. The diagnostics are those of the stages that built the cluster.
    pub fn new(
        snapshot: &'a Snapshot,
        settings: &'a Settings,
        cluster: &'a Cluster,
        diagnostics: &'a Diagnostics,
        node: Option<&'a Node>,
    ) -> Subject<'a> {
        let mut services: BTreeMap<_, ServiceView<'a>> = (snapshot.services.iter())
            .map(|located| {
                let metadata = &located.object.metadata;
                let view = ServiceView { located, ports: Vec::new(), slices: Vec::new() };
                ((metadata.namespace.as_str(), metadata.name.as_str()), view)
            })
            .collect();
        for port in Family::ALL.iter().flat_map(|family| &cluster.family(*family).service_ports) {
            if let Some(view) = services.get_mut(&(port.name.namespace(), port.name.service())) {
                view.ports.push(port);
            }
        }
        for slice in &snapshot.endpoint_slices {
            let service = slice.object.metadata.label(SERVICE_NAME_LABEL).unwrap_or_default();
            if let Some(view) = services.get_mut(&(slice.object.metadata.namespace.as_str(), service)) {
                view.slices.push(slice);
            }
        }
        let nodes = node.map_or_else(|| cluster.nodes.iter().collect(), |node| vec![node]);
        Subject {
            snapshot,
            settings,
            cluster,
            diagnostics,
            nodes,
            refusals: Vec::new(),
            service_networks: ServiceNetworks { networks: cluster.service_cidrs.clone(), are_assumed: false },
            is_assumed: false,
            node_network: None,
            fallback: snapshot.sources.first_place(),
            pods: Labelled::pods(snapshot),
            services,
        }
    }

    /// Adds what the API server refuses, which may no longer be in the snapshot.
    #[must_use]
    pub fn with_refusals(self, refusals: Vec<Refusal>) -> Self {
        Subject { refusals, ..self }
    }

    /// Sets the networks of cluster IPs, if the cluster's objects do not show them.
    #[must_use]
    pub fn with_service_networks(self, service_networks: ServiceNetworks) -> Self {
        Subject { service_networks, ..self }
    }

    /// Sets whether slices are assumed rather than read.
    #[must_use]
    pub fn assumed(self, is_assumed: bool) -> Self {
        Subject { is_assumed, ..self }
    }

    /// Sets the nodes' network, which counts if there are no Nodes.
    #[must_use]
    pub fn with_node_network(self, node_network: Option<Cidr>) -> Self {
        Subject { node_network, ..self }
    }

    /// Sets the file for findings about settings, instead of the first of the input.
    #[must_use]
    pub fn with_configuration(self, file: &str) -> Self {
        Subject { fallback: Some(Place { file: file.into(), line: Some(1) }), ..self }
    }

    /// Whether the API server refuses a field of an object.
    pub(super) fn refuses(&self, position: Position, field: &str) -> bool {
        let mut of = self.refusals.iter().filter(|refusal| refusal.position == position);
        of.any(|refusal| refusal.faults.iter().any(|fault| fault.field == field))
    }

    /// Whether there is a Service of this name, even if it is refused.
    pub(super) fn knows_service(&self, namespace: &str, name: &str) -> bool {
        let refused = |refusal: &Refusal| {
            let object = &refusal.object;
            &*object.kind == "Service" && &*object.namespace == namespace && &*object.name == name
        };
        self.services.contains_key(&(namespace, name)) || self.refusals.iter().any(refused)
    }

    /// Whether slices of a cluster say what a Service has, even if that is nothing.
    pub(super) fn cluster_told(&self, view: &ServiceView<'_>) -> bool {
        let is_dump = self.snapshot.services.iter().any(|service| service.object.metadata.stored.0);
        !self.is_assumed
            && (!view.slices.is_empty() || (is_dump && !self.snapshot.endpoint_slices.is_empty()))
    }

    /// Services that kube-proxy makes rules for.
    pub(super) fn served(&self) -> impl Iterator<Item = &ServiceView<'a>> {
        self.services.values().filter(|view| !view.ports.is_empty())
    }

    /// What a node does with a Service port.
    pub(super) fn plan(&self, port: &'a ServicePort, node: &Node) -> ServicePortPlan<'a> {
        ServicePortPlan::new(port, self.settings, node)
    }

    /// The Service that a port is of.
    pub(super) fn service_of(&self, port: &'a ServicePort) -> Option<&ServiceView<'a>> {
        self.services.get(&(port.name.namespace(), port.name.service()))
    }
}

impl<'a> ServiceView<'a> {
    pub(super) fn spec(&self) -> &'a api::ServiceSpec {
        &self.located.object.spec
    }

    pub(super) fn object_ref(&self) -> ObjectRef {
        self.located.object.metadata.object_ref("Service")
    }

    /// A field of the Service.
    pub(super) fn about(&self, field: impl Into<String>) -> About {
        About { position: Some(self.located.position), object: Some(self.object_ref()), field: field.into() }
    }

    /// Its ports that have endpoints, with their endpoints.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &'a Endpoint> {
        self.ports.iter().flat_map(|port| &port.endpoints)
    }

    /// The external IPs, of both families, with their fields.
    pub(super) fn external_ips(&self) -> impl Iterator<Item = (String, IpAddr)> {
        external_ips(self.first_ports())
    }

    /// One port of each family: for what is the same for all ports of the Service, and reported once.
    pub(super) fn first_ports(&self) -> impl Iterator<Item = &'a ServicePort> {
        self.ports.iter().copied().filter(|port| port.port_index == 0)
    }
}

fn external_ips<'a>(ports: impl Iterator<Item = &'a ServicePort>) -> impl Iterator<Item = (String, IpAddr)> {
    ports.flat_map(|port| &port.external_ips).map(|ip| (format!("spec.externalIPs[{}]", ip.index), ip.value))
}

/// A field of a slice.
pub(super) fn about_slice(slice: &Located<api::EndpointSlice>, field: impl Into<String>) -> About {
    About {
        position: Some(slice.position),
        object: Some(slice.object.metadata.object_ref("EndpointSlice")),
        field: field.into(),
    }
}
