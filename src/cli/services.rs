//! `kuberules services`

use std::mem::ManuallyDrop;

use clap::{Args, ValueEnum};

use super::arguments::{AnswerArguments, InputArguments, NodeArgument};
use super::assume;
use super::pipeline::Pipeline;
use super::session::{Answer, Session, Stop};
use crate::cluster::Node;
use crate::net::Family;
use crate::services::{self, json, markdown, text};

/// Shows every Service in a line: what its clients get, and what is wrong.
///
/// A line for each: type, addresses, ports, endpoints that are ready, and what happens to new connections from each kind
/// of client. Says what holds on every node, or with --node on one.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  kubectl get services,endpointslices,nodes -A -o yaml | kuberules services
  kuberules services cluster.yaml --problems")]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    node: NodeArgument,
    /// Show only Services with which something is wrong
    #[arg(long)]
    problems: bool,
    #[command(flatten)]
    answer: AnswerArguments<OutputFormat>,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Markdown,
    Json,
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    session.look_at(arguments.node.name());
    // The program ends after this: freeing a million objects would only keep the user waiting.
    let pipeline = ManuallyDrop::new(Pipeline::read(&arguments.input, &arguments.answer.settings, session)?);
    let nodes = nodes(arguments, &pipeline, session)?;
    session.progress().stage("following packets to every Service");
    let mut report = services::look(&pipeline.snapshot, &pipeline.cluster, &pipeline.settings, &nodes);
    report.node = arguments.node.name().map(|name| crate::diagnostic::Inert(name).to_string());
    if let Some(namespace) = arguments.answer.settings.assume.namespace() {
        report.services.retain(|row| row.service.split('/').next() == Some(namespace));
    }
    if arguments.problems {
        report.only_problems();
    }
    let assumed = pipeline.assumed.as_ref();
    Ok(Answer::text(match arguments.answer.output {
        OutputFormat::Text => assume::comment(assumed) + &text::print(&report, session.style()),
        OutputFormat::Markdown => assume::quote(assumed) + &markdown::print(&report),
        OutputFormat::Json => assume::print_json(&json::json(&report), assumed),
    }))
}

/// The nodes to look at; without Nodes those that endpoints name.
fn nodes(arguments: &Arguments, pipeline: &Pipeline, session: &mut Session) -> Result<Vec<Node>, Stop> {
    if arguments.node.name().is_some() {
        return Ok(vec![pipeline.node(arguments.node.name(), session)?]);
    }
    if !pipeline.cluster.nodes.is_empty() {
        return Ok(pipeline.cluster.nodes.clone());
    }
    session.warn(
        "the input has no Nodes: the nodes that endpoints name are used, without addresses (add kubectl get nodes -o yaml)",
    );
    let ports = Family::ALL.into_iter().flat_map(|family| &pipeline.cluster.family(family).service_ports);
    let endpoints = ports.flat_map(|port| &port.endpoints);
    let mut names: Vec<_> = endpoints.filter_map(|endpoint| endpoint.node_name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        names.push("unknown".into());
    }
    Ok(names.into_iter().map(|name| Node { name, ..Node::default() }).collect())
}
