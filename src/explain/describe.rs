//! What a rule does, from its origin and its effects.

use super::description::{Description, Entry, From, MarkedBecause, Part, Refused, ShortCircuited};
use crate::diagnostic::Inert;
use crate::input::{Position, Sources};
use crate::nftables::is_loopback_object;
use crate::plan::origin::{Field, FieldSource, Origin};
use crate::plan::{External, Plan, ServicePortPlan};
use crate::report::trace::why::{self, Clause, Side};
use crate::report::trace::words;
use crate::walk::{Effect, Hook, Step};

/// What a step does.
pub(super) fn describe(step: &Step<'_>, plan: &Plan<'_>) -> Description {
    let origin = origin(step);
    let port = origin.and_then(|origin| origin.service_port(plan));
    let purpose = match (origin.map(|origin| origin.field), port) {
        (Some(field), Some(port)) => of_service(field, step, port),
        (Some(field), None) => of_node(field, step, plan),
        (None, _) => of_kernel(step),
    };
    purpose.unwrap_or_else(|| plainly(step))
}

/// What made the rule, or the element of a map that decided.
pub(super) fn origin(step: &Step<'_>) -> Option<Origin> {
    match step.element {
        Some(element) => element.origin,
        None => step.rule.and_then(|rule| rule.origin()),
    }
}

/// File, line and field that made the rule of a step; empty if nothing in the input did.
pub(super) fn place(step: &Step<'_>, plan: &Plan<'_>, sources: &Sources) -> String {
    source(step, plan).map_or(String::new(), |source| place_of(&source, sources))
}

/// The field that made the rule of a step.
pub(super) fn source(step: &Step<'_>, plan: &Plan<'_>) -> Option<FieldSource> {
    Some(origin(step)?.source(plan))
}

/// File, line and field; only the field if nothing in the input has it.
pub(super) fn place_of(source: &FieldSource, sources: &Sources) -> String {
    let place = source.position.and_then(|position| sources.field_place(position, &source.path));
    match place {
        Some(place) => format!("{place} {}", Inert(&source.path)),
        None => Inert(&source.path).to_string(),
    }
}

/// Where the object is in the input that made the rule of a step.
pub(super) fn object(step: &Step<'_>, plan: &Plan<'_>) -> Option<Position> {
    origin(step)?.source(plan).position
}

fn has(step: &Step<'_>, wanted: impl Fn(&Effect<'_>) -> bool) -> bool {
    step.effects.iter().any(wanted)
}

fn goes_on(step: &Step<'_>) -> bool {
    has(step, |effect| matches!(effect, Effect::Jump(_) | Effect::Goto(_)))
}

fn refuses(step: &Step<'_>) -> bool {
    has(step, |effect| matches!(effect, Effect::Drop | Effect::Reject(_)))
}

fn translates(step: &Step<'_>) -> bool {
    has(step, |effect| matches!(effect, Effect::Dnat(_)))
}

fn marks(step: &Step<'_>) -> bool {
    let to_mark_chain = |effect: &Effect<'_>| {
        matches!(effect, Effect::Jump("KUBE-MARK-MASQ" | "mark-for-masquerade") | Effect::Mark(_))
    };
    step.effects.iter().any(to_mark_chain)
}

fn of_service(field: Field, step: &Step<'_>, port: &ServicePortPlan<'_>) -> Option<Description> {
    let service = || port.service_port().name.to_string();
    let to = step.seen.destination;
    if step.element.is_some() && has(step, |e| matches!(e, Effect::Goto(chain) if is_loopback_object(chain)))
    {
        return None;
    }
    Some(match field {
        Field::ClusterIp | Field::ExternalIp(_) | Field::LoadBalancerIp(_) | Field::NodePort
            if translates(step) =>
        {
            dnat(step)?
        }
        Field::ClusterIp if refuses(step) => stops(step, Refused::ClusterIp { service: service() }),
        Field::ExternalIp(_) | Field::LoadBalancerIp(_) | Field::NodePort if refuses(step) => {
            stops(step, Refused::External { to, service: service() })
        }
        Field::ClusterIp if step.chance.is_some() => Description::Draws(step.chance?),
        Field::ClusterIp | Field::ExternalIp(_) | Field::LoadBalancerIp(_) | Field::NodePort
            if goes_on(step) =>
        {
            Description::Enters { by: entry(field)?, to, service: service() }
        }
        Field::DetectLocal | Field::Masquerade | Field::ExternalTrafficPolicy | Field::Endpoint(_)
            if marks(step) =>
        {
            Description::Marks(marked_because(field, step))
        }
        Field::DetectLocal => Description::ShortCircuit { client: ShortCircuited::Pod, service: service() },
        Field::ExternalTrafficPolicy if has(step, |e| matches!(e, Effect::Drop)) => {
            stops(step, Refused::OnThisNode { service: service() })
        }
        Field::ExternalTrafficPolicy if goes_on(step) => by_policy(step, port),
        Field::SourceRange(_) if refuses(step) => Description::InNoSourceRange,
        Field::SourceRange(_) => Description::InSourceRange,
        Field::SessionAffinity(_) if has(step, |e| matches!(e, Effect::Remember(_))) => {
            Description::Remembers
        }
        Field::SessionAffinity(_) => Description::StaysWithEndpoint,
        Field::Endpoint(_) if translates(step) => dnat(step)?,
        Field::Endpoint(i) if goes_on(step) => {
            let endpoint = port.reachable_endpoints().get(i as usize)?.text.to_string();
            Description::ToEndpoint { endpoint, chance: step.chance }
        }
        Field::HealthCheckNodePort => Description::HealthCheck { service: service() },
        _ => return None,
    })
}

