//! Which Pods workloads make.

use super::{NODES, RUNNING, WEB, endpoints, filled, filled_with, pod, workload};
use crate::assume::Options;

#[test]
fn each_kind_of_workload_makes_its_pods() {
    let of = |kind: &str, rest: &str| {
        endpoints(&filled(&[WEB, NODES, &workload(kind, "web", "", rest)].concat()), "web")
    };
    assert_eq!(of("Deployment", "replicas: 3"), ["web-0@a:8080", "web-1@b:8080", "web-2@a:8080"]);
    assert_eq!(of("Deployment", "replicas: 0"), [""; 0]);
    assert_eq!(of("ReplicaSet", ""), ["web-0@a:8080"]);
    assert_eq!(of("StatefulSet", "replicas: 2").len(), 2);
    assert_eq!(of("DaemonSet", ""), ["web-a@a:8080", "web-b@b:8080"]);
    let job = workload("Job", "web", "", "").replace("apps/v1", "batch/v1");
    assert_eq!(endpoints(&filled(&[WEB, NODES, &job].concat()), "web"), ["web-0@a:8080"]);
    let controller = workload("ReplicationController", "web", "", "").replace("apps/v1", "v1");
    let controller = controller.replace("{matchLabels: {app: web}}", "{app: web}");
    assert_eq!(endpoints(&filled(&[WEB, NODES, &controller].concat()), "web"), ["web-0@a:8080"]);
}

#[test]
fn a_job_beside_lasting_pods_is_taken_to_be_done() {
    let job = workload("Job", "migrate", "", "parallelism: 2").replace("apps/v1", "batch/v1");
    let yaml = [WEB, NODES, &job, &workload("Deployment", "web", "", "")].concat();
    let (snapshot, _, found) = filled_with(&yaml, &Options::default(), "1.36");
    assert_eq!(endpoints(&snapshot, "web"), ["web-0@a:8080"]);
    assert!(found.concat().contains("also matches the Pods of Job migrate"), "{found:?}");
    let suspended = job.replace("parallelism: 2", "suspend: true");
    assert_eq!(endpoints(&filled(&[WEB, NODES, &suspended].concat()), "web"), [""; 0]);
}

#[test]
fn replicas_are_what_autoscaler_pause_and_bare_pods_leave() {
    let count = |parts: &[&str]| endpoints(&filled(&([&[WEB, NODES], parts].concat()).concat()), "web").len();
    let scaler = "
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 3, maxReplicas: 5}
";
    let deployment = |rest: &str| workload("Deployment", "web", "", rest);
    assert_eq!(count(&[&deployment(""), scaler]), 3);
    assert_eq!(count(&[&deployment("replicas: 4"), scaler]), 4);
    assert_eq!(count(&[&deployment("replicas: 9"), scaler]), 5);
    assert_eq!(count(&[&deployment("replicas: 0"), scaler]), 0);
    assert_eq!(count(&[&deployment("paused: true")]), 0);
    let bare = "
---
apiVersion: v1
kind: Pod
metadata: {name: bare, labels: {app: web}}
spec: {containers: [{name: c}]}
";
    assert_eq!(count(&[&workload("ReplicaSet", "web", "", "replicas: 2"), bare]), 2);
    assert_eq!(count(&[&deployment("replicas: 2"), bare]), 3);
}

#[test]
fn nothing_is_counted_twice() {
    let deployment = workload("Deployment", "web", "", "replicas: 2");
    let set = workload("ReplicaSet", "web-5d4f", "Deployment/web", "replicas: 2");
    let count = |parts: &[&str]| endpoints(&filled(&([&[WEB, NODES], parts].concat()).concat()), "web");
    let real = pod("web-5d4f-x2", "ReplicaSet/web-5d4f", RUNNING);
    assert_eq!(count(&[&deployment, &set]).len(), 2);
    assert_eq!(count(&[&set]).len(), 2);
    assert_eq!(count(&[&deployment, &set, &real]), ["web-5d4f-x2@a:8080"]);
    assert_eq!(count(&[&deployment, &real]), ["web-5d4f-x2@a:8080"]);
    assert_eq!(count(&[&set, &real]), ["web-5d4f-x2@a:8080"]);
    let other = pod("other-web-5d4f-x2", "ReplicaSet/other-web-5d4f", RUNNING);
    assert_eq!(count(&[&deployment, &other]).len(), 3);
}

#[test]
fn pods_of_a_job_count_by_their_phase() {
    let count = |status: &str| {
        endpoints(&filled(&[WEB, NODES, &pod("migrate-1", "Job/migrate", status)].concat()), "web").len()
    };
    assert_eq!(count(RUNNING), 1);
    assert_eq!(count("phase: Succeeded, podIP: 10.0.1.9"), 0);
    assert_eq!(count("phase: Pending"), 0);
}

#[test]
fn pods_carry_the_labels_of_their_controllers() {
    let label = |kind: &str, rest: &str, pod: &str, key: &str, release: &str| {
        let yaml = NODES.to_owned() + &workload(kind, "web", "", rest);
        let (snapshot, ..) = filled_with(&yaml, &Options::default(), release);
        let mut pods = snapshot.pods.iter().map(|located| &located.object.metadata);
        pods.find(|metadata| metadata.name == pod).and_then(|metadata| metadata.label(key).map(str::to_owned))
    };
    let start = "ordinals: {start: 5}";
    let of_set = |key: &str| label("StatefulSet", start, "web-5", key, "1.36");
    assert_eq!(of_set("statefulset.kubernetes.io/pod-name").as_deref(), Some("web-5"));
    assert_eq!(of_set("apps.kubernetes.io/pod-index").as_deref(), Some("5"));
    assert!(label("Deployment", "", "web-0", "pod-template-hash", "1.36").is_some());
    let zone = "topology.kubernetes.io/zone";
    assert_eq!(label("Deployment", "", "web-0", zone, "1.36").as_deref(), Some("east"));
    assert_eq!(label("Deployment", "", "web-0", zone, "1.34"), None);
}
