use std::collections::{BTreeMap, BTreeSet};

use super::{Assumed, Options, fill};
use crate::input::{self, Snapshot};
use crate::settings::{Configuration, HostFacts, Release, Settings};

fn settings(release: &str) -> Settings {
    let release: Release = release.parse().unwrap();
    Settings::resolve(&Configuration::default(), release, HostFacts::default(), None).0
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

#[test]
fn objects_without_a_namespace_are_put_into_one() {
    let mut snapshot = read(&[WEB, &WEB.replace("name: web", "name: web, namespace: shop")].concat());
    snapshot.put_into_namespace("notes");
    let namespaces: Vec<&str> =
        snapshot.services.iter().map(|located| located.object.metadata.namespace.as_str()).collect();
    assert_eq!(namespaces, ["notes", "shop"]);
}

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
