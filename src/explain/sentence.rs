//! A rule in one sentence.

use crate::diagnostic::Inert;
use crate::plan::origin::{Field, Origin};
use crate::plan::{External, Plan, ServicePortPlan};
use crate::report::trace::{why, words};
use crate::walk::{Effect, Step};

/// What a step does and why, in one sentence.
pub(super) fn sentence(step: &Step<'_>, plan: &Plan<'_>) -> String {
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

fn of_service(field: Field, step: &Step<'_>, port: &ServicePortPlan<'_>) -> Option<String> {
    let name = &port.service_port().name;
    let to = step.seen.destination;
    Some(match field {
        Field::ClusterIp | Field::ExternalIp(_) | Field::LoadBalancerIp(_) | Field::NodePort
            if translates(step) =>
        {
            dnat(step)?
        }
        Field::ClusterIp if refuses(step) => refusal(step, &format!("the cluster IP of {name}")),
        Field::ExternalIp(_) | Field::LoadBalancerIp(_) | Field::NodePort if refuses(step) => {
            refusal(step, &format!("{to}, by which {name} is reached from outside,"))
        }
        Field::ClusterIp if step.chance.is_some() => chance(step)?,
        Field::ClusterIp if goes_on(step) => {
            format!("{to} is the cluster IP of {name}: on to its own chain.")
        }
        Field::ExternalIp(_) if goes_on(step) => {
            format!("{to} is an external IP of {name}: on to its chain for such traffic.")
        }
        Field::LoadBalancerIp(_) if goes_on(step) => {
            format!("{to} is a load-balancer IP of {name}: on to its chain for such traffic.")
        }
        Field::NodePort if goes_on(step) => {
            format!("{} is the node port of {name}: on to its chain for traffic from outside.", to.port())
        }
        Field::DetectLocal | Field::Masquerade | Field::ExternalTrafficPolicy | Field::Endpoint(_)
            if marks(step) =>
        {
            return mark(field, step);
        }
        Field::DetectLocal => format!(
            "The client is a pod, so it goes straight to the endpoints of {name}, whatever the external policy."
        ),
        Field::ExternalTrafficPolicy if has(step, |e| matches!(e, Effect::Drop)) => {
            refusal(step, &format!("{name} on this node"))
        }
        Field::ExternalTrafficPolicy if goes_on(step) && is_short_circuit(step, port) => {
            let client = if speaks_of_node(step) { "this node" } else { "a pod" };
            format!(
                "The client is {client}, so it goes straight to the endpoints of {name}, whatever the external policy."
            )
        }
        Field::ExternalTrafficPolicy if goes_on(step) => {
            format!("On to the endpoints of {name} that its external policy allows.")
        }
        Field::SourceRange(_) if refuses(step) => {
            "The client is in none of loadBalancerSourceRanges: dropped.".to_owned()
        }
        Field::SourceRange(_) => "The client is in a range of loadBalancerSourceRanges: let in.".to_owned(),
        Field::SessionAffinity(_) if has(step, |e| matches!(e, Effect::Remember(_))) => {
            "The client is remembered, so that its next connection goes to the same endpoint.".to_owned()
        }
        Field::SessionAffinity(_) => {
            "The client was here before: it stays with its endpoint (session affinity).".to_owned()
        }
        Field::Endpoint(_) if translates(step) => dnat(step)?,
        Field::Endpoint(i) if goes_on(step) => {
            endpoint_choice(step, port.reachable_endpoints().get(i as usize)?.text.as_str())
        }
        Field::HealthCheckNodePort => format!("The health checks of {name} are let in."),
        _ => return None,
    })
}

/// With the policy Local, what the node and its pods send goes to all endpoints.
fn is_short_circuit(step: &Step<'_>, port: &ServicePortPlan<'_>) -> bool {
    port.external().is_some_and(External::has_short_circuit) && !why::reasons(step).is_empty()
}

fn speaks_of_node(step: &Step<'_>) -> bool {
    why::reasons(step)
        .iter()
        .any(|reason| reason.starts_with("the source") && reason.ends_with("address of the node"))
}

fn refusal(step: &Step<'_>, what: &str) -> String {
    let how = if has(step, |effect| matches!(effect, Effect::Drop)) { "dropped" } else { "refused" };
    format!("What is sent to {what} is {how}.")
}

fn dnat(step: &Step<'_>) -> Option<String> {
    let to = step.effects.iter().find_map(|effect| match effect {
        Effect::Dnat(to) => Some(*to),
        _ => None,
    })?;
    let chosen = step
        .chance
        .map(|chance| format!("Chosen with a chance of {chance}: the"))
        .unwrap_or_else(|| "The".to_owned());
    Some(format!("{chosen} destination becomes {to} (DNAT)."))
}

fn chance(step: &Step<'_>) -> Option<String> {
    Some(format!("One of the endpoints is drawn; this one with a chance of {}.", step.chance?))
}

fn endpoint_choice(step: &Step<'_>, endpoint: &str) -> String {
    match step.chance {
        Some(chance) => format!("Of the connections that come this far, {chance} go to {endpoint}."),
        None => format!("Everything that comes this far goes to {endpoint}."),
    }
}

fn mark(field: Field, step: &Step<'_>) -> Option<String> {
    let why = match field {
        Field::Masquerade => "masqueradeAll is on",
        Field::DetectLocal => "the client is no pod",
        Field::Endpoint(_) => "the client is the endpoint itself (hairpin)",
        _ if speaks_of_node(step) => "the client is this node",
        _ => "it came by an address for the outside",
    };
    Some(format!("Marked, so that the source is rewritten when it leaves: {why}."))
}

fn of_node(field: Field, step: &Step<'_>, plan: &Plan<'_>) -> Option<String> {
    Some(match field {
        Field::Masquerade if has(step, |e| matches!(e, Effect::Masquerade)) => {
            "The source becomes an address of this node (masquerade).".to_owned()
        }
        Field::Masquerade if has(step, |e| matches!(e, Effect::Return)) => {
            "Not marked: the source stays as it is.".to_owned()
        }
        Field::Masquerade | Field::DetectLocal
            if has(step, |e| matches!(e, Effect::Mark(mark) if *mark & plan.masquerade().mark != 0)) =>
        {
            "Marked: the source will be rewritten when the packet leaves.".to_owned()
        }
        Field::Masquerade if has(step, |e| matches!(e, Effect::Mark(_))) => {
            "The mark has done its work and is taken off.".to_owned()
        }
        Field::NodePortAddresses if goes_on(step) => {
            "The packet is for an address of this node: on to the node ports.".to_owned()
        }
        Field::Base if marks(step) => {
            "Sets the mark by which a packet is known when it leaves: its source will be rewritten."
                .to_owned()
        }
        Field::Base => return base(step),
        _ => return None,
    })
}

/// The chains that every node has.
fn base(step: &Step<'_>) -> Option<String> {
    if step.rule?.chain_name() == "KUBE-FORWARD" && has(step, |e| matches!(e, Effect::Accept)) {
        return Some("Marked traffic is let through, whatever else the host forwards.".to_owned());
    }
    let target = step.effects.iter().find_map(|effect| match effect {
        Effect::Jump(chain) | Effect::Goto(chain) => Some(*chain),
        _ => None,
    })?;
    Some(match target {
        "KUBE-SERVICES" | "services" => "New connections are looked up among the Services.".to_owned(),
        "KUBE-EXTERNAL-SERVICES" => {
            "Addresses for the outside are looked at: are there endpoints?".to_owned()
        }
        "KUBE-NODEPORTS" => "The packet is for an address of this node: on to the node ports.".to_owned(),
        "KUBE-POSTROUTING" | "masquerading" => {
            "What leaves is looked at: must its source be rewritten?".to_owned()
        }
        "KUBE-FORWARD" => "What is forwarded is looked at.".to_owned(),
        "KUBE-FIREWALL" => "The host's own protection is looked at.".to_owned(),
        "KUBE-PROXY-FIREWALL" | "firewall-check" => {
            "Load-balancer IPs with source ranges are looked at.".to_owned()
        }
        "service-endpoints-check" | "nodeport-endpoints-check" => {
            "Is the destination a Service without endpoints?".to_owned()
        }
        "cluster-ips-check" => "Is the destination a cluster IP that no rule took?".to_owned(),
        _ => return None,
    })
}

fn of_kernel(step: &Step<'_>) -> Option<String> {
    let effect = step.effects.first()?;
    Some(match effect {
        Effect::RouteLocal => "Routing: the destination is this node itself.".to_owned(),
        Effect::RouteForward => format!(
            "Routing: the way to {} is found; the packet leaves this node or goes to a pod on it.",
            step.seen.destination.ip()
        ),
        _ => return None,
    })
}

/// What matched and what it does, from the rule alone.
fn plainly(step: &Step<'_>) -> String {
    let why = why::reasons(step).join(", ");
    let effects = words::effects(step);
    let sentence = if why.is_empty() { effects } else { format!("{why}: {effects}") };
    let mut letters = sentence.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    Inert(&format!("{first}{}.", letters.as_str())).to_string()
}
