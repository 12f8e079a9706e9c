//! From the cluster to what one node must forward.

use std::net::IpAddr;

use compact_str::CompactString;

use super::endpoint_rules::EndpointRules;
use super::endpoints::{Here, Selected, Uses};
use super::service_port::Chosen;
use super::{
    Common, EndpointSet, External, ExternalRoute, LocalRoute, LoopbackNodePorts, Masquerade, Own, Plan,
    Route, ServicePortPlan, SourceRanges, node,
};
use crate::cluster::{Cluster, FamilyTable, Node, ServicePort, TrafficPolicy};
use crate::diagnostic::{Checked, Diagnostic, Diagnostics, message};
use crate::net::{Cidr, Family};
use crate::parallel;
use crate::settings::{ProxyMode, Settings};

/// With more endpoints than this, iptables rules have no comments (proxier.go, largeClusterEndpointsThreshold).
pub const LARGE_CLUSTER_ENDPOINTS: usize = 1000;

impl<'c> Plan<'c> {
    /// What `node` must forward in `family`. A Node that is not in the cluster has no zone and no addresses.
    ///
    /// # Errors
    /// kube-proxy does not start on this node.
    pub fn new(cluster: &'c Cluster, settings: &Settings, node: &Node, family: Family) -> Checked<Plan<'c>> {
        let service_cidrs = service_cidrs(cluster, settings, family);
        let (plan, mut found) = Plan::of(cluster.family(family), service_cidrs, settings, node, family)?;
        plan.warn_of_local_traffic(cluster, settings, &mut found);
        Ok((plan, found))
    }

    /// What `node` must forward of a table.
    pub(super) fn of(
        table: &'c FamilyTable,
        service_cidrs: Vec<Cidr>,
        settings: &Settings,
        node: &Node,
        family: Family,
    ) -> Checked<Plan<'c>> {
        let large_cluster = is_large(table);
        Plan::made(large_cluster, service_cidrs, settings, node, family, |here, node_ip| {
            service_port_plans(&table.service_ports, here, node_ip)
        })
    }

    /// What `node` must forward of some Service ports of a table, in their order; the rest of the plan is that of the
    /// whole table, whose size decides whether the cluster is large.
    pub(crate) fn of_some(
        ports: &[&'c ServicePort],
        large_cluster: bool,
        cluster: &Cluster,
        settings: &Settings,
        node: &Node,
        family: Family,
    ) -> Checked<Plan<'c>> {
        let service_cidrs = service_cidrs(cluster, settings, family);
        Plan::made(large_cluster, service_cidrs, settings, node, family, |here, node_ip| {
            ports.iter().map(|port| service_port_plan(port, here, node_ip)).collect()
        })
    }

    fn made(
        large_cluster: bool,
        service_cidrs: Vec<Cidr>,
        settings: &Settings,
        node: &Node,
        family: Family,
        service_ports: impl FnOnce(&Here<'_>, IpAddr) -> Vec<ServicePortPlan<'c>>,
    ) -> Checked<Plan<'c>> {
        let mut found = Diagnostics::default();
        let interface_addresses = node::interface_addresses(node, settings, family);
        let selection = node::selection(node, settings, family);
        let iptables = settings.mode == ProxyMode::Iptables;
        let localhost_node_ports = iptables
            && family == Family::Ipv4
            && settings.localhost_node_ports
            && selection.has_ipv4_loopback();
        let here = Here::new(node, settings);
        let node_ip = node::node_ip(node, settings, family).unwrap_or(family.loopback());

        let common = Common {
            family,
            mode: settings.mode,
            release: settings.release,
            masquerade: Masquerade {
                mark: 1 << settings.masquerade_bit.min(31),
                all: settings.masquerade_all,
                random_fully: settings.host.random_fully,
            },
            local_traffic: node::local_traffic(node, settings, family, &mut found),
            localhost_node_ports,
            loopback_node_ports: node::loopback_node_ports(settings, family),
            large_cluster,
            nfacct: settings.release.iptables.nfacct && settings.host.nfacct,
            drop_invalid: !settings.host.conntrack_liberal,
        };
        let own = Own {
            node_name: node.name.clone(),
            node_ip,
            node_ports: selection.node_ports(&interface_addresses, localhost_node_ports),
            interface_addresses,
            service_cidrs,
            zone: node.zone.clone(),
            rules: here.rules,
            external_ips_are_served: here.external_ips_are_served,
            node_port_addresses: settings.node_port_addresses.clone(),
        };
        let service_ports = service_ports(&here, node_ip);
        let plan = Plan { common, own, service_ports };
        plan.warn(&selection, &mut found);
        found.check(plan)
    }

