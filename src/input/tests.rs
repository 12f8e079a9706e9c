use proptest::prelude::*;
use proptest::{collection, sample};

use super::*;

fn testdata(path: &str) -> (Snapshot, Diagnostics) {
    let path = std::path::Path::new("testdata/shop").join(path);
    read(&[InputPath::Path(path)], std::io::empty()).unwrap()
}

fn objects<T>(located: &[Located<T>]) -> Vec<&T> {
    located.iter().map(|located| &located.object).collect()
}

/// What is wrong with a text, as a person sees it.
fn faults(text: &str) -> String {
    let found = read_text("in.yaml", text).map(|(_, warnings)| warnings).unwrap_or_else(|found| found);
    found.iter().map(|diagnostic| format!("{diagnostic}\n")).collect()
}

#[test]
fn yaml_json_and_the_folder_of_a_dump_hold_the_same_objects() {
    let (yaml, json) = (testdata("before.yaml").0, testdata("before.json").0);
    assert_eq!(yaml.services.len(), 14);
    assert_eq!(yaml.endpoint_slices.len(), 14);
    assert_eq!(yaml.nodes.len(), 4);
    assert_eq!(objects(&yaml.services), objects(&json.services));
    assert_eq!(objects(&yaml.endpoint_slices), objects(&json.endpoint_slices));
    assert_eq!(objects(&yaml.nodes), objects(&json.nodes));
    let (pods, dump) = (testdata("before-with-pods.yaml").0, testdata("cluster-info-dump").0);
    assert_eq!(dump.services.len(), 14);
    assert_eq!(objects(&yaml.nodes), objects(&dump.nodes));
    assert_eq!(pods.pods.len(), 22);
    assert_eq!(dump.pods.len(), 22);
    assert_eq!(pods.service_cidrs.len(), 1);
}

#[test]
fn every_wrong_object_is_told() {
    let text = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  ports:
  - port: \"80\"
---
apiVersion: v1
kind: Service
metadata:
  name: cart
  labels:
    shard: 1
---
apiVersion: v1
kind: Service
metadata: {namespace: shop}
";
    assert_snapshot!(faults(text));
}

#[test]
fn texts_that_cannot_be_read() {
    let texts = [
        "",
        "\u{feff}  \n",
        "a: b: c\n",
        "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{\"kind\": ",
        "{\"kind\": nonsense\"}",
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata:\n    name: n\n",
        "apiVersion: apps/v1\nkind: Ingress\nmetadata: {name: a}\n---\nkind: Ingress\n",
        "hello\n",
        "a: 1\na: 2\n",
        "==== START logs for container c of pod ns/p ====\nx\n",
    ];
    let all: String = texts.iter().map(|text| format!("{text:?}\n{}", faults(text))).collect();
    assert_snapshot!(all);
}

/// Compares what the quick and the thorough way read from a text: objects with their positions, and findings.
fn assert_quick_equals_thorough(text: &str) -> bool {
    let read = |quick| {
        let batch = document::read(text, SourceId(0), document::Manner { quick, anything: false });
        let Snapshot {
            services,
            endpoint_slices,
            nodes,
            service_cidrs,
            pods,
            workloads,
            configurations,
            skipped,
            ..
        } = batch.snapshot;
        let some = !services.is_empty();
        let objects = format!(
            "{services:?}\n{endpoint_slices:?}\n{nodes:?}\n{service_cidrs:?}\n{pods:?}\n{workloads:?}\n{configurations:?}\n{skipped:?}"
        );
        (objects, format!("{:?}", batch.findings), some)
    };
    let (quick, thorough) = (read(true), read(false));
    assert!(quick == thorough, "the two ways differ for:\n{text}\n{}\n{}", quick.0, thorough.0);
    quick.2
}

