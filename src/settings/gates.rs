//! Feature gates: what the release has, and what was set (k8s.io/component-base/featuregate).

use std::collections::BTreeMap;

use super::Gates;
use super::release::{GateState, GateTable};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// Sets all gates of this maturity that are not set by name.
const ALL_ALPHA: &str = "AllAlpha";
const ALL_BETA: &str = "AllBeta";

/// Gates known here, with their places in the table and in the settings.
type Row = (&'static str, fn(&GateTable) -> GateState, fn(&mut Gates) -> &mut bool);

const ROWS: [Row; 10] = [
    ("TopologyAwareHints", |t| t.topology_aware_hints, |g| &mut g.topology_aware_hints),
    (
        "ServiceTrafficDistribution",
        |t| t.service_traffic_distribution,
        |g| &mut g.service_traffic_distribution,
    ),
    (
        "PreferSameTrafficDistribution",
        |t| t.prefer_same_traffic_distribution,
        |g| &mut g.prefer_same_traffic_distribution,
    ),
    ("NFTablesProxyMode", |t| t.nftables_proxy_mode, |g| &mut g.nftables_proxy_mode),
    ("LoadBalancerIPMode", |t| t.load_balancer_ip_mode, |g| &mut g.load_balancer_ip_mode),
    (
        "MultiCIDRServiceAllocator",
        |t| t.multi_cidr_service_allocator,
        |g| &mut g.multi_cidr_service_allocator,
    ),
    ("AllowServiceExternalIPs", |t| t.allow_service_external_ips, |g| &mut g.allow_service_external_ips),
    (
        "KubeProxyNFTablesLocalhostNodePorts",
        |t| t.kube_proxy_nftables_localhost_node_ports,
        |g| &mut g.kube_proxy_nftables_localhost_node_ports,
    ),
    ("NFTablesNetlink", |t| t.nftables_netlink, |g| &mut g.nftables_netlink),
    ("KubeProxyIPVS", |t| t.kube_proxy_ipvs, |g| &mut g.kube_proxy_ipvs),
];

/// What a release knows about a gate with this name; none if it does not know it.
fn state(table: &GateTable, name: &str) -> Option<GateState> {
    let own = ROWS.iter().find(|(known, ..)| *known == name).map(|(_, state, _)| state(table));
    let removed = || table.removed.contains(&name).then_some(GateState::Absent { in_effect: true });
    let of_others = || table.of_others.iter().find(|(known, _)| *known == name).map(|(_, state)| *state);
    own.or_else(removed).or_else(of_others)
}

/// The gates in effect, and what is wrong with those set.
pub(super) fn resolve(table: &GateTable, set: &BTreeMap<String, bool>) -> (Gates, Diagnostics) {
    let mut gates = Gates {
        topology_aware_hints: false,
        service_traffic_distribution: false,
        prefer_same_traffic_distribution: false,
        nftables_proxy_mode: false,
        load_balancer_ip_mode: false,
        multi_cidr_service_allocator: false,
        allow_service_external_ips: false,
        kube_proxy_nftables_localhost_node_ports: false,
        nftables_netlink: false,
        kube_proxy_ipvs: false,
    };
    for (name, state, field) in ROWS {
        *field(&mut gates) = in_effect(state(table), name, set);
    }
    let mut found = Diagnostics::default();
    for (name, on) in set {
        if let Some(diagnostic) = fault(table, name, *on) {
            found.push(diagnostic);
        }
    }
    (gates, found)
}

fn in_effect(state: GateState, name: &str, set: &BTreeMap<String, bool>) -> bool {
    let by_name = set.get(name).copied();
    let or_by_maturity = |maturity, default| by_name.or(set.get(maturity).copied()).unwrap_or(default);
    match state {
        GateState::Absent { in_effect } => in_effect,
        GateState::Locked => true,
        GateState::On => by_name.unwrap_or(true),
        GateState::Alpha => or_by_maturity(ALL_ALPHA, false),
        GateState::Beta { on } => or_by_maturity(ALL_BETA, on),
    }
}

fn fault(table: &GateTable, name: &str, on: bool) -> Option<Diagnostic> {
    if name == ALL_ALPHA || name == ALL_BETA {
        return None;
    }
    match state(table, name) {
        Some(GateState::Absent { .. }) => Some(
            Diagnostic::error(format!("featureGates: unrecognized feature gate: {name}"))
                .help("this release of kube-proxy does not know it; leave it out"),
        ),
        Some(GateState::Locked) if !on => Some(
            Diagnostic::error(format!(
                "featureGates: cannot set feature gate {name} to false, feature is locked to true"
            ))
            .help("leave it out"),
        ),
        Some(_) => None,
        None if is_gate_name(name) => {
            Some(Diagnostic::warning(format!("featureGates: {name} is not known to kuberules; ignored")))
        }
        None => Some(Diagnostic::error(format!("featureGates: unrecognized feature gate: {name}"))),
    }
}

fn is_gate_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Reads `A=true,B=false` as `--feature-gates` does (k8s.io/component-base/cli/flag, MapStringBool).
///
/// # Errors
/// A pair without `=` or with a value that Go does not read as a boolean.
pub fn parse_feature_gates(text: &str) -> Result<BTreeMap<String, bool>, String> {
    let mut gates = BTreeMap::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("malformed pair {pair:?}, expect NAME=true or NAME=false"))?;
        let on = parse_go_bool(value.trim())
            .ok_or_else(|| format!("invalid value {value:?} of {}, expect true or false", name.trim()))?;
        gates.insert(name.trim().to_owned(), on);
    }
    Ok(gates)
}

