//! `kuberules diff`

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::arguments::{InputArguments, NodeArgument, SettingsArguments};
use super::assume;
use super::captured;
use super::pipeline::Pipeline;
use super::release;
use super::session::{Answer, Session, Stop};
use super::upgrade;
use super::what_if::{Form, WhatIfArguments};
use crate::assume::Rule;
use crate::capture::Captured;
use crate::cause::Change;
use crate::cluster::Node;
use crate::compare::diff::{Diff, ReleaseChange};
use crate::compare::node::{self, NodePairs};
use crate::compare::nodes;
use crate::compare::traffic::Naming;
use crate::diagnostic::Diagnostic;
use crate::input::Snapshot;
use crate::parallel::both;
use crate::report;
use crate::settings::Release;

/// Shows what a change of the cluster, of kube-proxy's release, mode or configuration does to rules and to traffic.
#[derive(Debug, Args)]
#[command(after_long_help = "\
More examples:
  kuberules diff --old-kube-version 1.33 --new-kube-version 1.37 cluster.yaml --node worker-1
  kuberules diff cluster.yaml --drain worker-1")]
#[command(before_help = "\
Examples:
  kuberules diff before.yaml after.yaml --node worker-1
  kuberules diff main/ branch/ --all-nodes --output markdown
  kuberules diff --old-proxy-mode iptables --new-proxy-mode nftables cluster.yaml --all-nodes")]
pub(super) struct Arguments {
    /// Two snapshots, old and new: files, folders or `-`; or one, with what changes
    ///
    /// With one snapshot, say what changes: an --old-... or --new-... flag, or a what-if such as --drain.
    #[arg(value_name = "OLD [NEW]", num_args = 1..=2, required = true)]
    snapshots: Vec<OsString>,
    #[command(flatten)]
    node: NodeArgument,
    /// Compare every node; those with the same change are grouped
    #[arg(long, conflicts_with = "node")]
    all_nodes: bool,
    /// What to compare; without it both, between modes or releases only traffic
    #[arg(long, value_name = "LEVEL", hide_short_help = true)]
    level: Option<Level>,
    /// The form of the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
    /// Which differences make the exit status 1; by default, any that is shown
    ///
    /// Connections that could not be compared count as differences of traffic, and so does a comparison of no node at
    /// all. Where neither rules nor connections could be compared, the exit status is 2.
    #[arg(long, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// The most characters of Markdown; the least important is cut, and the text says so
    ///
    /// A comment on GitHub holds 65,536 characters, the summary of a step 1,048,576 bytes.
    #[arg(long, value_name = "N", hide_short_help = true, default_value_t = report::diff::markdown::MAX_CHARACTERS, value_parser = parse_max)]
    max_characters: usize,
    /// What a node printed: shows what is in the way of another mode (repeatable)
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    captured: Vec<PathBuf>,
    #[command(flatten)]
    what_if: WhatIfArguments,
    #[command(flatten)]
    sides: SideArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Settings of one side.
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
    #[arg(long, hide_possible_values = true, value_name = "MODE", value_parser = ["iptables", "nftables"])]
    old_proxy_mode: Option<String>,
    /// The mode on the new side
    #[arg(long, hide_possible_values = true, value_name = "MODE", value_parser = ["iptables", "nftables"])]
    new_proxy_mode: Option<String>,
    /// The configuration on the old side
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    old_config: Option<PathBuf>,
    /// The configuration on the new side
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    new_config: Option<PathBuf>,
}

/// `--level`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Rule by rule, by Service
    Rules,
    /// Connections whose outcome changes
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
    /// Somebody who was served no longer is
    Lost,
    /// Traffic changes without a known reason, where the sides differ in mode or release
    Unexpected,
    /// Connections have another outcome
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
    if arguments.all_nodes {
        session.take_each_node_by_its_release();
    }
    let (old, new) = both_sides(arguments, session)?;
    // What was read is as good as all that the process holds: freed with it, not value by value.
    let sides = (ManuallyDrop::new(old), ManuallyDrop::new(new));
    let (old, new): (&Pipeline, &Pipeline) = (&sides.0, &sides.1);
    let level =
        arguments.level.map_or_else(|| node::Level::between(&old.settings, &new.settings), Level::meant);
    check_level(arguments.fail_on, level, session)?;
    let mut found = compare(arguments, (old, new), level, session)?;
    if found.compared_nothing() && found.nodes > 0 {
        let reasons =
            found.changes.iter().flat_map(|change| &change.families).flat_map(|family| &family.traffic);
        let reason =
            reasons.flat_map(|traffic| &traffic.unknown).map(|unknown| unknown.reason.as_str()).next();
        let message = format!("nothing could be compared: {}", reason.unwrap_or_default());
        return Err(session.stop(Diagnostic::error(message).help("--level rules compares only the rules")));
    }
    found.release = of_release(arguments, (old, new), level, &found, session)?;
    found.before_upgrade = upgrade::advice(old, new);
    let captured = read_captured(arguments, session)?;
    found.migration = upgrade::migration(old, new, &captured);
    let change = Change::new(&old.snapshot, &new.snapshot);
    found.tell_services((&old.cluster, &new.cluster), &change);
    let assumed = new.assumed.as_ref();
    let text = match arguments.output {
        OutputFormat::Text => report::diff::text::print(&found, &assume::comment(assumed), session.style()),
        OutputFormat::Markdown => {
            report::diff::markdown::print(&found, &assume::quote(assumed), arguments.max_characters)
        }
        OutputFormat::Json => {
            assume::print_json_of_both(&report::diff::json::document(&found), old.assumed.as_ref(), assumed)
        }
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
    compare_by(arguments, (old, new), level, true, session)
}

