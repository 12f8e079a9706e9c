//! How many Pods a workload has.

use std::collections::BTreeMap;

use crate::input::Snapshot;
use crate::input::api::{self, AutoscalerSpec, WorkloadKind};

/// The HorizontalPodAutoscalers by namespace, kind and name of their target.
pub(super) struct Autoscalers<'s>(BTreeMap<(&'s str, &'s str, &'s str), &'s AutoscalerSpec>);

impl<'s> Autoscalers<'s> {
    pub(super) fn of(snapshot: &'s Snapshot) -> Autoscalers<'s> {
        let of = |scaler: &'s api::Autoscaler| {
            let target = &scaler.spec.scale_target_ref;
            let namespace = scaler.metadata.namespace.as_str();
            ((namespace, target.kind.as_str(), target.name.as_str()), &scaler.spec)
        };
        Autoscalers(snapshot.autoscalers.iter().map(|located| of(&located.object)).collect())
    }

    /// So many Pods a workload has that is no DaemonSet. An autoscaler without metrics keeps within its bounds; it
    /// leaves a workload that is scaled to zero alone.
    pub(super) fn replicas(&self, workload: &api::Workload) -> i64 {
        if workload.kind == WorkloadKind::Job {
            return of_job(workload);
        }
        if workload.paused && workload.existing.unwrap_or_default() == 0 {
            return 0;
        }
        let replicas = workload.replicas.unwrap_or(1);
        let metadata = &workload.metadata;
        let key = (metadata.namespace.as_str(), workload.kind.name(), metadata.name.as_str());
        match self.0.get(&key) {
            Some(bounds) if replicas > 0 => {
                let least = bounds.min_replicas.unwrap_or(1);
                replicas.min(bounds.max_replicas.unwrap_or(i64::MAX)).max(least)
            }
            _ => replicas,
        }
    }
}

/// So many at once (pkg/controller/job, wantActivePods).
fn of_job(job: &api::Workload) -> i64 {
    if job.paused || job.finished {
        return 0;
    }
    let parallelism = job.parallelism.unwrap_or(1);
    job.completions.map_or(parallelism, |completions| completions.min(parallelism))
}
