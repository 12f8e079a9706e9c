//! Limits of the input: beyond each of them an error says which it was and what to do. The table in docs/promises.md
//! names them all.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kuberules::input::read_text;
use kuberules::iptables;
use kuberules::net::Protocol;
use kuberules::walk::{Host, Packet, Walker};

use crate::support::{kuberules, run_with_input, scope};

const BASE: &str = "apiVersion: v1\nkind: Node\nmetadata: {name: worker-1}\n---\n\
                    apiVersion: discovery.k8s.io/v1\nkind: EndpointSliceList\nitems: []\n";

/// The faults of a text.
fn faults(text: impl Into<String>) -> String {
    match read_text("input", text) {
        Ok(_) => "fine".to_owned(),
        Err(found) => found.to_string(),
    }
}

/// Standard error of a run that must fail.
fn failed(arguments: &[&str]) -> String {
    let output = kuberules(arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{told}");
    told
}

fn service(n: usize, spec: &str) -> String {
    let ip = format!("10.96.{}.{}", n / 200, n % 200 + 1);
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: web-{n}, namespace: shop}}\nspec:\n  clusterIP: {ip}\n  {spec}\n"
    )
}

fn file(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("cluster.yaml");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn aliases_and_merge_keys() {
    let object = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: b}\nm0: &m0 {a: b}\n";
    let maps = |count: usize, uses: usize| {
        (1..count).fold(object.to_owned(), |mut text, n| {
            let merged = vec![format!("*m{}", n - 1); uses].join(", ");
            writeln!(text, "m{n}: &m{n} {{x{n}: 1, <<: [{merged}]}}").unwrap();
            text
        })
    };
    let told = faults(maps(30, 9) + "spec: *m29\n");
    assert!(told.contains("spec: aliases expand to more than 1000000 values: write them out"), "{told}");
    let told = faults(maps(150, 1) + "spec: *m149\n");
    assert!(told.contains("more than 100 nested merge keys"), "{told}");
    assert_eq!(faults(maps(50, 1) + "spec: *m49\n"), "fine");
}

