//! Questions that people ask about one packet, each answered by one `trace`; tests are named after the issue in
//! kubernetes/kubernetes.

use std::process::Output;

use serde_json::Value;

use crate::support::{kuberules, testdata};

/// `trace` for worker-1 of the shop.
fn trace(cluster: &str, mode: &str, arguments: &[&str]) -> Output {
    let cluster = testdata().join("shop").join(cluster);
    let config = testdata().join(format!("shop/before-worker-1/kube-proxy.{mode}.json"));
    let mut all = vec!["trace", "--quiet", cluster.to_str().unwrap(), "--node", "worker-1"];
    all.extend(["--config", config.to_str().unwrap()]);
    all.extend(arguments);
    kuberules(&all)
}

fn answer(cluster: &str, mode: &str, arguments: &[&str]) -> String {
    let output = trace(cluster, mode, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(cluster: &str, mode: &str, arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.extend(["--output", "json"]);
    serde_json::from_str(&answer(cluster, mode, &arguments)).unwrap()
}

fn outcomes(trace: &Value) -> &[Value] {
    trace["outcomes"].as_array().unwrap()
}

/// The text without its line breaks, which are only for the terminal.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn says(text: &str, parts: &[&str]) {
    let said = words(text);
    for part in parts {
        assert!(said.contains(&words(part)), "{part:?} is not said in:\n{text}");
    }
}

const MODES: [&str; 2] = ["iptables", "nftables"];

/// Traffic reaches a node without an instance and is dropped: which policy, which nodes accept (127937, 119131, 99299).
#[test]
fn k127937_dropped_on_a_node_without_an_instance() {
    for mode in MODES {
        let text = answer("after.yaml", mode, &["--from", "external", "--to", "node:30090"]);
        says(
            &text,
            &[
                "=> times out:",
                "Service games/lobby:http: the traffic policy is Local and no usable endpoint is on this node",
                "Nodes that accept: worker-2, worker-3.",
            ],
        );
    }
}

/// A timeout, not a refusal (121371, 112233): what drops, what rejects, and why.
#[test]
fn k121371_timeout_or_refusal() {
    for mode in MODES {
        let dropped = json("after.yaml", mode, &["--from", "external", "--to", "node:30090"]);
        assert_eq!(outcomes(&dropped)[0]["verdict"], "drop");
        let remark = outcomes(&dropped)[0]["remarks"][0].as_str().unwrap();
        says(remark, &["clients see a timeout, not a refusal"]);
        let refused = json("before.yaml", mode, &["--from", "external", "--to", "svc:shop/payments"]);
        assert_eq!(outcomes(&refused)[0]["verdict"], "reject");
        assert_eq!(outcomes(&refused)[0]["answer"], "icmp-port-unreachable");
        let remark = outcomes(&refused)[0]["remarks"][0].as_str().unwrap();
        says(remark, &["no EndpointSlice has an endpoint", "clients see \"connection refused\""]);
    }
}

/// Affinity differs per port, or sticks (103000, 110302, 55603): one list per endpoint of each port, a condition next
/// to the chances of a first contact.
#[test]
fn k103000_affinity_is_of_one_port_and_one_endpoint() {
    for mode in MODES {
        let trace = json("before.yaml", mode, &["--from", "10.244.2.7", "--to", "svc:shop/cart"]);
        let (known, new): (Vec<&Value>, Vec<&Value>) =
            outcomes(&trace).iter().partition(|outcome| outcome["given"][0]["kind"] == "affinity");
        assert_eq!((new.len(), known.len()), (3, 3));
        assert!(new.iter().all(|outcome| outcome["fraction"] == "1/3"));
        assert!(known.iter().all(|outcome| outcome["fraction"] == "1/1"));
        let list = |port: &str| {
            let to = format!("203.0.113.20:{port}");
            let protocol = if port == "7777" { "udp" } else { "sctp" };
            let arguments = ["--from", "198.51.100.7", "--to", &to, "--protocol", protocol];
            let trace = json("before.yaml", mode, &arguments);
            outcomes(&trace)[2]["given"][0]["list"].as_str().unwrap().to_owned()
        };
        assert_ne!(list("7777"), list("7778"), "two ports of one Service share a list");
    }
}

/// Do loadBalancerSourceRanges restrict pods, nodes, node ports (109575, 85572, 119656)?
#[test]
fn k109575_source_ranges_apply_to_load_balancer_ips_only() {
    for mode in MODES {
        let bound = answer("before.yaml", mode, &["--from", "any", "--to", "203.0.113.10:80"]);
        says(
            &bound,
            &["They apply to the load-balancer IPs, for Pods and nodes too; they do not apply to node ports"],
        );
        assert_eq!(words(&bound).matches("): times out:").count(), 3, "{bound}");
        let free = answer("before.yaml", mode, &["--from", "any", "--to", "node:31080"]);
        assert_eq!(words(&free).matches("works: goes to 10.244.1.9:80").count(), 4, "{free}");
        says(
            &free,
            &[
                "has loadBalancerSourceRanges, but they apply to its load-balancer IPs only, not to 192.168.0.11.",
            ],
        );
    }
}

/// A pod cannot reach itself through its Service (20475): hairpin masquerade.
#[test]
fn k20475_a_pod_reaches_itself_by_hairpin() {
    for mode in MODES {
        let trace = json("before.yaml", mode, &["--from", "pod:shop/web-0", "--to", "svc:shop/web"]);
        let to_itself = outcomes(&trace).iter().find(|outcome| outcome["destination"] == "10.244.1.4:8080");
        let to_itself = to_itself.unwrap();
        assert_eq!(to_itself["snat"], true);
        says(
            to_itself["remarks"][0].as_str().unwrap(),
            &["(hairpin)", "it sees the node's IP as the source"],
        );
        let others = outcomes(&trace).iter().filter(|outcome| outcome["snat"] == false);
        assert_eq!(others.count(), 2);
    }
}

/// NodePort gone on 127.0.0.1 or on the second interface (124383, 122724, 123105).
#[test]
fn k124383_node_ports_on_loopback_and_second_interfaces() {
    let loopback = ["--from", "node", "--to", "127.0.0.1:30080"];
    says(
        &answer("before.yaml", "iptables", &loopback),
        &["goes to 10.244.1.4:8080", "the Pod sees the node's IP (masqueraded)"],
    );
    says(
        &answer("before.yaml", "nftables", &loopback),
        &[
            "30080 is the node port of Service shop/web:http, but it is not served on this address",
            "nftables mode serves node ports on no loopback address",
        ],
    );
    let second = ["--from", "external", "--to", "10.0.0.5:30080", "--host-ip", "10.0.0.5"];
    says(&answer("before.yaml", "iptables", &second), &["goes to 10.244.1.4:8080"]);
    says(
        &answer("before.yaml", "nftables", &second),
        &["nodePortAddresses has node ports served on 192.168.0.11 only"],
    );
}

/// 0.2, 0.25, 0.33 is unequal (37932): the effective share beside the raw value.
#[test]
fn k37932_a_cascade_of_unequal_values_is_equal() {
    let text = answer("before.yaml", "iptables", &["--from", "node", "--to", "svc:shop/web"]);
    says(
        &text,
        &[
            "by chance: 1 in 3 of what is left (the rule says 0.33333333349)",
            "by chance: 1 in 2 of what is left (the rule says 0.50000000000)",
        ],
    );
    assert_eq!(text.matches("  33.33 % (1/3)  works").count(), 3, "{text}");
}

/// Rules are right and UDP still goes to the dead pod (139628, 48370): a trace is about new connections.
#[test]
fn k139628_a_trace_is_of_new_connections() {
    let text =
        answer("before.yaml", "iptables", &["--from", "node", "--to", "10.96.0.10:53", "--protocol", "udp"]);
    says(
        &text,
        &[
            "New connections only: one that exists",
            "conntrack -D -p udp --orig-src 192.168.0.11 --orig-dst 10.96.0.10 --orig-port-dst 53",
        ],
    );
}

#[test]
fn the_json_is_that_of_the_schema() {
    let trace = json("before.yaml", "iptables", &["--from", "10.244.1.9", "--to", "10.96.0.12:3306"]);
    assert_eq!(trace["schema"], "kuberules.trace/v1");
    let packet = &trace["packet"];
    for (field, value) in [
        ("family", Value::from("ipv4")),
        ("protocol", "tcp".into()),
        ("source", "10.244.1.9".into()),
        ("sourcePort", Value::Null),
        ("destination", "10.96.0.12".into()),
        ("destinationPort", 3306.into()),
        ("origin", "pod".into()),
    ] {
        assert_eq!(packet[field], value, "{field}");
    }
    let outcome = &outcomes(&trace)[0];
    assert_eq!(outcome["verdict"], "accept");
    assert_eq!(outcome["probability"], 1.0);
    assert_eq!(outcome["destination"], "10.244.2.4:3306");
    assert_eq!(outcome["snat"], false);
    let step = &outcome["steps"][1];
    assert_eq!(step["hook"], "prerouting");
    assert_eq!(step["table"], "nat");
    assert_eq!(step["chain"], "KUBE-SERVICES");
    says(step["rule"].as_str().unwrap(), &["-A KUBE-SERVICES -d 10.96.0.12/32 -p tcp"]);
    says(step["effect"].as_str().unwrap(), &["jump KUBE-SVC-"]);
}

#[test]
fn the_probabilities_of_first_contact_add_up() {
    for (mode, to) in
        [("iptables", "svc:shop/web"), ("nftables", "svc:shop/cart"), ("iptables", "node:30080")]
    {
        let trace = json("before.yaml", mode, &["--from", "external", "--to", to]);
        let new = outcomes(&trace).iter().filter(|outcome| outcome["given"].as_array().unwrap().is_empty());
        let sum: f64 = new.map(|outcome| outcome["probability"].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }
}

#[test]
fn captured_rules_answer_without_a_cluster() {
    // In the captures of nft, flannel masquerades what leaves a pod.
    let captures = [
        ("iptables-save-c.txt", "client IP preserved"),
        ("nft-list-ruleset.txt", "the Pod sees the node's IP (masqueraded)"),
        ("nft-j-list-ruleset.json", "the Pod sees the node's IP (masqueraded)"),
    ];
    for (file, source) in captures {
        let path = testdata().join(format!("captures/shop-worker-1.{file}"));
        let captured = path.to_str().unwrap();
        let arguments = ["trace", "--captured", captured, "--from", "10.244.1.9", "--to", "10.96.0.12:3306"];
        let output = kuberules(&arguments);
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        says(&String::from_utf8_lossy(&output.stdout), &[&format!("goes to 10.244.2.4:3306, {source}")]);
    }
}

#[test]
fn a_foreign_rule_that_is_not_understood_is_named() {
    let path = testdata().join("captures/shop-worker-1.iptables-save-c.txt");
    let arguments = ["--host-ip", "192.168.0.11", "--from", "external", "--to", "198.18.0.1:80"];
    let mut all = vec!["trace", "--captured", path.to_str().unwrap()];
    all.extend(arguments);
    let output = kuberules(&all);
    let text = String::from_utf8_lossy(&output.stdout);
    says(
        &text,
        &["if rule 1 in chain DOCKER-ISOLATION-STAGE-1 (table filter) matches: in interface docker0"],
    );
}

#[test]
fn captured_rules_know_services_by_name() {
    for file in ["iptables-save-c.txt", "nft-list-ruleset.txt"] {
        let path = testdata().join(format!("captures/shop-worker-1.{file}"));
        let to = |service| {
            let arguments =
                ["trace", "--captured", path.to_str().unwrap(), "--from", "10.244.1.9", "--to", service];
            kuberules(&arguments)
        };
        let output = to("svc:shop/db");
        says(
            &String::from_utf8_lossy(&output.stdout),
            &["10.96.0.12:3306 (Service shop/db)", "10.244.2.4:3306"],
        );
        let output = to("svc:shop/bd");
        assert_eq!(output.status.code(), Some(2));
        says(&String::from_utf8_lossy(&output.stderr), &["in the captured rules", "did you mean shop/db"]);
    }
}

#[test]
fn a_listing_tells_who_is_remembered() {
    let path = testdata().join("captures/shop-worker-1.nft-list-ruleset.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let before = "timeout 3h\n\t}\n\n\tset affinity-62N3DOO6";
    assert!(text.contains(before));
    let after = "timeout 3h\n\t\telements = { 10.244.1.9 expires 2h59m55s }\n\t}\n\n\tset affinity-62N3DOO6";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text.replace(before, after)).unwrap();
    let captured = file.path().to_str().unwrap();
    let arguments = ["trace", "--captured", captured, "--from", "10.244.1.9", "--to", "svc:shop/cart"];
    let text = String::from_utf8(kuberules(&arguments).stdout).unwrap();
    assert_eq!(words(&text).matches("which has the client now").count(), 2, "{text}");
}

#[test]
fn wrong_arguments_are_told_and_exit_2() {
    let wrong: [(&[&str], &str); 11] = [
        (&["--from", "pod:shop/web-9", "--to", "svc:shop/web"], "did you mean shop/web-0"),
        (&["--from", "node", "--to", "svc:shop/wbe"], "did you mean shop/web"),
        (&["--from", "node", "--to", "svc:shop/web:9999"], "has no port 9999"),
        (
            &["--from", "node", "--to", "svc:kube-system/kube-dns"],
            "which port of Service kube-system/kube-dns?",
        ),
        (&["--from", "10.244.1.9", "--to", "[fd00:10:96::1]:80"], "the source 10.244.1.9 is IPv4"),
        (&["--from", "fd00::1", "--to", "svc:shop/web"], "has a cluster IP in IPv4 only"),
        (&["--from", "0.0.0.0", "--to", "svc:shop/web"], "0.0.0.0 is not an address that a host can have"),
        (
            &["--from", "10.96.0.12", "--to", "svc:shop/web"],
            "10.96.0.12 is the cluster IP of Service shop/db",
        ),
        (&["--from", "node", "--to", "10.96.0.12"], "the port is missing"),
        (&["--from", "somewhere", "--to", "svc:shop/web"], "an IP address, pod/NAME, node, external or any"),
        (&["--from", "node", "--to", "svc:shop/web", "--protocol", "icmp"], "expect tcp, udp or sctp"),
    ];
    for (arguments, told) in wrong {
        let output = trace("before.yaml", "iptables", arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(output.stdout.is_empty(), "{arguments:?} prints an answer");
        says(&message, &[told]);
    }
}

#[test]
fn colour_is_asked_for() {
    let arguments = ["--from", "node", "--to", "svc:shop/db"];
    assert!(!answer("before.yaml", "iptables", &arguments).contains('\u{1b}'));
    let mut colored = arguments.to_vec();
    colored.extend(["--color", "always"]);
    says(&answer("before.yaml", "iptables", &colored), &["\u{1b}[1;32m=> works:\u{1b}[0m"]);
}

#[test]
fn the_diagram_is_of_mermaid() {
    let text = answer(
        "before.yaml",
        "nftables",
        &["--from", "external", "--to", "node:30080", "--output", "mermaid"],
    );
    assert_snapshot!(text);
}

/// An endpoint that names its node is on it, even if no Pod and no network of pods says so.
#[test]
fn issue_13_an_endpoint_of_another_node_without_a_target_ref() {
    let cluster = "\
---
{apiVersion: v1, kind: Node, metadata: {name: worker-1}, status: {addresses: [{type: InternalIP, address: 192.168.0.11}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: worker-2}, status: {addresses: [{type: InternalIP, address: 192.168.0.12}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.12, ports: [{port: 3306}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-x, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: '', port: 3306}]
endpoints:
- {addresses: [10.244.1.9], nodeName: worker-1}
- {addresses: [10.244.2.9], nodeName: worker-2}
";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), cluster).unwrap();
    let told = |source: &str| {
        let input = file.path().to_str().unwrap();
        let settings = ["--node", "worker-1", "--cluster-cidr", "10.244.0.0/16", "--quiet"];
        let asked = ["trace", input, "--from", source, "--to", "svc:shop/db"];
        let output = kuberules(&[&asked[..], &settings].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    says(&told("10.244.2.9"), &["a pod on another node"]);
    says(&told("10.244.1.9"), &["a pod on this node"]);
}

/// `trace` with captured rules, after replacing one piece of text.
fn captured(file: &str, old: &str, new: &str, arguments: &[&str]) -> String {
    let text = std::fs::read_to_string(testdata().join("captures").join(file)).unwrap();
    assert!(text.contains(old), "{file} has no {old}");
    let changed = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(changed.path(), text.replacen(old, new, 1)).unwrap();
    let path = changed.path().to_str().unwrap();
    let mut all = vec!["trace", "--quiet", "--captured", path, "--host-ip", "192.168.0.11"];
    all.extend(arguments);
    let output = kuberules(&all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const DB: [&str; 4] = ["--from", "10.244.1.9", "--to", "10.96.0.12:3306"];

/// A reason comes from the rule that decided: here it is not kube-proxy that drops.
#[test]
fn a_drop_that_is_not_kube_proxys_is_not_blamed_on_the_policy() {
    let iptables = "shop-worker-1.iptables-save-c.txt";
    let listing = "shop-worker-1.nft-list-ruleset.txt";
    let dnat = "-j DNAT --to-destination 10.244.2.4:3306";
    let random = "meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 10.244.2.4 . 3306 }";
    let notrack = "-A PREROUTING -p udp -m udp --dport 8472 -j NOTRACK";
    let raw = "*raw\n:PREROUTING ACCEPT";
    let altered = "kube-proxy owns the chain but does not write this rule";
    let foreign = "rule 1 of chain PREROUTING (table raw), which is not kube-proxy's";
    let policy = "The policy of chain PREROUTING (table raw) is to drop";
    let cases = [
        (iptables, dnat, "-j DROP", altered),
        (iptables, dnat, "-j REJECT --reject-with icmp-port-unreachable", altered),
        (listing, random, "drop", altered),
        (listing, random, "reject", altered),
        (iptables, notrack, "-A PREROUTING -d 10.96.0.12/32 -j DROP", foreign),
        (iptables, raw, "*raw\n:PREROUTING DROP", policy),
    ];
    for (file, old, new, why) in &cases {
        let text = captured(file, old, new, &DB);
        says(&text, &[why]);
        assert!(!text.contains("traffic policy is Local") && !text.contains("no endpoint"), "{new}: {text}");
    }
}

/// `--to-destination :0` (114537, 112477) has nothing to do with the policy, and the connection does not work.
#[test]
fn k114537_a_dnat_without_an_address_is_not_blamed_on_the_policy() {
    let file = "shop-worker-1.iptables-save-c.txt";
    let text = captured(file, "--to-destination 10.244.2.4:3306", "--to-destination :0", &DB);
    says(&text, &["A DNAT rule has lost its address", "=> times out:"]);
    assert!(!text.contains("traffic policy is Local") && !text.contains("works:"), "{text}");
}

/// If a Service has only UDP, UDP is traced, and the output says so.
#[test]
fn the_protocol_is_that_of_the_service_port() {
    let cluster = testdata().join("shop/before.yaml");
    let run = |to: &str| {
        let cluster = cluster.to_str().unwrap();
        kuberules(&[
            "trace", cluster, "--node", "worker-1", "--from", "external", "--to", to, "--output", "json",
        ])
    };
    let output = run("203.0.113.20:7777");
    let trace: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(trace["packet"]["protocol"], "udp");
    assert_eq!(outcomes(&trace)[0]["result"], "works");
    says(&String::from_utf8_lossy(&output.stderr), &["note: 203.0.113.20:7777 is served for udp only"]);
    let output = run("10.96.0.10:53");
    let trace: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(trace["packet"]["protocol"], "tcp");
    says(&String::from_utf8_lossy(&output.stderr), &["served for tcp and udp; this traces tcp"]);
}

/// The packet passes, but the connection fails: the output must not say that it works.
#[test]
fn what_no_service_takes_is_not_said_to_work() {
    let cases = [
        (
            "nftables",
            ["--from", "node", "--to", "127.0.0.1:30080"],
            "reaches the node itself at 127.0.0.1:30080",
        ),
        (
            "iptables",
            ["--from", "10.244.1.9", "--to", "10.96.0.12:53"],
            "nothing takes 10.96.0.12:53 (Service shop/db)",
        ),
        (
            "iptables",
            ["--from", "external", "--to", "node:31999"],
            "reaches the node itself at 192.168.0.11:31999",
        ),
        (
            "nftables",
            ["--from", "external", "--to", "node:31999"],
            "reaches the node itself at 192.168.0.11:31999",
        ),
        ("iptables", ["--from", "node", "--to", "10.244.2.4:3306"], "goes on to 10.244.2.4:3306"),
    ];
    for (mode, arguments, clause) in cases {
        let trace = json("before.yaml", mode, &arguments);
        let outcome = &outcomes(&trace)[0];
        assert_eq!(
            (&outcome["verdict"], &outcome["result"]),
            (&"accept".into(), &"not-a-service-port".into())
        );
        says(outcome["meaning"].as_str().unwrap(), &["not a Service port: ", clause]);
        let text = answer("before.yaml", mode, &arguments);
        assert!(!text.contains("accept") && !text.contains("works"), "{text}");
    }
    let refused = json("before.yaml", "nftables", &["--from", "10.244.1.9", "--to", "10.96.0.12:53"]);
    assert_eq!(outcomes(&refused)[0]["result"], "refused");
    says(
        outcomes(&refused)[0]["remarks"][0].as_str().unwrap(),
        &["Service shop/db, which has no port 53/tcp"],
    );
}
