use super::*;
use crate::settings::Origin;
use crate::settings::{Flags, Gates};

fn release(version: &str) -> Release {
    version.parse().unwrap()
}

/// Reads fields given as JSON, without the outer braces, and resolves them.
fn resolve(version: &str, fields: &str) -> (Settings, Vec<String>) {
    resolve_with(version, fields, &Flags::default())
}

fn resolve_with(version: &str, fields: &str, flags: &Flags) -> (Settings, Vec<String>) {
    let text = format!(
        r#"{{"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration"{}{fields}}}"#,
        if fields.is_empty() { "" } else { "," }
    );
    let (mut written, mut found) = Configuration::read(&text, Origin::default());
    written.override_with(flags, &release(version));
    let (settings, more) = Settings::resolve(&written, release(version), HostFacts::default(), None);
    found.append(more);
    (settings, found.iter().map(|d| d.to_string().lines().next().unwrap().to_owned()).collect())
}

fn told(version: &str, fields: &str) -> Vec<String> {
    resolve(version, fields).1
}

#[track_caller]
fn accepts(version: &str, fields: &str) -> Settings {
    let (settings, told) = resolve(version, fields);
    assert_eq!(told, Vec::<String>::new(), "{version} {fields}");
    settings
}

const ALL: [&str; 8] = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];

#[test]
fn every_release_has_the_same_plain_defaults() {
    for version in ALL {
        for fields in [
            "",
            r#""mode": "", "clusterCIDR": null, "nodePortAddresses": null, "iptables": {"masqueradeBit": null, "syncPeriod": "0s"}, "detectLocalMode": "", "bindAddress": """#,
        ] {
            let settings = accepts(version, fields);
            assert_eq!(settings.mode, ProxyMode::Iptables);
            assert_eq!(settings.masquerade_bit, 14);
            assert!(!settings.masquerade_all && settings.localhost_node_ports);
            assert_eq!(settings.detect_local, DetectLocal::ClusterCidr(Vec::new()));
            assert_eq!(settings.node_port_addresses, NodePortAddresses::Unset);
            assert_eq!((settings.bind_address, settings.node_name), (None, None));
            assert!(!settings.host.conntrack_liberal);
        }
    }
}

#[test]
fn gates_of_the_release_reach_the_settings() {
    let Gates { nftables_proxy_mode, .. } = accepts("1.30", "").gates;
    assert!(!nftables_proxy_mode);
    assert!(accepts("1.31", "").gates.nftables_proxy_mode);
}

