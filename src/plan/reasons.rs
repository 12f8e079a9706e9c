//! The plan's decisions as codes and words, so that every output says the same thing in the same words.

use std::collections::BTreeMap;
use std::fmt;

use super::{Basis, Choice, EndpointSet, External, HintUse, HintsIgnored, Route, ServicePortPlan};
use crate::cluster::Endpoint;

/// Why a decision of the plan is as it is. Codes are stable; words are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The policy is Cluster.
    ClusterPolicy,
    /// The policy is Local.
    LocalPolicy,
    /// No EndpointSlice has an endpoint for this port name and protocol.
    NoEndpoints,
    /// There are endpoints, but none is ready, or still serving while it is terminating.
    NoReadyEndpoints,
    /// The policy is Local, and no usable endpoint is on this node.
    NoLocalEndpoints,
    /// Ready endpoints are taken.
    ReadyEndpoints,
    /// None is ready; those that are terminating but still serve are used.
    TerminatingEndpoints,
    /// Endpoints hinted for this node are used.
    NodeHints,
    /// Endpoints hinted for this node's zone are used.
    ZoneHints,
    /// There are hints, but they are not used.
    HintsIgnored(HintsIgnored),
}

impl Reason {
    /// The code, in kebab case.
    pub fn code(self) -> &'static str {
        match self {
            Reason::ClusterPolicy => "cluster-policy",
            Reason::LocalPolicy => "local-policy",
            Reason::NoEndpoints => "no-endpoints",
            Reason::NoReadyEndpoints => "no-ready-endpoints",
            Reason::NoLocalEndpoints => "no-local-endpoints",
            Reason::ReadyEndpoints => "ready-endpoints",
            Reason::TerminatingEndpoints => "terminating-endpoints",
            Reason::NodeHints => "node-hints",
            Reason::ZoneHints => "zone-hints",
            Reason::HintsIgnored(HintsIgnored::SwitchedOff) => "hints-switched-off",
            Reason::HintsIgnored(HintsIgnored::EndpointWithoutHint) => "hints-ignored-endpoint-without-hint",
            Reason::HintsIgnored(HintsIgnored::NodeWithoutZone) => "hints-ignored-node-without-zone",
            Reason::HintsIgnored(HintsIgnored::NoneForHere) => "hints-ignored-none-for-here",
            Reason::HintsIgnored(HintsIgnored::FallbackToTerminating) => "hints-ignored-terminating",
        }
    }

    /// Whether it is about topology hints.
    pub fn is_about_hints(self) -> bool {
        matches!(self, Reason::NodeHints | Reason::ZoneHints | Reason::HintsIgnored(_))
    }

    /// One clause for people, without a full stop.
    pub fn words(self) -> &'static str {
        match self {
            Reason::ClusterPolicy => "the traffic policy is Cluster: endpoints on every node count",
            Reason::LocalPolicy => "the traffic policy is Local: only endpoints on this node count",
            Reason::NoEndpoints => "no EndpointSlice has an endpoint for this port's name and protocol",
            Reason::NoReadyEndpoints => "no endpoint is ready, nor serving while it terminates",
            Reason::NoLocalEndpoints => "the traffic policy is Local and no usable endpoint is on this node",
            Reason::ReadyEndpoints => "endpoints that are ready are used",
            Reason::TerminatingEndpoints => {
                "no endpoint is ready; those that terminate but still serve are used"
            }
            Reason::NodeHints => "topology hints: only endpoints hinted for this node are used",
            Reason::ZoneHints => "topology hints: only endpoints hinted for this node's zone are used",
            Reason::HintsIgnored(why) => match why {
                HintsIgnored::SwitchedOff => {
                    "topology hints are there, but this release or an annotation switches them off"
                }
                HintsIgnored::EndpointWithoutHint => "topology hints are ignored: a ready endpoint has none",
                HintsIgnored::NodeWithoutZone => "topology hints are ignored: the node has no zone label",
                HintsIgnored::NoneForHere => {
                    "topology hints are ignored: no ready endpoint is hinted for this node's zone"
                }
                HintsIgnored::FallbackToTerminating => {
                    "topology hints do not count for terminating endpoints"
                }
            },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl ServicePortPlan<'_> {
    /// Why traffic to the cluster IP goes where it goes.
    pub fn internal_reasons(&self) -> Vec<Reason> {
        self.route_reasons(self.internal)
    }

    /// Why traffic from outside to node port, external and load-balancer IPs goes where it goes; none if the Service
    /// port has none of these.
    pub fn external_reasons(&self) -> Vec<Reason> {
        let route = self.external.as_ref().map(External::client_route);
        route.map(|route| self.route_reasons(route)).unwrap_or_default()
    }

    pub(super) fn route_reasons(&self, route: Route) -> Vec<Reason> {
        match route {
            Route::RejectNoEndpoints if self.service_port.endpoints.is_empty() => vec![Reason::NoEndpoints],
            Route::RejectNoEndpoints => vec![Reason::NoReadyEndpoints],
            Route::DropNoLocalEndpoints => vec![Reason::NoLocalEndpoints],
            Route::Balance(set) => {
                let policy = match set {
                    EndpointSet::Cluster => Reason::ClusterPolicy,
                    EndpointSet::Local => Reason::LocalPolicy,
                };
                std::iter::once(policy).chain(self.choice(set).reasons()).collect()
            }
        }
    }
}

