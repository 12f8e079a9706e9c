//! What one Service port adds: elements, affinity sets, chains.

use std::net::IpAddr;

use compact_str::CompactString;

use super::super::chain_name::ServiceChains;
use super::super::interval;
use super::super::loadable::LONGEST_COMMENT;
use super::super::ruleset::{Chain, Datum, FibEnd, PlacedRule, Set, Statement, Verdict};
use super::build::{chain, from_local_pod, goto, rule, set_masquerade_mark, source};
use super::elements::{address_key, node_port_key};
use super::fixed_sets::FixedSets;
use super::forward::Forwarding;
use super::{loopback, name};
use crate::net::Cidr;
use crate::plan::origin::{Field, Origin};
use crate::plan::{
    EndpointSet, External, ExternalRoute, LocalRoute, Plan, Route, ServicePortPlan, SourceRanges,
};

/// Compiles one Service port.
pub(super) struct Compiler<'p, 'c> {
    plan: &'p Plan<'c>,
    index: u32,
    service_port: &'p ServicePortPlan<'c>,
    names: ServiceChains,
    forwarding: Forwarding<'p>,
}

/// What happens to traffic that no endpoint takes.
fn refusal(route: Route) -> Option<Verdict> {
    match route {
        Route::Balance(_) => None,
        Route::DropNoLocalEndpoints => Some(Verdict::Drop),
        Route::RejectNoEndpoints => Some(Verdict::Goto(name::REJECT_CHAIN.into())),
    }
}