#[test]
fn modes() {
    assert_eq!(accepts("1.31", r#""mode": "nftables""#).mode, ProxyMode::Nftables);
    let gated = r#""mode": "nftables", "featureGates": {"NFTablesProxyMode": true}"#;
    assert_eq!(accepts("1.30", gated).mode, ProxyMode::Nftables);
    assert_eq!(
        told("1.30", r#""mode": "nftables""#),
        [
            "error: KubeProxyConfiguration.Mode.ProxyMode: Invalid value: \"nftables\": must be iptables, ipvs or blank (blank means the best-available proxy [currently iptables])"
        ]
    );
    for wrong in ["userspace", "IPTables", "kernelspace"] {
        assert_eq!(
            told("1.36", &format!(r#""mode": "{wrong}""#)),
            [format!(
                "error: KubeProxyConfiguration.Mode.ProxyMode: Invalid value: {wrong:?}: must be iptables, ipvs, nftables or blank (blank means the best-available proxy [currently iptables])"
            )]
        );
    }
    assert_eq!(
        told("1.36", r#""mode": "ipvs""#),
        ["error: mode: ipvs is a mode that kuberules does not compile"]
    );
}

#[test]
fn masquerade_bits_and_masquerade_all_belong_to_their_mode() {
    let both =
        r#""iptables": {"masqueradeBit": 3, "masqueradeAll": true}, "nftables": {"masqueradeBit": 31}"#;
    let settings = accepts("1.36", both);
    assert_eq!((settings.masquerade_bit, settings.masquerade_all), (3, true));
    let settings = accepts("1.36", &format!(r#""mode": "nftables", {both}"#));
    assert_eq!((settings.masquerade_bit, settings.masquerade_all), (31, false));
    assert_eq!(accepts("1.36", r#""iptables": {"masqueradeBit": 0}"#).masquerade_bit, 0);
}

#[test]
fn the_iptables_bit_is_checked_in_every_mode_the_other_in_its_own() {
    for (mode, bit) in [("iptables", 40), ("iptables", -1), ("nftables", 32)] {
        assert_eq!(
            told("1.36", &format!(r#""mode": "{mode}", "iptables": {{"masqueradeBit": {bit}}}"#)),
            [format!(
                "error: KubeProxyConfiguration.KubeProxyIPTablesConfiguration.MasqueradeBit: Invalid value: {bit}: must be within the range [0, 31]"
            )]
        );
    }
    accepts("1.36", r#""nftables": {"masqueradeBit": 40}"#);
    assert_eq!(
        told("1.36", r#""mode": "nftables", "nftables": {"masqueradeBit": 40}"#),
        [
            "error: KubeProxyConfiguration.KubeProxyNFTablesConfiguration.MasqueradeBit: Invalid value: 40: must be within the range [0, 31]"
        ]
    );
}

#[test]
fn cluster_cidr_is_one_network_or_a_pair() {
    let networks = |text: &str| match accepts("1.36", &format!(r#""clusterCIDR": "{text}""#)).detect_local {
        DetectLocal::ClusterCidr(networks) => networks.iter().map(Cidr::to_string).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(networks("010.244.3.4/16"), ["10.244.0.0/16"]);
    assert_eq!(networks("10.244.0.0/16,fd00:10:244::/56"), ["10.244.0.0/16", "fd00:10:244::/56"]);
    assert_eq!(networks("fd00:10:244::/56,10.244.0.0/16"), ["fd00:10:244::/56", "10.244.0.0/16"]);
}

#[test]
fn wrong_cluster_cidrs_in_the_words_of_1_30() {
    let line = |text: &str, rule: &str| {
        format!("error: KubeProxyConfiguration.ClusterCIDR: Invalid value: {text:?}: {rule}")
    };
    for (text, rule) in [
        ("192.168.59.0", PLAIN_CIDR),
        ("10.0.0.0/16,fd00:1::/64,10.1.0.0/16", ONE_CIDR_OR_PAIR),
        ("192.168.59.0/24,10.0.0.0/16", DUAL_STACK_CIDR),
        ("10.0.0.0/16, fd00:1::/64", DUAL_STACK_CIDR),
        ("10.0.0.0/16,", DUAL_STACK_CIDR),
    ] {
        assert_eq!(told("1.30", &format!(r#""clusterCIDR": "{text}""#)), [line(text, rule)]);
        let elsewhere = format!(r#""clusterCIDR": "{text}", "detectLocalMode": "NodeCIDR""#);
        assert_eq!(told("1.30", &elsewhere), [line(text, rule)]);
        accepts("1.31", &elsewhere);
    }
}

#[test]
fn wrong_cluster_cidrs_in_the_words_of_1_31() {
    let path = "error: KubeProxyConfiguration.DetectLocalConfiguration.ClusterCIDRs";
    for (text, lines) in [
        ("192.168.59.0", vec![format!("{path}[0]: Invalid value: \"192.168.59.0\": {PLAIN_CIDR}")]),
        ("10.0.0.0/8, fd00::/64", vec![format!("{path}[1]: Invalid value: \" fd00::/64\": {PLAIN_CIDR}")]),
        (
            "10.0.0.0/8,10.1.0.0/16",
            vec![format!("{path}: Invalid value: [\"10.0.0.0/8\",\"10.1.0.0/16\"]: {PAIR_OF_CIDRS}")],
        ),
        (
            "10.0.0.0/8,fd00::/64,1.0.0.0/8",
            vec![format!(
                "{path}: Invalid value: [\"10.0.0.0/8\",\"fd00::/64\",\"1.0.0.0/8\"]: {PAIR_OF_CIDRS}"
            )],
        ),
    ] {
        for version in ["1.31", "1.36"] {
            assert_eq!(told(version, &format!(r#""clusterCIDR": "{text}""#)), lines);
        }
    }
}

#[test]
fn detect_local_modes() {
    assert_eq!(accepts("1.30", r#""detectLocalMode": "NodeCIDR""#).detect_local, DetectLocal::NodeCidr);
    let bridge = r#""detectLocalMode": "BridgeInterface", "detectLocal": {"bridgeInterface": "cni0"}"#;
    assert_eq!(accepts("1.30", bridge).detect_local, DetectLocal::BridgeInterface("cni0".into()));
    let prefix =
        r#""detectLocalMode": "InterfaceNamePrefix", "detectLocal": {"interfaceNamePrefix": "cali"}"#;
    assert_eq!(accepts("1.36", prefix).detect_local, DetectLocal::InterfaceNamePrefix("cali".into()));
    assert_eq!(
        told("1.36", r#""detectLocalMode": "Guess""#),
        [
            "error: KubeProxyConfiguration.DetectLocalMode: Unsupported value: \"Guess\": supported values: \"ClusterCIDR\", \"NodeCIDR\", \"BridgeInterface\", \"InterfaceNamePrefix\", \"\""
        ]
    );
}

#[test]
fn interfaces_must_be_named() {
    for (mode, name) in [("BridgeInterface", "InterfaceName"), ("InterfaceNamePrefix", "InterfacePrefix")] {
        let fields = format!(r#""detectLocalMode": "{mode}""#);
        let line = |path: String| {
            [format!("error: KubeProxyConfiguration.{path}: Invalid value: \"\": must not be empty")]
        };
        assert_eq!(told("1.30", &fields), line(name.to_owned()));
        assert_eq!(told("1.31", &fields), line(format!("DetectLocalConfiguration.{name}")));
    }
}

#[test]
fn names_that_no_interface_has_are_refused() {
    for bad in ["cali+", "a b", "*", "a/b", "x; drop", "\\\"", "sixteen-letters-", "\\u001b[0m"] {
        let fields = format!(
            r#""detectLocalMode": "InterfaceNamePrefix", "detectLocal": {{"interfaceNamePrefix": "{bad}"}}"#
        );
        let told = told("1.36", &fields);
        assert!(told.len() == 1 && told[0].contains("cannot be the name of an interface"), "{bad}: {told:?}");
        accepts("1.36", &fields.replace("InterfaceNamePrefix", "NodeCIDR"));
    }
}

#[test]
fn node_port_addresses() {
    let primary = r#""nodePortAddresses": ["primary"]"#;
    assert_eq!(
        accepts("1.31", primary).node_port_addresses,
        NodePortAddresses::Listed(vec![NodePortAddress::Primary])
    );
    assert_eq!(
        told("1.30", primary),
        [
            "error: KubeProxyConfiguration.NodePortAddresses[0]: Invalid value: \"primary\": must be a valid CIDR"
        ]
    );
    let networks = accepts("1.30", r#""nodePortAddresses": ["192.168.0.7/16", "::/0"]"#).node_port_addresses;
    assert_eq!(listed(&networks), ["192.168.0.0/16 192.168.0.7/16", "::/0 ::/0"]);
    assert_eq!(accepts("1.36", r#""nodePortAddresses": []"#).node_port_addresses, NodePortAddresses::Unset);
}

fn listed(addresses: &NodePortAddresses) -> Vec<String> {
    let shown = |address: &NodePortAddress| match address {
        NodePortAddress::Primary => "primary".to_owned(),
        NodePortAddress::Network(network) => format!("{} {}", network.cidr, network.text),
    };
    addresses.listed().iter().map(shown).collect()
}

#[test]
fn words_of_node_port_addresses() {
    let mixed = r#""nodePortAddresses": ["localhost", "10.0.0.0/8", "primary", "all"]"#;
    assert_eq!(
        listed(&accepts("1.37", mixed).node_port_addresses),
        [
            "127.0.0.0/8 127.0.0.0/8",
            "::1/128 ::1/128",
            "10.0.0.0/8 10.0.0.0/8",
            "primary",
            "0.0.0.0/0 0.0.0.0/0",
            "::/0 ::/0"
        ]
    );
    for (version, word) in [("1.36", "localhost"), ("1.36", "all"), ("1.37", "Localhost"), ("1.37", "")] {
        let told = told(version, &format!(r#""nodePortAddresses": ["{word}"]"#));
        assert!(told[0].ends_with("must be a valid CIDR"), "{told:?}");
    }
}

#[test]
fn ipvs_may_be_switched_off() {
    let told = told("1.37", r#""mode": "ipvs", "featureGates": {"KubeProxyIPVS": false}"#);
    assert!(told[0].contains(r#"Invalid value: "ipvs": must be iptables, nftables or blank"#), "{told:?}");
}

#[test]
fn wrong_node_port_addresses() {
    let line = |index: usize, text: &str, rule: &str| {
        format!("error: KubeProxyConfiguration.NodePortAddresses[{index}]: Invalid value: {text:?}: {rule}")
    };
    assert_eq!(
        told("1.36", r#""nodePortAddresses": ["10.0.0.1", "10.0.0.0/8", "Primary"]"#),
        [line(0, "10.0.0.1", "must be a valid CIDR"), line(2, "Primary", "must be a valid CIDR")]
    );
    for mixed in [r#"["10.0.0.0/8", "primary"]"#, r#"["10.0.0.0/8", "primary", "primary"]"#] {
        assert_eq!(
            told("1.36", &format!(r#""nodePortAddresses": {mixed}"#)),
            [line(1, "primary", "can't use both 'primary' and CIDRs")]
        );
    }
}

#[test]
fn bind_address() {
    assert_eq!(accepts("1.36", r#""bindAddress": "0.0.0.0""#).bind_address, None);
    assert_eq!(accepts("1.36", r#""bindAddress": "::""#).bind_address, None);
    let address = accepts("1.36", r#""bindAddress": "010.0.0.1""#).bind_address;
    assert_eq!(address, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(
        told("1.36", r#""bindAddress": "10.10.12.11:2000""#),
        [
            "error: KubeProxyConfiguration.BindAddress: Invalid value: \"10.10.12.11:2000\": not a valid textual representation of an IP address"
        ]
    );
}

#[test]
fn the_node_is_trimmed_and_lower_cased() {
    let name = |text: &str| accepts("1.36", &format!(r#""hostnameOverride": "{text}""#)).node_name;
    assert_eq!(name(" Worker-1 ").as_deref(), Some("worker-1"));
    assert_eq!(
        told("1.36", r#""hostnameOverride": "  ""#),
        ["error: hostnameOverride: empty hostname is invalid"]
    );
}

#[test]
fn liberal_conntrack_by_configuration_or_host() {
    assert!(accepts("1.36", r#""conntrack": {"tcpBeLiberal": true}"#).host.conntrack_liberal);
    let host = HostFacts { conntrack_liberal: true, ..HostFacts::default() };
    let (settings, _) = Settings::resolve(&Configuration::default(), Release::NEWEST, host, None);
    assert!(settings.host.conntrack_liberal);
}

#[test]
fn flags_override_the_configuration() {
    let flags = Flags {
        proxy_mode: Some("nftables".into()),
        cluster_cidr: Some("10.1.0.0/16".into()),
        nodeport_addresses: Some(vec!["10.0.0.0/8".into()]),
        bind_address: Some("10.0.0.1".into()),
        hostname_override: Some("b".into()),
        iptables_localhost_nodeports: Some(false),
        conntrack_tcp_be_liberal: Some(true),
        feature_gates: [("AllowServiceExternalIPs".to_owned(), false)].into(),
        ..Flags::default()
    };
    let fields = r#""mode": "iptables", "clusterCIDR": "bad", "nodePortAddresses": ["primary"], "hostnameOverride": "a""#;
    let (settings, told) = resolve_with("1.36", fields, &flags);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(settings.mode, ProxyMode::Nftables);
    assert_eq!(
        settings.detect_local,
        DetectLocal::ClusterCidr(vec![Cidr::parse_lenient("10.1.0.0/16").unwrap()])
    );
    assert_eq!(settings.node_name.as_deref(), Some("b"));
    assert!(matches!(settings.node_port_addresses, NodePortAddresses::Listed(_)));
    assert!(!settings.localhost_node_ports && settings.host.conntrack_liberal);
    assert!(!settings.gates.allow_service_external_ips);
}

#[test]
fn flags_of_interfaces_and_marks() {
    let flags = Flags {
        detect_local_mode: Some("BridgeInterface".into()),
        pod_bridge_interface: Some("cbr0".into()),
        pod_interface_name_prefix: Some("veth".into()),
        iptables_masquerade_bit: Some(7),
        ..Flags::default()
    };
    let (settings, told) = resolve_with("1.36", "", &flags);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(settings.detect_local, DetectLocal::BridgeInterface("cbr0".into()));
    assert_eq!(settings.masquerade_bit, 7);
}

#[test]
fn masquerade_all_sets_the_mode_s_own_field_from_1_31_on() {
    let flags = Flags { masquerade_all: Some(true), ..Flags::default() };
    let nftables = r#""mode": "nftables", "featureGates": {"NFTablesProxyMode": true}"#;
    assert!(!resolve_with("1.30", nftables, &flags).0.masquerade_all);
    assert!(resolve_with("1.31", nftables, &flags).0.masquerade_all);
    for version in ALL {
        assert!(resolve_with(version, "", &flags).0.masquerade_all);
    }
}

#[test]
fn places_and_help_tell_where_to_change_the_value() {
    let text = r#"{"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "clusterCIDR": "x"}"#;
    let (mut written, _) = Configuration::read(text, Origin::file("kube-proxy.json"));
    let line = |written: &Configuration| {
        let (_, found) = Settings::resolve(written, Release::NEWEST, HostFacts::default(), None);
        found.iter().next().unwrap().to_string()
    };
    let by_file = line(&written);
    assert!(by_file.starts_with("error: kube-proxy.json:1: KubeProxyConfiguration.DetectLocal"), "{by_file}");
    assert!(
        by_file.ends_with("help: change the field clusterCIDR, or override it by --cluster-cidr"),
        "{by_file}"
    );
    written.override_with(&Flags { cluster_cidr: Some("y".into()), ..Flags::default() }, &Release::NEWEST);
    let by_flag = line(&written);
    assert!(by_flag.starts_with("error: KubeProxyConfiguration.DetectLocal"), "{by_flag}");
    assert!(by_flag.ends_with("help: change the flag --cluster-cidr"), "{by_flag}");
}

#[test]
fn fields_that_touch_no_rule_only_warn() {
    for (version, fields, line) in [
        (
            "1.36",
            r#""iptables": {"syncPeriod": "-5s", "minSyncPeriod": "-6s"}"#,
            "SyncPeriod: Invalid value: -5s: must be greater than 0",
        ),
        (
            "1.30",
            r#""iptables": {"minSyncPeriod": "-1s"}"#,
            "KubeProxyIPTablesConfiguration.MinSyncPeriod: Invalid value: -1s: must be greater than or equal to 0",
        ),
        (
            "1.36",
            r#""iptables": {"syncPeriod": "1s", "minSyncPeriod": "5s"}"#,
            "SyncPeriod: Invalid value: 5s: must be greater than or equal to KubeProxyConfiguration.MinSyncPeriod",
        ),
        (
            "1.36",
            r#""configSyncPeriod": "-1m""#,
            "ConfigSyncPeriod: Invalid value: -1m0s: must be greater than 0",
        ),
        (
            "1.30",
            r#""oomScoreAdj": 1001"#,
            "OOMScoreAdj: Invalid value: 1001: must be within the range [-1000, 1000]",
        ),
        (
            "1.36",
            r#""oomScoreAdj": -1001"#,
            "KubeProxyLinuxConfiguration.OOMScoreAdj: Invalid value: -1001: must be within the range [-1000, 1000]",
        ),
        (
            "1.36",
            r#""conntrack": {"maxPerCore": -1}"#,
            "KubeProxyLinuxConfiguration.KubeProxyConntrackConfiguration.MaxPerCore: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "1.30",
            r#""conntrack": {"udpTimeout": "-1s"}"#,
            "KubeProxyConntrackConfiguration.UDPTimeout: Invalid value: -1s: must be greater than or equal to 0",
        ),
        (
            "1.36",
            r#""clientConnection": {"burst": -1}"#,
            "ClientConnection.Burst: Invalid value: -1: must be greater than or equal to 0",
        ),
        ("1.36", r#""healthzBindAddress": "x""#, "HealthzBindAddress: Invalid value: \"x\": must be IP:port"),
        (
            "1.36",
            r#""metricsBindAddress": "x:1""#,
            "MetricsBindAddress: Invalid value: \"x\": must be a valid IP",
        ),
        (
            "1.36",
            r#""metricsBindAddress": "[::1]:0""#,
            "MetricsBindAddress: Invalid value: \"0\": must be a valid port",
        ),
        (
            "1.30",
            r#""portRange": "x""#,
            "PortRange: Invalid value: \"x\": must be a valid port range (e.g. 300-2000)",
        ),
    ] {
        assert_eq!(told(version, fields)[0], format!("warning: KubeProxyConfiguration.{line}"), "{fields}");
    }
    for fine in [
        r#""portRange": "x""#,
        r#""healthzBindAddress": "0.0.0.0", "metricsBindAddress": "[::]:10249""#,
        r#""nftables": {"syncPeriod": "-1s"}"#,
    ] {
        accepts("1.36", fine);
    }
    for fine in ["0-0", "300-2000", "300+5", "80"] {
        accepts("1.30", &format!(r#""portRange": "{fine}""#));
    }
}
