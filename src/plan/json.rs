//! The plan's decisions and the origins of rules as JSON, the same for both rule languages.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::origin::{FieldSource, Origin};
use super::{EndpointSet, External, Plan, Route, ServicePortPlan};
use crate::cluster::{Endpoint, TrafficPolicy};
use crate::diagnostic::Place;
use crate::input::{Position, Sources};

/// What made a rule: Service port, field, file and line.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RuleOrigin {
    /// Such as `shop/web:http`; none if it belongs to no Service.
    service_port: Option<String>,
    /// `tcp`, `udp` or `sctp`
    protocol: Option<&'static str>,
    /// Such as `spec.ports[0].nodePort`
    field: String,
    /// The file with the field.
    file: Option<String>,
    /// The line of the field, counted from 1.
    line: Option<u32>,
}

/// A Service port with what was decided for it and why.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServicePortDecisions<'p> {
    /// Such as `shop/web:http`
    service_port: String,
    /// `tcp`, `udp` or `sctp`
    protocol: &'static str,
    /// For traffic to the cluster IP.
    internal: RouteDecision,
    /// For traffic to node ports, load balancers and external IPs; none if the Service port has none of them.
    external: Option<RouteDecision>,
    /// Usable endpoints of the whole cluster, as address and port.
    cluster_endpoints: Vec<String>,
    /// Those of this node.
    local_endpoints: Vec<String>,
    /// Endpoints that are not used.
    left_out: Vec<UnusedEndpoint<'p>>,
}

/// Where traffic goes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RouteDecision {
    /// `Cluster` or `Local`
    policy: &'static str,
    /// `balance-cluster-endpoints`, `balance-local-endpoints`, `drop` or `reject`
    reach: &'static str,
    /// Codes of the reasons.
    reasons: Vec<&'static str>,
}

/// An endpoint that gets no traffic.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct UnusedEndpoint<'p> {
    /// Address and port.
    endpoint: &'p str,
    /// Code of the reason.
    reason: &'static str,
}

/// What made the rules of a ruleset, with each origin only once.
#[derive(Debug)]
pub struct Origins {
    told: HashMap<Origin, Option<RuleOrigin>>,
}

impl Origins {
    /// Finds the file and line of each origin; every object is read only once.
    pub fn new(plan: &Plan<'_>, sources: &Sources, origins: impl IntoIterator<Item = Origin>) -> Self {
        let mut by_object: BTreeMap<Option<Position>, Vec<(Origin, FieldSource)>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for origin in origins.into_iter().filter(|origin| seen.insert(*origin)) {
            let source = origin.source(plan);
            by_object.entry(source.position).or_default().push((origin, source));
        }
        let mut told = HashMap::new();
        for (position, fields) in by_object {
            let paths: Vec<&str> = fields.iter().map(|(_, source)| &*source.path).collect();
            let mut places =
                position.map_or_else(Vec::new, |at| sources.field_places(at, &paths)).into_iter();
            for (origin, source) in &fields {
                told.insert(*origin, origin_json(plan, origin, source, places.next().as_ref()));
            }
        }
        Origins { told }
    }

    /// Service port, field, file and line of what made a rule; none for rules that every node has.
    pub fn json(&self, origin: Option<Origin>) -> Option<&RuleOrigin> {
        self.told.get(&origin?)?.as_ref()
    }
}

fn origin_json(
    plan: &Plan<'_>,
    origin: &Origin,
    source: &FieldSource,
    place: Option<&Place>,
) -> Option<RuleOrigin> {
    let service_port = origin.service_port(plan).map(|p| &p.service_port.name);
    if service_port.is_none() && source.path.is_empty() {
        return None;
    }
    Some(RuleOrigin {
        service_port: service_port.map(ToString::to_string),
        protocol: service_port.map(|name| name.protocol().lower_name()),
        field: source.path.to_string(),
        file: place.map(|place| place.file.to_string()),
        line: place.and_then(|place| place.line),
    })
}

impl Plan<'_> {
    /// Every Service port with its decisions and their reasons.
    pub fn decisions(&self) -> Vec<ServicePortDecisions<'_>> {
        self.service_ports.iter().map(ServicePortPlan::decisions).collect()
    }
}

impl ServicePortPlan<'_> {
    fn decisions(&self) -> ServicePortDecisions<'_> {
        let name = &self.service_port.name;
        let port = self.service_port;
        let external = self.external.as_ref().map(External::client_route);
        ServicePortDecisions {
            service_port: name.to_string(),
            protocol: name.protocol().lower_name(),
            internal: self.route_decision(self.internal, port.internal_policy),
            external: external.map(|route| self.route_decision(route, port.external_policy)),
            cluster_endpoints: texts(self.endpoints(EndpointSet::Cluster)),
            local_endpoints: texts(self.endpoints(EndpointSet::Local)),
            left_out: self.unused_endpoints(),
        }
    }

    fn route_decision(&self, route: Route, policy: TrafficPolicy) -> RouteDecision {
        let policy = match policy {
            TrafficPolicy::Cluster => "Cluster",
            TrafficPolicy::Local => "Local",
        };
        let reach = match route {
            Route::Balance(EndpointSet::Cluster) => "balance-cluster-endpoints",
            Route::Balance(EndpointSet::Local) => "balance-local-endpoints",
            Route::DropNoLocalEndpoints => "drop",
            Route::RejectNoEndpoints => "reject",
        };
        let reasons = self.route_reasons(route).iter().map(|r| r.code()).collect();
        RouteDecision { policy, reach, reasons }
    }

    fn unused_endpoints(&self) -> Vec<UnusedEndpoint<'_>> {
        let unused = self.left_out().into_iter();
        unused
            .map(|(endpoint, why)| UnusedEndpoint { endpoint: &endpoint.text, reason: why.code() })
            .collect()
    }
}

fn texts(endpoints: &[&Endpoint]) -> Vec<String> {
    endpoints.iter().map(|e| e.text.to_string()).collect()
}
