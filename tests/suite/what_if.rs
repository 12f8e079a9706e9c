//! What-if: the steps that are derived from a snapshot are those that a real cluster went through.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use kuberules::input::api::EndpointSlice;
use kuberules::input::{InputPath, Snapshot, read};
use kuberules::settings::{Configuration, HostFacts, Release, Settings};
use kuberules::what_if::{Changes, Object, Scale, Stage, stages};

use crate::support::{kuberules, testdata};

fn story(name: &str) -> PathBuf {
    testdata().join("controllers/drain").join(name)
}

fn step(story_name: &str, step: &str, with_pods: bool) -> Snapshot {
    let file = |ending: &str| story(story_name).join(format!("{step}{ending}"));
    let mut paths = vec![file(".yaml")];
    paths.extend(Some(file(".pods.yaml")).filter(|_| with_pods));
    let paths: Vec<InputPath> =
        paths.into_iter().map(|path| InputPath::from(path.into_os_string())).collect();
    read(&paths, std::io::empty()).unwrap_or_else(|faults| panic!("{story_name}/{step}: {faults:?}")).0
}

fn settings() -> Settings {
    let written =
        Configuration { cluster_cidr: Some("10.244.0.0/16".to_owned()), ..Configuration::default() };
    Settings::resolve(&written, Release::NEWEST, HostFacts::default(), None).unwrap().0
}

fn derived(story_name: &str, from: &str, changes: &Changes) -> Vec<Stage> {
    let snapshot = step(story_name, from, true);
    stages(&snapshot, &settings(), changes).unwrap_or_else(|faults| panic!("{story_name}: {faults:?}"))
}

/// Service and family with each endpoint: node, conditions, hints. Names and addresses of Pods do not count.
type Endpoints = BTreeMap<String, Vec<String>>;

fn endpoints(snapshot: &Snapshot, with_places: bool) -> Endpoints {
    let mut found = Endpoints::new();
    for slice in snapshot.endpoint_slices.iter().map(|slice| &slice.object) {
        let service = slice.metadata.label("kubernetes.io/service-name").unwrap_or_default();
        let list = found.entry(format!("{service} {}", slice.address_type)).or_default();
        list.extend(texts(slice, with_places));
    }
    found.values_mut().for_each(|list| list.sort());
    found
}

fn texts(slice: &EndpointSlice, with_places: bool) -> Vec<String> {
    let text = |endpoint: &kuberules::input::api::Endpoint| {
        let c = endpoint.conditions;
        let (node, hints) = match (with_places, &endpoint.hints) {
            (true, Some(hints)) => {
                (endpoint.node_name.clone(), format!("{:?} {:?}", hints.zones, hints.nodes))
            }
            (true, None) => (endpoint.node_name.clone(), String::new()),
            (false, hints) => (None, format!("{}", hints.is_some())),
        };
        format!("{node:?} {:?} {:?} {:?} {hints}", c.ready, c.serving, c.terminating)
    };
    slice.endpoints.iter().map(text).collect()
}

/// Compares steps by number with real ones.
fn compare(story_name: &str, stages: &[Stage], real: &[(usize, &str)], with_places: bool) {
    for (number, name) in real {
        let titles: Vec<&str> = stages.iter().map(|stage| stage.title.as_str()).collect();
        let stage = stages.get(*number).unwrap_or_else(|| panic!("{story_name}: {titles:?}"));
        let (found, wanted) = (&stage.snapshot, step(story_name, name, false));
        let (found, wanted) = (endpoints(found, with_places), endpoints(&wanted, with_places));
        let services: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
        for service in services {
            let none = Vec::new();
            let (found, wanted) = (found.get(service).unwrap_or(&none), wanted.get(service).unwrap_or(&none));
            assert_eq!(found, wanted, "{story_name}, {name} ({}): {service}", stage.title);
        }
    }
}

fn drain() -> Changes {
    Changes { drain: vec!["worker-1".to_owned()], ..Changes::default() }
}

#[test]
fn a_drain() {
    let name = "01-drain-worker-1";
    let found = derived(name, "00-start", &drain());
    let real = [
        (0, "01-cordoned"),
        (1, "02-evicted"),
        (2, "03-replacements-start"),
        (3, "04-terminating-not-ready"),
        (4, "05-gone"),
        (5, "06-replaced"),
    ];
    compare(name, &found, &real, true);
    assert_eq!(found.len(), 6);
}

#[test]
fn a_scale_down_and_up() {
    let name = "03-scale-down";
    let to = |replicas| Changes {
        scale: vec![Scale { name: "shop/cart".to_owned(), replicas }],
        ..Changes::default()
    };
    let found = derived(name, "00-start", &to(1));
    compare(name, &found, &[(1, "01-scaled"), (2, "02-terminating-not-ready"), (3, "03-gone")], false);
    let found = derived(name, "03-gone", &to(0));
    compare(name, &found, &[(1, "04-scaled-to-zero"), (3, "05-none")], true);
    let found = derived(name, "05-none", &to(3));
    compare(name, &found, &[(2, "06-back")], true);
}

/// The Pods that are not ready, as `namespace/name`.
fn not_ready(snapshot: &Snapshot) -> Vec<String> {
    let pods = snapshot.pods.iter().map(|pod| &pod.object).filter(|pod| !pod.ready);
    pods.map(|pod| format!("{}/{}", pod.metadata.namespace, pod.metadata.name)).collect()
}

