//! Classes whose outcome changes, folded for people: those to one destination with the same outcomes are one flow.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use compact_str::CompactString;
use serde::Serialize;

use super::alike::Alike;
use super::classes::{Bounds, compare_and_fold};
use super::explain::{SideFacts, explain};
use super::ground::Ground;
use super::merged::merged;
use super::names::Names;
use super::reasons::Reason;
use super::scope::Scope;
use super::search::Search;
use super::verdict::ConnectionVerdict;
use super::words::{self, Scene};
use super::{Contrast, Difference, OutcomeSet, To, Traffic, Unknown};
use crate::net::Family;
use crate::plan::Plan;
use crate::walk::{ClientKind, Walker};

/// Connections whose outcome changes in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// `namespace/name`; none if the destination belongs to no Service.
    pub service: Option<String>,
    /// What the destination is, such as `cluster IP of shop/web:http`; empty if it is of no Service.
    pub target: String,
    /// Where the packets go to, such as `10.96.0.12:80/tcp`.
    pub to: Vec<String>,
    /// Whether that address is assumed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub to_assumed: bool,
    /// Whose address that is.
    pub place: Place,
    /// Where they come from, such as `Pods on this node`.
    pub from: Vec<String>,
    /// Set if they need to be mentioned only when nothing else changes.
    pub special: Option<Special>,
    /// What happens to them with the old rules.
    pub before: String,
    /// What happens to them with the new rules.
    pub after: String,
    /// What happened, as one of a few words.
    pub verdict_before: ConnectionVerdict,
    /// What happens now, as one of a few words.
    pub verdict_after: ConnectionVerdict,
    /// `outcome`, `affinity` or `chance`
    pub change: &'static str,
    /// Code of a known difference between modes or releases that explains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// One of the packets: source.
    pub source: String,
    /// One of the packets: destination.
    pub destination: String,
    /// How many kinds of connections are folded into it.
    pub classes: usize,
    /// How many more may be like them, from single addresses that rules name: these were not followed.
    #[serde(skip_serializing_if = "is_none")]
    pub not_followed: usize,
    /// Unknown facts that the outcomes depend on, as the rules ask for them.
    #[serde(skip)]
    pub open_questions: BTreeSet<CompactString>,
    /// The cause, by the number that a [`Cause`] gives it.
    #[serde(skip)]
    pub cause: Option<usize>,
    /// Whether the node itself is among the sources.
    #[serde(skip)]
    pub from_node: bool,
    /// Whether the first destination is a single address.
    #[serde(skip)]
    pub(super) begins_with_address: bool,
}

/// Whose address a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A Service's, or one that no one is known to have.
    Elsewhere,
    /// The node's own in this family.
    NodeIp,
    /// Another address of the node.
    OtherNodeAddress,
    /// A loopback address.
    Loopback,
}

/// Connections that people seldom ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Special {
    /// From or to a loopback address.
    Loopback,
    /// From single addresses of Pods, usually an endpoint that connects to itself.
    SelfConnection,
}

/// Finds the cause of a difference, by its number, if one is known; flows with different causes are kept apart.
pub type Cause<'c> = dyn Fn(&Difference) -> Option<usize> + Sync + 'c;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

impl Flow {
    /// Whether connections that worked no longer do.
    pub fn loses(&self) -> bool {
        self.verdict_before.is_served() && !self.verdict_after.is_served()
    }
}

/// What two rulesets do differently with the packets of one family, for people.
pub fn flows(
    (old, new): (&Walker<'_>, &Walker<'_>),
    family: Family,
    names: &Names,
    facts: Option<(&SideFacts<'_>, &SideFacts<'_>)>,
    cause: &Cause<'_>,
) -> Traffic {
    let ground = Ground::new(old.host(), new.host(), family);
    let (scope, alike) = (Scope::Everything, &Alike::default());
    flows_within(
        (old, new),
        Bounds { ground: &ground, scope, alike, search: Search::All, known: None },
        names,
        facts,
        cause,
    )
}

/// What differs within bounds, in words.
pub(super) fn flows_within(
    walkers: (&Walker<'_>, &Walker<'_>),
    bounds: Bounds<'_>,
    names: &Names,
    facts: Option<(&SideFacts<'_>, &SideFacts<'_>)>,
    cause: &Cause<'_>,
) -> Traffic {
    let side = Side { names, ground: bounds.ground, facts };
    let fold = |differences: Vec<Difference>| vec![of_destination(&differences, side, cause)];
    let (work, found) = compare_and_fold(walkers, bounds, &fold);
    let (flows, unknown): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let flows = merged(flows.into_iter().flatten().collect());
    let unknown = Unknown::merged(unknown.into_iter().flatten());
    Traffic { classes: work.compared, walked: work.walked, flows, unknown }
}

