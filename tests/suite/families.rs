//! `diff` and `check` if only one side has an IP family: that is a difference like any other.

use std::io::Write as _;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::kuberules;

const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: worker-1}
spec: {podCIDRs: [10.244.1.0/24, 'fd00:10:244:1::/64']}
status: {addresses: [{type: InternalIP, address: 192.168.0.11}, {type: InternalIP, address: 'fd00::11'}]}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {clusterIP: 10.96.0.81, clusterIPs: [10.96.0.81], ipFamilies: [IPv4], ports: [{port: 81}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-4, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.244.1.7], nodeName: worker-1, conditions: {ready: true}}]
ports: [{port: 8080, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-6, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
endpoints: [{addresses: ['fd00:10:244:1::7'], nodeName: worker-1, conditions: {ready: true}}]
ports: [{port: 8080, protocol: TCP}]
---
";

/// The Service web with these cluster IPs; no Service if there are none.
fn cluster(web: &[&str]) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(NODE.as_bytes()).unwrap();
    let families: Vec<&str> = web.iter().map(|ip| if ip.contains(':') { "IPv6" } else { "IPv4" }).collect();
    if let Some(first) = web.first() {
        write!(
            file,
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\n\
             spec: {{clusterIP: '{first}', clusterIPs: {web:?}, ipFamilies: {families:?}, ports: [{{port: 80}}]}}\n"
        )
        .unwrap();
    }
    file
}

const IPV4: &str = "10.96.0.80";
const IPV6: &str = "fd00:10:96::80";

fn diff(old: &NamedTempFile, new: &NamedTempFile, more: &[&str]) -> (String, Option<i32>) {
    let (old, new) = (old.path().to_str().unwrap(), new.path().to_str().unwrap());
    let result = kuberules(&[&["diff", "-q", old, new, "--node", "worker-1"], more].concat());
    let told = String::from_utf8(result.stdout).unwrap() + &String::from_utf8(result.stderr).unwrap();
    (told, result.status.code())
}

/// The change of one family: how many lines are added and removed, and the flows.
fn change(diff: &str, family: &str) -> (u64, u64, Vec<Value>) {
    let diff: Value = serde_json::from_str(diff).unwrap();
    let of_family = |list: &Value| -> Vec<Value> {
        let all = list.as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|one| one["family"] == family).collect()
    };
    let groups = of_family(&diff["rules"]["groups"]);
    let places = || groups.iter().flat_map(|group| group["places"].as_array().unwrap());
    let lines = || places().flat_map(|place| place["lines"].as_array().unwrap());
    let count = |op: &str| lines().filter(|line| line["op"] == op).count() as u64;
    (count("+"), count("-"), of_family(&diff["traffic"]["flows"]))
}

#[test]
fn a_family_that_appears_or_goes_is_a_difference() {
    let single = cluster(&[IPV4]);
    for mode in ["iptables", "nftables"] {
        // A Service made dual-stack, an IPv6 Service added, and both undone.
        for (without, with) in [(&single, &cluster(&[IPV4, IPV6])), (&cluster(&[]), &cluster(&[IPV6]))] {
            for level in ["rules", "traffic", "all"] {
                let flags = ["--proxy-mode", mode, "--level", level, "--output", "json"];
                let (appears, code) = diff(without, with, &flags);
                assert_eq!(code, Some(1), "{mode} {level}: {appears}");
                let (goes, code) = diff(with, without, &flags);
                assert_eq!(code, Some(1), "{mode} {level}: {goes}");
                let (appears, goes) = (change(&appears, "ipv6"), change(&goes, "ipv6"));
                if level != "traffic" {
                    assert!(appears.0 > 0 && appears.1 == 0, "{mode}: {appears:?}");
                    assert_eq!((goes.0, goes.1), (appears.1, appears.0), "{mode}");
                }
                if level != "rules" {
                    let served = "[fd00:10:244:1::7]:8080";
                    assert!(appears.2[0]["after"].as_str().unwrap().contains(served), "{appears:?}");
                    assert!(goes.2[0]["before"].as_str().unwrap().contains(served), "{goes:?}");
                    assert_eq!(appears.2[0]["service"], "shop/web");
                }
            }
        }
    }
}

#[test]
fn a_family_that_is_not_asked_for_is_not_compared() {
    let (old, new) = (cluster(&[IPV4]), cluster(&[IPV4, IPV6]));
    assert_eq!(diff(&old, &new, &["--family", "ipv4"]).1, Some(0));
    let (told, code) = diff(&old, &new, &["--family", "ipv6"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("shop/web"), "{told}");
}

#[test]
fn a_family_that_appears_is_told_between_modes_too() {
    let (old, new) = (cluster(&[IPV4]), cluster(&[IPV4, IPV6]));
    let flags = ["--old-proxy-mode", "iptables", "--new-proxy-mode", "nftables"];
    let (told, code) = diff(&old, &new, &flags);
    assert_eq!(code, Some(1));
    assert!(told.contains("cluster IP of shop/web"), "{told}");
}

/// A listing of what `compile` prints, with a table of another program unless it is `alone`.
fn listing(cluster: &NamedTempFile, family: &str, alone: bool) -> NamedTempFile {
    let path = cluster.path().to_str().unwrap();
    let arguments =
        ["compile", "-q", path, "--node", "worker-1", "--proxy-mode", "nftables", "--family", family];
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&kuberules(&arguments).stdout).unwrap();
    if !alone {
        file.write_all(b"table inet filter {\n}\n").unwrap();
    }
    file
}

fn check(cluster: &NamedTempFile, captured: &NamedTempFile, more: &[&str]) -> (String, Option<i32>) {
    let (path, captured) = (cluster.path().to_str().unwrap(), captured.path().to_str().unwrap());
    let arguments =
        ["check", "-q", path, "--node", "worker-1", "--proxy-mode", "nftables", "--captured", captured];
    let result = kuberules(&[&arguments[..], more].concat());
    (String::from_utf8(result.stdout).unwrap(), result.status.code())
}

#[test]
fn a_family_that_the_node_lacks_is_missing() {
    let dual = cluster(&[IPV4, IPV6]);
    let (told, code) = check(&dual, &listing(&dual, "ipv4", false), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("missing: Service shop/web"), "{told}");
    assert!(told.contains("[fd00:10:96::80]:80/tcp"), "{told}");
    let (told, code) = check(&dual, &listing(&dual, "all", false), &[]);
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_family_that_the_cluster_does_not_serve_is_stale() {
    let (single, dual) = (cluster(&[IPV4]), cluster(&[IPV4, IPV6]));
    let (told, code) = check(&single, &listing(&dual, "all", false), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("stale: Service shop/web"), "{told}");
}

#[test]
fn a_family_that_was_not_captured_is_not_said_to_be_missing_nor_to_be_fine() {
    let dual = cluster(&[IPV4, IPV6]);
    let (told, code) = check(&dual, &listing(&dual, "ipv4", true), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("nothing-compared") && told.contains("IPv6 is not\n  checked"), "{told}");
    assert!(!told.contains("missing"), "{told}");
    assert_eq!(check(&dual, &listing(&dual, "ipv4", true), &["--family", "ipv4"]).1, Some(0));
}
