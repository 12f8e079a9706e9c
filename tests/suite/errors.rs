//! What is wrong with the input is told to a person: file, line, object, fault, remedy; exit 2 and nothing on standard
//! output.

use std::io::Write;
use std::process::{Command, Output, Stdio};

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
    let mut child = Command::new(env!("CARGO_BIN_EXE_kuberules"))
        .arg("compile")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// The run fails, prints no rule, and says all of these.
fn refused(input: &str, arguments: &[&str], says: &[&str]) {
    let output = compile(input, arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(output.stdout.is_empty(), "rules were printed");
    for text in says {
        assert!(told.contains(text), "not said: {text}\n{told}");
    }
}

fn with_node(objects: &[String]) -> String {
    format!("{NODE}{}", objects.concat())
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
        &["<stdin>:9: Service shop/db: spec.ports[0].port: 70000 is no port", "help: use 1 to 65535"],
    );
}

#[test]
fn an_endpoint_that_is_no_address() {
    let input = with_node(&[service("db", "ports: [{port: 3306}]"), slice("IPv4", "10.244.1")]);
    let says = [
        "EndpointSlice shop/db-x: endpoints[0].addresses[0]: \"10.244.1\" is not an IP address",
        "kube-proxy 1.36",
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
            "EndpointSlice shop/db-x: endpoints[0].addresses[0]: \"fd00::1\" is no IPv4 address",
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
