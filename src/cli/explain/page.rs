//! `--output html`

use super::{Wanted, explanations};
use crate::cli::arguments::SettingsArguments;
use crate::cli::assume;
use crate::cli::pipeline::Pipeline;
use crate::cli::session::{Answer, Session, Stop};
use crate::cluster::Cluster;
use crate::diagnostic::Diagnostic;
use crate::explain::handout;
use crate::explain::html::{self, Page};
use crate::explain::lecture::{QUESTIONS, Variant, variants};
use crate::explain::stage::{self, Stage, View};
use crate::explain::{Explanation, example};
use crate::input;
use crate::names::ServiceName;
use crate::net::Family;
use crate::settings::{ProxyMode, Settings};

/// A cluster, and the settings to see it by.
type Seen = (Settings, Cluster);

/// A page of more Services leaves out what-if: each policy that is turned doubles the rules to make.
const MOST_TURNED: usize = 2_000;

/// What a page is made of.
struct Made {
    explanations: Vec<Explanation>,
    stages: Vec<Stage>,
}

/// The page of a cluster.
pub(super) fn of(
    pipeline: Pipeline,
    arguments: &SettingsArguments,
    wanted: Wanted<'_>,
    session: &mut Session,
) -> Result<Answer, Stop> {
    let banner = assume::comment(pipeline.assumed.as_ref());
    let Made { explanations, stages } = make(pipeline, arguments, wanted, session)?;
    let banner = banner.trim_start_matches("# ").trim_end();
    let page = Page { explanations: &explanations, stages: &stages, questions: &[], banner };
    Ok(Answer::text(html::print(&page)))
}

/// The example, what it is changed into, and the questions.
pub(super) fn lecture(arguments: &super::Arguments, session: &mut Session) -> Result<Answer, Stop> {
    let Made { explanations, stages } = make_lecture(arguments, session)?;
    let page = Page { explanations: &explanations, stages: &stages, questions: &QUESTIONS, banner: "" };
    Ok(Answer::text(html::print(&page)))
}

/// The same as a handout.
pub(super) fn handout(arguments: &super::Arguments, session: &mut Session) -> Result<String, Stop> {
    Ok(handout::print(&make_lecture(arguments, session)?.stages, &QUESTIONS))
}

fn make_lecture(arguments: &super::Arguments, session: &mut Session) -> Result<Made, Stop> {
    let mut all = Made { explanations: Vec::new(), stages: Vec::new() };
    let node = arguments.node.name().unwrap_or(example::NODE);
    for Variant { name, words, text } in variants() {
        let service = ServiceName::parse(example::SERVICE).filter(|_| !name.is_empty());
        let snapshot = session.take_checked(input::read_text(example::NAME, &text))?;
        let pipeline = Pipeline::of(snapshot, &arguments.settings, session)?;
        let wanted = Wanted { node: Some(node), service: service.as_ref() };
        let made = make(pipeline, &arguments.settings, wanted, session)?;
        let explanation = |explanation| Explanation { variant: name, ..explanation };
        all.explanations.extend(made.explanations.into_iter().map(explanation));
        let stage = |stage| Stage { variant: name, variant_words: words, ..stage };
        all.stages.extend(made.stages.into_iter().map(stage));
    }
    // The lecture begins with db.
    all.stages.sort_by_key(|stage| stage.service != example::SERVICE);
    Ok(all)
}

fn make(
    mut pipeline: Pipeline,
    arguments: &SettingsArguments,
    wanted: Wanted<'_>,
    session: &mut Session,
) -> Result<Made, Stop> {
    let mut told = explanations(&pipeline, wanted, session)?;
    let home = pipeline.node(wanted.node, session)?;
    let mut seen: Vec<Seen> = Vec::new();
    if let Some((other, in_other)) = in_other_mode(&mut pipeline, arguments, wanted, session) {
        told.extend(in_other);
        seen.push(other);
    }
    seen.insert(0, (std::mem::take(&mut pipeline.settings), std::mem::take(&mut pipeline.cluster)));
    let turned = turned(&pipeline, &seen);
    let sources = &pipeline.snapshot.sources;
    let views: Vec<View<'_>> = (seen.iter().map(|seen| (seen, false)))
        .chain(turned.iter().map(|seen| (seen, true)))
        .map(|((settings, cluster), turned)| View { cluster, settings, sources, turned })
        .collect();
    let services: Vec<ServiceName> =
        told.iter().filter_map(|explanation| ServiceName::parse(&explanation.service)).collect();
    Ok(Made { stages: stage::stages(&views, &home, &services), explanations: told })
}

/// The same clusters with their policies turned.
fn turned(pipeline: &Pipeline, seen: &[Seen]) -> Vec<Seen> {
    let size = |cluster: &Cluster| {
        let ports = Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports);
        ports.map(|port| port.endpoints.len() + 1).sum::<usize>()
    };
    let small = seen.iter().filter(|(_, cluster)| size(cluster) <= MOST_TURNED);
    small
        .filter_map(|(settings, _)| {
            let (mut cluster, _) = Cluster::build(&pipeline.snapshot, settings).ok()?;
            stage::turn_policies(&mut cluster);
            Some((settings.clone(), cluster))
        })
        .collect()
}

/// The same in the other rule language; nothing where kube-proxy could not work in that mode, which the page says.
fn in_other_mode(
    pipeline: &mut Pipeline,
    arguments: &SettingsArguments,
    wanted: Wanted<'_>,
    session: &mut Session,
) -> Option<(Seen, Vec<Explanation>)> {
    let mode = match pipeline.settings.mode {
        ProxyMode::Iptables => ProxyMode::Nftables,
        ProxyMode::Nftables => ProxyMode::Iptables,
    };
    let told = session.take_found();
    let arguments = SettingsArguments { proxy_mode: Some(mode.name().to_owned()), ..arguments.clone() };
    let found = pipeline.turn_to(&arguments, session).and_then(|mut other| {
        let found = explanations(pipeline, wanted, session);
        swap(pipeline, &mut other);
        found.map(|found| (other, found))
    });
    let why = session.take_found();
    // What was told before did not stop the run.
    let _ = session.take(told);
    if found.is_err() {
        let why = why.iter().last().map(|fault| format!(": {}", fault.message)).unwrap_or_default();
        let _ =
            session.take(Diagnostic::warning(format!("the page has no rules of {} mode{why}", mode.name())));
    }
    found.ok()
}

fn swap(pipeline: &mut Pipeline, (settings, cluster): &mut Seen) {
    std::mem::swap(settings, &mut pipeline.settings);
    std::mem::swap(cluster, &mut pipeline.cluster);
}
