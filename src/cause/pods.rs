//! The Pods behind a Service: whether it selects any, whether they have the port that it asks for, how many there are.

use std::collections::BTreeSet;

use super::{Cause, Change, Maker, Side};
use crate::diagnostic::Place;
use crate::input::api::{self, IntOrString, Text};
use crate::input::{Located, Snapshot};

type Labels = [(Text, Text)];

/// What of a Service's Pods changed, or is wrong now.
pub(super) fn causes(
    change: &Change<'_>,
    old: Option<&Located<api::Service>>,
    new: &Located<api::Service>,
) -> Vec<Cause> {
    let service = &new.object;
    if service.spec.selector.is_empty() {
        return readiness(change, service);
    }
    let before = old.map(|old| Selected::new(&change.old, &old.object)).unwrap_or_default();
    let after = Selected::new(&change.new, service);
    let mut causes = replicas(change, &before, &after);
    if after.pods.is_empty() && causes.is_empty() {
        causes.extend(matches_none(change, &before, new));
    }
    if !after.pods.is_empty() {
        causes.extend(ports(change, &before, &after, new));
    }
    causes.extend(readiness(change, service));
    if !before.pods.is_empty() && !after.pods.is_empty() && old.is_some() && causes.is_empty() {
        causes.extend(come_and_gone(&before, &after));
    }
    causes
}

/// The Pods and workloads that a Service selects.
#[derive(Default)]
struct Selected<'s> {
    pods: Vec<&'s Located<api::Pod>>,
    workloads: Vec<&'s Located<api::Workload>>,
}

impl<'s> Selected<'s> {
    fn new(side: &Side<'s>, service: &api::Service) -> Selected<'s> {
        let mut selected =
            Selected { pods: side.pods.of_service(service), workloads: side.makers.of_service(service) };
        selected.pods.retain(|pod| !matches!(pod.object.phase.as_str(), "Succeeded" | "Failed"));
        selected.leave_out_jobs();
        selected
    }

    /// A Job ends: where Pods of lasting workloads are selected too, its own do not count.
    fn leave_out_jobs(&mut self) {
        let of_job = |pod: &Located<api::Pod>| {
            pod.object.metadata.owner.as_ref().is_some_and(|owner| owner.kind == "Job")
        };
        if self.pods.iter().any(|pod| !of_job(pod)) {
            self.pods.retain(|pod| !of_job(pod));
            self.workloads.retain(|one| one.object.kind != api::WorkloadKind::Job);
        }
    }
}

fn value<'l>(labels: &'l Labels, key: &str) -> Option<&'l str> {
    labels.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}

fn selector_text(labels: impl Iterator<Item = (String, String)>) -> String {
    labels.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

fn matches_none(change: &Change<'_>, before: &Selected<'_>, new: &Located<api::Service>) -> Option<Cause> {
    let service = &new.object;
    let here = change.new.pods.of_namespace(&service.metadata.namespace);
    if here.is_empty() && before.pods.is_empty() {
        return None;
    }
    let selector = &service.spec.selector;
    Some(Cause::SelectorMatchesNone {
        selector: selector_text(selector.iter().map(|(k, v)| (k.to_string(), v.to_string()))),
        before: before.pods.len(),
        pods: here.len(),
        nearest: nearest(&change.new, service),
        place: change.new.snapshot.sources.field_place(new.position, "spec.selector"),
    })
}

/// The values of the selector's keys that come nearest to it, and how many Pods have them.
fn nearest(side: &Side<'_>, service: &api::Service) -> Option<(String, usize)> {
    let (namespace, selector) = (&service.metadata.namespace, &service.spec.selector);
    let values_of = |pod: &&'_ Located<api::Pod>| -> Option<Vec<Text>> {
        let values = selector.iter().map(|(key, _)| value(&pod.object.metadata.labels, key).map(Text::from));
        values.collect()
    };
    let candidates: BTreeSet<Vec<Text>> =
        side.pods.near(namespace, selector).iter().filter_map(values_of).collect();
    let likeness = |values: &[Text]| -> f64 {
        let pairs = selector.iter().zip(values);
        pairs.map(|((_, wanted), there)| strsim::normalized_damerau_levenshtein(wanted, there)).sum()
    };
    let all = candidates.into_iter().map(|values| (likeness(&values), values));
    let (best, values) = all.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
    // Beyond this it is another application, not a slip of the hand.
    let fits = best >= 0.5 * selector.len() as f64;
    let labels: Vec<(Text, Text)> = selector.iter().map(|(key, _)| key.clone()).zip(values).collect();
    let count = side.pods.with_all(namespace, &labels).len();
    let pairs = labels.into_iter().map(|(key, value)| (key.to_string(), value.to_string()));
    fits.then(|| (selector_text(pairs), count))
}