/// The same, with names and known differences from the plans that the rulesets were compiled from. A side without a
/// plan, because its rules were captured, is assumed to have the other's.
pub fn flows_of_plans(
    walkers: (&Walker<'_>, &Walker<'_>),
    family: Family,
    (old, new): (Option<&Plan<'_>>, Option<&Plan<'_>>),
    assumed: &Arc<BTreeSet<IpAddr>>,
    cause: &Cause<'_>,
) -> Traffic {
    let mut names = Names::with_assumed(assumed.clone());
    [new, old].into_iter().flatten().for_each(|plan| names.learn(plan));
    let facts = old.or(new).zip(new.or(old)).map(|(old, new)| (SideFacts::new(old), SideFacts::new(new)));
    flows(walkers, family, &names, facts.as_ref().map(|(old, new)| (old, new)), cause)
}

/// The same for a part of the whole.
pub(in crate::compare) fn flows_of_part(
    walkers: (&Walker<'_>, &Walker<'_>),
    bounds: Bounds<'_>,
    (old, new): (Option<&Plan<'_>>, Option<&Plan<'_>>),
    assumed: &Arc<BTreeSet<IpAddr>>,
) -> Traffic {
    let mut names = Names::with_assumed(assumed.clone());
    [new, old].into_iter().flatten().for_each(|plan| names.learn(plan));
    let facts = old.zip(new).map(|(old, new)| (SideFacts::new(old), SideFacts::new(new)));
    flows_within(walkers, bounds, &names, facts.as_ref().map(|(old, new)| (old, new)), &|_| None)
}

/// What is known for describing flows.
#[derive(Clone, Copy)]
struct Side<'n> {
    names: &'n Names,
    ground: &'n Ground<'n>,
    facts: Option<(&'n SideFacts<'n>, &'n SideFacts<'n>)>,
}

impl Side<'_> {
    /// The same with the new side first.
    fn reversed(self) -> Self {
        Side { facts: self.facts.map(|(old, new)| (new, old)), ..self }
    }

    /// What happens to connections under the first rules, in one word and in full; the others show what is worth
    /// saying.
    fn outcome(self, to: &To, (outcomes, others): (&OutcomeSet, &OutcomeSet)) -> (ConnectionVerdict, String) {
        let verdict = ConnectionVerdict::of(outcomes, to.representative, to.own);
        let listens = |(facts, _): (&SideFacts<'_>, _)| facts.listens_itself(to.representative, to.protocol);
        if verdict == ConnectionVerdict::NodeItself && self.facts.is_some_and(listens) {
            return (ConnectionVerdict::Works, words::BY_KUBE_PROXY.to_owned());
        }
        let scene = Scene { names: self.names, original: to.representative, own: to.own };
        (verdict, scene.outcomes(outcomes, others))
    }
}

/// Folds the classes of one destination.
fn of_destination(
    differences: &[Difference],
    side: Side<'_>,
    cause: &Cause<'_>,
) -> (Vec<Flow>, Vec<Unknown>) {
    let mut folded: Vec<(Key, Vec<&Difference>)> = Vec::new();
    let is_unknown = |difference: &&Difference| difference.contrast == Contrast::Unknown;
    let (unknown, known): (Vec<&Difference>, Vec<&Difference>) = differences.iter().partition(is_unknown);
    for difference in known {
        let key = Key { cause: cause(difference), ..Key::of(difference, side.names, side.facts) };
        match folded.iter_mut().find(|(other, _)| *other == key) {
            Some((_, list)) => list.push(difference),
            None => folded.push((key, vec![difference])),
        }
    }
    let flows = folded.iter().filter_map(|(key, list)| flow(key, list, side)).collect();
    (flows, Unknown::merged(unknown.into_iter().map(|difference| Unknown::of(difference, side.ground))))
}

