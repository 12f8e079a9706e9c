//! `kuberules diff`

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::arguments::{InputArguments, NodeArgument, SettingsArguments};
use super::assume;
use super::pipeline::Pipeline;
use super::session::{Answer, Session, Stop};
use super::upgrade;
use super::what_if::{Form, WhatIfArguments};
use crate::cluster::Node;
use crate::compare::diff::{self, Diff, ReleaseChange};
use crate::compare::node::{self, NodePairs};
use crate::compare::nodes;
use crate::diagnostic::Diagnostic;
use crate::input::Snapshot;
use crate::parallel::both;
use crate::report;
use crate::settings::Release;

/// Shows what a change of the cluster, of kube-proxy's release, mode or configuration does to rules and to traffic.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  kuberules diff before.yaml after.yaml --node worker-1
  kuberules diff main/ branch/ --all-nodes --output markdown
  kuberules diff --old-kube-version 1.33 --new-kube-version 1.37 cluster.yaml --node worker-1
  kuberules diff --old-proxy-mode iptables --new-proxy-mode nftables cluster.yaml --all-nodes")]
pub(super) struct Arguments {
    /// Two snapshots, old and new: files, folders or `-`; or one, with at least one --old-... or --new-...
    #[arg(value_name = "OLD [NEW]", num_args = 1..=2, required = true)]
    snapshots: Vec<OsString>,
    #[command(flatten)]
    node: NodeArgument,
    /// Compare every node; those with the same change are folded together
    #[arg(long, conflicts_with = "node")]
    all_nodes: bool,
    /// What to compare; without it both, between modes or releases traffic alone
    #[arg(long, value_name = "LEVEL")]
    level: Option<Level>,
    /// The form of the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
    /// Which differences make the exit status 1; without it any that is shown
    ///
    /// Connections that could not be compared count as differences of traffic, and so does a comparison of no node at
    /// all. Where neither rules nor connections could be compared, the exit status is 2.
    #[arg(long, value_name = "LEVEL")]
    fail_on: Option<FailOn>,
    #[command(flatten)]
    what_if: WhatIfArguments,
    #[command(flatten)]
    sides: SideArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Settings of one side alone.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings of one side")]
struct SideArguments {
    /// The release on the old side; without it what the Node reports
    #[arg(long, value_name = "X.Y[.Z]")]
    old_kube_version: Option<Release>,
    /// The release on the new side
    #[arg(long, value_name = "X.Y[.Z]")]
    new_kube_version: Option<Release>,
    /// The mode on the old side
    #[arg(long, value_name = "MODE", value_parser = ["iptables", "nftables"])]
    old_proxy_mode: Option<String>,
    /// The mode on the new side
    #[arg(long, value_name = "MODE", value_parser = ["iptables", "nftables"])]
    new_proxy_mode: Option<String>,
    /// The configuration on the old side
    #[arg(long, value_name = "FILE")]
    old_config: Option<PathBuf>,
    /// The configuration on the new side
    #[arg(long, value_name = "FILE")]
    new_config: Option<PathBuf>,
}

/// `--level`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Rule by rule, by Service
    Rules,
    /// The flows whose outcome changes
    Traffic,
    /// Both
    All,
}

impl Level {
    fn meant(self) -> node::Level {
        match self {
            Level::Rules => node::Level::Rules,
            Level::Traffic => node::Level::Traffic,
            Level::All => node::Level::All,
        }
    }
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Markdown,
    Json,
}

