use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;
use crate::cluster::Cluster;
use crate::input::yaml::Tape;
use crate::input::{api, read_text};
use crate::net::Family;
use crate::plan::Plan;
use crate::settings::{Configuration, HostFacts, ProxyMode, Release, Settings};
use crate::{iptables, nftables};

/// The texts of all test clusters that are a single list.
fn clusters() -> Vec<(PathBuf, String)> {
    let shop = ["before.json", "before-with-pods.yaml", "after.yaml"];
    let mut paths: Vec<PathBuf> = shop.iter().map(|name| PathBuf::from("testdata/shop").join(name)).collect();
    for folder in std::fs::read_dir("testdata/random").unwrap() {
        let folder = folder.unwrap().path();
        let names = ["cluster.yaml", "cluster.json"].map(|name| folder.join(name));
        paths.extend(names.into_iter().filter(|path| path.is_file()));
    }
    assert!(paths.len() > 10, "{paths:?}");
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

/// All objects of a list as the types of `k8s-openapi`.
#[derive(Default)]
struct Decoded {
    services: Vec<Service>,
    endpoint_slices: Vec<EndpointSlice>,
    nodes: Vec<Node>,
    service_cidrs: Vec<ServiceCIDR>,
    pods: Vec<Pod>,
}

impl Decoded {
    fn read(text: &str) -> Decoded {
        let list: Value =
            serde_json::from_str(text).unwrap_or_else(|_| Tape::read(text).unwrap().decode(0).unwrap());
        let items = list["items"].as_array().unwrap();
        Decoded {
            services: of_kind(items, "Service"),
            endpoint_slices: of_kind(items, "EndpointSlice"),
            nodes: of_kind(items, "Node"),
            service_cidrs: of_kind(items, "ServiceCIDR"),
            pods: of_kind(items, "Pod"),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let objects = K8sObjects {
            services: &self.services,
            endpoint_slices: &self.endpoint_slices,
            nodes: &self.nodes,
            service_cidrs: &self.service_cidrs,
            pods: &self.pods,
        };
        Snapshot::from_k8s(&objects).unwrap().0
    }
}

fn of_kind<T: DeserializeOwned>(items: &[Value], kind: &str) -> Vec<T> {
    let items = items.iter().filter(|item| item["kind"] == kind);
    items.map(|item| serde_json::from_value(item.clone()).unwrap()).collect()
}

fn objects<T>(located: &[Located<T>]) -> Vec<&T> {
    located.iter().map(|located| &located.object).collect()
}

/// The rules of every node in both modes and families.
fn rules(snapshot: &Snapshot) -> String {
    [ProxyMode::Iptables, ProxyMode::Nftables].map(|mode| rules_in_mode(snapshot, mode)).concat()
}

fn rules_in_mode(snapshot: &Snapshot, mode: ProxyMode) -> String {
    let settings =
        Settings::resolve(&Configuration::default(), Release::NEWEST, HostFacts::default(), None).unwrap().0;
    let settings = Settings { mode, ..settings };
    let cluster = Cluster::build(snapshot, &settings).unwrap().0;
    let plans = cluster
        .nodes
        .iter()
        .flat_map(|node| Family::ALL.map(|family| Plan::new(&cluster, &settings, node, family).unwrap().0));
    plans.map(|plan| text(&plan, mode)).collect()
}

fn text(plan: &Plan<'_>, mode: ProxyMode) -> String {
    let mut text = String::new();
    match mode {
        ProxyMode::Iptables => iptables::save::print(&iptables::compile(plan), &mut text),
        ProxyMode::Nftables => text = nftables::list::print(&nftables::compile(plan)),
    }
    text
}

#[test]
fn objects_are_those_of_the_text() {
    let mut count = 0;
    for (path, text) in clusters() {
        let read = read_text("cluster", text.as_str()).unwrap().0;
        let taken = Decoded::read(&text).snapshot();
        assert_eq!(objects(&taken.services), objects(&read.services), "{}", path.display());
        assert_eq!(objects(&taken.endpoint_slices), objects(&read.endpoint_slices), "{}", path.display());
        assert_eq!(objects(&taken.nodes), objects(&read.nodes), "{}", path.display());
        assert_eq!(objects(&taken.service_cidrs), objects(&read.service_cidrs), "{}", path.display());
        assert_eq!(objects(&taken.pods), objects(&read.pods), "{}", path.display());
        count += read.services.len() + read.endpoint_slices.len() + read.nodes.len();
        count += read.service_cidrs.len() + read.pods.len();
    }
    assert!(count > 300, "{count}");
}

#[test]
fn rules_are_those_of_the_text() {
    for (path, text) in clusters() {
        let expected = rules(&read_text("cluster", text.as_str()).unwrap().0);
        assert!(expected.contains("KUBE-SERVICES") && expected.contains("service-ips"));
        assert!(rules(&Decoded::read(&text).snapshot()) == expected, "{}", path.display());
    }
}

#[test]
fn fields_that_no_cluster_of_the_tests_has() {
    let service = r#"{"metadata": {"name": "a"}, "spec": {
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 7}},
        "ports": [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8081}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "Proxy"}, {"hostname": "h"}]}}}"#;
    assert_same::<Service, api::Service>(service);
    let slice = r#"{"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z", "annotations":
        {"other": "x", "service.kubernetes.io/topology-mode": "Auto"}}, "addressType": "IPv4", "endpoints":
        [{"addresses": ["10.0.0.1", "10.0.0.2"], "zone": "z", "hints":
        {"forZones": [{"name": "z"}], "forNodes": [{"name": "n"}]}}], "ports": [{}]}"#;
    assert_same::<EndpointSlice, api::EndpointSlice>(slice);
    let pod = r#"{"metadata": {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x",
        "uid": "1"}, {"apiVersion": "v1", "kind": "Y", "name": "y", "uid": "2", "controller": true}]},
        "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 1, "name": "p"}]}], "hostNetwork": true,
        "initContainers": [{"name": "i", "ports": [{"containerPort": 2}]},
        {"name": "s", "restartPolicy": "Always", "ports": [{"containerPort": 3, "protocol": "UDP"}]}]},
        "status": {"podIP": "10.0.0.1"}}"#;
    assert_same::<Pod, api::Pod>(pod);
}

fn assert_same<K, T>(text: &str)
where
    K: DeserializeOwned,
    T: DeserializeOwned + for<'k> From<&'k K> + PartialEq + std::fmt::Debug,
{
    let lean: T = serde_json::from_str(text).unwrap();
    assert_eq!(T::from(&serde_json::from_str::<K>(text).unwrap()), lean);
}

#[test]
fn faults_name_the_object_and_its_line() {
    let mut services = vec![Service::default(), Service::default(), Service::default()];
    for (service, cluster_ip) in services.iter_mut().zip(["10.0.0.1", "10.0.0.2"]) {
        service.metadata.name = Some("web".to_owned());
        service.spec.get_or_insert_default().cluster_ip = Some(cluster_ip.to_owned());
    }
    let objects = K8sObjects { services: &services, ..K8sObjects::default() };
    let faults = Snapshot::from_k8s(&objects).unwrap_err();
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_snapshot!(faults.join("\n"), @r"
    error: <memory>:3: services[2]: a Service without a name
      help: set metadata.name
    error: <memory>:2: Service default/web: differs from the same object at <memory>:1
      help: leave one of them out, as with --exclude
    ");
}
