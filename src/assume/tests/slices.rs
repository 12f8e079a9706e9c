//! Slices, their conditions and hints.

use super::{NODES, RUNNING, WEB, filled, filled_with, pod, workload};
use crate::assume::Options;

#[test]
fn slices_of_the_input_win() {
    let slice = "
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web, endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io}}
addressType: IPv4
endpoints: [{addresses: [10.9.9.9]}]
";
    let snapshot = filled(&[WEB, NODES, &workload("Deployment", "web", "", ""), slice].concat());
    assert_eq!(snapshot.endpoint_slices.len(), 1);
    let by_hand = slice.replace("managed-by: endpointslice-controller.k8s.io", "managed-by: staff");
    let snapshot = filled(&[WEB, NODES, &workload("Deployment", "web", "", ""), &by_hand].concat());
    assert_eq!(snapshot.endpoint_slices.len(), 2);
}

#[test]
fn conditions_are_those_of_the_controller() {
    let pod = pod("web-1", "ReplicaSet/web", RUNNING);
    let conditions = |service: &str, pod: &str| {
        let snapshot = filled(&[service, NODES, pod].concat());
        let all = &snapshot.endpoint_slices[0].object.endpoints[0].conditions;
        (all.ready.unwrap(), all.serving.unwrap(), all.terminating.unwrap())
    };
    let terminating = pod.replace("name: web-1,", "name: web-1, deletionTimestamp: '2026-01-01T00:00:00Z',");
    let unready = pod.replace("'True'", "'False'");
    let publishing = WEB.replace("spec: {", "spec: {publishNotReadyAddresses: true, ");
    assert_eq!(conditions(WEB, &pod), (true, true, false));
    assert_eq!(conditions(WEB, &terminating), (false, true, true));
    assert_eq!(conditions(WEB, &unready), (false, false, false));
    assert_eq!(conditions(&publishing, &unready), (true, false, false));
    assert_eq!(conditions(&publishing, &terminating), (true, true, true));
}

#[test]
fn hints_are_those_of_the_release() {
    let zones = |distribution: &str, release: &str| {
        let service = WEB.replace("spec: {", &format!("spec: {{trafficDistribution: {distribution}, "));
        let yaml = [&service, NODES, &workload("DaemonSet", "web", "", "")].concat();
        let (snapshot, ..) = filled_with(&yaml, &Options::default(), release);
        let endpoints = snapshot.endpoint_slices[0].object.endpoints.clone();
        let hint = |hints: &crate::input::api::Hints| format!("{:?} {:?}", hints.zones, hints.nodes);
        let hints = endpoints.iter().map(|e| e.hints.as_deref().map_or_else(|| "-".to_owned(), hint));
        hints.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(zones("PreferClose", "1.30"), "-, -");
    assert_eq!(zones("PreferClose", "1.31"), r#"["east"] [], [""] []"#);
    assert_eq!(zones("PreferClose", "1.36"), r#"["east"] [], -"#);
    assert_eq!(zones("PreferSameZone", "1.33"), "-, -");
    assert_eq!(zones("PreferSameZone", "1.34"), r#"["east"] [], -"#);
    assert_eq!(zones("PreferSameNode", "1.34"), r#"["east"] ["a"], [] ["b"]"#);
}

#[test]
fn auto_hints_share_endpoints_out_by_cpus() {
    let node = |name: &str, zone: &str, cpu: &str| {
        format!(
            "
---
apiVersion: v1
kind: Node
metadata: {{name: {name}, labels: {{topology.kubernetes.io/zone: {zone}}}}}
spec: {{podCIDR: 10.0.{}.0/24}}
status: {{allocatable: {{cpu: {cpu}}}, addresses: [{{type: InternalIP, address: 192.168.0.1}}]}}
",
            name.len()
        )
    };
    let auto =
        WEB.replace("name: web}", "name: web, annotations: {service.kubernetes.io/topology-mode: Auto}}");
    let hints = |replicas: usize, cpu: &str| {
        let web = workload("Deployment", "web", "", &format!("replicas: {replicas}"));
        let yaml = [auto.as_str(), &node("a", "east", "'3'"), &node("bb", "west", cpu), &web].concat();
        let slices = filled(&yaml).endpoint_slices;
        let zones = slices[0].object.endpoints.iter();
        zones
            .map(|e| e.hints.as_ref().map_or("-", |hints| &hints.zones[0][..1]).to_owned())
            .collect::<String>()
    };
    assert_eq!(hints(4, "'3'"), "ewew");
    assert_eq!(hints(1, "'3'"), "-");
    assert_eq!(hints(2, "100m"), "--");
    assert_eq!(hints(8, "1"), "eeeeewew");
}