/// The same; `each_by_its_release` tells whether nodes have the release that they report.
fn compare_by(
    arguments: &Arguments,
    (old, new): (&Pipeline, &Pipeline),
    level: node::Level,
    each_by_its_release: bool,
    session: &mut Session,
) -> Result<Diff, Stop> {
    let names = (name_of(arguments, old, new, 0), name_of(arguments, new, old, 1));
    let mut found = Diff::new(names.0, names.1, level != node::Level::Rules);
    // One node's parts in JSON are those that it has among all nodes.
    let naming = match arguments.output {
        OutputFormat::Json => Naming::Role,
        OutputFormat::Text | OutputFormat::Markdown => Naming::Address,
    };
    let options = node::Options { level, assumed: assumed_addresses(&[old, new]), naming };
    if arguments.all_nodes {
        let settings = (settings_of(arguments, true), settings_of(arguments, false));
        let settings = each_by_its_release.then_some((&settings.0, &settings.1));
        compare_all((old, new), settings, &options, &mut found, session)?;
    } else {
        let before = old.node(arguments.node.name(), session)?;
        let after = new.node(arguments.node.name(), session)?;
        compare_node((old, &before), (new, &after), &options, &mut found, session)?;
    }
    Ok(found)
}

/// Addresses that `--assume` made up on either side.
fn assumed_addresses(sides: &[&Pipeline]) -> Arc<BTreeSet<IpAddr>> {
    let values = sides.iter().flat_map(|side| &side.assumed).flat_map(|assumed| assumed.values());
    let addresses = values.filter(|value| matches!(value.rule, Rule::PodAddress | Rule::ClusterIp));
    let each = addresses.flat_map(|value| value.value.split([',', ' ', '[', ']', '"']));
    Arc::new(each.filter_map(|text| text.trim().parse().ok()).collect())
}

/// The rules of nodes, each with the name of its file.
fn read_captured(arguments: &Arguments, session: &mut Session) -> Result<Vec<(String, Captured)>, Stop> {
    let mut all = Vec::new();
    for path in &arguments.captured {
        let captured = captured::read(std::slice::from_ref(path), None, session)?;
        all.push((path.display().to_string(), captured));
    }
    Ok(all)
}

/// Whether what is asked for is looked at.
fn check_level(fail_on: Option<FailOn>, level: node::Level, session: &mut Session) -> Result<(), Stop> {
    let of_traffic = matches!(fail_on, Some(FailOn::Lost | FailOn::Unexpected | FailOn::Traffic));
    if of_traffic && level == node::Level::Rules {
        let fault = Diagnostic::error("--fail-on asks for traffic, which --level rules does not compare");
        return Err(session.stop(fault.help("leave out --level, or use --fail-on rules")));
    }
    Ok(())
}

fn parse_max(text: &str) -> Result<usize, String> {
    let least = 2_000;
    let number: usize = text.parse().map_err(|_| "expect a number".to_owned())?;
    if number < least { Err(format!("expect at least {least}")) } else { Ok(number) }
}

/// What comes only of another release, where the nodes of two snapshots report different ones and nobody asked for it:
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
    let (flows, of, services) =
        found.beyond(&compare_by(arguments, (old, &same_release), level, false, session)?);
    Ok(Some(ReleaseChange { old: before.to_string(), new: after.to_string(), flows, of, services }))
}

