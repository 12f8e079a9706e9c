//! Service ports printed stretch by stretch on all cores, or taken over from another node that does the same with them.

use crate::parallel;
use crate::plan::{Plan, ServicePortPlan};

/// Service ports in a stretch: enough to be worth the bookkeeping, few enough that one which differs from node to node
/// spoils little.
const LENGTH: usize = 32;

/// What was printed of a plan's Service ports; cheap to clone.
pub(super) struct Stretches<'p, 'c, T> {
    plan: &'p Plan<'c>,
    printed: Vec<T>,
}

impl<'p, 'c, T: Clone + Send + Sync> Stretches<'p, 'c, T> {
    /// Prints the Service ports of a plan. The printer gets a stretch of them and the index of its first.
    pub(super) fn print(
        plan: &'p Plan<'c>,
        like: Option<&Stretches<'_, 'c, T>>,
        printer: impl Fn(usize, &[ServicePortPlan<'c>]) -> T + Sync,
    ) -> Self {
        let like = like.filter(|like| like.plan.has_rules_in_common_with(plan));
        let stretches: Vec<_> = plan.service_ports().chunks(LENGTH).enumerate().collect();
        let printed = parallel::each(&stretches, |(number, ports)| {
            let same = like.and_then(|like| like.same(*number, ports));
            same.unwrap_or_else(|| printer(number * LENGTH, ports))
        });
        Stretches { plan, printed }
    }

    /// What was printed of a stretch that is the same here.
    fn same(&self, number: usize, ports: &[ServicePortPlan<'c>]) -> Option<T> {
        let own = self.plan.service_ports().get(number * LENGTH..)?.get(..ports.len())?;
        let same = own.iter().zip(ports).all(|(own, port)| own.is_unchanged(port));
        self.printed.get(number).filter(|_| same).cloned()
    }

    /// What was printed, in order.
    pub(super) fn printed(&self) -> &[T] {
        &self.printed
    }
}
