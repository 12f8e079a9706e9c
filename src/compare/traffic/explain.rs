//! Which known difference between modes and releases is the reason that connections have another outcome: found from
//! what the plans of both sides do, never from the text of rules.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use compact_str::format_compact;

use super::names::{Name, Names};
use super::reasons::Reason;
use super::{Difference, End, OutcomeSet};
use crate::net::{Cidr, Protocol};
use crate::plan::{self, EndpointRule, LoopbackNodePorts, NodePorts, Plan, ServicePortPlan};
use crate::settings::ProxyMode;
use crate::settings::release::BaseLayout;
use crate::walk::{ClientKind, Verdict};

/// What one side does because of its mode, its release and its configuration.
#[derive(Debug, Clone)]
pub struct SideFacts<'p> {
    plan: &'p Plan<'p>,
    /// The mode.
    pub mode: ProxyMode,
    node_ports: NodePorts,
    /// Networks in which cluster IPs without a Service are dropped.
    service_cidrs: Vec<Cidr>,
    /// Node ports are served on 127.0.0.1: the kernel lets loopback addresses leave `lo`, and a rule guards them.
    localhost_node_ports: bool,
    /// Rules refuse node ports on loopback addresses (KEP-6032).
    refuses_on_loopback: bool,
    /// Only endpoints on this node are masqueraded when they connect to themselves.
    local_hairpin_only: bool,
    /// Packets of the node itself are checked before they are forwarded.
    checks_output_first: bool,
}

impl<'p> SideFacts<'p> {
    /// The facts of a plan.
    pub fn new(plan: &'p Plan<'p>) -> SideFacts<'p> {
        let nftables = plan.mode() == ProxyMode::Nftables;
        SideFacts {
            plan,
            mode: plan.mode(),
            node_ports: plan.node_ports().clone(),
            service_cidrs: if nftables { plan.service_cidrs().to_vec() } else { Vec::new() },
            localhost_node_ports: !nftables && plan.localhost_node_ports(),
            refuses_on_loopback: plan.loopback_node_ports() != LoopbackNodePorts::Untouched,
            local_hairpin_only: nftables && plan.release().nftables.direct_dnat,
            checks_output_first: nftables && plan.release().nftables.layout == BaseLayout::Old,
        }
    }

    /// Whether kube-proxy itself answers at this address, without any rule.
    pub(super) fn listens_itself(&self, to: SocketAddr, protocol: Protocol) -> bool {
        self.plan.listener(to, protocol).is_some()
    }

    fn serves_node_ports_on(&self, ip: IpAddr) -> bool {
        match &self.node_ports {
            NodePorts::AllLocal => !ip.is_loopback() || self.localhost_node_ports,
            NodePorts::Addresses(addresses) => addresses.contains(&ip),
        }
    }
}

/// The reason for a difference, if it is known.
pub fn explain(
    difference: &Difference,
    names: &Names,
    (old, new): (&SideFacts<'_>, &SideFacts<'_>),
) -> Option<Reason> {
    let forward = View { difference, names, a: (&difference.old, old), b: (&difference.new, new) };
    let backward = View { difference, names, a: (&difference.new, new), b: (&difference.old, old) };
    let found = Reason::ALL.into_iter().find(|reason| forward.is(*reason) || backward.is(*reason));
    found.or_else(|| forward.by_endpoints())
}

