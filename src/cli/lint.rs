//! `kuberules lint`

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::DirEntry;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::arguments::{InputArguments, NodeArgument, SettingsArguments};
use super::assume;
use super::complete;
use super::pipeline::Pipeline;
use super::project_file::{self, ProjectFile};
use super::session::{Answer, Session, Stop};
use crate::api_server::{self, Refusal};
use crate::assume::Assumed;
use crate::cluster::Node;
use crate::diagnostic::{Diagnostic, Place};
use crate::input::{self, InputPath, Options, Position, Snapshot};
use crate::lint::{self, Finding, Severity, Subject};
use crate::settings::Release;

/// Finds likely mistakes, and what the API server refuses.
///
/// Services without endpoints, ports that do not match, addresses claimed twice, and some fifty more.
///
/// Looks at the whole cluster, or with --node at one node. Every finding has a code; --explain prints its page. A file
/// kuberules.toml in the input's folder or above may name codes to ignore and settings of the cluster.
#[derive(Debug, Args)]
#[command(after_long_help = "\
More examples:
  kuberules lint cluster/ --ignore KR010 --ignore KR017
  kuberules lint --assume --each overlays/
  kuberules lint cluster/ --proxy-mode nftables --kube-version 1.37
  kuberules lint cluster/ --output sarif > kuberules.sarif")]
#[command(before_help = "\
Examples:
  kubectl get services,endpointslices,nodes -A -o yaml | kuberules lint
  kuberules lint --assume . --exclude 'test/**' --fail-on error
  kuberules lint --explain KR004")]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Look at each folder and file of DIR by itself: variants of one application, or several (repeatable)
    #[arg(long, value_name = "DIR", conflicts_with = "input")]
    each: Vec<PathBuf>,
    #[command(flatten)]
    node: NodeArgument,
    /// The form of the answer
    ///
    /// text: for people. json: schema kuberules.lint/v1. sarif: SARIF 2.1.0 for code scanning. github: workflow
    /// commands, shown beside the lines of a pull request.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
    /// Leave out the findings of this code, such as KR017 (repeatable)
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_code, add = ArgValueCompleter::new(complete::codes))]
    ignore: Vec<&'static str>,
    /// Look only for these codes (repeatable)
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_code, add = ArgValueCompleter::new(complete::codes))]
    select: Vec<&'static str>,
    /// The lowest severity that makes the exit status 1
    #[arg(long, value_name = "SEVERITY", default_value = "warning")]
    fail_on: FailOn,
    /// Print the page of a code, and nothing else
    #[arg(long, value_name = "CODE", value_parser = parse_code, add = ArgValueCompleter::new(complete::codes))]
    explain: Option<&'static str>,
    /// Print the settings in effect, from kuberules.toml and from flags that override it, and nothing else
    #[arg(long)]
    show_settings: bool,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Json,
    Sarif,
    Github,
}

/// `--fail-on`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Note,
}

impl FailOn {
    fn severity(self) -> Severity {
        match self {
            FailOn::Error => Severity::Error,
            FailOn::Warning => Severity::Warning,
            FailOn::Note => Severity::Note,
        }
    }
}

fn parse_code(text: &str) -> Result<&'static str, String> {
    let last = lint::LINTS.last().map_or("", |lint| lint.code);
    lint::find(text)
        .map(|lint| lint.code)
        .ok_or_else(|| format!("there is no such code; they go from KR001 to {last}"))
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    if let Some(code) = arguments.explain {
        return Ok(Answer::text(lint::pages::print(code, session.style())));
    }
    let project = ProjectFile::find(first_input(arguments), session)?;
    let settings = arguments.settings.clone().or_of(&project);
    if arguments.show_settings {
        return Ok(Answer::text(shown_settings(arguments, &project)));
    }
    session.be_lenient();
    session.look_at(arguments.node.name());
    let settings = SettingsArguments { stand_in_for_ipvs: true, ..settings };
    let mut findings = Vec::new();
    let mut assumed = None;
    for mut snapshot in snapshots(arguments, &project, session)? {
        let refusals = api_server::judge(&snapshot, release(&settings, &snapshot));
        remove(&refusals, &mut snapshot);
        // The program ends soon: freeing a million objects would only keep the user waiting.
        let mut pipeline = ManuallyDrop::new(Pipeline::of(snapshot, &settings, session)?);
        // No finding depends on it.
        pipeline.inferred_networks.clear();
        let node = arguments.node.name().map(|name| pipeline.node(Some(name), session)).transpose()?;
        if let Some(node) = node.as_ref().or(pipeline.cluster.nodes.first()) {
            pipeline.node_plans(node, &pipeline.families(), session)?;
        }
        findings.extend(look(arguments, &project, &pipeline, refusals, node.as_ref(), session));
        assumed = pipeline.assumed.take();
    }
    let differs = findings.iter().any(|finding| finding.severity >= arguments.fail_on.severity());
    Ok(Answer { differs, ..Answer::text(print(arguments.output, &findings, assumed.as_ref(), session)) })
}

fn first_input(arguments: &Arguments) -> Option<&OsStr> {
    arguments.input.first().or_else(|| arguments.each.first().map(|folder| folder.as_os_str()))
}

/// The release whose API server judges.
fn release(settings: &SettingsArguments, snapshot: &Snapshot) -> Release {
    let resolved = settings.resolve(snapshot, &mut Session::silent());
    resolved.map_or(Release::NEWEST, |settings| settings.release)
}

