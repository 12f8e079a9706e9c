//! What the node does with one Service port: where its traffic goes, and over which endpoints.

use std::net::IpAddr;

use crate::cluster::{Endpoint, Indexed, ServicePort};
use crate::net::{Cidr, Port};

/// What the node does with one Service port.
#[derive(Debug)]
pub struct ServicePortPlan<'c> {
    pub(super) service_port: &'c ServicePort,
    pub(super) internal: Route,
    pub(super) external: Option<External<'c>>,
    pub(super) cluster: Chosen<'c>,
    pub(super) local: Chosen<'c>,
    pub(super) reachable: Vec<&'c Endpoint>,
}

/// The endpoints of a set, and why they are those.
#[derive(Debug)]
pub(super) struct Chosen<'c> {
    pub(super) endpoints: Vec<&'c Endpoint>,
    pub(super) choice: Choice,
}

impl<'c> ServicePortPlan<'c> {
    /// The Service port.
    pub fn service_port(&self) -> &'c ServicePort {
        self.service_port
    }

    /// Where traffic to the cluster IP goes.
    pub fn internal(&self) -> Route {
        self.internal
    }

    /// What happens to traffic to node port, external and load-balancer IPs; none if the Service port has none of these
    /// in this family.
    pub fn external(&self) -> Option<&External<'c>> {
        self.external.as_ref()
    }

    /// The endpoints of a set; none if no traffic is balanced over it.
    pub fn endpoints(&self, set: EndpointSet) -> &[&'c Endpoint] {
        &self.chosen(set).endpoints
    }

    /// Why a set has the endpoints it has.
    pub fn choice(&self, set: EndpointSet) -> Choice {
        self.chosen(set).choice
    }

    fn chosen(&self, set: EndpointSet) -> &Chosen<'c> {
        match set {
            EndpointSet::Cluster => &self.cluster,
            EndpointSet::Local => &self.local,
        }
    }

    /// Endpoints that some traffic on this node can reach, sorted by their text.
    pub fn reachable_endpoints(&self) -> &[&'c Endpoint] {
        &self.reachable
    }

    /// The node port, if any.
    pub fn node_port(&self) -> Option<Port> {
        self.service_port.node_port
    }
}

/// Where traffic goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// It is balanced over a set of endpoints.
    Balance(EndpointSet),
    /// It is dropped: the policy is Local and no usable endpoint is on this node.
    DropNoLocalEndpoints,
    /// It is rejected: there is no usable endpoint anywhere.
    RejectNoEndpoints,
}

impl Route {
    /// It reaches an endpoint.
    pub fn balances(self) -> bool {
        matches!(self, Route::Balance(_))
    }
}

/// What happens to traffic to node port, external and load-balancer IPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct External<'c> {
    pub(super) route: ExternalRoute,
    pub(super) external_ips: &'c [Indexed<IpAddr>],
    pub(super) load_balancer_ips: &'c [Indexed<IpAddr>],
    pub(super) node_port: Option<Port>,
    pub(super) source_ranges: Option<SourceRanges<'c>>,
}

/// Where traffic to node port, external and load-balancer IPs goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExternalRoute {
    /// It is rejected: there is no usable endpoint anywhere.
    RejectNoEndpoints,
    /// The policy is Cluster: all of it is masqueraded and balanced over the cluster endpoints.
    Masquerade,
    /// The policy is Local: traffic from this node and its pods is balanced over the cluster endpoints (the short
    /// circuit); other clients keep their address, and their traffic goes where this says.
    ShortCircuit(LocalRoute),
}

/// Where traffic goes that only endpoints on this node may receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocalRoute {
    /// It is balanced over the local endpoints.
    Balance,
    /// It is dropped: no usable endpoint is on this node.
    DropNoLocalEndpoints,
}

impl<'c> External<'c> {
    /// Where it goes.
    pub fn route(&self) -> ExternalRoute {
        self.route
    }

    /// Where traffic goes that does not take the short circuit.
    pub fn client_route(&self) -> Route {
        match self.route {
            ExternalRoute::RejectNoEndpoints => Route::RejectNoEndpoints,
            ExternalRoute::Masquerade => Route::Balance(EndpointSet::Cluster),
            ExternalRoute::ShortCircuit(LocalRoute::Balance) => Route::Balance(EndpointSet::Local),
            ExternalRoute::ShortCircuit(LocalRoute::DropNoLocalEndpoints) => Route::DropNoLocalEndpoints,
        }
    }

    /// Whether some of it reaches an endpoint.
    pub fn is_forwarded(&self) -> bool {
        self.route != ExternalRoute::RejectNoEndpoints
    }

    /// Whether traffic from this node and its pods goes to endpoints on every node, whatever the policy.
    pub fn has_short_circuit(&self) -> bool {
        matches!(self.route, ExternalRoute::ShortCircuit(_))
    }

    /// External IPs that are served: none if the gate AllowServiceExternalIPs is off.
    pub fn external_ips(&self) -> &'c [Indexed<IpAddr>] {
        self.external_ips
    }

    /// Load-balancer IPs.
    pub fn load_balancer_ips(&self) -> &'c [Indexed<IpAddr>] {
        self.load_balancer_ips
    }

    /// The node port.
    pub fn node_port(&self) -> Option<Port> {
        self.node_port
    }

    /// Which clients may use the load-balancer IPs; none if all may, or if there are no such IPs.
    pub fn source_ranges(&self) -> Option<SourceRanges<'c>> {
        self.source_ranges
    }
}

/// Which clients may use the load-balancer IPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRanges<'c> {
    pub(super) ranges: &'c [Indexed<Cidr>],
    pub(super) own_ips: &'c [Indexed<IpAddr>],
}

impl<'c> SourceRanges<'c> {
    /// `loadBalancerSourceRanges` of the family, at least one.
    pub fn ranges(&self) -> &'c [Indexed<Cidr>] {
        self.ranges
    }

    /// The load-balancer IPs if they may be sources too, because the node's own address is in a range: the node can
    /// send to one of them from that very address.
    pub fn load_balancer_ips_as_sources(&self) -> &'c [Indexed<IpAddr>] {
        self.own_ips
    }

    /// Whether the node's own address is in a range.
    pub fn include_node(&self) -> bool {
        !self.own_ips.is_empty()
    }
}

/// A set of endpoints of a Service port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointSet {
    /// Those that the policy Cluster balances over.
    Cluster,
    /// Those that the policy Local balances over.
    Local,
}

/// Why a set has the endpoints it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The rule by which endpoints were chosen.
    pub basis: Basis,
    /// What became of topology hints.
    pub hints: HintUse,
}

/// The rule by which endpoints were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The set is not used by this Service port.
    Unused,
    /// Those that are ready.
    Ready,
    /// None is ready; those that are terminating but still serve.
    Terminating,
    /// None is usable.
    Nothing,
}

/// What became of topology hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintUse {
    /// No ready endpoint has one.
    None,
    /// Only endpoints hinted for this node were chosen.
    SameNode,
    /// Only endpoints hinted for this zone were chosen.
    SameZone,
    /// There are hints, but they were not used.
    Ignored(HintsIgnored),
}

/// Why hints were not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HintsIgnored {
    /// A gate or a missing annotation switches them off (to 1.32).
    SwitchedOff,
    /// Some ready endpoint has none.
    EndpointWithoutHint,
    /// The node has no zone.
    NodeWithoutZone,
    /// No ready endpoint is hinted for this node's zone or name.
    NoneForHere,
    /// Terminating endpoints are used, and hints do not count for them.
    FallbackToTerminating,
}
