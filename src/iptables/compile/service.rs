//! Rules of one Service port, in the order in which kube-proxy writes them.

use std::net::SocketAddr;

use compact_str::{CompactString, format_compact};

use super::sink::Sink;
use crate::cluster::Endpoint;
use crate::iptables::chains::{
    KUBE_EXTERNAL_SERVICES, KUBE_MARK_MASQ, KUBE_NODEPORTS, KUBE_PROXY_FIREWALL, KUBE_SERVICES, ServiceChains,
};
use crate::iptables::ruleset::TableName::{Filter, Nat};
use crate::iptables::ruleset::{ChainName, End, RecentAction, Rule, Target};
use crate::net::{Cidr, Port, Protocol};
use crate::plan::origin::{Field, Origin};
use crate::plan::{
    EndpointSet, External, ExternalRoute, LocalRoute, Plan, Route, ServicePortPlan, SourceRanges,
};

/// Writes the rules of the Service port at `index` of the plan.
pub(super) fn rules(plan: &Plan<'_>, index: usize, service_port: &ServicePortPlan<'_>, sink: &mut impl Sink) {
    let mut writer = Writer::new(plan, index, service_port, sink);
    let endpoints = service_port.reachable_endpoints().iter();
    writer.endpoint_chains = endpoints.map(|e| writer.chains.endpoint(&e.text)).collect();
    writer.shared_chains();
    writer.masquerade_cluster_ip();
    writer.external_chain();
    writer.balancing_chains();
    writer.endpoint_chains();
}

/// Writes only those rules of the Service port at `index` of the plan that are in chains of all Service ports, not its
/// own chains.
pub(super) fn shared_rules(
    plan: &Plan<'_>,
    index: usize,
    service_port: &ServicePortPlan<'_>,
    sink: &mut impl Sink,
) {
    Writer::new(plan, index, service_port, sink).shared_chains();
}

struct Writer<'a, 'c, S> {
    plan: &'a Plan<'c>,
    this: &'a ServicePortPlan<'c>,
    /// `namespace/name:port`
    name: CompactString,
    protocol: Protocol,
    index: u32,
    chains: ServiceChains,
    /// Chain of each of the plan's reachable endpoints.
    endpoint_chains: Vec<ChainName>,
    sink: &'a mut S,
}

impl<'a, 'c, S: Sink> Writer<'a, 'c, S> {
    fn new(plan: &'a Plan<'c>, index: usize, this: &'a ServicePortPlan<'c>, sink: &'a mut S) -> Self {
        let name = &this.service_port().name;
        Writer {
            plan,
            this,
            name: format_compact!("{name}"),
            protocol: name.protocol(),
            index: u32::try_from(index).unwrap_or(u32::MAX),
            chains: ServiceChains::new(name),
            endpoint_chains: Vec::new(),
            sink,
        }
    }

    fn shared_chains(&mut self) {
        self.cluster_ip();
        self.external();
        self.health_check();
    }

    fn nat(&mut self, chain: ChainName, rule: Rule, field: Field) {
        self.sink.rule(Nat, chain, rule, Origin { service_port: Some(self.index), field });
    }

    fn filter(&mut self, chain: ChainName, rule: Rule, field: Field) {
        self.sink.rule(Filter, chain, rule, Origin { service_port: Some(self.index), field });
    }

    /// A rule with the name, followed by `what`, as its comment.
    fn about(&self, what: &str) -> Rule {
        Rule::commented(joined(&[&self.name, what]))
    }

    fn port(&self) -> Port {
        self.this.service_port().port
    }

    fn chain_of(&self, set: EndpointSet) -> ChainName {
        match set {
            EndpointSet::Cluster => self.chains.cluster,
            EndpointSet::Local => self.chains.local,
        }
    }

    /// The rule for traffic that reaches no endpoint; none if it reaches one.
    fn refusal(&self, route: Route) -> Option<(Rule, Target)> {
        match route {
            Route::Balance(_) => None,
            Route::RejectNoEndpoints => Some((self.about(" has no endpoints"), Target::Reject)),
            Route::DropNoLocalEndpoints => Some((self.about(" has no local endpoints"), Target::Drop)),
        }
    }

    fn cluster_ip(&mut self) {
        let ip = self.this.service_port().cluster_ip;
        if let Route::Balance(set) = self.this.internal() {
            let chain = self.chain_of(set);
            let rule =
                self.about(" cluster IP").port(self.protocol, self.port()).destination_ip(ip).jump(chain);
            self.nat(KUBE_SERVICES, rule, Field::ClusterIp);
        } else if let Some((rule, target)) = self.refusal(self.this.internal()) {
            let rule = rule.port(self.protocol, self.port()).destination_ip(ip).then(target);
            self.filter(KUBE_SERVICES, rule, Field::ClusterIp);
        }
    }

