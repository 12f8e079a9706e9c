//! What a part of the Services is apart from names, addresses and node ports.
//!
//! Large clusters have thousands of Services of a few shapes: a cluster IP, port 80, 25 endpoints of which one is on
//! the node. The rules of two such Services differ only in the values in them, so a packet to one Service has the
//! outcome that the corresponding packet to the other has, with the addresses exchanged. Correspondence is by number:
//! the addresses of a part are numbered by their roles in it.
//!
//! # Why it is right
//!
//! kube-proxy's rules come from the plan, and a plan of the same shape with other addresses makes the same rules with
//! these addresses: the policies, the ports, who is an endpoint of what, in which set, on the node or not, are all in
//! the shape. Besides reading rules, a walk asks the node about addresses, and rules match on networks; so the shape
//! also has what the node considers each address to be, and which networks it is in. The order of endpoints is not part
//! of it: it only decides which of them has which share, and the shares are equal.
//!
//! Parts have no shape if they use an address of the node, or if a node port's number is also used for something else.

use std::collections::BTreeSet;
use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt};
use smallvec::SmallVec;

use super::ground::{AddressKind, Ground};
use super::members::{Members, lies_in};
use super::space::number;
use crate::cluster::{ServicePort, TrafficPolicy};
use crate::names::ServiceName;
use crate::net::{Cidr, Port, Protocol};
use crate::node::{Host, Network, Sysctls};
use crate::plan::{EndpointSet, External, ExternalRoute, LocalTraffic, Plan, Route, ServicePortPlan};

/// Everything about a part on both sides except its names, addresses and node ports.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::compare) struct Shape {
    ports: [Vec<PortShape>; 2],
    /// By number.
    addresses: Vec<AddressShape>,
    /// Those that rules match on.
    networks: Vec<Cidr>,
}

/// A Service port.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PortShape {
    /// The number of the Service among the part's.
    service: usize,
    protocol: Protocol,
    port: Port,
    /// Node port and health check node port, by number.
    node_ports: [Option<usize>; 2],
    source_ranges: Vec<Cidr>,
    policies: [TrafficPolicy; 2],
    affinity_seconds: Option<u32>,
    internal: Route,
    external: Option<ExternalShape>,
}

/// How a Service port is reached from outside.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExternalShape {
    route: ExternalRoute,
    has_node_port: bool,
    external_ips: usize,
    load_balancer_ips: usize,
    /// How many source ranges there are, and how many load-balancer IPs that may be sources too.
    source_ranges: Option<[usize; 2]>,
}

/// An address: what it is to each Service port, what the node considers it to be on both sides, and which networks it
/// is in.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct AddressShape {
    roles: Roles,
    kind: AddressKind,
    is_local_pod: [bool; 2],
    lies_in: u64,
}

/// The roles of an address, sorted.
type Roles = SmallVec<[Role; 4]>;

/// The role of an address for a Service port of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Role {
    is_new: bool,
    service_port: usize,
    kind: RoleKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum RoleKind {
    ClusterIp,
    ExternalIp(usize),
    LoadBalancerIp(usize),
    /// With its port, and whether it is on the node.
    Endpoint(List, Port, bool),
}

/// A list of endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum List {
    Cluster,
    Local,
    Reachable,
}

impl Shape {
    /// The shape of a part, and what fills it; none if it is like no other.
    pub(in crate::compare) fn of(
        old: &Plan<'_>,
        new: &Plan<'_>,
        ground: &Ground<'_>,
    ) -> Option<(Shape, Members)> {
        if [ground.hosts().0, ground.hosts().1].into_iter().any(tells_more_than_addresses) {
            return None;
        }
        let networks = networks([old, new]);
        let mut roles: HashMap<IpAddr, Roles> = HashMap::new();
        add_roles(old, false, &mut roles);
        add_roles(new, true, &mut roles);
        let mut addresses: Vec<(AddressShape, IpAddr)> = Vec::with_capacity(roles.len());
        #[allow(clippy::iter_over_hash_type, reason = "they are sorted")]
        for (ip, mut roles) in roles {
            if ground.is_own(ip) {
                return None;
            }
            roles.sort_unstable();
            let (old, new) = ground.hosts();
            let is_local_pod = [old.is_local_pod(ip), new.is_local_pod(ip)];
            let lies_in = lies_in(&networks, ip)?;
            addresses
                .push((AddressShape { roles, kind: ground.kind(number(ip)), is_local_pod, lies_in }, ip));
        }
        addresses.sort_unstable();
        let mut numbered = Numbered::default();
        let ports = [old, new].map(|plan| numbered.ports(plan));
        if numbered.has_ambiguous_port([old, new]) {
            return None;
        }
        let (addresses, ips) = addresses.into_iter().unzip();
        let members = Members::new(ips, numbered.node_ports, networks.clone());
        Some((Shape { ports, addresses, networks }, members))
    }
}

/// Whether a node knows more about an address than whose it is.
fn tells_more_than_addresses(host: &Host) -> bool {
    // A new field stops the compiler here.
    let Host {
        addresses: _,
        pod_networks: _,
        cluster_networks: _,
        local_pods: _,
        remote_pods: _,
        // They give away the interfaces of Pods, which kube-proxy's rules match on only with a `pod_interface`.
        pod_names: _,
        pod_interface,
        route_localnet: _,
        sets,
        network,
        sysctls,
    } = host;
    let is_plain = *sysctls == Sysctls::default() && **network == Network::default();
    pod_interface.is_some() || sets.is_some() || !is_plain
}

