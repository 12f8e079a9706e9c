//! `kuberules explain`

mod page;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::mem::ManuallyDrop;
use std::path::Path;

use clap::{Args, ValueEnum};

use super::arguments::{InputArguments, NodeArgument, SettingsArguments};
use super::assume;
use super::pipeline::Pipeline;
use super::session::{Answer, Session, Stop};
use crate::cluster::{Cluster, Node};
use crate::diagnostic::{Diagnostic, Inert};
use crate::explain::{self, Explanation, Scene, example};
use crate::input;
use crate::names::ServiceName;
use crate::net::Family;
use crate::node::{Host, NodePlan, NodeRules, PerFamily};
use crate::question::{Inference, Objects, Target, Written, around, node};

/// At most this many Services are explained at once: nobody reads a longer page.
const MOST: usize = 300;

/// Explains how a Service forwards on a node, to each kind of client, and by which rules.
///
/// Addresses, what each kind of client gets, endpoints with their chances and why these, and the rules in the order in which
/// they are evaluated.
///
/// The last argument names the Service, as in kubectl or DNS: web, shop/web, svc/web, web.shop; a file or folder of that
/// name is taken for input. Without a Service all are explained; the subcommand services shows each in a line.
#[derive(Debug, Args)]
#[command(
    override_usage = "kuberules explain [OPTIONS] [INPUT]... [SERVICE]",
    before_help = "\
Examples:
  kuberules explain --example
  kuberules explain cluster.yaml shop/web
  kubectl get services,endpointslices,nodes -A -o yaml | kuberules explain shop/web
  kuberules explain cluster.yaml shop/web --output html > web.html"
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
    let lectures = arguments.example && service.is_none();
    if lectures && arguments.output == OutputFormat::Html {
        return page::lecture(arguments, session);
    }
    let example = || arguments.example.then(|| Written::service(example::SERVICE).ok()).flatten();
    let service = service.or_else(example);
    session.look_at(arguments.node.name());
    let pipeline = read(&input, &arguments.settings, arguments.example, session)?;
    let (service, inferred) = meant(arguments, &pipeline, service.as_ref(), session)?;
    let pipeline = match &inferred {
        Some(node) => {
            session.look_at(Some(node));
            pipeline.for_the_node(&arguments.settings, session)?
        }
        None => pipeline,
    };
    let node = arguments.node.name().or(arguments.example.then_some(example::NODE)).or(inferred.as_deref());
    let wanted = Wanted { node, service: service.as_ref() };
    if arguments.output == OutputFormat::Html {
        return page::of(pipeline, &arguments.settings, wanted, session);
    }
    // The program ends after this: freeing a million objects would only keep the user waiting.
    let pipeline = ManuallyDrop::new(pipeline);
    let explanations = explanations(&pipeline, wanted, session)?;
    let assumed = pipeline.assumed.as_ref();
    Ok(Answer::text(match arguments.output {
        OutputFormat::Text => {
            assume::comment(assumed) + &explain::text::print(&explanations, session.style())
        }
        OutputFormat::Markdown => {
            let handout = if lectures { page::handout(arguments, session)? } else { String::new() };
            assume::quote(assumed) + &handout + &explain::markdown::print(&explanations)
        }
        OutputFormat::Mermaid | OutputFormat::Html => {
            assume::diagram_comment(assumed) + &explain::mermaid::print(&explanations)
        }
    }))
}

/// What to explain.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    node: Option<&'a str>,
    service: Option<&'a ServiceName>,
}

