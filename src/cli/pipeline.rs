//! From arguments to plans: the stages that every subcommand over a cluster goes through.

use super::arguments::{InputArguments, SettingsArguments};
use super::node;
use super::session::{Session, Stop};
use crate::assume::{Assumed, check_nothing_missing};
use crate::cluster::{Cluster, Node};
use crate::diagnostic::Diagnostics;
use crate::input::{Snapshot, Sources};
use crate::net::Family;
use crate::plan::Plan;
use crate::settings::{ProxyMode, Settings};
use crate::{iptables, nftables};

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
        let (cluster, mut found) = Cluster::build(&snapshot, &settings);
        if assumed.is_none() {
            found.append(check_nothing_missing(&snapshot));
        }
        session.take(found)?;
        Ok(Pipeline { snapshot, settings, cluster, assumed })
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
        let mut settings = settings.resolve(&pipeline.snapshot, session)?;
        pipeline.assumed.iter().for_each(|assumed| assumed.tell(&mut settings));
        let (cluster, found) = Cluster::build(&pipeline.snapshot, &settings);
        session.take(found)?;
        Ok(Pipeline { settings, cluster, ..pipeline })
    }

    /// The node to look at: see [`node::choose`].
    ///
    /// # Errors
    /// There is no right choice.
    pub(super) fn node(&self, flag: Option<&str>, session: &mut Session) -> Result<Node, Stop> {
        let (node, found) = node::choose(&self.cluster, &self.settings, flag);
        session.take(found)?;
        Ok(node)
    }

    /// The families asked for, or else those in which the cluster has a Service address; IPv4 where it has none at all.
    pub(super) fn families(&self) -> Vec<Family> {
        if let Some(families) = &self.settings.families {
            return families.clone();
        }
        let mut families = Family::ALL.to_vec();
        families.retain(|family| !self.cluster.family(*family).service_ports.is_empty());
        if families.is_empty() {
            families.push(Family::Ipv4);
        }
        families
    }

    /// What a node must forward, one plan per family.
    ///
    /// # Errors
    /// There is no right answer for this node.
    pub(super) fn plans(&self, node: &Node, session: &mut Session) -> Result<Vec<Plan<'_>>, Stop> {
        self.families().into_iter().map(|family| self.plan(node, family, session)).collect()
    }

    /// What a node must forward in one family.
    ///
    /// # Errors
    /// As [`Pipeline::plans`].
    pub(super) fn plan(&self, node: &Node, family: Family, session: &mut Session) -> Result<Plan<'_>, Stop> {
        let (plan, found) = plan(&self.cluster, &self.settings, &self.snapshot.sources, node, family);
        session.take(found).map(|()| plan)
    }
}

/// What a node must forward in one family, and what the real loader would refuse of it.
pub(super) fn plan<'c>(
    cluster: &'c Cluster,
    settings: &Settings,
    sources: &Sources,
    node: &Node,
    family: Family,
) -> (Plan<'c>, Diagnostics) {
    let (plan, mut found) = Plan::new(cluster, settings, node, family);
    found.append(match settings.mode {
        ProxyMode::Iptables => iptables::loadable::check(&plan),
        ProxyMode::Nftables => nftables::loadable::check(&plan, sources),
    });
    (plan, found)
}
