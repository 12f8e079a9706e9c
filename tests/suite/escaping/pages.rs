//! Hostile text in every field of the input: in text, Markdown, Mermaid and HTML it stays text. A reader's program sees
//! the same in each form as with a harmless word in that field.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use kuberules::cluster::{Cluster, Node};
use kuberules::explain::html::Page;
use kuberules::explain::stage::{View, stages};
use kuberules::names::ServiceName;
use kuberules::net::Family;
use kuberules::node::{Host, NodePlan, NodeRules};
use kuberules::plan::Plan;
use kuberules::settings::{Configuration, Flags, HostFacts, Release, Settings};
use kuberules::style::Style;
use kuberules::{assume, explain, input, lint};
use pulldown_cmark::{Event, Options, Parser};
use serde_json::{Value, json};

use crate::support::scope::share;
use crate::support::spoil::{cluster, spoilt};

const HOSTILE: [&str; 8] = [
    "</script><script>alert(1)</script><!-- alert(1)",
    "<img src=x onerror=alert(1)>\"'",
    "\"'`|*_~[alert(1)](javascript:alert(1))![x](//x)",
    "\u{1b}[31malert(1)\u{9b}31m\u{7}\u{8}\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{2028}",
    "alert(1)\n# heading\n\n- list\n```\n    code\n%%{init: {}}%%\nend\n  click p0c0 call alert(1)\n::error::x\n",
    "alert(1)&lt;b&gt;&#60;i&#62;#lt;b#gt;#60;\\u003cb\\<b\\",
    "alert(1)\"] --> x; subgraph y[\"z\" | ``` ~~~ $$x$$ <sup>1</sup><br>",
    "alert(1)\r\n\r\n| a | b |\r\n|---|---|\r\n| [a]: //x",
];

/// A part of every hostile text.
const MARK: &str = "alert(1)";

/// Replaces hostile text.
const HARMLESS: &str = "harmless";

/// Objects from which endpoints are assumed, besides the cluster of the other tests.
fn objects() -> Vec<Value> {
    let mut all = cluster()["items"].as_array().unwrap().clone();
    let meta = |name: &str| json!({"name": name, "namespace": "shop", "labels": {"app": name}, "annotations": {"a/b": "c"}});
    let template = |app: &str| {
        json!({"metadata": {"labels": {"app": app}}, "spec": {"nodeName": "", "containers": [
            {"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 80, "protocol": "TCP"}]}]}})
    };
    let service = |name: &str, selector: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta(name), "spec": {"type": "NodePort",
            "selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": "web", "appProtocol": "http"}]}})
    };
    all.extend([
        service("made", json!({"app": "made"})),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("made"),
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "made"}}, "template": template("made")}}),
        service("pod", json!({"app": "pod"})),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta("pod"),
            "spec": {"nodeName": "worker", "containers": template("pod")["spec"]["containers"]},
            "status": {"phase": "Running", "podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}],
                "conditions": [{"type": "Ready", "status": "True"}]}}),
        service("mirror", json!({})),
        json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": meta("mirror"), "subsets": [
            {"addresses": [{"ip": "192.0.2.1", "nodeName": "worker", "targetRef": {"kind": "Pod", "name": "p"}}],
                "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}]}),
    ]);
    all
}

fn settings(mode: &str) -> Settings {
    let mut configuration = Configuration::default();
    let flags = Flags {
        proxy_mode: Some(mode.to_owned()),
        cluster_cidr: Some("10.244.0.0/16,fd00:244::/32".to_owned()),
        ..Flags::default()
    };
    configuration.override_with(&flags, &Release::NEWEST);
    Settings::resolve(&configuration, Release::NEWEST, HostFacts::default(), None).unwrap().0
}

