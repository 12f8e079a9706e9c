//! From arguments to plans: the stages that every subcommand over a cluster goes through.

use std::sync::Arc;

use super::arguments::{InputArguments, SettingsArguments};
use super::session::{Session, Stop};
use crate::assume::{Assumed, check_nothing_missing};
use crate::cluster::{Cluster, Node};
use crate::compare::nodes::State;
use crate::input::Snapshot;
use crate::net::{Cidr, Family};
use crate::node::{self, NodePlan};
use crate::question::Inference;
use crate::question::node::choose;
use crate::settings::{DetectLocal, Settings};

/// A cluster with the settings to see it by.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// Shared by all that see it by other settings.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) settings: Settings,
    pub(super) cluster: Cluster,
    /// What was assumed, with `--assume`.
    pub(super) assumed: Option<Assumed>,
    /// The pods' networks, where the Nodes suggest them and nothing else tells them.
    pub(super) inferred_networks: Vec<Cidr>,
    /// The pods' networks that were inferred for both sides of a comparison.
    agreed: Option<Vec<Cidr>>,
}

impl Pipeline {
    /// Reads the input and resolves the settings.
    ///
    /// # Errors
    /// Anything that leaves no right answer; reported by the session.
    pub(super) fn read(
        input: &InputArguments,
        settings: &SettingsArguments,
        session: &mut Session,
    ) -> Result<Pipeline, Stop> {
        session.progress().stage("reading the input");
        let snapshot = input.read(session)?;
        Pipeline::of(snapshot, settings, session)
    }

    /// Builds the cluster of a snapshot.
    ///
    /// # Errors
    /// As [`Pipeline::read`].
    pub(super) fn of(
        snapshot: impl Into<Arc<Snapshot>>,
        settings: &SettingsArguments,
        session: &mut Session,
    ) -> Result<Pipeline, Stop> {
        Pipeline::after(None, snapshot, settings, session)
    }

    /// Builds the cluster of a snapshot; what was assumed for an earlier one keeps its addresses and ports.
    ///
    /// # Errors
    /// As [`Pipeline::read`].
    pub(super) fn after(
        previous: Option<&Pipeline>,
        snapshot: impl Into<Arc<Snapshot>>,
        settings: &SettingsArguments,
        session: &mut Session,
    ) -> Result<Pipeline, Stop> {
        session.progress().stage("joining Services and endpoints");
        let (arguments, mut snapshot) = (settings, snapshot.into());
        let mut settings = arguments.resolve(&snapshot, session)?;
        let assumed_before = previous.and_then(|previous| previous.assumed.as_ref());
        let assumed = arguments.assume.apply(&mut snapshot, &settings, assumed_before, session)?;
        assumed.iter().for_each(|assumed| assumed.tell(&mut settings));
        let cluster = session.take_checked(Cluster::build(&snapshot, &settings));
        if assumed.is_none() {
            session.take(check_nothing_missing(&snapshot))?;
        }
        let cluster = cluster?;
        let inferred_networks = match previous {
            Some(previous) if !previous.inferred_networks.is_empty() => previous.inferred_networks.clone(),
            // Its Nodes suggest none: nothing was inferred.
            Some(previous) if previous.settings.detect_local == DetectLocal::ClusterCidr(Vec::new()) => {
                Vec::new()
            }
            _ => cluster.suggested_pod_networks(),
        };
        let agreed = previous.and_then(|previous| previous.agreed.clone());
        let mut pipeline = Pipeline { cluster, snapshot, settings, assumed, inferred_networks, agreed };
        pipeline.infer_local_traffic(arguments);
        Ok(pipeline)
    }

    /// How traffic from local pods is detected, where nothing says so and only an answer depends on it.
    fn infer_local_traffic(&mut self, arguments: &SettingsArguments) {
        if let Some(networks) = &self.agreed {
            self.settings.detect_local = DetectLocal::ClusterCidr(networks.clone());
            self.inferred_networks.clone_from(networks);
            return;
        }
        let is_unknown = self.settings.detect_local == DetectLocal::ClusterCidr(Vec::new());
        if !is_unknown || arguments.for_compile || arguments.tells_local_traffic(&self.snapshot) {
            self.inferred_networks.clear();
        } else if let Some(captured) = &arguments.captured_local {
            self.settings.detect_local = captured.clone();
            self.inferred_networks.clear();
        } else {
            self.settings.detect_local = DetectLocal::ClusterCidr(self.inferred_networks.clone());
        }
    }

    /// Infers the pods' networks for both sides of a comparison, where only this side has a configuration, and that says
    /// nothing of them: a file that only sets the mode does not mean that no traffic is local. What it does say is a
    /// difference from what is inferred for the other side.
    pub(super) fn infer_for_both(&mut self, other: &mut Pipeline) {
        if self.settings.detect_local != DetectLocal::ClusterCidr(Vec::new()) {
            return;
        }
        let networks = self.cluster.suggested_pod_networks();
        for side in [self, other] {
            side.settings.detect_local = DetectLocal::ClusterCidr(networks.clone());
            side.inferred_networks.clone_from(&networks);
            side.agreed = Some(networks.clone());
        }
    }

