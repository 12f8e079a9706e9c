//! A node with its compiled rules, in which Services are explained.

use std::collections::BTreeSet;

use super::build::Builder;
use super::{AssumedObject, Explanation, assumed};
use crate::assume::Assumed;
use crate::cluster::{Cluster, Node};
use crate::diagnostic::Inert;
use crate::input::Sources;
use crate::names::ServiceName;
use crate::node::NodeRules;
use crate::plan::{Plan, ServicePortPlan};
use crate::settings::Settings;
use crate::walk::{WalkError, Walker};

/// A node with what it must forward.
pub struct Scene<'c> {
    /// The cluster.
    pub cluster: &'c Cluster,
    /// The settings that the plans were made with.
    pub settings: &'c Settings,
    /// The input, for places.
    pub sources: &'c Sources,
    /// The node.
    pub node: &'c Node,
    /// Its rules, for each family.
    pub rules: &'c [NodeRules<'c>],
    /// What was assumed about the cluster.
    pub assumed: Option<&'c Assumed>,
}

impl<'c> Scene<'c> {
    fn plans(&self) -> impl Iterator<Item = &'c Plan<'c>> {
        self.rules.iter().filter_map(|rules| rules.plan.as_ref())
    }

    /// Every Service that has rules, sorted.
    pub fn services(&self) -> Vec<ServiceName> {
        let ports = self.plans().flat_map(|plan| plan.service_ports());
        let mut names: Vec<ServiceName> = ports.map(service_name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Explains one Service, or all of them.
    ///
    /// # Errors
    /// The compiled rules cannot be walked, which does not happen for rules of this crate.
    pub fn explain(&self, service: Option<&ServiceName>) -> Result<Vec<Explanation>, WalkError> {
        let builder = |rules: &'c NodeRules<'c>| {
            let (plan, host) = (rules.plan.as_ref()?, &rules.host);
            Some(Builder { mode: plan.mode(), sources: self.sources, plan, walker: Walker::of(rules), host })
        };
        let builders: Vec<Builder<'_>> = self.rules.iter().filter_map(builder).collect();
        let mut names = self.services();
        names.retain(|name| service.is_none_or(|wanted| wanted == name));
        names.into_iter().map(|name| self.explanation(name, &builders)).collect()
    }

    fn explanation(&self, service: ServiceName, builders: &[Builder<'_>]) -> Result<Explanation, WalkError> {
        let mut ports = Vec::new();
        let mut place = None;
        for builder in builders {
            for port in builder.plan.service_ports() {
                if service_name(port) == service {
                    place = place.or_else(|| self.sources.place(port.service_port().position));
                    ports.push(builder.port(port)?);
                }
            }
        }
        Ok(Explanation {
            assumed: self.assumed(&service),
            service: service.to_string(),
            variant: "",
            node: Inert(&self.node.name).to_string(),
            zone: self.node.zone.as_ref().map(|zone| Inert(zone).to_string()),
            mode: self.settings.mode.name(),
            release: self.settings.release.to_string(),
            place: place.map(|place| place.to_string()),
            ports,
        })
    }

    /// What was assumed about a Service and the endpoints behind it.
    fn assumed(&self, service: &ServiceName) -> Vec<AssumedObject> {
        let Some(assumed) = self.assumed else { return Vec::new() };
        let ports = self.plans().flat_map(|plan| plan.service_ports());
        let ports = ports.filter(|port| service_name(port) == *service);
        let endpoints = ports.flat_map(|port| &port.service_port().endpoints);
        let pods: BTreeSet<&str> = endpoints.filter_map(|endpoint| endpoint.pod.as_deref()).collect();
        assumed::by_object(assumed.behind((service.namespace(), service.name()), &pods, &self.node.name))
    }
}

fn service_name(port: &ServicePortPlan<'_>) -> ServiceName {
    port.service_port().name.service_name()
}
