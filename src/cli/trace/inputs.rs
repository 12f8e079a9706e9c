//! What a trace reads: a cluster, captured rules, or both.

use std::collections::BTreeSet;

use compact_str::format_compact;

use super::arguments::Arguments;
use crate::assume::Assumed;
use crate::capture::{Captured, DataPath, Facts};
use crate::cli::captured;
use crate::cli::pipeline::Pipeline;
use crate::cli::session::{Session, Stop};
use crate::cluster::{Cluster, Node};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::input::Snapshot;
use crate::net::Family;
use crate::node::{Host, NodePlan, NodeRules, PerFamily, PodInterface};
use crate::question::{Inference, Objects, Scene, Source, Target, around, node};
use crate::report::trace::RulesSource;
use crate::settings::{DetectLocal, Settings};

/// What was read.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) cluster: Option<Pipeline>,
    captured: Option<Captured>,
    captured_name: String,
    settings: Settings,
    node_name: Option<String>,
    family: Option<Family>,
    namespace: Option<String>,
}

impl Inputs {
    /// Reads all that the arguments name.
    pub(super) fn read(arguments: &Arguments, session: &mut Session) -> Result<Inputs, Stop> {
        let family = arguments.settings.family.only();
        let captured = match arguments.captured.as_slice() {
            [] => None,
            paths => Some(captured::read(paths, family, session)?),
        };
        session.look_at(arguments.node.name());
        let mut settings = arguments.settings.clone();
        captured.iter().for_each(|captured| settings.learn(&captured.facts));
        settings.stand_in_for_ipvs = captured.as_ref().is_some_and(|captured| captured.data_path().is_some());
        let cluster = if captured.is_none() || arguments.input.is_given() {
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
            namespace: arguments.settings.assume.namespace().map(str::to_owned),
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

    /// What serves Services where kube-proxy's rules do not.
    pub(super) fn data_path(&self) -> Option<DataPath> {
        self.captured.as_ref().and_then(Captured::data_path)
    }

    /// What was assumed of the cluster, if anything.
    pub(super) fn assumed(&self) -> Option<&Assumed> {
        self.cluster.as_ref().and_then(|pipeline| pipeline.assumed.as_ref())
    }

    /// The objects of the cluster, if one was read.
    pub(super) fn objects(&self) -> Option<Objects<'_>> {
        let Pipeline { snapshot, cluster, .. } = self.cluster.as_ref()?;
        Some(Objects { snapshot, cluster, namespace: self.namespace.as_deref() })
    }

    /// Looks for the node that the question is about where none is named; from then on the release counts that it
    /// reports. False where the question is about every node.
    pub(super) fn infer_node(&mut self, arguments: &Arguments, session: &mut Session) -> Result<bool, Stop> {
        let Some(objects) = self.objects() else { return Ok(true) };
        let named = self.node_name.is_some() || self.settings.node_name.is_some();
        if named || objects.cluster.nodes.len() < 2 {
            return Ok(true);
        }
        let found =
            node::infer(&objects, &arguments.from, &arguments.to).map_err(|fault| session.stop(fault))?;
        let Some(inference) = found else { return Ok(!arguments.captured.is_empty()) };
        let Inference::Node { node, .. } = &inference else { return Ok(true) };
        self.node_name = Some(node.clone());
        session.look_at(self.node_name.as_deref());
        session.infer(&inference);
        if let Some(pipeline) = self.cluster.take() {
            let mut settings = arguments.settings.clone();
            self.captured.iter().for_each(|captured| settings.learn(&captured.facts));
            let pipeline = pipeline.for_the_node(&settings, session)?;
            self.settings = pipeline.settings.clone();
            self.cluster = Some(pipeline);
        }
        Ok(true)
    }

    /// The Service ports that the answer about the destination depends on.
    pub(super) fn around(&self, to: &Target) -> Result<Option<PerFamily<BTreeSet<usize>>>, Diagnostics> {
        let Some(objects) = self.objects() else { return Ok(None) };
        let seeds = around::seeds(&objects, to)?;
        Ok(Some(around::Index::of(objects.cluster).indices_around(seeds)))
    }

    /// Keeps of the cluster only what has to do with the destination, for a question about every node.
    pub(super) fn narrow(&mut self, arguments: &Arguments, session: &mut Session) -> Result<(), Stop> {
        let Some(objects) = self.objects() else { return Ok(()) };
        if let Source::Pod(pod) = &arguments.from {
            let fault = Diagnostic::error(format!("--all-nodes: Pod {pod} is on one node only"));
            return Err(session.stop(fault.help("leave --all-nodes out")));
        }
        let seeds = around::seeds(&objects, &arguments.to).map_err(|fault| session.stop(fault))?;
        let seeds = seeds.into_iter().chain(around::seeds_from(objects.cluster, &arguments.from));
        let around = around::Index::of(objects.cluster).around(seeds);
        if let Some(pipeline) = &mut self.cluster {
            let nodes = std::mem::take(&mut pipeline.cluster.nodes);
            pipeline.cluster = Cluster { nodes, ..around };
        }
        Ok(())
    }
}

/// A node with what it must forward.
#[derive(Debug)]
pub(super) struct Stage<'i> {
    inputs: &'i Inputs,
    pub(super) scene: Scene<'i>,
    plans: Option<PerFamily<NodePlan<'i>>>,
}

