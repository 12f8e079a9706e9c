//! Known differences between modes and releases: which of them explains why connections have another outcome.

use std::net::IpAddr;

use super::names::Names;
use super::{Difference, End, OutcomeSet};
use crate::net::Cidr;
use crate::plan::{LoopbackNodePorts, NodePorts, Plan};
use crate::settings::ProxyMode;
use crate::settings::release::BaseLayout;
use crate::walk::{ClientKind, Verdict};

/// What one side does by its mode, its release and its configuration.
#[derive(Debug, Clone)]
pub struct SideFacts {
    /// The mode.
    pub mode: ProxyMode,
    node_ports: NodePorts,
    /// Cluster IPs that no Service has are dropped.
    service_cidrs: Vec<Cidr>,
    /// Node ports are served on 127.0.0.1, for which the kernel lets loopback addresses out of `lo`, and a rule guards
    /// them.
    localhost_node_ports: bool,
    /// Node ports are refused on loopback addresses by rule (KEP-6032).
    refuses_on_loopback: bool,
    /// Only endpoints on this node get their source rewritten when they call themselves.
    local_hairpin_only: bool,
    /// What the node itself sends is checked before it is forwarded.
    checks_output_first: bool,
}

impl SideFacts {
    /// Of a plan.
    pub fn new(plan: &Plan<'_>) -> SideFacts {
        let nftables = plan.mode() == ProxyMode::Nftables;
        SideFacts {
            mode: plan.mode(),
            node_ports: plan.node_ports().clone(),
            service_cidrs: if nftables { plan.service_cidrs().to_vec() } else { Vec::new() },
            localhost_node_ports: !nftables && plan.localhost_node_ports(),
            refuses_on_loopback: plan.loopback_node_ports() != LoopbackNodePorts::Untouched,
            local_hairpin_only: nftables && plan.release().nftables.direct_dnat,
            checks_output_first: nftables && plan.release().nftables.layout == BaseLayout::Old,
        }
    }

    fn serves_node_ports_on(&self, ip: IpAddr) -> bool {
        match &self.node_ports {
            NodePorts::AllLocal => !ip.is_loopback() || self.localhost_node_ports,
            NodePorts::Addresses(addresses) => addresses.contains(&ip),
        }
    }
}

