//! Rules as other programs write them, listed by the real nft in two versions as text and as JSON: what they let
//! through works, what they block does not.

use kuberules::capture;
use kuberules::net::{Cidr, Protocol};
use kuberules::node::{Host, InterfaceName, NodeRules, PerFamily};
use kuberules::walk::{Packet, Verdict, Walker};

fn host() -> Host {
    let addresses = ["192.168.0.11", "192.168.0.12"].map(|ip| ip.parse().unwrap()).to_vec();
    let network = |text| Cidr::parse_lenient(text).unwrap();
    Host {
        addresses,
        pod_networks: vec![network("10.244.1.0/24")],
        cluster_networks: vec![network("10.244.0.0/16")],
        ..Host::default()
    }
}

/// Source, destination, interfaces in and out.
type Flow<'t> = (&'t str, &'t str, Option<&'t str>, Option<&'t str>);

/// What is certain to happen, in every version and form; none if it is left open.
fn ends(program: &str, (from, to, input, output): Flow<'_>) -> Option<String> {
    let mut found = Vec::new();
    for name in ["1.0.6.txt", "1.0.6.json", "1.1.3.txt", "1.1.3.json"] {
        let text = std::fs::read_to_string(format!("testdata/captures/{program}/nft-{name}")).unwrap();
        let rules: PerFamily<Option<NodeRules<'_>>> =
            capture::read(&text, None).unwrap().node_rules(|_| host());
        let rules = rules.ipv4.unwrap();
        let interface = |name: Option<&str>| name.and_then(InterfaceName::new);
        let packet = Packet::new(&host(), Protocol::Tcp, from.parse().unwrap(), to.parse().unwrap()).unwrap();
        let packet = Packet { in_interface: interface(input), out_interface: interface(output), ..packet };
        let outcomes = Walker::of(&rules).walk(&packet).unwrap();
        let mut ends: Vec<String> = outcomes
            .iter()
            .filter(|outcome| {
                !outcome.given.iter().any(|given| matches!(given, kuberules::walk::Condition::Opaque { .. }))
            })
            .map(|outcome| match outcome.verdict {
                Verdict::Accept => {
                    format!("{}{}", outcome.destination, if outcome.snat { " snat" } else { "" })
                }
                other => other.name().to_owned(),
            })
            .collect();
        ends.dedup();
        found.push(if outcomes.len() == ends.len() { ends.pop() } else { None });
    }
    found.dedup();
    assert_eq!(found.len(), 1, "{program}: {from} -> {to} differs by version or form: {found:?}");
    found.pop().flatten()
}

fn expect(program: &str, flows: &[(Flow<'_>, &str)]) {
    for (flow, expected) in flows {
        assert_eq!(ends(program, *flow).as_deref(), Some(*expected), "{program}: {flow:?}");
    }
}

const POD: &str = "cali1a2b3c4d5e6";

#[test]
fn calico_decides_by_policy() {
    expect(
        "calico-nft",
        &[
            (("10.244.2.7", "10.244.1.5:80", Some("eth0"), Some(POD)), "10.244.1.5:80"),
            (("10.244.2.70", "10.244.1.5:80", Some("eth0"), Some(POD)), "drop"),
            (("10.244.2.7", "10.244.1.5:81", Some("eth0"), Some(POD)), "drop"),
            (("10.244.1.5", "10.244.2.7:9100", Some(POD), Some("eth0")), "10.244.2.7:9100"),
            (("10.244.1.5", "10.244.2.7:9101", Some(POD), Some("eth0")), "drop"),
            (("10.244.1.5", "10.244.2.7:9100", Some("cali99999999999"), Some("eth0")), "drop"),
            (("198.51.100.7", "192.168.0.11:22", Some("eth0"), None), "192.168.0.11:22"),
        ],
    );
}

#[test]
fn kube_router_decides_by_policy() {
    expect(
        "kube-router-nft",
        &[
            (("10.244.2.7", "10.244.1.5:8080", None, None), "10.244.1.5:8080"),
            (("10.244.2.9", "10.244.1.5:8080", None, None), "reject"),
            (("10.244.2.7", "10.244.1.5:81", None, None), "reject"),
            (("10.244.2.7", "10.244.1.6:81", None, None), "10.244.1.6:81"),
        ],
    );
}

#[test]
fn the_aws_cni_marks_connections() {
    expect(
        "aws-vpc-cni-nft",
        &[
            (("10.244.1.5", "203.0.113.5:443", Some("eni1"), Some("eth0")), "203.0.113.5:443 snat"),
            (("10.244.1.5", "203.0.113.66:443", Some("eni1"), Some("eth0")), "drop"),
            (("198.51.100.7", "203.0.113.66:443", Some("eth0"), Some("eth0")), "203.0.113.66:443 snat"),
            (("10.244.1.5", "10.0.2.9:443", Some("eni1"), Some("eth0")), "10.0.2.9:443"),
        ],
    );
}

#[test]
fn flannel_masquerades_and_forwards_pods_only() {
    expect(
        "flannel-nft",
        &[
            (("10.244.1.5", "203.0.113.5:443", None, None), "203.0.113.5:443 snat"),
            (("10.244.1.5", "10.244.2.7:80", None, None), "10.244.2.7:80"),
            (("198.51.100.7", "203.0.113.5:443", None, None), "drop"),
        ],
    );
}

#[test]
fn portmap_translates_host_ports() {
    expect(
        "portmap-nft",
        &[
            (("198.51.100.7", "192.168.0.11:8080", None, None), "10.244.1.5:80"),
            (("198.51.100.7", "192.168.0.12:8443", None, None), "10.244.1.5:443"),
            (("198.51.100.7", "192.168.0.11:8443", None, None), "192.168.0.11:8443"),
            (("198.51.100.7", "203.0.113.5:8080", None, None), "203.0.113.5:8080"),
        ],
    );
}

#[test]
fn firewalld_decides_by_zone() {
    expect(
        "firewalld-nft",
        &[
            (("203.0.113.9", "192.168.0.11:22", Some("eth0"), None), "192.168.0.11:22"),
            (("203.0.113.9", "192.168.0.11:25", Some("eth0"), None), "reject"),
            (("198.51.100.7", "192.168.0.11:25", Some("eth0"), None), "192.168.0.11:25"),
            (("203.0.113.9", "192.168.0.11:443", Some("eth1"), None), "192.168.0.11:443"),
            (("203.0.113.9", "192.168.0.11:22", Some("eth1"), None), "reject"),
            (("203.0.113.9", "192.168.0.11:8888", Some("eth0"), None), "192.168.0.11:8080"),
            (("203.0.113.9", "10.244.1.5:80", Some("eth0"), Some("cali1")), "10.244.1.5:80"),
            (("203.0.113.9", "10.244.1.5:80", Some("eth2"), Some("cali1")), "reject"),
        ],
    );
}
