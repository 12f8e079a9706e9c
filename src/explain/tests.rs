//! Tests of the whole.

use super::{End, Explanation, Scene, example, few, markdown, mermaid, tables, text};
use crate::cluster::Cluster;
use crate::net::Family;
use crate::node::{Host, NodePlan, NodeRules};
use crate::plan::{EndpointSet, Plan, Route};
use crate::settings::Origin;
use crate::settings::{Configuration, HostFacts, ProxyMode, Settings};
use crate::style::Style;

/// Explains the Services in a text, with the KubeProxyConfiguration in it or a given one.
pub(super) fn explained(
    yaml: &str,
    configuration: Option<&str>,
    node: &str,
    mode: ProxyMode,
) -> Vec<Explanation> {
    let (snapshot, _) = crate::input::read_text("cluster.yaml", yaml).unwrap();
    let configuration = match configuration {
        Some(text) => Configuration::read(text, Origin::default()).unwrap().0,
        None => Configuration::from_snapshot(&snapshot).unwrap().0,
    };
    let release = "1.36".parse().unwrap();
    let settings = Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0;
    let settings = Settings { mode, ..settings };
    let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
    let node = cluster.node(node).unwrap();
    let plans: Vec<Plan<'_>> =
        Family::ALL.iter().map(|family| Plan::new(&cluster, &settings, node, *family).unwrap().0).collect();
    let host = Host::of_node(&cluster, node, &plans);
    let rules: Vec<NodeRules<'_>> =
        plans.into_iter().map(|plan| NodePlan { plan, host: host.clone() }.compile()).collect();
    let scene = Scene {
        cluster: &cluster,
        settings: &settings,
        sources: &snapshot.sources,
        node,
        rules: &rules,
        assumed: None,
    };
    let all = scene.explain(None).unwrap();
    rules.iter().filter_map(|rules| rules.plan.as_ref()).for_each(|plan| agrees_with_plan(plan, &all));
    all
}

/// The walk found what the plan decided, for the cluster IP.
fn agrees_with_plan(plan: &Plan<'_>, all: &[Explanation]) {
    for planned in plan.service_ports() {
        let name = &planned.service_port().name;
        let service = format!("{}/{}", name.namespace(), name.service());
        let explanation = all.iter().find(|e| e.service == service).unwrap();
        let is_it = |port: &&super::Port| {
            port.name == name.port()
                && port.family == plan.family().api_name()
                && port.protocol == name.protocol().lower_name()
        };
        let port = explanation.ports.iter().find(is_it).unwrap();
        for case in port.cases.iter().filter(|case| case.address == 0) {
            let expected: Vec<&str> = match planned.internal() {
                Route::Balance(EndpointSet::Cluster) => {
                    planned.endpoints(EndpointSet::Cluster).iter().map(|e| e.text.as_str()).collect()
                }
                Route::Balance(EndpointSet::Local) => {
                    planned.endpoints(EndpointSet::Local).iter().map(|e| e.text.as_str()).collect()
                }
                Route::DropNoLocalEndpoints => {
                    assert_eq!(case.end, End::Dropped, "{service}");
                    continue;
                }
                Route::RejectNoEndpoints => {
                    assert_eq!(case.end, End::Refused, "{service}");
                    continue;
                }
            };
            let End::Shared(share) = case.end else { panic!("{service}: {case:?}") };
            for endpoint in &port.endpoints {
                let chance = endpoint.chances.get(share).unwrap().as_ref().map_or(0.0, |chance| chance.value);
                let wanted = if expected.contains(&endpoint.text.as_str()) {
                    1.0 / expected.len() as f64
                } else {
                    0.0
                };
                assert!(
                    (chance - wanted).abs() < 1e-9,
                    "{service} {}: {chance}, not {wanted}",
                    endpoint.text
                );
            }
        }
    }
}

pub(super) fn example(mode: ProxyMode) -> Vec<Explanation> {
    explained(example::TEXT, None, example::NODE, mode)
}