    /// What the node would do with a Service port if it chose endpoints by other rules.
    pub(super) fn planned_by<'d>(&self, port: &'d ServicePort, rules: EndpointRules) -> ServicePortPlan<'d> {
        let Own { node_name, node_ip, zone, external_ips_are_served, .. } = &self.own;
        let here = Here {
            node_name,
            zone: zone.as_deref(),
            rules,
            external_ips_are_served: *external_ips_are_served,
        };
        service_port_plan(port, &here, *node_ip)
    }

    /// Whether rules depend on which traffic comes from pods: those that masquerade other traffic to cluster IPs, and
    /// those that exempt pods from the policy Local.
    pub fn depends_on_local_traffic(&self) -> bool {
        self.service_ports.iter().any(|port| {
            let short_circuit = port.external().is_some_and(External::has_short_circuit);
            short_circuit || (port.internal().balances() && !self.common.masquerade.all)
        })
    }

    /// Warns, in the same words for both families, that rules would need to know which traffic comes from pods.
    pub(crate) fn warn_of_local_traffic(
        &self,
        cluster: &Cluster,
        settings: &Settings,
        found: &mut Diagnostics,
    ) {
        if self.local_traffic().is_some() || !self.depends_on_local_traffic() {
            return;
        }
        let suggested: Vec<String> = cluster.suggested_pod_networks().iter().map(Cidr::to_string).collect();
        let suggestion = match suggested.is_empty() {
            true => "give the pods' network as --cluster-cidr".to_owned(),
            false => format!("the Nodes suggest --cluster-cidr {}", suggested.join(",")),
        };
        let (what, fetch) = match &settings.configuration {
            Some(_) => ("kube-proxy's configuration has no clusterCIDR", ""),
            None => (
                "kube-proxy's configuration is not in the input, so the pods' network (clusterCIDR) is unknown",
                "; or fetch what kube-proxy has: kubectl get configmap kube-proxy -n kube-system -o yaml > \
                 kube-proxy.yaml, and add --config kube-proxy.yaml",
            ),
        };
        let message = message!("{what}: these rules masquerade no client for being outside it");
        found.push(Diagnostic::warning(message).help(format!("{suggestion}{fetch}")));
    }

    fn warn(&self, selection: &node::Selection, found: &mut Diagnostics) {
        if let (node::Selection::Networks(networks), super::NodePorts::Addresses(addresses)) =
            (selection, self.node_ports())
            && addresses.is_empty()
            && self.loopback_node_ports() != LoopbackNodePorts::Proxied
            && self.service_ports().iter().any(|port| port.node_port().is_some())
        {
            let networks: Vec<String> = networks.iter().map(Cidr::to_string).collect();
            let message = message!(
                "no known address of node {} lies in {}: node ports are served nowhere",
                self.node_name(),
                networks.join(", ")
            );
            found.push(
                Diagnostic::warning(message).help("name the addresses on its interfaces with --host-ip"),
            );
        }
    }
}

impl<'c> ServicePortPlan<'c> {
    /// What `node` does with one Service port, for questions about few of them on many nodes.
    pub fn new(port: &'c ServicePort, settings: &Settings, node: &Node) -> Self {
        let family = Family::of(port.cluster_ip);
        let here = Here::new(node, settings);
        let node_ip = node::node_ip(node, settings, family).unwrap_or(family.loopback());
        service_port_plan(port, &here, node_ip)
    }
}

/// Endpoints of all Service ports of a family, as kube-proxy counts them for its large-cluster mode.
pub fn endpoint_count(table: &FamilyTable) -> usize {
    table.endpoints_elsewhere + table.service_ports.iter().map(distinct_endpoints).sum::<usize>()
}