    /// Node port, external and load-balancer IPs, in this order.
    fn external(&mut self) {
        let this = self.this;
        if let Some(external) = this.external() {
            self.external_ips(external);
            self.load_balancer_ips(external);
            self.node_port(external);
        }
    }

    fn external_ips(&mut self, external: &External<'_>) {
        for entry in external.external_ips() {
            let field = Field::ExternalIp(entry.index as u32);
            if external.is_forwarded() {
                let rule =
                    self.about(" external IP").port(self.protocol, self.port()).destination_ip(entry.value);
                self.nat(KUBE_SERVICES, rule.jump(self.chains.external), field);
            }
            self.refuse_external(external, entry.value, field);
        }
    }

    fn refuse_external(&mut self, external: &External<'_>, ip: std::net::IpAddr, field: Field) {
        if let Some((rule, target)) = self.refusal(external.client_route()) {
            let rule = rule.port(self.protocol, self.port()).destination_ip(ip).then(target);
            self.filter(KUBE_EXTERNAL_SERVICES, rule, field);
        }
    }

    fn load_balancer_ips(&mut self, external: &External<'_>) {
        let firewall = external.source_ranges().is_some();
        let chain = if firewall { self.chains.firewall } else { self.chains.external };
        for entry in external.load_balancer_ips().iter().filter(|_| external.is_forwarded()) {
            let field = Field::LoadBalancerIp(entry.index as u32);
            let rule =
                self.about(" loadbalancer IP").port(self.protocol, self.port()).destination_ip(entry.value);
            self.nat(KUBE_SERVICES, rule.jump(chain), field);
            if firewall {
                let rule = self.about(&format!(" traffic not accepted by {}", self.chains.firewall));
                let rule =
                    rule.port(self.protocol, self.port()).destination_ip(entry.value).then(Target::Drop);
                self.filter(KUBE_PROXY_FIREWALL, rule, field);
            }
        }
        for entry in external.load_balancer_ips() {
            self.refuse_external(external, entry.value, Field::LoadBalancerIp(entry.index as u32));
        }
    }

    fn node_port(&mut self, external: &External<'_>) {
        let Some(node_port) = external.node_port() else { return };
        let field = Field::NodePort;
        if external.is_forwarded() {
            let rule = self.about("").port(self.protocol, node_port);
            if self.plan.nfacct() && self.plan.localhost_node_ports() {
                let counted = rule.clone().destination_net(Cidr::IPV4_LOOPBACK);
                let counted = counted.counted_by("localhost_nps_accepted_pkts").jump(self.chains.external);
                self.nat(KUBE_NODEPORTS, counted, field);
            }
            self.nat(KUBE_NODEPORTS, rule.jump(self.chains.external), field);
        }
        if let Some((rule, target)) = self.refusal(external.client_route()) {
            let rule = rule.local(End::Destination).port(self.protocol, node_port).then(target);
            self.filter(KUBE_EXTERNAL_SERVICES, rule, field);
        }
    }

    /// Always TCP, whatever the protocol of the Service port.
    fn health_check(&mut self) {
        if let Some(port) = self.this.service_port().health_check_node_port {
            let rule = self.about(" health check node port").port(Protocol::Tcp, port);
            self.filter(KUBE_NODEPORTS, rule.then(Target::Accept), Field::HealthCheckNodePort);
        }
    }

    fn masquerade_cluster_ip(&mut self) {
        let Route::Balance(set) = self.this.internal() else { return };
        let chain = self.chain_of(set);
        let rule = (self.about(" cluster IP").port(self.protocol, self.port()))
            .destination_ip(self.this.service_port().cluster_ip)
            .jump(KUBE_MARK_MASQ);
        if self.plan.masquerade().all {
            self.nat(chain, rule, Field::Masquerade);
        } else if let Some(local) = self.plan.local_traffic() {
            self.nat(chain, rule.local_traffic(local, true), Field::DetectLocal);
        }
    }

    fn external_chain(&mut self) {
        let this = self.this;
        let Some(external) = this.external().filter(|external| external.is_forwarded()) else { return };
        self.sink.chain(Nat, self.chains.external);
        match external.route() {
            ExternalRoute::RejectNoEndpoints => {}
            ExternalRoute::Masquerade => {
                let rule = self.destinations("masquerade traffic for").jump(KUBE_MARK_MASQ);
                self.external_rule(rule);
                self.external_rule(Rule::default().jump(self.chains.cluster));
            }
            ExternalRoute::ShortCircuit(others) => {
                self.short_circuit();
                if others == LocalRoute::Balance {
                    self.external_rule(Rule::default().jump(self.chains.local));
                }
            }
        }
        if let Some(ranges) = external.source_ranges() {
            self.firewall_chain(ranges);
        }
    }

