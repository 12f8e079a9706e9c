//! Connections to Services that the node's routing ends: it does not forward, or has no route to an address.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Finding, Kind, Pair};
use crate::compare::traffic::{Difference, Traffic, Unknown, examples_of_plan};
use crate::net::Family;
use crate::node::{ForwardingOff, Host, Lookup, Routed, Sysctls};
use crate::plan::Plan;
use crate::ruleset::Ruleset;
use crate::walk::{Verdict, Walker};

/// At most this many addresses are named.
const NAMED: usize = 3;

/// Reports that routing ends connections to Services that the rules would let through; and what is not known.
pub(super) fn find(pair: Pair<'_>, intended: &Ruleset) -> (Option<Finding>, Vec<Unknown>) {
    let (host, Some(plan)) = (&pair.expected.host, &pair.expected.plan) else { return (None, Vec::new()) };
    let Some(why) = why(plan, host) else { return (None, Vec::new()) };
    let others = pair.captured.others();
    let lenient = Host {
        network: Arc::new(host.network.with_a_way_to_everything(plan.family())),
        sysctls: Sysctls::default(),
        ..host.clone()
    };
    // Which sources `rp_filter` drops depends on where their packets come in.
    let forwarding = host.sysctls.forwarding.clone();
    let interface_forwarding = host.sysctls.interface_forwarding.clone();
    let sysctls = Sysctls { forwarding, interface_forwarding, ..Sysctls::default() };
    let without_source_check = Host { sysctls, ..host.clone() };
    let should = Walker::beside(intended, &others, &lenient);
    let is = Walker::beside(intended, &others, &without_source_check);
    let is_meant =
        |difference: &Difference| difference.old.ends().any(|(_, end, _)| end.verdict == Verdict::Accept);
    let Traffic { flows, unknown, .. } = examples_of_plan((&should, &is), plan, &is_meant, None);
    if flows.is_empty() {
        return (None, unknown);
    }
    let finding = Finding { traffic: flows, ..Finding::general(Kind::Unrouted, why.words(plan.family())) };
    (Some(finding), unknown)
}

/// Whether routing may end connections to Services.
pub(super) fn may_be(plan: &Plan<'_>, host: &Host) -> bool {
    why(plan, host).is_some()
}

struct Why {
    off: Option<ForwardingOff>,
    /// Addresses of Services and endpoints to which there is no route.
    lost: BTreeSet<IpAddr>,
}

fn why(plan: &Plan<'_>, host: &Host) -> Option<Why> {
    let off = host.sysctls.forwarding_off(plan.family(), None);
    let is_lost = |ip: &IpAddr| {
        let asked = Lookup { source: None, destination: *ip, mark: Some(0), input: None };
        !host.is_local(*ip) && matches!(host.network.route(&asked), Routed::Nowhere(_))
    };
    let mut lost = BTreeSet::new();
    if host.network.routes.is_some() {
        for port in plan.service_ports().iter().map(|planned| planned.service_port()) {
            let endpoints = port.endpoints.iter().map(|endpoint| endpoint.ip);
            lost.extend([port.cluster_ip].into_iter().chain(endpoints).filter(is_lost));
        }
    }
    (off.is_some() || !lost.is_empty()).then_some(Why { off, lost })
}

impl Why {
    fn words(&self, family: Family) -> String {
        let only = "only the node itself reaches Services";
        match self.off {
            Some(off @ ForwardingOff::Node) => {
                return format!("the node forwards nothing ({} is 0): {only}", off.setting(family));
            }
            Some(off @ ForwardingOff::Interface) => {
                return format!("no interface forwards ({} is 0 for each): {only}", off.setting(family));
            }
            None => {}
        }
        let named: Vec<String> = self.lost.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match self.lost.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("the node has no route to {}{more}", named.join(", "))
    }
}
