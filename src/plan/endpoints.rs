//! Over which endpoints of a Service port traffic on this node is balanced (pkg/proxy/topology.go,
//! CategorizeEndpoints).

use super::service_port::Chosen;
use super::{Basis, Choice, EndpointRules, HintUse, HintsIgnored};
use crate::cluster::{Endpoint, Node, ServicePort};
use crate::settings::{Settings, release::DuplicateEndpoint};

/// What the choice of endpoints depends on besides the endpoints.
pub(super) struct Here<'a> {
    /// The node's name.
    pub(super) node_name: &'a str,
    /// The node's zone.
    pub(super) zone: Option<&'a str>,
    pub(super) rules: EndpointRules,
    /// External IPs are served.
    pub(super) external_ips_are_served: bool,
}

/// The endpoint sets of one Service port.
pub(super) struct Selected<'c> {
    pub(super) cluster: Chosen<'c>,
    pub(super) local: Chosen<'c>,
    /// The endpoints in either set, sorted by their text.
    pub(super) reachable: Vec<&'c Endpoint>,
    /// Some endpoint somewhere is usable.
    pub(super) has_endpoints: bool,
}

/// Which sets the Service port uses.
#[derive(Clone, Copy)]
pub(super) struct Uses {
    pub(super) cluster: bool,
    pub(super) local: bool,
}

fn unused<'c>() -> Chosen<'c> {
    Chosen { endpoints: Vec::new(), choice: Choice { basis: Basis::Unused, hints: HintUse::None } }
}

impl<'a> Here<'a> {
    pub(super) fn new(node: &'a Node, settings: &Settings) -> Here<'a> {
        Here {
            node_name: &node.name,
            zone: node.zone.as_deref(),
            rules: EndpointRules::new(settings),
            external_ips_are_served: settings.gates.allow_service_external_ips,
        }
    }
}

impl Here<'_> {
    fn is_local(&self, endpoint: &Endpoint) -> bool {
        endpoint.node_name.as_deref() == Some(self.node_name)
    }

