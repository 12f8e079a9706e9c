//! Values that a shell completes: names from the files named on the line.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};

use crate::input::{self, InputPath, Options, Snapshot};
use crate::lint;
use crate::settings::Release;

/// Nobody waits for a completion as long as a larger file takes to read.
const LARGEST: u64 = 64 << 20;

/// The words of the line that is completed; shells put them behind `--`.
fn words() -> Vec<OsString> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.iter().position(|word| word == "--") {
        Some(end) => words.into_iter().skip(end + 1).collect(),
        None => words,
    }
}

/// The objects in the files and folders on the line.
fn snapshot() -> Snapshot {
    let words = words();
    let is_small = |path: &Path| path.is_dir() || path.metadata().is_ok_and(|file| file.len() <= LARGEST);
    let is_value = |i: usize| {
        let before = i.checked_sub(1).and_then(|before| words.get(before)).map(|word| word.to_string_lossy());
        before.is_some_and(|before| {
            matches!(&*before, "--config" | "--captured" | "--out-dir" | "--output" | "-o")
        })
    };
    let paths = words.iter().enumerate().skip(1).filter(|(i, word)| {
        let path = Path::new(word);
        !is_value(*i) && path.exists() && is_small(path)
    });
    let paths: Vec<InputPath> = paths.map(|(_, word)| InputPath::from(word.clone())).collect();
    if paths.is_empty() {
        return Snapshot::default();
    }
    let options = Options { may_be_empty: true, ..Options::default() };
    input::read_with(&paths, io::empty(), &options).map(|(snapshot, _)| snapshot).unwrap_or_default()
}

/// Those that begin as the word does.
fn candidates(current: &OsStr, all: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let mut fitting: Vec<String> = all.into_iter().filter(|text| text.starts_with(&*current)).collect();
    fitting.sort_unstable();
    fitting.dedup();
    fitting.into_iter().map(CompletionCandidate::new).collect()
}

/// `--node`
pub(super) fn nodes(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(current, node_names(&snapshot()))
}

/// `--namespace`
pub(super) fn namespaces(current: &OsStr) -> Vec<CompletionCandidate> {
    let snapshot = snapshot();
    let services = snapshot.services.iter().map(|service| service.object.metadata.namespace.to_string());
    candidates(current, services)
}

/// `--from`
pub(super) fn sources(current: &OsStr) -> Vec<CompletionCandidate> {
    let snapshot = snapshot();
    let pods = snapshot.pods.iter().map(|pod| &pod.object.metadata);
    let named = snapshot.endpoint_slices.iter().flat_map(|slice| {
        let namespace = &slice.object.metadata.namespace;
        let pods = slice.object.endpoints.iter().filter_map(|endpoint| endpoint.target_ref.as_ref());
        pods.filter(|target| target.kind == "Pod").map(move |pod| format!("pod/{namespace}/{}", pod.name))
    });
    let pods = pods.map(|m| format!("pod/{}/{}", m.namespace, m.name)).chain(named);
    let nodes = node_names(&snapshot).into_iter().map(|name| format!("node/{name}"));
    let words = ["any", "external", "node"].map(str::to_owned);
    candidates(current, pods.chain(nodes).chain(words))
}

/// `--to`
pub(super) fn targets(current: &OsStr) -> Vec<CompletionCandidate> {
    let snapshot = snapshot();
    let with_port = current.to_string_lossy().contains(':');
    let services = snapshot.services.iter().flat_map(|service| {
        let metadata = &service.object.metadata;
        let (namespace, name) = (&metadata.namespace, &metadata.name);
        let names =
            [format!("{namespace}/{name}"), format!("svc/{namespace}/{name}"), format!("{name}.{namespace}")];
        let ports = service.object.spec.ports.iter().filter(move |_| with_port);
        let ports: Vec<String> = ports.map(|port| format!(":{}", port.port)).collect();
        let plain = names.clone().into_iter().take(if with_port { 0 } else { 3 });
        let ported = names.into_iter().flat_map(move |name| {
            ports.clone().into_iter().map(move |port| format!("{name}{port}")).collect::<Vec<_>>()
        });
        plain.chain(ported).collect::<Vec<_>>()
    });
    // Every form of a name is taken; all at once would be three times the list.
    let fits = |text: &String| match &*current.to_string_lossy() {
        "" => text.contains('/') && !text.starts_with("svc/"),
        _ => true,
    };
    candidates(current, services.filter(fits))
}

/// The arguments that are files, and for `explain` may be a Service.
pub(super) fn inputs(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut found = PathCompleter::any().complete(current);
    if words().iter().any(|word| word == "explain") {
        let snapshot = snapshot();
        let services = snapshot.services.iter().map(|service| &service.object.metadata);
        found.extend(candidates(current, services.map(|m| format!("{}/{}", m.namespace, m.name))));
    }
    found
}

/// `--kube-version`
pub(super) fn releases(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(current, Release::names())
}

/// `--select`, `--ignore`, `--explain`
pub(super) fn codes(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let fitting = lint::LINTS.iter().filter(|lint| lint.code.starts_with(&*current.to_uppercase()));
    fitting.map(|lint| CompletionCandidate::new(lint.code).help(Some(lint.name.into()))).collect()
}

fn node_names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.nodes.iter().map(|node| node.object.metadata.name.to_string()).collect()
}
