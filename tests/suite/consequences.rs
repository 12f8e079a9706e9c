//! What `diff` says first about small changes: who was served and no longer is, and why. Each as text, and as the
//! comment on a pull request.

use std::fmt::Write as _;
use std::path::PathBuf;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use serde_json::Value;

use crate::support::{kuberules, kuberules_in, testdata};

const SERVICE: &str = "  name: web\n  namespace: shop\nspec:\n  type: LoadBalancer\n";

/// Each change: its name, what is replaced by what, and the first words of the consequence.
const CHANGES: [(&str, &str, &str, &str, &str); 10] = [
    (
        "selector_typo",
        "selector:\n    app: web\n  ports",
        "selector:\n    app: wbe\n  ports",
        "1 Service breaks, 1 stays as it is (3 nodes, all alike)",
        "REFUSED   shop/web, port http: every connection fails, from everywhere, on all 3 nodes",
    ),
    (
        "port_renamed",
        "            - name: http\n",
        "            - name: web\n",
        "1 Service breaks, 1 stays as it is (3 nodes, all alike)",
        "REFUSED   shop/web, port http: every connection fails, from everywhere, on all 3 nodes",
    ),
    (
        "target_port",
        "targetPort: http",
        "targetPort: 9090",
        "1 Service changes, 1 stays as it is (3 nodes, all alike)",
        "ENDPOINTS shop/web, port http: the same 2 Pods (web-0, web-1) at port 9090 instead of 8080",
    ),
    (
        "node_port",
        "nodePort: 30080",
        "nodePort: 30081",
        "1 Service breaks, 1 stays as it is (3 nodes, all alike)",
        "CLOSED    shop/web, port http: no longer served (answered by the node itself): from everywhere, at node port 30080",
    ),
    (
        "policy_local",
        "  type: LoadBalancer\n",
        "  type: LoadBalancer\n  externalTrafficPolicy: Local\n",
        "1 Service breaks, 1 stays as it is (3 nodes)",
        "TIMES OUT shop/web, port http: from clients outside the cluster, at node port 30080 and load-balancer IP \
         203.0.113.10, on 1 of 3 nodes (node-3)",
    ),
    (
        "replicas_0",
        "replicas: 2",
        "replicas: 0",
        "1 Service breaks, 1 stays as it is (3 nodes, all alike)",
        "REFUSED   shop/web, port http: every connection fails, from everywhere, on all 3 nodes",
    ),
    (
        "second_family",
        "  type: LoadBalancer\n",
        "  type: LoadBalancer\n  ipFamilyPolicy: RequireDualStack\n",
        "1 Service changes, 1 stays as it is (3 nodes, all alike)",
        "WORKS     shop/web, port http: works from now on: from everywhere, at IPv6 cluster IP and IPv6 node port 30080",
    ),
    (
        "affinity",
        "  type: LoadBalancer\n",
        "  type: LoadBalancer\n  sessionAffinity: ClientIP\n",
        "1 Service changes, 1 stays as it is (3 nodes, all alike)",
        "AFFINITY  shop/web, port http: other session affinity",
    ),
    (
        "restricted",
        "  type: LoadBalancer\n",
        "  type: LoadBalancer\n  loadBalancerSourceRanges: [198.51.100.0/24]\n",
        "1 Service breaks, 1 stays as it is (3 nodes, all alike)",
        "TIMES OUT shop/web, port http: from",
    ),
    (
        "deleted",
        "",
        "",
        "1 Service is gone, 1 stays as it is (3 nodes, all alike)",
        "GONE      shop/web, port http: the Service is gone; it worked",
    ),
];

fn base() -> String {
    std::fs::read_to_string(testdata().join("changes/base.yaml")).unwrap()
}

/// The base, with one thing changed.
fn changed(name: &str, from: &str, to: &str) -> String {
    let base = base();
    if name == "deleted" {
        return base.split_once("---\n").unwrap().1.to_owned();
    }
    let at = base.find(SERVICE).unwrap();
    let (head, rest) = base.split_at(at);
    assert!(rest.contains(from), "{name}");
    format!("{head}{}", rest.replacen(from, to, 1))
}

/// Both states in their own folder, with names that are short in messages.
fn folder(after: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.yaml"), folder.path().join("new.yaml"));
    std::fs::write(&old, base()).unwrap();
    std::fs::write(&new, after).unwrap();
    (folder, old, new)
}

