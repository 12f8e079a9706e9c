//! What the tests of the lints share, and tests of the whole.

use std::collections::BTreeSet;

use super::{Finding, LINTS, Subject};
use crate::cluster::Cluster;
use crate::settings::Origin;
use crate::settings::{Configuration, Flags, HostFacts, ProxyMode, Settings};

/// A Service `shop/name`; `spec` is a flow map, which more of the object may follow.
pub(super) fn service(name: &str, spec: &str) -> String {
    format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n")
}

/// The same objects, stored by a server, so that today's rules are not applied to them.
pub(super) fn stored(text: &str) -> String {
    text.replace("namespace: shop", "namespace: shop, resourceVersion: '1'")
}

/// An IPv4 slice of `shop/service`.
pub(super) fn slice(service: &str, ports: &str, endpoints: &str) -> String {
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {service}-slice, namespace: shop, labels: {{kubernetes.io/service-name: {service}}}}}\naddressType: IPv4\nports: [{ports}]\nendpoints: [{endpoints}]\n"
    )
}

/// What a lint finds about a Service with one endpoint in these conditions.
pub(super) fn found_of_endpoint(code: &str, conditions: &str) -> Vec<String> {
    let endpoint = format!("{{addresses: [10.1.0.1], conditions: {conditions}}}");
    found(code, &(plain_service() + &slice("web", "{port: 8080}", &endpoint)))
}

/// A Service `shop/web` with one port.
pub(super) fn plain_service() -> String {
    service("web", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")
}

/// A Pod `shop/name` with the label `app: web`, which a controller made.
pub(super) fn owned_pod(name: &str, kind: &str, owner: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: web}}, ownerReferences: [{{apiVersion: a/v1, kind: {kind}, name: {owner}, uid: u, controller: true}}]}}\nspec: {{containers: [{{name: a, image: a}}]}}\n"
    )
}

/// A Pod `shop/name` with the label `app: web`, whose container declares ports.
pub(super) fn serving_pod(name: &str, ports: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: web}}}}\nspec: {{containers: [{{name: a, image: a, ports: [{ports}]}}]}}\n"
    )
}

/// A Node with addresses.
pub(super) fn node(name: &str, addresses: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nstatus: {{addresses: [{addresses}]}}\n"
    )
}

/// A Node in a zone.
pub(super) fn zoned_node(name: &str, zone: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{topology.kubernetes.io/zone: {zone}}}}}\n"
    )
}

/// The default settings of a release.
pub(super) fn settings(release: &str) -> Settings {
    let release = release.parse().unwrap();
    Settings::resolve(&Configuration::default(), release, HostFacts::default(), None).unwrap().0
}

/// The settings of a release with a configuration.
pub(super) fn configured(release: &str, fields: &str) -> Settings {
    let text =
        format!("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n{fields}\n");
    let (mut configuration, _) = Configuration::read(&text, Origin::file("kube-proxy.yaml")).unwrap();
    let release = release.parse().unwrap();
    if configuration.mode.as_deref() == Some("ipvs") {
        // As the program does.
        let flags = Flags { proxy_mode: Some("iptables".to_owned()), ..Flags::default() };
        configuration.override_with(&flags, &release);
    }
    Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0
}

/// Everything found in a text.
pub(super) fn findings(yaml: &str, settings: &Settings) -> Vec<Finding> {
    let (snapshot, mut diagnostics) = crate::input::read_text("cluster.yaml", yaml).unwrap();
    let (cluster, found) = Cluster::build(&snapshot, settings).unwrap();
    diagnostics.append(found);
    let refusals = crate::api_server::judge(&snapshot, settings.release);
    let subject = Subject::new(&snapshot, settings, &cluster, &diagnostics, None).with_refusals(refusals);
    super::run(&subject, &BTreeSet::new())
}

/// The messages of one lint, with these settings.
pub(super) fn found_by(code: &str, yaml: &str, settings: &Settings) -> Vec<String> {
    let found = findings(yaml, settings).into_iter().filter(|finding| finding.lint.code == code);
    found.map(|finding| finding.message).collect()
}

/// The messages of one lint in the newest release.
pub(super) fn found(code: &str, yaml: &str) -> Vec<String> {
    found_by(code, yaml, &settings("1.36"))
}

/// The messages of one lint in a mode.
pub(super) fn found_in(code: &str, yaml: &str, mode: ProxyMode) -> Vec<String> {
    found_by(code, yaml, &Settings { mode, ..settings("1.36") })
}

