//! Existing connections, and where today's rules would send them: conntrack keeps sending a connection where it went
//! first, whatever happens to the endpoint. A UDP client that keeps its source port is never sent elsewhere.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::cluster::Endpoint;
use crate::names::ServicePortName;
use crate::net::Protocol;
use crate::node::{ClientKind, Connection, ConnectionState, Host};
use crate::plan::{EndpointSet, Plan, Route, ServicePortPlan};

/// Connections of one kind, to one destination and sent to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The Service port at the destination; none if it is gone.
    pub service: Option<ServicePortName>,
    /// Their protocol.
    pub protocol: Protocol,
    /// The destination that they were opened to.
    pub destination: SocketAddr,
    /// Where they are sent.
    pub target: SocketAddr,
    /// What is wrong with that.
    pub fault: PinnedFault,
    /// How many there are.
    pub count: usize,
}

/// What is wrong with where a connection is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PinnedFault {
    /// The Service has no such endpoint.
    Gone,
    /// The endpoint exists, but new connections are not sent to it.
    NotChosen,
    /// It was opened before the Service was served here, and goes to the Service's own address, where nothing listens.
    Untranslated,
    /// No Service has this address and port any more.
    NoService,
}

/// Connections that are sent where today's rules would not send them; closed ones are left out.
pub fn pinned(plan: &Plan<'_>, host: &Host, connections: &[Connection]) -> Vec<Pinned> {
    let services = Services::new(plan, host);
    let mut groups: BTreeMap<(Protocol, SocketAddr, SocketAddr, PinnedFault), Pinned> = BTreeMap::new();
    let of_family = connections.iter().filter(|connection| connection.family() == plan.family());
    for connection in of_family.filter(|c| c.state != ConnectionState::Closing && c.zone == 0) {
        let Some((service, fault)) = services.fault(connection) else { continue };
        let key = (connection.protocol, connection.destination, connection.reply_source, fault);
        let group = groups.entry(key).or_insert_with(|| Pinned {
            service: service.map(|port| port.service_port().name.clone()),
            protocol: connection.protocol,
            destination: connection.destination,
            target: connection.reply_source,
            fault,
            count: 0,
        });
        group.count += 1;
    }
    groups.into_values().collect()
}

/// Service ports by their addresses.
struct Services<'p, 'c> {
    plan: &'p Plan<'c>,
    host: &'p Host,
    cluster_ips: BTreeMap<(Protocol, SocketAddr), &'p ServicePortPlan<'c>>,
    external: BTreeMap<(Protocol, SocketAddr), &'p ServicePortPlan<'c>>,
    node_ports: BTreeMap<(Protocol, u16), &'p ServicePortPlan<'c>>,
}

impl<'p, 'c> Services<'p, 'c> {
    fn new(plan: &'p Plan<'c>, host: &'p Host) -> Self {
        let mut this = Services {
            plan,
            host,
            cluster_ips: BTreeMap::new(),
            external: BTreeMap::new(),
            node_ports: BTreeMap::new(),
        };
        plan.service_ports().iter().for_each(|port| this.add(port));
        this
    }

    fn add(&mut self, plan: &'p ServicePortPlan<'c>) {
        let port = plan.service_port();
        let key = |ip: IpAddr| (port.name.protocol(), SocketAddr::new(ip, port.port.get()));
        self.cluster_ips.insert(key(port.cluster_ip), plan);
        for ip in port.external_ips.iter().chain(&port.load_balancer_ips) {
            self.external.insert(key(ip.value), plan);
        }
        if let Some(node_port) = plan.node_port() {
            self.node_ports.insert((port.name.protocol(), node_port.get()), plan);
        }
    }

    /// What is wrong with where a connection is sent, and the Service port at its destination.
    fn fault(&self, connection: &Connection) -> Option<(Option<&'p ServicePortPlan<'c>>, PinnedFault)> {
        let (protocol, to) = (connection.protocol, connection.destination);
        if let Some(port) = self.cluster_ips.get(&(protocol, to)) {
            return Some((Some(port), fault(port, &internal(port), connection)?));
        }
        let on_node = || self.node_ports.get(&(protocol, to.port())).filter(|_| self.host.is_local(to.ip()));
        if let Some(port) = self.external.get(&(protocol, to)).or_else(on_node) {
            return Some((
                Some(port),
                fault(port, &self.external_of(port, connection.source.ip()), connection)?,
            ));
        }
        let is_cluster_ip = self.plan.service_cidrs().iter().any(|net| net.contains(to.ip()));
        (is_cluster_ip && connection.is_translated()).then_some((None, PinnedFault::NoService))
    }

    /// Endpoints that a client of an external destination may be sent to: policy Local does not restrict Pods of this
    /// node and the node itself.
    fn external_of(&self, port: &ServicePortPlan<'c>, source: IpAddr) -> Vec<&'c Endpoint> {
        let Some(external) = port.external() else { return Vec::new() };
        let is_from_here = matches!(self.host.client_kind(source), ClientKind::LocalPod | ClientKind::Node);
        let mut found = of_route(port, external.client_route());
        if is_from_here && external.has_short_circuit() {
            found.extend(port.endpoints(EndpointSet::Cluster));
        }
        found
    }
}

fn internal<'c>(port: &ServicePortPlan<'c>) -> Vec<&'c Endpoint> {
    of_route(port, port.internal())
}

fn of_route<'c>(port: &ServicePortPlan<'c>, route: Route) -> Vec<&'c Endpoint> {
    match route {
        Route::Balance(set) => port.endpoints(set).to_vec(),
        Route::DropNoLocalEndpoints | Route::RejectNoEndpoints => Vec::new(),
    }
}

fn fault(port: &ServicePortPlan<'_>, chosen: &[&Endpoint], connection: &Connection) -> Option<PinnedFault> {
    if !connection.is_translated() {
        // If the Service is not served, that is right.
        return (!chosen.is_empty()).then_some(PinnedFault::Untranslated);
    }
    let target = connection.reply_source;
    let is_target = |endpoint: &&Endpoint| endpoint.ip == target.ip() && endpoint.port.get() == target.port();
    if chosen.iter().any(is_target) {
        None
    } else if port.service_port().endpoints.iter().any(|endpoint| is_target(&endpoint)) {
        Some(PinnedFault::NotChosen)
    } else {
        Some(PinnedFault::Gone)
    }
}
