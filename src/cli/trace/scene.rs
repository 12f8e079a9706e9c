//! What a trace takes place in: the cluster, the node, its rules.

use std::net::SocketAddr;

use super::arguments::Arguments;
use crate::assume::Assumed;
use crate::capture::{Captured, DataPath, Facts, NamedAddress};
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
use crate::walk::Packet;

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
        let captured = match arguments.captured.as_slice() {
            [] => None,
            paths => Some(captured::read(paths, family, session)?),
        };
        session.look_at(arguments.node.name());
        let mut settings = arguments.settings.clone();
        captured.iter().for_each(|captured| settings.learn(&captured.facts));
        settings.stand_in_for_ipvs = captured.as_ref().is_some_and(|captured| captured.data_path().is_some());
        let cluster = if captured.is_none() || !arguments.input.input.is_empty() {
            Some(Pipeline::read(&arguments.input, &settings, session)?)
        } else {
            None
        };
        let settings = match &cluster {
            Some(pipeline) => pipeline.settings.clone(),
            None => settings.resolve(&Snapshot::default(), session)?,
        };
        Ok(Inputs {
            cluster,
            captured,
            captured_name: captured::names(&arguments.captured),
            settings,
            node_name: arguments.node.name().map(str::to_owned),
            family,
        })
    }

    /// What the node was asked for beside its rules.
    pub(super) fn facts(&self) -> Option<&Facts> {
        self.captured.as_ref().map(|captured| &captured.facts)
    }

    /// The rules that were captured, or nothing where others are there to be walked through.
    fn captured_rules(&self, has_plans: bool) -> Option<&Captured> {
        self.captured.as_ref().filter(|captured| captured.has_any_rules() || !has_plans)
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
            let mut host = host_of_settings(inputs);
            inputs.facts().iter().for_each(|facts| facts.tell(&mut host));
            return Ok(Scene { inputs, node: Node::default(), plans: None, host });
        };
        let node = pipeline.node(inputs.node_name.as_deref(), session)?;
        let plans = PerFamily::try_of(|family| pipeline.node_plan(&node, family, session))?;
        let mut host = Host::of_node(&pipeline.cluster, &node, plans.iter().map(|plan| &plan.plan));
        inputs.facts().iter().for_each(|facts| facts.tell(&mut host));
        Ok(Scene { inputs, node, plans: Some(plans), host })
    }

    /// The rules of a family, captured before compiled.
    pub(super) fn rules(&mut self, family: Family) -> Result<NodeRules<'i>, Diagnostics> {
        let plans = self.plans.take();
        // Connections or addresses alone say nothing of the rules: those of the cluster count.
        if let Some(captured) = self.inputs.captured_rules(plans.is_some()) {
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

    /// What serves Services where kube-proxy's rules do not.
    pub(super) fn data_path(&self) -> Option<DataPath> {
        self.inputs.captured.as_ref().and_then(Captured::data_path)
    }

    /// Whether a packet goes to a Service of the cluster, at whatever of its addresses.
    pub(super) fn is_service(&self, packet: &Packet) -> bool {
        let (to, family) = (packet.destination, packet.family());
        let ports = self.cluster().into_iter().flat_map(|cluster| &cluster.family(family).service_ports);
        let mut served = ports.filter(|port| port.name.protocol() == packet.protocol);
        served.any(|port| {
            let external = port.external_ips.iter().chain(&port.load_balancer_ips).map(|ip| ip.value);
            let mut ips = std::iter::once(port.cluster_ip).chain(external);
            let at_address = port.port.get() == to.port() && ips.any(|ip| ip == to.ip());
            at_address || port.node_port.is_some_and(|p| p.get() == to.port() && self.host.is_local(to.ip()))
        })
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
