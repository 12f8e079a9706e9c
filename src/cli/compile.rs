//! `kuberules compile`

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args, ValueEnum};

use super::arguments::{InputArguments, NodeArgument, SettingsArguments};
use super::output::PendingFiles;
use super::pipeline::Pipeline;
use super::release;
use super::render::{Format, Model, render};
use super::session::{Answer, Session, Stop};
use crate::cluster::Node;
use crate::diagnostic::{Checked, Diagnostic, Diagnostics, Inert};
use crate::input::Sources;
use crate::names::is_dns_subdomain;
use crate::net::Family;
use crate::nftables::list::version::NftVersion;
use crate::node::plan;
use crate::parallel;
use crate::plan::Plan;
use crate::settings::ProxyMode;

/// Prints the rules that kube-proxy would write on a node.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  kubectl get services,endpointslices,nodes -A -o yaml | kuberules compile --node worker-1
  kuberules compile cluster/ --node worker-1 --proxy-mode nftables --kube-version 1.37
  kuberules compile cluster.yaml --config kube-proxy.yaml --output restore --family ipv4
  kuberules compile cluster.yaml --all-nodes --out-dir rules/")]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    node: NodeArgument,
    /// The form of the answer: for iptables save (default) or restore, for nftables list (default) or script, for both
    /// json
    ///
    /// save: what iptables-save prints on the node. restore: what kube-proxy feeds to iptables-restore. list: what nft
    /// list table prints. script: a file for nft -f that yields that listing. With save or restore and two families, a
    /// comment line with the family leads each text.
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<OutputFormat>,
    /// Write the files of every node in the input
    ///
    /// NODE.iptables-save and NODE.ip6tables-save (or -restore), NODE.ip.nft and NODE.ip6.nft, or NODE.json; all of
    /// them or none.
    #[arg(long, requires = "out_dir", conflicts_with = "node")]
    all_nodes: bool,
    /// The folder for the files of --all-nodes; it must exist
    #[arg(long, value_name = "DIR", requires = "all_nodes")]
    out_dir: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArguments,
    /// The nft release whose listing `--output list` prints: 1.0.6 or 1.1; the rules are the same
    #[arg(long, value_name = "X.Y[.Z]", default_value_t)]
    nft_version: NftVersion,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Save,
    Restore,
    List,
    Script,
    Json,
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    session.look_at(arguments.node.name());
    if arguments.all_nodes {
        session.take_each_node_by_its_release();
    }
    let settings = SettingsArguments { for_compile: true, ..arguments.settings.clone() };
    let pipeline = Pipeline::read(&arguments.input, &settings, session)?;
    let format = format(arguments.output, pipeline.settings.mode).map_err(|fault| session.stop(fault))?;
    match &arguments.out_dir {
        Some(directory) => {
            let files = every_release(pipeline, arguments, format, directory, session)?;
            tell_others(&files, format, directory, session);
            Ok(Answer { files, ..Answer::default() })
        }
        None => {
            let node = pipeline.node(arguments.node.name(), session)?;
            one_node(pipeline, (format, arguments.nft_version), &node, session)
        }
    }
}

/// Tells which files in the folder are named as one of a node would be and are not written now.
fn tell_others(files: &PendingFiles, format: Format, directory: &Path, session: &mut Session) {
    let endings = Family::ALL.map(|family| format!(".{}", format.suffix(family)));
    let others = files.others_in(directory, &endings);
    if others.is_empty() {
        return;
    }
    let (count, more) = (others.len(), others.len().saturating_sub(LISTED));
    let listed = others.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let what =
        if count == 1 { "1 file that belongs".to_owned() } else { format!("{count} files that belong") };
    session.note(format!(
        "{} has {what} to no node of this run, perhaps to nodes that are gone: {}{more}; nothing is deleted",
        Inert(&directory.display().to_string()),
        Inert(&listed)
    ));
}

/// At most this many names are listed.
const LISTED: usize = 6;

fn one_node(
    pipeline: Pipeline,
    (format, nft): (Format, NftVersion),
    node: &Node,
    session: &mut Session,
) -> Result<Answer, Stop> {
    session.progress().stage("compiling the rules");
    let families = pipeline.families();
    let Pipeline { snapshot, settings, cluster, assumed, .. } = pipeline;
    let mut snapshot = Arc::unwrap_or_clone(snapshot);
    let mut sources = std::mem::take(&mut snapshot.sources);
    // The program ends after this: freeing a million objects would only keep the user waiting.
    let (_, cluster) = (ManuallyDrop::new(snapshot), ManuallyDrop::new(cluster));
    let mut plans = ManuallyDrop::new(Vec::new());
    for family in families {
        plans.push(session.take_checked(plan(&cluster, &settings, &sources, node, family))?);
    }
    // The input can be larger than all that is made of it, and only JSON still asks for lines of it.
    if !format.shows_origins() {
        sources = Sources::default();
    }
    Ok(Answer::text(render(&plans, &[], format, &sources, assumed.as_ref(), nft).into_text()))
}