fn diff(after: &str, more: &[&str]) -> (String, Option<i32>) {
    let (folder, _, _) = folder(after);
    let states = ["diff", "-q", "old.yaml", "new.yaml", "--assume", "--assume-nodes", "3", "--all-nodes"];
    let result = kuberules_in(folder.path(), &[&states, more].concat());
    (String::from_utf8(result.stdout).unwrap(), result.status.code())
}

/// Without the breaks of lines.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn ten_small_changes_as_text() {
    for (name, from, to, headline, first) in CHANGES {
        let (text, code) = diff(&changed(name, from, to), &[]);
        assert_eq!(code, Some(1), "{name}");
        let told = joined(&text);
        assert!(told.starts_with(&joined(headline)), "{name}: {text}");
        assert!(told.contains(&joined(first)), "{name}: {text}");
        assert_snapshot!(format!("{name}_text"), text);
    }
}

#[test]
fn ten_small_changes_as_a_comment_on_a_pull_request() {
    for (name, from, to, headline, _) in CHANGES {
        let (text, _) = diff(&changed(name, from, to), &["--output", "markdown"]);
        assert_eq!(text.lines().next(), Some(format!("**{headline}**").as_str()), "{name}");
        is_well_formed(&text, name);
        assert_snapshot!(format!("{name}_markdown"), text);
    }
}

#[test]
fn the_chart_says_what_breaks_and_why() {
    let told = |more: &[&str]| {
        let states = ["diff", "-q", "v1", "v2", "--assume", "--assume-nodes", "3", "--all-nodes"];
        let result = kuberules_in(&testdata().join("chart"), &[&states, more].concat());
        String::from_utf8(result.stdout).unwrap()
    };
    let text = told(&[]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "1 Service breaks, 2 stay as they are (3 nodes, all alike)");
    assert_eq!(
        joined(&lines[3..9].join(" ")),
        "REFUSED notes/notes-web, port http: every connection, from everywhere, on all 3 nodes no Pod has a port named \
         \"http\" any more; the Pods of Deployment notes-web have \"web\", \"metrics\" (v2/notes.yaml:153) was: 2 Pods \
         (notes-web-0, notes-web-1) at cluster IP and node port 30445"
    );
    let markdown = told(&["--output", "markdown"]);
    assert!(
        markdown.starts_with("**1 Service breaks, 2 stay as they are (3 nodes, all alike)**\n"),
        "{markdown}"
    );
    is_well_formed(&markdown, "chart");
    assert_snapshot!("the_chart_markdown", markdown);
}

#[test]
fn what_fails_a_run_can_be_chosen() {
    let code = |name: &str, fail_on: &str| {
        let (_, from, to, ..) = CHANGES.iter().find(|(other, ..)| *other == name).unwrap();
        diff(&changed(name, from, to), &["--fail-on", fail_on]).1
    };
    for (name, lost) in
        [("selector_typo", 1), ("deleted", 1), ("affinity", 0), ("second_family", 0), ("policy_local", 1)]
    {
        assert_eq!(code(name, "lost"), Some(lost), "{name}");
        assert_eq!(code(name, "nothing"), Some(0), "{name}");
        assert_eq!(code(name, "traffic"), Some(1), "{name}");
    }
    assert_eq!(code("affinity", "rules"), Some(1));
}

#[test]
fn json_keeps_everything() {
    let (_, from, to, ..) = CHANGES[0];
    let (text, _) = diff(&changed("selector_typo", from, to), &["--output", "json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema"], "kuberules.diff/v3");
    let web = &json["services"][0];
    assert_eq!(web["service"], "shop/web");
    assert_eq!(web["effect"], "refused");
    assert_eq!(web["causes"][0]["kind"], "selectorMatchesNone");
    let on = web["statements"][0]["nodeSet"].as_u64().unwrap() as usize;
    assert_eq!(json["nodeSets"][on], serde_json::json!({"count": 3, "allBut": []}));
    assert!(json["rules"]["removed"].as_u64().unwrap() > 0);
}