/// Workloads with other numbers of Pods.
fn replicas(change: &Change<'_>, before: &Selected<'_>, after: &Selected<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    for old in &before.workloads {
        let object = old.object.metadata.object_ref(old.object.kind.name());
        let Some(new) = change.new.same_workload(&old.object) else {
            if after.pods.is_empty() {
                causes.push(Cause::WorkloadGone { workload: object });
            }
            continue;
        };
        let (was, is) = (old.object.replicas.unwrap_or(1), new.object.replicas.unwrap_or(1));
        if was != is {
            let place = change.new.snapshot.sources.field_place(new.position, "spec.replicas");
            causes.push(Cause::Replicas { workload: object, old: was, new: is, place });
        }
    }
    causes
}

fn protocol(text: &str) -> &str {
    if text.is_empty() { "TCP" } else { text }
}

fn has_port(pods: &[&Located<api::Pod>], name: &str, of: &str) -> bool {
    let ports = pods.iter().flat_map(|pod| &pod.object.ports);
    ports.into_iter().any(|port| port.name == name && protocol(&port.protocol) == of)
}

fn ports(
    change: &Change<'_>,
    before: &Selected<'_>,
    after: &Selected<'_>,
    new: &Located<api::Service>,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (i, port) in new.object.spec.ports.iter().enumerate() {
        let place =
            || change.new.snapshot.sources.field_place(new.position, &format!("spec.ports[{i}].targetPort"));
        let of = protocol(&port.protocol);
        match &port.target_port {
            Some(IntOrString::String(name)) if !has_port(&after.pods, name, of) => {
                causes.push(Cause::NoSuchPort {
                    name: name.to_string(),
                    had: has_port(&before.pods, name, of),
                    service_port: if port.name.is_empty() {
                        port.port.to_string()
                    } else {
                        port.name.to_string()
                    },
                    makers: after
                        .workloads
                        .iter()
                        .filter_map(|one| maker(change.new.snapshot, one))
                        .collect(),
                    place: place(),
                });
            }
            Some(IntOrString::String(name)) => causes.extend(moved(change, before, after, name)),
            Some(IntOrString::Int(number)) => causes.extend(undeclared(before, after, *number, place)),
            None => {}
        }
    }
    causes
}

/// A port of the same name with another number.
fn moved(change: &Change<'_>, before: &Selected<'_>, after: &Selected<'_>, name: &str) -> Vec<Cause> {
    let number = |workload: &api::Workload| {
        workload.template_ports.iter().find(|port| port.name == name).map(|port| port.port)
    };
    let mut causes = Vec::new();
    for new in &after.workloads {
        let same = |old: &&&Located<api::Workload>| {
            old.object.kind == new.object.kind && old.object.metadata.name == new.object.metadata.name
        };
        let Some(old) = before.workloads.iter().find(same) else { continue };
        if let (Some(was), Some(is)) = (number(&old.object), number(&new.object))
            && was != is
        {
            causes.push(Cause::Field {
                object: new.object.metadata.object_ref(new.object.kind.name()),
                field: format!("containerPort of {name}"),
                old: Some(was.to_string()),
                new: Some(is.to_string()),
                place: container_port(change.new.snapshot, new, &is.to_string(), "containerPort"),
            });
        }
    }
    causes
}

