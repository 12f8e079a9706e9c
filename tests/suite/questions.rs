//! The fifteen questions that people ask upstream, each answered by one command with only the input and names, in its
//! first three lines. Tests are named after the issue in kubernetes/kubernetes.

use std::process::Command;

/// The first three lines of what a command line prints, run from the project's root.
fn first_lines(line: &str) -> String {
    let output = Command::new("bash")
        .args(["-c", &line.replacen("kuberules", env!("CARGO_BIN_EXE_kuberules"), 1)])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    text.lines().take(3).map(str::trim).collect::<Vec<_>>().join(" ")
}

fn answers(line: &str, parts: &[&str]) {
    let said = first_lines(line);
    for part in parts {
        assert!(said.contains(part), "{line}\nsays not {part:?}:\n{said}");
    }
}

const SHOP: &str = "testdata/shop/before.yaml";
const SAVE: &str = "testdata/captures/shop-worker-1.iptables-save-c.txt";

#[test]
fn k127937_which_nodes_accept() {
    answers(
        "kuberules trace testdata/shop/after.yaml --from external --to node:30090",
        &["works on 2 of 4 nodes: worker-2, worker-3; times out on 2 of 4 nodes: cp-1, worker-1"],
    );
}

#[test]
fn k121371_timeout_or_refusal() {
    answers(
        &format!("kuberules trace {SHOP} --from pod/cart-0 --to svc/payments"),
        &["refused: Service shop/payments:https has no endpoints"],
    );
    answers(
        "kuberules trace testdata/shop/after.yaml --from external --to node/worker-1:30090",
        &["times out: Service games/lobby:http has no usable endpoint on this node", "policy is Local"],
    );
}

#[test]
fn k131765_what_stops_working_in_nftables_mode() {
    let modes = "--old-proxy-mode iptables --new-proxy-mode nftables";
    answers(
        &format!("kuberules diff {SHOP} {modes} --all-nodes"),
        &[
            "ready: nothing unexpected",
            "stops working: node ports on 127.0.0.1 (games/arena, games/lobby and 2 more)",
        ],
    );
    answers(
        &format!("kuberules diff testdata/shop/after.yaml {modes} --all-nodes --kube-version 1.32"),
        &["ready: nothing unexpected", "policy Local from the node itself ("],
    );
    answers(
        &format!(
            "kuberules diff {SHOP} --old-kube-version 1.32 --new-kube-version 1.37 --proxy-mode iptables --all-nodes"
        ),
        &["ready: nothing unexpected", "nothing stops working"],
    );
}

#[test]
fn k35641_one_node_is_wrong() {
    answers(
        &format!("kuberules check testdata/shop/after.yaml --node worker-1 --captured {SAVE}"),
        &["Node worker-1: ", "findings"],
    );
}

#[test]
fn k102314_leftovers_of_the_other_mode() {
    let chain = r"\n\tchain KUBE-SERVICES {\n\t\tip daddr 10.96.0.10 accept\n\t}\n";
    answers(
        &format!(
            "sed 's/^table ip nat {{/&{chain}/' testdata/captures/shop-worker-1.nft-list-ruleset.txt | \
             kuberules check {SHOP} --node worker-1 --captured -"
        ),
        &["other-mode-leftovers"],
    );
}

#[test]
fn k107965_iptables_shows_nothing() {
    let warning = "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them";
    answers(
        &format!("(cat {SAVE}; echo '{warning}') | kuberules check {SHOP} --node worker-1 --captured -"),
        &["legacy-mix"],
    );
}

#[test]
fn k114537_a_dnat_without_an_address() {
    answers(
        &format!(
            "sed 's/--to-destination 10.244.2.4:3306/--to-destination :0/' {SAVE} | kuberules trace --captured - \
             --from 10.244.1.9 --to 10.96.0.12:3306"
        )
        .replacen("sed", "sed", 1),
        &["times out: a DNAT rule has lost its address"],
    );
}

#[test]
fn k103000_affinity_is_of_one_port() {
    answers(
        &format!("kuberules trace {SHOP} --from pod/cart-0 --to svc/cart"),
        &["a client stays with its endpoint for 10800 s, at this port only"],
    );
}

#[test]
fn k109575_do_source_ranges_bind_pods() {
    answers(
        &format!("kuberules trace {SHOP} --from pod/cart-0 --to 203.0.113.10:443"),
        &[
            "the loadBalancerSourceRanges of Service ingress-nginx/ingress-nginx-controller:https do not include",
        ],
    );
}

#[test]
fn k20475_a_pod_reaches_itself() {
    answers(
        &format!("kuberules trace {SHOP} --from pod/db-0 --to svc/db"),
        &[
            "works: goes to 10.244.2.4:3306 (pod shop/db-0 on worker-2), the Pod sees the node's IP",
            "hairpin",
        ],
    );
}

#[test]
fn k124383_node_ports_on_loopback() {
    answers(
        &format!("kuberules trace {SHOP} --from node/worker-1 --to localhost:30080"),
        &["works: ", "endpoints"],
    );
}

#[test]
fn k37932_unequal_values_are_equal_shares() {
    answers(
        &format!("kuberules trace {SHOP} --from node/worker-1 --to shop/web"),
        &["works: 2 of 3 endpoints on other nodes", "each gets 33.33 % (1/3)"],
    );
}

#[test]
fn k124699_why_hints_do_not_count() {
    answers(&format!("kuberules trace {SHOP} --from node/worker-1 --to shop/catalog"), &["topology hints"]);
}

#[test]
fn k69599_two_services_on_one_address() {
    let port = "ports: [{port: 80}]";
    let service = |name: &str, ip: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: x}}, spec: {{clusterIP: {ip}, type: \
             LoadBalancer, {port}}}, status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.1}}]}}}}}}\n---\n"
        )
    };
    let slice = |name: &str, ip: &str| {
        format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: {name}, namespace: x, labels: \
             {{kubernetes.io/service-name: {name}}}}}, addressType: IPv4, endpoints: [{{addresses: [{ip}]}}], \
             {port}}}\n---\n"
        )
    };
    let slices = slice("a", "10.244.0.1") + &slice("b", "10.244.0.2");
    let input = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(&input, service("a", "10.96.0.1") + &service("b", "10.96.0.2") + &slices).unwrap();
    let line = format!("kuberules lint {}", input.path().display());
    answers(&line, &["error[KR006] Service x/", "192.0.2.1"]);
}

#[test]
fn k139628_udp_still_goes_to_the_dead_pod() {
    let line = format!("kuberules trace {SHOP} --from pod/cart-0 --to kube-dns.kube-system:dns");
    answers(
        &line,
        &[
            "one that exists keeps going where it went",
            "conntrack -D -p udp --orig-src 10.244.1.5 --orig-dst 10.96.0.10 --orig-port-dst 53",
        ],
    );
}

/// It once said that the Service has no such port.
#[test]
fn a_port_of_a_service_without_rules_is_not_served() {
    let trace = |port: u16| {
        format!(
            "printf '*nat\\n:PREROUTING ACCEPT [0:0]\\n:OUTPUT ACCEPT [0:0]\\nCOMMIT\\n' | kuberules trace {SHOP} -q --captured - \
             --node worker-1 --from 10.244.1.9 --to 10.96.0.12:{port}"
        )
    };
    answers(
        &trace(3306),
        &[
            "not served: no rule serves port 3306/tcp of Service shop/db",
            "kube-proxy's rules for it are missing",
        ],
    );
    answers(&trace(3307), &["not a Service port: Service shop/db has no port 3307/tcp"]);
}