impl Choice {
    /// The reasons for the set's endpoints, with the more specific ones last.
    pub fn reasons(self) -> Vec<Reason> {
        let basis = match self.basis {
            Basis::Unused => None,
            Basis::Ready => Some(Reason::ReadyEndpoints),
            Basis::Terminating => Some(Reason::TerminatingEndpoints),
            Basis::Nothing => Some(Reason::NoReadyEndpoints),
        };
        let hints = match self.hints {
            HintUse::None => None,
            HintUse::SameNode => Some(Reason::NodeHints),
            HintUse::SameZone => Some(Reason::ZoneHints),
            HintUse::Ignored(why) => Some(Reason::HintsIgnored(why)),
        };
        basis.into_iter().chain(hints).collect()
    }
}

/// Why an endpoint of a Service port is not used for some traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeftOut {
    /// `ready: false`, and not terminating.
    NotReady,
    /// It is terminating, and others are ready.
    Terminating,
    /// It is terminating and no longer serves.
    NotServing,
    /// It is hinted for other zones or nodes.
    HintedElsewhere,
    /// It is on another node, and the policy is Local.
    OtherNode,
    /// Another entry with the same address and port is used.
    Duplicate,
}

impl LeftOut {
    /// The code, in kebab case.
    pub fn code(self) -> &'static str {
        match self {
            LeftOut::NotReady => "not-ready",
            LeftOut::Terminating => "terminating",
            LeftOut::NotServing => "not-serving",
            LeftOut::HintedElsewhere => "hinted-elsewhere",
            LeftOut::OtherNode => "other-node",
            LeftOut::Duplicate => "duplicate",
        }
    }

    /// One clause for people, without a full stop.
    pub fn words(self) -> &'static str {
        match self {
            LeftOut::NotReady => "it is not ready",
            LeftOut::Terminating => "it is terminating and others are ready",
            LeftOut::NotServing => "it is terminating and no longer serves",
            LeftOut::HintedElsewhere => "it is hinted for another zone or node",
            LeftOut::OtherNode => "it is on another node and the policy is Local",
            LeftOut::Duplicate => "another entry has the same address and port",
        }
    }
}

impl ServicePortPlan<'_> {
    /// The endpoints that traffic on this node cannot reach, and why: those that are not among the cluster endpoints
    /// or, if all traffic is for local ones, not among the local endpoints.
    pub fn left_out(&self) -> Vec<(&Endpoint, LeftOut)> {
        let set = match self.cluster.choice.basis {
            Basis::Unused => EndpointSet::Local,
            Basis::Ready | Basis::Terminating | Basis::Nothing => EndpointSet::Cluster,
        };
        let mut taken: BTreeMap<&str, &Endpoint> = BTreeMap::new();
        for endpoint in self.endpoints(set) {
            taken.entry(&endpoint.text).or_insert(endpoint);
        }
        let all = &self.service_port.endpoints;
        all.iter()
            .filter_map(|endpoint| Some((endpoint, self.why_left_out(endpoint, set, &taken)?)))
            .collect()
    }

    fn why_left_out(
        &self,
        endpoint: &Endpoint,
        set: EndpointSet,
        taken: &BTreeMap<&str, &Endpoint>,
    ) -> Option<LeftOut> {
        match taken.get(&*endpoint.text) {
            Some(same) if std::ptr::eq(*same, endpoint) => return None,
            Some(_) => return Some(LeftOut::Duplicate),
            None => {}
        }
        Some(match endpoint {
            Endpoint { ready: true, .. } if set == EndpointSet::Local => LeftOut::OtherNode,
            Endpoint { ready: true, .. } => LeftOut::HintedElsewhere,
            Endpoint { terminating: true, serving: true, .. } if self.choice(set).basis == Basis::Ready => {
                LeftOut::Terminating
            }
            Endpoint { terminating: true, serving: true, .. } => LeftOut::OtherNode,
            Endpoint { terminating: true, .. } => LeftOut::NotServing,
            _ => LeftOut::NotReady,
        })
    }
}