/// A number that was declared and is not: nothing may listen there.
fn undeclared(
    before: &Selected<'_>,
    after: &Selected<'_>,
    number: i64,
    place: impl Fn() -> Option<Place>,
) -> Option<Cause> {
    let declared = |selected: &Selected<'_>| -> BTreeSet<i64> {
        selected.pods.iter().flat_map(|pod| &pod.object.ports).map(|port| port.port).collect()
    };
    let (was, is) = (declared(before), declared(after));
    let fires = !is.is_empty() && !is.contains(&number) && !was.contains(&number);
    fires.then(|| Cause::UndeclaredPort { number, declared: is.into_iter().collect(), place: place() })
}

fn maker(snapshot: &Snapshot, workload: &Located<api::Workload>) -> Option<Maker> {
    let named = workload.object.template_ports.iter().filter(|port| !port.name.is_empty());
    let ports: Vec<String> = named.map(|port| port.name.to_string()).collect();
    let first = ports.first()?;
    let place = container_port(snapshot, workload, first, "name");
    Some(Maker { object: workload.object.metadata.object_ref(workload.object.kind.name()), ports, place })
}

/// At most this many containers, and ports of each, are looked through.
const LOOKED: usize = 12;

/// The line of a container's port with this value.
fn container_port(
    snapshot: &Snapshot,
    workload: &Located<api::Workload>,
    wanted: &str,
    field: &str,
) -> Option<Place> {
    let sources = &snapshot.sources;
    let text = sources.standalone(workload.position)?;
    let first = sources.place(workload.position)?.line?;
    let has_it = |place: &Place| {
        let line = place.line.and_then(|line| usize::try_from(line.checked_sub(first)?).ok());
        let line = line.and_then(|line| text.lines().nth(line)).unwrap_or_default();
        line.contains(field) && line.contains(wanted)
    };
    let path = |list: &str, i: usize, j: usize| format!("spec.template.spec.{list}[{i}].ports[{j}].{field}");
    let paths = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| (0..LOOKED).flat_map(move |i| (0..LOOKED).map(move |j| path(list, i, j))));
    let mut places = paths.filter_map(|path| sources.field_place(workload.position, &path));
    places.find(has_it).or_else(|| sources.place(workload.position))
}

/// Names of a Service's endpoints that are ready.
fn ready(side: &Side<'_>, service: &api::Service) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut ready, mut others) = (BTreeSet::new(), BTreeSet::new());
    for endpoint in side.slices_of(&service.metadata).iter().flat_map(|slice| &slice.endpoints) {
        let pod = endpoint.target_ref.as_ref().filter(|target| target.kind == "Pod");
        let name = pod.map(|pod| pod.name.to_string()).or(endpoint.addresses.first().map(Text::to_string));
        let list = if endpoint.conditions.ready.unwrap_or(true) { &mut ready } else { &mut others };
        list.extend(name);
    }
    (ready, others)
}

fn readiness(change: &Change<'_>, service: &api::Service) -> Vec<Cause> {
    let before = ready(&change.old, service);
    let after = ready(&change.new, service);
    let both = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.intersection(b).cloned().collect::<Vec<_>>();
    let (lost, won) = (both(&before.0, &after.1), both(&before.1, &after.0));
    let lost = (!lost.is_empty()).then_some(Cause::NotReady { pods: lost });
    let won = (!won.is_empty()).then_some(Cause::Ready { pods: won });
    lost.into_iter().chain(won).collect()
}

fn come_and_gone(before: &Selected<'_>, after: &Selected<'_>) -> Vec<Cause> {
    let names = |selected: &Selected<'_>| -> BTreeSet<String> {
        selected.pods.iter().map(|pod| pod.object.metadata.name.to_string()).collect()
    };
    let (before, after) = (names(before), names(after));
    let gone: Vec<String> = before.difference(&after).cloned().collect();
    let new: Vec<String> = after.difference(&before).cloned().collect();
    let gone = (!gone.is_empty()).then_some(Cause::PodsGone { pods: gone });
    let new = (!new.is_empty()).then_some(Cause::PodsNew { pods: new });
    gone.into_iter().chain(new).collect()
}