/// A hundred nodes, and forty Services of which thirty change, each in one of three ways.
fn large(changed: bool) -> String {
    let mut text = String::new();
    for i in 0..100 {
        let _ = writeln!(
            text,
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-{i:03}}}\nspec: {{podCIDRs: [10.244.{i}.0/24]}}\n\
             status: {{addresses: [{{type: InternalIP, address: 192.168.0.{}}}]}}",
            i + 1
        );
    }
    for i in 0..40 {
        let is_changed = changed && i < 30;
        let ready = !(is_changed && i % 3 == 0);
        let policy = if is_changed && i % 3 == 1 { "Local" } else { "Cluster" };
        let gone = is_changed && i % 3 == 2;
        let _ = writeln!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: service-{i:02}, namespace: shop}}\nspec: {{type: NodePort, \
             clusterIP: 10.96.0.{}, clusterIPs: [10.96.0.{}], externalTrafficPolicy: {policy}, selector: {{app: a{i}}}, \
             ports: [{{name: http, port: 80, targetPort: 8080, nodePort: {}}}]}}",
            i + 10,
            i + 10,
            30_100 + i
        );
        let endpoints: Vec<String> = (0..if gone { 2 } else { 3 })
            .map(|e| {
                let node = (i * 7 + e * 31) % 100;
                format!(
                    "{{addresses: [10.244.{node}.{}], nodeName: node-{node:03}, conditions: {{ready: {ready}}}, targetRef: \
                     {{kind: Pod, name: service-{i:02}-{e}}}}}",
                    i + 5
                )
            })
            .collect();
        let _ = writeln!(
            text,
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nmetadata: {{name: service-{i:02}-x, \
             namespace: shop, labels: {{kubernetes.io/service-name: service-{i:02}}}}}\nports: [{{name: http, port: 8080, \
             protocol: TCP}}]\nendpoints: [{}]",
            endpoints.join(", ")
        );
    }
    text
}

#[test]
fn a_hundred_nodes_and_thirty_services_fit_a_comment() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (old, new) = (path("old.yaml"), path("new.yaml"));
    std::fs::write(&old, large(false)).unwrap();
    std::fs::write(&new, large(true)).unwrap();
    let arguments =
        ["diff", "-q", &old, &new, "--all-nodes", "--cluster-cidr", "10.244.0.0/16", "--output", "markdown"];
    let comment = String::from_utf8(kuberules(&arguments).stdout).unwrap();
    assert!(comment.chars().count() <= 65_000, "{}", comment.chars().count());
    assert!(
        comment.starts_with("**20 Services break, 10 change, 10 stay as they are (100 nodes)**\n"),
        "{comment}"
    );
    for i in 0..30 {
        assert!(comment.contains(&format!("shop/service-{i:02}, port http | ")), "service-{i:02}");
    }
    assert!(comment.contains("on all 100 nodes"));
    assert!(comment.contains("on 97 nodes (all but "), "{comment}");
    is_well_formed(&comment, "large");
}

#[test]
fn whatever_is_cut_everything_closes() {
    let chart = |version: &str| testdata().join("chart").join(version).display().to_string();
    let (old, new) = (chart("v1"), chart("v2"));
    for max in ["2000", "2500", "3000", "4000", "5000", "7000", "1000000"] {
        let more = ["--all-nodes", "--output", "markdown", "--max-characters", max];
        let mut arguments = vec!["diff", "-q", &old, &new, "--assume", "--assume-nodes", "3"];
        arguments.extend(more);
        let cut = String::from_utf8(kuberules(&arguments).stdout).unwrap();
        assert!(cut.chars().count() <= max.parse().unwrap(), "{max}");
        assert_eq!(cut.contains("Left out for lack of space"), max != "1000000", "{max}: {cut}");
        assert!(cut.contains("| **REFUSED** | notes/notes-web, port http |"), "{max}");
        is_well_formed(&cut, max);
    }
}

/// Every table, list, fold and fence is closed, as GitHub renders it: the contents of a fold are parsed separately,
/// since a block of HTML ends at an empty line.
fn is_well_formed(markdown: &str, name: &str) {
    let mut folds = 0;
    let mut columns = None;
    let mut cells = 0;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => {
                folds += html.matches("<details>").count();
                let ends = html.matches("</details>").count();
                assert!(folds >= ends, "{name}: a fold ends that never began");
                folds -= ends;
            }
            Event::Start(Tag::Table(alignments)) => columns = Some(alignments.len()),
            Event::Start(Tag::TableRow | Tag::TableHead) => cells = 0,
            Event::Start(Tag::TableCell) => cells += 1,
            Event::End(TagEnd::TableRow | TagEnd::TableHead) => {
                assert_eq!(Some(cells), columns, "{name}: a row of another width");
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                assert!(matches!(kind, CodeBlockKind::Fenced(_)), "{name}: text became code");
            }
            Event::Text(text) => {
                assert!(!text.contains("details>") && !text.contains("| --- |"), "{name}: {text}");
            }
            _ => {}
        }
    }
    assert_eq!(folds, 0, "{name}: a fold stays open");
}
