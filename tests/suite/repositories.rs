//! Folders as they are in Git, with charts, kustomizations and other files next to manifests.

use std::path::Path;
use std::process::Command;

use crate::support::{kuberules, testdata};

/// Lints a folder as it is: the exit code, the codes and objects of the findings, and standard error.
fn lint(folder: &str, more: &[&str]) -> (i32, Vec<String>, String) {
    let path = testdata().join("repositories").join(folder);
    let output = kuberules(&[&["lint", "--assume", path.to_str().unwrap()], more].concat());
    let findings = String::from_utf8(output.stdout).unwrap();
    let headings = findings.lines().filter(|line| line.contains("[KR")).map(str::to_owned).collect();
    (output.status.code().unwrap(), headings, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn each_repository_is_linted_as_it_stands() {
    let expected = [
        ("chart", 0, &[][..], "1 Helm chart (render it with `helm template`), 1 hidden folder"),
        (
            "kustomize",
            1,
            &["warning[KR001] Service shop/admin"],
            "4 kustomizations (build them with `kubectl kustomize`), 3 parts of kustomizations",
        ),
        ("operator", 0, &[], "1 file without kind"),
        (
            "monorepo",
            1,
            &["warning[KR001] Service store/search", "warning[KR021] Service store/web"],
            "1 template (render it first), 2 files without kind, 2 files that are neither YAML nor JSON, 2 hidden \
             folders, 1 Service of serving.knative.dev",
        ),
    ];
    for (folder, code, findings, left_out) in expected {
        let (exit, found, told) = lint(folder, &[]);
        assert_eq!(
            (exit, found.as_slice()),
            (code, findings.iter().map(|&f| f.to_owned()).collect::<Vec<_>>().as_slice())
        );
        assert!(told.contains(&format!("left out: {left_out}")), "{folder}: {told}");
        assert!(told.lines().count() <= 5, "{folder}: {told}");
    }
}

#[test]
fn what_is_left_out_is_listed_where_that_is_asked_for() {
    let told = lint("monorepo", &["--verbose"]).2;
    for line in [
        "monorepo/ansible/service.yml: left out: template",
        "monorepo/docker-compose.yml: left out: file without kind",
        "monorepo/.cache: left out: hidden folder",
    ] {
        assert!(told.contains(line), "{told}");
    }
}

#[test]
fn variants_are_left_out_or_looked_at_apart() {
    let (_, found, _) = lint("monorepo", &["--exclude", "canary"]);
    assert_eq!(found, ["warning[KR001] Service store/search"]);
    let services = testdata().join("repositories/monorepo/services");
    let output =
        kuberules(&["lint", "--assume", "--each", services.to_str().unwrap(), "--exclude", "k8s/canary/**"]);
    // What is found there is a note.
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().matches("[KR").count(), 1);
}

#[test]
fn a_folder_that_only_makes_manifests_is_told_with_the_command() {
    for (folder, command) in
        [("kustomize/overlays/dev", "kubectl kustomize "), ("chart/charts/shop", "helm template ")]
    {
        let path = testdata().join("repositories").join(folder);
        let output = kuberules(&["compile", "--assume", "--node", "n", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains(&format!("help: {command}")));
        assert_eq!(lint(folder, &[]).0, 1);
    }
}

/// What a folder of these files gives.
fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  clusterIP: 10.96.0.9\n  ports: [{port: 80}]\n";
const NODE: &str = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";
const NO_SLICES: &str = "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSliceList\nitems: []\n";

fn compile(folder: &Path) -> (Option<i32>, String) {
    let output = kuberules(&["compile", folder.to_str().unwrap()]);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_named_pipe_does_not_block_and_a_dangling_link_is_told() {
    let folder = folder_of(&[("a.yaml", &format!("{SERVICE}{NODE}{NO_SLICES}"))]);
    let pipe = folder.path().join("pipe.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("nowhere", folder.path().join("link.yaml")).unwrap();
    let (code, told) = compile(folder.path());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("link.yaml: the symbolic link leads nowhere"), "{told}");
    assert!(told.contains("1 special file"), "{told}");
    let (code, told) = compile(&folder.path().join("link.yaml"));
    assert!(code == Some(2) && told.contains("the symbolic link leads nowhere"), "{told}");
}

#[test]
fn input_without_slices_is_refused_unless_it_says_that_there_are_none() {
    let folder = folder_of(&[("a.yaml", &format!("{SERVICE}{NODE}"))]);
    let (code, told) = compile(folder.path());
    assert!(code == Some(2) && told.contains("kubectl get endpointslices -A"), "{told}");
    let endpoints = "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\n";
    std::fs::write(folder.path().join("b.yaml"), endpoints).unwrap();
    let (code, told) = compile(folder.path());
    assert!(code == Some(2) && told.contains("Endpoints are no substitute"), "{told}");
    for none in [
        NO_SLICES,
        "---\n{\"apiVersion\": \"discovery.k8s.io/v1\", \"kind\": \"EndpointSliceList\", \"items\": []}\n",
    ] {
        std::fs::write(folder.path().join("b.yaml"), none).unwrap();
        assert_eq!(compile(folder.path()).0, Some(0));
    }
    let headless = SERVICE.replace("10.96.0.9", "None");
    let folder = folder_of(&[("a.yaml", &format!("{headless}{NODE}"))]);
    assert_eq!(compile(folder.path()).0, Some(0));
}

#[test]
fn objects_that_seem_to_be_read_and_are_not_are_told() {
    for (from, to, says) in [
        (
            "apiVersion: v1\nkind: Service\n",
            "kind: Service\n",
            "Service web: it has no apiVersion and is not read",
        ),
        (
            "apiVersion: v1\nkind: Service\n",
            "apiVersion: v2\nkind: Service\n",
            "the apiVersion \"v2\" is unknown",
        ),
        ("name: web", "name: web-{{ x }}", "helm template"),
    ] {
        let text = SERVICE.replacen(from, to, 1);
        let folder = folder_of(&[("a.yaml", &format!("{text}{NODE}{NO_SLICES}"))]);
        let (code, told) = compile(&folder.path().join("a.yaml"));
        assert!(code == Some(2) && told.contains(says), "{told}");
    }
    let text = SERVICE.replacen("apiVersion: v1", "apiVersion: serving.knative.dev/v1", 1);
    let folder = folder_of(&[("a.yaml", &format!("{text}{NODE}"))]);
    assert!(compile(folder.path()).1.contains("1 Service of serving.knative.dev"));
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts_and_both_lines_are_told() {
    let twice = SERVICE.replacen("spec:\n", "spec:\n  clusterIP: 10.96.0.1\n", 1);
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"web\"},\n\"spec\": {\"clusterIP\": \"10.96.0.1\",\n\"clusterIP\": \"10.96.0.9\", \"ports\": [{\"port\": 80}]}}\n";
    for (text, line, first) in [(twice.as_str(), 6, 5), (json, 3, 2)] {
        let folder = folder_of(&[("a.yaml", &format!("{text}{NODE}{NO_SLICES}"))]);
        let output = kuberules(&["compile", folder.path().to_str().unwrap()]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.contains(&format!("a.yaml:{line}: Service web: the key \"clusterIP\" occurs twice")),
            "{told}"
        );
        assert!(told.contains(&format!("first in line {first}")), "{told}");
        let rules = String::from_utf8(output.stdout).unwrap();
        assert!(rules.contains("10.96.0.9") && !rules.contains("10.96.0.1/"), "{rules}");
    }
    let unread = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: a, name: b}\n";
    let folder = folder_of(&[("a.yaml", &format!("{SERVICE}{NODE}{NO_SLICES}{unread}"))]);
    assert!(!compile(folder.path()).1.contains("occurs twice"));
}

/// This much input would take minutes if it cost quadratic time or worse; here it is read, and only a few of the faults
/// are reported.
#[test]
fn many_faults_in_one_object_are_told_in_part() {
    let ports = "{port: 80}, ".repeat(2_000);
    let ips = "x, ".repeat(4_000);
    let text = format!(
        "{}{NODE}{NO_SLICES}",
        SERVICE.replacen("[{port: 80}]", &format!("[{ports}]\n  externalIPs: [{ips}]"), 1)
    );
    let folder = folder_of(&[("a.yaml", &text)]);
    let (code, told) = compile(folder.path());
    assert_eq!(code, Some(2));
    assert!(told.lines().count() < 100 && told.contains("and so 1979 more of this object"), "{told}");
}
