//! What is wrong with the input is explained for people: file, line, object, fault, remedy; exit 2 and nothing on
//! standard output.

use std::process::{Command, Output};

use crate::support::run_with_input;

const NODE: &str = "---\n{apiVersion: v1, kind: Node, metadata: {name: worker-1}}\n";

fn service(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  clusterIP: 10.96.0.12\n  {spec}\n"
    )
}

fn slice(address_type: &str, address: &str) -> String {
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: db-x\n  namespace: shop\n  labels: {{kubernetes.io/service-name: db}}\naddressType: {address_type}\nports:\n- {{name: '', port: 3306, protocol: TCP}}\nendpoints:\n- addresses: ['{address}']\n"
    )
}

fn compile(input: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kuberules"));
    run_with_input(command.arg("compile").args(arguments), input.as_bytes())
}

/// The run fails, prints no rules, and says all of these.
fn refused(input: &str, arguments: &[&str], says: &[&str]) {
    let output = compile(input, arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(output.stdout.is_empty(), "rules were printed");
    for text in says {
        assert!(told.contains(text), "not said: {text}\n{told}");
    }
}

/// The objects with a Node; unless they include slices, there are none.
fn with_node(objects: &[String]) -> String {
    const NO_OTHER_SLICES: &str =
        "---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSliceList, items: []}\n";
    format!("{NODE}{}{NO_OTHER_SLICES}", objects.concat())
}

#[test]
fn a_document_that_is_not_yaml() {
    refused("kind: Service\nspec: [1, 2\nports: }\n", &[], &["<stdin>:", "error: "]);
}

#[test]
fn a_port_out_of_range() {
    let input = with_node(&[service("db", "ports: [{port: 70000}]")]);
    refused(
        &input,
        &[],
        &["<stdin>:9: Service shop/db: spec.ports[0].port: 70000 is not a port", "help: use 1 to 65535"],
    );
}

#[test]
fn an_endpoint_that_is_no_address() {
    let input = with_node(&[service("db", "ports: [{port: 3306}]"), slice("IPv4", "10.244.1")]);
    let says = [
        "EndpointSlice shop/db-x: endpoints[0].addresses[0]: \"10.244.1\" is not an IP address",
        "kube-proxy 1.37",
        "help: ",
    ];
    refused(&input, &[], &says);
}

#[test]
fn an_endpoint_of_the_other_family() {
    let input = with_node(&[service("db", "ports: [{port: 3306}]"), slice("IPv4", "fd00::1")]);
    refused(
        &input,
        &[],
        &[
            "EndpointSlice shop/db-x: endpoints[0].addresses[0]: \"fd00::1\" is not an IPv4 address",
            "the load of all its IPv4 rules would fail",
        ],
    );
    let forced = compile(&input, &["--force", "--output", "restore"]);
    assert_eq!(forced.status.code(), Some(0));
    assert!(String::from_utf8(forced.stdout).unwrap().contains("-j DNAT --to-destination [fd00::1]:3306"));
    let earlier = compile(&input, &["--kube-version", "1.32", "--output", "restore"]);
    assert_eq!(earlier.status.code(), Some(0));
    assert!(String::from_utf8(earlier.stderr).unwrap().contains("warning: "));
    assert!(String::from_utf8(earlier.stdout).unwrap().contains("shop/db has no endpoints"));
}

#[test]
fn the_same_object_twice_but_different() {
    let input = with_node(&[service("db", "ports: [{port: 3306}]"), service("db", "ports: [{port: 3307}]")]);
    refused(&input, &[], &["Service shop/db", "<stdin>:11", "differs from the same object at <stdin>:4"]);
    let same = with_node(&[service("db", "ports: [{port: 3306}]"), service("db", "ports: [{port: 3306}]")]);
    assert_eq!(compile(&same, &["--quiet"]).status.code(), Some(0));
}

/// A store of objects has one entry per name: the corpus has such a list (release-1.37/long-comments), of which the
/// real kube-proxy saw the last entries.
#[test]
fn of_one_name_in_a_json_list_the_last_counts() {
    let item = |port: u16| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "Service", "metadata": {{"name": "db", "namespace": "shop"}}, "spec": {{"clusterIP": "10.96.0.12", "ports": [{{"port": {port}}}]}}}}"#
        )
    };
    let list = |items: &str| format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{items}]}}"#);
    let slices = r#"{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSliceList", "items": []}"#;
    let input = format!("{}\n{slices}", list(&format!("{},\n{}", item(3306), item(3307))));
    let output = compile(&input, &["--node", "worker-1"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("<stdin>:2") && told.contains("same list at <stdin>:1"), "{told}");
    let rules = String::from_utf8(output.stdout).unwrap();
    assert!(rules.contains("--dport 3307") && !rules.contains("--dport 3306"), "{rules}");
    let apart = format!("{}\n{}\n{slices}", list(&item(3306)), list(&item(3307)));
    refused(
        &apart,
        &["--node", "worker-1"],
        &["Service shop/db", "<stdin>:2", "differs from the same object at <stdin>:1"],
    );
}

