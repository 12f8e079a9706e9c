//! PodDisruptionBudgets: how many Pods may be evicted (pkg/controller/disruption).

use std::collections::{BTreeMap, BTreeSet};

use super::story::Story;
use crate::assume::controllers::{Key, key};
use crate::input::api::{self, IntOrString};
use crate::input::labelled::Labelled;
use crate::input::{Located, Snapshot};

impl Story<'_> {
    /// Which of these Pods may be evicted now, in the order of their names; and which a budget keeps.
    pub(super) fn evictable(&self, pods: &BTreeSet<Key>) -> (BTreeSet<Key>, BTreeSet<Key>) {
        let Budgets { mut left, of_pods } = Budgets::new(&self.now);
        let (mut evicted, mut kept) = (BTreeSet::new(), BTreeSet::new());
        let all = self.now.pods.iter().map(|pod| &pod.object);
        let meant: BTreeMap<Key, &api::Pod> =
            all.map(|pod| (key(&pod.metadata), pod)).filter(|(name, _)| pods.contains(name)).collect();
        for (name, pod) in meant {
            let of = of_pods.get(&name).map_or(&[][..], Vec::as_slice);
            let has_room = of.iter().all(|i| left.get(*i).is_some_and(|left| *left > 0));
            if has_room || !pod.ready {
                of.iter().for_each(|i| {
                    if let Some(left) = left.get_mut(*i) {
                        *left -= 1;
                    }
                });
                evicted.insert(name);
            } else {
                kept.insert(name);
            }
        }
        (evicted, kept)
    }
}

/// The budgets of a cluster.
struct Budgets {
    /// How many evictions each of them allows: `status.disruptionsAllowed`.
    left: Vec<i64>,
    /// The numbers of each Pod's budgets.
    of_pods: BTreeMap<Key, Vec<usize>>,
}

impl Budgets {
    fn new(snapshot: &Snapshot) -> Budgets {
        let pods = Labelled::pods(snapshot);
        let owners = Owners::new(snapshot);
        let mut budgets = Budgets { left: Vec::new(), of_pods: BTreeMap::new() };
        for (i, budget) in snapshot.disruption_budgets.iter().map(|budget| &budget.object).enumerate() {
            let selector = budget.selector.as_ref();
            let pods = selector.map(|selector| pods.matching(&budget.metadata.namespace, selector));
            let pods = pods.unwrap_or_default();
            budgets.left.push(allowed(budget, &pods, &owners));
            for pod in pods {
                budgets.of_pods.entry(key(&pod.object.metadata)).or_default().push(i);
            }
        }
        budgets
    }
}

fn allowed(budget: &api::DisruptionBudget, pods: &[&Located<api::Pod>], owners: &Owners<'_>) -> i64 {
    let healthy = pods.iter().filter(|pod| pod.object.ready && !pod.object.metadata.being_deleted).count();
    let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
    let expected = owners.expected(pods);
    let desired = match (&budget.max_unavailable, &budget.min_available) {
        (Some(most), _) => expected.saturating_sub(scaled(most, expected)),
        (None, Some(least)) => scaled(least, expected),
        (None, None) => 1,
    };
    healthy.saturating_sub(desired.max(0))
}

/// Kind, namespace and name of what makes Pods.
type Identity<'s> = (&'s str, &'s str, &'s str);

/// What makes Pods.
struct Owners<'s> {
    /// How many they should make, where they say so.
    replicas: BTreeMap<Identity<'s>, i64>,
    /// How many of their Pods there are.
    running: BTreeMap<Identity<'s>, i64>,
}

impl<'s> Owners<'s> {
    fn new(snapshot: &'s Snapshot) -> Owners<'s> {
        let workloads = snapshot.workloads.iter().map(|located| &located.object);
        let replicas = workloads.filter_map(|workload| {
            let metadata = &workload.metadata;
            let identity = (workload.kind.name(), metadata.namespace.as_str(), metadata.name.as_str());
            Some((identity, workload.replicas?))
        });
        let mut running = BTreeMap::new();
        for pod in
            snapshot.pods.iter().map(|located| &located.object).filter(|pod| !pod.metadata.being_deleted)
        {
            if let Some(owner) = owner(pod) {
                *running.entry(owner).or_default() += 1;
            }
        }
        Owners { replicas: replicas.collect(), running }
    }

    /// How many Pods the controllers of these should have; each Pod without one counts for itself.
    fn expected(&self, pods: &[&Located<api::Pod>]) -> i64 {
        let owners: BTreeSet<Identity<'_>> = pods.iter().filter_map(|pod| owner(&pod.object)).collect();
        let bare = pods.iter().filter(|pod| owner(&pod.object).is_none()).count();
        let replicas = |owner| self.replicas.get(owner).or_else(|| self.running.get(owner)).copied();
        let bare = i64::try_from(bare).unwrap_or(i64::MAX);
        owners.iter().filter_map(replicas).fold(bare, i64::saturating_add)
    }
}

fn owner(pod: &api::Pod) -> Option<Identity<'_>> {
    let owner = pod.metadata.owner.as_deref()?;
    Some((&owner.kind, &pod.metadata.namespace, &owner.name))
}

/// A number, or a percentage of another, rounded up.
fn scaled(value: &IntOrString, of: i64) -> i64 {
    match value {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let percent: i64 = text.strip_suffix('%').and_then(|text| text.parse().ok()).unwrap_or_default();
            (of.saturating_mul(percent).saturating_add(99)) / 100
        }
    }
}
