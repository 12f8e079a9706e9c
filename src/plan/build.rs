//! From the cluster to what one node must forward.

use compact_str::CompactString;

use super::endpoints::{Here, Selected, Uses};
use super::{EndpointSet, LoopbackNodePorts, Masquerade, Plan, Reach, Route, ServicePortPlan, node};
use crate::cluster::{Cluster, FamilyTable, Node, ServicePort, TrafficPolicy};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::net::{Cidr, Family};
use crate::parallel;
use crate::settings::{ProxyMode, Settings};

/// More endpoints than this, and iptables comments are left out (proxier.go, largeClusterEndpointsThreshold).
pub const LARGE_CLUSTER_ENDPOINTS: usize = 1000;

impl<'c> Plan<'c> {
    /// What `node` must forward in `family`. A Node that is not in the cluster is one without zone and addresses.
    pub fn new(
        cluster: &'c Cluster,
        settings: &Settings,
        node: &Node,
        family: Family,
    ) -> (Plan<'c>, Diagnostics) {
        let mut found = Diagnostics::default();
        let table = cluster.family(family);
        let interface_addresses = node::interface_addresses(node, settings, family);
        let selection = node::selection(node, settings, family);
        let iptables = settings.mode == ProxyMode::Iptables;
        let localhost_node_ports = iptables
            && family == Family::Ipv4
            && settings.localhost_node_ports
            && selection.has_ipv4_loopback();
        let here = Here { node_name: &node.name, zone: node.zone.as_deref(), settings };
        let node_ip = node::node_ip(node, settings, family).unwrap_or(family.loopback());

        let plan = Plan {
            family,
            mode: settings.mode,
            release: settings.release,
            node_name: node.name.clone(),
            node_ip,
            masquerade: Masquerade {
                mark: 1 << settings.masquerade_bit.min(31),
                all: settings.masquerade_all,
                random_fully: settings.host.random_fully,
            },
            local_traffic: node::local_traffic(node, settings, family, &mut found),
            node_ports: selection.node_ports(&interface_addresses, localhost_node_ports),
            interface_addresses,
            localhost_node_ports,
            loopback_node_ports: node::loopback_node_ports(settings, family),
            large_cluster: endpoint_count(table) > LARGE_CLUSTER_ENDPOINTS,
            nfacct: settings.release.iptables.nfacct && settings.host.nfacct,
            drop_invalid: !settings.host.conntrack_liberal,
            service_cidrs: service_cidrs(cluster, settings, family),
            service_ports: service_port_plans(&table.service_ports, &here, node_ip),
        };
        plan.warn(&selection, &mut found);
        (plan, found)
    }

    fn warn(&self, selection: &node::Selection, found: &mut Diagnostics) {
        if self.local_traffic.is_none() && !self.service_ports.is_empty() {
            let family = self.family;
            found.push(
                Diagnostic::warning(format!(
                    "nothing tells kube-proxy which {family} traffic comes from pods"
                ))
                .help("clients outside the cluster are not masqueraded on cluster IPs; set clusterCIDR"),
            );
        }
        if let (node::Selection::Networks(networks), super::NodePorts::Addresses(addresses)) =
            (selection, &self.node_ports)
            && addresses.is_empty()
            && self.loopback_node_ports != LoopbackNodePorts::Proxied
            && self.service_ports.iter().any(|port| port.node_port().is_some())
        {
            let networks: Vec<String> = networks.iter().map(Cidr::to_string).collect();
            let message = format!(
                "no known address of node {} lies in {}: node ports are served nowhere",
                self.node_name,
                networks.join(", ")
            );
            found.push(
                Diagnostic::warning(message).help("name the addresses on its interfaces with --host-ip"),
            );
        }
    }
}

impl<'c> ServicePortPlan<'c> {
    /// What `node` does with one Service port, for who asks about few of them on many nodes.
    pub fn new(port: &'c ServicePort, settings: &Settings, node: &Node) -> Self {
        let family = Family::of(port.cluster_ip);
        let here = Here { node_name: &node.name, zone: node.zone.as_deref(), settings };
        let node_ip = node::node_ip(node, settings, family).unwrap_or(family.loopback());
        service_port_plan(port, &here, node_ip)
    }
}

/// Endpoints of all Service ports of a family, as kube-proxy counts them for its large-cluster mode.
pub fn endpoint_count(table: &FamilyTable) -> usize {
    table.service_ports.iter().map(distinct_endpoints).sum()
}

/// Endpoints of a Service port, those of the same address and port counted once.
fn distinct_endpoints(port: &ServicePort) -> usize {
    let mut last: Option<&CompactString> = None;
    port.endpoints.iter().filter(|e| last.replace(&e.text) != Some(&e.text)).count()
}

fn service_cidrs(cluster: &Cluster, settings: &Settings, family: Family) -> Vec<Cidr> {
    if !settings.gates.multi_cidr_service_allocator {
        return Vec::new();
    }
    cluster.service_cidrs.iter().copied().filter(|cidr| cidr.family() == family).collect()
}

/// So many Service ports at least are worth a thread.
const SHORTEST_STRETCH: usize = 256;

fn service_port_plans<'c>(
    ports: &'c [ServicePort],
    here: &Here<'_>,
    node_ip: std::net::IpAddr,
) -> Vec<ServicePortPlan<'c>> {
    let stretches = parallel::by_stretch(ports, SHORTEST_STRETCH, |_, part| {
        part.iter().map(|port| service_port_plan(port, here, node_ip)).collect::<Vec<_>>()
    });
    stretches.into_iter().flatten().collect()
}

fn service_port_plan<'c>(
    port: &'c ServicePort,
    here: &Here<'_>,
    node_ip: std::net::IpAddr,
) -> ServicePortPlan<'c> {
    let externally_accessible =
        port.node_port.is_some() || !port.load_balancer_ips.is_empty() || !port.external_ips.is_empty();
    let local = TrafficPolicy::Local;
    let uses = Uses {
        cluster: port.internal_policy != local || externally_accessible,
        local: port.internal_policy == local || (port.external_policy == local && externally_accessible),
    };
    let Selected { cluster, local, reachable, has_endpoints, cluster_choice, local_choice } =
        here.select(port, uses);
    let route = |policy| Route { policy, reach: reach(policy, has_endpoints, local.is_empty()) };
    ServicePortPlan {
        service_port: port,
        internal: route(port.internal_policy),
        external: route(port.external_policy),
        cluster_endpoints: cluster,
        local_endpoints: local,
        reachable_endpoints: reachable,
        has_endpoints,
        uses_cluster_endpoints: uses.cluster,
        uses_local_endpoints: uses.local,
        externally_accessible,
        serves_external_ips: here.settings.gates.allow_service_external_ips,
        source_restricted: !port.load_balancer_ips.is_empty() && !port.source_ranges.is_empty(),
        allow_from_node: port.source_ranges.iter().any(|range| range.value.contains(node_ip)),
        cluster_choice,
        local_choice,
    }
}

fn reach(policy: TrafficPolicy, has_endpoints: bool, no_local_endpoints: bool) -> Reach {
    match policy {
        _ if !has_endpoints => Reach::RejectNoEndpoints,
        TrafficPolicy::Local if no_local_endpoints => Reach::DropNoLocalEndpoints,
        TrafficPolicy::Local => Reach::Balance(EndpointSet::Local),
        TrafficPolicy::Cluster => Reach::Balance(EndpointSet::Cluster),
    }
}