fn testdata(path: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    std::fs::read_to_string(folder.join(path)).unwrap()
}

pub(super) fn shop(node: &str, mode: ProxyMode) -> Vec<Explanation> {
    let configuration = testdata("shop/before-worker-1/kube-proxy.iptables.json");
    explained(&testdata("shop/before.yaml"), Some(&configuration), node, mode)
}

const MODES: [ProxyMode; 2] = [ProxyMode::Iptables, ProxyMode::Nftables];

#[test]
fn the_example_in_every_form() {
    assert_snapshot!("example_text", text::print(&example(ProxyMode::Iptables), Style::default()));
    assert_snapshot!("example_markdown", markdown::print(&example(ProxyMode::Nftables)));
    assert_snapshot!("example_mermaid", mermaid::print(&example(ProxyMode::Iptables)));
}

#[test]
fn the_shop_agrees_with_its_plans_and_fits_a_terminal() {
    for node in ["cp-1", "worker-1", "worker-2", "worker-3"] {
        for mode in MODES {
            let text = text::print(&shop(node, mode), Style::default());
            let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(long.is_empty(), "{long:#?}");
        }
    }
}

#[test]
fn random_clusters_agree_with_their_plans() {
    for number in ["11", "14", "17", "21"] {
        let case: serde_json::Value =
            serde_json::from_str(&testdata(&format!("random/{number}/case.json"))).unwrap();
        let configuration = testdata(&format!("random/{number}/kube-proxy.iptables.json"));
        let cluster = testdata(&format!("random/{number}/{}", case["cluster"].as_str().unwrap()));
        for mode in MODES {
            explained(&cluster, Some(&configuration), case["node"].as_str().unwrap(), mode);
        }
    }
}

#[test]
fn why_endpoints_are_left_out_and_client_ips_preserved() {
    let all = shop("worker-1", ProxyMode::Iptables);
    let port = |service: &str| &all.iter().find(|e| e.service == service).unwrap().ports[0];
    let left_out = |service: &str| -> Vec<&str> {
        port(service).endpoints.iter().filter_map(|e| e.left_out.as_ref()).map(|why| why.code).collect()
    };
    assert_eq!(left_out("shop/web"), ["not-ready"]);
    assert_eq!(left_out("shop/catalog"), ["hinted-elsewhere"; 3]);
    assert_eq!(left_out("shop/cache"), ["other-node"]);
    assert_eq!(left_out("ingress-nginx/ingress-nginx-controller"), ["terminating"]);
    let why = |service: &str, client: &str, address: usize| -> String {
        let port = port(service);
        let is_it =
            |case: &&super::Case| port.clients[case.client].words == client && case.address == address;
        port.cases.iter().find(is_it).unwrap().why.join(" ")
    };
    assert!(why("shop/web", "a pod on this node", 0).contains("because the client is a Pod"));
    assert!(why("shop/web", "outside the cluster", 0).contains("its address is not in 10.244.0.0/16"));
    assert!(why("shop/web", "outside the cluster", 1).contains("externalTrafficPolicy is Cluster"));
    assert!(why("shop/web", "the endpoint pod itself", 0).contains("hairpin"));
    let ingress = "ingress-nginx/ingress-nginx-controller";
    assert!(why(ingress, "outside, from 198.51.100.0/24", 1).contains("externalTrafficPolicy is Local"));
    assert!(why(ingress, "outside the cluster", 1).contains("do not include this source"));
}

/// Text with special meaning to terminals, HTML, Markdown and Mermaid.
pub(super) const HOSTILE: &str = "</script><script>alert(1)</script>\\u001b[31m\\u202e\\\"];`|*_\\n#";

/// The example, with hostile names wherever they can get in.
pub(super) fn hostile() -> String {
    example::TEXT
        .replace("name: db-0, ", &format!("name: \"{HOSTILE}\", "))
        .replace("nodeName: node-2", &format!("nodeName: \"{HOSTILE}\""))
        .replace(
            "metadata: {name: node-1}",
            &format!("metadata: {{name: node-1, labels: {{topology.kubernetes.io/zone: \"{HOSTILE}\"}}}}"),
        )
}

