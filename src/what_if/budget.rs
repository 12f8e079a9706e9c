//! PodDisruptionBudgets: how many Pods may be evicted (pkg/controller/disruption).

use std::collections::{BTreeMap, BTreeSet};

use super::story::Story;
use crate::assume::controllers::{Key, key};
use crate::input::api::{self, IntOrString, Text};

impl Story<'_> {
    /// Which of these Pods may be evicted now, in the order of their names; and which a budget keeps.
    pub(super) fn evictable(&self, pods: &BTreeSet<Key>) -> (BTreeSet<Key>, BTreeSet<Key>) {
        let budgets: Vec<&api::DisruptionBudget> =
            self.now.disruption_budgets.iter().map(|budget| &budget.object).collect();
        let mut left: Vec<i64> = budgets.iter().map(|budget| self.allowed(budget)).collect();
        let (mut evicted, mut kept) = (BTreeSet::new(), BTreeSet::new());
        let all = self.now.pods.iter().map(|pod| &pod.object);
        let meant: BTreeMap<Key, &api::Pod> =
            all.map(|pod| (key(&pod.metadata), pod)).filter(|(name, _)| pods.contains(name)).collect();
        for (name, pod) in meant {
            let of: Vec<usize> =
                budgets.iter().enumerate().filter(|(_, b)| is_of(b, pod)).map(|(i, _)| i).collect();
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

    /// `status.disruptionsAllowed`
    fn allowed(&self, budget: &api::DisruptionBudget) -> i64 {
        let pods = self.now.pods.iter().map(|pod| &pod.object).filter(|pod| is_of(budget, pod));
        let healthy = pods.clone().filter(|pod| pod.ready && !pod.metadata.being_deleted).count();
        let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
        let expected = self.expected(pods);
        let desired = match (&budget.max_unavailable, &budget.min_available) {
            (Some(most), _) => expected - scaled(most, expected),
            (None, Some(least)) => scaled(least, expected),
            (None, None) => 1,
        };
        healthy - desired.max(0)
    }

    /// How many Pods their controllers should have; each Pod without one counts for itself.
    fn expected<'p>(&self, pods: impl Iterator<Item = &'p api::Pod>) -> i64 {
        let mut owners: BTreeSet<(Text, Text, Text)> = BTreeSet::new();
        let mut bare = 0;
        for pod in pods {
            match pod.metadata.owner.as_deref() {
                Some(owner) => {
                    _ = owners.insert((
                        pod.metadata.namespace.clone(),
                        owner.kind.clone(),
                        owner.name.clone(),
                    ));
                }
                None => bare += 1,
            }
        }
        let replicas = |(namespace, kind, name): &(Text, Text, Text)| {
            let workloads = self.now.workloads.iter().map(|workload| &workload.object);
            let mut found = workloads.filter(|workload| {
                workload.kind.name() == kind
                    && workload.metadata.namespace == *namespace
                    && workload.metadata.name == *name
            });
            let pods = self.now.pods.iter().map(|pod| &pod.object.metadata).filter(|pod| {
                pod.namespace == *namespace
                    && !pod.being_deleted
                    && pod.owner.as_deref().is_some_and(|owner| owner.kind == *kind && owner.name == *name)
            });
            let running = i64::try_from(pods.count()).unwrap_or(i64::MAX);
            found.next().and_then(|workload| workload.replicas).unwrap_or(running)
        };
        bare + owners.iter().map(replicas).sum::<i64>()
    }
}

fn is_of(budget: &api::DisruptionBudget, pod: &api::Pod) -> bool {
    budget.metadata.namespace == pod.metadata.namespace
        && budget.selector.as_ref().is_some_and(|selector| selector.matches(&pod.metadata.labels))
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
