//! Questions that users ask upstream, each answered by one `lint` or `explain`; named by the issues in
//! kubernetes/kubernetes.

use crate::support::kuberules;

fn cluster(services: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.yaml");
    std::fs::write(&path, services).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn words(arguments: &[&str]) -> String {
    let printed = String::from_utf8(kuberules(arguments).stdout).unwrap();
    printed.split_whitespace().collect::<Vec<_>>().join(" ")
}

const HINTS: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, trafficDistribution: PreferSameZone, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: '', port: 8080}]
endpoints:
- {addresses: [10.244.1.4], nodeName: n1, hints: {forZones: [{name: zone-a}]}}
- {addresses: [10.244.2.4], nodeName: n2}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/zone: zone-a}}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
";

// https://github.com/kubernetes/kubernetes/issues/124699
#[test]
fn k124699_what_switched_the_topology_hints_off() {
    let (_folder, path) = cluster(HINTS);
    let why = "topology hints are ignored: a ready endpoint has none";
    assert!(words(&["lint", &path]).contains(why));
    assert!(words(&["explain", &path, "web"]).contains(why));
}

const ONE_ADDRESS: &str = "
apiVersion: v1
kind: Service
metadata: {name: old, namespace: shop}
spec: {clusterIP: 10.96.0.1, externalIPs: [203.0.113.7], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: new, namespace: shop}
spec: {clusterIP: 10.96.0.2, externalIPs: [203.0.113.7], ports: [{port: 80}]}
";

fn endpoint(service: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {service}-1, namespace: shop, labels: {{kubernetes.io/service-name: {service}}}}}\naddressType: IPv4\nports: [{{name: '', port: 80}}]\nendpoints: [{{addresses: [{ip}]}}]\n"
    )
}

/// Where the packet goes according to the rules themselves.
fn goes_to(path: &str, mode: &str) -> String {
    let arguments = [
        "trace",
        path,
        "--node",
        "n1",
        "-q",
        "--from",
        "external",
        "--to",
        "203.0.113.7:80",
        "--output",
        "json",
    ];
    let traced = kuberules(&[&arguments[..], &["--proxy-mode", mode, "--host-ip", "192.168.0.1"]].concat());
    let traced: serde_json::Value = serde_json::from_slice(&traced.stdout).unwrap();
    traced["outcomes"][0]["destination"].as_str().unwrap().to_owned()
}

// https://github.com/kubernetes/kubernetes/issues/69599
#[test]
fn k69599_two_services_on_one_external_ip_and_port() {
    let both = ONE_ADDRESS.to_owned() + &endpoint("old", "10.244.1.1") + &endpoint("new", "10.244.1.2");
    let (_folder, path) = cluster(&both);
    let found = words(&["lint", &path]);
    assert!(found.contains("error[KR006] Service shop/old"), "{found}");
    assert!(found.contains("shop/new wins in iptables mode, shop/old in nftables mode"), "{found}");
    assert_eq!(
        (goes_to(&path, "iptables"), goes_to(&path, "nftables")),
        ("10.244.1.2:80".into(), "10.244.1.1:80".into())
    );
    let (_folder, path) = cluster(&(ONE_ADDRESS.to_owned() + &endpoint("old", "10.244.1.1")));
    let found = words(&["lint", &path]);
    assert!(found.contains("only shop/old has endpoints, and takes the traffic in both modes"), "{found}");
    assert_eq!(
        (goes_to(&path, "iptables"), goes_to(&path, "nftables")),
        ("10.244.1.1:80".into(), "10.244.1.1:80".into())
    );
    let (_folder, path) = cluster(&(ONE_ADDRESS.to_owned() + &endpoint("new", "10.244.1.2")));
    assert_eq!(
        (goes_to(&path, "iptables"), goes_to(&path, "nftables")),
        ("10.244.1.2:80".into(), "10.244.1.2:80".into())
    );
}

const REFUSED_SLICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [PORTS]
endpoints:
- {addresses: [10.244.1.4]}
";

// More ports than the API server accepts.
#[test]
fn the_only_slice_is_refused_and_not_missing() {
    let ports = (1..=20_001).map(|port| format!("{{name: p{port}, port: {port}}}")).collect::<Vec<_>>();
    let (_folder, path) = cluster(&REFUSED_SLICE.replace("PORTS", &ports.join(", ")));
    let printed = words(&["lint", &path]);
    assert!(printed.contains("KR048"), "{printed}");
    assert!(!printed.contains("the input has no EndpointSlices"), "{printed}");
}
