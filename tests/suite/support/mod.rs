//! What the integration tests share: the program, the corpus, the comparison of rulesets as text.
#![allow(missing_docs, unreachable_pub, clippy::print_stderr, reason = "for tests")]

pub mod browser;
pub mod generate;
pub mod kernel;
pub mod library;
pub mod loaders;
pub mod namespace;
pub mod nft;
pub mod schemas;
pub mod spoil;

pub(crate) use crate::testing::{random, scope};

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// Runs the program. JSON that it prints must match its schema.
pub fn kuberules(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_kuberules")).args(arguments).output().unwrap();
    schemas::validate(&output.stdout);
    output
}

/// The same, run in a folder: the lengths of paths, and so the line breaks, depend on the names in it.
pub fn kuberules_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kuberules"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

/// Starts a command with pipes to all its streams.
pub fn piped(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a command with an input, which it may not read completely.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = piped(command);
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    })
}

/// One run of the real kube-proxy.
#[derive(Debug, Clone)]
pub struct Case {
    pub folder: PathBuf,
    pub node: String,
    pub cluster: PathBuf,
    pub host_ips: Vec<String>,
    /// `1.36`
    pub version: String,
    /// `iptables` or `nftables`
    pub mode: String,
    pub expected: PathBuf,
}

impl Case {
    pub fn name(&self) -> String {
        self.expected.strip_prefix(testdata()).unwrap_or(&self.expected).display().to_string()
    }

    /// The arguments of `compile` for this run.
    pub fn arguments(&self, family: &str, output: &str) -> Vec<String> {
        let config = self.folder.join(format!("kube-proxy.{}.json", self.mode));
        let mut arguments: Vec<String> =
            ["compile", self.cluster.to_str().unwrap(), "--quiet"].map(Into::into).into();
        let settings = [
            ("--node", self.node.as_str()),
            ("--config", config.to_str().unwrap()),
            ("--kube-version", &self.version),
            ("--family", family),
            ("--output", output),
        ];
        arguments.extend(settings.iter().flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]));
        if self.version == "1.30" && self.mode == "nftables" {
            arguments.extend(["--feature-gates".to_owned(), "NFTablesProxyMode=true".to_owned()]);
        }
        arguments.extend(self.host_ips.iter().flat_map(|ip| ["--host-ip".to_owned(), ip.clone()]));
        arguments
    }

    /// What `compile` prints for this run, as a version of nft lists it.
    pub fn listed_by(&self, nft: &str, family: &str) -> String {
        let mut arguments = self.arguments(family, "list");
        arguments.extend(["--nft-version".to_owned(), nft.to_owned()]);
        let result = kuberules(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(result.status.success(), "{}: {}", self.name(), String::from_utf8_lossy(&result.stderr));
        String::from_utf8(result.stdout).unwrap()
    }

    /// What `compile` prints for this run.
    pub fn compile(&self, family: &str, output: &str) -> String {
        let arguments = self.arguments(family, output);
        let result = kuberules(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(result.status.success(), "{}: {}", self.name(), String::from_utf8_lossy(&result.stderr));
        String::from_utf8(result.stdout).unwrap()
    }
}

/// Every run of the corpus in a mode.
pub fn cases(mode: &str) -> Vec<Case> {
    let mut folders = vec![testdata().join("large")];
    for parent in ["shop", "random", "release-1.37"] {
        folders.extend(subfolders(&testdata().join(parent)));
    }
    let mut cases: Vec<Case> =
        folders.iter().filter(|f| f.join("case.json").exists()).flat_map(|f| runs(f)).collect();
    cases.retain(|case| case.mode == mode);
    cases
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn runs(folder: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(folder.join("case.json")).unwrap();
    let case: serde_json::Value = serde_json::from_str(&text).unwrap();
    let run = |expected: PathBuf| {
        let name = expected.file_name().unwrap().to_str().unwrap();
        let (version, mode) = name.rsplit_once('-').unwrap();
        Case {
            folder: folder.to_owned(),
            node: case["node"].as_str().unwrap().to_owned(),
            cluster: folder.join(case["cluster"].as_str().unwrap()),
            host_ips: case["host_ips"]
                .as_array()
                .unwrap()
                .iter()
                .map(|ip| ip.as_str().unwrap().to_owned())
                .collect(),
            version: version.rsplit_once('.').unwrap().0.to_owned(),
            mode: mode.to_owned(),
            expected: expected.clone(),
        }
    };
    subfolders(&folder.join("expected")).into_iter().map(run).collect()
}

/// Processes a list on both cores; the results are in the order of the list.
pub fn in_parallel<T: Sync, R: Send>(list: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let results = std::sync::Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((i, item)) = Some(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                    .and_then(|i| Some((i, list.get(i)?)))
                {
                    let result = work(item);
                    results.lock().unwrap().push((i, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Chains that dispatch to many Services: kube-proxy's order of Services in them is random.
const DISPATCH: [&str; 4] =
    ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"];
const LAST: &str = "NOTE: this must be the last rule in this chain";

/// The lines of `iptables-save` output or `iptables-restore` input, without what cannot matter: counters, comment
/// lines, the order of chains, the order of Services in dispatch chains.
pub fn iptables_lines(text: &str) -> Vec<String> {
    let mut chains: BTreeMap<(String, String), (String, Vec<String>)> = BTreeMap::new();
    let mut table = String::new();
    for line in text.lines().map(str::trim_end) {
        if let Some(name) = line.strip_prefix('*') {
            table = name.to_owned();
        } else if let Some(declaration) = line.strip_prefix(':') {
            let mut words = declaration.split(' ');
            let key = (table.clone(), words.next().unwrap().to_owned());
            chains.entry(key).or_default().0 = words.next().unwrap().to_owned();
        } else if line.starts_with("-A ") {
            let key = (table.clone(), line.split(' ').nth(1).unwrap().to_owned());
            chains.entry(key).or_default().1.push(line.to_owned());
        } else {
            assert!(
                line.is_empty() || line.starts_with('#') || line == "COMMIT",
                "not a ruleset line: {line}"
            );
        }
    }
    let mut lines = Vec::new();
    for ((table, chain), (policy, mut rules)) in chains {
        if DISPATCH.contains(&chain.as_str()) {
            sort_services(&mut rules);
        }
        lines.push(format!("*{table} :{chain} {policy}"));
        lines.extend(rules);
    }
    lines
}

fn sort_services(rules: &mut [String]) {
    let dispatching = rules.iter().take_while(|rule| !rule.contains(LAST)).count();
    let (services, node_ports) = rules.split_at_mut(dispatching);
    assert!(node_ports.iter().all(|rule| rule.contains(LAST)), "the node port rule is not last");
    services.sort_by_key(|rule| service_of(rule));
    node_ports.sort();
}

/// The Service port that a rule's comment names.
fn service_of(rule: &str) -> String {
    let comment = rule.split_once("--comment ").map_or("", |(_, rest)| rest).trim_start_matches('"');
    comment.split([' ', '"']).next().unwrap_or_default().to_owned()
}

/// The first lines in which two lists differ; empty if they are the same.
pub fn difference(expected: &[String], actual: &[String]) -> String {
    if expected == actual {
        return String::new();
    }
    let at = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
    let line = |list: &[String]| list.get(at).cloned().unwrap_or_else(|| "(end)".to_owned());
    format!("line {at}\n  expected {}\n  actual   {}", line(expected), line(actual))
}