/// The Service that a name means, and the node to look at where none is named.
fn meant(
    arguments: &Arguments,
    pipeline: &Pipeline,
    service: Option<&Written>,
    session: &mut Session,
) -> Result<(Option<ServiceName>, Option<String>), Stop> {
    let namespace = arguments.settings.assume.namespace();
    let objects = Objects { snapshot: &pipeline.snapshot, cluster: &pipeline.cluster, namespace };
    if service.is_some() {
        session.ask_about([]);
    }
    let Some(written) = service else {
        if arguments.output == OutputFormat::Text && pipeline.snapshot.services.len() > 1 {
            session.note("every Service is explained; kuberules services shows each in a line");
        }
        return Ok((None, None));
    };
    let mut inferred = Vec::new();
    let (namespace, name) =
        objects.service(written, &mut inferred).map_err(|fault| session.stop(pointing(*fault)))?;
    let full = format!("{namespace}/{name}");
    session.ask_about([full.clone()]);
    let service = ServiceName::parse(&full).ok_or_else(|| session.stop(no_rules(&full)))?;
    let is_named = arguments.node.name().is_some() || arguments.example;
    let one = pipeline.cluster.nodes.len() < 2 || pipeline.settings.node_name.is_some();
    if !is_named && !one {
        inferred.extend(node::of_service(&objects, (&namespace, &name)));
    }
    inferred.iter().for_each(|inference| session.infer(inference));
    let node = inferred.into_iter().find_map(|inference| match inference {
        Inference::Node { node, .. } => Some(node),
        _ => None,
    });
    Ok((Some(service), node))
}

/// Where no known name is similar, says where all are listed.
fn pointing(fault: Diagnostic) -> Diagnostic {
    match fault.help.starts_with("did you mean") {
        true => fault,
        false => fault.help("kuberules services shows all"),
    }
}

fn no_rules(service: &str) -> Diagnostic {
    Diagnostic::error(format!("no rules are made for Service {}", Inert(service)))
        .help("a Service without a cluster IP (headless, ExternalName) is resolved only by DNS")
}

/// The input, and the Service that the last argument names.
fn split(arguments: &Arguments) -> (InputArguments, Option<Written>) {
    let mut input = arguments.input.clone();
    let named = input.input.iter().rposition(|argument| service_name(argument).is_some());
    let service = named.and_then(|at| service_name(&input.input.remove(at)));
    (input, service)
}

/// A name of a Service, unless there is such a file or it is called as one.
fn service_name(argument: &OsStr) -> Option<Written> {
    let text = argument.to_str()?;
    let is_file = ["yaml", "yml", "json"].iter().any(|ending| text.ends_with(&format!(".{ending}")));
    if is_file || text == "-" || text.starts_with(['.', '/', '~']) || Path::new(text).exists() {
        return None;
    }
    match text.parse() {
        Ok(Target::Service(written, _)) => Some(written),
        _ => None,
    }
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
    let rules = node_rules(pipeline, &node, wanted.service, session)?;
    let scene = Scene {
        cluster: &pipeline.cluster,
        settings: &pipeline.settings,
        sources: &pipeline.snapshot.sources,
        node: &node,
        rules: &rules,
        assumed: pipeline.assumed.as_ref(),
    };
    let services = scene.services();
    match wanted.service {
        Some(service) if !services.contains(service) => {
            return Err(session.stop(no_rules(&service.to_string())));
        }
        None if services.len() > MOST => {
            let message = format!("{} Services are too many for one explanation", services.len());
            let help = "name a Service as the last argument; kuberules services shows each in a line";
            return Err(session.stop(Diagnostic::error(message).help(help)));
        }
        _ => {}
    }
    scene.explain(wanted.service).map_err(|error| session.stop(Diagnostic::error(error.to_string())))
}

/// The rules of every family, or what a Service has to do with of them; whichever it is, the node is known with its
/// addresses of both.
fn node_rules<'p>(
    pipeline: &'p Pipeline,
    node: &Node,
    service: Option<&ServiceName>,
    session: &mut Session,
) -> Result<Vec<NodeRules<'p>>, Stop> {
    let plans = pipeline.node_plans(node, &pipeline.families(), session)?;
    let host = Host::of_node(&pipeline.cluster, node, plans.iter().map(|plan| &plan.plan));
    let around = service.map(|service| around(&pipeline.cluster, service));
    let compile = |plan: NodePlan<'p>| {
        let (family, plan) = (plan.plan.family(), NodePlan { host: host.clone(), ..plan });
        match &around {
            Some(around) => plan.compile_around(around.get(family)),
            None => plan.compile(),
        }
    };
    Ok(plans.into_iter().map(compile).collect())
}

/// The Service ports that the answer about a Service depends on, its own among them.
fn around(cluster: &Cluster, service: &ServiceName) -> PerFamily<BTreeSet<usize>> {
    let ports = Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports);
    let its = ports.filter(|port| port.name.service_name() == *service);
    around::Index::of(cluster).indices_around(its.flat_map(around::seeds_of))
}
