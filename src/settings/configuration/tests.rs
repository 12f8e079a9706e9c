use super::*;

const HEAD: &str = r#""apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration""#;

fn read(text: &str) -> (Configuration, Vec<String>) {
    let (configuration, found) = Configuration::read(text, Origin::default())
        .unwrap_or_else(|found| (Configuration::default(), found));
    (configuration, found.iter().map(ToString::to_string).collect())
}

fn told(fields: &str) -> Vec<String> {
    read(&format!("{{{HEAD}, {fields}}}")).1
}

#[test]
fn what_kubeadm_writes_is_read_without_a_word() {
    let text = format!(
        r#"{{{HEAD}, "bindAddress": "0.0.0.0", "bindAddressHardFail": false,
        "clientConnection": {{"acceptContentTypes": "", "burst": 0, "contentType": "", "kubeconfig": "/x", "qps": 0}},
        "clusterCIDR": "10.244.0.0/16", "configSyncPeriod": "0s",
        "conntrack": {{"maxPerCore": null, "min": null, "tcpBeLiberal": false, "tcpCloseWaitTimeout": null,
          "tcpEstablishedTimeout": null, "udpStreamTimeout": "0s", "udpTimeout": "0s"}},
        "detectLocal": {{"bridgeInterface": "", "interfaceNamePrefix": ""}}, "detectLocalMode": "",
        "enableProfiling": false, "featureGates": {{}}, "healthzBindAddress": "", "hostnameOverride": "",
        "iptables": {{"localhostNodePorts": null, "masqueradeAll": false, "masqueradeBit": null,
          "minSyncPeriod": "0s", "syncPeriod": "0s"}},
        "ipvs": {{"excludeCIDRs": null, "minSyncPeriod": "0s", "scheduler": "", "strictARP": false,
          "syncPeriod": "0s", "tcpFinTimeout": "0s", "tcpTimeout": "0s", "udpTimeout": "0s"}},
        "logging": {{"flushFrequency": 0, "options": {{"json": {{"infoBufferSize": "0"}}}}, "verbosity": 0}},
        "metricsBindAddress": "", "mode": "",
        "nftables": {{"masqueradeAll": false, "masqueradeBit": null, "minSyncPeriod": "0s", "syncPeriod": "0s"}},
        "nodePortAddresses": null, "oomScoreAdj": null, "portRange": "", "showHiddenMetricsForVersion": "",
        "winkernel": {{"enableDSR": false}}}}"#
    );
    let (configuration, told) = read(&text);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(configuration.cluster_cidr.as_deref(), Some("10.244.0.0/16"));
    assert_eq!(configuration.mode, None);
    assert_eq!(configuration.iptables.sync_period, None);
}