/// What is printed for a cluster, by form; none if the input is refused. Explanations are left out if they do not
/// contain the `mark`.
fn forms(cluster: &str, mode: &str, mark: &str) -> Option<BTreeMap<&'static str, String>> {
    let settings = settings(mode);
    let (mut snapshot, mut told) = input::read_text("<b>cluster</b>.json", cluster).ok()?;
    let (assumed, found) = assume::fill(&mut snapshot, &assume::Options::default(), &settings);
    told.append(found);
    let (cluster, found) = Cluster::build(&snapshot, &settings).ok()?;
    told.append(found);
    let node = cluster.nodes.first().filter(|_| !told.has_errors())?;
    let subject = lint::Subject::new(&snapshot, &settings, &cluster, &told, None);
    let findings = lint::run(&subject, &BTreeSet::new());
    let mut forms = BTreeMap::from([
        ("findings", lint::text::print(&findings, Style::default())),
        ("annotations", lint::github::print(&findings)),
    ]);
    if !format!("{cluster:?} {assumed:?}").contains(mark) {
        return Some(forms);
    }
    let plans: Vec<Plan<'_>> =
        Family::ALL.map(|family| Plan::new(&cluster, &settings, node, family).unwrap().0).into();
    let host = Host::of_node(&cluster, node, &plans);
    let rules: Vec<NodeRules<'_>> =
        plans.into_iter().map(|plan| NodePlan { plan, host: host.clone() }.compile()).collect();
    let sources = &snapshot.sources;
    let (cluster, settings, rules) = (&cluster, &settings, rules.as_slice());
    let scene = explain::Scene { cluster, settings, sources, node, rules, assumed: Some(&assumed) };
    let all = scene.explain(None).unwrap();
    let view = View { cluster, settings, sources, turned: false };
    forms.extend([
        ("text", explain::text::print(&all, Style::default())),
        ("markdown", explain::markdown::print(&all)),
        ("mermaid", explain::mermaid::print(&all)),
        ("html", page(&all, &view, node, mark)),
    ]);
    Some(forms)
}

/// The page, which plays only the connections of Services that contain the mark; all of them if it is in something of
/// the node.
fn page(explanations: &[explain::Explanation], view: &View<'_>, node: &Node, mark: &str) -> String {
    let name = |explanation: &explain::Explanation| ServiceName::parse(&explanation.service);
    let is_marked = |explanation: &&explain::Explanation| format!("{explanation:?}").contains(mark);
    let mut services: Vec<ServiceName> = explanations.iter().filter(is_marked).filter_map(name).collect();
    if services.is_empty() {
        services = explanations.iter().filter_map(name).collect();
    }
    let stages = stages(&[*view], node, &services);
    explain::html::print(&Page { explanations, stages: &stages, ..Page::default() })
}

/// What a program that shows the form sees in it besides text.
fn shape(form: &str, printed: &str) -> Vec<String> {
    match form {
        "markdown" => markdown_shape(printed),
        // Whatever is in quotes is text, which a quote in it would end.
        "mermaid" => printed.lines().map(|line| line.split('"').step_by(2).collect()).collect(),
        "sequence" => printed.lines().map(sequence_shape).collect(),
        "html" => printed.split('<').skip(1).map(|tag| tag.split('>').next().unwrap().to_owned()).collect(),
        "annotations" => printed.lines().map(|line| line.split_once(' ').unwrap().0.to_owned()).collect(),
        _ => Vec::new(),
    }
}

/// What comes before the text of a line; the text must not end before the line does.
fn sequence_shape(line: &str) -> String {
    let (head, text) = line.split_once(" as ").or(line.split_once(": ")).unwrap_or((line, ""));
    let text = text.replace("<br/>", "");
    let text = text.split('#').map(|part| part.split_once(';').map_or(part, |(_, rest)| rest));
    assert!(!text.collect::<String>().contains(['<', '>', '"', '`', ';', '{']), "{line}");
    head.to_owned()
}

fn markdown_shape(printed: &str) -> Vec<String> {
    let is_text = |event: &Event<'_>| matches!(event, Event::Text(_) | Event::Code(_));
    let events = Parser::new_ext(printed, Options::all()).filter(|event| !is_text(event));
    events.map(|event| format!("{event:?}")).collect()
}

/// A character with special effects in a terminal or another program.
fn is_active(c: char) -> bool {
    let invisible = "\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{feff}";
    (c.is_control() && c != '\n') || invisible.contains(c) || ('\u{e0000}'..='\u{e007f}').contains(&c)
}

/// A page without its own style and script.
fn page_text(page: &str) -> String {
    let (_, body) = page.split_once("<body>").unwrap();
    body.split_once("\"use strict\"").unwrap().0.to_owned()
}

#[derive(Debug, Default)]
struct Tally {
    tried: usize,
    refused: usize,
    /// How often a hostile text was seen in each form.
    shown: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn compare(&mut self, all: &[Value], harmless: &Value, mode: &str) {
        let harmless = LazyCell::new(|| forms(&harmless.to_string(), mode, HARMLESS).unwrap_or_default());
        for (spoilt, what) in all.iter().zip(HOSTILE) {
            self.tried += 1;
            let Some(spoilt) = forms(&spoilt.to_string(), mode, MARK) else {
                self.refused += 1;
                continue;
            };
            for (form, printed) in spoilt.iter().filter(|(_, printed)| printed.contains(MARK)) {
                *self.shown.entry(form).or_default() += 1;
                judge(form, printed, harmless.get(form).map(String::as_str), what);
            }
        }
    }
}

