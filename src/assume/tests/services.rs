//! Families, addresses and node ports of Services.

use std::collections::BTreeMap;

use super::{NODES, WEB, filled, filled_with, read};
use crate::assume::Options;
use crate::input::Snapshot;

#[test]
fn families_follow_the_policy_and_the_cluster() {
    let ips = |spec: &str, cidrs: &str, nodes: &str| {
        let service = WEB.replace("spec: {", &format!("spec: {{{spec}, "));
        let service_cidrs = cidrs.split_terminator(',').map(|c| crate::net::Cidr::parse_lenient(c).unwrap());
        let options = Options { service_cidrs: service_cidrs.collect(), ..Options::default() };
        let (snapshot, _, found) = filled_with(&(service + nodes), &options, "1.36");
        let families: Vec<&str> = snapshot.services[0]
            .object
            .spec
            .cluster_ips
            .iter()
            .map(|ip| if ip.contains(':') { "6" } else { "4" })
            .collect();
        families.concat() + found.first().map_or("", String::as_str)
    };
    assert_eq!(ips("type: ClusterIP", "", ""), "4");
    assert_eq!(ips("type: ClusterIP", "fd00::/112,10.0.0.0/16", ""), "6");
    assert_eq!(ips("ipFamilyPolicy: PreferDualStack", "", ""), "46");
    assert_eq!(ips("ipFamilyPolicy: PreferDualStack", "", NODES), "4");
    assert_eq!(ips("ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6]", "", ""), "64");
    assert_eq!(ips("ipFamilyPolicy: PreferDualStack, clusterIP: 10.96.0.9", "", ""), "46");
    let refused = ips("ipFamilyPolicy: RequireDualStack", "10.0.0.0/16", "");
    assert!(refused.contains("RequireDualStack needs a service network of IPv6"), "{refused}");
    let refused = ips("ipFamilies: [IPv6]", "10.0.0.0/16", "");
    assert!(refused.contains("no free IPv6 address"), "{refused}");
}

#[test]
fn ports_of_one_number_share_their_node_port() {
    let service = "
apiVersion: v1
kind: Service
metadata: {name: dns}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ports: [{name: u, port: 53, protocol: UDP}, {name: t, port: 53}, {name: m, port: 9153, nodePort: 30001}]
";
    let spec = filled(service).services.remove(0).object.spec;
    let [udp, tcp, metrics] = [0, 1, 2].map(|i| spec.ports[i].node_port);
    assert_eq!(udp, tcp);
    assert!((30_086..=32_767).contains(&udp) && metrics == 30_001);
    assert!(spec.health_check_node_port != udp && spec.health_check_node_port >= 30_086);
    let without = service.replace("spec:", "spec:\n  allocateLoadBalancerNodePorts: false");
    assert_eq!(filled(&without).services[0].object.spec.ports[0].node_port, 0);
}

#[test]
fn a_thousand_services_keep_their_addresses_when_one_comes() {
    let service = |name: &str| {
        WEB.replace("name: web", &format!("name: {name}")).replace("spec: {", "spec: {type: NodePort, ")
    };
    let before: String = (0..1000).map(|i| service(&format!("s{i}"))).collect();
    let (old, assumed, _) = filled_with(&before, &Options::default(), "1.36");
    let addresses = |snapshot: &Snapshot| -> BTreeMap<String, String> {
        let services = snapshot.services.iter().map(|located| &located.object);
        services
            .map(|s| {
                (s.metadata.name.to_string(), format!("{} {}", s.spec.cluster_ip, s.spec.ports[0].node_port))
            })
            .collect()
    };
    let options = Options { previous: Some(assumed), ..Options::default() };
    let (new, ..) = filled_with(&(service("aaa-new") + &before), &options, "1.36");
    let (old, mut new) = (addresses(&old), addresses(&new));
    assert!(new.remove("aaa-new").is_some());
    assert_eq!(old, new);
}

#[test]
fn objects_without_a_namespace_are_put_into_one() {
    let mut snapshot = read(&[WEB, &WEB.replace("name: web", "name: web, namespace: shop")].concat());
    snapshot.put_into_namespace("notes");
    let namespaces: Vec<&str> =
        snapshot.services.iter().map(|located| located.object.metadata.namespace.as_str()).collect();
    assert_eq!(namespaces, ["notes", "shop"]);
}