/// Whether kube-proxy uses its large-cluster mode.
pub(crate) fn is_large(table: &FamilyTable) -> bool {
    endpoint_count(table) > LARGE_CLUSTER_ENDPOINTS
}

/// Number of endpoints of a Service port, with those of the same address and port counted once.
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

/// A thread is worth starting for at least this many Service ports.
const SHORTEST_STRETCH: usize = 256;

fn service_port_plans<'c>(
    ports: &'c [ServicePort],
    here: &Here<'_>,
    node_ip: IpAddr,
) -> Vec<ServicePortPlan<'c>> {
    let stretches = parallel::by_stretch(ports, SHORTEST_STRETCH, |_, part| {
        part.iter().map(|port| service_port_plan(port, here, node_ip)).collect::<Vec<_>>()
    });
    stretches.into_iter().flatten().collect()
}

fn service_port_plan<'c>(port: &'c ServicePort, here: &Here<'_>, node_ip: IpAddr) -> ServicePortPlan<'c> {
    let external_policy = is_externally_accessible(port).then_some(port.external_policy);
    let policies = [Some(port.internal_policy), external_policy];
    let uses = Uses {
        cluster: port.internal_policy == TrafficPolicy::Cluster || external_policy.is_some(),
        local: policies.contains(&Some(TrafficPolicy::Local)),
    };
    let Selected { cluster, local, reachable, has_endpoints } = here.select(port, uses);
    let traffic = Traffic { has_endpoints, local: &local };
    ServicePortPlan {
        service_port: port,
        internal: traffic.internal(port.internal_policy),
        external: external_policy.map(|policy| External {
            route: traffic.external(policy),
            external_ips: match here.external_ips_are_served {
                true => &port.external_ips,
                false => &[],
            },
            load_balancer_ips: &port.load_balancer_ips,
            node_port: port.node_port,
            source_ranges: source_ranges(port, node_ip),
        }),
        cluster,
        local,
        reachable,
    }
}

/// Whether it has a node port, an external IP or a load-balancer IP in this family (pkg/proxy/serviceport.go,
/// ExternallyAccessible).
fn is_externally_accessible(port: &ServicePort) -> bool {
    port.node_port.is_some() || !port.load_balancer_ips.is_empty() || !port.external_ips.is_empty()
}

fn source_ranges(port: &ServicePort, node_ip: IpAddr) -> Option<SourceRanges<'_>> {
    let restricted = !port.load_balancer_ips.is_empty() && !port.source_ranges.is_empty();
    let include_node = port.source_ranges.iter().any(|range| range.value.contains(node_ip));
    restricted.then_some(SourceRanges {
        ranges: &port.source_ranges,
        own_ips: if include_node { &port.load_balancer_ips } else { &[] },
    })
}

/// The endpoints that traffic finds.
struct Traffic<'s, 'c> {
    /// Some endpoint somewhere is usable.
    has_endpoints: bool,
    local: &'s Chosen<'c>,
}

impl Traffic<'_, '_> {
    fn internal(&self, policy: TrafficPolicy) -> Route {
        match policy {
            _ if !self.has_endpoints => Route::RejectNoEndpoints,
            TrafficPolicy::Cluster => Route::Balance(EndpointSet::Cluster),
            TrafficPolicy::Local if self.local.endpoints.is_empty() => Route::DropNoLocalEndpoints,
            TrafficPolicy::Local => Route::Balance(EndpointSet::Local),
        }
    }

    fn external(&self, policy: TrafficPolicy) -> ExternalRoute {
        match policy {
            _ if !self.has_endpoints => ExternalRoute::RejectNoEndpoints,
            TrafficPolicy::Cluster => ExternalRoute::Masquerade,
            TrafficPolicy::Local if self.local.endpoints.is_empty() => {
                ExternalRoute::ShortCircuit(LocalRoute::DropNoLocalEndpoints)
            }
            TrafficPolicy::Local => ExternalRoute::ShortCircuit(LocalRoute::Balance),
        }
    }
}