/// `--fail-on`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Traffic that fares differently
    Traffic,
    /// Rules that differ
    Rules,
    /// Never
    Nothing,
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    if arguments.what_if.is_asked() {
        let form = match arguments.output {
            OutputFormat::Text => Form::Text,
            OutputFormat::Markdown => Form::Markdown,
            OutputFormat::Json => Form::Json,
        };
        let how = (form, arguments.fail_on != Some(FailOn::Nothing));
        return arguments.what_if.run(&arguments.snapshots, &arguments.settings, how, session);
    }
    session.look_at(arguments.node.name());
    let (old, new) = both_sides(arguments, session)?;
    // What was read is as good as all that the process holds: freed with it, not value by value.
    let sides = (ManuallyDrop::new(old), ManuallyDrop::new(new));
    let (old, new): (&Pipeline, &Pipeline) = (&sides.0, &sides.1);
    let level =
        arguments.level.map_or_else(|| node::Level::between(&old.settings, &new.settings), Level::meant);
    let mut found = compare(arguments, (old, new), level, session)?;
    if found.compared_nothing() && found.nodes > 0 {
        let reasons =
            found.changes.iter().flat_map(|change| &change.families).flat_map(|family| &family.traffic);
        let reason =
            reasons.flat_map(|traffic| &traffic.unknown).map(|unknown| unknown.reason.as_str()).next();
        let message = format!("nothing could be compared: {}", reason.unwrap_or_default());
        return Err(session.stop(Diagnostic::error(message).help("--level rules compares the rules alone")));
    }
    found.release = of_release(arguments, (old, new), level, &found, session)?;
    found.before_upgrade = upgrade::advice(old, new);
    let assumed = new.assumed.as_ref();
    let text = match arguments.output {
        OutputFormat::Text => assume::comment(assumed) + &report::diff::text::print(&found),
        OutputFormat::Markdown => assume::quote(assumed) + &report::diff::markdown::print(&found),
        OutputFormat::Json => assume::print_json_of_both(&found, old.assumed.as_ref(), assumed),
    };
    let refused = assumed.is_some_and(|assumed| !assumed.refusals().is_empty());
    let refused = refused && arguments.fail_on != Some(FailOn::Nothing);
    Ok(Answer { differs: refused || differs(&found, arguments.fail_on), ..Answer::text(text) })
}

/// What changes on the nodes.
fn compare(
    arguments: &Arguments,
    (old, new): (&Pipeline, &Pipeline),
    level: node::Level,
    session: &mut Session,
) -> Result<Diff, Stop> {
    let mut found = Diff {
        schema: diff::SCHEMA,
        old: name_of(arguments, old, new, 0),
        new: name_of(arguments, new, old, 1),
        nodes: 0,
        changes: Vec::new(),
        nodes_added: Vec::new(),
        nodes_removed: Vec::new(),
        classes: (level != node::Level::Rules).then_some(0),
        unchanged_service_ports: 0,
        release: None,
        before_upgrade: Vec::new(),
    };
    if arguments.all_nodes {
        compare_all((old, new), level, &mut found, session)?;
    } else {
        let before = old.node(arguments.node.name(), session)?;
        let after = new.node(arguments.node.name(), session)?;
        compare_node((old, &before), (new, &after), level, &mut found, session)?;
    }
    Ok(found)
}

/// What comes of another release alone, where the nodes of two snapshots report different ones and nobody asked for it:
/// what is not there once the new objects are seen by the old release too.
fn of_release(
    arguments: &Arguments,
    (old, new): (&Pipeline, &Pipeline),
    level: node::Level,
    found: &Diff,
    session: &mut Session,
) -> Result<Option<ReleaseChange>, Stop> {
    let sides = &arguments.sides;
    let asked = sides.old_kube_version.is_some() || sides.new_kube_version.is_some();
    let (before, after) = (old.settings.release, new.settings.release);
    if asked || before == after {
        return Ok(None);
    }
    let mut settings = settings_of(arguments, false);
    (settings.kube_version, settings.release_is_meant) = (Some(before), true);
    let same_release = Pipeline::after(Some(old), new.snapshot.clone(), &settings, session)?;
    let (flows, of, services) = found.beyond(&compare(arguments, (old, &same_release), level, session)?);
    Ok(Some(ReleaseChange { old: before.to_string(), new: after.to_string(), flows, of, services }))
}

fn differs(found: &Diff, fail_on: Option<FailOn>) -> bool {
    match fail_on {
        Some(FailOn::Nothing) => false,
        // Nothing compared is not "the same".
        _ if found.nodes == 0 => true,
        Some(FailOn::Rules) => found.rules_differ(),
        Some(FailOn::Traffic) => found.traffic_differs(),
        None => !(found.changes.is_empty() && found.nodes_added.is_empty() && found.nodes_removed.is_empty()),
    }
}

