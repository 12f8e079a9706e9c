//! Known differences between modes and releases, with their codes and a sentence each.

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
    SourceRangesFromNode,
    NodePortAddressesRead,
    HeadlessLabel,
    SlicesOfOtherProxies,
    DuplicateEndpoints,
    ZoneHints,
    NodeHints,
    EmptyZone,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 20] = [
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
        Reason::SourceRangesFromNode,
        Reason::NodePortAddressesRead,
        Reason::HeadlessLabel,
        Reason::SlicesOfOtherProxies,
        Reason::DuplicateEndpoints,
        Reason::ZoneHints,
        Reason::NodeHints,
        Reason::EmptyZone,
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
            Reason::SourceRangesFromNode => "source-ranges-from-node",
            Reason::NodePortAddressesRead => "node-port-addresses-read",
            Reason::HeadlessLabel => "headless-label",
            Reason::SlicesOfOtherProxies => "slices-of-other-proxies",
            Reason::DuplicateEndpoints => "duplicate-endpoints",
            Reason::ZoneHints => "zone-hints-without-annotation",
            Reason::NodeHints => "node-hints",
            Reason::EmptyZone => "empty-zone",
        }
    }

    /// Whether it is a difference between releases only, in both modes or in one.
    pub fn is_of_releases(self) -> bool {
        matches!(
            self,
            Reason::SourceRangesFromNode
                | Reason::NodePortAddressesRead
                | Reason::HeadlessLabel
                | Reason::SlicesOfOtherProxies
                | Reason::DuplicateEndpoints
                | Reason::ZoneHints
                | Reason::NodeHints
                | Reason::EmptyZone
        )
    }

    /// A sentence for people.
    pub fn words(self) -> &'static str {
        match self {
            Reason::UndefinedPort => {
                "nftables mode rejects ports of a cluster IP that no Service has; iptables mode leaves such packets alone."
            }
            Reason::UnallocatedClusterIp => {
                "nftables mode drops packets to cluster IPs that no Service has, if it knows the ServiceCIDRs (by default from 1.33 on)."
            }
            Reason::LocalhostNodePorts => {
                "iptables mode serves IPv4 node ports on 127.0.0.1 (iptables.localhostNodePorts); nftables mode has no rules for that."
            }
            Reason::RefusedOnLoopback => {
                "with the feature gate KubeProxyNFTablesLocalhostNodePorts (1.37), nftables mode refuses node ports on loopback addresses; kube-proxy itself can serve TCP ones."
            }
            Reason::LocalnetGuard => {
                "where iptables mode serves node ports on 127.0.0.1, the chain KUBE-FIREWALL drops packets from elsewhere to loopback addresses; nftables mode needs no such guard."
            }
            Reason::LoopbackSource => {
                "where iptables mode serves node ports on 127.0.0.1, it sets route_localnet, so that packets from a loopback address can leave; nftables mode does not."
            }
            Reason::NodePortAddresses => {
                "by default (nodePortAddresses), iptables mode serves node ports on every local address, nftables mode only on the node's primary address."
            }
            Reason::NodePortRefusedEverywhere => {
                "a node port without usable endpoints is refused on every local address in iptables mode, only on those that serve node ports in nftables mode."
            }
            Reason::HairpinLocalOnly => {
                "from 1.36 on, nftables mode masquerades an endpoint that connects to itself only on the endpoint's own node."
            }
            Reason::SourceRangesBeforeReject => {
                "without endpoints, iptables mode refuses connections to the load balancer's IP from everywhere; nftables mode first drops those from outside the source ranges."
            }
            Reason::RefusalFromNode => {
                "for external addresses without usable endpoints, iptables mode refuses only what passes INPUT and FORWARD; nftables mode also refuses what the node itself sends."
            }
            Reason::CheckedBeforeForwarding => {
                "up to 1.33.5, nftables mode checks for local endpoints before it forwards what the node itself sends: with externalTrafficPolicy Local and no endpoint on the node, that is dropped although endpoints elsewhere would serve it (kubernetes/kubernetes 131765)."
            }
            Reason::SourceRangesFromNode => {
                "up to 1.33.5, nftables mode refuses what the node itself sends to a load balancer's IP without endpoints; from 1.33.6 on it first drops what comes from outside the source ranges."
            }
            Reason::NodePortAddressesRead => {
                "releases read the same nodePortAddresses differently: where networks are given but none of the family, nftables mode of 1.30 serves node ports on the node's IP, later releases on every local address; any network of length 0 means every address from 1.34 on, before only 0.0.0.0/0 and ::/0."
            }
            Reason::HeadlessLabel => {
                "kube-proxy up to 1.35 ignores a Service with the label service.kubernetes.io/headless even where it has a cluster IP; from 1.36 on it serves it."
            }
            Reason::SlicesOfOtherProxies => {
                "kube-proxy up to 1.35 ignores EndpointSlices with the label service.kubernetes.io/service-proxy-name; from 1.36 on it uses their endpoints: only the Service's label counts."
            }
            Reason::DuplicateEndpoints => {
                "where several EndpointSlices have the same address and port, kube-proxy up to 1.35 prefers the entry with the node's own name; from 1.36 on, one that is not terminating."
            }
            Reason::ZoneHints => {
                "kube-proxy 1.30 uses zone hints only where an annotation of the Service asks for them; from 1.31 on (ServiceTrafficDistribution) they count for every Service whose endpoints all have them."
            }
            Reason::NodeHints => {
                "from 1.34 on (PreferSameTrafficDistribution) node hints count: a node for which an endpoint is hinted sends to no other."
            }
            Reason::EmptyZone => {
                "from 1.33 on a Node without a zone uses endpoints that are hinted for the zone \"\"; before it ignored all zone hints."
            }
        }
    }
}