fn entry(field: Field) -> Option<Entry> {
    match field {
        Field::ClusterIp => Some(Entry::ClusterIp),
        Field::ExternalIp(_) => Some(Entry::ExternalIp),
        Field::LoadBalancerIp(_) => Some(Entry::LoadBalancerIp),
        Field::NodePort => Some(Entry::NodePort),
        _ => None,
    }
}

/// With the policy Local, traffic from the node and its pods goes to all endpoints, by a rule with a condition.
fn by_policy(step: &Step<'_>, port: &ServicePortPlan<'_>) -> Description {
    let service = port.service_port().name.to_string();
    let conditions = why::clauses(step);
    if !port.external().is_some_and(External::has_short_circuit) || conditions.is_empty() {
        return Description::ByExternalPolicy { service };
    }
    let client = match is_for_own_source(&conditions) {
        true => ShortCircuited::Node,
        false => ShortCircuited::Pod,
    };
    Description::ShortCircuit { client, service }
}

/// Whether a rule matches on an address of the node as the source.
fn is_for_own_source(conditions: &[Clause<'_>]) -> bool {
    let own =
        |clause: &Clause<'_>| matches!(clause, Clause::OwnAddress { side: Side::Source, negated: false, .. });
    conditions.iter().any(own)
}

fn stops(step: &Step<'_>, what: Refused) -> Description {
    Description::Stops { what, dropped: has(step, |effect| matches!(effect, Effect::Drop)) }
}

fn dnat(step: &Step<'_>) -> Option<Description> {
    let to = step.effects.iter().find_map(|effect| match effect {
        Effect::Dnat(to) => Some(*to),
        _ => None,
    })?;
    Some(Description::Dnat { to, chance: step.chance })
}

fn marked_because(field: Field, step: &Step<'_>) -> MarkedBecause {
    match field {
        Field::Masquerade => MarkedBecause::MasqueradeAll,
        Field::DetectLocal => MarkedBecause::NotAPod,
        Field::Endpoint(_) => MarkedBecause::Hairpin,
        _ if is_for_own_source(&why::clauses(step)) => MarkedBecause::ThisNode,
        _ => MarkedBecause::External,
    }
}

fn of_node(field: Field, step: &Step<'_>, plan: &Plan<'_>) -> Option<Description> {
    Some(match field {
        Field::Masquerade if has(step, |e| matches!(e, Effect::Masquerade)) => Description::Masquerades,
        Field::Masquerade if has(step, |e| matches!(e, Effect::Return)) => Description::NotMarked,
        Field::Masquerade | Field::DetectLocal
            if has(step, |e| matches!(e, Effect::Mark(mark) if *mark & plan.masquerade().mark != 0)) =>
        {
            Description::MarkSet
        }
        Field::Masquerade if has(step, |e| matches!(e, Effect::Mark(_))) => Description::MarkCleared,
        Field::NodePortAddresses if goes_on(step) => Description::ToNodePorts,
        Field::Base if marks(step) => Description::SetsMark,
        Field::Base => return base(step),
        _ => return None,
    })
}

/// The chains that every node has.
fn base(step: &Step<'_>) -> Option<Description> {
    if step.rule?.chain_name() == "KUBE-FORWARD" && has(step, |e| matches!(e, Effect::Accept)) {
        return Some(Description::MarkedIsForwarded);
    }
    let target = step.effects.iter().find_map(|effect| match effect {
        Effect::Jump(chain) | Effect::Goto(chain) => Some(*chain),
        _ => None,
    })?;
    let part = match target {
        "KUBE-SERVICES" | "services" => Part::Services,
        "KUBE-EXTERNAL-SERVICES" => Part::ExternalServices,
        "KUBE-NODEPORTS" => Part::NodePorts,
        "KUBE-POSTROUTING" | "masquerading" => Part::Postrouting,
        "KUBE-FORWARD" => Part::Forward,
        "KUBE-FIREWALL" => Part::Firewall,
        "KUBE-PROXY-FIREWALL" | "firewall-check" => Part::LoadBalancerFirewall,
        "service-endpoints-check" | "nodeport-endpoints-check" => Part::WithoutEndpoints,
        "cluster-ips-check" => Part::ClusterIps,
        _ => return None,
    };
    let from = step.rule?.base_priority().and_then(|_| from(step.hook));
    Some(Description::Consults { part, from })
}

fn from(hook: Hook) -> Option<From> {
    match hook {
        Hook::Prerouting => Some(From::Incoming),
        Hook::Output => Some(From::Own),
        Hook::Input => Some(From::ForThisNode),
        Hook::Forward => Some(From::Forwarded),
        Hook::Postrouting => Some(From::Leaving),
        Hook::Routing => None,
    }
}

fn of_kernel(step: &Step<'_>) -> Option<Description> {
    match step.effects.first()? {
        Effect::RouteLocal => Some(Description::RoutedHere),
        Effect::RouteForward => Some(Description::RoutedOn(step.seen.destination.ip())),
        _ => None,
    }
}

fn plainly(step: &Step<'_>) -> Description {
    Description::Plainly { why: why::words(step), effects: words::effects(step) }
}
