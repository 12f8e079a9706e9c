//! Follows the packets of one Service on one node.

use std::net::{IpAddr, SocketAddr};

use super::{Outcome, Probe};
use crate::cluster::{Cluster, Node, ServicePort};
use crate::net::{Cidr, Family, Protocol};
use crate::node::{Host, NodePlan, NodeRules};
use crate::plan::{NodePorts, Plan, ServicePortPlan};
use crate::question::source::{last_addresses, outside};
use crate::report::trace::meaning::{Meaning, meaning};
use crate::report::trace::remark::Remark;
use crate::report::trace::{Name, Names, RulesSource, Trace, remarks};
use crate::settings::Settings;
use crate::walk::{ClientKind, Packet, Walker};

/// Which kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Pod,
    Node,
    Outside,
}

/// A node with the rules for the Service ports in question.
pub(super) struct Asked<'c> {
    node: &'c Node,
    count: usize,
    rules: NodeRules<'c>,
}

/// What was found out about one packet.
pub(super) struct Found {
    pub(super) client: Client,
    pub(super) probe: Probe,
    pub(super) remarks: Vec<Remark>,
    /// Another Service's endpoint got it.
    pub(super) taken: bool,
}

impl<'c> Asked<'c> {
    /// Compiles the rules; none if kube-proxy does not start on the node.
    pub(super) fn new(
        cluster: &'c Cluster,
        settings: &Settings,
        (node, count): (&'c Node, usize),
        family: Family,
    ) -> Option<Asked<'c>> {
        let plans: Vec<Plan<'c>> = Family::ALL
            .into_iter()
            .filter_map(|family| Some(Plan::new(cluster, settings, node, family).ok()?.0))
            .collect();
        let host = Host::of_node(cluster, node, &plans);
        let plan = plans.into_iter().find(|plan| plan.family() == family)?;
        Some(Asked { node, count, rules: NodePlan { plan, host }.compile() })
    }

    /// Follows every packet that clients send to a Service port.
    pub(super) fn ask(&self, name: &crate::names::ServicePortName) -> Vec<Found> {
        let Some(plan) = &self.rules.plan else { return Vec::new() };
        let Some(port) = plan.service_ports().iter().find(|port| port.service_port().name == *name) else {
            return Vec::new();
        };
        let walker = Walker::of(&self.rules);
        let packets = self.packets(port.service_port(), port, plan);
        let follow = |(client, way, packet)| self.follow(&walker, port.service_port(), (client, way, packet));
        packets.into_iter().filter_map(follow).collect()
    }

    fn packets(
        &self,
        port: &ServicePort,
        planned: &ServicePortPlan<'_>,
        plan: &Plan<'_>,
    ) -> Vec<(Client, String, Packet)> {
        let protocol = port.name.protocol();
        let at = |ip: IpAddr| SocketAddr::new(ip, port.port.get());
        let way = |to: SocketAddr| format!("{to}/{protocol}");
        let to = at(port.cluster_ip);
        let mut packets = Vec::new();
        if let Some(pod) = self.pod(port) {
            let packet = Packet::plain(protocol, pod, to, ClientKind::LocalPod);
            packets.push((Client::Pod, way(to), packet));
        }
        if self.rules.host.primary_address(Family::of(to.ip())).is_some() {
            packets.push((Client::Node, way(to), Packet::from_node(&self.rules.host, protocol, to)));
        }
        let Some(external) = planned.external() else { return packets };
        let ips = external.external_ips().iter().map(|ip| (ip.value, &[][..]));
        let ranges: Vec<Cidr> = port.source_ranges.iter().map(|range| range.value).collect();
        let balanced = external.load_balancer_ips().iter().map(|ip| (ip.value, ranges.as_slice()));
        for (ip, ranges) in ips.chain(balanced) {
            packets.extend(
                self.outside_packet(at(ip), ranges, protocol).map(|p| (Client::Outside, way(at(ip)), p)),
            );
        }
        if let (Some(number), Some(ip)) = (external.node_port(), self.node_port_address(plan)) {
            let to = SocketAddr::new(ip, number.get());
            let packet = self.outside_packet(to, &[], protocol);
            packets.extend(
                packet.map(|p| (Client::Outside, format!("node:{number}/{protocol} {}", plan.family()), p)),
            );
        }
        packets
    }