/// Findings of every severity, with hostile text wherever it can get in.
pub(super) fn samples() -> Vec<Finding> {
    let spec = "{clusterIP: 10.96.0.1, trafficDistribution: PreferClose, selector: {app: \"<script>%0A\\u001b[31m\\u202e,:\\n\"}, ports: [{port: 80, nodePort: 80}]}";
    let two = service("a", spec) + &service("b", "{clusterIP: 10.96.0.2, ports: [{port: 81, nodePort: 80}]}");
    findings(&stored(&two), &settings("1.36"))
}

#[test]
fn codes_are_in_order_and_each_has_its_page() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lint");
    let index = std::fs::read_to_string(docs.join("README.md")).unwrap();
    assert!(LINTS.is_sorted_by(|a, b| a.code < b.code));
    for lint in LINTS {
        let page = std::fs::read_to_string(docs.join(format!("{}.md", lint.code))).unwrap();
        assert!(
            page.starts_with(&format!("# {}: {}\n", lint.code, lint.name)),
            "{} has another heading",
            lint.code
        );
        let line = format!(
            "| [{0}]({0}.md) | {1} | {2} | {3} |",
            lint.code,
            lint.name,
            lint.severity.name(),
            lint.summary
        );
        assert!(index.contains(&line), "docs/lint/README.md lacks the line\n{line}");
    }
    let pages = std::fs::read_dir(&docs).unwrap().count();
    assert_eq!(pages, LINTS.len() + 1, "a page of a lint that is gone");
}

#[test]
fn a_finding_has_the_line_of_its_field() {
    let found = findings(
        &stored(&service("a", "{clusterIP: 10.96.0.1,\n ports: [{port: 80,\n nodePort: 80}]}")),
        &settings("1.36"),
    );
    let range = found.iter().find(|finding| finding.lint.code == "KR017").unwrap();
    assert_eq!(range.place.as_ref().unwrap().to_string(), "cluster.yaml:7");
    assert_eq!(range.object.as_ref().unwrap().to_string(), "Service shop/a");
}

#[test]
fn ignored_codes_stay_away() {
    let (snapshot, diagnostics) =
        crate::input::read_text("c", service("a", "{clusterIP: 10.96.0.1, ports: [{port: 80}]}")).unwrap();
    let settings = settings("1.36");
    let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
    let subject = Subject::new(&snapshot, &settings, &cluster, &diagnostics, None);
    assert_eq!(super::run(&subject, &BTreeSet::new()).len(), 1);
    assert!(super::run(&subject, &BTreeSet::from(["KR001"])).is_empty());
}

/// The findings of one of the shop's clusters, with the configuration of its nodes.
fn of_the_shop(file: &str) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/shop");
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    let (configuration, _) =
        Configuration::read(&read("before-worker-1/kube-proxy.iptables.json"), Origin::default()).unwrap();
    let release = "1.36".parse().unwrap();
    let settings = Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0;
    let found = findings(&read(file), &settings);
    let object = |finding: &Finding| finding.object.as_ref().unwrap().to_string();
    found.iter().map(|f| format!("{} {} {}", f.lint.code, f.severity.name(), object(f))).collect()
}

#[test]
fn the_shop_has_these_findings_and_no_others() {
    assert_eq!(
        of_the_shop("before.yaml"),
        [
            "KR001 warning Service default/kubernetes", // its slice is not in the dump, kube-proxy wrote REJECT
            "KR003 warning Service games/lobby",        // both Pods terminate and serve
            "KR005 note Service ingress-nginx/ingress-nginx-controller", // not on cp-1, worker-3; health-checked
            "KR009 error Service ingress-nginx/ingress-nginx-controller", // an IPv6 VIP, IPv4 ranges
            "KR005 warning Service shop/cache", // internal Local, only on worker-1 and worker-2
            "KR015 note Service shop/legacy-erp", // externalIPs
            "KR001 warning Service shop/payments", // an empty slice
        ]
    );
    assert_eq!(
        of_the_shop("after.yaml"),
        [
            "KR001 warning Service default/kubernetes",
            "KR005 note Service games/lobby", // now Local, only on worker-2 and worker-3; health-checked
            "KR003 warning Service games/lobby",
            "KR005 note Service ingress-nginx/ingress-nginx-controller",
            "KR009 error Service ingress-nginx/ingress-nginx-controller",
            "KR005 warning Service shop/cache",
        ]
    );
}