/// A difference, seen from the side `a` that does what `b` does not.
struct View<'d> {
    difference: &'d Difference,
    names: &'d Names,
    a: (&'d OutcomeSet, &'d SideFacts<'d>),
    b: (&'d OutcomeSet, &'d SideFacts<'d>),
}

impl View<'_> {
    fn is(&self, reason: Reason) -> bool {
        let destination = self.difference.to.representative.ip();
        let kind = self.kind();
        let node_port = kind == Some("node port");
        let iptables_and_nftables =
            self.a.1.mode == ProxyMode::Iptables && self.b.1.mode == ProxyMode::Nftables;
        let by_localhost = self.a.1.localhost_node_ports && !self.b.1.localhost_node_ports;
        match reason {
            Reason::RefusedOnLoopback => {
                self.a.1.refuses_on_loopback
                    && !self.b.1.refuses_on_loopback
                    && destination.is_loopback()
                    && self.a.0.all(rejected)
            }
            Reason::UndefinedPort => {
                iptables_and_nftables
                    && self.names.cluster_ip(destination).is_some()
                    && kind.is_none()
                    && self.untouched(self.a.0)
                    && self.b.0.all(rejected)
            }
            Reason::UnallocatedClusterIp => {
                self.b.1.service_cidrs.iter().any(|net| net.contains(destination))
                    && !self.a.1.service_cidrs.iter().any(|net| net.contains(destination))
                    && kind.is_none()
                    && self.untouched(self.a.0)
                    && self.b.0.all(dropped)
            }
            Reason::LocalhostNodePorts => by_localhost && destination.is_loopback() && node_port,
            Reason::LocalnetGuard => {
                by_localhost
                    && destination.is_loopback()
                    && !self.difference.packet.source.is_loopback()
                    && self.a.0.all(dropped)
                    && self.untouched(self.b.0)
            }
            Reason::LoopbackSource => by_localhost && self.difference.packet.source.is_loopback(),
            Reason::NodePortAddresses => {
                node_port && self.a.1.mode != self.b.1.mode && self.serves_node_ports_on_one_side(destination)
            }
            Reason::NodePortAddressesRead => {
                let (a, b) = (self.a.1.plan, self.b.1.plan);
                node_port
                    && a.mode() == b.mode()
                    && a.release() != b.release()
                    && a.node_port_addresses() == b.node_port_addresses()
                    && self.serves_node_ports_on_one_side(destination)
            }
            Reason::NodePortRefusedEverywhere => {
                iptables_and_nftables
                    && node_port
                    && !self.b.1.serves_node_ports_on(destination)
                    && self.a.0.all(|end| rejected(end) || dropped(end))
            }
            Reason::HairpinLocalOnly => {
                self.b.1.local_hairpin_only && !self.a.1.local_hairpin_only && self.differs_in_hairpin()
            }
            Reason::SourceRangesBeforeReject => {
                iptables_and_nftables
                    && kind == Some("load-balancer IP")
                    && self.a.0.all(rejected)
                    && self.b.0.all(dropped)
            }
            Reason::CheckedBeforeForwarding | Reason::SourceRangesFromNode | Reason::RefusalFromNode => {
                self.difference.packet.client == ClientKind::Node && self.is_of_node(reason)
            }
            Reason::HeadlessLabel => self.is_hidden_by_label(),
            Reason::SlicesOfOtherProxies
            | Reason::DuplicateEndpoints
            | Reason::ZoneHints
            | Reason::NodeHints
            | Reason::EmptyZone => false,
        }
    }

    /// Whether this applies only to the node itself.
    fn is_of_node(&self, reason: Reason) -> bool {
        let kind = self.kind();
        let checks_first = self.a.1.checks_output_first;
        match reason {
            Reason::CheckedBeforeForwarding => {
                self.b.1.checks_output_first
                    && !checks_first
                    && matches!(kind, Some("load-balancer IP" | "external IP" | "node port"))
                    && self.a.0.all(|end| end.verdict == Verdict::Accept)
                    && self.b.0.all(dropped)
            }
            Reason::SourceRangesFromNode => {
                checks_first
                    && self.b.1.mode == ProxyMode::Nftables
                    && !self.b.1.checks_output_first
                    && kind == Some("load-balancer IP")
                    && self.a.0.all(rejected)
                    && self.b.0.all(dropped)
            }
            Reason::RefusalFromNode => {
                self.a.1.mode == ProxyMode::Iptables
                    && self.b.1.mode == ProxyMode::Nftables
                    && matches!(kind, Some("load-balancer IP" | "external IP"))
                    && self.untouched(self.a.0)
                    && self.b.0.all(|end| rejected(end) || dropped(end))
            }
            _ => false,
        }
    }

    fn serves_node_ports_on_one_side(&self, ip: IpAddr) -> bool {
        self.a.1.serves_node_ports_on(ip) && !self.b.1.serves_node_ports_on(ip)
    }

    /// Whether the Service has the label that makes one side ignore it.
    fn is_hidden_by_label(&self) -> bool {
        let hides = |side: &SideFacts<'_>| side.plan.release().model.headless_label_hides_service;
        let has_label = |port: &ServicePortPlan<'_>| port.service_port().has_headless_label;
        if !hides(self.a.1) || hides(self.b.1) {
            return false;
        }
        let at_cluster_ip = || self.names.cluster_ip(self.difference.to.representative.ip());
        let Some(service) = self.name().map(|name| &name.service).or_else(at_cluster_ip) else {
            return false;
        };
        self.a.1.plan.ports_of(service).is_empty() && self.b.1.plan.ports_of(service).iter().any(has_label)
    }

    /// The rule by which the sides choose endpoints for the Service port, if that is the reason.
    fn by_endpoints(&self) -> Option<Reason> {
        if self.a.1.plan.chooses_endpoints_like(self.b.1.plan) {
            return None;
        }
        let (old, new) = (self.port(self.a.1)?, self.port(self.b.1)?);
        let rule = plan::rule_that_differs((self.a.1.plan, old), (self.b.1.plan, new))?;
        self.is_masqueraded_alike().then_some(match rule {
            EndpointRule::SlicesOfOtherProxies => Reason::SlicesOfOtherProxies,
            EndpointRule::Duplicates => Reason::DuplicateEndpoints,
            EndpointRule::ZoneHints => Reason::ZoneHints,
            EndpointRule::NodeHints => Reason::NodeHints,
            EndpointRule::EmptyZone => Reason::EmptyZone,
        })
    }

    /// Whether both sides masquerade alike, except if the packet goes back to its source.
    fn is_masqueraded_alike(&self) -> bool {
        let source = self.difference.packet.source;
        let snat = |(outcomes, _): (&OutcomeSet, &SideFacts<'_>)| -> BTreeSet<bool> {
            let others =
                outcomes.ends().filter(|(_, end, _)| end.destination.is_some_and(|to| to.ip() != source));
            others.map(|(_, end, _)| end.snat).collect()
        };
        let (a, b) = (snat(self.a), snat(self.b));
        a.is_empty() || b.is_empty() || a == b
    }

    /// The Service port at the destination, if a side has it.
    fn port<'p>(&self, side: &SideFacts<'p>) -> Option<&'p ServicePortPlan<'p>> {
        let name = self.name()?;
        let protocol = self.difference.to.protocol;
        let is_it = |port: &&ServicePortPlan<'_>| {
            let own = &port.service_port().name;
            own.protocol() == protocol && format_compact!("{own}") == name.service_port
        };
        side.plan.ports_of(&name.service).iter().find(is_it)
    }

    fn name(&self) -> Option<&Name> {
        let to = &self.difference.to;
        self.names.find(to.representative.ip(), to.protocol, to.port?, to.own)
    }

    fn kind(&self) -> Option<&'static str> {
        Some(self.name()?.kind)
    }

    fn untouched(&self, outcome_set: &OutcomeSet) -> bool {
        let original = self.difference.to.representative;
        outcome_set
            .all(|end| end.verdict == Verdict::Accept && end.destination == Some(original) && !end.snat)
    }

    /// Whether the only difference is masquerading when the source is the destination.
    fn differs_in_hairpin(&self) -> bool {
        let source = self.difference.packet.source;
        let plain = |outcome_set: &OutcomeSet| {
            outcome_set.with_snat(|end| end.snat && end.destination.is_none_or(|to| to.ip() != source))
        };
        plain(self.a.0).contrast(&plain(self.b.0)).is_none()
    }
}

fn rejected(end: &End) -> bool {
    matches!(end.verdict, Verdict::Reject(_))
}

fn dropped(end: &End) -> bool {
    end.verdict == Verdict::Drop
}
