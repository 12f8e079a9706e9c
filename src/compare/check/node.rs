//! A whole node: which mode and release its rules are of, which families can be checked, and the check of each.

use super::{
    Finding, Kind, Report, check, difference, least_difference, leftovers, legacy, masquerade_mark, pinned,
    spotless,
};
use crate::capture::Captured;
use crate::iptables::ruleset as ipt;
use crate::net::Family;
use crate::nftables::TABLE;
use crate::node::{NodePlan, NodeRules};
use crate::parallel;
use crate::ruleset::Ruleset;
use crate::settings::release::RELEASES;
use crate::settings::{ProxyMode, Release};

/// What can be said of a capture without knowing the cluster: rules in both variants of iptables, rules of the other
/// mode, and that the node is not in the given mode, or that the capture does not show its mode.
pub fn mode_and_leftovers(captured: &Captured, told: Option<ProxyMode>) -> Vec<Finding> {
    let in_listing = || {
        let ruleset = captured.parts.iter().find_map(|part| part.ruleset.as_nftables());
        ruleset.and_then(leftovers::in_listing).or_else(|| leftovers::beside_nftables(captured))
    };
    if let Some(path) = captured.data_path() {
        let commands = path.commands().iter().map(|command| (*command).to_owned()).collect();
        return vec![Finding { commands, ..Finding::general(Kind::OtherDataPath, path.to_string()) }];
    }
    let mode = captured.mode();
    let mut findings = Vec::new();
    if captured.has_leftovers_of_ipvs() {
        let message = "the interface kube-ipvs0 of mode ipvs is left over: its addresses are the node's own, so that what \
                       no rule takes ends on the node; run kube-proxy --cleanup, or ip link delete kube-ipvs0";
        findings.push(Finding::general(Kind::OtherModeLeftovers, message));
    }
    match captured.language {
        ProxyMode::Iptables => {
            findings.extend(legacy::variants(captured));
            let beside = || leftovers::beside_iptables(captured);
            findings.extend(mode.and_then(|_| beside()));
        }
        ProxyMode::Nftables => findings.extend(mode.and_then(|_| in_listing())),
    }
    let message = match (mode, captured.language) {
        (Some(mode), _) => told.filter(|told| *told != mode).map(|told| {
            let (mode, told) = (mode.name(), told.name());
            format!("kube-proxy is in mode {mode}, not {told} (the rest is checked by its rules)")
        }),
        (None, ProxyMode::Iptables) => captured
            .incompatible_tables
            .iter()
            .any(|name| name == TABLE)
            .then(|| "kube-proxy is in nftables mode: capture its rules with nft list ruleset".to_owned()),
        (None, ProxyMode::Nftables) => in_listing()
            .map(|_| "kube-proxy is in iptables mode: capture its rules with iptables-save".to_owned()),
    };
    findings.extend(message.map(|message| Finding::general(Kind::OtherMode, message)));
    findings
}

/// How exactly a distance is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// All of it.
    Exactly,
    /// A lower bound, up to this limit: much faster if nearly all rules differ.
    AtLeast(usize),
}

/// The release that captured rules look most like: if several are equally near, the given one, else the newest.
/// `distance` is how far they are from what a release writes (see [`distance`]), none for a release that cannot have
/// written them.
pub fn release(
    told: Option<Release>,
    distance: impl Fn(Release, Measure) -> Option<usize> + Sync,
) -> Option<Release> {
    let others = RELEASES.into_iter().rev().filter(|release| told != Some(*release));
    let mut all = told.into_iter().chain(others).enumerate();
    // The first is usually the right one.
    let mut best: Option<Candidate> = None;
    for (place, release) in all.by_ref() {
        best = distance(release, Measure::Exactly).map(|distance| (distance, place, release));
        if best.is_some() {
            break;
        }
    }
    let (mut least, mut first, mut found) = best?;
    // Of the others, only those that could be nearer are compared line by line, the most promising first.
    let others: Vec<(usize, Release)> = all.collect();
    let limit = least;
    let bound = |(place, release): &(usize, Release)| {
        Some((distance(*release, Measure::AtLeast(limit))?, *place, *release))
    };
    let mut others: Vec<Candidate> = if least == 0 {
        Vec::new()
    } else {
        others.chunks(parallel::threads()).flat_map(|some| parallel::each(some, bound)).flatten().collect()
    };
    others.sort_unstable_by_key(|(bound, place, _)| (*bound, *place));
    for (bound, place, release) in others {
        if (bound, place) < (least, first)
            && let Some(distance) = distance(release, Measure::Exactly)
            && (distance, place) < (least, first)
        {
            (least, first, found) = (distance, place, release);
        }
    }
    Some(found)
}

/// A release with its distance, or a lower bound of that, and its place in the order.
type Candidate = (usize, usize, Release);

/// Which families can be checked.
#[derive(Debug, Default)]
pub struct Families {
    /// Those to check.
    pub checked: Vec<Family>,
    /// Notes on families that cannot be checked because this form of capture never has them.
    pub notes: Vec<String>,
    /// Findings on families that cannot be checked although the capture could have had them.
    pub findings: Vec<Finding>,
}

