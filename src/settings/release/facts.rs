//! What can be specific to a release of kube-proxy: the columns of the table.

use std::fmt;

/// A release of kube-proxy: its version, and what is specific to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Release {
    /// `1.minor`
    pub minor: u16,
    /// The first patch level from which this row holds.
    pub since_patch: u16,
    /// Model and configuration, common to both modes.
    pub model: ModelFacts,
    /// Differences of the iptables rules.
    pub iptables: IptablesFacts,
    /// Differences of the nftables rules.
    pub nftables: NftablesFacts,
    /// Default and lock of each feature gate.
    pub gates: GateTable,
    /// What the API calls deprecated.
    pub deprecated: Deprecations,
    /// What the API server of the same release accepts.
    pub api: ApiFacts,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

/// Which Services, slices and endpoints count, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelFacts {
    /// Whether a Service with the label `service.kubernetes.io/headless` is ignored (to 1.35).
    pub headless_label_hides_service: bool,
    /// Whether a slice with the label `service.kubernetes.io/service-proxy-name` is ignored (to 1.35).
    pub proxy_name_label_hides_slice: bool,
    /// Endpoint addresses go into the rules as written (to 1.30); later they are printed canonically.
    pub endpoint_text_as_written: bool,
    /// Endpoints of the other family are dropped one by one (to 1.32); later only `addressType` counts.
    pub endpoints_filtered_by_address: bool,
    /// Which of two endpoints with the same address and port is kept.
    pub duplicate_endpoint: DuplicateEndpoint,
    /// A node without a zone can match a hint for the zone named "" (from 1.33).
    pub empty_zone_matches_hint: bool,
    /// `trafficDistribution` gives an endpoint in an unknown zone a hint for the zone named "" (to 1.32), in the
    /// EndpointSlice controller of the same release.
    pub hint_for_unknown_zone: bool,
    /// The API server copies a Node's zone and region labels to its Pods (PodTopologyLabelsAdmission, on by default
    /// from 1.35).
    pub pod_topology_labels: bool,
    /// A source range of length 0 empties the family's list (from 1.34).
    pub zero_source_range_lifts_restriction: bool,
    /// Any network of length 0 in nodePortAddresses means everything (from 1.34); before only `0.0.0.0/0` and `::/0`.
    pub any_zero_cidr_is_everything: bool,
    /// Which words nodePortAddresses accepts besides networks.
    pub node_port_words: NodePortWords,
    /// `clusterCIDR` is only validated in the mode ClusterCIDR (from 1.31).
    pub cluster_cidr_checked_in_its_mode_only: bool,
    /// `portRange` is parsed, and a bad value is refused (to 1.30).
    pub port_range_checked: bool,
    /// `--masquerade-all` sets the field of the active mode (from 1.31); before, always that of iptables.
    pub masquerade_all_flag_follows_mode: bool,
    /// How kube-proxy names fields when it refuses a configuration.
    pub validation_paths: ValidationPaths,
}

/// How kube-proxy names fields when it refuses a configuration (pkg/proxy/apis/config/validation/validation.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValidationPaths {
    /// By the fields of v1alpha1 (to 1.30).
    Versioned,
    /// By the internal type, in which `detectLocal`, `conntrack` and the sync periods are in other places (from 1.31).
    Internal,
}

/// Which words nodePortAddresses accepts besides networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodePortWords {
    /// None (to 1.30).
    None,
    /// `primary`, as the only entry of the list (1.31 to 1.36).
    PrimaryAlone,
    /// `primary`, `localhost` and `all`, freely mixed with networks (from 1.37).
    Mixed,
}

/// Which of two endpoints with the same address and port is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateEndpoint {
    /// The first, unless a later one is local.
    LocalWins,
    /// The last that is not terminating.
    NonTerminatingWins,
}

/// Differences of the iptables rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IptablesFacts {
    /// Packets are counted by nfacct if the kernel supports that (from 1.31).
    pub nfacct: bool,
}

