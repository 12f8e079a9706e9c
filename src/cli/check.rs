//! `kuberules check`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::arguments::{InputArguments, NodeArgument, SettingsArguments};
use super::assume;
use super::captured;
use super::pipeline::Pipeline;
use super::release;
use super::session::{Answer, Session, Stop};
use crate::assume::Assumed;
use crate::capture::Captured;
use crate::cluster::Node;
use crate::compare::check::{self, Finding, Kind, Report, leftovers};
use crate::input::Snapshot;
use crate::net::Family;
use crate::nftables::{self, TABLE};
use crate::plan::Plan;
use crate::settings::release::RELEASES;
use crate::settings::{ProxyMode, Release};
use crate::walk::Host;
use crate::{iptables, report};

/// Compares the rules captured on a node with those that it should have.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  ssh worker-1 sudo iptables-save | kuberules check cluster.yaml --node worker-1 --captured -
  ssh worker-1 sudo nft list ruleset > worker-1.nft; kuberules check cluster.yaml --node worker-1 --captured worker-1.nft
  kuberules check cluster.yaml --node worker-1 --captured worker-1.save --output github")]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    node: NodeArgument,
    /// The rules captured on the node: the text of iptables-save, ip6tables-save, nft list ruleset or nft -j list
    /// ruleset; `-` for standard input
    ///
    /// Without --kube-version and --proxy-mode, release and mode are those that the rules look like.
    #[arg(long, value_name = "FILE")]
    captured: PathBuf,
    /// The form of the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Json,
    Github,
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    let hint = arguments.settings.family.only();
    let captured = captured::read(&arguments.captured, hint).map_err(|fault| session.stop(fault))?;
    let snapshot = arguments.input.read(session)?;
    let (report, assumed) = examine(arguments, &captured, snapshot, session)?;
    let assumed = assumed.as_ref();
    let text = match arguments.output {
        OutputFormat::Text => assume::comment(assumed) + &report::check::text::print(&report),
        OutputFormat::Json => assume::add_to_text(report::check::json::print(&report), assumed),
        OutputFormat::Github => assume::annotation(assumed) + &report::check::github::print(&report),
    };
    Ok(Answer { differs: !report.findings.is_empty(), ..Answer::text(text) })
}

fn examine(
    arguments: &Arguments,
    captured: &Captured,
    snapshot: Snapshot,
    session: &mut Session,
) -> Result<(Report, Option<Assumed>), Stop> {
    session.look_at(arguments.node.name());
    let expected = arguments.settings.resolve(&snapshot, session)?.mode;
    let mode = mode_of(captured);
    let mut findings = whole_capture(captured);
    findings.extend(other_mode(arguments, expected, mode, captured));
    let mut settings = arguments.settings.clone();
    settings.proxy_mode = Some(mode.unwrap_or(expected).name().to_owned());
    if mode == Some(ProxyMode::Nftables) {
        settings.allow_nftables();
    }
    let told = settings.kube_version.or_else(|| release::reported(&snapshot, arguments.node.name()));
    settings.kube_version = told;
    let release = release_of(arguments, &settings, captured, &snapshot).or(told).unwrap_or(Release::NEWEST);
    if let Some(told) = told.filter(|told| *told != release) {
        let message = format!("the rules look like those of kube-proxy {release}, not {told}");
        findings.push(Finding::general(Kind::OtherRelease, message));
    }
    settings.kube_version = Some(release);
    settings.release_is_meant = true;
    let pipeline = Pipeline::of(snapshot, &settings, session)?;
    let node = pipeline.node(arguments.node.name(), session)?;
    let mut report = Report {
        schema: check::SCHEMA,
        node: node.name.to_string(),
        captured: arguments.captured.display().to_string(),
        mode: pipeline.settings.mode.name(),
        release: release.to_string(),
        detected: told != Some(release),
        classes: 0,
        findings,
        notes: Vec::new(),
    };
    if mode.is_some() || report.findings.is_empty() {
        families(&pipeline, &node, captured, &mut report, session)?;
    }
    Ok((report, pipeline.assumed))
}

/// The mode that captured rules are of; none where they hold no rule of kube-proxy.
fn mode_of(captured: &Captured) -> Option<ProxyMode> {
    match captured {
        Captured::Iptables(capture) => capture
            .parts
            .iter()
            .any(|part| check::has_kube_proxys_rules(&part.ruleset))
            .then_some(ProxyMode::Iptables),
        Captured::Nftables(ruleset) => {
            ruleset.tables.iter().any(|table| table.name == TABLE).then_some(ProxyMode::Nftables)
        }
    }
}

/// What is to be said of a capture without knowing the cluster.
fn whole_capture(captured: &Captured) -> Vec<Finding> {
    let findings = match captured {
        Captured::Iptables(capture) if mode_of(captured).is_some() => {
            [check::variants(capture), leftovers::beside_iptables(&capture.incompatible_tables)]
        }
        Captured::Iptables(capture) => [check::variants(capture), None],
        Captured::Nftables(ruleset) if mode_of(captured).is_some() => [leftovers::in_listing(ruleset), None],
        Captured::Nftables(_) => [None, None],
    };
    findings.into_iter().flatten().collect()
}