    fn external_rule(&mut self, rule: Rule) {
        self.nat(self.chains.external, rule, Field::ExternalTrafficPolicy);
    }

    /// Traffic from pods and the node itself may go to endpoints on any node.
    fn short_circuit(&mut self) {
        let cluster = self.chains.cluster;
        if let Some(local) = self.plan.local_traffic() {
            let rule = self.destinations("pod traffic for").local_traffic(local, false).jump(cluster);
            self.nat(self.chains.external, rule, Field::DetectLocal);
        }
        let from_node = |rule: Rule| rule.local(End::Source);
        let mark = from_node(self.destinations("masquerade LOCAL traffic for")).jump(KUBE_MARK_MASQ);
        self.external_rule(mark);
        let route = from_node(self.destinations("route LOCAL traffic for")).jump(cluster);
        self.external_rule(route);
    }

    fn destinations(&self, what: &str) -> Rule {
        Rule::commented(format_compact!("{what} {} external destinations", self.name))
    }

    fn firewall_chain(&mut self, source_ranges: SourceRanges<'_>) {
        let (firewall, external) = (self.chains.firewall, self.chains.external);
        self.sink.chain(Nat, firewall);
        for range in source_ranges.ranges() {
            let rule = self.about(" loadbalancer IP").source_net(range.value).jump(external);
            self.nat(firewall, rule, Field::SourceRange(range.index as u32));
        }
        for entry in source_ranges.load_balancer_ips_as_sources() {
            let ip = entry.value;
            let rule = self.about(" loadbalancer IP").source_ip(ip, &ip.to_string()).jump(external);
            self.nat(firewall, rule, Field::LoadBalancerIp(entry.index as u32));
        }
        let closing =
            format_compact!("other traffic to {} will be dropped by KUBE-PROXY-FIREWALL", self.name);
        self.nat(firewall, Rule::commented(closing), Field::SourceRange(0));
    }

    fn balancing_chains(&mut self) {
        for set in [EndpointSet::Cluster, EndpointSet::Local] {
            if !self.this.endpoints(set).is_empty() {
                self.balance(self.chain_of(set), set);
            }
        }
    }

    fn balance(&mut self, chain: ChainName, set: EndpointSet) {
        self.sink.chain(Nat, chain);
        let endpoints = self.this.endpoints(set);
        if let Some(seconds) = self.this.service_port().affinity_seconds {
            for endpoint in endpoints {
                let (position, target) = self.chain_of_endpoint(endpoint);
                let action = RecentAction::Check { seconds };
                let rule = self.towards(endpoint).recent(target, action).jump(target);
                self.nat(chain, rule, Field::SessionAffinity(position));
            }
        }
        for (i, endpoint) in endpoints.iter().enumerate() {
            let (position, target) = self.chain_of_endpoint(endpoint);
            let left = endpoints.len() - i;
            let rule = self.towards(endpoint);
            let rule = if left > 1 { rule.one_in(left) } else { rule };
            self.nat(chain, rule.jump(target), Field::Endpoint(position));
        }
    }

    /// `name -> ip:port` as comment; none in a large cluster.
    fn towards(&self, endpoint: &Endpoint) -> Rule {
        if self.plan.large_cluster() {
            return Rule::default();
        }
        Rule::commented(joined(&[&self.name, " -> ", &endpoint.text]))
    }

    /// The endpoint's index among the reachable endpoints, which are sorted by text, and its chain.
    fn chain_of_endpoint(&self, endpoint: &Endpoint) -> (u32, ChainName) {
        let found = self.this.reachable_endpoints().binary_search_by(|e| e.text.cmp(&endpoint.text));
        let position = found.unwrap_or_else(|insertion| insertion);
        let chain = self.endpoint_chains.get(position).copied();
        (position as u32, chain.unwrap_or_else(|| self.chains.endpoint(&endpoint.text)))
    }

    fn endpoint_chains(&mut self) {
        for (i, endpoint) in self.this.reachable_endpoints().iter().enumerate() {
            let chain = self.endpoint_chains[i];
            let field = Field::Endpoint(i as u32);
            self.sink.chain(Nat, chain);
            let rule = || if self.plan.large_cluster() { Rule::default() } else { self.about("") };
            let hairpin = rule().source_ip(endpoint.ip, endpoint.ip_text()).jump(KUBE_MARK_MASQ);
            let dnat = match self.this.service_port().affinity_seconds {
                Some(_) => rule().recent(chain, RecentAction::Set),
                None => rule(),
            };
            let address = SocketAddr::new(endpoint.ip, endpoint.port.get());
            let dnat = dnat.protocol(self.protocol).dnat(address, &endpoint.text);
            self.nat(chain, hairpin, field);
            self.nat(chain, dnat, field);
        }
    }
}

fn joined(parts: &[&str]) -> CompactString {
    let mut text = CompactString::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| text.push_str(part));
    text
}
