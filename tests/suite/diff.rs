//! `diff`: what a change of the shop does, and what switching the mode does on every cluster of the corpus.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::support::scope::{full, share};
use crate::support::{Case, cases, in_parallel, kuberules, kuberules_in, testdata};

fn shop(name: &str) -> String {
    testdata().join("shop").join(name).display().to_string()
}

fn shop_diff(node: &str, mode: &str, more: &[&str]) -> (String, Option<i32>) {
    let config = format!("before-{node}/kube-proxy.{mode}.json");
    let states = ["diff", "--quiet", "before.yaml", "after.yaml", "--node", node, "--config", &config];
    let result = kuberules_in(&testdata().join("shop"), &[&states, more].concat());
    (String::from_utf8(result.stdout).unwrap(), result.status.code())
}

fn services(diff: &Value, level: &str, list: &str) -> BTreeSet<String> {
    let items = diff[level][list].as_array().unwrap().iter();
    items.filter_map(|item| item["service"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_real_change_of_the_shop_is_named_and_nothing_else() {
    let changed = ["games/lobby", "shop/cart", "shop/legacy-erp", "shop/payments", "shop/search", "shop/web"];
    let changed: BTreeSet<String> = changed.map(str::to_owned).into();
    for mode in ["iptables", "nftables"] {
        for node in ["worker-1", "worker-3"] {
            let (json, code) = shop_diff(node, mode, &["--output", "json"]);
            let diff: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(code, Some(1));
            assert_eq!(services(&diff, "rules", "groups"), changed, "{mode} {node}");
            assert_eq!(services(&diff, "traffic", "flows"), changed, "{mode} {node}");
        }
    }
}

#[test]
fn the_shop_as_text() {
    assert_snapshot!(shop_diff("worker-1", "iptables", &[]).0);
}

#[test]
fn the_shop_as_a_comment_on_a_pull_request() {
    assert_snapshot!(shop_diff("worker-3", "nftables", &["--output", "markdown"]).0);
}

#[test]
fn exit_codes_say_what_differs() {
    let code = |more: &[&str]| shop_diff("worker-1", "iptables", more).1;
    assert_eq!(code(&["--fail-on", "lost"]), Some(1));
    assert_eq!(code(&["--fail-on", "traffic", "--level", "rules"]), Some(2));
    assert_eq!(code(&["--fail-on", "nothing"]), Some(0));
    assert_eq!(code(&["--fail-on", "traffic"]), Some(1));
    assert_eq!(code(&["--fail-on", "rules", "--level", "traffic"]), Some(0));
    let before = shop("before.yaml");
    assert_eq!(kuberules(&["diff", "-q", &before, &before, "--node", "worker-1"]).status.code(), Some(0));
    assert_eq!(kuberules(&["diff", "-q", &before, "--node", "worker-1"]).status.code(), Some(2));
}

#[test]
fn nodes_with_the_same_change_are_folded() {
    let (before, after) = (shop("before.yaml"), shop("after.yaml"));
    let more = ["--all-nodes", "--output", "json", "--level", "rules"];
    let arguments: Vec<&str> = ["diff", "-q", &before, &after].into_iter().chain(more).collect();
    let diff: Value = serde_json::from_slice(&kuberules(&arguments).stdout).unwrap();
    let sets = diff["nodeSets"].as_array().unwrap();
    let nodes = diff["nodes"].as_u64().unwrap();
    assert!(nodes > 2 && sets.iter().any(|set| set["count"] == nodes), "{sets:?}");
    let places = diff["rules"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["places"].as_array().unwrap());
    let sizes: Vec<u64> = places
        .map(|place| sets[place["nodeSet"].as_u64().unwrap() as usize]["count"].as_u64().unwrap())
        .collect();
    assert!(sizes.iter().sum::<u64>() > 2 * sizes.len() as u64, "{sizes:?}");
}

/// How many flows have each reason; none for flows without an explanation.
type Reasons = BTreeMap<Option<String>, usize>;

fn config(case: &Case, mode: &str) -> String {
    case.folder.join(format!("kube-proxy.{mode}.json")).display().to_string()
}

/// Reasons of the flows when switching the mode.
fn mode_change(case: &Case) -> Reasons {
    let (old, new) = (config(case, "iptables"), config(case, "nftables"));
    let mut more = vec!["--old-config", &old, "--new-config", &new, "--kube-version", &case.version];
    if case.version == "1.30" {
        more.extend(["--feature-gates", "NFTablesProxyMode=true"]);
    }
    let (reasons, code) = reasons(case, &more);
    assert_eq!(code, Some(1), "{}", case.name());
    reasons
}

/// The change from one side to the other: mode and release of each.
type Step = [(&'static str, &'static str); 2];

/// Reasons of the flows of such a change; none if one of the releases refuses the configuration.
fn change(case: &Case, [(old_mode, old), (new_mode, new)]: Step) -> Option<Reasons> {
    let (old_config, new_config) = (config(case, old_mode), config(case, new_mode));
    let mut more = vec!["--old-config", &old_config, "--new-config", &new_config, "--level", "traffic"];
    more.extend(["--old-kube-version", old, "--new-kube-version", new]);
    if old == "1.30" {
        more.extend(["--feature-gates", "NFTablesProxyMode=true"]);
    }
    let diff = diff(case, &more).ok()?;
    let is_known = |service: &Value| service["isKnown"] == true;
    assert!(diff["services"].as_array().unwrap().iter().all(is_known), "{} {more:?}", case.name());
    Some(reasons_of(&diff))
}

fn reasons(case: &Case, more: &[&str]) -> (Reasons, Option<i32>) {
    let diff = diff(case, more).unwrap_or_else(|told| panic!("{} {more:?}: {told}", case.name()));
    let reasons = reasons_of(&diff);
    let code = i32::from(!reasons.is_empty());
    (reasons, Some(code))
}

/// What `diff` finds, or else what it says instead.
fn diff(case: &Case, more: &[&str]) -> Result<Value, String> {
    let cluster = case.cluster.display().to_string();
    let mut arguments =
        vec!["diff", &cluster, "--quiet", "--force", "--node", &case.node, "--output", "json"];
    arguments.extend(more);
    arguments.extend(case.host_ips.iter().flat_map(|ip| ["--host-ip", ip]));
    let result = kuberules(&arguments);
    match result.status.code() {
        Some(0 | 1) => Ok(serde_json::from_slice(&result.stdout).unwrap()),
        _ => Err(String::from_utf8(result.stderr).unwrap()),
    }
}

fn reasons_of(diff: &Value) -> Reasons {
    let mut reasons = Reasons::new();
    for flow in diff["traffic"]["flows"].as_array().unwrap() {
        *reasons.entry(flow["reason"].as_str().map(str::to_owned)).or_default() += 1;
    }
    reasons
}

#[test]
fn between_the_modes_only_known_differences_are_found() {
    let cases = share("diff", 36, cases("nftables"));
    let found = in_parallel(&cases, |case| (case.name(), mode_change(case)));
    let unexplained: Vec<_> = found.iter().filter(|(_, reasons)| reasons.contains_key(&None)).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    let reasons = |(name, reasons): &(String, BTreeMap<Option<String>, usize>)| {
        let codes: Vec<&str> = reasons.keys().flatten().map(String::as_str).collect();
        format!("{name}: {}", codes.join(", "))
    };
    let found = found.iter().map(reasons).collect::<Vec<_>>().join("\n");
    if full() {
        assert_snapshot!(found);
    }
}

const RELEASES: [&str; 8] = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];

/// On each node of the corpus: in both modes from each release to the next and from the oldest to the newest, and from
/// the oldest in iptables mode to the newest in nftables mode.
#[test]
fn from_release_to_release_only_known_differences_are_found() {
    let of_modes = |old, new, from, to| -> Step { [(old, from), (new, to)] };
    let in_mode = |mode| {
        let each = RELEASES.windows(2).map(move |step| of_modes(mode, mode, step[0], step[1]));
        each.chain([of_modes(mode, mode, "1.30", "1.37")])
    };
    let steps: Vec<Step> = in_mode("iptables")
        .chain(in_mode("nftables"))
        .chain([of_modes("iptables", "nftables", "1.30", "1.37")])
        .collect();
    let nodes: Vec<Case> = cases("nftables").into_iter().filter(|case| case.version == "1.36").collect();
    assert!(nodes.len() > 15, "{}", nodes.len());
    let changes = nodes.iter().flat_map(|case| steps.iter().map(move |step| (case, *step))).collect();
    let found =
        in_parallel(&share("diff", 48, changes), |(case, step)| (case.name(), *step, change(case, *step)));
    let refused = found.iter().filter(|(.., reasons)| reasons.is_none()).count();
    // Only random/20 has a configuration that one release refuses: 1.30 does not accept the word `primary`.
    assert!(refused <= 5, "{refused} changes were not compared");
    let unexplained: Vec<_> = found
        .iter()
        .filter(|(.., reasons)| reasons.as_ref().is_some_and(|reasons| reasons.contains_key(&None)))
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    let reasons = found.iter().flat_map(|(.., reasons)| reasons).flat_map(Reasons::keys);
    let codes: BTreeSet<&String> = reasons.flatten().collect();
    let modes = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/modes");
    let without_page: Vec<_> =
        codes.iter().filter(|code| !modes.join(format!("{code}.md")).exists()).collect();
    assert!(without_page.is_empty(), "{without_page:?}");
    if full() {
        let codes: Vec<&str> = codes.into_iter().map(String::as_str).collect();
        assert_snapshot!(format!("{} changes\n{}", found.len(), codes.join("\n")));
    }
}

/// Each node has the release that it reports: what is found for all nodes is what is found for each.
#[test]
fn with_all_nodes_each_has_its_own_release() {
    let node = |name: &str, release: &str, ip: u8| {
        format!(
            "---\nkind: Node\napiVersion: v1\nmetadata: {{name: {name}}}\nspec: {{podCIDRs: [10.244.{ip}.0/24]}}\n\
             status: {{addresses: [{{type: InternalIP, address: 192.168.0.{ip}}}], nodeInfo: {{kubeletVersion: \
             {release}}}}}\n"
        )
    };
    let (_, services) = LOCAL_ELSEWHERE.split_once("---\n").unwrap();
    let nodes = [("ahead", "v1.36.0", 21), ("behind", "v1.32.0", 22), ("between", "v1.34.2", 23)];
    let nodes: String = nodes.iter().map(|(name, release, ip)| node(name, release, *ip)).collect();
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(format!("{nodes}---\n{services}").as_bytes()).unwrap();
    let file = file.path().display().to_string();
    let found = |more: &[&str]| -> BTreeMap<String, BTreeSet<String>> {
        let modes = ["--old-proxy-mode", "iptables", "--new-proxy-mode", "nftables"];
        let cidr = ["--cluster-cidr", "10.244.0.0/16", "--output", "json"];
        let arguments: Vec<&str> =
            ["diff", "-q", &file].iter().chain(&modes).chain(&cidr).chain(more).copied().collect();
        let diff: Value = serde_json::from_slice(&kuberules(&arguments).stdout).unwrap();
        let known = diff["migration"]["known"].as_array().unwrap().iter();
        let names = |one: &Value| nodes_of(&diff, one);
        known.map(|one| (one["reason"].as_str().unwrap().to_owned(), names(one))).collect()
    };
    let all = found(&["--all-nodes"]);
    assert_eq!(all["checked-before-forwarding"], ["behind".to_owned()].into());
    let mut each: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (node, release) in [("ahead", "1.36"), ("behind", "1.32"), ("between", "1.34.2")] {
        for (reason, nodes) in found(&["--node", node, "--kube-version", release]) {
            each.entry(reason).or_default().extend(nodes);
        }
    }
    assert_eq!(all, each);
}

/// The nodes on which a part of a comparison holds.
fn nodes_of(diff: &Value, part: &Value) -> BTreeSet<String> {
    let set = &diff["nodeSets"][part["nodeSet"].as_u64().unwrap() as usize];
    match set.get("only") {
        Some(only) => texts(only),
        None => &texts(&diff["nodeNames"]) - &texts(&set["allBut"]),
    }
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// A listener that kube-proxy opens itself changes what happens without any rule.
#[test]
fn a_listener_on_loopback_node_ports_is_a_consequence() {
    let folder = testdata().join("release-1.37/localhost-gate");
    let cluster = folder.join("cluster.json").display().to_string();
    let with = folder.join("kube-proxy.nftables.json");
    let without = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    let text = std::fs::read_to_string(&with).unwrap();
    let mut configuration: Value = serde_json::from_str(&text).unwrap();
    configuration["nodePortAddresses"] = serde_json::json!(["primary"]);
    std::fs::write(without.path(), configuration.to_string()).unwrap();
    let (with, without) = (with.display().to_string(), without.path().display().to_string());
    let effects = |old: &str, new: &str| -> BTreeSet<String> {
        let more = ["--old-config", old, "--new-config", new, "--kube-version", "1.37", "--output", "json"];
        let arguments: Vec<&str> =
            ["diff", "-q", &cluster, "--all-nodes"].iter().chain(&more).copied().collect();
        let result = kuberules(&arguments);
        assert_eq!(result.status.code(), Some(1), "{}", String::from_utf8_lossy(&result.stderr));
        let diff: Value = serde_json::from_slice(&result.stdout).unwrap();
        let statements = diff["services"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|service| service["statements"].as_array().unwrap().iter());
        let on_loopback = |statement: &&Value| {
            let entries = statement["entryPoints"].as_array().unwrap().iter();
            entries.clone().all(|entry| entry["kind"] == "node-port-on-loopback") && entries.count() > 0
        };
        statements.filter(on_loopback).map(|one| one["effect"].as_str().unwrap().to_owned()).collect()
    };
    // A node port without endpoints fails with the listener and without it, but in another way.
    let opened = effects(&without, &with);
    assert!(opened.contains("works") && !opened.contains("refused"), "{opened:?}");
    let closed = effects(&with, &without);
    assert!(closed.contains("refused") && !closed.contains("works"), "{closed:?}");
}

/// It is no difference if only one side says what the Pods' network is. A configuration without it was once compared
/// with what the Nodes suggest, and every client of the new side kept its address.
#[test]
fn what_is_inferred_is_inferred_for_both_sides() {
    let mut fragment = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    let text = "{\"kind\": \"KubeProxyConfiguration\", \"apiVersion\": \"kubeproxy.config.k8s.io/v1alpha1\", \"mode\": \"iptables\"}";
    fragment.write_all(text.as_bytes()).unwrap();
    let fragment = fragment.path().display().to_string();
    let whole = shop("before-worker-1/kube-proxy.iptables.json");
    let (before, after) = (shop("before.yaml"), shop("after.yaml"));
    let flows = |more: &[&str]| -> Vec<Value> {
        let files = ["diff", "-q", &before, &after, "--all-nodes", "--output", "json", "--level", "traffic"];
        let arguments: Vec<&str> = files.iter().chain(more).copied().collect();
        let diff: Value = serde_json::from_slice(&kuberules(&arguments).stdout).unwrap();
        vec![diff["nodeSets"].clone(), diff["traffic"].clone(), diff["services"].clone()]
    };
    let none = flows(&["--proxy-mode", "iptables"]);
    assert_eq!(flows(&["--new-config", &fragment]), none);
    assert_eq!(flows(&["--old-config", &fragment]), none);
    assert_eq!(flows(&["--new-config", &whole]), none);
    assert_eq!(flows(&["--old-config", &whole]), none);
    assert_eq!(flows(&["--config", &whole]), none);
    let both = |config| ["--old-config", config, "--new-config", config];
    assert_eq!(flows(&both(&whole)), none);
    assert_eq!(flows(&both(&fragment)), flows(&["--config", &fragment]));
}

/// What a configuration does say is a difference, even if the other side has none.
#[test]
fn another_way_to_detect_local_traffic_is_a_difference() {
    let mut other = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let text = "kind: KubeProxyConfiguration\napiVersion: kubeproxy.config.k8s.io/v1alpha1\ndetectLocalMode: \
                InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: cali}\n";
    other.write_all(text.as_bytes()).unwrap();
    let (shop, other) = (shop("before.yaml"), other.path().display().to_string());
    for side in ["--old-config", "--new-config"] {
        let diff = kuberules(&["diff", "-q", &shop, side, &other, "--node", "worker-1"]);
        let text = String::from_utf8(diff.stdout).unwrap();
        assert_eq!(diff.status.code(), Some(1), "{text}");
        assert!(text.contains("-i cali+"), "{text}");
    }
}

const LOCAL_ELSEWHERE: &str = "
kind: Node
apiVersion: v1
metadata: {name: here}
status: {addresses: [{type: InternalIP, address: 192.168.0.11}]}
---
kind: Service
apiVersion: v1
metadata: {name: ingress, namespace: sys}
spec: {clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], type: LoadBalancer, externalTrafficPolicy: Local,
  ipFamilies: [IPv4], ports: [{name: web, port: 80, nodePort: 30080}]}
status: {loadBalancer: {ingress: [{ip: 10.88.1.2}]}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
addressType: IPv4
metadata: {name: ingress-1, namespace: sys, labels: {kubernetes.io/service-name: ingress}}
ports: [{name: web, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.244.2.9], nodeName: elsewhere, conditions: {ready: true}}]
";

/// kubernetes/kubernetes 131765: works in iptables mode, black-holed in nftables mode; the release decides.
#[test]
fn k131765_the_release_decides_whether_nftables_mode_drops_what_iptables_mode_forwards() {
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(LOCAL_ELSEWHERE.as_bytes()).unwrap();
    let file = file.path().display().to_string();
    let told = |release: &str| {
        let more =
            ["--old-proxy-mode", "iptables", "--new-proxy-mode", "nftables", "--kube-version", release];
        let cidr = ["--cluster-cidr", "10.244.0.0/16"];
        let arguments: Vec<&str> =
            ["diff", "-q", &file, "--node", "here"].into_iter().chain(more).chain(cidr).collect();
        String::from_utf8(kuberules(&arguments).stdout).unwrap()
    };
    let old = told("1.32");
    assert!(old.contains("checked-before-forwarding"), "{old}");
    assert!(
        old.contains("10.88.1.2:80/tcp (load-balancer IP of sys/ingress:web)")
            && old.contains("from the node itself"),
        "{old}"
    );
    assert!(old.contains("kubernetes/kubernetes 131765"), "{old}");
    assert!(!told("1.36").contains("checked-before-forwarding"));
    let (from, to) = ("1.33.5", "1.36");
    let upgrade = ["--old-kube-version", from, "--new-kube-version", to, "--proxy-mode", "nftables"];
    let arguments: Vec<&str> = ["diff", "-q", &file, "--node", "here", "--cluster-cidr", "10.244.0.0/16"]
        .into_iter()
        .chain(upgrade)
        .collect();
    let upgrade = String::from_utf8(kuberules(&arguments).stdout).unwrap();
    assert!(upgrade.contains("checked-before-forwarding"), "{upgrade}");
}
