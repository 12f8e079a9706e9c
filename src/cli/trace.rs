//! `kuberules trace`

mod arguments;
mod journey;
mod names;
mod place;
mod protocol;
mod scene;
mod source;
mod target;

use std::mem::ManuallyDrop;

use super::assume;
use super::session::{Answer, Session, Stop};
use crate::assume::Assumed;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::report::trace::{self as report, Trace};
use crate::walk::{Packet, Walker};
pub(super) use arguments::Arguments;
use arguments::OutputFormat;
use place::{Source, Target};
use scene::Scene;
use source::Packets;

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    // The process ends with the answer: to give back the memory of a hundred thousand chains would only take time.
    let inputs = ManuallyDrop::new(scene::Inputs::read(arguments, session)?);
    let mut scene = Scene::new(&inputs, session)?;
    let packets = packets(&scene, arguments).map_err(|fault| session.stop(fault))?;
    let rules = scene.rules(packets.family()).map_err(|fault| session.stop(fault))?;
    session.take(scene::doubts(&rules.host, packets.family()))?;
    let packets = packets.fix(&scene, &rules).map_err(|fault| session.stop(fault))?;
    if arguments.protocol.is_none() && !matches!(arguments.to, Target::Service(..)) {
        let note = packets.first().and_then(|packet| protocol::note(&scene, &rules.host, packet));
        note.iter().for_each(|note| session.note(note));
    }
    if arguments.end_to_end {
        return journey::answer(&scene, rules, &packets, arguments, session);
    }
    let walker = Walker::of(&rules);
    let traced = packets.iter().map(|packet| walk(&walker, packet)).collect::<Result<Vec<_>, _>>();
    let traced = traced.map_err(|fault| session.stop(fault))?;
    let names = names::of(&scene, &traced);
    let source = scene.rules_source(&rules);
    let traces = traced.into_iter().map(|(packet, outcomes)| Trace {
        packet,
        outcomes,
        rules: &source,
        names: &names,
        plan: rules.plan.as_ref(),
    });
    answer(&traces.collect::<Vec<_>>(), inputs.assumed(), arguments, session)
}

/// The packets to follow.
fn packets(scene: &Scene<'_>, arguments: &Arguments) -> Result<Packets, Diagnostics> {
    let target = target::resolve(scene, arguments)?;
    Packets::new(scene, &arguments.from, target)
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
        (OutputFormat::Json, [trace]) if !any => assume::print_json(&report::json(trace), assumed),
        (OutputFormat::Json, traces) => assume::print_json(&report::all_json(traces), assumed),
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
