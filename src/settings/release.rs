//! kube-proxy's releases as data: a table of what changed when. Nothing else in the program compares version numbers.
//!
//! To add a release: add a row to [`RELEASES`], written as the previous one with its differences.

use std::str::FromStr;

mod facts;

pub use facts::*;

use GateState::{Alpha, Locked, On};

const BETA: GateState = GateState::Beta { on: true };
const BETA_OFF: GateState = GateState::Beta { on: false };
const NOT_YET: GateState = GateState::Absent { in_effect: false };
const FOR_GOOD: GateState = GateState::Absent { in_effect: true };

const V1_30: Release = Release {
    minor: 30,
    since_patch: 0,
    model: ModelFacts {
        headless_label_hides_service: true,
        proxy_name_label_hides_slice: true,
        endpoint_text_as_written: true,
        endpoints_filtered_by_address: true,
        duplicate_endpoint: DuplicateEndpoint::LocalWins,
        empty_zone_matches_hint: false,
        hint_for_unknown_zone: true,
        pod_topology_labels: false,
        zero_source_range_lifts_restriction: false,
        any_zero_cidr_is_everything: false,
        node_port_words: NodePortWords::None,
        cluster_cidr_checked_in_its_mode_only: false,
        port_range_checked: true,
        masquerade_all_flag_follows_mode: false,
        validation_paths: ValidationPaths::Versioned,
    },
    iptables: IptablesFacts { nfacct: false },
    nftables: NftablesFacts {
        layout: BaseLayout::Old,
        interface_by_name: false,
        cluster_ip_masquerade: ClusterIpMasquerade::PerPort,
        direct_dnat: false,
        firewall_element_comments: true,
        node_ip_where_no_node_port_addresses: true,
        single_endpoint_dnat: false,
        loopback_needs_fresh_table: false,
        comments_cut: false,
    },
    gates: GateTable {
        topology_aware_hints: BETA,
        service_traffic_distribution: Alpha,
        prefer_same_traffic_distribution: NOT_YET,
        nftables_proxy_mode: Alpha,
        load_balancer_ip_mode: BETA,
        multi_cidr_service_allocator: Alpha,
        allow_service_external_ips: FOR_GOOD,
        kube_proxy_nftables_localhost_node_ports: NOT_YET,
        nftables_netlink: NOT_YET,
        kube_proxy_ipvs: FOR_GOOD,
        of_others: &[],
        removed: &[],
    },
    deprecated: Deprecations { prefer_close: false, external_ips: None, ipvs_mode: false, unset_mode: false },
    api: ApiFacts { strict_addresses: false, relaxed_service_names: false },
};

const V1_31: Release = Release {
    minor: 31,
    model: ModelFacts {
        endpoint_text_as_written: false,
        node_port_words: NodePortWords::PrimaryAlone,
        cluster_cidr_checked_in_its_mode_only: true,
        port_range_checked: false,
        masquerade_all_flag_follows_mode: true,
        validation_paths: ValidationPaths::Internal,
        ..V1_30.model
    },
    iptables: IptablesFacts { nfacct: true },
    nftables: NftablesFacts {
        firewall_element_comments: false,
        node_ip_where_no_node_port_addresses: false,
        ..V1_30.nftables
    },
    gates: GateTable {
        service_traffic_distribution: BETA,
        nftables_proxy_mode: BETA,
        multi_cidr_service_allocator: BETA_OFF,
        ..V1_30.gates
    },
    ..V1_30
};

const V1_32: Release =
    Release { minor: 32, gates: GateTable { load_balancer_ip_mode: Locked, ..V1_31.gates }, ..V1_31 };

const V1_33: Release = Release {
    minor: 33,
    model: ModelFacts {
        endpoints_filtered_by_address: false,
        empty_zone_matches_hint: true,
        hint_for_unknown_zone: false,
        ..V1_32.model
    },
    gates: GateTable {
        topology_aware_hints: Locked,
        service_traffic_distribution: Locked,
        prefer_same_traffic_distribution: Alpha,
        nftables_proxy_mode: Locked,
        multi_cidr_service_allocator: BETA,
        ..V1_32.gates
    },
    ..V1_32
};

const V1_33_6: Release = Release {
    since_patch: 6,
    nftables: NftablesFacts { layout: BaseLayout::New, interface_by_name: true, ..V1_33.nftables },
    ..V1_33
};

