//! Balancing over endpoints, and the chains of the endpoints.

use std::net::SocketAddr;

use super::super::chain_name::{EndpointNames, ServiceChains};
use super::super::ruleset::{self, Addresses, Chain, DataType, PlacedRule, Set, Statement, Verdict};
use super::build::{
    chain, destination, goto, masqueraded_cluster_ip_traffic, rule, set_masquerade_mark, source,
};
use crate::cluster::Endpoint;
use crate::net::Cidr;
use crate::plan::origin::{Field, Origin};
use crate::plan::{Plan, ServicePortPlan};
use crate::settings::release::ClusterIpMasquerade;

/// How one Service port's traffic gets to its endpoints.
pub(super) struct Forwarding<'p> {
    plan: &'p Plan<'p>,
    index: u32,
    service_port: &'p ServicePortPlan<'p>,
    /// Chain and affinity set of each reachable endpoint; empty if there are no endpoint chains.
    endpoint_names: Vec<EndpointNames>,
}

impl<'p> Forwarding<'p> {
    pub(super) fn new(
        plan: &'p Plan<'p>,
        index: u32,
        service_port: &'p ServicePortPlan<'p>,
        names: &ServiceChains,
    ) -> Self {
        let has_affinity = service_port.service_port().affinity_seconds.is_some();
        let endpoint_names = if has_affinity || !plan.release().nftables.direct_dnat {
            let reachable = service_port.reachable_endpoints().iter();
            reachable.map(|endpoint| names.endpoint(endpoint)).collect()
        } else {
            Vec::new()
        };
        Forwarding { plan, index, service_port, endpoint_names }
    }

    fn rule(&self, statements: Vec<Statement>, field: Field) -> PlacedRule {
        let origin = Origin { service_port: Some(self.index), field };
        rule(statements, None, origin)
    }

    /// Marks traffic to the cluster IP from outside, if each Service port has a rule for it.
    pub(super) fn cluster_ip_masquerade(&self) -> Option<PlacedRule> {
        let service_port = self.service_port.service_port();
        let to = Addresses::One(Cidr::host(service_port.cluster_ip));
        let mut statements = vec![destination(self.plan.family(), false, to)];
        match self.plan.release().nftables.cluster_ip_masquerade {
            ClusterIpMasquerade::BySet => return None,
            ClusterIpMasquerade::PerAddress => {}
            ClusterIpMasquerade::PerPort => {
                let protocol = service_port.name.protocol();
                statements.push(Statement::DestinationPort(protocol, service_port.port));
            }
        }
        let (matches, field) = masqueraded_cluster_ip_traffic(self.plan)?;
        statements.extend(matches);
        statements.push(set_masquerade_mark(self.plan));
        Some(self.rule(statements, field))
    }

    /// The end of a chain that balances over endpoints, which must be reachable ones.
    pub(super) fn balancing_rules(&self, endpoints: &[&Endpoint]) -> Vec<PlacedRule> {
        if self.endpoint_names.is_empty() {
            let statements = vec![self.protocol(), self.balanced_dnat(endpoints)];
            return vec![self.rule(statements, Field::ClusterIp)];
        }
        let named: Vec<_> = endpoints.iter().filter_map(|e| self.names_of(e)).collect();
        let mut rules = Vec::new();
        if self.service_port.service_port().affinity_seconds.is_some() {
            rules.extend(named.iter().map(|(i, names)| self.stay_with(*i, names)));
        }
        rules.push(self.rule(vec![random_endpoint_chain(&named)], Field::ClusterIp));
        rules
    }

    fn names_of(&self, endpoint: &Endpoint) -> Option<(u32, &EndpointNames)> {
        let reachable = self.service_port.reachable_endpoints();
        let index = reachable.binary_search_by(|e| e.text.cmp(&endpoint.text)).ok()?;
        Some((u32::try_from(index).ok()?, self.endpoint_names.get(index)?))
    }

    /// Sends a client back to its previous endpoint.
    fn stay_with(&self, index: u32, names: &EndpointNames) -> PlacedRule {
        let had_it = Addresses::Named(names.affinity_set.clone());
        let client = source(self.plan.family(), false, had_it);
        self.rule(vec![client, goto(names.chain.clone())], Field::SessionAffinity(index))
    }

    fn balanced_dnat(&self, endpoints: &[&Endpoint]) -> Statement {
        match endpoints {
            [only] if self.plan.release().nftables.single_endpoint_dnat => Statement::Dnat(target(only)),
            several => self.random_dnat(several),
        }
    }

    fn random_dnat(&self, endpoints: &[&Endpoint]) -> Statement {
        let destinations: Vec<_> = (0u32..).zip(endpoints.iter().map(|e| target(e))).collect();
        Statement::RandomDnat { family: self.plan.family(), modulus: count(&destinations), destinations }
    }

    fn protocol(&self) -> Statement {
        Statement::L4Protocol(self.service_port.service_port().name.protocol())
    }

    /// One for each reachable endpoint, if the release or the affinity needs them.
    pub(super) fn endpoint_chains(&self) -> Vec<Chain> {
        (0u32..)
            .zip(&self.endpoint_names)
            .zip(self.service_port.reachable_endpoints())
            .map(|((i, names), endpoint)| self.endpoint_chain(i, names, endpoint))
            .collect()
    }

    fn endpoint_chain(&self, index: u32, names: &EndpointNames, endpoint: &Endpoint) -> Chain {
        let field = Field::Endpoint(index);
        let mut rules = Vec::new();
        if !self.plan.release().nftables.direct_dnat {
            let itself = Addresses::One(Cidr::host(endpoint.ip));
            let from_itself = source(self.plan.family(), false, itself);
            rules.push(self.rule(vec![from_itself, set_masquerade_mark(self.plan)], field));
        }
        if self.service_port.service_port().affinity_seconds.is_some() {
            let remember = Statement::UpdateSet {
                set: names.affinity_set.clone(),
                field: ruleset::Field::SourceAddress(self.plan.family()),
            };
            rules.push(self.rule(vec![remember], Field::SessionAffinity(index)));
        }
        rules.push(self.rule(vec![self.protocol(), Statement::Dnat(target(endpoint))], field));
        chain(names.chain.clone(), rules)
    }

    /// One for each reachable endpoint, if clients stay with theirs.
    pub(super) fn affinity_sets(&self) -> Vec<Set> {
        let Some(seconds) = self.service_port.service_port().affinity_seconds else {
            return Vec::new();
        };
        let names = self.endpoint_names.iter();
        names.map(|names| affinity_set(self.plan, names, seconds)).collect()
    }
}

fn random_endpoint_chain(endpoints: &[(u32, &EndpointNames)]) -> Statement {
    let chains = endpoints.iter().map(|(_, names)| Verdict::Goto(names.chain.clone()));
    let verdicts: Vec<_> = (0u32..).zip(chains).collect();
    Statement::RandomVerdict { modulus: count(&verdicts), verdicts }
}

fn affinity_set(plan: &Plan<'_>, names: &EndpointNames, seconds: u32) -> Set {
    Set {
        name: names.affinity_set.clone(),
        key: vec![DataType::from(plan.family())],
        maps_to: None,
        size: Some(65535), // the kernel's limit for a set that rules fill; kube-proxy gives no size
        flags: vec!["dynamic".into(), "timeout".into()],
        timeout_seconds: Some(seconds),
        comment: None,
        opaque: Vec::new(),
        elements: Vec::new(),
    }
}

fn target(endpoint: &Endpoint) -> SocketAddr {
    SocketAddr::new(endpoint.ip, endpoint.port.get())
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