/// The families to check: those `wanted`, and those in which the capture has rules of kube-proxy. If the node has no
/// rules in a family in which it should have some, all are missing, and so they are if the capture has no rules of any
/// family. A listing with kube-proxy's table of only one family may be a part of what there is: that nothing was
/// compared in the other is a finding. The output of `iptables-save` never covers IPv6: that is a note.
pub fn families(captured: &Captured, wanted: &[Family]) -> Families {
    let mut found = Families::default();
    let covers_none = !wanted.iter().any(|family| captured.covers(*family));
    if !captured.has_any_rules() {
        found.checked.extend(wanted);
        return found;
    }
    for family in Family::ALL {
        let is_wanted = wanted.contains(&family);
        let has_rules = captured.ruleset(family).is_some_and(|ruleset| ruleset.has_kube_proxys_rules());
        let is_told = captured.covers(family) && (has_rules || captured.is_saved(family));
        if is_told || (is_wanted && (captured.covers(family) || covers_none)) {
            found.checked.push(family);
        } else if is_wanted && captured.language == ProxyMode::Nftables {
            let message = format!(
                "the capture has no table of kube-proxy for {family}: {family} is not checked; capture all with nft list \
                 ruleset, or give --family to check only the other"
            );
            found.findings.push(Finding::general(Kind::NothingCompared, message));
        } else if is_wanted {
            found.notes.push(format!("the capture has no {family} rules: {family} is not checked"));
        }
    }
    found
}

/// How many lines of captured rules differ from those of a release, in the families of the plans.
pub fn distance<'c>(
    plans: impl IntoIterator<Item = NodePlan<'c>>,
    captured: &Captured,
    measure: Measure,
) -> usize {
    // A family without any rule is equally far from every release.
    let has_rules = |plan: &NodePlan<'c>| {
        captured.ruleset(plan.plan.family()).is_some_and(Ruleset::has_kube_proxys_rules)
    };
    let plans = plans.into_iter().filter(has_rules);
    match measure {
        Measure::Exactly => plans.map(|plan| exact_distance(plan, captured)).sum(),
        Measure::AtLeast(limit) => plans.map(|plan| least_distance(plan, captured, limit)).sum(),
    }
}

fn exact_distance(plan: NodePlan<'_>, captured: &Captured) -> usize {
    let (expected, captured) = pair(plan, captured);
    match spotless::has_no_difference(&expected.plan, &captured.ruleset) {
        true => 0,
        false => difference(&expected.compile(), &captured),
    }
}

fn least_distance(mut plan: NodePlan<'_>, captured: &Captured, limit: usize) -> usize {
    let Some(captured) = captured.ruleset(plan.plan.family()) else { return 0 };
    take_mark(&mut plan, captured);
    least_difference(&plan.compile().ruleset, captured, limit)
}

/// Checks a node in the families of the plans, with one plan for each.
pub fn node<'c>(plans: impl IntoIterator<Item = NodePlan<'c>>, captured: &Captured, report: &mut Report) {
    let has_rules = captured.has_any_rules();
    if !has_rules {
        report.notes.push("no rules were captured: only connections are checked".to_owned());
    }
    for plan in plans {
        let configured = plan.plan.masquerade().mark;
        connections(&plan, captured, report);
        if !has_rules {
            continue;
        }
        let (expected, captured) = pair(plan, captured);
        if let Some(mark) = captured.ruleset.masquerade_mark() {
            let finding = masquerade_mark::finding(configured, mark);
            report.findings.extend(finding.filter(|finding| !report.findings.contains(finding)));
        }
        let family = expected.plan.family().lower_name();
        let spotless = spotless::find(&expected.plan, &expected.host, &captured);
        let mut found = spotless.unwrap_or_else(|| check(&expected.compile(), &captured));
        report.findings.append(&mut found.findings);
        report.notes.append(&mut found.notes);
        report.classes += found.classes;
        report.unknown += found.unknown;
        report.same_rules.extend(found.same_rules.then_some(family));
    }
    let is_compared = report.classes > 0 || !report.same_rules.is_empty();
    if has_rules && !is_compared && report.findings.is_empty() {
        let message = "nothing was compared: no connection can be walked through these rules";
        report.findings.push(Finding::general(Kind::NothingCompared, message));
    }
}

/// Reports existing connections that go where no new one would.
fn connections(plan: &NodePlan<'_>, captured: &Captured, report: &mut Report) {
    let mut host = plan.host.clone();
    captured.facts.tell(&mut host);
    let (mut findings, mut notes) = pinned::find(&plan.plan, &host, &captured.facts);
    for finding in &mut findings {
        finding.family = Some(plan.plan.family().lower_name());
    }
    report.findings.append(&mut findings);
    report.notes.append(&mut notes);
}

/// What a node should have, and what it has: nothing in a family that the capture says nothing about. If it marks
/// packets by another bit than it should, that is one thing to report, not a difference in every rule that uses the
/// mark.
fn pair<'c>(mut plan: NodePlan<'c>, captured: &Captured) -> (NodePlan<'c>, NodeRules<'c>) {
    let family = plan.plan.family();
    let none = || ipt::Ruleset { family, tables: Vec::new() }.into();
    let ruleset: Ruleset = captured.ruleset(family).cloned().unwrap_or_else(none);
    take_mark(&mut plan, &ruleset);
    captured.facts.tell(&mut plan.host);
    let captured = NodeRules::new(ruleset, plan.host.clone()).beside(captured.rulesets(family));
    (plan, captured)
}

fn take_mark(plan: &mut NodePlan<'_>, captured: &Ruleset) {
    if let Some(mark) = captured.masquerade_mark() {
        plan.plan.set_mark(mark);
    }
}
