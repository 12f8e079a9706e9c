//! Why a Service changes, in words.

use crate::cause::{Cause, Maker};
use crate::diagnostic::Place;

/// At most this many names are listed.
const NAMED: usize = 3;

/// At most this many causes are reported for a Service.
const TOLD: usize = 3;

/// The causes of a Service, one sentence each.
pub(super) fn sentences(causes: &[Cause]) -> Vec<String> {
    let mut told: Vec<String> = causes.iter().take(TOLD).map(sentence).collect();
    told.retain(|sentence| !sentence.is_empty());
    let more = causes.len().saturating_sub(TOLD);
    told.extend((more > 0).then(|| format!("and {more} more changes: see --output json")));
    told
}

fn sentence(cause: &Cause) -> String {
    match cause {
        Cause::SelectorMatchesNone { selector, before, pods, nearest, place } => {
            let matched = if *before > 0 { format!(" (before: {before})") } else { String::new() };
            let none = match pods {
                0 => "no Pod, the namespace has none".to_owned(),
                1 => "not the 1 Pod of the namespace".to_owned(),
                many => format!("none of {many} Pods"),
            };
            let nearest = nearest.as_ref().map(|(labels, count)| format!("; {labels} would match {count}"));
            format!("selector {selector} matches {none}{matched}{}{}", nearest.unwrap_or_default(), at(place))
        }
        Cause::NoSuchPort { name, had, makers, place, .. } => {
            let any_more = if *had { " any more" } else { "" };
            let first = format!("no Pod has a port named {name:?}{any_more}");
            match makers.as_slice() {
                [] => format!("{first}{}", at(place)),
                makers => format!("{first}; {}", makers.iter().map(maker).collect::<Vec<_>>().join("; ")),
            }
        }
        Cause::UndeclaredPort { number, declared, place } => {
            let declared = declared.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            format!(
                "no container declares port {number} (declared: {declared}): whether one listens there is not known{}",
                at(place)
            )
        }
        Cause::Replicas { workload, old, new, place } => {
            format!("{workload}: replicas {old} → {new}{}", at(place))
        }
        Cause::WorkloadGone { workload } => format!("{workload} is gone"),
        Cause::NotReady { pods } => format!("no longer ready: {}", names(pods)),
        Cause::Ready { pods } => format!("ready now: {}", names(pods)),
        Cause::PodsGone { pods } => format!("gone: {}", names(pods)),
        Cause::PodsNew { pods } => format!("new: {}", names(pods)),
        Cause::Field { object, field, old, new, place } => {
            let object = if &*object.kind == "Service" { String::new() } else { format!("{object}: ") };
            let field = field.strip_prefix("spec.").unwrap_or(field);
            let change = match (old, new) {
                (Some(old), Some(new)) => format!("{field} {old} → {new}"),
                (None, Some(new)) => format!("{field} added: {new}"),
                (Some(old), None) => format!("{field} removed: {old}"),
                (None, None) => field.to_owned(),
            };
            format!("{object}{change}{}", at(place))
        }
        Cause::Added { place } => place.as_ref().map(|place| format!("added at {place}")).unwrap_or_default(),
        Cause::Removed { place } => place.as_ref().map(|place| format!("was at {place}")).unwrap_or_default(),
    }
}

fn maker(maker: &Maker) -> String {
    let Maker { object, ports, place } = maker;
    let ports: Vec<String> = ports.iter().map(|port| format!("{port:?}")).collect();
    format!("the Pods of {} {} have {}{}", object.kind, object.name, ports.join(", "), at(place))
}

fn at(place: &Option<Place>) -> String {
    place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default()
}

fn names(all: &[String]) -> String {
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
