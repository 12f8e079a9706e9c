use super::compile;
use crate::cluster::{Indexed, ServicePort, TrafficPolicy};
use crate::net::Port;
use crate::nftables::list;
use crate::nftables::ruleset::Ruleset;
use crate::plan::samples::{Sample, endpoint, service_port};
use crate::settings::{ProxyMode, Release};

fn sticky_web() -> ServicePort {
    let mut web = service_port("");
    web.node_port = Port::new(30080);
    web.external_policy = TrafficPolicy::Local;
    web.affinity_seconds = Some(10800);
    web.endpoints = vec![endpoint("10.244.0.5:8080"), endpoint("10.244.1.5:8080")];
    web.endpoints[0].node_name = Some("worker".into());
    web
}

fn compiled(minor: u16, service_ports: &[ServicePort]) -> Ruleset {
    let release = Release::find(minor, None).unwrap();
    compile(&Sample::new(ProxyMode::Nftables, release, service_ports).plan())
}

/// The rules of a chain, as listed.
fn rules(ruleset: &Ruleset, chain: &str) -> Vec<String> {
    let chain = ruleset.tables[0].chain(chain).unwrap();
    chain.rules.iter().map(|placed| placed.rule.to_string()).collect()
}

/// The elements of a set, as listed.
fn elements(ruleset: &Ruleset, set: &str) -> Vec<String> {
    let set = ruleset.tables[0].set(set).unwrap();
    set.elements.iter().map(ToString::to_string).collect()
}

/// The example of kube-proxy 1.36 in which every kind of per-Service chain but the firewall occurs.
#[test]
fn whole_table_of_the_newest_release() {
    assert_snapshot!(list::print(&compiled(36, &[sticky_web()])));
}

#[test]
fn whole_table_of_the_oldest_release() {
    assert_snapshot!(list::print(&compiled(30, &[sticky_web()])));
}

#[test]
fn cluster_ip_traffic_is_marked_where_the_release_marks_it() {
    let first = |minor, chain| rules(&compiled(minor, &[sticky_web()]), chain)[0].clone();
    assert_eq!(
        first(33, "service-PFISGYVC-default/web/tcp/"),
        "ip daddr 10.96.0.13 tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade"
    );
    assert_eq!(
        first(35, "service-PFISGYVC-default/web/tcp/"),
        "ip daddr 10.96.0.13 ip saddr != 10.244.0.0/16 jump mark-for-masquerade"
    );
    assert_eq!(
        first(36, "services"),
        "ip daddr @cluster-ips ip saddr != 10.244.0.0/16 meta mark set meta mark | 0x00004000 \
         comment \"masquerade clusterIP traffic from outside cluster\""
    );
}

fn claiming(port_name: &str, ip: &str) -> ServicePort {
    let mut claimant = service_port(port_name);
    claimant.external_ips = vec![Indexed { index: 0, value: ip.parse().unwrap() }];
    claimant
}

#[test]
fn last_of_two_claimants_has_the_element() {
    let mut claimants = [claiming("a", "203.0.113.1"), claiming("b", "203.0.113.1")];
    claimants.iter_mut().for_each(|c| c.endpoints = vec![endpoint("10.244.0.5:8080")]);
    claimants[1].cluster_ip = "10.96.0.14".parse().unwrap();
    let ruleset = compiled(36, &claimants);
    let taken: Vec<String> = elements(&ruleset, "service-ips");
    assert!(taken[0].starts_with("203.0.113.1 . tcp . 80 : goto external-"), "{taken:?}");
    assert!(taken[0].ends_with("default/web/tcp/b"), "{taken:?}");
}

#[test]
fn equal_verdicts_keep_the_first_comment() {
    let ruleset = compiled(36, &[claiming("a", "203.0.113.1"), claiming("b", "203.0.113.1")]);
    assert_eq!(
        elements(&ruleset, "no-endpoint-services"),
        [
            "203.0.113.1 . tcp . 80 comment \"default/web:a\" : goto reject-chain",
            "10.96.0.13 . tcp . 80 comment \"default/web:a\" : goto reject-chain",
        ]
    );
}