    /// The endpoint sets of a Service port.
    pub(super) fn select<'c>(&self, port: &'c ServicePort, uses: Uses) -> Selected<'c> {
        let all = self.without_duplicates(&port.endpoints);
        let cluster = if uses.cluster { self.cluster_endpoints(port, &all) } else { unused() };
        let local = if uses.local { self.local_endpoints(&all) } else { unused() };
        let has_endpoints = all.iter().any(|endpoint| endpoint.is_usable());
        let reachable = match uses {
            Uses { local: false, .. } => cluster.endpoints.clone(),
            Uses { cluster: false, .. } => local.endpoints.clone(),
            _ => union(&cluster.endpoints, &local.endpoints),
        };
        Selected { cluster, local, reachable, has_endpoints }
    }

    /// One of each group of endpoints with the same address and port (pkg/proxy/endpointslicecache.go).
    fn without_duplicates<'c>(&self, sorted: &'c [Endpoint]) -> Vec<&'c Endpoint> {
        let mut kept: Vec<&Endpoint> = Vec::with_capacity(sorted.len());
        for endpoint in sorted.iter().filter(|endpoint| !self.rules.hides(endpoint)) {
            match kept.last_mut().filter(|last| last.text == endpoint.text) {
                Some(last) if self.replaces(endpoint) => *last = endpoint,
                Some(_) => {}
                None => kept.push(endpoint),
            }
        }
        kept
    }

    fn replaces(&self, later: &Endpoint) -> bool {
        match self.rules.duplicates {
            DuplicateEndpoint::LocalWins => self.is_local(later),
            DuplicateEndpoint::NonTerminatingWins => !later.terminating,
        }
    }

    fn cluster_endpoints<'c>(&self, port: &ServicePort, all: &[&'c Endpoint]) -> Chosen<'c> {
        let ready: Vec<&Endpoint> = all.iter().copied().filter(|e| e.ready).collect();
        let hints = self.hint_use(port, &ready);
        if ready.is_empty() {
            return fallback(all.iter().copied(), hints);
        }
        let taken = match hints {
            HintUse::SameNode => ready.into_iter().filter(|e| hinted_for_node(e, self.node_name)).collect(),
            HintUse::SameZone => ready.into_iter().filter(|e| self.hinted_for_zone(e)).collect(),
            HintUse::None | HintUse::Ignored(_) => ready,
        };
        Chosen { endpoints: taken, choice: Choice { basis: Basis::Ready, hints } }
    }

    fn local_endpoints<'c>(&self, all: &[&'c Endpoint]) -> Chosen<'c> {
        let here = || all.iter().copied().filter(|e| self.is_local(e));
        let ready: Vec<&Endpoint> = here().filter(|e| e.ready).collect();
        if ready.is_empty() {
            return fallback(here(), HintUse::None);
        }
        Chosen { endpoints: ready, choice: Choice { basis: Basis::Ready, hints: HintUse::None } }
    }

    /// Hints count only if every ready endpoint has one and one of them is for this node or zone; node hints come
    /// first.
    fn hint_use(&self, port: &ServicePort, ready: &[&Endpoint]) -> HintUse {
        let has = |of: fn(&Endpoint) -> usize| ready.iter().any(|e| of(e) > 0);
        let all_have = |of: fn(&Endpoint) -> usize| !ready.is_empty() && ready.iter().all(|e| of(e) > 0);
        let (zone_hints_count, node_hints_read) = (self.rules.zone_hints_count(port), self.rules.node_hints);
        if node_hints_read && all_have(node_hints) && ready.iter().any(|e| hinted_for_node(e, self.node_name))
        {
            return HintUse::SameNode;
        }
        if zone_hints_count && all_have(zone_hints) && ready.iter().any(|e| self.hinted_for_zone(e)) {
            return HintUse::SameZone;
        }
        if !(has(zone_hints) || node_hints_read && has(node_hints)) {
            return HintUse::None;
        }
        HintUse::Ignored(if !zone_hints_count {
            HintsIgnored::SwitchedOff
        } else if !all_have(zone_hints) {
            HintsIgnored::EndpointWithoutHint
        } else if self.zone_for_hints().is_none() || self.zone.is_none() {
            HintsIgnored::NodeWithoutZone
        } else {
            HintsIgnored::NoneForHere
        })
    }

    /// The zone that hints are compared with: from 1.33 on, a node without one is in the zone "".
    fn zone_for_hints(&self) -> Option<&str> {
        let empty_matches = self.rules.empty_zone_matches;
        match self.zone {
            Some(zone) if !zone.is_empty() || empty_matches => Some(zone),
            None if empty_matches => Some(""),
            _ => None,
        }
    }

    fn hinted_for_zone(&self, endpoint: &Endpoint) -> bool {
        let zone = self.zone_for_hints();
        endpoint.hints.as_ref().is_some_and(|hints| hints.zones.iter().any(|z| Some(z.as_str()) == zone))
    }
}

fn hinted_for_node(endpoint: &Endpoint, node_name: &str) -> bool {
    endpoint.hints.as_ref().is_some_and(|hints| hints.nodes.iter().any(|n| n == node_name))
}

fn zone_hints(endpoint: &Endpoint) -> usize {
    endpoint.hints.as_ref().map_or(0, |hints| hints.zones.len())
}

fn node_hints(endpoint: &Endpoint) -> usize {
    endpoint.hints.as_ref().map_or(0, |hints| hints.nodes.len())
}

/// If none is ready: those that are terminating but still serve, whatever their hints.
fn fallback<'c>(candidates: impl Iterator<Item = &'c Endpoint>, hints: HintUse) -> Chosen<'c> {
    let taken: Vec<&Endpoint> = candidates.filter(|e| e.is_usable()).collect();
    let basis = if taken.is_empty() { Basis::Nothing } else { Basis::Terminating };
    let hinted = taken.iter().any(|e| zone_hints(e) + node_hints(e) > 0);
    let hints = if hinted { HintUse::Ignored(HintsIgnored::FallbackToTerminating) } else { hints };
    Chosen { endpoints: taken, choice: Choice { basis, hints } }
}

/// The union, sorted by text. kube-proxy's order is random if neither contains the other.
fn union<'c>(a: &[&'c Endpoint], b: &[&'c Endpoint]) -> Vec<&'c Endpoint> {
    let mut all: Vec<&Endpoint> = a.iter().chain(b).copied().collect();
    all.sort_by(|x, y| x.text.cmp(&y.text));
    all.dedup_by(|x, y| x.text == y.text);
    all
}
