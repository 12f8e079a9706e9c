//! `kuberules trace`

mod names;
mod place;
mod scene;
mod source;
mod target;

use std::mem::ManuallyDrop;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::arguments::{InputArguments, NodeArgument, SettingsArguments};
use super::assume;
use super::session::{Answer, Session, Stop};
use crate::assume::Assumed;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::net::Protocol;
use crate::report::trace::{self as report, Trace};
use crate::walk::{Packet, Walker};
use place::{Source, Target};
use scene::Scene;

/// Follows the first packet of a new connection through the rules of a node.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  kuberules trace cluster.yaml --node worker-1 --from pod:shop/cart-0 --to svc:shop/db
  kuberules trace cluster.yaml --node worker-1 --from any --to node:30080
  kuberules trace --captured node.rules --from 10.244.1.9 --to 10.96.0.12:3306
  ssh worker-1 sudo nft list ruleset | kuberules trace --captured - --from external --to 203.0.113.10:80")]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    node: NodeArgument,
    /// Where the packet comes from: IP, pod:NAMESPACE/NAME, node, external or any
    ///
    /// An IP is the node's if it is one of its addresses, a pod's if it lies in a pod network, else outside. `external` is
    /// an address that no rule speaks of. `any` traces from a pod on this node, a pod on another node, the node and outside,
    /// and prints a table.
    #[arg(long, value_name = "SOURCE")]
    from: Source,
    /// Where it goes: IP:PORT, [IPv6]:PORT, svc:NAMESPACE/NAME[:PORT] (its cluster IP) or node:PORT (a node port)
    #[arg(long, value_name = "DESTINATION")]
    to: Target,
    /// tcp, udp or sctp; without it that of the Service port or node port, else tcp
    #[arg(long, value_name = "PROTOCOL", value_parser = parse_protocol)]
    protocol: Option<Protocol>,
    /// Walk through the rules in this file instead of compiled ones: the text of iptables-save, ip6tables-save, nft list
    /// ruleset or nft -j list ruleset; `-` for standard input
    ///
    /// Without INPUT, give the node's addresses as --host-ip, its own first, and the pods' network as --cluster-cidr where
    /// the rules do not tell them.
    #[arg(long, value_name = "FILE")]
    captured: Option<PathBuf>,
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
    Mermaid,
}

fn parse_protocol(text: &str) -> Result<Protocol, String> {
    Protocol::from_lower_name(&text.to_lowercase()).ok_or_else(|| "expect tcp, udp or sctp".to_owned())
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    // The process ends with the answer: to give back the memory of a hundred thousand chains would only take time.
    let inputs = ManuallyDrop::new(scene::Inputs::read(arguments, session)?);
    let scene = Scene::new(&inputs, session)?;
    let packets = scene.packets(arguments).map_err(|fault| session.stop(fault))?;
    let rules = scene.rules(packets.family(), session)?;
    let host = scene.host_with(&rules);
    session.take(scene::doubts(&host, packets.family()))?;
    let walker = scene::walker(&rules, packets.family(), &host);
    let packets = packets.fix(&host, &rules).map_err(|fault| session.stop(fault))?;
    let traced = packets.iter().map(|packet| walk(&walker, packet)).collect::<Result<Vec<_>, _>>();
    let traced = traced.map_err(|fault| session.stop(fault))?;
    let names = scene.names(&traced);
    let source = scene.rules_source(&rules);
    let traces = traced.into_iter().map(|(packet, outcomes)| Trace {
        packet,
        outcomes,
        rules: &source,
        names: &names,
        plan: rules.plan(),
    });
    answer(&traces.collect::<Vec<_>>(), inputs.assumed(), arguments, session)
}

type Traced<'r> = (Packet, Vec<crate::walk::Outcome<'r>>);

fn walk<'r>(walker: &Walker<'r>, packet: &Packet) -> Result<Traced<'r>, Diagnostics> {
    let outcomes = walker.walk(packet).map_err(|error| Diagnostic::error(error.to_string()))?;
    Ok((*packet, outcomes))
}

fn answer(
    traces: &[Trace<'_, '_>],
    assumed: Option<&Assumed>,
    arguments: &Arguments,
    session: &mut Session,
) -> Result<Answer, Stop> {
    let any = matches!(arguments.from, Source::Any);
    let text = match (arguments.output, traces) {
        (OutputFormat::Text, [trace]) if !any => {
            assume::comment(assumed) + &report::text(trace, session.colors_output())
        }
        (OutputFormat::Text, traces) => assume::comment(assumed) + &report::table(traces),
        (OutputFormat::Json, [trace]) if !any => assume::json_text(report::json(trace), assumed),
        (OutputFormat::Json, traces) => assume::json_text(report::all_json(traces), assumed),
        (OutputFormat::Mermaid, [trace]) if !any => {
            assume::diagram_comment(assumed) + &report::mermaid(trace)
        }
        (OutputFormat::Mermaid, _) => {
            let fault = Diagnostic::error("--output mermaid draws one source, --from any has four");
            return Err(session.stop(fault.help("give one source, or --output text or json")));
        }
    };
    Ok(Answer::text(text))
}