#[test]
fn the_quick_way_gives_what_the_thorough_gives() {
    for file in
        ["before.yaml", "after.yaml", "before.json", "before-with-pods.yaml", "cluster-info-dump/nodes.json"]
    {
        let text = std::fs::read_to_string(format!("testdata/shop/{file}")).unwrap();
        assert_quick_equals_thorough(&text);
        assert_quick_equals_thorough(&format!("\u{feff}{text}"));
        assert_quick_equals_thorough(&text.replace('\n', "\r\n"));
        assert_quick_equals_thorough(&format!("{text}{text}"));
        assert_quick_equals_thorough(&format!("{text}---\n{text}"));
        assert_quick_equals_thorough(&format!("---\n# comment\n{text}...\n{text}"));
    }
}

#[test]
fn the_quick_way_gives_what_the_thorough_gives_on_every_cluster() {
    let mut files = vec!["testdata/large/cluster.yaml".into()];
    for folder in std::fs::read_dir("testdata/random").unwrap() {
        let folder = folder.unwrap().path();
        files.extend(["cluster.yaml", "cluster.json"].map(|name| folder.join(name)));
    }
    let texts: Vec<_> = files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    assert!(texts.len() > 10);
    for text in texts {
        assert_quick_equals_thorough(&text);
        assert_quick_equals_thorough(&text.replace('\n', "\r\n"));
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(256))]

    /// Lines in other styles anywhere in a list: flow style, anchors, comments, tabs, markers, block scalars that look
    /// like items, long lines.
    #[test]
    fn the_quick_way_gives_what_the_thorough_gives_on_mutations(
        changes in collection::vec((any::<prop::sample::Index>(), sample::select(&PIECES[..]), any::<bool>()), 1..5),
        crlf: bool,
    ) {
        let mut lines: Vec<String> = LIST.lines().map(str::to_owned).collect();
        for (at, piece, within) in changes {
            let at = at.index(lines.len());
            if within { lines[at].push_str(piece) } else { lines.insert(at, piece.to_owned()) }
        }
        let text = lines.join(if crlf { "\r\n" } else { "\n" });
        assert_quick_equals_thorough(&text);
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(256))]

    /// Other JSON anywhere in a list: fields in another order, twice or of another type, values that are not objects, a
    /// nested list, brackets that close too early, a premature end.
    #[test]
    fn the_quick_way_gives_what_the_thorough_gives_on_mutations_of_json(
        changes in collection::vec((any::<prop::sample::Index>(), sample::select(&JSON_PIECES[..])), 1..4),
        end in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        in_lines: bool,
    ) {
        let mut tokens = JSON_LIST.to_vec();
        changes.iter().for_each(|(at, piece)| tokens.insert(at.index(tokens.len()), *piece));
        tokens.truncate(end.map_or(tokens.len(), |end| end.index(tokens.len())));
        assert_quick_equals_thorough(&tokens.join(if in_lines { "\n    " } else { "" }));
    }
}

const JSON_LIST: [&str; 24] = [
    "{",
    "\"apiVersion\": \"v1\",",
    "\"items\": [",
    "{",
    "\"apiVersion\": \"v1\",",
    "\"kind\": \"Service\",",
    "\"metadata\": {",
    "\"name\": \"a\"",
    "},",
    "\"spec\": {\"clusterIP\": \"10.0.0.1\"}",
    "},",
    "{",
    "\"addressType\": \"IPv4\",",
    "\"apiVersion\": \"discovery.k8s.io/v1\",",
    "\"kind\": \"EndpointSlice\",",
    "\"metadata\": {",
    "\"name\": \"ü\"",
    "}",
    "}",
    "],",
    "\"kind\": \"List\",",
    "\"metadata\": {",
    "\"resourceVersion\": \"\"",
    "}}",
];

