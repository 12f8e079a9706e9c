//! `kuberules trace`

mod arguments;
mod inputs;
mod journey;

use std::mem::ManuallyDrop;

use super::assume;
use super::session::{Answer, Session, Stop};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::node::{Connection, NodeRules};
use crate::question::{Inference, Packets, Scene, Source, Target, names, protocol, target};
use crate::report::trace::{self as report, Names, RulesSource, Trace};
use crate::walk::{ClientKind, Condition, Outcome, Packet, Walker};
pub(super) use arguments::Arguments;
use arguments::OutputFormat;
use inputs::{Inputs, Stage};

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    // The process ends with the answer: freeing a hundred thousand chains would only take time.
    session.ask_about([]);
    let mut inputs = ManuallyDrop::new(Inputs::read(arguments, session)?);
    if arguments.end_to_end {
        return journey::answer(&mut inputs, arguments, session);
    }
    let every_node = arguments.all_nodes || !inputs.infer_node(arguments, session)?;
    if every_node {
        inputs.narrow(arguments, session)?;
    }
    let stages = match every_node {
        true => Stage::every(&inputs, session)?,
        false => vec![Stage::new(&inputs, session)?],
    };
    let asked = stages.into_iter().map(|stage| Asked::of(stage, &inputs, arguments, session));
    let asked = asked.collect::<Result<Vec<Asked<'_>>, Stop>>()?;
    let walked = asked.iter().map(Walked::of).collect::<Result<Vec<_>, _>>();
    let walked = walked.map_err(|fault| session.stop(fault))?;
    walked.iter().for_each(|walked| note_missing(&inputs, walked, session));
    let traces = asked.iter().zip(&walked).map(|(asked, walked)| asked.traces(walked)).collect::<Vec<_>>();
    let text = text(&traces, arguments, every_node, &inputs, session)?;
    Ok(Answer::text(text))
}

/// A question with its packets, on one node.
struct Asked<'i> {
    stage: Stage<'i>,
    rules: NodeRules<'i>,
    source: RulesSource,
    packets: Vec<Packet>,
    /// Connections that the node has.
    connections: &'i [Connection],
}

impl<'i> Asked<'i> {
    fn of(
        mut stage: Stage<'i>,
        inputs: &'i Inputs,
        arguments: &Arguments,
        session: &mut Session,
    ) -> Result<Asked<'i>, Stop> {
        let mut inferred = Vec::new();
        let packets = packets(&stage.scene, arguments, &mut inferred).map_err(|fault| session.stop(fault))?;
        let rules = stage.rules(packets.family(), &arguments.to).map_err(|fault| session.stop(fault))?;
        session.take(Scene::doubts(&rules.host, packets.family()))?;
        let mut packets = packets.fix(&stage.scene, &rules).map_err(|fault| session.stop(fault))?;
        for packet in &mut packets {
            packet.in_interface = arguments.in_interface.filter(|_| packet.client != ClientKind::Node);
            packet.out_interface = arguments.out_interface;
        }
        if arguments.protocol.is_none() && !matches!(arguments.to, Target::Service(..)) {
            let first = packets.first();
            inferred.extend(first.and_then(|packet| protocol::inference(&stage.scene, &rules.host, packet)));
        }
        let services = services_at(&stage, &rules, &packets);
        data_path(inputs, !services.is_empty(), &packets, session)?;
        session.ask_about(services);
        inferred.extend(pod_networks(inputs, &rules, &packets));
        inferred.iter().for_each(|inference| session.infer(inference));
        let source = stage.rules_source(&rules);
        let facts = inputs.facts();
        let connections = facts.and_then(|facts| facts.connections.as_deref()).unwrap_or_default();
        Ok(Asked { stage, rules, source, packets, connections })
    }

    fn traces<'t>(&'t self, walked: &'t Walked<'t>) -> Vec<Trace<'t, 't>> {
        let trace = |(packet, outcomes): &(Packet, Vec<Outcome<'t>>)| Trace {
            packet: *packet,
            outcomes: outcomes.clone(),
            rules: &self.source,
            names: &walked.names,
            plan: self.rules.plan.as_ref(),
            existing: report::existing(self.connections, packet, outcomes, &walked.names),
        };
        walked.outcomes.iter().map(trace).collect()
    }
}

/// What happens to the packets on one node.
struct Walked<'r> {
    outcomes: Vec<(Packet, Vec<Outcome<'r>>)>,
    names: Names,
}

impl<'r> Walked<'r> {
    fn of(asked: &'r Asked<'_>) -> Result<Walked<'r>, Diagnostics> {
        let walker = Walker::of(&asked.rules);
        let walk = |packet: &Packet| match walker.walk(packet) {
            Ok(outcomes) => Ok((*packet, outcomes)),
            Err(error) => Err(Diagnostics::from(Diagnostic::error(error.to_string()))),
        };
        let outcomes = asked.packets.iter().map(walk).collect::<Result<Vec<_>, _>>()?;
        let names = names::of(&asked.stage.scene, &outcomes);
        Ok(Walked { outcomes, names })
    }
}