#[test]
fn nesting() {
    let nested = |depth: usize| {
        let (open, close) = ("{a: ".repeat(depth), "}".repeat(depth));
        format!(
            "{BASE}---\napiVersion: v1\nkind: Service\nmetadata: {{name: a, namespace: b}}\nx: {open}1{close}\n"
        )
    };
    assert_eq!(faults(nested(199)), "fine");
    assert!(faults(nested(200)).contains("nested deeper than 200 levels, which no Kubernetes object is"));
    // What JSON has besides the fields that are read is skipped, however deep it is.
    let (open, close) = ("{\"a\":".repeat(100_000), "}".repeat(100_000));
    let json = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{{\"name\":\"a\",\"namespace\":\"b\"}},\"x\":{open}1{close}}}"
    );
    assert_eq!(faults(json), "fine");
    let lists = |depth: usize| {
        let open = "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[".repeat(depth);
        let node = "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"a\"}}";
        format!("{open}{node}{}", "]}".repeat(depth))
    };
    assert_eq!(faults(lists(16)), "fine");
    let told = faults(lists(17));
    assert!(told.contains("more than 16 nested lists\n  help: put the objects into one list"));
}

#[test]
fn folders_within_folders() {
    let folder = tempfile::tempdir().unwrap();
    let deep = (0..66).fold(folder.path().to_owned(), |path, _| path.join("d"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("a.yaml"), BASE).unwrap();
    let path = folder.path().to_str().unwrap();
    let told = failed(&["compile", path]);
    assert!(told.contains("d: more than 64 nested folders: name this one by itself"), "{told}");
    let told = failed(&["trace", "--captured", path, "--from", "10.0.0.1", "--to", "10.0.0.2:80"]);
    assert!(told.contains("folders are nested more than 64 deep: give the folder of one node"), "{told}");
}

/// Warnings while reading, however many, are not an error, and do not hide any.
#[test]
fn findings_of_reading() {
    let folder = tempfile::tempdir().unwrap();
    let twice = "type: ClusterIP\n  type: ClusterIP\n  ports: [{port: 80}]";
    let warned: String = (0..300).map(|n| service(n, twice)).collect();
    let path = file(folder.path(), &format!("{BASE}{warned}"));
    let output = kuberules(&["compile", path.to_str().unwrap()]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("and 199 more of this kind"), "{told}");
    assert!(told.contains("warning: reading the input: 100 more warnings are not listed"), "{told}");
    let told = faults(format!("{BASE}{warned}{}", service(300, "ports: 7")));
    assert!(
        told.contains("Service shop/web-300: spec.ports: expected a sequence, found the number 7"),
        "{told}"
    );
    let wrong: String = (0..300).map(|n| service(n, "ports: 7")).collect();
    let told = faults(format!("{BASE}{wrong}"));
    assert_eq!(told.matches("expected a sequence").count(), 200);
    assert!(
        told.contains("error: reading the input: 100 more errors are not listed\n  help: fix what is listed")
    );
}

/// The same fault in every object: people see the first of them, JSON has them all.
#[test]
fn faults_that_all_objects_have() {
    let folder = tempfile::tempdir().unwrap();
    let services: String = (0..300).map(|n| service(n, "ports: [{port: 70000}]")).collect();
    let path = file(folder.path(), &format!("{BASE}{services}"));
    let path = path.to_str().unwrap();
    let told = failed(&["compile", path, "--quiet"]);
    assert_eq!(told.matches("error: ").count(), 20, "{told}");
    assert!(told.contains("and 280 more of this kind: Service shop/web-"), "{told}");
    let lint = |output: &str| {
        let run = kuberules(&["lint", path, "--quiet", "--output", output]);
        assert_eq!(run.status.code(), Some(1));
        String::from_utf8(run.stdout).unwrap()
    };
    let text = lint("text");
    assert_eq!(text.matches("error[KR043]").count(), 20, "{text}");
    assert!(text.contains("and 280 more of this kind: Service shop/web-"), "{text}");
    assert!(text.ends_with("300 errors\n"), "{text}");
    for (output, code) in [("json", "KR043"), ("sarif", "\"ruleId\": \"KR043\""), ("github", "KR043")] {
        assert!(lint(output).matches(code).count() >= 300, "{output}");
    }
}

#[test]
fn services_of_one_explanation() {
    let folder = tempfile::tempdir().unwrap();
    let services: String = (0..301).map(|n| service(n, "ports: [{port: 80}]")).collect();
    let path = file(folder.path(), &format!("{BASE}{services}"));
    let told = failed(&["explain", path.to_str().unwrap()]);
    assert!(told.contains("301 Services are too many for one explanation\n  help: name a Service"), "{told}");
}

/// Each way of a new connection to 10.0.0.1:80, and what it depends on.
fn walked(save: &str) -> Result<Vec<String>, String> {
    let ruleset = iptables::parse::parse(save, None).unwrap().parts[0].ruleset.clone().into();
    let host = Host::default();
    let (from, to) = ("198.51.100.7".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
    let packet = Packet::new(&host, Protocol::Tcp, from, to).unwrap();
    let outcomes = Walker::new(&ruleset, &host).walk(&packet).map_err(|error| error.to_string())?;
    Ok(outcomes.iter().map(|outcome| format!("{:?} {:?}", outcome.destination, outcome.given)).collect())
}

/// Other programs' rules that each set a bit of the mark: every one that is not understood doubles the kinds of
/// packets.
#[test]
fn ways_through_rules() {
    let rules = |condition: &dyn Fn(usize) -> String| {
        (0..30).fold("*filter\n:FORWARD ACCEPT [0:0]\n".to_owned(), |mut text, n| {
            let (condition, bit) = (condition(n), 1u32 << n);
            writeln!(text, "-A FORWARD {condition} -j MARK --set-xmark {bit:#x}/{bit:#x}").unwrap();
            text
        }) + "-A FORWARD -m mark --mark 0x15 -j DROP\nCOMMIT\n"
    };
    let not_understood = rules(&|n| format!("-m u32 --u32 \"{n}=1\""));
    let random = rules(&|n| format!("-m statistic --mode random --probability 0.{}", n + 31));
    for save in [not_understood, random] {
        let error = walked(&save).unwrap_err();
        assert!(error.starts_with("too many ways lead through these rules"), "{error}");
    }
}

/// With more than 64 destinations, it is not said where the packet goes.
#[test]
fn destinations_of_a_range() {
    let save = |last: u8| {
        format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 10.2.0.1-10.2.0.{last}\nCOMMIT\n"
        )
    };
    let known = walked(&save(64)).unwrap();
    assert_eq!(known.len(), 64);
    let error = walked(&save(65)).unwrap_err();
    assert!(error.contains("it is not known where a rule sends packets"), "{error}");
}

/// A line of any length comes out unchanged.
#[test]
fn lines_to_annotate() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), BASE);
    let length = if scope::full() { (64 << 20) + 10 } else { 1 << 20 };
    let text = [vec![b'x'; length], b"\n".to_vec()].concat();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kuberules"));
    let output = run_with_input(command.arg("annotate").arg(path), &text);
    assert!(output.status.success() && output.stdout == text);
}

/// Names are not looked up in a file that would keep the user waiting.
#[test]
fn files_to_complete_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), BASE);
    let offered = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl_complete-rules"));
        let output = command.args(["trace", path.to_str().unwrap(), "--node", "w"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(offered(), "worker-1\n:0\n");
    fs::OpenOptions::new().append(true).open(&path).unwrap().set_len((64 << 20) + 1).unwrap();
    assert_eq!(offered(), ":0\n");
}