fn judge(form: &str, printed: &str, harmless: Option<&str>, what: &str) {
    let seen = if form == "html" { page_text(printed) } else { printed.to_owned() };
    assert!(!seen.contains(is_active), "{form} of {what:?}:\n{seen:?}");
    // What Mermaid treats as a directive anywhere.
    assert!(!["mermaid", "sequence"].contains(&form) || !printed.contains("%%{"), "{printed}");
    if let Some(harmless) = harmless {
        assert_eq!(shape(form, printed), shape(form, harmless), "{form} of {what:?}");
    }
}

#[test]
fn hostile_text_in_every_field_stays_text() {
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": objects()});
    let harmless = spoilt(&objects, HARMLESS);
    let by_text: Vec<Vec<Value>> = HOSTILE.iter().map(|text| spoilt(&objects, text)).collect();
    let fields = share("escaping::pages", 25, (0..harmless.len()).collect());
    let fields: Vec<_> =
        fields.into_iter().flat_map(|field| ["iptables", "nftables"].map(|mode| (field, mode))).collect();
    let tallies = crate::support::in_parallel(&fields, |(field, mode)| {
        let mut tally = Tally::default();
        let all: Vec<Value> = by_text.iter().map(|spoilt| spoilt[*field].clone()).collect();
        tally.compare(&all, &harmless[*field], mode);
        tally
    });
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (tried, refused) = (sum(|tally| tally.tried), sum(|tally| tally.refused));
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for (form, count) in tallies.iter().flat_map(|tally| &tally.shown) {
        *shown.entry(form).or_default() += count;
    }
    crate::support::kernel::tell(&format!(
        "hostile pages: {tried} tried in every field, {refused} refused, shown in {shown:?}"
    ));
    assert!(shown.len() == 6 && shown.values().all(|count| *count > 3), "{shown:?}");
}

/// The cluster with a text in every field that may have one, and an endpoint at this address.
fn named(text: &str, address: &str) -> Value {
    let mut all = objects();
    for object in &mut all {
        let node = object["kind"] == "Node";
        object["metadata"]["annotations"] = json!({"a/b": text});
        // Stored, or else the API server would refuse it because of its labels before anything else is said.
        object["metadata"]["resourceVersion"] = json!("1");
        object["metadata"]["labels"][if node { "topology.kubernetes.io/zone" } else { "x" }] = json!(text);
        if object["addressType"] == "IPv4" {
            let endpoint = |ip: &str, node: &str| json!({"addresses": [ip], "nodeName": node, "zone": text, "targetRef": {"kind": "Pod", "name": text}});
            object["endpoints"] = json!([endpoint(address, text), endpoint("10.244.0.77", "worker")]);
        }
    }
    json!({"apiVersion": "v1", "kind": "List", "items": all})
}

/// What the program prints about files in a folder with this name.
fn printed(text: &str) -> Vec<(&'static str, String)> {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join(text.replace(['/', '\0'], "_"));
    std::fs::create_dir(&inner).unwrap();
    let [old, new] = ["old", "new"].map(|name| inner.join(name).with_extension("json"));
    std::fs::write(&old, named(text, "10.244.7.1").to_string()).unwrap();
    std::fs::write(&new, named(text, "10.244.7.2").to_string()).unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let trace = ["trace", old, "--to", "svc:shop/web:http", "--from"];
    let runs: [(&str, &[&str], &[&str]); 7] = [
        ("text", &trace, &["external"]),
        ("text", &trace, &["any"]),
        ("sequence", &trace, &["external", "--output", "mermaid"]),
        ("text", &["diff", old, new], &[]),
        ("markdown", &["diff", old, new], &["--output", "markdown"]),
        ("text", &["lint", old], &[]),
        ("annotations", &["lint", old], &["--output", "github"]),
    ];
    let run = |(form, first, more): (&'static str, &[&str], &[&str])| {
        let flags = ["--node", "worker", "--cluster-cidr", "10.244.0.0/16", "--assume", "--quiet"];
        let output = crate::support::kuberules(&[first, more, &flags].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_ne!(output.status.code(), Some(2), "{first:?} {more:?}: {told}");
        (form, String::from_utf8(output.stdout).unwrap().replace(folder.path().to_str().unwrap(), ""))
    };
    runs.map(run).into()
}

#[test]
fn hostile_names_stay_text_in_what_the_program_prints() {
    let harmless = printed(HARMLESS);
    crate::support::in_parallel(&HOSTILE, |text| {
        for ((form, printed), (_, harmless)) in printed(text).iter().zip(&harmless) {
            assert!(printed.contains(MARK), "{form}: the name is not there at all:\n{printed}");
            judge(form, printed, Some(harmless), text);
        }
    });
}