    fn outside_packet(&self, to: SocketAddr, ranges: &[Cidr], protocol: Protocol) -> Option<Packet> {
        let host = &self.rules.host;
        let is_outside = |ip: &IpAddr| host.client_kind(*ip) == ClientKind::Outside && *ip != to.ip();
        let within = ranges.iter().flat_map(|range| last_addresses(*range).take(3).chain([range.network()]));
        let source = within.into_iter().find(is_outside).or_else(|| outside(&self.rules).ok())?;
        Some(Packet::plain(protocol, source, to, ClientKind::Outside))
    }

    /// An address of a Pod on this node that is not an endpoint.
    fn pod(&self, port: &ServicePort) -> Option<IpAddr> {
        let family = Family::of(port.cluster_ip);
        let host = &self.rules.host;
        let network = self.node.pod_cidrs.iter().copied().find(|net| net.family() == family);
        let network =
            network.or_else(|| host.cluster_networks.iter().copied().find(|n| n.family() == family))?;
        let is_endpoint =
            |ip: IpAddr| host.local_pods.contains(&ip) || port.endpoints.iter().any(|e| e.ip == ip);
        last_addresses(network).find(|ip| !host.is_local(*ip) && !is_endpoint(*ip))
    }

    /// The address at which node ports are served on this node: its own address if that is one.
    fn node_port_address(&self, plan: &Plan<'_>) -> Option<IpAddr> {
        let primary = self.rules.host.primary_address(plan.family());
        match plan.node_ports() {
            NodePorts::AllLocal => primary,
            NodePorts::Addresses(served) => {
                let own = primary.filter(|ip| served.contains(ip));
                own.or_else(|| served.iter().copied().find(|ip| !ip.is_loopback())).or(primary)
            }
        }
    }

    fn follow(
        &self,
        walker: &Walker<'_>,
        port: &ServicePort,
        (client, way, packet): (Client, String, Packet),
    ) -> Option<Found> {
        let outcomes = walker.walk(&packet).ok()?;
        let mut names = Names::default();
        names.add(port.cluster_ip, || Name::ClusterIp(port.name.service_name().to_string()));
        let language = self.rules.ruleset.mode().name();
        let source = RulesSource { language, ..RulesSource::default() };
        let plan = self.rules.plan.as_ref();
        let trace = Trace { packet, outcomes, rules: &source, names: &names, plan, existing: Vec::new() };
        let met: Vec<Outcome> = trace.outcomes.iter().map(|o| outcome_of(meaning(o, &trace))).collect();
        let first = met.first().copied()?;
        let outcome = if met.iter().all(|one| *one == first) { first } else { Outcome::Mixed };
        let mut found: Vec<Remark> = Vec::new();
        for one in &trace.outcomes {
            let new = remarks::remarks(one, &trace).into_iter().filter(|remark| !found.contains(remark));
            let new: Vec<Remark> = new.collect();
            found.extend(new);
        }
        let is_own =
            |to: SocketAddr| port.endpoints.iter().any(|e| e.ip == to.ip() && e.port.get() == to.port());
        let taken = outcome == Outcome::Works
            && trace.outcomes.iter().any(|o| o.destination != packet.destination && !is_own(o.destination));
        let probe = Probe {
            node: self.node.name.to_string(),
            count: self.count,
            from: packet.source,
            to: packet.destination,
            way,
            protocol: packet.protocol,
            outcome,
        };
        Some(Found { client, probe, remarks: found, taken })
    }
}

fn outcome_of(meaning: Meaning) -> Outcome {
    match meaning {
        // kube-proxy's own rules rewrite nothing past connection tracking.
        Meaning::Works { .. } | Meaning::Arrives | Meaning::AnsweredByKubeProxy => Outcome::Works,
        Meaning::Refused(_) => Outcome::Refused,
        Meaning::TimesOut(_) => Outcome::TimesOut,
        Meaning::NotServicePort(_) => Outcome::NotServicePort,
    }
}
