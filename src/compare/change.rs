//! What changes on a node, or on several in the same way: the rules and the traffic of each IP family.

use std::sync::Arc;

use serde::Serialize;

use super::consequence::ServiceOnNode;
use super::rules_change::RulesChange;
use super::traffic::{Flow, Reason, SharedTraffic, Traffic, Unknown};

/// A change that some nodes share.
#[derive(Debug, Clone)]
pub struct NodesChange {
    /// Their names.
    pub nodes: Vec<String>,
    /// What changes, by IP family.
    pub families: Vec<FamilyChange>,
}

/// What changes in one IP family.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FamilyChange {
    /// `ipv4` or `ipv6`.
    pub family: &'static str,
    /// The rules, if they were compared.
    pub rules: Option<RulesChange>,
    /// The traffic, if it was compared.
    pub traffic: Option<TrafficChange>,
    /// What happens to the Services that change; reported for all nodes together.
    pub services: Vec<Arc<ServiceOnNode>>,
}

/// What changes for packets of new connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficChange {
    /// The connections whose outcome changes.
    pub flows: Vec<Arc<Flow>>,
    /// The known differences between modes and releases that explain some of them.
    pub reasons: Vec<KnownReason>,
    /// Kinds of connections that could not be compared.
    pub unknown: Vec<Unknown>,
}

/// A known difference between modes or releases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KnownReason {
    /// Its code.
    pub code: &'static str,
    /// What it is.
    pub words: &'static str,
}

/// What changes on a node.
#[derive(Debug, Default)]
pub struct NodeChange {
    /// By family.
    pub families: Vec<FamilyChange>,
    /// Number of kinds of connections compared: those that could be followed on both sides.
    pub classes: u64,
    /// Number of Service ports that are unchanged, and so were not compared, added up over the families.
    pub unchanged_service_ports: usize,
}

/// What changes on some nodes in the same way.
#[derive(Debug)]
pub struct NodesAnswer {
    /// Their indices in the list of pairs.
    pub nodes: Vec<usize>,
    /// What changes, by family.
    pub families: Vec<FamilyChange>,
    /// Number of kinds of connections compared on all of them.
    pub classes: u64,
    /// Number of unchanged Service ports on all of them.
    pub unchanged_service_ports: usize,
}

impl FamilyChange {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.groups.is_empty())
            && self.traffic.as_ref().is_none_or(TrafficChange::is_empty)
    }
}

impl TrafficChange {
    /// What a comparison found.
    pub fn new(Traffic { flows, unknown, .. }: SharedTraffic) -> TrafficChange {
        let codes = flows.iter().filter_map(|flow| flow.reason);
        let mut reasons: Vec<KnownReason> = codes.filter_map(KnownReason::of).collect();
        reasons.sort_by_key(|reason| reason.code);
        reasons.dedup();
        TrafficChange { flows, reasons, unknown }
    }

    /// Whether every kind of connection is known to have the same outcome.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty() && self.unknown.is_empty()
    }
}

impl KnownReason {
    fn of(code: &'static str) -> Option<KnownReason> {
        let reason = Reason::ALL.into_iter().find(|reason| reason.code() == code)?;
        Some(KnownReason { code, words: reason.words() })
    }
}