/// What the API server refuses is not in the cluster: nothing more can be said of it.
fn remove(refusals: &[Refusal], snapshot: &mut Snapshot) {
    let certain = refusals.iter().filter(|refusal| refusal.is_certain());
    let refused: BTreeSet<Position> = certain.map(|refusal| refusal.position).collect();
    snapshot.services.retain(|located| !refused.contains(&located.position));
    let had_slices = !snapshot.endpoint_slices.is_empty();
    snapshot.endpoint_slices.retain(|located| !refused.contains(&located.position));
    // The input was not without them: none is in the cluster.
    if had_slices && snapshot.endpoint_slices.is_empty() {
        snapshot.declared_empty.insert("EndpointSlice".to_owned());
    }
    snapshot.endpoints.retain(|located| !refused.contains(&located.position));
}

/// What is to be looked at, each by itself.
fn snapshots(
    arguments: &Arguments,
    project: &ProjectFile,
    session: &mut Session,
) -> Result<Vec<Snapshot>, Stop> {
    let mut input = InputArguments { for_lint: true, ..arguments.input.clone() };
    input.exclude.extend(project.patterns());
    if arguments.each.is_empty() {
        return Ok(vec![input.read(session)?]);
    }
    let options = Options { may_be_empty: true, ..input.options() };
    let mut snapshots = Vec::new();
    for path in entries(&arguments.each, session)? {
        let read = input::read_with(&[InputPath::Path(path)], std::io::empty(), &options);
        snapshots.push(session.take_checked(read)?);
    }
    snapshots.retain(|snapshot| !snapshot.is_empty());
    if snapshots.is_empty() {
        return Err(session.stop(Diagnostic::error("--each: no folder or file there has manifests")));
    }
    Ok(snapshots)
}

/// The folders in folders, without hidden ones, and the files that may be manifests.
fn entries(folders: &[PathBuf], session: &mut Session) -> Result<Vec<PathBuf>, Stop> {
    let mut paths = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<DirEntry>, _>>);
        let entries = entries.map_err(|error| {
            let place = Place { file: folder.to_string_lossy().into(), line: None };
            let message = format!("the folder cannot be read: {error}");
            session.stop(Diagnostic::error(message).at(Some(place)))
        })?;
        paths.extend(entries.iter().map(DirEntry::path).filter(|path| may_be_looked_at(path)));
    }
    paths.sort();
    Ok(paths)
}

fn may_be_looked_at(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !is_hidden && (path.is_dir() || matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file())
}

fn look(
    arguments: &Arguments,
    project: &ProjectFile,
    pipeline: &Pipeline,
    refusals: Vec<Refusal>,
    node: Option<&Node>,
    session: &mut Session,
) -> Vec<Finding> {
    let diagnostics = session.take_found();
    let Pipeline { snapshot, settings, cluster, assumed, .. } = pipeline;
    let mut subject = Subject::new(snapshot, settings, cluster, &diagnostics, node)
        .with_refusals(refusals)
        .with_node_network(project.node_network())
        .assumed(assumed.is_some());
    if let Some(networks) = arguments.settings.assume.service_networks(snapshot) {
        subject = subject.with_service_networks(networks);
    }
    if let Some(file) = &arguments.settings.config {
        subject = subject.with_configuration(&file.display().to_string());
    }
    lint::run(&subject, &left_out(arguments, project))
}

/// Codes that are ignored, or not selected.
fn left_out(arguments: &Arguments, project: &ProjectFile) -> BTreeSet<&'static str> {
    let by_file = project.ignore.keys().filter_map(|code| lint::find(code)).map(|lint| lint.code);
    let is_unselected = |code: &&str| !arguments.select.is_empty() && !arguments.select.contains(code);
    let unselected = lint::LINTS.iter().map(|lint| lint.code).filter(is_unselected);
    by_file.chain(unselected).chain(arguments.ignore.iter().copied()).collect()
}

fn print(output: OutputFormat, findings: &[Finding], assumed: Option<&Assumed>, session: &Session) -> String {
    match output {
        OutputFormat::Text => assume::comment(assumed) + &lint::text::print(findings, session.style()),
        OutputFormat::Json => assume::print_json(&lint::json::value(findings), assumed),
        OutputFormat::Sarif => lint::sarif::print(findings, assumed),
        OutputFormat::Github => assume::annotation(assumed) + &lint::github::print(findings),
    }
}

/// As a kuberules.toml that would say the same.
fn shown_settings(arguments: &Arguments, project: &ProjectFile) -> String {
    let file = project.path.as_ref().map(|path| path.display().to_string());
    let mut text = match &file {
        Some(path) => format!("# {}\n", crate::diagnostic::Inert(path)),
        None => format!("# no {} in the input's folder or above\n", project_file::NAME),
    };
    let settings = &arguments.settings;
    let version = settings.kube_version.map(|release| release.to_string());
    let named = [
        ("kube-version", version, project.kube_version.clone()),
        ("cluster-cidr", settings.flags.typed_cluster_cidr(), project.cluster_cidr.clone()),
        ("node-network", None, project.node_network.clone()),
    ];
    for (key, typed, written) in named {
        let source = if typed.is_some() { format!(" # --{key}") } else { String::new() };
        if let Some(value) = typed.or(written) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key} = {}{source}", quoted(&value));
        }
    }
    if !project.exclude.is_empty() {
        let _ = writeln!(
            text,
            "exclude = [{}]",
            project.exclude.iter().map(|glob| quoted(glob)).collect::<Vec<_>>().join(", ")
        );
    }
    text.push_str("\n[ignore]\n");
    for (code, reason) in &project.ignore {
        let _ = writeln!(text, "{code} = {}", quoted(reason));
    }
    for code in arguments.ignore.iter().filter(|code| !project.ignore.contains_key(**code)) {
        let _ = writeln!(text, "{code} = \"--ignore\" # --ignore");
    }
    text
}

/// A string in TOML.
fn quoted(text: &str) -> String {
    crate::markup::json(&text).trim_end().to_owned()
}