/// That the node is in another mode than it should be, or that the capture cannot tell.
fn other_mode(
    arguments: &Arguments,
    expected: ProxyMode,
    mode: Option<ProxyMode>,
    captured: &Captured,
) -> Option<Finding> {
    let told = arguments.settings.proxy_mode.is_some() || arguments.settings.config.is_some();
    let message = match (mode, captured) {
        (Some(mode), _) if told && mode != expected => {
            format!(
                "kube-proxy is in mode {}, not {} (the rest is checked by its rules)",
                mode.name(),
                expected.name()
            )
        }
        (None, Captured::Iptables(capture))
            if capture.incompatible_tables.iter().any(|name| name == TABLE) =>
        {
            "kube-proxy is in nftables mode: capture its rules with nft list ruleset".to_owned()
        }
        (None, Captured::Nftables(ruleset)) if leftovers::in_listing(ruleset).is_some() => {
            "kube-proxy is in iptables mode: capture its rules with iptables-save".to_owned()
        }
        _ => return None,
    };
    Some(Finding::general(Kind::OtherMode, message))
}

/// The release that captured rules look most like: of several that fit alike the one told, else the newest.
fn release_of(
    arguments: &Arguments,
    settings: &SettingsArguments,
    captured: &Captured,
    snapshot: &Snapshot,
) -> Option<Release> {
    let mut candidates: Vec<Release> = settings.kube_version.into_iter().collect();
    candidates.extend(RELEASES.into_iter().rev());
    let mut best: Option<(usize, Release)> = None;
    for release in candidates {
        let settings =
            SettingsArguments { kube_version: Some(release), release_is_meant: true, ..settings.clone() };
        let Some(distance) = distance(arguments, &settings, captured, snapshot) else { continue };
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, release));
        }
        if distance == 0 {
            break;
        }
    }
    best.map(|(_, release)| release)
}

/// How many lines differ from those that a release would write.
fn distance(
    arguments: &Arguments,
    settings: &SettingsArguments,
    captured: &Captured,
    snapshot: &Snapshot,
) -> Option<usize> {
    let mut session = Session::silent();
    let pipeline = Pipeline::of(snapshot.clone(), settings, &mut session).ok()?;
    let node = pipeline.node(arguments.node.name(), &mut session).ok()?;
    let mut distance = 0;
    for family in Family::ALL {
        let Some(found) = of_family(captured, family) else { continue };
        let mut plan = pipeline.plan(&node, family, &mut session).ok()?;
        if let Some(mark) = check::detect_mark(found) {
            plan.masquerade.mark = mark;
        }
        distance += examine_family(&pipeline, &node, &plan, found, check::distance);
    }
    Some(distance)
}

/// The captured rules of a family; where several variants have them, the first that has kube-proxy's.
fn of_family(captured: &Captured, family: Family) -> Option<check::Captured<'_>> {
    match captured {
        Captured::Iptables(capture) => {
            let mut parts = capture.parts.iter().filter(|part| part.ruleset.family == family);
            let own = parts.clone().find(|part| check::has_kube_proxys_rules(&part.ruleset));
            own.or_else(|| parts.next()).map(|part| check::Captured::Iptables(&part.ruleset))
        }
        Captured::Nftables(ruleset) => {
            let is_own = |table: &nftables::ruleset::Table| table.name == TABLE && table.family.sees(family);
            ruleset.tables.iter().any(is_own).then_some(check::Captured::Nftables(ruleset))
        }
    }
}

fn families(
    pipeline: &Pipeline,
    node: &Node,
    captured: &Captured,
    report: &mut Report,
    session: &mut Session,
) -> Result<(), Stop> {
    let wanted = pipeline.families();
    for family in Family::ALL {
        let Some(found) = of_family(captured, family) else {
            if wanted.contains(&family) {
                report.notes.push(format!("the capture has no {family} rules: {family} is not checked"));
            }
            continue;
        };
        let mut plan = pipeline.plan(node, family, session)?;
        if let Some(mark) = check::detect_mark(found) {
            let finding = check::mark_finding(plan.masquerade.mark, mark);
            report.findings.extend(finding.filter(|finding| !report.findings.contains(finding)));
            plan.masquerade.mark = mark;
        }
        let mut family = examine_family(pipeline, node, &plan, found, check::check);
        report.findings.append(&mut family.findings);
        report.notes.append(&mut family.notes);
        report.classes += family.classes;
    }
    Ok(())
}

fn examine_family<T>(
    pipeline: &Pipeline,
    node: &Node,
    plan: &Plan<'_>,
    captured: check::Captured<'_>,
    work: impl Fn(&check::Subject<'_>) -> T,
) -> T {
    let host = Host::of_node(&pipeline.cluster, node, [plan]);
    match pipeline.settings.mode {
        ProxyMode::Iptables => {
            let ruleset = iptables::compile(plan);
            work(&check::Subject {
                plan,
                expected: check::Captured::Iptables(&ruleset),
                captured,
                host: &host,
            })
        }
        ProxyMode::Nftables => {
            let ruleset = nftables::compile(plan);
            work(&check::Subject {
                plan,
                expected: check::Captured::Nftables(&ruleset),
                captured,
                host: &host,
            })
        }
    }
}