const V1_34: Release = Release {
    minor: 34,
    since_patch: 0,
    model: ModelFacts {
        zero_source_range_lifts_restriction: true,
        any_zero_cidr_is_everything: true,
        ..V1_33.model
    },
    nftables: NftablesFacts {
        layout: BaseLayout::New,
        interface_by_name: false,
        cluster_ip_masquerade: ClusterIpMasquerade::PerAddress,
        ..V1_33.nftables
    },
    gates: GateTable {
        prefer_same_traffic_distribution: BETA,
        multi_cidr_service_allocator: Locked,
        ..V1_33.gates
    },
    deprecated: Deprecations { prefer_close: true, ..V1_33.deprecated },
    ..V1_33
};

const V1_34_2: Release = Release {
    since_patch: 2,
    nftables: NftablesFacts { interface_by_name: true, ..V1_34.nftables },
    ..V1_34
};

const V1_35: Release = Release {
    minor: 35,
    since_patch: 0,
    model: ModelFacts { pod_topology_labels: true, ..V1_34_2.model },
    gates: GateTable {
        prefer_same_traffic_distribution: Locked,
        load_balancer_ip_mode: FOR_GOOD,
        ..V1_34_2.gates
    },
    ..V1_34_2
};

const V1_36: Release = Release {
    minor: 36,
    model: ModelFacts {
        headless_label_hides_service: false,
        proxy_name_label_hides_slice: false,
        duplicate_endpoint: DuplicateEndpoint::NonTerminatingWins,
        ..V1_35.model
    },
    nftables: NftablesFacts {
        cluster_ip_masquerade: ClusterIpMasquerade::BySet,
        direct_dnat: true,
        ..V1_35.nftables
    },
    gates: GateTable {
        topology_aware_hints: FOR_GOOD,
        service_traffic_distribution: FOR_GOOD,
        allow_service_external_ips: On,
        of_others: &[("RelaxedServiceNameValidation", BETA), ("StrictIPCIDRValidation", BETA)],
        ..V1_35.gates
    },
    deprecated: Deprecations { external_ips: Some(36), ..V1_35.deprecated },
    api: ApiFacts { strict_addresses: true, relaxed_service_names: true },
    ..V1_35
};

const V1_37: Release = Release {
    minor: 37,
    model: ModelFacts { node_port_words: NodePortWords::Mixed, ..V1_36.model },
    nftables: NftablesFacts {
        single_endpoint_dnat: true,
        loopback_needs_fresh_table: true,
        comments_cut: true,
        ..V1_36.nftables
    },
    gates: GateTable {
        kube_proxy_nftables_localhost_node_ports: Alpha,
        nftables_netlink: BETA,
        kube_proxy_ipvs: On,
        of_others: &[("RelaxedServiceNameValidation", Locked), ("StrictIPCIDRValidation", BETA)],
        removed: REMOVED_IN_1_37,
        ..V1_36.gates
    },
    deprecated: Deprecations { ipvs_mode: true, unset_mode: true, ..V1_36.deprecated },
    ..V1_36
};

/// From the changelog of 1.37; kube-proxy reads none of them.
const REMOVED_IN_1_37: &[&str] = &[
    "APIServerTracing",
    "AnonymousAuthConfigurableEndpoints",
    "AnyVolumeDataSource",
    "AuthorizeNodeWithSelectors",
    "AuthorizeWithSelectors",
    "BtreeWatchCache",
    "ConsistentListFromCache",
    "GangScheduling",
    "JobBackoffLimitPerIndex",
    "JobPodReplacementPolicy",
    "JobSuccessPolicy",
    "LogarithmicScaleDown",
    "OrderedNamespaceDeletion",
    "PodLifecycleSleepAction",
    "PodLifecycleSleepActionAllowZero",
    "PreventStaticPodAPIReferences",
    "RelaxedDNSSearchValidation",
    "ResilientWatchCacheInitialization",
    "RetryGenerateName",
    "SchedulerQueueingHints",
    "SidecarContainers",
    "StreamingCollectionEncodingToJSON",
    "StreamingCollectionEncodingToProtobuf",
    "StructuredAuthenticationConfiguration",
    "WorkloadAwarePreemption",
];

/// Every row, oldest first.
pub const RELEASES: [Release; 10] =
    [V1_30, V1_31, V1_32, V1_33, V1_33_6, V1_34, V1_34_2, V1_35, V1_36, V1_37];

impl Release {
    /// The newest release.
    pub const NEWEST: Release = V1_37;

