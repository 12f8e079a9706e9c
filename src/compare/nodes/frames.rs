//! What each node plans apart from Service ports.

use super::state::State;
use crate::cluster::{Node, ServicePort, TrafficPolicy};
use crate::diagnostic::Checked;
use crate::net::Family;
use crate::plan::{Plan, is_large};
use crate::ruleset::check_loadable;

/// The plans of all nodes without their Service ports, of one state in one family.
pub(super) struct Frames<'a> {
    pub(super) state: State<'a>,
    pub(super) family: Family,
    /// Whether the cluster is so large that kube-proxy omits comments.
    pub(super) is_large: bool,
    witnesses: Vec<&'a ServicePort>,
    /// One for each node.
    pub(super) plans: Vec<Plan<'a>>,
    /// Whether the warning that local traffic is not known has been given.
    has_warned: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(state: State<'a>, family: Family) -> Frames<'a> {
        let tables = state.cluster.family(family);
        Frames {
            state,
            family,
            is_large: is_large(tables),
            witnesses: witnesses(&tables.service_ports),
            plans: Vec::new(),
            has_warned: false,
        }
    }

    /// Plans the next node; the diagnostics are those of its complete plan.
    pub(super) fn add(&mut self, node: &Node) -> Checked<()> {
        let State { cluster, settings, sources } = self.state;
        let plan = Plan::of_some(&self.witnesses, self.is_large, cluster, settings, node, self.family);
        let (mut plan, mut found) = plan?;
        found.append(check_loadable(&plan, sources));
        // It has the same words for all nodes, so once is enough.
        if !self.has_warned && plan.local_traffic().is_none() {
            self.has_warned = true;
            plan.warn_of_local_traffic(cluster, settings, &mut found);
        }
        plan.take_service_ports();
        self.plans.push(plan);
        Ok(((), found))
    }
}

/// A few Service ports for which all messages about a plan are the same as for the complete table.
fn witnesses(ports: &[ServicePort]) -> Vec<&ServicePort> {
    /// Service ports with names from this length on are all kept: some may be too long for something.
    const LONG: usize = 100;
    let has_endpoints = |port: &ServicePort| port.endpoints.iter().any(|e| e.is_usable());
    let is_local = |policy| policy == TrafficPolicy::Local;
    let balances = |port: &ServicePort| !is_local(port.internal_policy) && has_endpoints(port);
    let short_circuits = |port: &ServicePort| {
        let others = port.external_ips.len() + port.load_balancer_ips.len() > 0 || port.node_port.is_some();
        is_local(port.external_policy) && others && has_endpoints(port)
    };
    let firsts = [
        ports.first(),
        ports.iter().find(|port| port.node_port.is_some()),
        ports.iter().find(|port| balances(port)),
        ports.iter().find(|port| short_circuits(port)),
    ];
    let always_balances = firsts.get(2).is_some_and(Option::is_some);
    let needed = |port: &&ServicePort| {
        let is_first = firsts.iter().flatten().any(|first| std::ptr::eq(*first, *port));
        is_first || port.name.to_string().len() > LONG || (!always_balances && has_endpoints(port))
    };
    ports.iter().filter(needed).collect()
}