#[test]
fn hostile_names_come_out_inert() {
    let all = explained(&hostile(), None, "node-1", ProxyMode::Iptables);
    let (plain, marked, drawn) =
        (text::print(&all, Style::default()), markdown::print(&all), mermaid::print(&all));
    for printed in [&plain, &marked, &drawn] {
        assert!(printed.contains("alert"), "the name is not there at all:\n{printed}");
        assert!(!printed.contains('\u{1b}') && !printed.contains('\u{202e}'), "{printed}");
    }
    assert!(!marked.contains("<script") && !drawn.contains("<script"), "{marked}{drawn}");
    assert!(marked.contains("\\`\\|\\*\\_"), "{marked}");
    let in_quotes = |line: &str| line.matches('"').count().is_multiple_of(2);
    assert!(drawn.lines().all(in_quotes), "{drawn}");
}

/// For any kind of client, its rules are listed from top to bottom: a chain that marks and returns comes after the
/// first rule that calls it.
#[test]
fn rules_stand_in_the_order_of_evaluation_for_each_kind_of_client() {
    for mode in MODES {
        for explanation in shop("worker-1", mode).iter().chain(&example(mode)) {
            for port in &explanation.ports {
                for met in port.met.iter().filter(|met| !met.clients.is_empty()) {
                    let rules: Vec<&super::Rule> = met.rules.iter().map(|i| &port.rules[*i]).collect();
                    in_order(&rules, &format!("{} {mode:?} {:?}", explanation.service, met.clients));
                }
            }
        }
    }
}

fn in_order(rules: &[&super::Rule], place: &str) {
    let is_helper = |chain: &str| matches!(chain, "KUBE-MARK-MASQ" | "mark-for-masquerade");
    let first = |chain: &str| rules.iter().position(|rule| rule.chain == chain);
    // Each chain comes after the first rule that leads to it.
    for chain in rules.iter().map(|rule| rule.chain.as_str()) {
        let leads = |rule: &&super::Rule| {
            let words: Vec<&str> = rule.text.split([' ', ',']).chain(rule.element.split(' ')).collect();
            rule.chain != chain
                && words
                    .windows(2)
                    .any(|pair| matches!(pair[0], "-j" | "-g" | "jump" | "goto") && pair[1] == chain)
        };
        if let Some(caller) = rules.iter().position(leads) {
            let at = first(chain).unwrap();
            assert!(caller < at, "{place}: {chain} stands before its caller");
            assert!(!is_helper(chain) || at == caller + 1, "{place}: {chain} stands apart from its caller");
        }
    }
}

/// No packet passes both PREROUTING and OUTPUT, so no kind of client meets both, in any form; each rule is shown once.
#[test]
fn prerouting_and_output_are_told_apart() {
    let own = |chain: &str| chain.contains("OUTPUT") || chain.contains("output");
    let incoming = |chain: &str| chain.contains("PREROUTING") || chain.contains("prerouting");
    for mode in MODES {
        for explanation in shop("worker-1", mode).iter().chain(&example(mode)) {
            for port in &explanation.ports {
                let meets = |met: &super::Met, wanted: &dyn Fn(&str) -> bool| {
                    met.rules.iter().any(|rule| wanted(&port.rules[*rule].chain))
                };
                for met in port.met.iter().filter(|met| !met.clients.is_empty()) {
                    assert!(!(meets(met, &own) && meets(met, &incoming)), "{} {mode:?}", explanation.service);
                }
                let shown = tables::by_client(port);
                let shown = shown.iter().flat_map(|stretch| &stretch.rules);
                let new = shown.filter(|shown| matches!(shown, tables::Shown::New(..))).count();
                assert_eq!(new, port.rules.len(), "{} {mode:?}", explanation.service);
            }
        }
        for form in [text::print(&example(mode), Style::default()), markdown::print(&example(mode))] {
            let heads: Vec<&str> =
                form.lines().map(str::trim).filter(|line| line.starts_with("For ")).collect();
            let expected = [
                "For a pod on this node and a pod on another node:",
                "For the node itself:",
                "For outside the cluster:",
            ];
            assert_eq!(heads[..3], expected, "{mode:?}");
        }
    }
}