    /// The release that a node reports (`status.nodeInfo.kubeletVersion`, such as `v1.33.4-eks-1a2b3c`), or the nearest
    /// known one; none if the text is not a version of Kubernetes 1.
    pub fn reported(text: &str) -> Option<Reported> {
        let (minor, patch) = parse_version(text)?;
        if let Some(release) = Release::find(minor, patch) {
            return Some(Reported { release, known: true });
        }
        let nearest = if minor < RELEASES[0].minor { RELEASES[0] } else { Release::NEWEST };
        Some(Reported { release: nearest, known: false })
    }

    /// The row for `1.minor`, or for a patch level of it; without one, for the newest patch.
    pub fn find(minor: u16, patch: Option<u16>) -> Option<Release> {
        let patch = patch.unwrap_or(u16::MAX);
        RELEASES.into_iter().rev().find(|r| r.minor == minor && r.since_patch <= patch)
    }

    /// The minor releases known, oldest first, such as `1.30`.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = RELEASES.iter().map(Release::to_string).collect();
        names.dedup();
        names
    }
}

/// The release that a node reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reported {
    /// Its row in [`RELEASES`].
    pub release: Release,
    /// Whether it is that release; else the row is the nearest one.
    pub known: bool,
}

/// Text that is not a version, or a version that no row of [`RELEASES`] covers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a release of kube-proxy that kuberules knows ({})", Release::names().join(", "))]
pub struct UnknownRelease {
    text: String,
}

impl FromStr for Release {
    type Err = UnknownRelease;

    /// Reads `1.34`, `1.34.2`, `v1.34.2` and the forms that distributions use, such as `v1.34.2+k3s1`.
    fn from_str(text: &str) -> Result<Release, UnknownRelease> {
        parse_version(text)
            .and_then(|(minor, patch)| Release::find(minor, patch))
            .ok_or_else(|| UnknownRelease { text: text.to_owned() })
    }
}

fn parse_version(text: &str) -> Option<(u16, Option<u16>)> {
    let numbers = text.strip_prefix('v').unwrap_or(text).strip_prefix("1.")?;
    let Some((minor, patch)) = numbers.split_once('.') else {
        return Some((number(numbers)?, None));
    };
    let patch = patch.split(['-', '+']).next()?;
    Some((number(minor)?, Some(number(patch)?)))
}

fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> (u16, u16) {
        let release: Release = text.parse().unwrap();
        (release.minor, release.since_patch)
    }

    #[test]
    fn versions_find_their_row() {
        assert_eq!(row("1.30"), (30, 0));
        assert_eq!(row("v1.30.14"), (30, 0));
        assert_eq!(row("1.33"), (33, 6));
        assert_eq!(row("1.33.5"), (33, 0));
        assert_eq!(row("1.33.6"), (33, 6));
        assert_eq!(row("v1.33.13+k3s1"), (33, 6));
        assert_eq!(row("1.34.1"), (34, 0));
        assert_eq!(row("1.34.2-eks-1a2b3c"), (34, 2));
        assert_eq!(row("1.36"), (36, 0));
        assert_eq!(row("v1.37.2"), (37, 0));
    }

    #[test]
    fn wrong_versions_are_refused_with_the_list() {
        for bad in ["1.29", "1.38", "2.0", "1", "1.", "1.36.", "1.+36", "", "newest", "1.36.x", "1.99999"] {
            let error = bad.parse::<Release>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "{bad:?} is not a release of kube-proxy that kuberules knows (1.30, 1.31, 1.32, 1.33, 1.34, 1.35, 1.36, 1.37)"
                )
            );
        }
    }

    #[test]
    fn what_a_node_reports_is_clamped() {
        let reported =
            |text| Release::reported(text).map(|r| (r.release.minor, r.release.since_patch, r.known));
        assert_eq!(reported("v1.33.4"), Some((33, 0, true)));
        assert_eq!(reported("v1.33.4-eks-99d6cc0"), Some((33, 0, true)));
        assert_eq!(reported("v1.34.2+k3s1"), Some((34, 2, true)));
        assert_eq!(reported("v1.29.1"), Some((30, 0, false)));
        assert_eq!(reported("v1.38.0-alpha.2"), Some((37, 0, false)));
        assert_eq!(reported("fake"), None);
    }

    #[test]
    fn rows_stand_in_order() {
        let keys: Vec<_> = RELEASES.iter().map(|r| (r.minor, r.since_patch)).collect();
        assert!(keys.is_sorted());
        assert_eq!(RELEASES.last(), Some(&Release::NEWEST));
    }
}