#[test]
fn pods_that_are_not_ready() {
    let name = "04-readiness";
    for (from, to) in [
        ("00-start", "01-one-not-ready"),
        ("00-start", "02-all-not-ready"),
        ("01-one-not-ready", "02-all-not-ready"),
    ] {
        let unready = not_ready(&step(name, to, true));
        assert!(!unready.is_empty());
        let found = derived(name, from, &Changes { unready, ..Changes::default() });
        compare(name, &found, &[(1, to)], true);
    }
}

#[test]
fn services_that_are_deleted() {
    let name = "06-service-deleted";
    let delete =
        |service: &str| Changes { delete: vec![Object::Service(service.to_owned())], ..Changes::default() };
    compare(name, &derived(name, "00-start", &delete("shop/pay")), &[(1, "01-deleted")], true);
    compare(name, &derived(name, "01-deleted", &delete("legacy")), &[(1, "02-mirrored-deleted")], true);
    let both = [Object::read("svc:shop/pay"), Object::read("service/shop/legacy")].map(Result::unwrap);
    let found = derived(name, "00-start", &Changes { delete: both.into(), ..Changes::default() });
    compare(name, &found, &[(1, "02-mirrored-deleted")], true);
}

#[test]
fn a_node_that_is_deleted() {
    let name = "07-node-deleted";
    let changes = Changes { delete: vec![Object::read("node/worker-4").unwrap()], ..Changes::default() };
    let found = derived(name, "00-start", &changes);
    let real =
        [(1, "01-deleted"), (2, "02-pods-collected"), (3, "03-replacements-start"), (4, "04-replaced")];
    compare(name, &found, &real, true);
    assert_eq!(found[1].time, Some("until garbage collection, which takes a minute or so"));
}

#[test]
fn a_zone_that_is_lost() {
    let name = "08-zone-not-ready";
    let changes = Changes { zones_down: vec!["zone-a".to_owned()], ..Changes::default() };
    let found = derived(name, "00-start", &changes);
    compare(name, &found, &[(1, "01-not-ready")], true);
    let times: Vec<Option<&str>> = found.iter().map(|stage| stage.time).collect();
    assert_eq!(times, [None, Some("for 54 s"), Some("after 54 s"), Some("after 365 s"), None]);
}

#[test]
fn a_drain_with_odd_pods() {
    let name = "10-drain-odd-pods";
    let found = derived(name, "00-start", &drain());
    compare(name, &found, &[(1, "01-evicted"), (5, "02-replaced")], true);
    let told: Vec<&String> = found.iter().flat_map(|stage| &stage.remarks).collect();
    let has = |text: &str| told.iter().any(|remark| remark.contains(text));
    assert!(
        has("shop/tool has no controller") && has("stays: its PodDisruptionBudget") && has("fits on no Node"),
        "{told:?}"
    );
}

fn diff(arguments: &[&str]) -> (Option<i32>, String, String) {
    let input = story("01-drain-worker-1");
    let files = ["00-start.yaml", "00-start.pods.yaml"];
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        std::fs::copy(input.join(file), folder.path().join(file)).unwrap();
    }
    let folder = folder.path().to_str().unwrap();
    let all: Vec<&str> = ["diff", folder, "--quiet"].iter().chain(arguments).copied().collect();
    let out = kuberules(&all);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

#[test]
fn the_steps_are_told_worst_first() {
    let (code, text, _) = diff(&["--drain", "worker-1"]);
    assert_eq!(code, Some(1));
    assert_snapshot!(text);
    assert_snapshot!("all_drains", diff(&["--all-drains"]).1);
    let (code, _, _) = diff(&["--drain", "worker-1", "--fail-on", "nothing"]);
    assert_eq!(code, Some(0));
    let (code, text, _) = diff(&["--delete", "svc:shop/cart"]);
    assert!(
        code == Some(1) && text.contains("not served any more for Pods and nodes: shop/cart:grpc"),
        "{text}"
    );
    let (code, text, _) = diff(&["--scale", "shop/web=5"]);
    assert_eq!(
        (code, text.lines().next()),
        (Some(0), Some("Nobody loses a connection: new connections work at every step."))
    );
    let json: serde_json::Value =
        serde_json::from_str(&diff(&["--drain", "worker-1", "--output", "json"]).1).unwrap();
    assert_eq!(json["schema"], "kuberules.what-if/v1");
    assert_eq!(json["steps"].as_array().unwrap().len(), 5);
}

#[test]
fn what_is_not_there_is_an_error() {
    for (arguments, message, help) in [
        (["--drain", "worker-9"], "there is no Node worker-9", "did you mean worker-1"),
        (["--zone-down", "zone-c"], "there is no Node with the zone zone-c", "did you mean zone-a"),
        (["--unready", "shop/db-9"], "there is no Pod shop/db-9", "did you mean shop/db-0"),
        (["--delete", "svc:shop/wep"], "there is no Service shop/wep", "did you mean shop/web"),
        (["--scale", "shop/wep=1"], "shop/wep in the input", "did you mean shop/web"),
        (["--delete", "what"], "expect svc:NAMESPACE/NAME", ""),
    ] {
        let (code, out, err) = diff(&arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains(message) && err.contains(help), "{arguments:?}: {err}");
    }
}