/// What the classes of one flow have in common.
struct Key {
    old: Arc<OutcomeSet>,
    new: Arc<OutcomeSet>,
    contrast: Contrast,
    reason: Option<Reason>,
    cause: Option<usize>,
    /// Whether nothing differs except for an endpoint that connects to itself: then the outcomes name it.
    calls_itself: bool,
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        let is_same = |a: &Arc<OutcomeSet>, b: &Arc<OutcomeSet>| Arc::ptr_eq(a, b) || a == b;
        let others = |key: &Key| (key.contrast, key.reason, key.cause, key.calls_itself);
        others(self) == others(other) && is_same(&self.old, &other.old) && is_same(&self.new, &other.new)
    }
}

impl Key {
    /// If both sides agree on masquerading an endpoint that connects to itself, that does not set it apart from other
    /// clients.
    fn of(difference: &Difference, names: &Names, facts: Option<(&SideFacts<'_>, &SideFacts<'_>)>) -> Key {
        let Difference { old, new, contrast, packet, .. } = difference;
        let reason = facts.and_then(|facts| explain(difference, names, facts));
        let itself = |end: &super::End| end.destination.is_some_and(|to| to.ip() == packet.source);
        if !old.ends().chain(new.ends()).any(|(_, end, _)| itself(end)) {
            let (old, new) = (old.clone(), new.clone());
            return Key { old, new, contrast: *contrast, reason, cause: None, calls_itself: false };
        }
        let others_snat =
            |outcome_set: &OutcomeSet| outcome_set.ends().any(|(_, end, _)| !itself(end) && end.snat);
        let plain = |outcome_set: &OutcomeSet| {
            let others = others_snat(outcome_set);
            outcome_set.with_snat(|end| if itself(end) { others } else { end.snat })
        };
        let (plain_old, plain_new) = (plain(old), plain(new));
        let calls_itself = plain_old.contrast(&plain_new).is_none();
        let (old, new) = match calls_itself {
            false => (Arc::new(plain_old), Arc::new(plain_new)),
            true => (old.clone(), new.clone()),
        };
        Key { old, new, contrast: *contrast, reason, cause: None, calls_itself }
    }

    /// Unknown facts that the outcomes depend on.
    fn open_questions(&self) -> BTreeSet<CompactString> {
        let given = self.old.ends().chain(self.new.ends()).flat_map(|(given, ..)| &given.assumed);
        given.map(|(text, _)| text.clone()).collect()
    }
}

fn flow(key: &Key, list: &[&Difference], side: Side<'_>) -> Option<Flow> {
    let names = side.names;
    let first = list.first()?;
    let to = &first.to;
    let name = names.of(to);
    let service = name.map(|name| name.service.to_string());
    let (before, after) =
        (side.outcome(to, (&key.old, &key.new)), side.reversed().outcome(to, (&key.new, &key.old)));
    Some(Flow {
        service: service.or_else(|| Some(names.cluster_ip(to.address?)?.to_string())),
        target: name.map_or(String::new(), |name| format!("{} of {}", name.kind, name.service_port)),
        to: destinations(to, side.ground),
        to_assumed: to.address.is_some_and(|ip| names.is_assumed(ip)),
        place: place(to, side.ground),
        from: sources(list, key.calls_itself, side),
        special: special(to, list),
        before: before.1,
        after: after.1,
        verdict_before: before.0,
        verdict_after: after.0,
        change: match key.contrast {
            Contrast::Unknown => "unknown",
            Contrast::Outcome => "outcome",
            Contrast::Affinity => "affinity",
            Contrast::Chance => "chance",
        },
        reason: key.reason.map(Reason::code),
        source: side.ground.name_source(&first.packet, &first.from),
        destination: side.ground.name_socket(to),
        classes: list.iter().map(|difference| difference.classes() as usize).sum(),
        not_followed: list.iter().map(|difference| difference.from.not_followed).sum(),
        open_questions: key.open_questions(),
        cause: key.cause,
        from_node: list.iter().any(|difference| difference.from.client == ClientKind::Node),
        begins_with_address: to.address.is_some(),
    })
}

fn place(to: &To, ground: &Ground<'_>) -> Place {
    let own = ground.hosts().1.primary_address(Family::of(to.representative.ip()));
    match to.representative.ip() {
        ip if ip.is_loopback() => Place::Loopback,
        ip if Some(ip) == own => Place::NodeIp,
        _ if to.own => Place::OtherNodeAddress,
        _ => Place::Elsewhere,
    }
}