/// The format of the answer: the one asked for, if the mode has it, else the mode's default.
fn format(asked: Option<OutputFormat>, mode: ProxyMode) -> Result<Format, Diagnostics> {
    Ok(match (mode, asked) {
        (ProxyMode::Iptables, None | Some(OutputFormat::Save)) => Format::Save,
        (ProxyMode::Iptables, Some(OutputFormat::Restore)) => Format::Restore,
        (ProxyMode::Iptables, Some(OutputFormat::Json)) => Format::IptablesJson,
        (ProxyMode::Nftables, None | Some(OutputFormat::List)) => Format::List,
        (ProxyMode::Nftables, Some(OutputFormat::Script)) => Format::Script,
        (ProxyMode::Nftables, Some(OutputFormat::Json)) => Format::NftablesJson,
        (ProxyMode::Iptables, Some(other)) => return Err(wrong_format(other, mode, "save, restore or json")),
        (ProxyMode::Nftables, Some(other)) => return Err(wrong_format(other, mode, "list, script or json")),
    })
}

fn wrong_format(asked: OutputFormat, mode: ProxyMode, right: &str) -> Diagnostics {
    let name = format!("{asked:?}").to_lowercase();
    let message = format!("--output {name} does not go with the mode {}", mode.name());
    Diagnostic::error(message).help(format!("give --output {right}, or another --proxy-mode")).into()
}

/// The files of every node, each by the release that it reports unless a flag gives one for all.
fn every_release(
    mut pipeline: Pipeline,
    arguments: &Arguments,
    format: Format,
    directory: &Path,
    session: &mut Session,
) -> Result<PendingFiles, Stop> {
    let as_listed = (format, arguments.nft_version);
    let groups = release::of_nodes(&pipeline.snapshot);
    if arguments.settings.kube_version.is_some() || groups.len() < 2 {
        let nodes = pipeline.cluster.nodes.clone();
        return every_node(&pipeline, &nodes, as_listed, directory, session);
    }
    let mut files = PendingFiles::default();
    for (release, names) in groups {
        session.note(format!("kube-proxy {release} on {}, as reported", names.join(", ")));
        let settings = SettingsArguments {
            kube_version: Some(release),
            release_is_meant: true,
            for_compile: true,
            ..arguments.settings.clone()
        };
        pipeline = Pipeline::by_other_settings(pipeline, &settings, session)?;
        let of_group = |node: &&Node| names.iter().any(|name| node.name == *name);
        let nodes: Vec<Node> = pipeline.cluster.nodes.iter().filter(of_group).cloned().collect();
        files.append(every_node(&pipeline, &nodes, as_listed, directory, session)?);
    }
    Ok(files)
}

fn every_node(
    pipeline: &Pipeline,
    nodes: &[Node],
    (format, nft): (Format, NftVersion),
    directory: &Path,
    session: &mut Session,
) -> Result<PendingFiles, Stop> {
    if nodes.is_empty() {
        let fault = Diagnostic::error("--all-nodes: the input has no Nodes");
        return Err(session.stop(fault.help("add the output of kubectl get nodes -o yaml to the input")));
    }
    let progress = session.progress();
    progress.stage("compiling the rules");
    let work = EveryNode { pipeline, format, nft, directory };
    // What is found comes again when the turn of that node comes.
    let plans = nodes.first().and_then(|node| work.plans(node).ok());
    let plans = plans.map(|(plans, _)| plans).unwrap_or_default();
    let models: Vec<_> = plans.iter().map(|plan| Model::new(plan, format)).collect();
    let done = AtomicUsize::new(0);
    let written = parallel::each(nodes, |node| {
        let number = 1 + done.fetch_add(1, Ordering::Relaxed);
        progress.step(number, nodes.len(), &node.name);
        work.files(node, &models)
    });
    let mut files = PendingFiles::default();
    for (of_node, found) in written {
        session.take(found)?;
        files.append(of_node);
    }
    Ok(files)
}

/// How every node is treated.
struct EveryNode<'a> {
    pipeline: &'a Pipeline,
    format: Format,
    nft: NftVersion,
    directory: &'a Path,
}

impl<'a> EveryNode<'a> {
    fn plans(&self, node: &Node) -> Checked<Vec<Plan<'a>>> {
        let Pipeline { cluster, settings, snapshot, .. } = self.pipeline;
        let (mut plans, mut found) = (Vec::new(), Diagnostics::default());
        for family in self.pipeline.families() {
            match plan(cluster, settings, &snapshot.sources, node, family) {
                Ok((plan, warnings)) => {
                    found.append(warnings);
                    plans.push(plan);
                }
                Err(faults) => found.append(faults),
            }
        }
        found.check(plans)
    }

    /// The files of one node; none where something speaks against them.
    fn files(&self, node: &Node, models: &[Model<'_, 'a>]) -> (PendingFiles, Diagnostics) {
        let mut files = PendingFiles::default();
        if let Err(fault) = check_file_name(node) {
            return (files, fault);
        }
        let (plans, mut found) = match self.plans(node) {
            Ok(planned) => planned,
            Err(found) => return (files, found),
        };
        let (sources, assumed) = (&self.pipeline.snapshot.sources, self.pipeline.assumed.as_ref());
        for (suffix, text) in render(&plans, models, self.format, sources, assumed, self.nft).into_files() {
            if let Err(faults) = files.add(self.directory, &format!("{}.{suffix}", node.name), &text) {
                found.append(faults);
            }
        }
        (files, found)
    }
}

/// The name of a Node becomes the name of a file: nothing that leads elsewhere may pass.
fn check_file_name(node: &Node) -> Result<(), Diagnostics> {
    if is_dns_subdomain(&node.name) {
        return Ok(());
    }
    let message = format!("Node {}: not a name that a Node can have", node.name);
    Err(Diagnostic::error(message).into())
}