#[test]
fn a_node_that_does_not_exist() {
    let input = with_node(&[service("db", "ports: [{port: 3306}]")]);
    refused(&input, &["--node", "wroker-1"], &["wroker-1", "worker-1"]);
}

#[test]
fn no_input_at_all() {
    refused("", &[], &["kubectl get services,endpointslices,nodes -A -o yaml"]);
}

#[test]
fn a_truncated_dump() {
    let dump =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/shop/before.json")).unwrap();
    refused(&dump[..dump.len() / 2], &["--node", "worker-1"], &["<stdin>:", "error: "]);
}

#[test]
fn a_name_that_would_break_a_rule() {
    for name in ["'x\" -j ACCEPT'", "\"a\\nb\"", "'a;b'", "A", "'-a'"] {
        let input = with_node(&[service(name, "ports: [{port: 80}]")]);
        refused(&input, &[], &["metadata.name", "is not a DNS label"]);
    }
}

#[test]
fn what_kube_proxy_passes_over_is_a_warning() {
    let input = with_node(&[service("db", "ports: [{port: 3306}]\n  externalIPs: [nonsense]")]);
    let arguments = ["--cluster-cidr", "10.244.0.0/16"];
    let told = |arguments: &[&str]| {
        let output = compile(&input, arguments);
        (output.status.code(), String::from_utf8(output.stderr).unwrap(), output.stdout.is_empty())
    };
    let (code, text, _) = told(&arguments);
    assert_eq!(code, Some(0));
    assert!(
        text.contains(
            "warning: <stdin>:10: Service shop/db: spec.externalIPs[0]: \"nonsense\" is not an IP address"
        ),
        "{text}"
    );
    assert_eq!(told(&[&arguments[..], &["--quiet"]].concat()), (Some(0), String::new(), false));
    let (code, text, silent) = told(&[&arguments[..], &["--strict"]].concat());
    assert_eq!((code, silent), (Some(2), true), "{text}");
}

#[test]
fn a_cluster_network_that_iptables_refuses() {
    let input = with_node(&[service("db", "ports: [{port: 3306}]"), slice("IPv4", "10.244.1.2")]);
    refused(&input, &["--cluster-cidr", "0.0.0.0/0"], &["! -s 0.0.0.0/0", "iptables refuses"]);
}

fn node_cidr<'a>(version: &'a str, family: &'a str) -> [&'a str; 6] {
    ["--detect-local-mode", "NodeCIDR", "--kube-version", version, "--family", family]
}

/// kube-proxy stops if a Node has no network of its primary family (its own test: Test_checkBadIPConfig), whatever
/// family is compiled.
#[test]
fn issue_13_pod_cidrs_of_the_other_family_than_the_primary_one() {
    let node = |addresses: &str, pod_cidrs: &str| {
        let addresses: Vec<String> = (addresses.split(' '))
            .map(|address| format!("{{type: InternalIP, address: '{address}'}}"))
            .collect();
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: worker-1}}\nspec: {{podCIDRs: [{pod_cidrs}]}}\nstatus: {{addresses: [{}]}}\n",
            addresses.join(", ")
        )
    };
    let input = |node: String| {
        format!("{node}{}{}", service("db", "ports: [{port: 3306}]"), slice("IPv4", "10.244.1.2"))
    };
    for minor in 30..=37 {
        let version = format!("1.{minor}");
        let wrong = input(node("192.168.0.11 fd00::11", "'fd00:10::/64'"));
        let says = [
            "Node worker-1",
            "spec.podCIDRs",
            "IPv4",
            "kube-proxy does not start",
            "another detectLocalMode",
        ];
        refused(&wrong, &node_cidr(&version, "ipv4"), &says);
        refused(&wrong, &node_cidr(&version, "ipv6"), &says);
        let wrong = input(node("fd00::11 192.168.0.11", "10.244.1.0/24"));
        refused(
            &wrong,
            &node_cidr(&version, "ipv4"),
            &["Node worker-1", "the primary family of the node is IPv6"],
        );
    }
    for sound in [
        node("192.168.0.11 fd00::11", "10.244.1.0/24"),
        node("192.168.0.11 fd00::11", "'fd00:10::/64', 10.244.1.0/24"),
        node("fd00::11", "'fd00:10::/64'"),
    ] {
        let output = compile(&input(sound), &node_cidr("1.36", "ipv4"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The same address in two slices with different conditions: kube-proxy rejected in 34 of 40 runs, and forwarded in 6.
#[test]
fn issue_13_what_chance_decides_is_said() {
    let second = slice("IPv4", "10.244.1.2").replace("db-x", "db-y") + "  conditions: {ready: false}\n";
    let objects = [service("db", "ports: [{port: 3306}]"), slice("IPv4", "10.244.1.2"), second];
    let output = compile(&with_node(&objects), &["--cluster-cidr", "10.244.0.0/16"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let says = [
        "warning: <stdin>:",
        "EndpointSlice shop/db-y: endpoints[0].addresses[0]: 10.244.1.2:3306 is in EndpointSlice shop/db-x too (<stdin>:",
        "chance decides",
    ];
    says.iter().for_each(|text| assert!(told.contains(text), "not said: {text}\n{told}"));
}