fn special(to: &To, list: &[&Difference]) -> Option<Special> {
    let kinds: BTreeSet<Kind> = list.iter().filter_map(|difference| kind(difference)).collect();
    if to.representative.ip().is_loopback() || kinds == BTreeSet::from([Kind::Loopback]) {
        return Some(Special::Loopback);
    }
    let is_pod = |client| matches!(client, ClientKind::LocalPod | ClientKind::RemotePod);
    let pods = kinds.is_empty() && list.iter().all(|difference| is_pod(difference.from.client));
    pods.then_some(Special::SelfConnection)
}

fn destinations(to: &To, ground: &Ground<'_>) -> Vec<String> {
    let alike = to.alike.iter().map(|ip| destination(to, Some(*ip), ground));
    std::iter::once(destination(to, to.address, ground)).chain(alike).collect()
}

fn destination(to: &To, address: Option<IpAddr>, ground: &Ground<'_>) -> String {
    let ip = match address {
        Some(ip) => match ground.name(ip) {
            name if ip.is_ipv6() && name == ip.to_string() => format!("[{name}]"),
            name => name,
        },
        None => format!("other addresses such as {}", ground.name_example(to.representative.ip())),
    };
    match to.port {
        Some(port) => format!("{ip}:{port}/{}", to.protocol),
        None => format!("{ip}, other {} ports", to.protocol),
    }
}

/// At most this many single sources are listed.
const LISTED: usize = 6;

fn sources(list: &[&Difference], calls_itself: bool, Side { names, ground, .. }: Side<'_>) -> Vec<String> {
    let kinds: BTreeSet<Kind> = list.iter().filter_map(|difference| kind(difference)).collect();
    let stands_alone = |difference: &&&Difference| !kinds.contains(&kind_of_origin(difference));
    let single: BTreeSet<IpAddr> = list
        .iter()
        .filter(stands_alone)
        .flat_map(|difference| {
            let alike = difference.from.alike.iter().filter(|_| !calls_itself);
            difference.from.address.iter().chain(alike)
        })
        .copied()
        .collect();
    let mut sources = in_words(&kinds);
    if single.len() > LISTED {
        sources.push(format!("{} single addresses", single.len()));
    } else {
        let name = |ip: &IpAddr| names.client(*ip).unwrap_or_else(|| ground.name(*ip));
        sources.extend(single.iter().map(name));
    }
    match list.iter().map(|difference| difference.from.not_followed).sum() {
        0 => {}
        1 => sources.push("perhaps 1 more single address".to_owned()),
        many => sources.push(format!("perhaps {many} more single addresses")),
    }
    let likewise: usize = list.iter().map(|difference| difference.from.alike.len()).sum();
    if calls_itself && likewise > 0 {
        sources.push(match likewise {
            1 => "1 other endpoint that connects to itself".to_owned(),
            many => format!("{many} other endpoints that connect to themselves"),
        });
    }
    sources
}

/// Who sends the packets, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    LocalPods,
    RemotePods,
    Node,
    Loopback,
    Outside,
}

/// None for an address that rules name by itself: an endpoint.
fn kind(difference: &Difference) -> Option<Kind> {
    let kind = kind_of_origin(difference);
    let alone = difference.from.address.is_some() && !matches!(kind, Kind::Node | Kind::Loopback);
    (!alone).then_some(kind)
}

fn kind_of_origin(difference: &Difference) -> Kind {
    match difference.from.client {
        ClientKind::LocalPod => Kind::LocalPods,
        ClientKind::RemotePod => Kind::RemotePods,
        ClientKind::Node if difference.packet.source.is_loopback() => Kind::Loopback,
        ClientKind::Node => Kind::Node,
        ClientKind::Outside => Kind::Outside,
    }
}

fn in_words(kinds: &BTreeSet<Kind>) -> Vec<String> {
    let has = |kind| kinds.contains(&kind);
    let pods = match (has(Kind::LocalPods), has(Kind::RemotePods)) {
        (true, true) => Some("Pods"),
        (true, false) => Some("Pods on this node"),
        (false, true) => Some("Pods on other nodes"),
        (false, false) => None,
    };
    let node = match (has(Kind::Node), has(Kind::Loopback)) {
        (true, _) => Some("the node itself"),
        (false, true) => Some("loopback addresses of the node"),
        (false, false) => None,
    };
    let outside = has(Kind::Outside).then_some("outside the cluster");
    match (pods, node, outside) {
        (Some("Pods"), Some("the node itself"), Some(_)) => vec!["everywhere".to_owned()],
        _ => [pods, node, outside].into_iter().flatten().map(str::to_owned).collect(),
    }
}