/// Networks that the rules of two plans match on.
fn networks(plans: [&Plan<'_>; 2]) -> Vec<Cidr> {
    let mut networks: BTreeSet<Cidr> = BTreeSet::new();
    for plan in plans {
        networks.extend(plan.service_cidrs());
        networks.extend(plan.local_traffic().and_then(|local| match local {
            LocalTraffic::From(net) => Some(*net),
            LocalTraffic::Interface(_) | LocalTraffic::InterfacePrefix(_) => None,
        }));
        let ports = plan.service_ports().iter().map(ServicePortPlan::service_port);
        networks.extend(ports.flat_map(|port| &port.source_ranges).map(|range| range.value));
    }
    networks.insert(Cidr::IPV4_LOOPBACK);
    networks.into_iter().collect()
}

fn add_roles(plan: &Plan<'_>, is_new: bool, roles: &mut HashMap<IpAddr, Roles>) {
    for (service_port, planned) in plan.service_ports().iter().enumerate() {
        let mut add = |ip, kind| roles.entry(ip).or_default().push(Role { is_new, service_port, kind });
        let port = planned.service_port();
        add(port.cluster_ip, RoleKind::ClusterIp);
        for (i, ip) in port.external_ips.iter().enumerate() {
            add(ip.value, RoleKind::ExternalIp(i));
        }
        for (i, ip) in port.load_balancer_ips.iter().enumerate() {
            add(ip.value, RoleKind::LoadBalancerIp(i));
        }
        let lists = [
            (List::Cluster, planned.endpoints(EndpointSet::Cluster)),
            (List::Local, planned.endpoints(EndpointSet::Local)),
            (List::Reachable, planned.reachable_endpoints()),
        ];
        for (list, endpoints) in lists {
            for endpoint in endpoints {
                let is_here = endpoint.node_name.as_ref() == Some(plan.node_name());
                add(endpoint.ip, RoleKind::Endpoint(list, endpoint.port, is_here));
            }
        }
    }
}

/// Services and node ports, numbered in the order in which they first occur.
#[derive(Default)]
struct Numbered {
    services: Vec<ServiceName>,
    node_ports: Vec<u16>,
}

impl Numbered {
    fn ports(&mut self, plan: &Plan<'_>) -> Vec<PortShape> {
        plan.service_ports().iter().map(|port| self.port(port)).collect()
    }

    fn port(&mut self, planned: &ServicePortPlan<'_>) -> PortShape {
        // A new field stops the compiler here: rules that depend on it are of another shape.
        let ServicePort {
            name,
            port,
            node_port,
            health_check_node_port,
            source_ranges,
            internal_policy,
            external_policy,
            affinity_seconds,
            // The roles of addresses say what these are to the Service port.
            cluster_ip: _,
            external_ips: _,
            load_balancer_ips: _,
            // The plan has what matters about these.
            endpoints: _,
            asks_for_zone_hints: _,
            has_headless_label: _,
            // Where it was read.
            position: _,
            port_index: _,
            cluster_ip_index: _,
        } = planned.service_port();
        let node_ports = [node_port, health_check_node_port];
        PortShape {
            service: place(&mut self.services, name.service_name()),
            protocol: name.protocol(),
            port: *port,
            node_ports: node_ports.map(|port| port.map(|port| place(&mut self.node_ports, port.get()))),
            source_ranges: source_ranges.iter().map(|range| range.value).collect(),
            policies: [*internal_policy, *external_policy],
            affinity_seconds: *affinity_seconds,
            internal: planned.internal(),
            external: planned.external().map(ExternalShape::of),
        }
    }

    /// Whether a node port's number is also used for another port.
    fn has_ambiguous_port(&self, plans: [&Plan<'_>; 2]) -> bool {
        let is_node_port = |port: Port| self.node_ports.contains(&port.get());
        plans.into_iter().flat_map(Plan::service_ports).any(|planned| {
            let sets = [EndpointSet::Cluster, EndpointSet::Local].map(|set| planned.endpoints(set));
            let endpoints = sets.into_iter().flatten().chain(planned.reachable_endpoints());
            let mut ports = endpoints.map(|endpoint| endpoint.port);
            is_node_port(planned.service_port().port) || ports.any(is_node_port)
        })
    }
}

impl ExternalShape {
    fn of(external: &External<'_>) -> ExternalShape {
        let ranges = external.source_ranges();
        ExternalShape {
            route: external.route(),
            has_node_port: external.node_port().is_some(),
            external_ips: external.external_ips().len(),
            load_balancer_ips: external.load_balancer_ips().len(),
            source_ranges: ranges.map(|r| [r.ranges().len(), r.load_balancer_ips_as_sources().len()]),
        }
    }
}

/// The index of a value in a list; adds it if it is new.
fn place<T: PartialEq>(list: &mut Vec<T>, value: T) -> usize {
    list.iter().position(|known| *known == value).unwrap_or_else(|| {
        list.push(value);
        list.len() - 1
    })
}