fn both_sides(arguments: &Arguments, session: &mut Session) -> Result<(Pipeline, Pipeline), Stop> {
    let typed = &arguments.sides;
    let one_side = typed.old_kube_version.is_some()
        || typed.new_kube_version.is_some()
        || typed.old_proxy_mode.is_some()
        || typed.new_proxy_mode.is_some()
        || typed.old_config.is_some()
        || typed.new_config.is_some();
    if arguments.snapshots.len() < 2 && !one_side {
        let fault = Diagnostic::error("one snapshot alone has nothing to differ from");
        let help = "give a second one, or --old-kube-version, --new-proxy-mode and the like";
        return Err(session.stop(fault.help(help)));
    }
    let (old, new) = read_both(&arguments.snapshots, session)?;
    let old = Pipeline::of(old, &settings_of(arguments, true), session)?;
    let new = Pipeline::after(Some(&old), new, &settings_of(arguments, false), session)?;
    Ok((old, new))
}

/// Reads two snapshots at once; one that is named twice, or alone, is read once.
fn read_both(paths: &[OsString], session: &mut Session) -> Result<(Snapshot, Snapshot), Stop> {
    session.progress().stage("reading the input");
    let input = |path: &OsString| InputArguments::of(vec![path.clone()]);
    let (old, new) = match paths {
        [old, new] if old != new => {
            let (old, new) = both(|| input(old).load(), || input(new).load());
            (old, Some(new))
        }
        [path, ..] => (input(path).load(), None),
        [] => (InputArguments::default().load(), None),
    };
    let old = session.take_checked(old)?;
    let new = new.map(|new| session.take_checked(new)).transpose()?.unwrap_or_else(|| old.clone());
    Ok((old, new))
}

fn settings_of(arguments: &Arguments, old: bool) -> SettingsArguments {
    let typed = arguments.sides.clone();
    let (version, mode, config) = match old {
        true => (typed.old_kube_version, typed.old_proxy_mode, typed.old_config),
        false => (typed.new_kube_version, typed.new_proxy_mode, typed.new_config),
    };
    let mut settings = arguments.settings.clone();
    // A release of one side is there to be tried, whatever the Node reports.
    settings.release_is_meant = version.is_some();
    settings.kube_version = version.or(settings.kube_version);
    settings.proxy_mode = mode.or(settings.proxy_mode);
    settings.config = config.or(settings.config);
    settings
}

/// What tells a side from the other: its file, or its settings.
fn name_of(arguments: &Arguments, this: &Pipeline, other: &Pipeline, index: usize) -> String {
    let mut parts = Vec::new();
    if arguments.snapshots.len() > 1 {
        parts.extend(arguments.snapshots.get(index).map(|path| path.to_string_lossy().into_owned()));
    }
    if this.settings.release != other.settings.release {
        parts.push(format!("kube-proxy {}", this.settings.release));
    }
    if this.settings.mode != other.settings.mode {
        parts.push(format!("mode {}", this.settings.mode.name()));
    }
    let typed = &arguments.sides;
    let config = if index == 0 { &typed.old_config } else { &typed.new_config };
    parts.extend(config.as_ref().map(|path| path.display().to_string()));
    if parts.is_empty() {
        ["old", "new"].get(index).copied().unwrap_or_default().to_owned()
    } else {
        parts.join(", ")
    }
}

/// Adds what changes on the nodes that are on both sides.
fn compare_all(
    (old, new): (&Pipeline, &Pipeline),
    level: node::Level,
    found: &mut Diff,
    session: &mut Session,
) -> Result<(), Stop> {
    if old.cluster.nodes.is_empty() && new.cluster.nodes.is_empty() {
        let fault = Diagnostic::error("--all-nodes: the input has no Nodes");
        return Err(session.stop(fault.help("add the output of kubectl get nodes -o yaml to the input")));
    }
    let pairs = NodePairs::of(&old.cluster, &new.cluster);
    (found.nodes_added, found.nodes_removed) = (pairs.added, pairs.removed);
    let names: Vec<&str> = pairs.both.iter().map(|(_, new)| new.name.as_str()).collect();
    let answers = session.take_checked(nodes::compare(old.state(), new.state(), &pairs.both, level))?;
    found.add_all(&names, answers);
    Ok(())
}

/// Adds what changes on a node.
fn compare_node(
    (old, old_node): (&Pipeline, &Node),
    (new, new_node): (&Pipeline, &Node),
    level: node::Level,
    found: &mut Diff,
    session: &mut Session,
) -> Result<(), Stop> {
    let families = node::families((&old.cluster, &old.settings), (&new.cluster, &new.settings));
    let before = old.node_plans(old_node, &families, session)?;
    let after = new.node_plans(new_node, &families, session)?;
    found.add(&new_node.name, node::compare(before.into_iter().zip(after), level));
    Ok(())
}