/// `u32` is ample for a list in one API object.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl<'p, 'c> Compiler<'p, 'c> {
    pub(super) fn new(plan: &'p Plan<'c>, index: u32, service_port: &'p ServicePortPlan<'c>) -> Self {
        let names = ServiceChains::new(&service_port.service_port().name);
        let forwarding = Forwarding::new(plan, index, service_port, &names);
        Compiler { plan, index, service_port, names, forwarding }
    }

    fn origin(&self, field: Field) -> Origin {
        Origin { service_port: Some(self.index), field }
    }

    fn rule(&self, statements: Vec<Statement>, comment: Option<&str>, field: Field) -> PlacedRule {
        rule(statements, comment, self.origin(field))
    }

    /// The chain that balances over a set of endpoints.
    fn balancing_chain(&self, set: EndpointSet) -> CompactString {
        match set {
            EndpointSet::Cluster => self.names.service(),
            EndpointSet::Local => self.names.local(),
        }
    }

    pub(super) fn affinity_sets(&self) -> Vec<Set> {
        self.forwarding.affinity_sets()
    }

    /// In the order in which kube-proxy makes them.
    pub(super) fn chains(&self) -> Vec<Chain> {
        let mut chains = self.forwarding.endpoint_chains();
        chains.extend(self.balancing(EndpointSet::Cluster));
        chains.extend(self.balancing(EndpointSet::Local));
        if let Some(external) = self.service_port.external() {
            let rules = self.external_rules(external);
            chains.extend(rules.map(|rules| chain(self.names.external(), rules)));
            let ranges = external.source_ranges();
            chains
                .extend(ranges.map(|ranges| chain(self.names.firewall(), vec![self.firewall_rule(ranges)])));
        }
        chains
    }

    fn balancing(&self, set: EndpointSet) -> Option<Chain> {
        let endpoints = self.service_port.endpoints(set);
        if endpoints.is_empty() {
            return None;
        }
        let mut rules = Vec::new();
        if self.service_port.internal() == Route::Balance(set) {
            rules.extend(self.forwarding.cluster_ip_masquerade());
        }
        rules.extend(self.forwarding.balancing_rules(endpoints));
        Some(chain(self.balancing_chain(set), rules))
    }

    fn external_rules(&self, external: &External<'_>) -> Option<Vec<PlacedRule>> {
        match external.route() {
            ExternalRoute::RejectNoEndpoints => None,
            ExternalRoute::Masquerade => Some(self.masqueraded_rules()),
            ExternalRoute::ShortCircuit(others) => Some(self.short_circuit_rules(others)),
        }
    }

    fn masqueraded_rules(&self) -> Vec<PlacedRule> {
        let comment = self.plan.release().nftables.direct_dnat.then_some("masquerade");
        let field = Field::ExternalTrafficPolicy;
        vec![
            self.rule(vec![set_masquerade_mark(self.plan)], comment, field),
            self.rule(vec![goto(self.names.service())], None, field),
        ]
    }

    /// Pods and the node itself may use endpoints on any node; all others only local ones, without masquerading.
    fn short_circuit_rules(&self, others: LocalRoute) -> Vec<PlacedRule> {
        let field = Field::ExternalTrafficPolicy;
        let from_node = Statement::FibLocal(FibEnd::Source);
        let mut rules = Vec::new();
        if let Some(from_pod) = from_local_pod(self.plan) {
            let statements = vec![from_pod, goto(self.names.service())];
            rules.push(self.rule(statements, Some("short-circuit pod traffic"), field));
        }
        rules.push(self.rule(
            vec![from_node.clone(), set_masquerade_mark(self.plan)],
            Some("masquerade local traffic"),
            field,
        ));
        rules.push(self.rule(
            vec![from_node, goto(self.names.service())],
            Some("short-circuit local traffic"),
            field,
        ));
        if others == LocalRoute::Balance {
            rules.push(self.rule(vec![goto(self.names.local())], None, field));
        }
        rules
    }

    fn firewall_rule(&self, ranges: SourceRanges<'_>) -> PlacedRule {
        let mut allowed: Vec<Cidr> = ranges.ranges().iter().map(|r| r.value).collect();
        allowed.extend(ranges.load_balancer_ips_as_sources().iter().map(|ip| Cidr::host(ip.value)));
        let first = ranges.ranges().first().map_or(0, |r| r.index);
        let from_elsewhere = source(self.plan.family(), true, interval::anonymous(allowed));
        self.rule(
            vec![from_elsewhere, Statement::Verdict(Verdict::Drop)],
            None,
            Field::SourceRange(narrow(first)),
        )
    }

    pub(super) fn add_elements(&self, sets: &mut FixedSets) {
        self.add_hairpin(sets);
        self.add_cluster_ip(sets);
        if let Some(external) = self.service_port.external() {
            self.add_external_ips(external, sets);
            self.add_load_balancer_ips(external, sets);
            self.add_node_port(external, sets);
        }
    }

    fn add_hairpin(&self, sets: &mut FixedSets) {
        let Some(hairpin) = &mut sets.hairpin else { return };
        let protocol = self.service_port.service_port().name.protocol();
        for (i, endpoint) in (0u32..).zip(self.service_port.reachable_endpoints()) {
            if endpoint.node_name.as_ref() != Some(self.plan.node_name()) {
                continue;
            }
            let mut key = vec![Datum::Address(endpoint.ip)];
            key.extend(address_key(endpoint.ip, protocol, endpoint.port));
            hairpin.add(key, self.origin(Field::Endpoint(i)));
        }
    }

    fn add_cluster_ip(&self, sets: &mut FixedSets) {
        let ip = self.service_port.service_port().cluster_ip;
        let origin = self.origin(Field::ClusterIp);
        sets.cluster_ips.add(vec![Datum::Address(ip)], origin);
        let key = self.key(ip);
        match self.service_port.internal() {
            Route::Balance(set) => {
                let to = Verdict::Goto(self.balancing_chain(set));
                sets.service_ips.map(key, to, None, origin);
            }
            route => self.refuse(sets, ip, route, origin),
        }
    }

    fn add_external_ips(&self, external: &External<'_>, sets: &mut FixedSets) {
        for ip in external.external_ips() {
            let origin = self.origin(Field::ExternalIp(narrow(ip.index)));
            self.add_external(external, sets, ip.value, origin);
        }
    }

    fn add_load_balancer_ips(&self, external: &External<'_>, sets: &mut FixedSets) {
        let comment = self.plan.release().nftables.firewall_element_comments.then(|| self.element_comment());
        for ip in external.load_balancer_ips() {
            let origin = self.origin(Field::LoadBalancerIp(narrow(ip.index)));
            self.add_external(external, sets, ip.value, origin);
            if external.source_ranges().is_some() {
                let to = Verdict::Goto(self.names.firewall());
                sets.firewall_ips.map(self.key(ip.value), to, comment.clone(), origin);
            }
        }
    }

    fn add_external(&self, external: &External<'_>, sets: &mut FixedSets, ip: IpAddr, origin: Origin) {
        if external.is_forwarded() {
            let to = Verdict::Goto(self.names.external());
            sets.service_ips.map(self.key(ip), to, None, origin);
        }
        self.refuse(sets, ip, external.client_route(), origin);
    }

    fn refuse(&self, sets: &mut FixedSets, ip: IpAddr, route: Route, origin: Origin) {
        if let Some(verdict) = refusal(route) {
            sets.no_endpoint_services.map(self.key(ip), verdict, Some(self.element_comment()), origin);
        }
    }

    fn add_node_port(&self, external: &External<'_>, sets: &mut FixedSets) {
        let Some(port) = external.node_port() else {
            return;
        };
        let origin = self.origin(Field::NodePort);
        let protocol = self.service_port.service_port().name.protocol();
        let key = node_port_key(protocol, port);
        if let (Some(map), Some(to)) =
            (&mut sets.localhost_reject_ports, loopback::rejection(self.plan, protocol))
        {
            map.map(key.clone(), to, None, origin);
        }
        if external.is_forwarded() {
            let to = Verdict::Goto(self.names.external());
            sets.service_node_ports.map(key.clone(), to, None, origin);
        }
        if let Some(verdict) = refusal(external.client_route()) {
            sets.no_endpoint_node_ports.map(key, verdict, Some(self.element_comment()), origin);
        }
    }

    /// The name of the Service port, as the release writes it.
    fn element_comment(&self) -> CompactString {
        let name = self.service_port.service_port().name.to_string();
        match self.plan.release().nftables.comments_cut {
            // A name that kube-proxy accepts is ASCII, so its characters are its bytes.
            true => name.chars().take(LONGEST_COMMENT).collect(),
            false => name.into(),
        }
    }

    fn key(&self, ip: IpAddr) -> Vec<Datum> {
        let service_port = self.service_port.service_port();
        address_key(ip, service_port.name.protocol(), service_port.port)
    }
}