/// Differences of the nftables rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NftablesFacts {
    /// Base chains at -110/-90 (old) or 0 and -110 (new).
    pub layout: BaseLayout,
    /// `iifname` instead of `iif`, which needs the interface to exist when the rules load.
    pub interface_by_name: bool,
    /// Where ClusterIP traffic from outside is marked.
    pub cluster_ip_masquerade: ClusterIpMasquerade,
    /// Packets are marked directly instead of by `jump mark-for-masquerade`, hairpin traffic by the set
    /// `hairpin-connections` instead of by a rule per endpoint, and there are no endpoint chains without affinity
    /// (1.36).
    pub direct_dnat: bool,
    /// Elements of `firewall-ips` have a comment (1.30).
    pub firewall_element_comments: bool,
    /// nodePortAddresses, if unset or without networks of the family, means the node's address of that family (1.30);
    /// later `primary`.
    pub node_ip_where_no_node_port_addresses: bool,
    /// A chain with one endpoint, and without affinity, sends to it directly (from 1.37).
    pub single_endpoint_dnat: bool,
    /// A sync fails if it changes loopback addresses from rejected to served over an existing table (142183; 1.37).
    pub loopback_needs_fresh_table: bool,
    /// Comments of elements are cut to the length that nft accepts (from 1.37); before, nft refused a longer one, and
    /// with it all rules.
    pub comments_cut: bool,
}

/// Base chains of the nftables table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseLayout {
    /// To 1.33.5.
    Old,
    /// From 1.33.6.
    New,
}

/// Where ClusterIP traffic from outside is marked for masquerading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterIpMasquerade {
    /// In each Service port's chain, for its address, protocol and port (to 1.33).
    PerPort,
    /// In each Service port's chain, for its address (1.34, 1.35).
    PerAddress,
    /// Once, for the set `cluster-ips` (1.36).
    BySet,
}

/// What the API server accepts, as far as releases differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiFacts {
    /// Addresses with leading zeros, IPv4 within IPv6, and networks with host bits are refused (StrictIPCIDRValidation,
    /// KEP-4858; by default from 1.36).
    pub strict_addresses: bool,
    /// Names of Services may begin with a digit (RelaxedServiceNameValidation, KEP-5311; by default from 1.36).
    pub relaxed_service_names: bool,
}

/// A change that is announced for a release which has no row yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// `1.minor` of the release.
    pub minor: u16,
}

impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

/// The default of `mode` changes to nftables (kubernetes/kubernetes 139957).
pub const NFTABLES_BY_DEFAULT: Announced = Announced { minor: 40 };

/// The gate KubeProxyIPVS is off (139397).
pub const IPVS_OFF: Announced = Announced { minor: 40 };

/// The gate AllowServiceExternalIPs is off (KEP-5707).
pub const EXTERNAL_IPS_OFF: Announced = Announced { minor: 40 };

/// The API server always requires addresses in the strict form (StrictIPCIDRValidation is GA, 141979).
pub const STRICT_ADDRESSES: Announced = Announced { minor: 38 };

/// What the API deprecates, although it still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deprecations {
    /// `trafficDistribution: PreferClose`, since `PreferSameZone` exists (KEP-3015, usable by default from 1.34).
    pub prefer_close: bool,
    /// `spec.externalIPs` (KEP-5707, from 1.36): since which minor release.
    pub external_ips: Option<u16>,
    /// `mode: ipvs`, behind the gate KubeProxyIPVS (from 1.37).
    pub ipvs_mode: bool,
    /// `mode` unset, since the default will change to nftables (from 1.37).
    pub unset_mode: bool,
}

/// State of a feature gate in a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    /// The release does not know the name; what the gate controls may still be in effect.
    Absent {
        /// Whether the release behaves as if the gate were on.
        in_effect: bool,
    },
    /// Off unless set, by name or by `AllAlpha`.
    Alpha,
    /// On or off unless set, by name or by `AllBeta`.
    Beta {
        /// The default.
        on: bool,
    },
    /// On unless set by name.
    On,
    /// On; setting it to false is refused.
    Locked,
}

/// Feature gates of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the gates are")]
pub struct GateTable {
    pub topology_aware_hints: GateState,
    pub service_traffic_distribution: GateState,
    pub prefer_same_traffic_distribution: GateState,
    pub nftables_proxy_mode: GateState,
    pub load_balancer_ip_mode: GateState,
    pub multi_cidr_service_allocator: GateState,
    pub allow_service_external_ips: GateState,
    pub kube_proxy_nftables_localhost_node_ports: GateState,
    pub nftables_netlink: GateState,
    pub kube_proxy_ipvs: GateState,
    /// Gates of other components that the release knows, without effect on rules.
    pub of_others: &'static [(&'static str, GateState)],
    /// Names that earlier releases knew and this one does not: upstream kube-proxy exits because of them.
    pub removed: &'static [&'static str],
}
