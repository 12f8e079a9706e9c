//! Examples of what differs for packets to Services, for when the complete result would repeat it for every Pod of the
//! node.

use std::net::IpAddr;

use super::alike::Alike;
use super::classes::Bounds;
use super::explain::SideFacts;
use super::flows::flows_within;
use super::ground::Ground;
use super::names::Names;
use super::scope::Scope;
use super::search::{Examples, Search};
use super::{Difference, Traffic};
use crate::plan::Plan;
use crate::walk::{DoesNothing, Walker};

/// The connections to Services that differ as `is_meant` asks: of many like ones some, with the number of those that
/// were not followed. `moved` are rules, if after routing the place of these rules is all that differs.
pub fn examples_of_plan(
    walkers: (&Walker<'_>, &Walker<'_>),
    plan: &Plan<'_>,
    is_meant: &(dyn Fn(&Difference) -> bool + Sync),
    moved: Option<&dyn DoesNothing>,
) -> Traffic {
    let facts = SideFacts::new(plan);
    with_examples(walkers, plan, (is_meant, moved), |bounds, names| {
        flows_within(walkers, bounds, names, Some((&facts, &facts)), &|_| None)
    })
}

/// The same, not yet folded for people.
#[cfg(test)]
pub(in crate::compare) fn example_differences(
    walkers: (&Walker<'_>, &Walker<'_>),
    plan: &Plan<'_>,
    is_meant: &(dyn Fn(&Difference) -> bool + Sync),
    moved: Option<&dyn DoesNothing>,
) -> super::Comparison {
    with_examples(walkers, plan, (is_meant, moved), |bounds, _| super::compare_within(walkers, bounds))
}

/// What is looked for, and rules whose place is all that differs.
type Meant<'m> = (&'m (dyn Fn(&Difference) -> bool + Sync), Option<&'m dyn DoesNothing>);

fn with_examples<T>(
    (old, new): (&Walker<'_>, &Walker<'_>),
    plan: &Plan<'_>,
    (is_meant, moved): Meant<'_>,
    work: impl FnOnce(Bounds<'_>, &Names) -> T,
) -> T {
    let mut names = Names::default();
    names.learn(plan);
    let examples = Examples { names: &names, is_meant, moved };
    let ground = Ground::new(old.host(), new.host(), plan.family());
    let alike = &alike_to_both((old, new), plan, &ground);
    let search = Search::Services(&examples);
    work(Bounds { ground: &ground, scope: Scope::Everything, alike, search, known: None }, &names)
}

/// Endpoints that are told apart neither by kube-proxy's rules, which are as they should be on both sides, nor by those
/// of other programs.
fn alike_to_both((old, new): (&Walker<'_>, &Walker<'_>), plan: &Plan<'_>, ground: &Ground<'_>) -> Alike {
    let is_told = |walker: &Walker<'_>| walker.told_by_others(plan.family().loopback()).is_some();
    if !(is_told(old) && is_told(new)) {
        return Alike::default();
    }
    let tells = |ip: IpAddr| (old.told_by_others(ip), new.told_by_others(ip));
    Alike::of_plans(plan, plan, ground).that_agree_in(tells, plan.family())
}
