//! `kuberules check`

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::arguments::{AnswerArguments, InputArguments, NodeArgument, SettingsArguments};
use super::assume;
use super::captured;
use super::pipeline::Pipeline;
use super::release;
use super::session::{Answer, Session, Stop};
use crate::assume::Assumed;
use crate::capture::{Captured, DataPath};
use crate::compare::check::{self, Finding, Kind, Report};
use crate::input::Snapshot;
use crate::report;
use crate::settings::{ProxyMode, Release};

/// Compares the rules captured on a node with those that it should have.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  ssh worker-1 sudo iptables-save | kuberules check cluster.yaml --node worker-1 --captured -
  ssh worker-1 sudo nft list ruleset > worker-1.nft; kuberules check cluster.yaml --node worker-1 --captured worker-1.nft
  kuberules check cluster.yaml --node worker-1 --captured worker-1.save --output github
  kuberules collect | ssh worker-1 sudo sh -s > worker-1.tar; kuberules check cluster.yaml --node worker-1 --captured worker-1.tar")]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    node: NodeArgument,
    /// What the node printed (repeatable)
    ///
    /// The text of iptables-save, ip6tables-save, nft list ruleset or nft -j list ruleset, and whatever else `kuberules
    /// collect` gathers; a file, a folder, a tar or `-`.
    ///
    /// Without --kube-version and --proxy-mode, release and mode are inferred from the rules.
    #[arg(long, value_name = "FILE", required = true)]
    captured: Vec<PathBuf>,
    #[command(flatten)]
    answer: AnswerArguments<OutputFormat>,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Json,
    Github,
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    let hint = arguments.answer.settings.family.only();
    // The program ends after this: to free millions of rules one by one would only keep the user waiting.
    let mut captured = ManuallyDrop::new(captured::read(&arguments.captured, hint, session)?);
    let snapshot = arguments.input.read(session)?;
    let (report, assumed) = examine(arguments, &mut captured, snapshot.into(), session)?;
    note_missing(&captured, &report, session);
    let assumed = assumed.as_ref();
    let text = match arguments.answer.output {
        OutputFormat::Text => {
            assume::comment(assumed) + &report::check::text::print(&report, session.style())
        }
        OutputFormat::Json => assume::print_json(&report, assumed),
        OutputFormat::Github => assume::annotation(assumed) + &report::check::github::print(&report),
    };
    Ok(Answer { differs: !report.findings.is_empty(), ..Answer::text(text) })
}

/// Names once what was not captured and leaves outcomes open, and how many.
fn note_missing(captured: &Captured, report: &Report, session: &mut Session) {
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for flow in report.findings.iter().flat_map(|finding| &finding.traffic) {
        let commands: BTreeSet<&str> =
            flow.open_questions.iter().filter_map(|asked| captured.facts.missing_for(asked)).collect();
        commands.into_iter().for_each(|command| *open.entry(command).or_default() += flow.classes);
    }
    for (command, classes) in open {
        let kinds = if classes == 1 {
            "1 kind of connection".to_owned()
        } else {
            format!("{classes} kinds of connections")
        };
        session.note(format!(
            "what happens to {kinds} stays open, because {command} was not captured: kuberules collect gathers it"
        ));
    }
}

fn examine(
    arguments: &Arguments,
    captured: &mut Captured,
    snapshot: Arc<Snapshot>,
    session: &mut Session,
) -> Result<(Report, Option<Assumed>), Stop> {
    session.look_at(arguments.node.name());
    let mut settings = arguments.answer.settings.clone();
    settings.learn(&captured.facts);
    settings.stand_in_for_ipvs = captured.data_path().is_some();
    let expected = settings.resolve(&snapshot, session)?.mode;
    let is_told =
        arguments.answer.settings.proxy_mode.is_some() || arguments.answer.settings.config.is_some();
    if is_told {
        captured.prefer(expected);
    }
    let captured = &*captured;
    let mut findings = check::mode_and_leftovers(captured, is_told.then_some(expected));
    let mode = captured.mode();
    settings.captured_local = mode.is_some().then(|| captured.local_traffic());
    settings.proxy_mode = Some(mode.unwrap_or(expected).name().to_owned());
    if mode == Some(ProxyMode::Nftables) {
        settings.allow_nftables();
    }
    let told = settings.kube_version.or_else(|| release::reported(&snapshot, arguments.node.name()));
    settings.kube_version = told;
    let data_path = captured.data_path();
    let release = check::release(told, |release, measure| {
        if data_path.is_some() {
            return None;
        }
        let settings =
            SettingsArguments { kube_version: Some(release), release_is_meant: true, ..settings.clone() };
        distance(arguments, &settings, captured, &snapshot, measure)
    });
    let release = release.or(told).unwrap_or(Release::NEWEST);
    if let Some(told) = told.filter(|told| *told != release) {
        let message = format!("the rules look like those of kube-proxy {release}, not {told}");
        findings.push(Finding::general(Kind::OtherRelease, message));
    }
    settings.kube_version = Some(release);
    settings.release_is_meant = true;
    let mut pipeline = ManuallyDrop::new(Pipeline::of(snapshot, &settings, session)?);
    let node = pipeline.node(arguments.node.name(), session)?;
    let mut report = Report {
        schema: check::SCHEMA,
        node: node.name.to_string(),
        captured: captured::names(&arguments.captured),
        mode: data_path.map_or(pipeline.settings.mode.name(), DataPath::mode),
        release: release.to_string(),
        detected: told != Some(release),
        classes: 0,
        unknown: 0,
        same_rules: Vec::new(),
        findings,
        notes: Vec::new(),
    };
    if data_path.is_none() && (mode.is_some() || report.findings.is_empty()) {
        let mut families = check::families(captured, &pipeline.families());
        report.notes.append(&mut families.notes);
        report.findings.append(&mut families.findings);
        let plans = pipeline.node_plans(&node, &families.checked, session)?;
        check::node(plans, captured, &mut report);
    }
    let assumed = pipeline.assumed.take();
    Ok((report, assumed))
}

/// How many lines differ from those that a release would write, or how many at least.
fn distance(
    arguments: &Arguments,
    settings: &SettingsArguments,
    captured: &Captured,
    snapshot: &Arc<Snapshot>,
    measure: check::Measure,
) -> Option<usize> {
    let mut session = Session::silent();
    let pipeline = Pipeline::of(Arc::clone(snapshot), settings, &mut session).ok()?;
    let node = pipeline.node(arguments.node.name(), &mut session).ok()?;
    let families = check::families(captured, &pipeline.families());
    let plans = pipeline.node_plans(&node, &families.checked, &mut session).ok()?;
    Some(check::distance(plans, captured, measure))
}
