//! From arguments to plans: the stages that every subcommand over a cluster goes through.

use super::arguments::{InputArguments, SettingsArguments};
use super::node::choose;
use super::session::{Session, Stop};
use crate::assume::{Assumed, check_nothing_missing};
use crate::cluster::{Cluster, Node};
use crate::input::Snapshot;
use crate::net::Family;
use crate::node::{self, NodePlan};
use crate::settings::Settings;

/// A cluster with the settings to see it by.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) snapshot: Snapshot,
    pub(super) settings: Settings,
    pub(super) cluster: Cluster,
    /// What was assumed, with `--assume`.
    pub(super) assumed: Option<Assumed>,
}

impl Pipeline {
    /// Reads the input and resolves the settings.
    ///
    /// # Errors
    /// Anything that leaves no right answer; told in the session.
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
        snapshot: Snapshot,
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
        mut snapshot: Snapshot,
        settings: &SettingsArguments,
        session: &mut Session,
    ) -> Result<Pipeline, Stop> {
        session.progress().stage("joining Services and endpoints");
        let assume = &settings.assume;
        let mut settings = settings.resolve(&snapshot, session)?;
        let previous = previous.and_then(|previous| previous.assumed.as_ref());
        let assumed = assume.apply(&mut snapshot, &settings, previous, session)?;
        assumed.iter().for_each(|assumed| assumed.tell(&mut settings));
        let cluster = session.take_checked(Cluster::build(&snapshot, &settings));
        if assumed.is_none() {
            session.take(check_nothing_missing(&snapshot))?;
        }
        Ok(Pipeline { cluster: cluster?, snapshot, settings, assumed })
    }

    /// The same cluster by other settings.
    ///
    /// # Errors
    /// As [`Pipeline::read`].
    pub(super) fn by_other_settings(
        pipeline: Pipeline,
        settings: &SettingsArguments,
        session: &mut Session,
    ) -> Result<Pipeline, Stop> {
        let (settings, cluster) = pipeline.seen_by(settings, session)?;
        Ok(Pipeline { settings, cluster, ..pipeline })
    }

    /// Settings that other flags make, and the cluster by them.
    ///
    /// # Errors
    /// As [`Pipeline::read`].
    pub(super) fn seen_by(
        &self,
        settings: &SettingsArguments,
        session: &mut Session,
    ) -> Result<(Settings, Cluster), Stop> {
        let mut settings = settings.resolve(&self.snapshot, session)?;
        self.assumed.iter().for_each(|assumed| assumed.tell(&mut settings));
        let cluster = session.take_checked(Cluster::build(&self.snapshot, &settings))?;
        Ok((settings, cluster))
    }

    /// The node to look at: see [`choose`].
    ///
    /// # Errors
    /// There is no right choice.
    pub(super) fn node(&self, flag: Option<&str>, session: &mut Session) -> Result<Node, Stop> {
        session.take_checked(choose(&self.cluster, &self.settings, flag))
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
        families.iter().map(|family| self.node_plan(node, *family, session)).collect()
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
