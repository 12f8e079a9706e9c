//! One node's rules as one value: what it must forward, what is known about it, and its ruleset, compiled from a
//! cluster or read from what the node printed. Code that uses them does not see the difference.
//!
//! ```
//! use kuberules::iptables;
//! use kuberules::node::{Host, NodeRules};
//! use kuberules::walk::{Packet, Walker};
//! use kuberules::net::Protocol;
//!
//! let text = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination 10.0.0.2:80\nCOMMIT\n";
//! let captured = kuberules::capture::read(text, None)?;
//! let host = Host { addresses: vec!["192.168.0.11".parse()?], ..Host::default() };
//! let rules = captured.node_rules(|_| host.clone());
//! let rules = rules.ipv4.expect("the text has rules for IPv4");
//! let packet = Packet::new(&rules.host, Protocol::Tcp, "10.244.1.9".parse()?, "10.96.0.1:80".parse()?)?;
//! let outcomes = Walker::of(&rules).walk(&packet)?;
//! assert_eq!(outcomes[0].destination, "10.0.0.2:80".parse()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client_kind;
mod connection;
mod host;
mod interface_name;
mod learn;
mod network;
mod per_family;
mod routes;
mod sets;
mod source;
mod sysctls;

pub use client_kind::ClientKind;
pub use connection::{Connection, ConnectionState, ending_command};
pub(crate) use host::merged;
pub use host::{Host, PodInterface};
pub use interface_name::InterfaceName;
pub use network::{Link, LinkAddress, Lookup, Network, Routed, RoutingRule, RuleAction};
pub use per_family::PerFamily;
pub use routes::{Refusal, Route, RouteKind, Routes};
pub use sets::{AskedInterface, Dimension, IpSet, IpSets, Membership, Part, SetQuery};
pub use sysctls::{ForwardingOff, ReversePath, Sysctls};

use std::collections::BTreeSet;

use crate::cluster::{Cluster, Node};
use crate::diagnostic::Checked;
use crate::input::Sources;
use crate::net::Family;
use crate::plan::Plan;
use crate::ruleset::{Ruleset, check_loadable};
use crate::settings::Settings;

/// The rules of one node in one family.
#[derive(Debug)]
pub struct NodeRules<'c> {
    /// What the rules were compiled from; none for rules that a node printed.
    pub plan: Option<Plan<'c>>,
    /// What is known of the node.
    pub host: Host,
    /// The rules; if a node has several rulesets side by side, the one that kube-proxy writes.
    pub ruleset: Ruleset,
    /// Every ruleset that the kernel follows, in its order, if there are others than `ruleset`: the nft and the legacy
    /// variant of iptables.
    side_by_side: Vec<Ruleset>,
}

impl<'c> NodeRules<'c> {
    /// Rules on a node whose plan is not known.
    pub fn new(ruleset: impl Into<Ruleset>, host: Host) -> NodeRules<'c> {
        NodeRules { plan: None, host, ruleset: ruleset.into(), side_by_side: Vec::new() }
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.ruleset.family()
    }

    /// Every ruleset that the kernel follows, in its order.
    pub fn rulesets(&self) -> &[Ruleset] {
        match self.side_by_side.as_slice() {
            [] => std::slice::from_ref(&self.ruleset),
            several => several,
        }
    }

    /// The other rulesets that the kernel follows, besides [`NodeRules::ruleset`].
    pub fn others(&self) -> Vec<Ruleset> {
        let mut others = self.side_by_side.clone();
        if let Some(own) = others.iter().position(|ruleset| *ruleset == self.ruleset) {
            others.remove(own);
        }
        others
    }

    /// With all rulesets that the kernel follows; [`NodeRules::ruleset`] is one of them.
    #[must_use]
    pub(crate) fn beside(self, side_by_side: Vec<Ruleset>) -> NodeRules<'c> {
        NodeRules { side_by_side, ..self }
    }
}

/// What one node of a cluster must forward in one family, and the node as it would be: what rules are compiled from.
#[derive(Debug)]
pub struct NodePlan<'c> {
    /// What it must forward.
    pub plan: Plan<'c>,
    /// The node.
    pub host: Host,
}

impl<'c> NodePlan<'c> {
    /// Plans a node of a cluster. If the cluster has no Service in the family, the plan has no Service ports.
    ///
    /// The warnings say what the program that loads the rules would refuse.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn new(
        cluster: &'c Cluster,
        settings: &Settings,
        sources: &Sources,
        node: &Node,
        family: Family,
    ) -> Checked<NodePlan<'c>> {
        let (plan, found) = plan(cluster, settings, sources, node, family)?;
        let host = Host::of_node(cluster, node, [&plan]);
        Ok((NodePlan { plan, host }, found))
    }

    /// The rules that kube-proxy would write.
    pub fn compile(self) -> NodeRules<'c> {
        let ruleset = Ruleset::compile(&self.plan);
        NodeRules { plan: Some(self.plan), host: self.host, ruleset, side_by_side: Vec::new() }
    }

    /// The same for questions about only some Service ports, by their index in the plan: without the other ones' own
    /// chains.
    pub fn compile_around(self, indices: &BTreeSet<usize>) -> NodeRules<'c> {
        let ruleset = Ruleset::compile_around(&self.plan, indices);
        NodeRules { plan: Some(self.plan), host: self.host, ruleset, side_by_side: Vec::new() }
    }
}

/// What a node must forward in one family, and what the program that loads the rules would refuse.
///
/// # Errors
/// As [`Plan::new`].
pub fn plan<'c>(
    cluster: &'c Cluster,
    settings: &Settings,
    sources: &Sources,
    node: &Node,
    family: Family,
) -> Checked<Plan<'c>> {
    let (plan, mut found) = Plan::new(cluster, settings, node, family)?;
    found.append(check_loadable(&plan, sources));
    Ok((plan, found))
}

/// The requested families, or else those in which the cluster has a Service address; IPv4 if there are none.
pub fn families(cluster: &Cluster, settings: &Settings) -> Vec<Family> {
    if let Some(families) = &settings.families {
        return families.clone();
    }
    let mut families = Family::ALL.to_vec();
    families.retain(|family| !cluster.family(*family).service_ports.is_empty());
    if families.is_empty() {
        families.push(Family::Ipv4);
    }
    families
}
