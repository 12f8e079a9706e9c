//! Service ports printed stretch by stretch on all cores, or copied from another node that treats them in the same way.

use crate::parallel;
use crate::plan::{Plan, ServicePortPlan};

/// Service ports in a stretch: enough to be worth the bookkeeping, and few enough that one which differs from node to
/// node spoils little.
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

    /// What was printed for a stretch, if it is the same here.
    fn same(&self, number: usize, ports: &[ServicePortPlan<'c>]) -> Option<T> {
        let own = self.plan.service_ports().chunks(LENGTH).nth(number)?;
        let same =
            own.len() == ports.len() && own.iter().zip(ports).all(|(own, port)| own.is_unchanged(port));
        self.printed.get(number).filter(|_| same).cloned()
    }

    /// What was printed, in order.
    pub(super) fn printed(&self) -> &[T] {
        &self.printed
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use crate::cluster::{ServicePort, TrafficPolicy};
    use crate::iptables::{compile, restore, save, saved};
    use crate::net::Port;
    use crate::plan::samples::{Sample, endpoint, service_port};
    use crate::settings::{DetectLocal, ProxyMode, Release};

    /// A Service port in one of a few forms.
    fn port(number: usize, form: u8) -> ServicePort {
        let endpoints = (0..form % 4).map(|n| endpoint(&format!("10.244.{n}.{}:8080", number % 200 + 1)));
        ServicePort {
            port: Port::new(i64::try_from(number + 1).unwrap()).unwrap(),
            node_port: (form & 4 != 0).then(|| Port::new(i64::try_from(number + 30_000).unwrap()).unwrap()),
            external_policy: if form & 8 != 0 { TrafficPolicy::Local } else { TrafficPolicy::Cluster },
            affinity_seconds: (form & 16 != 0).then_some(60),
            endpoints: endpoints.collect(),
            ..service_port(&format!("p{number}"))
        }
    }

    fn sample(forms: &[u8], by_interface: bool) -> Sample {
        let ports: Vec<ServicePort> = forms.iter().enumerate().map(|(i, form)| port(i, *form)).collect();
        let sample = Sample::new(ProxyMode::Iptables, Release::NEWEST, &ports);
        let interface = DetectLocal::BridgeInterface("br0".into());
        if by_interface { sample.detect_local(interface) } else { sample }
    }

    proptest! {
        #![proptest_config(crate::testing::cases(32))]

        /// The other node sometimes has other endpoints, more or fewer Service ports, or other settings.
        #[test]
        fn what_is_taken_over_reads_as_printed_anew(
            forms in vec(0..32_u8, 20..120),
            changes in vec((any::<prop::sample::Index>(), 0..32_u8), 0..4),
            length in 0..120_usize,
            by_interface in prop::bool::weighted(0.1),
        ) {
            let mut others = forms.clone();
            changes.iter().for_each(|(at, form)| others[at.index(forms.len())] = *form);
            others.truncate(length.max(20));
            let (one, other) = (sample(&forms, false), sample(&others, by_interface));
            let (one, other) = (one.plan(), other.plan());
            let mut plain = String::new();
            save::print(&compile(&other), &mut plain);
            prop_assert_eq!(saved::print(&other).to_string(), plain.as_str());
            prop_assert_eq!(saved::Model::new(&one).print(&other).to_string(), plain);
            let anew = restore::print(&other).to_string();
            prop_assert_eq!(restore::Model::new(&one).print(&other).to_string(), anew);
        }
    }
}
