//! What a trace takes place in: the cluster, the node, its rules.

use std::net::SocketAddr;

use super::arguments::Arguments;
use crate::assume::Assumed;
use crate::capture::{Captured, NamedAddress};
use crate::cli::arguments::FamilyChoice;
use crate::cli::captured;
use crate::cli::pipeline::Pipeline;
use crate::cli::session::{Session, Stop};
use crate::cluster::{Cluster, Node};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::input::Snapshot;
use crate::net::Family;
use crate::node::{Host, NodePlan, NodeRules, PerFamily, PodInterface};
use crate::report::trace::RulesSource;
use crate::settings::{DetectLocal, Settings};

/// What was read: a cluster, captured rules, or both.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) cluster: Option<Pipeline>,
    captured: Option<Captured>,
    captured_name: String,
    settings: Settings,
    node_name: Option<String>,
    pub(super) family: Option<Family>,
}

impl Inputs {
    /// Reads all that the arguments name.
    pub(super) fn read(arguments: &Arguments, session: &mut Session) -> Result<Inputs, Stop> {
        let family = match arguments.settings.family {
            FamilyChoice::Ipv4 => Some(Family::Ipv4),
            FamilyChoice::Ipv6 => Some(Family::Ipv6),
            FamilyChoice::All => None,
        };
        let captured = match &arguments.captured {
            Some(path) => Some(captured::read(path, family).map_err(|fault| session.stop(fault))?),
            None => None,
        };
        if let Some(text) = captured.as_ref().and_then(captured::out_of_reach) {
            session.note(text);
        }
        session.look_at(arguments.node.name());
        let cluster = if captured.is_none() || !arguments.input.input.is_empty() {
            Some(Pipeline::read(&arguments.input, &arguments.settings, session)?)
        } else {
            None
        };
        let settings = match &cluster {
            Some(pipeline) => pipeline.settings.clone(),
            None => arguments.settings.resolve(&Snapshot::default(), session)?,
        };
        let captured_name = arguments.captured.as_ref().map(|path| path.display().to_string());
        Ok(Inputs {
            cluster,
            captured,
            captured_name: captured_name.unwrap_or_default(),
            settings,
            node_name: arguments.node.name().map(str::to_owned),
            family,
        })
    }

    /// What was assumed of the cluster, if anything.
    pub(super) fn assumed(&self) -> Option<&Assumed> {
        self.cluster.as_ref().and_then(|pipeline| pipeline.assumed.as_ref())
    }
}

/// Where a trace takes place.
#[derive(Debug)]
pub(super) struct Scene<'i> {
    pub(super) inputs: &'i Inputs,
    pub(super) node: Node,
    /// What it must forward, where there is a cluster.
    plans: Option<PerFamily<NodePlan<'i>>>,
    /// The node as far as it is known without its rules.
    pub(super) host: Host,
}

impl<'i> Scene<'i> {
    /// Chooses the node, and plans what it forwards.
    pub(super) fn new(inputs: &'i Inputs, session: &mut Session) -> Result<Scene<'i>, Stop> {
        let Some(pipeline) = &inputs.cluster else {
            return Ok(Scene { inputs, node: Node::default(), plans: None, host: host_of_settings(inputs) });
        };
        let node = pipeline.node(inputs.node_name.as_deref(), session)?;
        let plans = PerFamily::try_of(|family| pipeline.node_plan(&node, family, session))?;
        let host = Host::of_node(&pipeline.cluster, &node, plans.iter().map(|plan| &plan.plan));
        Ok(Scene { inputs, node, plans: Some(plans), host })
    }

    /// The rules of a family, captured before compiled.
    pub(super) fn rules(&mut self, family: Family) -> Result<NodeRules<'i>, Diagnostics> {
        let plans = self.plans.take();
        if let Some(captured) = &self.inputs.captured {
            return captured
                .node_rules(|_| self.host.clone())
                .into(family)
                .ok_or_else(|| not_captured(family));
        }
        let plan = plans.map(|plans| plans.into(family).plan);
        let plan = plan.ok_or_else(|| Diagnostic::error("there is no plan for this family"))?;
        Ok(NodePlan { plan, host: self.host.clone() }.compile())
    }

    /// The checked cluster, if one was read.
    pub(super) fn cluster(&self) -> Option<&'i Cluster> {
        self.inputs.cluster.as_ref().map(|pipeline| &pipeline.cluster)
    }

    /// The objects, if any were read.
    pub(super) fn snapshot(&self) -> Option<&'i Snapshot> {
        self.inputs.cluster.as_ref().map(|pipeline| &pipeline.snapshot)
    }

    /// Cluster IPs of Services by name, from the cluster, else from captured rules.
    pub(super) fn services(&self) -> Vec<NamedAddress> {
        let Some(cluster) = self.cluster() else {
            return self.inputs.captured.as_ref().map(Captured::services).unwrap_or_default();
        };
        let ports = Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports);
        let named = ports.map(|port| NamedAddress {
            name: port.name.clone(),
            address: SocketAddr::new(port.cluster_ip, port.port.get()),
        });
        named.collect()
    }

    /// Where the rules come from, in words.
    pub(super) fn rules_source(&self, rules: &NodeRules<'_>) -> RulesSource {
        let words = match (&rules.plan, self.inputs.captured_name.as_str()) {
            (Some(plan), _) => format!("as kube-proxy {} compiles them", plan.release()),
            (None, "-") => "captured (standard input)".to_owned(),
            (None, name) => format!("captured in {name}"),
        };
        let language = rules.ruleset.mode().name();
        let node = match (self.node.name.as_str(), &self.inputs.node_name) {
            ("", Some(name)) => name.clone(),
            (name, _) => name.to_owned(),
        };
        RulesSource { node, language, words }
    }
}

/// What the settings tell of a node without its cluster.
fn host_of_settings(inputs: &Inputs) -> Host {
    let settings = &inputs.settings;
    let mut host = Host { addresses: settings.host.addresses.clone(), ..Host::default() };
    match &settings.detect_local {
        DetectLocal::ClusterCidr(networks) => host.cluster_networks.extend(networks),
        DetectLocal::NodeCidr => (),
        DetectLocal::BridgeInterface(name) => host.pod_interface = Some(PodInterface::Name(name.clone())),
        DetectLocal::InterfaceNamePrefix(prefix) => {
            host.pod_interface = Some(PodInterface::Prefix(prefix.clone()));
        }
    }
    host
}

fn not_captured(family: Family) -> Diagnostics {
    let tool = match family {
        Family::Ipv4 => "iptables-save",
        Family::Ipv6 => "ip6tables-save",
    };
    Diagnostic::error(format!("the packet is {family}, but the captured rules have none for {family}"))
        .help(format!("capture them with {tool} or nft list ruleset"))
        .into()
}

/// What is not known of the node and may make the answer wrong.
pub(super) fn doubts(host: &Host, family: Family) -> Diagnostics {
    if host.primary_address(family).is_some() {
        return Diagnostics::default();
    }
    Diagnostic::warning(format!("no {family} address of the node is known: only loopback counts as its own"))
        .help("give the node's addresses as --host-ip, its own first")
        .into()
}
