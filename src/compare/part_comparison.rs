//! How a part of the Services is compared on a node, and what that adds to the changes of the node.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::IpAddr;
use std::sync::Arc;

use super::consequence::{self, Neighbours, ServiceOnNode};
use super::parts::Part;
use super::rules_change::{SubjectChange, rules_by_subject};
use super::traffic::{
    self, Alike, Bounds, Ground, Known, KnownOutcomes, Members, Scope, Search, Shape, SharedTraffic, Traffic,
};
use crate::names::ServiceName;
use crate::node::{Host, NodePlan};
use crate::parallel;
use crate::plan::Plan;
use crate::walk::Walker;

/// How the parts of a node are compared.
pub(super) struct PartComparison<'g> {
    pub(super) ground: &'g Ground<'g>,
    pub(super) neighbours: &'g Neighbours<'g>,
    pub(super) with_rules: bool,
    pub(super) with_traffic: bool,
    pub(super) assumed: &'g Arc<BTreeSet<IpAddr>>,
}

/// What a part, or several, add to the changes of a node.
#[derive(Default)]
pub(super) struct PartChange {
    pub(super) rules: Vec<Vec<SubjectChange>>,
    pub(super) traffic: Vec<SharedTraffic>,
    pub(super) services: Vec<Arc<ServiceOnNode>>,
}

impl PartChange {
    pub(super) fn absorb(&mut self, other: PartChange) {
        self.rules.extend(other.rules);
        self.traffic.extend(other.traffic);
        self.services.extend(other.services);
    }
}

/// Parts that are compared one after the other, each with its index among all.
type Batch<'o, 'n> = Vec<(usize, Part<'o, 'n>)>;

/// The most parts that are compared one after the other: enough for what they share to be found once for many, and few
/// enough to keep all cores busy.
const BATCH: usize = 64;

impl PartComparison<'_> {
    /// Compares all parts; changes are in their order.
    pub(super) fn of_parts(&self, parts: Vec<Part<'_, '_>>) -> Vec<PartChange> {
        let count = parts.len();
        let mut changes: Vec<PartChange> = std::iter::repeat_with(PartChange::default).take(count).collect();
        for (place, change) in
            parallel::map(self.batches(parts), |batch| self.of_batch(batch)).into_iter().flatten()
        {
            if let Some(entry) = changes.get_mut(place) {
                *entry = change;
            }
        }
        changes
    }

    /// The shape of a part, and what fills it; none if it is like no other, or if no packets are followed.
    fn shape(&self, part: &Part<'_, '_>) -> Option<(Shape, Members)> {
        self.with_traffic.then(|| Shape::of(&part.old, &part.new, self.ground)).flatten()
    }

    /// Puts parts of one shape together.
    fn batches<'o, 'n>(&self, parts: Vec<Part<'o, 'n>>) -> Vec<Batch<'o, 'n>> {
        let hashes = parallel::each(&parts, |part| {
            self.shape(part).map(|(shape, _)| BuildHasherDefault::<DefaultHasher>::default().hash_one(shape))
        });
        let mut batches: Vec<Batch<'o, 'n>> = Vec::new();
        let mut open: HashMap<u64, usize> = HashMap::new();
        for (place, (part, hash)) in parts.into_iter().zip(hashes).enumerate() {
            let known = hash.and_then(|hash| open.get(&hash)).and_then(|at| batches.get_mut(*at));
            match known.filter(|batch| batch.len() < BATCH) {
                Some(batch) => batch.push((place, part)),
                None => {
                    if let Some(hash) = hash {
                        open.insert(hash, batches.len());
                    }
                    batches.push(vec![(place, part)]);
                }
            }
        }
        batches
    }

    /// Compares parts one after the other; those of one shape share the outcomes of their packets.
    fn of_batch(&self, batch: Batch<'_, '_>) -> Vec<(usize, PartChange)> {
        let mut shapes: Vec<(Shape, KnownOutcomes)> = Vec::new();
        let mut changes = Vec::with_capacity(batch.len());
        for (place, part) in batch {
            let known = self.shape(&part).and_then(|(shape, members)| {
                let at = shapes.iter().position(|(other, _)| *other == shape).unwrap_or(shapes.len());
                if at == shapes.len() {
                    shapes.push((shape, KnownOutcomes::default()));
                }
                Some(Known::new(&shapes.get(at)?.1, members, self.ground))
            });
            changes.push((place, self.of_part(part, known.as_ref())));
        }
        changes
    }

    /// Compares one part.
    fn of_part(&self, part: Part<'_, '_>, known: Option<&Known<'_>>) -> PartChange {
        let (addresses, node_ports) = (part.addresses(), part.node_ports());
        let alike = Alike::of_plans(&part.old, &part.new, self.ground);
        let scope = Scope::Part { addresses: &addresses, node_ports: &node_ports };
        let mut change = self.of(part, scope, &alike, known);
        // What every node has is reported once, apart from the parts.
        change.rules.iter_mut().for_each(|rules| rules.retain(|(subject, _)| subject.service().is_some()));
        change
    }

    /// Compares one part, or what belongs to no part.
    pub(super) fn of(
        &self,
        part: Part<'_, '_>,
        scope: Scope<'_>,
        alike: &Alike,
        known: Option<&Known<'_>>,
    ) -> PartChange {
        let on_no_host = |plan| NodePlan { plan, host: Host::default() }.compile();
        let (old, new) = (on_no_host(part.old), on_no_host(part.new));
        let mut change = PartChange::default();
        change.rules.extend(self.with_rules.then(|| rules_by_subject(&old, &new)));
        if self.with_traffic {
            let hosts = self.ground.hosts();
            let walker = |ruleset, host| match known {
                Some(_) => Walker::new(ruleset, host),
                None => Walker::new(ruleset, host).keeping_ends(),
            };
            let walkers = (&walker(&old.ruleset, hosts.0), &walker(&new.ruleset, hosts.1));
            let bounds = Bounds { ground: self.ground, scope, alike, search: Search::All, known };
            let plans = (old.plan.as_ref(), new.plan.as_ref());
            let traffic = traffic::flows_of_part(walkers, bounds, plans, self.assumed);
            let subjects = change.rules.iter().flatten().filter_map(|(subject, _)| subject.service());
            let changed = changed_services(subjects.cloned().collect(), &traffic, plans);
            let around = (hosts, self.neighbours);
            let services = consequence::on_node(&changed, plans, around, walkers, known, self.assumed);
            change.services.extend(services.into_iter().map(Arc::new));
            change.traffic.push(traffic.into());
        }
        change
    }
}

/// Services for which anything changes, including those of which only rules do.
pub(super) fn changed_services(
    mut changed: BTreeSet<ServiceName>,
    traffic: &Traffic,
    (old, new): (Option<&Plan<'_>>, Option<&Plan<'_>>),
) -> BTreeSet<ServiceName> {
    let flows = traffic.flows.iter().filter(|flow| !flow.target.is_empty());
    changed.extend(flows.filter_map(|flow| ServiceName::parse(flow.service.as_deref()?)));
    // No rule shows the sockets that kube-proxy opens itself.
    if let (Some(old), Some(new)) = (old, new)
        && old.loopback_node_ports() != new.loopback_node_ports()
    {
        let with_node_port = new.service_ports().iter().filter(|port| port.node_port().is_some());
        changed.extend(with_node_port.map(|port| port.service_port().name.service_name()));
    }
    changed
}
