//! `kuberules lint`

use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::arguments::{InputArguments, NodeArgument, SettingsArguments};
use super::assume;
use super::pipeline::Pipeline;
use super::session::{Answer, Session, Stop};
use crate::cluster::Node;
use crate::diagnostic::{Diagnostic, Place};
use crate::input::{self, InputPath, Options, Snapshot};
use crate::lint::{self, Finding, Subject};

/// Finds what is likely not meant: Services without endpoints, ports that do not match, addresses claimed twice.
///
/// Looks at the whole cluster, or with --node at one node. Every finding has a code with a page in docs/lint.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  kubectl get services,endpointslices,nodes -A -o yaml | kuberules lint
  kuberules lint cluster/ --ignore KR010 --ignore KR017
  kuberules lint --assume . --exclude 'test/**'
  kuberules lint --assume --each overlays/
  kuberules lint cluster/ --proxy-mode nftables --kube-version 1.37
  kuberules lint cluster/ --output sarif > kuberules.sarif")]
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
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_code)]
    ignore: Vec<&'static str>,
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

fn parse_code(text: &str) -> Result<&'static str, String> {
    let last = lint::LINTS.last().map_or("", |lint| lint.code);
    lint::find(text)
        .map(|lint| lint.code)
        .ok_or_else(|| format!("there is no such code; they go from KR001 to {last}"))
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    session.be_lenient();
    session.look_at(arguments.node.name());
    let settings = SettingsArguments { stand_in_for_ipvs: true, ..arguments.settings.clone() };
    let mut findings = Vec::new();
    let mut assumed = None;
    for snapshot in snapshots(arguments, session)? {
        let pipeline = Pipeline::of(snapshot, &settings, session)?;
        let node = arguments.node.name().map(|name| pipeline.node(Some(name), session)).transpose()?;
        if let Some(node) = node.as_ref().or(pipeline.cluster.nodes.first()) {
            pipeline.node_plans(node, &pipeline.families(), session)?;
        }
        findings.extend(look(arguments, &pipeline, node.as_ref(), session));
        assumed = pipeline.assumed;
    }
    let assumed = assumed.as_ref();
    let text = match arguments.output {
        OutputFormat::Text => {
            assume::comment(assumed) + &lint::text::print(&findings, session.colors_output())
        }
        OutputFormat::Json => assume::print_json(&lint::json::value(&findings), assumed),
        OutputFormat::Sarif => lint::sarif::print(&findings, assumed),
        OutputFormat::Github => assume::annotation(assumed) + &lint::github::print(&findings),
    };
    Ok(Answer { differs: !findings.is_empty(), ..Answer::text(text) })
}

/// What is to be looked at, each by itself.
fn snapshots(arguments: &Arguments, session: &mut Session) -> Result<Vec<Snapshot>, Stop> {
    let input = InputArguments { for_lint: true, ..arguments.input.clone() };
    if arguments.each.is_empty() {
        return Ok(vec![input.read(session)?]);
    }
    let options = Options { may_be_empty: true, ..input.options() };
    let mut snapshots = Vec::new();
    for path in entries(&arguments.each, session)? {
        let read = input::read_with(&[InputPath::Path(path)], std::io::empty(), &options);
        snapshots.push(session.take_read(read)?);
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
    pipeline: &Pipeline,
    node: Option<&Node>,
    session: &mut Session,
) -> Vec<Finding> {
    let diagnostics = session.take_found();
    let Pipeline { snapshot, settings, cluster, .. } = pipeline;
    let ignored: BTreeSet<&str> = arguments.ignore.iter().copied().collect();
    lint::run(&Subject::new(snapshot, settings, cluster, &diagnostics, node), &ignored)
}
