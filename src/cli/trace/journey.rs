//! `--end-to-end`

use super::Asked;
use super::arguments::{Arguments, OutputFormat};
use super::inputs::{Inputs, Stage};
use crate::cli::assume;
use crate::cli::pipeline::Pipeline;
use crate::cli::session::{Answer, Session, Stop};
use crate::cluster::Node;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::journey::{Client, ClientPlace, Connection, Journey, Network, NodeIndex, Place};
use crate::node::{ClientKind, NodePlan};
use crate::report::journey::{self as report, Told};
use crate::settings::{HostFacts, Settings};
use crate::walk::Packet;

/// Follows packets through every node that they come to, and the replies back.
pub(super) fn answer(
    inputs: &mut Inputs,
    arguments: &Arguments,
    session: &mut Session,
) -> Result<Answer, Stop> {
    let is_about_one = inputs.infer_node(arguments, session)?;
    let stage = match is_about_one {
        true => Stage::new(inputs, session)?,
        false => Stage::any(inputs, session)?,
    };
    let asked = Asked::of(stage, inputs, arguments, session)?;
    let Some(pipeline) = &inputs.cluster else {
        let fault = Diagnostic::error("--end-to-end needs the rules of every node, so the cluster as INPUT");
        return Err(session.stop(fault.help("--captured then gives the rules of the one node")));
    };
    let family = asked.rules.family();
    // What the flags tell of the host is of the one node that they are about.
    let settings = Settings {
        host: HostFacts { addresses: Vec::new(), ..pipeline.settings.host.clone() },
        ..pipeline.settings.clone()
    };
    let around = inputs.around(&arguments.to).map_err(|fault| session.stop(fault))?.unwrap_or_default();
    let around = around.into(family);
    let compile = |node: &Node| {
        let sources = &pipeline.snapshot.sources;
        let plan = NodePlan::new(&pipeline.cluster, &settings, sources, node, family).ok()?.0;
        Some(plan.compile_around(&around))
    };
    let mut network = Network::new(&pipeline.cluster, family, compile);
    let home = network.set_rules(&asked.stage.scene.node, asked.rules);
    for pod in pipeline.snapshot.pods.iter().map(|pod| &pod.object).filter(|pod| !pod.host_network) {
        let name = || format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
        for ip in pod.ips.iter().filter_map(|ip| ip.parse().ok()) {
            network.add_pod(ip, &pod.node_name, name());
        }
    }
    let chosen = arguments.node.name().map(|_| home);
    let journeys = asked.packets.iter().map(|packet| {
        let connection = connection(&network, home, packet)?;
        Ok(network.follow(connection, chosen))
    });
    let journeys = journeys.collect::<Result<Vec<_>, Diagnostics>>().map_err(|fault| session.stop(fault))?;
    print(&journeys, &network, pipeline, arguments, session)
}

/// The client on its own node; a packet is seen from the node at hand.
fn connection(
    network: &Network<'_, '_>,
    home: NodeIndex,
    packet: &Packet,
) -> Result<Connection, Diagnostics> {
    let place = match (packet.client, network.place(packet.source)) {
        (ClientKind::Node, _) => ClientPlace::Node(home),
        (_, Place::Node(node)) => ClientPlace::Node(node),
        (ClientKind::LocalPod, _) => ClientPlace::Pod(home),
        (ClientKind::RemotePod, Place::Pod(node)) => ClientPlace::Pod(node),
        (ClientKind::RemotePod, _) => {
            let fault = format!("the node of the Pod {} is not known", packet.source);
            return Err(Diagnostic::error(fault).help("give the Pod, or the podCIDR of its Node").into());
        }
        (ClientKind::Outside, _) => ClientPlace::Outside,
    };
    let client = Client { ip: packet.source, place };
    Ok(Connection { protocol: packet.protocol, client, destination: packet.destination })
}

fn print(
    journeys: &[Journey<'_>],
    network: &Network<'_, '_>,
    pipeline: &Pipeline,
    arguments: &Arguments,
    session: &mut Session,
) -> Result<Answer, Stop> {
    let assumed = pipeline.assumed.as_ref();
    let told: Vec<Told<'_, '_, '_, '_>> =
        journeys.iter().map(|journey| Told { journey, network, with_texts: true }).collect();
    let text = match (arguments.output, told.as_slice()) {
        (OutputFormat::Text, all) => {
            let style = session.style();
            let texts: Vec<String> = all.iter().map(|told| report::text(told, style)).collect();
            assume::comment(assumed) + &texts.join("\n")
        }
        (OutputFormat::Json, [only]) => assume::print_json(&report::document(only), assumed),
        (OutputFormat::Json, all) => {
            let documents = all.iter().map(report::document).collect();
            assume::print_json(&report::document_of_many(documents), assumed)
        }
        (OutputFormat::Mermaid, [only]) => assume::diagram_comment(assumed) + &report::mermaid(only),
        (OutputFormat::Mermaid, _) => {
            let fault = Diagnostic::error("--output mermaid draws one source, --from any has several");
            return Err(session.stop(fault.help("give one source, or --output text or json")));
        }
    };
    Ok(Answer::text(text))
}
