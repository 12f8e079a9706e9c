//! The plan's decisions and the origins of rules as JSON, the same for both rule languages.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use super::origin::{FieldSource, Origin};
use super::{EndpointSet, External, Plan, Route, ServicePortPlan};
use crate::cluster::{Endpoint, TrafficPolicy};
use crate::diagnostic::Place;
use crate::input::{Position, Sources};

/// What made the rules of a ruleset, told once for all of them.
#[derive(Debug)]
pub struct Origins {
    told: HashMap<Origin, Value>,
}

impl Origins {
    /// Finds the file and line of each origin; every object is read once.
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

    /// Service port, field, file and line of what made a rule; null for rules that every node has.
    pub fn json(&self, origin: Option<Origin>) -> Value {
        origin.and_then(|origin| self.told.get(&origin).cloned()).unwrap_or(Value::Null)
    }
}

fn origin_json(plan: &Plan<'_>, origin: &Origin, source: &FieldSource, place: Option<&Place>) -> Value {
    let service_port = origin.service_port(plan).map(|p| &p.service_port.name);
    if service_port.is_none() && source.path.is_empty() {
        return Value::Null;
    }
    json!({
        "servicePort": service_port.map(ToString::to_string),
        "protocol": service_port.map(|name| name.protocol().lower_name()),
        "field": source.path,
        "file": place.map(|place| &*place.file),
        "line": place.and_then(|place| place.line),
    })
}

impl Plan<'_> {
    /// Every Service port with its decisions and their reasons.
    pub fn service_ports_json(&self) -> Value {
        self.service_ports.iter().map(ServicePortPlan::json).collect()
    }
}

impl ServicePortPlan<'_> {
    fn json(&self) -> Value {
        let name = &self.service_port.name;
        let port = self.service_port;
        let external = self.external.as_ref().map(External::client_route);
        json!({
            "servicePort": name.to_string(),
            "protocol": name.protocol().lower_name(),
            "internal": self.route_json(self.internal, port.internal_policy),
            "external": external.map(|route| self.route_json(route, port.external_policy)),
            "clusterEndpoints": texts(self.endpoints(EndpointSet::Cluster)),
            "localEndpoints": texts(self.endpoints(EndpointSet::Local)),
            "leftOut": self.left_out_json(),
        })
    }

    fn route_json(&self, route: Route, policy: TrafficPolicy) -> Value {
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
        let reasons: Vec<&str> = self.route_reasons(route).iter().map(|r| r.code()).collect();
        json!({ "policy": policy, "reach": reach, "reasons": reasons })
    }

    fn left_out_json(&self) -> Value {
        let entry = |(endpoint, why): (&Endpoint, super::reasons::LeftOut)| json!({ "endpoint": endpoint.text, "reason": why.code() });
        self.left_out().into_iter().map(entry).collect()
    }
}

fn texts(endpoints: &[&Endpoint]) -> Vec<String> {
    endpoints.iter().map(|e| e.text.to_string()).collect()
}
