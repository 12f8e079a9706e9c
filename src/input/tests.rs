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
    insta::assert_snapshot!(faults(text));
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
    insta::assert_snapshot!(all);
}
