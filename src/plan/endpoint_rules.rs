//! The rules for choosing endpoints that differ between releases, and which of them is the reason why two plans send
//! the traffic of one Service port to different endpoints.

use std::net::SocketAddr;

use super::{EndpointSet, Plan, Route, ServicePortPlan};
use crate::cluster::{Endpoint, ServicePort};
use crate::settings::{Settings, release::DuplicateEndpoint};

/// The rules by which a release, with its feature gates, chooses endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointRules {
    /// When zone hints count.
    pub(super) zone_hints: ZoneHints,
    /// Node hints count.
    pub(super) node_hints: bool,
    /// A node without a zone can match a hint for the zone named "".
    pub(super) empty_zone_matches: bool,
    /// Which of two endpoints with the same address and port is kept.
    pub(super) duplicates: DuplicateEndpoint,
    /// Slices with the label of another proxy are ignored.
    pub(super) proxy_name_label_hides_slice: bool,
}

/// When zone hints count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ZoneHints {
    Never,
    WhereAnAnnotationAsks,
    Always,
}

/// A rule that can make the endpoints of a Service port differ between releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointRule {
    /// Slices with the label of another proxy are ignored (to 1.35).
    SlicesOfOtherProxies,
    /// Which of two endpoints with the same address and port is kept (another one from 1.36 on).
    Duplicates,
    /// Zone hints need an annotation (to 1.30).
    ZoneHints,
    /// Node hints count (from 1.34 on).
    NodeHints,
    /// A node without a zone can match a hint for the zone named "" (from 1.33 on).
    EmptyZone,
}

impl EndpointRule {
    const ALL: [EndpointRule; 5] = [
        EndpointRule::SlicesOfOtherProxies,
        EndpointRule::Duplicates,
        EndpointRule::ZoneHints,
        EndpointRule::NodeHints,
        EndpointRule::EmptyZone,
    ];
}

impl EndpointRules {
    pub(super) fn new(settings: &Settings) -> EndpointRules {
        let (gates, model) = (&settings.gates, settings.release.model);
        EndpointRules {
            zone_hints: match (gates.topology_aware_hints, gates.service_traffic_distribution) {
                (false, _) => ZoneHints::Never,
                (true, false) => ZoneHints::WhereAnAnnotationAsks,
                (true, true) => ZoneHints::Always,
            },
            node_hints: gates.prefer_same_traffic_distribution,
            empty_zone_matches: model.empty_zone_matches_hint,
            duplicates: model.duplicate_endpoint,
            proxy_name_label_hides_slice: model.proxy_name_label_hides_slice,
        }
    }

    pub(super) fn zone_hints_count(self, port: &ServicePort) -> bool {
        match self.zone_hints {
            ZoneHints::Never => false,
            ZoneHints::WhereAnAnnotationAsks => port.asks_for_zone_hints,
            ZoneHints::Always => true,
        }
    }

    pub(super) fn hides(self, endpoint: &Endpoint) -> bool {
        self.proxy_name_label_hides_slice && endpoint.has_proxy_name_label
    }

    /// The same with one rule taken from others; none if they agree in it.
    fn with(self, rule: EndpointRule, other: EndpointRules) -> Option<EndpointRules> {
        let mixed = match rule {
            EndpointRule::SlicesOfOtherProxies => {
                EndpointRules { proxy_name_label_hides_slice: other.proxy_name_label_hides_slice, ..self }
            }
            EndpointRule::Duplicates => EndpointRules { duplicates: other.duplicates, ..self },
            EndpointRule::ZoneHints => EndpointRules { zone_hints: other.zone_hints, ..self },
            EndpointRule::NodeHints => EndpointRules { node_hints: other.node_hints, ..self },
            EndpointRule::EmptyZone => EndpointRules { empty_zone_matches: other.empty_zone_matches, ..self },
        };
        (mixed != self).then_some(mixed)
    }
}

/// Where a plan sends the traffic of a Service port, and whether clients come back there.
#[derive(Debug, PartialEq, Eq)]
struct Destinations {
    internal: Route,
    external: Option<Route>,
    cluster: Vec<SocketAddr>,
    local: Vec<SocketAddr>,
    affinity_seconds: Option<u32>,
}

impl Destinations {
    fn new(port: &ServicePortPlan<'_>) -> Destinations {
        let addresses = |set| {
            let endpoints = port.endpoints(set).iter();
            let mut all: Vec<_> = endpoints.map(|e| SocketAddr::new(e.ip, e.port.get())).collect();
            all.sort_unstable();
            all
        };
        Destinations {
            internal: port.internal(),
            external: port.external().map(super::External::client_route),
            cluster: addresses(EndpointSet::Cluster),
            local: addresses(EndpointSet::Local),
            affinity_seconds: port.service_port().affinity_seconds,
        }
    }
}

impl Plan<'_> {
    /// Whether both choose endpoints by the same rules.
    pub fn chooses_endpoints_like(&self, other: &Plan<'_>) -> bool {
        self.own.rules == other.own.rules
    }
}

/// A plan and one of its Service ports.
pub type PlannedPort<'a> = (&'a Plan<'a>, &'a ServicePortPlan<'a>);

/// The rule that makes two plans of a node send the traffic of a Service port to different endpoints: planned by the
/// other side's rules, the objects of one side give what the other side has. None if the endpoints are the same, or if
/// the objects contribute to the difference.
pub fn rule_that_differs(old: PlannedPort<'_>, new: PlannedPort<'_>) -> Option<EndpointRule> {
    // The side that ignores no slice knows the endpoints of both.
    let (known, other) = if new.0.own.rules.proxy_name_label_hides_slice { (old, new) } else { (new, old) };
    let (rules, others) = (known.0.own.rules, other.0.own.rules);
    if known.0.chooses_endpoints_like(other.0) {
        return None;
    }
    let is = Destinations::new(known.1);
    let by = |rules| Destinations::new(&known.0.planned_by(known.1.service_port(), rules));
    let of_other = Destinations::new(other.1);
    if is == of_other || by(others) != of_other {
        return None;
    }
    let differing =
        || EndpointRule::ALL.into_iter().filter_map(|rule| Some((rule, rules.with(rule, others)?)));
    let alone = differing().find(|(_, mixed)| by(*mixed) != is);
    alone.or_else(|| differing().next()).map(|(rule, _)| rule)
}