const JSON_PIECES: [&str; 22] = [
    "\"kind\": \"Node\",",
    "\"kind\": \"ServiceList\",",
    "\"kind\": null,",
    "\"kind\": 5,",
    "\"apiVersion\": \"apps/v1\",",
    "\"apiVersion\": \"v1\\u0031\",",
    "\"metadata\": null,",
    "\"metadata\": {\"name\": \"b\"},",
    "\"name\": \"c\",",
    "\"name\": 7,",
    "\"x\": [1, {\"y\": \"}]\"}],",
    "\"items\": [],",
    "\"items\": [",
    "{\"kind\": \"Node\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"n\"}},",
    "{\"metadata\": {\"name\": \"bare\"}},",
    "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": []},",
    "null,",
    "5,",
    "{},",
    "}",
    "]",
    ",",
];

const PIECES: [&str; 22] = [
    " # comment",
    "# comment",
    "    x: &a {b: [1, 2]}",
    "    y: *a",
    "    z: |",
    "    z: >-",
    "      - apiVersion: v1",
    "- apiVersion: v1",
    "  kind: Service",
    "---",
    "...",
    "\t",
    "    t: \"a\tb",
    "\"",
    "'",
    "{",
    "]",
    "    <<: *a",
    "- {apiVersion: v1, kind: Node, metadata: {name: m}}",
    "- - x",
    "  metadata:",
    "    l: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

const LIST: &str = "apiVersion: v1
items:
- apiVersion: v1
  kind: Service
  metadata:
    name: a
  spec:
    clusterIP: 10.0.0.1
- apiVersion: v1
  kind: Node
  metadata:
    labels: {zone: ü}
    name: n
kind: List
metadata:
  resourceVersion: \"\"
";

#[test]
fn the_quick_way_stands_back_from_what_it_does_not_know() {
    let name = "    name: a\n";
    for (from, to) in [
        (name, "    name: a # comment\n# another\n\n"),
        (name, "    name: &x a\n    labels: {b: *x}\n"),
        (
            name,
            "    name: a\n    annotations:\n      x: |\n        - apiVersion: v1\n          kind: Node\n\n        ---\n",
        ),
        (name, "    name: a\n    annotations:\n      x: |1\n     - y\n"),
        (name, "    name: a\n    annotations:\n      x: \"tab\there\n- apiVersion: v1\n  kind: Node\"\n"),
        (name, "    name: a\n    annotations:\n      x: 'q\n\n        ''- apiVersion: v1'\n"),
        (name, "    name: a\n    annotations: {x: [1,\n- 2]}\n"),
        (name, "\tname: a\n"),
        (name, "    name: a\n---\n"),
        (name, "    name: a\n...\n"),
        (name, "    name: a\n    name: b\n"),
        (name, "    name: 1\n"),
        (name, "    name:\n"),
        (name, "    {name: a}\n"),
        ("- apiVersion: v1\n  kind: Node", "-\n  apiVersion: v1\n  kind: Node"),
        ("- apiVersion: v1\n  kind: Node", "-   apiVersion: v1\n    kind: Node"),
        ("- apiVersion: v1\n  kind: Node", "- - apiVersion: v1\n    kind: Node"),
        ("- apiVersion: v1\n  kind: Node", "- !!map\n  apiVersion: v1\n  kind: Node"),
        (
            "- apiVersion: v1\n  kind: Node",
            "- {apiVersion: v1, kind: Node, metadata: {name: m}}\n- apiVersion: v1\n  kind: Node",
        ),
        (
            "- apiVersion: v1\n  kind: Node",
            "- apiVersion: v1\n  kind: List\n  items:\n  - apiVersion: v1\n    kind: Node\n    metadata: {name: m}\n- apiVersion: v1\n  kind: Node",
        ),
        ("items:\n", "items: # all\n"),
        ("items:\n", "items:  \n"),
        ("items:\n", "items:\n# comment\n"),
        ("items:\n", "x: \"\nitems:\n- \"\nitems:\n"),
        ("apiVersion: v1\nitems", "%YAML 1.2\n---\napiVersion: v1\nitems"),
        ("apiVersion: v1\nitems", "x: |\n items:\n - apiVersion: v1\nitems"),
        ("kind: List\n", "kind: ServiceList\n"),
        ("kind: List\n", ""),
        ("kind: List\n", "kind: Li"),
        ("kind: List\n", "items: []\nkind: List\n"),
        ("kind: List\n", "kind: List\nx: \"- a\n- b\"\n"),
        ("kind: List\n", "]\n"),
    ] {
        assert!(LIST.contains(from), "{from}");
        assert_quick_equals_thorough(&LIST.replace(from, to));
    }
    for end in 0..=LIST.len() {
        assert_quick_equals_thorough(LIST.get(..end).unwrap_or_default());
    }
    assert!(assert_quick_equals_thorough(
        &LIST.replace("name: a", &format!("name: {}", "a".repeat(100_000)))
    ));
}

#[test]
fn the_quick_way_through_json_stands_back_too() {
    let service = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}"#;
    let node = r#"{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n", "labels": {"x": "},{\"items\"ü"}}}"#;
    let bare = r#"{"metadata": {"name": "b"}}"#;
    for text in [
        format!(r#"{{"kind": "List", "apiVersion": "v1", "items": [{service}, {node}]}}"#),
        format!(
            r#"{{"apiVersion": "v1", "items": [{service}, {node}], "kind": "List", "metadata": {{}}}}  {service}"#
        ),
        format!(
            r#"{{"kind": "ServiceList", "apiVersion": "v1", "items": [{bare}]}}{{"kind": "NodeList", "apiVersion": "v1", "items": [{bare}]}}"#
        ),
        format!(r#"{{"apiVersion": "v1", "items": [{bare}], "kind": "ServiceList"}}"#),
        format!(r#"{{"kind": "List", "apiVersion": "v1", "items": [{service}, {node},]}}"#),
        format!(r#"{{"kind": "List", "apiVersion": "v1", "items": [{service} {node}]}}"#),
        format!(r#"{{"kind": "List", "apiVersion": "v1", "items": [], "items": [{service}]}}"#),
        format!(r#"{{"kind": "List", "kind": "List", "apiVersion": "v1", "items": [{service}]}}"#),
        format!(r#"{{"kind": "List", "apiVersion": "v1", "items": [{service}], "kind": "List"}}"#),
        format!(r#"{{"metadata": {{"items": [{service}]}}, "kind": "List", "apiVersion": "v1"}}"#),
        format!(r#"{{"x": "\"items\": [", "kind": "List", "apiVersion": "v1", "items": [{service}]}}"#),
        format!(r#"{{"kind": "List", "apiVersion": "v1", "items": [5, {service}]}}"#),
        r#"{"kind": "List", "apiVersion": "v1", "items": []}"#.to_owned(),
        r#"{"kind": "List", "apiVersion": "v1", "items": null}"#.to_owned(),
        format!("[{service}, {node}]"),
    ] {
        assert_quick_equals_thorough(&text);
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert_quick_equals_thorough(text.get(..end).unwrap_or_default());
        }
    }
}

#[test]
fn many_parts_are_put_together() {
    let item = "        {\n            \"apiVersion\": \"v1\",\n            \"kind\": \"Service\",\n            \"metadata\": {\n                \"name\": \"NAME\"\n            }\n        }";
    let items: Vec<String> = (0..8_000).map(|n| item.replace("NAME", &format!("s{n}"))).collect();
    let list = format!(
        "{{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n{}\n    ],\n    \"kind\": \"List\"\n}}\n",
        items.join(",\n")
    );
    assert!(assert_quick_equals_thorough(&list));
    assert!(assert_quick_equals_thorough(&format!("{list}{list}")));
    assert!(assert_quick_equals_thorough(
        &list.replace("s5000", "s5000\", \"x\": 1, \"namespace\": 5, \"y\": \"")
    ));
    let (snapshot, _) = read_text("x", list).unwrap();
    let names: Vec<_> = snapshot.services.iter().map(|s| s.object.metadata.name.as_str()).collect();
    assert!(names.iter().enumerate().all(|(n, name)| *name == format!("s{n}")));
    assert_eq!(names.len(), 8_000);
}