    /// Says what the pods' network is taken to be, where rules depend on it.
    fn tell_networks(&self, plans: &[NodePlan<'_>], session: &mut Session) {
        let depends = plans.iter().any(|plan| plan.plan.depends_on_local_traffic());
        if depends && !self.inferred_networks.is_empty() {
            session.infer(&Inference::PodNetworks(self.inferred_networks.clone()));
        }
    }

    /// The same cluster once it is known which node the question is about, by the release that this node reports.
    ///
    /// # Errors
    /// As [`Pipeline::read`].
    pub(super) fn for_the_node(
        self,
        settings: &SettingsArguments,
        session: &mut Session,
    ) -> Result<Pipeline, Stop> {
        if super::release::of_nodes(&self.snapshot).len() < 2 {
            return Ok(self);
        }
        session.retract_remarks();
        Pipeline::by_other_settings(self, settings, session)
    }

    /// The same cluster by other settings.
    ///
    /// # Errors
    /// As [`Pipeline::read`].
    pub(super) fn by_other_settings(
        mut pipeline: Pipeline,
        arguments: &SettingsArguments,
        session: &mut Session,
    ) -> Result<Pipeline, Stop> {
        pipeline.turn_to(arguments, session)?;
        Ok(pipeline)
    }

    /// The same cluster by other settings, beside it.
    ///
    /// # Errors
    /// As [`Pipeline::read`].
    pub(super) fn seen_by(
        other: &Pipeline,
        arguments: &SettingsArguments,
        session: &mut Session,
    ) -> Result<Pipeline, Stop> {
        let Pipeline { snapshot, assumed, inferred_networks, agreed, .. } = other;
        let mut settings = arguments.resolve(snapshot, session)?;
        assumed.iter().for_each(|assumed| assumed.tell(&mut settings));
        let cluster = session.take_checked(Cluster::build(snapshot, &settings))?;
        let (snapshot, assumed) = (snapshot.clone(), assumed.clone());
        let inferred_networks = inferred_networks.clone();
        let agreed = agreed.clone();
        let mut pipeline = Pipeline { snapshot, settings, cluster, assumed, inferred_networks, agreed };
        pipeline.infer_local_traffic(arguments);
        Ok(pipeline)
    }

    /// Sees the cluster by other settings; returns those before, and the cluster by them.
    ///
    /// # Errors
    /// As [`Pipeline::read`]; then nothing has changed.
    pub(super) fn turn_to(
        &mut self,
        arguments: &SettingsArguments,
        session: &mut Session,
    ) -> Result<(Settings, Cluster), Stop> {
        let mut settings = arguments.resolve(&self.snapshot, session)?;
        self.assumed.iter().for_each(|assumed| assumed.tell(&mut settings));
        let cluster = session.take_checked(Cluster::build(&self.snapshot, &settings))?;
        self.inferred_networks = cluster.suggested_pod_networks();
        let before =
            (std::mem::replace(&mut self.settings, settings), std::mem::replace(&mut self.cluster, cluster));
        self.infer_local_traffic(arguments);
        Ok(before)
    }

    /// The node to look at: see [`choose`].
    ///
    /// # Errors
    /// There is no right choice.
    pub(super) fn node(&self, flag: Option<&str>, session: &mut Session) -> Result<Node, Stop> {
        session.take_checked(choose(&self.cluster, &self.settings, flag))
    }

    /// The cluster as nodes are compared by.
    pub(super) fn state(&self) -> State<'_> {
        State { cluster: &self.cluster, settings: &self.settings, sources: &self.snapshot.sources }
    }

    /// The families to look at: see [`node::families`].
    pub(super) fn families(&self) -> Vec<Family> {
        node::families(&self.cluster, &self.settings)
    }

    /// What a node must forward in some families, each with the node as it would be.
    ///
    /// # Errors
    /// There is no right answer for this node.
    pub(super) fn node_plans(
        &self,
        node: &Node,
        families: &[Family],
        session: &mut Session,
    ) -> Result<Vec<NodePlan<'_>>, Stop> {
        let plans = families.iter().map(|family| self.node_plan(node, *family, session));
        let plans: Vec<NodePlan<'_>> = plans.collect::<Result<_, _>>()?;
        self.tell_networks(&plans, session);
        Ok(plans)
    }

    /// What a node must forward in one family, and the node as it would be.
    ///
    /// # Errors
    /// As [`Pipeline::node_plans`].
    pub(super) fn node_plan(
        &self,
        node: &Node,
        family: Family,
        session: &mut Session,
    ) -> Result<NodePlan<'_>, Stop> {
        let sources = &self.snapshot.sources;
        session.take_checked(NodePlan::new(&self.cluster, &self.settings, sources, node, family))
    }
}