#[test]
fn unknown_fields_are_warnings_with_the_nearest_name() {
    assert_eq!(
        told(r#""clusterCidr": "10.0.0.0/8""#),
        [
            "warning: clusterCidr: unknown field, ignored as kube-proxy ignores it\n  help: did you mean clusterCIDR?"
        ]
    );
    assert_eq!(
        told(r#""iptables": {"masqueradebit": 3, "x": 1}"#),
        [
            "warning: iptables.masqueradebit: unknown field, ignored as kube-proxy ignores it\n  help: did you mean masqueradeBit?",
            "warning: iptables.x: unknown field, ignored as kube-proxy ignores it"
        ]
    );
}

#[test]
fn of_duplicate_fields_the_last_counts_with_a_warning() {
    let (configuration, told) = read(&format!(r#"{{{HEAD}, "mode": "iptables", "mode": "nftables"}}"#));
    assert_eq!(told, ["warning: mode: the key is here twice; the last one counts"]);
    assert_eq!(configuration.mode.as_deref(), Some("nftables"));
}

#[test]
fn wrong_types_are_errors() {
    let help = "\n  help: kube-proxy does not start with this configuration";
    for (fields, line) in [
        (
            r#""iptables": {"masqueradeBit": "x"}"#,
            "iptables.masqueradeBit: cannot read the string \"x\" as a 32-bit integer",
        ),
        (
            r#""iptables": {"masqueradeBit": 4294967296}"#,
            "iptables.masqueradeBit: cannot read the number 4294967296 as a 32-bit integer",
        ),
        (r#""iptables": []"#, "iptables: cannot read a list as a mapping"),
        (r#""mode": 3"#, "mode: cannot read the number 3 as a string"),
        (r#""hostnameOverride": true"#, "hostnameOverride: cannot read the boolean true as a string"),
        (
            r#""nodePortAddresses": "primary""#,
            "nodePortAddresses: cannot read the string \"primary\" as a list",
        ),
        (r#""nodePortAddresses": ["a", 1]"#, "nodePortAddresses[1]: cannot read the number 1 as a string"),
        (r#""featureGates": {"A": "true"}"#, "featureGates.A: cannot read the string \"true\" as a boolean"),
        (
            r#""conntrack": {"tcpBeLiberal": "yes"}"#,
            "conntrack.tcpBeLiberal: cannot read the string \"yes\" as a boolean",
        ),
        (
            r#""configSyncPeriod": 30"#,
            "configSyncPeriod: cannot read the number 30 as a duration such as 30s",
        ),
    ] {
        assert_eq!(told(fields), [format!("error: {line}{help}")]);
    }
    assert_eq!(
        told(r#""iptables": {"syncPeriod": "30"}"#),
        [
            "error: iptables.syncPeriod: time: missing unit in duration \"30\"\n  help: write it as 30s, 1m30s or 24h"
        ]
    );
}

#[test]
fn the_config_map_that_holds_it_will_do() {
    let inner = serde_json::to_string(&format!(r#"{{{HEAD}, "mode": "nftables"}}"#)).unwrap();
    let text = format!(
        r#"{{"apiVersion": "v1", "kind": "ConfigMap", "data": {{"kubeconfig.conf": "{{}}", "config.conf": {inner}}}}}"#
    );
    let (configuration, told) = read(&text);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(configuration.mode.as_deref(), Some("nftables"));
    let (configuration, told) =
        read(&format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{text}]}}"#));
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(configuration.mode.as_deref(), Some("nftables"));
}

#[test]
fn other_documents_are_refused() {
    let first_line = |text: &str| read(text).1[0].lines().next().unwrap().to_owned();
    assert_eq!(
        first_line(r#"{"apiVersion": "kubeproxy.config.k8s.io/v1beta1", "kind": "KubeProxyConfiguration"}"#),
        "error: apiVersion: no kind \"KubeProxyConfiguration\" is known for the version \"kubeproxy.config.k8s.io/v1beta1\", only for kubeproxy.config.k8s.io/v1alpha1"
    );
    assert_eq!(
        first_line(r#"{"kind": "KubeProxyConfiguration"}"#),
        "error: apiVersion is missing; it must be kubeproxy.config.k8s.io/v1alpha1"
    );
    assert_eq!(
        first_line(r#"{"apiVersion": "v1", "kind": "Service"}"#),
        "error: holds no KubeProxyConfiguration, but v1 Service"
    );
    assert_eq!(
        first_line(r#"{"mode": "iptables"}"#),
        "error: holds no KubeProxyConfiguration, but a document without apiVersion and kind"
    );
    assert!(first_line("{").starts_with("error: not YAML: "), "{}", first_line("{"));
}

#[test]
fn messages_name_the_line() {
    let text = "# c\napiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\niptables:\n  masqueradeBit: x\n  foo: 1\n";
    let lines = |text: &str| {
        let found = Configuration::read(text, Origin::file("kp.yaml")).unwrap_err();
        found.iter().map(|d| d.place.as_ref().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(lines(text), ["kp.yaml:5", "kp.yaml:6"]);
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  config.conf: |\n    {}\n",
        text.replace('\n', "\n    ")
    );
    assert_eq!(lines(&map), ["kp.yaml:4", "kp.yaml:4"]);
}