/// Names once what was not captured and leaves the answer open.
fn note_missing(inputs: &Inputs, walked: &Walked<'_>, session: &mut Session) {
    let Some(facts) = inputs.facts() else { return };
    let given = walked.outcomes.iter().flat_map(|(_, outcomes)| outcomes).flat_map(|outcome| &outcome.given);
    for condition in given {
        if let Condition::Opaque { text, .. } = condition
            && let Some(command) = facts.missing_for(text)
        {
            session.note(format!(
                "what a rule asks is not known, because {command} was not captured: kuberules collect gathers it"
            ));
        }
    }
}

/// The Services that have the destination.
fn services_at(stage: &Stage<'_>, rules: &NodeRules<'_>, packets: &[Packet]) -> Vec<String> {
    let (Some(cluster), Some(packet)) = (stage.scene.cluster(), packets.first()) else { return Vec::new() };
    let ports = cluster.family(packet.family()).service_ports.iter();
    let its = ports.filter(|port| protocol::is_at(port, &rules.host, packet.destination));
    its.map(|port| port.name.service_name().to_string()).collect()
}

/// The pods' network is mentioned where the answer can depend on it: where a Service has the destination.
fn pod_networks(inputs: &Inputs, rules: &NodeRules<'_>, packets: &[Packet]) -> Option<Inference> {
    let pipeline = inputs.cluster.as_ref()?;
    rules.plan.as_ref()?;
    let networks = Some(pipeline.inferred_networks.clone()).filter(|networks| !networks.is_empty())?;
    let to = packets.first()?;
    let ports = &pipeline.cluster.family(to.family()).service_ports;
    let is_served = ports.iter().any(|port| protocol::is_at(port, &rules.host, to.destination));
    is_served.then_some(Inference::PodNetworks(networks))
}

/// Where something else than kube-proxy's rules serves Services, no walk through rules tells what happens to a packet to
/// one.
fn data_path(
    inputs: &Inputs,
    is_service: bool,
    packets: &[Packet],
    session: &mut Session,
) -> Result<(), Stop> {
    let (Some(path), Some(packet)) = (inputs.data_path(), packets.first()) else { return Ok(()) };
    let to = packet.destination;
    let help = format!("look further with: {}", path.commands().join("; "));
    if is_service {
        let fault = Diagnostic::error(format!("{path}, so {to} cannot be traced through rules"));
        return Err(session.stop(fault.help(help)));
    }
    let doubt = format!("{path}: the answer holds only if {to} is not an address of a Service");
    session.take(Diagnostic::warning(doubt).help(help))
}

/// The packets to follow.
fn packets(
    scene: &Scene<'_>,
    arguments: &Arguments,
    inferred: &mut Vec<Inference>,
) -> Result<Packets, Diagnostics> {
    let target = target::resolve(scene, &arguments.to, &arguments.from, arguments.protocol, inferred)?;
    Packets::new(scene, &arguments.from, target, inferred)
}

fn text(
    traces: &[Vec<Trace<'_, '_>>],
    arguments: &Arguments,
    every_node: bool,
    inputs: &Inputs,
    session: &mut Session,
) -> Result<String, Stop> {
    let assumed = inputs.assumed();
    let any = matches!(arguments.from, Source::Any);
    let style = session.style();
    let (only, all) = match traces {
        [traces] if !every_node => (traces.first().filter(|_| !any), traces.as_slice()),
        several => (None, several.first().map(Vec::as_slice).unwrap_or_default()),
    };
    Ok(match (arguments.output, only) {
        (OutputFormat::Text, Some(trace)) => {
            assume::comment(assumed) + &report::text(trace, arguments.brief, style)
        }
        (OutputFormat::Text, None) if every_node => {
            assume::comment(assumed) + &report::every_node(traces, arguments.brief, style)
        }
        (OutputFormat::Text, None) => assume::comment(assumed) + &report::table(all, style),
        (OutputFormat::Json, Some(trace)) => assume::print_json(&report::json(trace), assumed),
        (OutputFormat::Json, None) => assume::print_json(&report::all_json(traces.iter().flatten()), assumed),
        (OutputFormat::Mermaid, Some(trace)) => assume::diagram_comment(assumed) + &report::mermaid(trace),
        (OutputFormat::Mermaid, None) => {
            let fault = Diagnostic::error("--output mermaid draws one source on one node");
            return Err(session.stop(fault.help("give --from and --node, or --output text or json")));
        }
    })
}