impl<'i> Stage<'i> {
    /// Chooses the node, and plans what it forwards.
    pub(super) fn new(inputs: &'i Inputs, session: &mut Session) -> Result<Stage<'i>, Stop> {
        let Some(pipeline) = &inputs.cluster else {
            let captured = inputs.captured.as_ref().map(Captured::services).unwrap_or_default();
            let mut host = host_of_settings(&inputs.settings);
            inputs.facts().iter().for_each(|facts| facts.tell(&mut host));
            let scene = Scene { objects: None, captured, node: Node::default(), host, family: inputs.family };
            return Ok(Stage { inputs, scene, plans: None });
        };
        let node = pipeline.node(inputs.node_name.as_deref(), session)?;
        Stage::on(inputs, pipeline, node, session)
    }

    /// Any node: for a question that names none and goes through all.
    pub(super) fn any(inputs: &'i Inputs, session: &mut Session) -> Result<Stage<'i>, Stop> {
        match inputs.cluster.as_ref().and_then(|pipeline| Some((pipeline, pipeline.cluster.nodes.first()?))) {
            Some((pipeline, node)) => Stage::on(inputs, pipeline, node.clone(), session),
            None => Stage::new(inputs, session),
        }
    }

    /// Every node of the cluster.
    pub(super) fn every(inputs: &'i Inputs, session: &mut Session) -> Result<Vec<Stage<'i>>, Stop> {
        let Some(pipeline) = inputs.cluster.as_ref().filter(|cluster| !cluster.cluster.nodes.is_empty())
        else {
            let fault = Diagnostic::error("--all-nodes: the input has no Nodes");
            return Err(session.stop(fault.help("add the output of kubectl get nodes -o yaml to the input")));
        };
        let nodes = pipeline.cluster.nodes.iter();
        nodes.map(|node| Stage::on(inputs, pipeline, node.clone(), session)).collect()
    }

    fn on(
        inputs: &'i Inputs,
        pipeline: &'i Pipeline,
        node: Node,
        session: &mut Session,
    ) -> Result<Stage<'i>, Stop> {
        let plans = PerFamily::try_of(|family| pipeline.node_plan(&node, family, session))?;
        let mut host = Host::of_node(&pipeline.cluster, &node, plans.iter().map(|plan| &plan.plan));
        name_pods(&mut host, &node, &pipeline.snapshot);
        inputs.facts().iter().for_each(|facts| facts.tell(&mut host));
        let objects = inputs.objects();
        let scene = Scene { objects, captured: Vec::new(), node, host, family: inputs.family };
        Ok(Stage { inputs, scene, plans: Some(plans) })
    }

    /// The rules of a family, captured before compiled.
    pub(super) fn rules(&mut self, family: Family, to: &Target) -> Result<NodeRules<'i>, Diagnostics> {
        let plans = self.plans.take();
        // Connections or addresses by themselves say nothing of the rules: those of the cluster count.
        if let Some(captured) = self.inputs.captured_rules(plans.is_some()) {
            return captured
                .node_rules(|_| self.scene.host.clone())
                .into(family)
                .ok_or_else(|| not_captured(family));
        }
        let plan = plans.map(|plans| plans.into(family).plan);
        let plan = plan.ok_or_else(|| Diagnostic::error("there is no plan for this family"))?;
        let plan = NodePlan { plan, host: self.scene.host.clone() };
        Ok(match self.inputs.around(to)? {
            Some(around) => plan.compile_around(around.get(family)),
            None => plan.compile(),
        })
    }

    /// Where the rules come from, in words.
    pub(super) fn rules_source(&self, rules: &NodeRules<'_>) -> RulesSource {
        let words = match (&rules.plan, self.inputs.captured_name.as_str()) {
            (Some(plan), _) => format!("as kube-proxy {} compiles them", plan.release()),
            (None, "-") => "captured (standard input)".to_owned(),
            (None, name) => format!("captured in {name}"),
        };
        let language = rules.ruleset.mode().name();
        let node = match (self.scene.node.name.as_str(), &self.inputs.node_name) {
            ("", Some(name)) => name.clone(),
            (name, _) => name.to_owned(),
        };
        RulesSource { node, language, words }
    }
}

/// Names the Pods of the node: CNI plugins name their interfaces by that.
fn name_pods(host: &mut Host, node: &Node, snapshot: &Snapshot) {
    let pods = snapshot.pods.iter().map(|pod| &pod.object);
    for pod in pods.filter(|pod| !pod.host_network && *pod.node_name == *node.name) {
        for ip in pod.ips.iter().filter_map(|text| text.parse().ok()) {
            let name = || format_compact!("{}.{}", pod.metadata.namespace, pod.metadata.name);
            host.pod_names.entry(ip).or_insert_with(name);
        }
    }
}

/// What the settings tell of a node without its cluster.
fn host_of_settings(settings: &Settings) -> Host {
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