fn differs(found: &Diff, fail_on: Option<FailOn>) -> bool {
    match fail_on {
        Some(FailOn::Nothing) => false,
        // Nothing compared is not "the same".
        _ if found.nodes == 0 => true,
        Some(FailOn::Rules) => found.rules_differ(),
        Some(FailOn::Traffic) => found.traffic_differs(),
        Some(FailOn::Lost) => found.loses() || found.unknown() > 0,
        Some(FailOn::Unexpected) => found.has_unexpected() || found.unknown() > 0,
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
        let fault = Diagnostic::error("one snapshot has nothing to differ from");
        let help = "give a second one, or --old-kube-version, --new-proxy-mode and the like";
        return Err(session.stop(fault.help(help)));
    }
    let (old, new) = read_both(&arguments.snapshots, session)?;
    let settings = (settings_of(arguments, true), settings_of(arguments, false));
    let told = (settings.0.tells_local_traffic(&old), settings.1.tells_local_traffic(&new));
    let mut old = Pipeline::of(old, &settings.0, session)?;
    let mut new = Pipeline::after(Some(&old), new, &settings.1, session)?;
    match told {
        (true, false) => old.infer_for_both(&mut new),
        (false, true) => new.infer_for_both(&mut old),
        (true, true) | (false, false) => {}
    }
    Ok((old, new))
}

/// Reads two snapshots at once; one that is named twice, or is the only one, is read once.
fn read_both(paths: &[OsString], session: &mut Session) -> Result<(Arc<Snapshot>, Arc<Snapshot>), Stop> {
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
    let old = Arc::new(session.take_checked(old)?);
    let new = new.map(|new| session.take_checked(new)).transpose()?.map(Arc::new);
    Ok((old.clone(), new.unwrap_or(old)))
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

/// Adds what changes on the nodes that are on both sides; with `settings`, each by the release that it reports.
fn compare_all(
    (old, new): (&Pipeline, &Pipeline),
    settings: Option<(&SettingsArguments, &SettingsArguments)>,
    options: &node::Options,
    found: &mut Diff,
    session: &mut Session,
) -> Result<(), Stop> {
    if old.cluster.nodes.is_empty() && new.cluster.nodes.is_empty() {
        let fault = Diagnostic::error("--all-nodes: the input has no Nodes");
        return Err(session.stop(fault.help("add the output of kubectl get nodes -o yaml to the input")));
    }
    let pairs = NodePairs::of(&old.cluster, &new.cluster);
    (found.nodes_added, found.nodes_removed) = (pairs.added, pairs.removed);
    let reported = (release::by_node(&old.snapshot), release::by_node(&new.snapshot));
    let mut groups: Vec<(Releases, Vec<(&Node, &Node)>)> = Vec::new();
    for pair in pairs.both {
        let releases = settings.map_or((None, None), |settings| {
            let of_old = other_release((old, &reported.0), pair.0, settings.0);
            (of_old, other_release((new, &reported.1), pair.1, settings.1))
        });
        match groups.iter_mut().find(|(known, _)| *known == releases) {
            Some((_, nodes)) => nodes.push(pair),
            None => groups.push((releases, vec![pair])),
        }
    }
    for (releases, nodes) in groups {
        let by = |side: &Pipeline,
                  release: Option<Release>,
                  settings: Option<&SettingsArguments>,
                  session: &mut Session| {
            let Some((release, settings)) = release.zip(settings) else { return Ok(None) };
            let kube_version = Some(release);
            let settings = SettingsArguments { kube_version, release_is_meant: true, ..settings.clone() };
            Pipeline::seen_by(side, &settings, session).map(Some)
        };
        let of_old = by(old, releases.0, settings.map(|s| s.0), session)?;
        let of_new = by(new, releases.1, settings.map(|s| s.1), session)?;
        let (of_old, of_new) = (of_old.as_ref().unwrap_or(old), of_new.as_ref().unwrap_or(new));
        let names: Vec<&str> = nodes.iter().map(|(_, new)| new.name.as_str()).collect();
        let compared = nodes::compare(of_old.state(), of_new.state(), &nodes, options.clone());
        let answers = session.take_checked(compared)?;
        found.add_all(&names, answers);
    }
    Ok(())
}

/// Releases of a node on both sides, where they are others than that of most nodes.
type Releases = (Option<Release>, Option<Release>);

/// The release that a node reports, where it is another than that of most, and no flag gives one for all.
fn other_release(
    (side, reported): (&Pipeline, &BTreeMap<String, Release>),
    node: &Node,
    settings: &SettingsArguments,
) -> Option<Release> {
    let is_given = settings.kube_version.is_some() || settings.release_is_meant;
    let reported = reported.get(&node.name.trim().to_lowercase()).copied().filter(|_| !is_given);
    reported.filter(|release| *release != side.settings.release)
}

/// Adds what changes on a node.
fn compare_node(
    (old, old_node): (&Pipeline, &Node),
    (new, new_node): (&Pipeline, &Node),
    options: &node::Options,
    found: &mut Diff,
    session: &mut Session,
) -> Result<(), Stop> {
    let families = node::families((&old.cluster, &old.settings), (&new.cluster, &new.settings));
    let before = old.node_plans(old_node, &families, session)?;
    let after = new.node_plans(new_node, &families, session)?;
    found.add(&new_node.name, node::compare(before.into_iter().zip(after), options.clone()));
    Ok(())
}