/// Why the outcome differs. Codes are stable; words are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words say what they are")]
pub enum Reason {
    UndefinedPort,
    UnallocatedClusterIp,
    LocalhostNodePorts,
    RefusedOnLoopback,
    LocalnetGuard,
    LoopbackSource,
    NodePortAddresses,
    NodePortRefusedEverywhere,
    HairpinLocalOnly,
    SourceRangesBeforeReject,
    RefusalFromNode,
    CheckedBeforeForwarding,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 12] = [
        Reason::UndefinedPort,
        Reason::UnallocatedClusterIp,
        Reason::LocalhostNodePorts,
        Reason::RefusedOnLoopback,
        Reason::LocalnetGuard,
        Reason::LoopbackSource,
        Reason::NodePortAddresses,
        Reason::NodePortRefusedEverywhere,
        Reason::HairpinLocalOnly,
        Reason::SourceRangesBeforeReject,
        Reason::RefusalFromNode,
        Reason::CheckedBeforeForwarding,
    ];

    /// The code, in kebab case.
    pub fn code(self) -> &'static str {
        match self {
            Reason::UndefinedPort => "undefined-port-rejected",
            Reason::UnallocatedClusterIp => "unallocated-cluster-ip-dropped",
            Reason::LocalhostNodePorts => "localhost-node-ports",
            Reason::RefusedOnLoopback => "refused-on-loopback",
            Reason::LocalnetGuard => "localnet-guard",
            Reason::LoopbackSource => "loopback-source",
            Reason::NodePortAddresses => "node-port-addresses",
            Reason::NodePortRefusedEverywhere => "node-port-refused-everywhere",
            Reason::HairpinLocalOnly => "hairpin-local-only",
            Reason::SourceRangesBeforeReject => "source-ranges-before-reject",
            Reason::RefusalFromNode => "refusal-from-node",
            Reason::CheckedBeforeForwarding => "checked-before-forwarding",
        }
    }

    /// A sentence for people.
    pub fn words(self) -> &'static str {
        match self {
            Reason::UndefinedPort => {
                "nftables mode rejects ports of a cluster IP that no Service has; iptables mode leaves such packets alone."
            }
            Reason::UnallocatedClusterIp => {
                "nftables mode drops packets to cluster IPs that no Service has, where ServiceCIDRs are known (from 1.33 on by default)."
            }
            Reason::LocalhostNodePorts => {
                "iptables mode serves IPv4 node ports on 127.0.0.1 (iptables.localhostNodePorts); no rule of nftables mode does."
            }
            Reason::RefusedOnLoopback => {
                "with the feature gate KubeProxyNFTablesLocalhostNodePorts (1.37), nftables mode refuses node ports on loopback addresses; those of TCP kube-proxy may serve itself."
            }
            Reason::LocalnetGuard => {
                "where iptables mode serves node ports on 127.0.0.1, the chain KUBE-FIREWALL drops packets to loopback addresses from others; nftables mode needs no such guard."
            }
            Reason::LoopbackSource => {
                "where iptables mode serves node ports on 127.0.0.1, it sets route_localnet, so that packets from a loopback address can leave; nftables mode does not."
            }
            Reason::NodePortAddresses => {
                "the default of nodePortAddresses is every local address in iptables mode, the node's primary address in nftables mode."
            }
            Reason::NodePortRefusedEverywhere => {
                "a node port without usable endpoints is refused on every local address in iptables mode, only on those that serve node ports in nftables mode."
            }
            Reason::HairpinLocalOnly => {
                "from 1.36 on, nftables mode rewrites the source of an endpoint that calls itself only on the endpoint's own node."
            }
            Reason::SourceRangesBeforeReject => {
                "without endpoints, iptables mode rejects traffic to the load balancer's address from everywhere; nftables mode drops what lies outside the source ranges first."
            }
            Reason::RefusalFromNode => {
                "iptables mode refuses traffic to external addresses without usable endpoints in INPUT and FORWARD; nftables mode also on the way out of the node."
            }
            Reason::CheckedBeforeForwarding => {
                "up to 1.33.5 and 1.34.1, nftables mode asks for local endpoints before it forwards what the node itself sends: with externalTrafficPolicy Local and no endpoint on the node that is dropped, though endpoints elsewhere would serve it (kubernetes/kubernetes 131765)."
            }
        }
    }
}

/// The reason for a difference, where it is a known one.
pub fn explain(
    difference: &Difference,
    names: &Names,
    (old, new): (&SideFacts, &SideFacts),
) -> Option<Reason> {
    let forward = View { difference, names, a: (&difference.old, old), b: (&difference.new, new) };
    let backward = View { difference, names, a: (&difference.new, new), b: (&difference.old, old) };
    Reason::ALL.into_iter().find(|reason| forward.is(*reason) || backward.is(*reason))
}

/// A difference, seen from the side `a` that does what `b` does not.
struct View<'d> {
    difference: &'d Difference,
    names: &'d Names,
    a: (&'d OutcomeSet, &'d SideFacts),
    b: (&'d OutcomeSet, &'d SideFacts),
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
                node_port
                    && self.a.1.serves_node_ports_on(destination)
                    && !self.b.1.serves_node_ports_on(destination)
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
            Reason::CheckedBeforeForwarding => {
                self.b.1.checks_output_first
                    && !self.a.1.checks_output_first
                    && self.difference.packet.client == ClientKind::Node
                    && matches!(kind, Some("load-balancer IP" | "external IP" | "node port"))
                    && self.a.0.all(|end| end.verdict == Verdict::Accept)
                    && self.b.0.all(dropped)
            }
            Reason::RefusalFromNode => {
                iptables_and_nftables
                    && self.difference.packet.client == ClientKind::Node
                    && matches!(kind, Some("load-balancer IP" | "external IP"))
                    && self.untouched(self.a.0)
                    && self.b.0.all(|end| rejected(end) || dropped(end))
            }
        }
    }

    fn kind(&self) -> Option<&'static str> {
        let to = &self.difference.to;
        let port = to.port?;
        let name = self.names.find(to.representative.ip(), to.protocol, port, to.own)?;
        Some(name.kind)
    }

    fn untouched(&self, outcome_set: &OutcomeSet) -> bool {
        let original = self.difference.to.representative;
        outcome_set
            .all(|end| end.verdict == Verdict::Accept && end.destination == Some(original) && !end.snat)
    }

    /// Whether nothing differs but whether the source is rewritten when it is the destination.
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
