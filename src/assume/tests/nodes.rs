//! Where Pods run, and which nodes there are.

use super::{NODES, RUNNING, WEB, endpoints, filled, filled_with, pod, settings, workload};
use crate::assume::Options;

#[test]
fn pods_go_where_the_scheduler_lets_them() {
    let places = |spec: &str, nodes: &str, rest: &str| {
        let template = format!("{{{spec}, containers: [{{name: c, ports: [{{containerPort: 80}}]}}]}}");
        let workload = workload("Deployment", "web", "", rest);
        let yaml = [WEB, nodes, &workload.replace("{containers: [{name: c}]}", &template)].concat();
        let (snapshot, ..) = filled_with(&yaml, &Options::default(), "1.36");
        let nodes = endpoints(&snapshot, "web");
        nodes.iter().map(|pod| pod.split(['@', ':']).nth(1).unwrap().to_owned()).collect::<Vec<_>>().concat()
    };
    let two = "replicas: 2";
    assert_eq!(places("nodeSelector: {topology.kubernetes.io/zone: east}", NODES, two), "aa");
    assert_eq!(places("nodeSelector: {gpu: 'yes'}", NODES, two), "");
    let cordoned =
        NODES.replace("spec: {podCIDR: 10.0.1.0/24}", "spec: {podCIDR: 10.0.1.0/24, unschedulable: true}");
    assert_eq!(places("hostname: x", &cordoned, two), "bb");
    let tainted =
        NODES.replace("podCIDR: 10.0.2.0/24", "podCIDR: 10.0.2.0/24, taints: [{key: k, effect: NoSchedule}]");
    assert_eq!(places("hostname: x", &tainted, two), "aa");
    assert_eq!(places("tolerations: [{operator: Exists}]", &tainted, two), "ab");
    let apart = "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}]}}";
    assert_eq!(places(apart, NODES, "replicas: 3"), "ab");
    assert_eq!(places(&apart.replace("podAnti", "pod"), NODES, "replicas: 3"), "aaa");
    assert_eq!(places("hostNetwork: true", NODES, "replicas: 3"), "ab");
    let node_affinity = |operator: &str| {
        format!(
            "affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{{matchExpressions: [{{key: topology.kubernetes.io/zone, operator: {operator}}}]}}]}}}}}}"
        )
    };
    assert_eq!(places(&node_affinity("Exists"), NODES, two), "aa");
    assert_eq!(places(&node_affinity("DoesNotExist"), NODES, two), "bb");
    assert_eq!(places("nodeSelector: {gpu: 'yes'}", "", "replicas: 3"), "node-1node-1node-1");
}

#[test]
fn nodes_are_added_and_made_of_names() {
    let names = |yaml: &str, nodes: Option<u16>| {
        let (snapshot, ..) = filled_with(yaml, &Options { nodes, ..Options::default() }, "1.36");
        let mut names: Vec<String> =
            snapshot.nodes.iter().map(|node| node.object.metadata.name.to_string()).collect();
        names.sort();
        names.join(" ")
    };
    let named = pod("one", "Job/x", RUNNING).replace("nodeName: a", "nodeName: z");
    assert_eq!(names(WEB, None), "node-1");
    assert_eq!(names(NODES, Some(2)), "a b node-1 node-2");
    assert_eq!(names(&named, None), "z");
    assert_eq!(names(&named, Some(1)), "node-1 z");
    assert_eq!(names(&(NODES.to_owned() + &named), None), "a b");
    let crowd = workload("Deployment", "web", "", "replicas: 600");
    let snapshot = filled(&(WEB.to_owned() + &crowd));
    assert_eq!(endpoints(&snapshot, "web").len(), 600);
    assert!(snapshot.endpoint_slices.iter().all(|slice| slice.object.endpoints.len() <= 100));
}

#[test]
fn the_network_of_assumed_pods_is_told() {
    let told = |yaml: &str| {
        let (_, assumed, _) = filled_with(yaml, &Options::default(), "1.36");
        let mut settings = settings("1.36");
        assumed.tell(&mut settings);
        format!("{:?}", settings.detect_local)
    };
    assert!(told(WEB).contains("10.244.0.0"));
    assert!(!told(&(WEB.to_owned() + NODES)).contains("10.244.0.0"));
}
