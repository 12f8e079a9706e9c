//! If a Service has very many endpoints, some represent all: a few of each kind are shown with their rules and
//! outcomes, and the others are only counted. What endpoints share is shown in full, and so is every way that differs
//! in more than its endpoint.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::{Discriminant, discriminant};
use std::net::SocketAddr;

use super::describe;
use crate::cluster;
use crate::plan::ServicePortPlan;
use crate::plan::origin::{Field, Origin};
use crate::plan::reasons::LeftOut;
use crate::walk::{Effect, Hook, Outcome, RuleRef, Step, Verdict};

/// At most this many endpoints are shown, or one of each kind.
pub(super) const MOST: usize = 60;

/// A rule of at most this many characters is shown in full.
const LONGEST: usize = 2_000;

/// This many elements are shown of a longer rule.
const ELEMENTS: usize = 12;

/// Why endpoints of a port are not used, by their addresses in memory.
pub(super) type LeftOutOf = HashMap<*const cluster::Endpoint, LeftOut>;

/// The endpoints that are shown.
pub(super) struct Few {
    indices: HashSet<usize>,
    addresses: HashSet<SocketAddr>,
}

impl Few {
    /// Some of each kind: those that are used, those that are left out for a reason, those on the node and elsewhere.
    pub(super) fn of(port: &ServicePortPlan<'_>, left_out: &LeftOutOf, node: &str) -> Few {
        let endpoints = &port.service_port().endpoints;
        let mut kinds: BTreeMap<(Option<&str>, bool, bool), Vec<usize>> = BTreeMap::new();
        for (i, endpoint) in endpoints.iter().enumerate() {
            let why = left_out.get(&std::ptr::from_ref(endpoint)).map(|why| why.code());
            let here = endpoint.node_name.as_deref() == Some(node);
            kinds.entry((why, here, endpoint.ready)).or_default().push(i);
        }
        let of_each = match endpoints.len() {
            few if few <= MOST => MOST,
            _ => (MOST / kinds.len().max(1)).max(1),
        };
        let indices: HashSet<usize> =
            kinds.values().flat_map(|its| its.iter().take(of_each)).copied().collect();
        let shown = endpoints.iter().enumerate().filter(|(i, _)| indices.contains(i));
        let addresses = shown.map(|(_, e)| SocketAddr::new(e.ip, e.port.get())).collect();
        Few { indices, addresses }
    }

    /// Whether an endpoint is shown, by its index in the Service port.
    pub(super) fn shows(&self, index: usize) -> bool {
        self.indices.contains(&index)
    }

    /// Outcomes at endpoints that are shown, and the first outcome of every other kind.
    pub(super) fn thinned<'s>(&self, outcomes: Vec<Outcome<'s>>) -> Vec<Outcome<'s>> {
        if outcomes.len() <= MOST {
            return outcomes;
        }
        let mut seen = HashSet::new();
        let stands = |outcome: &Outcome<'s>| {
            let is_new = seen.insert(Kind::of(outcome));
            is_new || self.addresses.contains(&outcome.destination)
        };
        let mut stands = stands;
        outcomes.into_iter().filter(|outcome| stands(outcome)).collect()
    }
}

/// What outcomes at different endpoints have in common.
#[derive(PartialEq, Eq, Hash)]
struct Kind<'s> {
    verdict: Verdict,
    snat: bool,
    delivered_locally: bool,
    conditions: usize,
    steps: Vec<KindOfStep<'s>>,
}

/// The rule, unless it is an endpoint's own, and what it does.
type KindOfStep<'s> = (Hook, Option<RuleRef<'s>>, Vec<Discriminant<Effect<'s>>>);

impl<'s> Kind<'s> {
    fn of(outcome: &Outcome<'s>) -> Kind<'s> {
        let step = |step: &Step<'s>| {
            let effects = step.effects.iter().map(discriminant).collect();
            (step.hook, step.rule.filter(|_| !is_of_endpoint(step)), effects)
        };
        Kind {
            verdict: outcome.verdict,
            snat: outcome.snat,
            delivered_locally: outcome.delivered_locally,
            conditions: outcome.given.len(),
            steps: outcome.steps.iter().map(step).collect(),
        }
    }
}

fn is_of_endpoint(step: &Step<'_>) -> bool {
    let own = |origin: Origin| matches!(origin.field, Field::Endpoint(_) | Field::SessionAffinity(_));
    let by_rule = step.rule.and_then(|rule| rule.origin());
    by_rule.is_some_and(own) || (step.element.is_none() && describe::origin(step).is_some_and(own))
}

/// The text of a rule; if it has very many elements in braces, only with the first of them.
pub(super) fn shortened(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let Some((head, rest)) = text.rsplit_once("{ ") else { return text };
    let Some((elements, tail)) = rest.rsplit_once(" }") else { return text };
    let all: Vec<&str> = elements.split(", ").collect();
    match all.get(..ELEMENTS) {
        Some(first) => format!("{head}{{ {}, ... {} more }}{tail}", first.join(", "), all.len() - ELEMENTS),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rules_keep_their_first_elements() {
        let elements: Vec<String> = (0..500).map(|i| format!("{i} : goto endpoint-{i}")).collect();
        let text = shortened(format!("numgen random mod 500 vmap {{ {} }}", elements.join(", ")));
        assert!(text.ends_with("11 : goto endpoint-11, ... 488 more }"), "{text}");
        assert_eq!(shortened("jump services".to_owned()), "jump services");
    }
}
