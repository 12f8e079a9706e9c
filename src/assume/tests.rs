//! What is filled in, and what is said of it.

mod nodes;
mod pods;
mod services;
mod slices;

use std::collections::BTreeSet;

use super::{Assumed, Options, fill};
use crate::input::{self, Snapshot};
use crate::settings::{Configuration, HostFacts, Release, Settings};

fn settings(release: &str) -> Settings {
    let release: Release = release.parse().unwrap();
    Settings::resolve(&Configuration::default(), release, HostFacts::default(), None).unwrap().0
}

fn read(yaml: &str) -> Snapshot {
    input::read_text("test.yaml", yaml).unwrap().0
}

fn filled_with(yaml: &str, options: &Options, release: &str) -> (Snapshot, Assumed, Vec<String>) {
    let mut snapshot = read(yaml);
    let (assumed, found) = fill(&mut snapshot, options, &settings(release));
    (snapshot, assumed, found.iter().map(ToString::to_string).collect())
}

fn filled(yaml: &str) -> Snapshot {
    let (snapshot, _, found) = filled_with(yaml, &Options::default(), "1.36");
    assert!(found.is_empty(), "{found:?}");
    snapshot
}

/// `pod@node` of every endpoint of a Service, by family.
fn endpoints(snapshot: &Snapshot, service: &str) -> Vec<String> {
    let slices = snapshot.endpoint_slices.iter().map(|located| &located.object);
    let slices = slices.filter(|slice| slice.metadata.label("kubernetes.io/service-name") == Some(service));
    let mut found: Vec<String> = slices
        .flat_map(|slice| slice.endpoints.iter().map(move |endpoint| (slice, endpoint)))
        .map(|(slice, endpoint)| {
            let pod = endpoint.target_ref.as_ref().map_or("", |target| target.name.as_str());
            let node = endpoint.node_name.as_deref().unwrap_or_default();
            let ports: Vec<String> =
                slice.ports.iter().map(|port| port.port.unwrap_or_default().to_string()).collect();
            format!("{pod}@{node}:{}", ports.join(","))
        })
        .collect();
    found.sort();
    found
}

const WEB: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
";

const NODES: &str = "
---
apiVersion: v1
kind: Node
metadata: {name: a, labels: {topology.kubernetes.io/zone: east}}
spec: {podCIDR: 10.0.1.0/24}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: b}
spec: {podCIDR: 10.0.2.0/24}
status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}
";

fn workload(kind: &str, name: &str, owner: &str, rest: &str) -> String {
    let owner = match owner.split_once('/') {
        Some((kind, name)) => {
            format!(", ownerReferences: [{{kind: {kind}, name: {name}, controller: true}}]")
        }
        None => String::new(),
    };
    format!(
        "
---
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}{owner}}}
spec:
  {rest}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: c}}]}}
"
    )
}

fn pod(name: &str, owner: &str, status: &str) -> String {
    let (kind, owner) = owner.split_once('/').unwrap();
    format!(
        "
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}, ownerReferences: [{{kind: {kind}, name: {owner}, controller: true}}]}}
spec: {{nodeName: a, containers: [{{name: c}}]}}
status: {{{status}}}
"
    )
}

const RUNNING: &str = "phase: Running, podIP: 10.0.1.9, conditions: [{type: Ready, status: 'True'}]";

#[test]
fn kinds_that_may_make_the_pods_are_named() {
    let rollout = "
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec: {replicas: 2, template: {metadata: {labels: {app: web}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: other}
spec: {replicas: 2, template: {metadata: {labels: {app: other}}}}
---
apiVersion: postgres.example/v1
kind: Cluster
metadata: {name: web}
spec: [odd]
";
    let snapshot = read(&(WEB.to_owned() + rollout));
    let makers = super::pod_makers(&snapshot, &snapshot.services[0].object);
    let makers: Vec<String> =
        makers.iter().map(|maker| format!("{} {}", maker.kind, maker.metadata.name)).collect();
    assert_eq!(makers, ["Rollout web", "Cluster web"]);
}

#[test]
fn what_cannot_be_is_told_and_nothing_panics() {
    let told = |yaml: &str, nodes: Option<u16>| {
        filled_with(yaml, &Options { nodes, ..Options::default() }, "1.36").2.join("\n")
    };
    let many = workload("Deployment", "web", "", "replicas: 9223372036854775807");
    assert!(told(&many, None).contains("spec.replicas: 9223372036854775807 is not within 0 to 10000"));
    let crowd = workload("Deployment", "web", "", "replicas: 600");
    assert!(told(&(NODES.to_owned() + &crowd), None).contains("no address of 10.0.1.0/24"));
    let room = "--assume-nodes: 10.244.0.0/16 has no pod networks for 300 Nodes";
    assert!(told(WEB, Some(300)).contains(room));
    let auto =
        WEB.replace("name: web}", "name: web, annotations: {service.kubernetes.io/topology-mode: Auto}}");
    assert!(told(&auto, None).contains("hints of Auto are left out: Node node-1"));
}

#[test]
fn what_was_assumed_for_a_service_is_found() {
    let (snapshot, assumed, _) = filled_with(
        &[WEB, NODES, &workload("Deployment", "web", "", "")].concat(),
        &Options::default(),
        "1.36",
    );
    let pods = BTreeSet::from(["web-0"]);
    let behind = assumed.behind(("default", "web"), &pods, "a");
    let told: Vec<String> = behind.map(|value| format!("{} {}", value.object, value.rule.code())).collect();
    let told = |wanted: &str| told.iter().any(|told| told == wanted);
    assert!(told("Service default/web cluster-ip-from-hash"));
    assert!(told("EndpointSlice default/web-assumed-ipv4-0 slice-from-pods"));
    assert!(told("Pod default/web-0 pod-address-from-hash"));
    assert!(!told("Pod default/web-1 pod-address-from-hash"));
    let (other, nobody) = (("shop", "web"), BTreeSet::new());
    assert_eq!(assumed.behind(other, &nobody, "a").count(), 0);
    assert!(!snapshot.endpoint_slices.is_empty());
}

#[test]
fn without_slices_it_is_said_what_is_missing() {
    let told = |yaml: &str| {
        let found = super::check_nothing_missing(&read(yaml));
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(told(&[WEB, NODES, &workload("Deployment", "web", "", "")].concat()));
    assert!(told(&[WEB, NODES].concat()).contains("kubectl get endpointslices"));
}