/// Of very many endpoints some of each kind are shown, with their rules, and the others are counted.
#[test]
fn very_many_endpoints_are_summed_up() {
    let pod = "- addresses: [10.32.0.15]";
    let (head, tail) = example::TEXT.split_once(pod).unwrap();
    let others: String = (0..200)
        .map(|i| {
            format!(
                "- addresses: [10.32.2.{i}]\n  conditions: {{ready: {}}}\n  nodeName: node-2\n\
                 \u{20} targetRef: {{kind: Pod, name: more-{i}, namespace: default}}\n",
                i != 7
            )
        })
        .collect();
    for mode in MODES {
        let all = explained(&format!("{head}{others}{pod}{tail}"), None, example::NODE, mode);
        let db = all.iter().find(|e| e.service == example::SERVICE).unwrap();
        let port = &db.ports[0];
        let more: usize = port.more_endpoints.iter().map(|more| more.count).sum();
        assert!(port.endpoints.len() <= few::MOST && port.endpoints.len() + more == 201, "{mode:?}: {more}");
        assert!(
            port.endpoints.iter().any(|endpoint| endpoint.pod == "more-7"),
            "the one that is not ready is shown"
        );
        let text = text::print(std::slice::from_ref(db), Style::default());
        assert!(
            text.contains("more, ready: chance 1/200 each") && text.lines().count() < 600,
            "{mode:?} {text}"
        );
        let rules: Vec<&str> = port.rules.iter().map(|rule| rule.text.as_str()).collect();
        assert!(rules.len() < 200 && rules.iter().all(|text| text.len() < 2_100), "{rules:?}");
        let drawn = mermaid::print(std::slice::from_ref(db));
        assert!(drawn.contains("each\" --> p0m0") && drawn.lines().count() < 200, "{drawn}");
    }
}

/// Two Services on one external IP and port: the loser's explanation names the winner (kubernetes/kubernetes 69599).
#[test]
fn k69599_an_external_ip_that_another_service_wins() {
    let yaml = ["alpha", "beta"].map(|name| {
        let ip = if name == "alpha" { 4 } else { 5 };
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  clusterIP: 10.96.0.{ip}\n  \
             clusterIPs: [10.96.0.{ip}]\n  externalIPs: [203.0.113.5]\n  ports: [{{port: 80}}]\n---\n\
             apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}-1, namespace: shop, labels: \
             {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\nports: [{{name: \"\", port: 8080, protocol: TCP}}]\n\
             endpoints: [{{addresses: [10.244.1.{ip}], conditions: {{ready: true}}, nodeName: n1}}]\n---\n"
        )
    });
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDRs: [10.244.1.0/24]}\nstatus: {addresses: [{type: InternalIP, address: 192.168.0.11}]}\n";
    for mode in MODES {
        let all = explained(&(yaml.concat() + node), None, "n1", mode);
        let taken: Vec<&super::Case> = all
            .iter()
            .flat_map(|e| {
                e.ports[0]
                    .cases
                    .iter()
                    .filter(|case| e.ports[0].addresses[case.address].text == "203.0.113.5:80")
            })
            .filter(|case| case.end == End::Other)
            .collect();
        assert!(!taken.is_empty(), "{mode:?}");
        for case in taken {
            assert!(
                case.words.starts_with("taken by Service shop/")
                    && case.words.ends_with(": 1 endpoint of it"),
                "{}",
                case.words
            );
            assert!(case.why[0].contains("has the address 203.0.113.5:80 too"), "{:?}", case.why);
        }
    }
}