/// Reads what strconv.ParseBool does.
pub fn parse_go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::release::Release;

    fn gates_of(version: &str, set: &str) -> (Gates, Vec<String>) {
        let release: Release = version.parse().unwrap();
        let (gates, found) = resolve(&release.gates, &parse_feature_gates(set).unwrap());
        (gates, found.iter().map(ToString::to_string).collect())
    }

    /// One letter per row of the table, in its order; upper case means on.
    fn letters(version: &str, set: &str) -> String {
        let (mut gates, _) = gates_of(version, set);
        let letter = |c: char, on: bool| if on { c.to_ascii_uppercase() } else { c };
        "tspnlmaolv".chars().zip(ROWS).map(|(c, (_, _, field))| letter(c, *field(&mut gates))).collect()
    }

    #[test]
    fn each_release_has_its_defaults() {
        for (version, expected) in [
            ("1.30", "TspnLmAolV"),
            ("1.31", "TSpNLmAolV"),
            ("1.32", "TSpNLmAolV"),
            ("1.33", "TSpNLMAolV"),
            ("1.34", "TSPNLMAolV"),
            ("1.35", "TSPNLMAolV"),
            ("1.36", "TSPNLMAolV"),
            ("1.37", "TSPNLMAoLV"),
        ] {
            assert_eq!(letters(version, ""), expected, "{version}");
        }
    }

    #[test]
    fn gates_are_set_by_name_or_maturity() {
        assert_eq!(letters("1.30", "NFTablesProxyMode=true"), "TspNLmAolV");
        assert_eq!(letters("1.30", "AllAlpha=true"), "TSpNLMAolV");
        assert_eq!(letters("1.30", "AllAlpha=true,NFTablesProxyMode=false"), "TSpnLMAolV");
        assert_eq!(letters("1.31", "AllBeta=false"), "tspnlmAolV");
        assert_eq!(letters("1.31", "AllBeta=true"), "TSpNLMAolV");
        assert_eq!(letters("1.36", "AllowServiceExternalIPs=false"), "TSPNLMaolV");
        assert_eq!(letters("1.37", "AllAlpha=true"), "TSPNLMAOLV");
        assert_eq!(letters("1.37", "AllBeta=false,KubeProxyIPVS=false"), "TSPNLMAolv");
    }

    #[test]
    fn locked_and_unknown_gates() {
        assert_eq!(
            gates_of("1.33", "NFTablesProxyMode=false").1,
            [
                "error: featureGates: cannot set feature gate NFTablesProxyMode to false, feature is locked to true\n  help: leave it out"
            ]
        );
        assert!(gates_of("1.33", "NFTablesProxyMode=true").1.is_empty());
        assert_eq!(
            gates_of("1.36", "TopologyAwareHints=true").1,
            [
                "error: featureGates: unrecognized feature gate: TopologyAwareHints\n  help: this release of kube-proxy does not know it; leave it out"
            ]
        );
        assert_eq!(
            gates_of("1.36", "KubeProxyDrainingTerminatingNodes=true").1,
            ["warning: featureGates: KubeProxyDrainingTerminatingNodes is not known to kuberules; ignored"]
        );
        assert_eq!(
            gates_of("1.36", "not a gate=true").1,
            ["error: featureGates: unrecognized feature gate: not a gate"]
        );
    }

    #[test]
    fn gates_of_1_37() {
        assert!(
            gates_of("1.37", "KubeProxyNFTablesLocalhostNodePorts=true,NFTablesNetlink=false").1.is_empty()
        );
        assert!(gates_of("1.37", "StrictIPCIDRValidation=false").1.is_empty());
        let locked = &gates_of("1.37", "RelaxedServiceNameValidation=false").1[0];
        assert!(locked.contains("feature is locked to true"), "{locked}");
        assert!(gates_of("1.36", "RelaxedServiceNameValidation=false").1.is_empty());
        for (version, gate) in [("1.36", "NFTablesNetlink"), ("1.37", "SidecarContainers")] {
            let fault = &gates_of(version, &format!("{gate}=true")).1[0];
            assert!(
                fault.starts_with(&format!("error: featureGates: unrecognized feature gate: {gate}")),
                "{fault}"
            );
        }
    }

    #[test]
    fn pairs_are_read_as_the_flag_does() {
        assert!(parse_feature_gates("A").unwrap_err().contains("malformed pair \"A\""));
        assert!(parse_feature_gates("A=maybe").unwrap_err().contains("invalid value \"maybe\" of A"));
        assert_eq!(parse_feature_gates(" A = T ,B=0").unwrap().len(), 2);
    }
}
