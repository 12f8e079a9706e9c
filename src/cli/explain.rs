//! `kuberules explain`

use std::ffi::OsStr;
use std::path::Path;

use clap::{Args, ValueEnum};

use super::arguments::{InputArguments, NodeArgument, SettingsArguments};
use super::assume;
use super::pipeline::Pipeline;
use super::session::{Answer, Session, Stop};
use crate::cluster::Node;
use crate::diagnostic::Diagnostic;
use crate::explain::{self, Explanation, Scene, UnknownService, example};
use crate::input;
use crate::names::{ServiceName, is_dns_label};
use crate::node::{Host, NodePlan, NodeRules};
use crate::settings::ProxyMode;

/// So many Services are explained at once; more make no page that a person reads.
const MOST: usize = 300;

/// Explains how a Service forwards on a node: addresses, endpoints with their chances, what each kind of client sees,
/// and the rules in the order in which a packet meets them.
///
/// The last argument names the Service, as NAMESPACE/NAME or NAME; a file or folder of that name is taken for input.
/// Without a Service all are explained.
#[derive(Debug, Args)]
#[command(
    override_usage = "kuberules explain [OPTIONS] [INPUT]... [SERVICE]",
    after_long_help = "\
Examples:
  kuberules explain --example
  kuberules explain dump.yaml shop/web --node worker-1
  kubectl get services,endpointslices,nodes -A -o yaml | kuberules explain --node worker-1 shop/web
  kuberules explain dump.yaml shop/web --node worker-1 --output html > web.html"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    node: NodeArgument,
    /// Explain the built-in example: web on one node, db behind 10.96.0.12 with its pod on another
    #[arg(long)]
    example: bool,
    /// The form of the answer
    ///
    /// text: for people. markdown: for a pull request or a wiki. mermaid: a flowchart that GitHub renders. html: one page
    /// without outside references that steps through the rules of both modes.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Markdown,
    Mermaid,
    Html,
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    let (input, service) = split(arguments);
    session.look_at(arguments.node.name());
    let pipeline = read(&input, &arguments.settings, arguments.example, session)?;
    let node = arguments.node.name().or(arguments.example.then_some(example::NODE));
    let wanted = Wanted { node, service: service.as_deref() };
    let mut explanations = explanations(&pipeline, wanted, session)?;
    let assumed = pipeline.assumed.clone();
    let assumed = assumed.as_ref();
    Ok(Answer::text(match arguments.output {
        OutputFormat::Text => {
            assume::comment(assumed) + &explain::text::print(&explanations, session.style())
        }
        OutputFormat::Markdown => assume::quote(assumed) + &explain::markdown::print(&explanations),
        OutputFormat::Mermaid => assume::diagram_comment(assumed) + &explain::mermaid::print(&explanations),
        OutputFormat::Html => {
            explanations.extend(in_other_mode(pipeline, &arguments.settings, wanted, session));
            explain::html::print(&explanations, assume::comment(assumed).trim_start_matches("# ").trim_end())
        }
    }))
}

/// What to explain.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    node: Option<&'a str>,
    service: Option<&'a str>,
}

/// The same in the other rule language; nothing where kube-proxy could not work in that mode, which is told.
fn in_other_mode(
    pipeline: Pipeline,
    arguments: &SettingsArguments,
    wanted: Wanted<'_>,
    session: &mut Session,
) -> Vec<Explanation> {
    let mode = match pipeline.settings.mode {
        ProxyMode::Iptables => ProxyMode::Nftables,
        ProxyMode::Nftables => ProxyMode::Iptables,
    };
    let told = session.take_found();
    let arguments = SettingsArguments { proxy_mode: Some(mode.name().to_owned()), ..arguments.clone() };
    let found = (Pipeline::by_other_settings(pipeline, &arguments, session))
        .and_then(|pipeline| explanations(&pipeline, wanted, session));
    let why = session.take_found();
    // What was told before did not stop the run.
    let _ = session.take(told);
    found.unwrap_or_else(|Stop| {
        let why = why.iter().last().map(|fault| format!(": {}", fault.message)).unwrap_or_default();
        let _ =
            session.take(Diagnostic::warning(format!("the page has no rules of {} mode{why}", mode.name())));
        Vec::new()
    })
}

/// The input, and the Service that the last argument names.
fn split(arguments: &Arguments) -> (InputArguments, Option<String>) {
    let mut input = arguments.input.clone();
    let named = input.input.last().and_then(|last| service_name(last));
    if named.is_some() {
        input.input.pop();
    }
    let default = arguments.example.then(|| example::SERVICE.to_owned());
    (input, named.or(default))
}

fn service_name(argument: &OsStr) -> Option<String> {
    let text = argument.to_str()?;
    let is_name = is_dns_label(text) || ServiceName::parse(text).is_some();
    (is_name && !Path::new(text).exists()).then(|| text.to_owned())
}

fn read(
    input: &InputArguments,
    settings: &SettingsArguments,
    example: bool,
    session: &mut Session,
) -> Result<Pipeline, Stop> {
    if !example {
        return Pipeline::read(input, settings, session);
    }
    let snapshot = session.take_checked(input::read_text(example::NAME, example::TEXT))?;
    Pipeline::of(snapshot, settings, session)
}

fn explanations(
    pipeline: &Pipeline,
    wanted: Wanted<'_>,
    session: &mut Session,
) -> Result<Vec<Explanation>, Stop> {
    let node = pipeline.node(wanted.node, session)?;
    let rules = node_rules(pipeline, &node, session)?;
    let scene = Scene {
        cluster: &pipeline.cluster,
        settings: &pipeline.settings,
        sources: &pipeline.snapshot.sources,
        node: &node,
        rules: &rules,
        assumed: pipeline.assumed.as_ref(),
    };
    let service = wanted.service.map(|given| scene.find(given)).transpose();
    let service = service.map_err(|unknown| session.stop(unknown_service(&unknown)))?;
    let count = scene.services().len();
    if service.is_none() && count > MOST {
        let fault = Diagnostic::error(format!("{count} Services are too many for one explanation"));
        return Err(session.stop(fault.help("name a Service as the last argument")));
    }
    scene.explain(service.as_ref()).map_err(|error| session.stop(Diagnostic::error(error.to_string())))
}

/// The rules of every family; whichever it is, the node is known with its addresses of both.
fn node_rules<'p>(
    pipeline: &'p Pipeline,
    node: &Node,
    session: &mut Session,
) -> Result<Vec<NodeRules<'p>>, Stop> {
    let plans = pipeline.node_plans(node, &pipeline.families(), session)?;
    let host = Host::of_node(&pipeline.cluster, node, plans.iter().map(|plan| &plan.plan));
    let compile = |plan: NodePlan<'p>| NodePlan { host: host.clone(), ..plan }.compile();
    Ok(plans.into_iter().map(compile).collect())
}

fn unknown_service(unknown: &UnknownService) -> Diagnostic {
    let diagnostic = Diagnostic::error(unknown.to_string());
    match unknown.nearest.as_slice() {
        [] => diagnostic.help(
            "kuberules explain without a Service lists all; a Service without a cluster IP has no rules",
        ),
        names => diagnostic.help(format!("did you mean {}?", names.join(" or "))),
    }
}
